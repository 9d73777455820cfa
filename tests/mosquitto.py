"""A private mosquitto broker for tests, with an authority of its own."""

from __future__ import annotations

import datetime as dt
import shutil
import socket
import subprocess
import time
from pathlib import Path

from oracle.brokers.mosquitto import access_list, configuration
from oracle.mqtt import BrokerAddress
from tests.authority import Authority


class Mosquitto:
    """A broker on loopback that can be killed and started again."""

    def __init__(self, *, folder: Path, area: str, port: int, meters: list[str], attesters: list[str]) -> None:
        self.port, self.folder = port, folder
        self.authority = Authority(folder=folder / "pki", name="Test CA", now=dt.datetime.now(tz=dt.UTC))
        self.server = self.authority.server(hosts=["127.0.0.1", "localhost"])
        acl = folder / "acl"
        acl.touch(mode=0o600)
        acl.write_text(access_list(area=area, meters=meters, attesters=attesters), encoding="utf-8")
        self.config = folder / "mosquitto.conf"
        trusted = self.authority.certificate
        self.config.write_text(
            configuration(folder=folder, host="127.0.0.1", port=port, authority=trusted, server=self.server, acl=acl),
            encoding="utf-8",
        )
        self.process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        binary = shutil.which("mosquitto", path="/usr/sbin:/usr/local/sbin:/usr/bin:/opt/homebrew/sbin")
        assert binary is not None, "install mosquitto to run the host suite"
        # Started by root, mosquitto would step down to a user that can't read the test's folder.
        text = self.config.read_text()
        if "user root" not in text:
            self.config.write_text(text + "user root\n")
        self.process = subprocess.Popen([binary, "-c", str(self.config)], stdout=-3, stderr=-3)

    def wait_until_open(self) -> None:
        """Return once it takes connections."""
        for _ in range(100):
            with socket.socket() as probe:
                if probe.connect_ex(("127.0.0.1", self.port)) == 0:
                    return
            time.sleep(0.1)
        raise AssertionError("mosquitto does not listen")

    def kill(self) -> None:
        if self.process is not None:
            self.process.kill()
            self.process.wait()
            self.process = None

    def address(self, name: str) -> BrokerAddress:
        identity = self.authority.client(name)
        return BrokerAddress(
            host="127.0.0.1",
            port=self.port,
            ca=self.authority.certificate,
            certificate=identity.certificate,
            key=identity.key,
        )
