"""A whole production system for tests: a folder with its own key for each organisation, a file for each process."""

from __future__ import annotations

import datetime as dt
import json
import signal
import ssl
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

import httpx
from eth_account import Account
from nacl.public import PrivateKey

from contracts.deploy import Deployment
from domain.hashing import to_hex
from domain.members import noun_json
from domain.policies import SigningPolicy
from domain.signing import SigningKey
from grid.model import GridModel
from ledger_service.chain.ports import free_port
from scripts.community.run_config import ATTESTER_NAMES
from scripts.serving.embedded.processes import Child, wait_until_ready
from scripts.serving.embedded.run_folder import ACCOUNT_KEYS, ORGANISATION_KEYS
from scripts.tools.chain_nodes.clique import CliqueNetwork
from tests.authority import Authority
from tests.mosquitto import Mosquitto

DOMINOES = str(Path(sys.executable).with_name("dominoes"))

CHAIN_ID = 20_160

ROLES = {
    "operator": "operator",
    "dso": "dso",
    **dict.fromkeys(ATTESTER_NAMES, "attester"),
    "treasurer": "treasurer",
    "registrar": "registrar",
    "security-admin": "security_admin",
    "second-security-admin": "security_admin",
    "auditor": "auditor",
}

SERVICE_NODE, KILLED_NODE = 0, 3
"""Sealers by number: the one the service talks to, and the one that the test kills."""

APPROVED = {
    "registrar": ["Registry.register", "Calendar.createArea", "Market.createMarket", "Accounts.bindAccount"],
    "treasurer": ["Accounts.deposit"],
}


