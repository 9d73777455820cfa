"""A private PostgreSQL server for tests."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import time
from pathlib import Path

import psycopg

SERVER_USER = "nobody"
"""Unprivileged user that runs the database server where the tests run as root, which PostgreSQL refuses."""

STOP_SECONDS = 120
"""Patience with the server's end on a busy machine."""


def _postgres_tool(name: str) -> str:
    installed = sorted(Path("/usr/lib/postgresql").glob(f"*/bin/{name}"))
    found = str(installed[-1]) if installed else shutil.which(name)
    assert found is not None, f"{name} is missing; install PostgreSQL (make test-full does)"
    return found


class Postgres:
    """A private PostgreSQL server on a Unix socket, stopped and thrown away at the end."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._as_user = ["setpriv", "--reuid", SERVER_USER, "--clear-groups", "--"] if os.geteuid() == 0 else []
        if self._as_user:
            shutil.chown(folder, user=SERVER_USER)
            for parent in folder.parents:
                if parent.stat().st_uid == 0 and parent != Path("/") and not parent.stat().st_mode & 0o001:
                    parent.chmod(parent.stat().st_mode | 0o011)
        initdb = [_postgres_tool("initdb"), "-D", f"{folder}/data", "-U", "dominoes", "-A", "trust", "-N"]
        subprocess.run([*self._as_user, *initdb], check=True, stdout=subprocess.DEVNULL, cwd=folder)
        self._process = self._start()

    def _start(self) -> subprocess.Popen[bytes]:
        command = [_postgres_tool("postgres"), "-D", f"{self.folder}/data", "-k", str(self.folder), "-h", ""]
        log = (self.folder / "log").open("ab")
        return subprocess.Popen([*self._as_user, *command], stdout=log, stderr=log, cwd=self.folder)

    def url(self, database: str) -> str:
        """Where a database of this server is."""
        return f"postgresql://dominoes@/{database}?host={self.folder}"

    def create(self, database: str) -> str:
        """A new database, once the server answers."""
        with self._link() as link:
            link.execute(f'CREATE DATABASE "{database}"')
        return self.url(database)

    def _link(self) -> psycopg.Connection:
        for _ in range(200):
            try:
                return psycopg.connect(f"host={self.folder} user=dominoes dbname=postgres", autocommit=True)
            except psycopg.OperationalError:
                time.sleep(0.05)
        raise AssertionError((self.folder / "log").read_text())

    def restart(self) -> None:
        """Start it again after a stop, and wait until it answers."""
        self._process = self._start()
        self._link().close()

    def stop(self) -> None:
        """Stop at once, as in a power cut: nothing is owed to clients that are still connected."""
        self._process.send_signal(signal.SIGQUIT)
        self._process.wait(timeout=STOP_SECONDS)