class ProductionWorld:
    """PostgreSQL's database, four sealers, mosquitto and our own processes, each started by the command line."""

    def __init__(self, folder: Path, *, area: str, database_url: str, market: Mapping[str, int]) -> None:
        self.folder, self.area, self.database_url, self.market = folder, area, database_url, market
        self.keys = {name: SigningKey.generate() for name in (*ORGANISATION_KEYS, *ACCOUNT_KEYS)}
        self.seal = PrivateKey.generate()
        self.port = free_port()
        self.authority = Authority(folder=folder / "pki", name="API CA", now=dt.datetime.now(tz=dt.UTC))
        self.certificate = self.authority.server(hosts=["127.0.0.1", "localhost"])
        self.chain = CliqueNetwork(
            folder=folder / "chain", chain_id=CHAIN_ID, funded=[key.address for key in self.keys.values()]
        )
        self.broker = Mosquitto(folder=folder / "mosquitto", area=area, port=free_port(), meters=[], attesters=[])
        self.children: dict[str, Child] = {}
        for name in ROLES:
            self._write_keystore(name)
        self._write_keystore("deployer")

    @property
    def url(self) -> str:
        return f"https://127.0.0.1:{self.port}"

    @property
    def deployment_file(self) -> Path:
        return self.folder / "deployment.json"

    def deployment(self) -> Deployment:
        return Deployment.from_json(json.loads(self.deployment_file.read_text()))

    def _write_keystore(self, name: str) -> None:
        place = self.folder / name
        place.mkdir()
        (place / "key.json").write_text(json.dumps(Account.encrypt(self.keys[name].secret, name, iterations=2)))
        (place / "password").write_text(name)
        for path in (place / "key.json", place / "password"):
            path.chmod(0o600)

    # Settings

    def settings(self, name: str, sections: str) -> Path:
        """Write one party's settings file; everything in it is that party's own, or public."""
        path = self.folder / name / "settings.toml"
        path.write_text(sections)
        return path

    def _chain(self, node: int) -> str:
        url = self.chain.sealers[node].url
        return f'[chain]\nrpc_url = "{url}"\nprofile = "clique"\ndeployment_file = "../deployment.json"\n'

    def _organisations(self) -> str:
        blocks = []
        for name, role in ROLES.items():
            area = f'area = "{self.area}"\n' if role in ("dso", "attester") else ""
            address = to_hex(self.keys[name].address)
            blocks.append(f'[[organisations]]\nname = "{name}"\nrole = "{role}"\naddress = "{address}"\n{area}')
        return "\n".join(blocks)

    def write_deployer(self, *, origin: int, speed: int, challenge_seconds: int) -> Path:
        return self.settings(
            "deployer",
            self._chain(SERVICE_NODE)
            + f"[clock]\nspeed = {speed}\norigin_seconds = {origin}\n"
            + f'[deployment]\nkey = "key.json"\npassword_file = "password"\nchallenge_seconds = {challenge_seconds}\n'
            # A change of roles takes block time, all else market time; the challenge window outlasts both together.
            + f"delay_seconds = {challenge_seconds // speed // 2}\npage_seconds = {challenge_seconds // 4}\n"
            + self._organisations(),
        )

    def write_service(self, *, first_day: dt.date, last_day: dt.date) -> Path:
        return self.settings(
            "operator",
            'state = "state"\n'
            + f'[database]\nurl = "{self.database_url}"\n'
            + self._chain(SERVICE_NODE)
            + f'[api]\nport = {self.port}\ncertificate = "{self.certificate.certificate}"\n'
            + f'key = "{self.certificate.key}"\n'
            + '[keys]\noperator = "key.json"\noperator_password_file = "password"\ntokens = "tokens.pem"\n'
            + f'auditor_seal = "{bytes(self.seal.public_key).hex()}"\n'
            + f'[mqtt]\nhost = "127.0.0.1"\nport = {self.broker.port}\nca = "{self.broker.authority.certificate}"\n'
            + f'certificate = "{self.broker.server.certificate}"\nkey = "{self.broker.server.key}"\n'
            + f'[calendar]\nfirst_day = "{first_day}"\nlast_day = "{last_day}"\n'
            + self._organisations(),
        )

    def write_outsider(self, *, node: int) -> Path:
        """Settings of somebody who holds no key: a node of one's own, and what all parties signed."""
        (self.folder / "outsider").mkdir(exist_ok=True)
        accounts = {name: to_hex(self.keys[name].address) for name in ("dso-account", "tax")}
        agreed = f'[[areas]]\narea = "{self.area}"\ndso_account = "{accounts["dso-account"]}"\n'
        agreed += f'tax_account = "{accounts["tax"]}"\n'
        return self.settings("outsider", self._chain(node) + agreed + self._organisations())

    def write_attester(self, name: str, *, node: int) -> Path:
        identity = self.broker.authority.client(name)
        return self.settings(
            name,
            self._chain(node)
            + f'[mqtt]\nhost = "127.0.0.1"\nport = {self.broker.port}\nca = "{self.broker.authority.certificate}"\n'
            + f'certificate = "{identity.certificate}"\nkey = "{identity.key}"\n'
            + f'[attester]\nname = "{name}"\narea = "{self.area}"\nstore = "store.sqlite"\nkeystore = "key.json"\n'
            + f'password_file = "password"\nservice_url = "{self.url}"\nservice_ca = "{self.authority.certificate}"\n'
            + f"cut_off_seconds = {self.market['cut_off_seconds']}\nproposer_timeout_seconds = 5.0\n",
        )

    def write_signer(self, role: str) -> Path:
        return self.settings(
            role,
            self._chain(1)
            + f'[signer]\nrole = "{role}"\nkeystore = "key.json"\npassword_file = "password"\n'
            + f'service_url = "{self.url}"\nservice_ca = "{self.authority.certificate}"\n'
            + f"approve = {json.dumps(APPROVED[role])}\nfollow_seconds = 0.5\n",
        )

    def write_desk(
        self,
        *,
        market: str,
        lot_wh: int,
        gate_local: str,
        sign_seconds: int,
        grid: GridModel,
        policy: SigningPolicy,
    ) -> Path:
        """The DSO's own machine: settings, grid model, policy, and the anchors of the contracts it signs for."""
        folder, deployment = self.folder / "dso", self.deployment()
        (folder / "grid.json").write_bytes(grid.to_json())
        (folder / "policy.json").write_text(json.dumps(noun_json(policy)))
        anchors = {
            "chain_id": deployment.chain_id,
            "contracts": {"Market": {"address": to_hex(deployment.addresses["Market"])}},
            "areas": {self.area: {"grid_model_hash": to_hex(grid.grid_model_hash)}},
        }
        (folder / "anchors.json").write_text(json.dumps(anchors))
        return self.settings(
            "dso",
            f'[desk]\nkeystore = "key.json"\npassword_file = "password"\nservice_url = "{self.url}"\n'
            + f'service_ca = "{self.authority.certificate}"\narea = "{self.area}"\n'
            + 'anchors = "anchors.json"\ngrid_model = "grid.json"\npolicies = ["policy.json"]\n'
            + f'[[desk.markets]]\nmarket = "{market}"\nlot_wh = {lot_wh}\ngates_local = ["{gate_local}"]\n'
            + f"sign_seconds = {sign_seconds}\n",
        )

    # Processes

    def dominoes(self, *arguments: str) -> str:
        done = subprocess.run([DOMINOES, *arguments], capture_output=True, text=True, timeout=120, check=False)
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout

    def start(self, name: str, *arguments: str) -> Child:
        child = Child(name=name, command=[DOMINOES, *arguments], log=self.folder / "logs" / f"{name}.log")
        self.children[name] = child
        return child

    def start_service(self) -> None:
        child = self.start("service", "serve", "--config", str(self.folder / "operator" / "settings.toml"))
        with self.http() as http:
            wait_until_ready(child, lambda: _answers(http))

    def start_broker(self) -> None:
        """Configured by the command line for what is registered by now."""
        settings = str(self.folder / "operator" / "settings.toml")
        self.dominoes("broker", "--config", settings, "--out", str(self.broker.folder))
        self.broker.start()
        self.broker.wait_until_open()

    def kill(self, name: str) -> None:
        """SIGKILL, as a power cut would."""
        self.children[name].signal(signal.SIGKILL)

    def _trusted(self) -> ssl.SSLContext:
        return ssl.create_default_context(cafile=self.authority.certificate)

    def http(self) -> httpx.Client:
        return httpx.Client(base_url=self.url, verify=self._trusted(), timeout=60.0)

    def stop(self) -> None:
        for name in sorted(self.children, key=lambda name: name == "service"):
            self.children[name].stop()
        self.broker.kill()
        self.chain.stop()


def _answers(http: httpx.Client) -> bool:
    try:
        return http.get("/health").status_code == 200
    except httpx.HTTPError:
        return False


@contextmanager
def timed(what: str) -> Iterator[None]:
    """Say how long a part of the test took, in its output."""
    begun = time.monotonic()
    yield
    print(f"{what}: {time.monotonic() - begun:.1f} s", flush=True)
