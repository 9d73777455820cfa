"""Security admins and new keys change roles by the command line, each with a key and a node of its own."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest
from eth_account import Account
from typer.testing import CliRunner

from domain.hashing import to_hex
from domain.signing import SigningKey
from scripts.cli.main import app
from scripts.serving.deployment_file import write_deployment
from tests.integration.chain.conftest import CONFIG, KEYS, World

pytestmark = pytest.mark.integration

NEW_KEY = SigningKey(b"\x2a" * 32)


class Office:
    """A folder with a settings file and a keystore for each of several people."""

    def __init__(self, folder: Path, world: World) -> None:
        self.folder, self.world = folder, world
        world.rpc.call("evm_setAutomine", True)
        write_deployment(folder / "deployment.json", world.deployment)
        for name, key in (*KEYS.items(), ("new", NEW_KEY)):
            for suffix, text in (
                ("json", json.dumps(Account.encrypt(key.secret, name, iterations=2))),
                ("password", name),
            ):
                (folder / f"{name}.{suffix}").touch(mode=0o600)
                (folder / f"{name}.{suffix}").write_text(text)
            (folder / f"{name}.toml").write_text(
                f'[chain]\nrpc_url = "{world.rpc.url}"\ndeployment_file = "deployment.json"\n'
                f'[signer]\nkeystore = "{name}.json"\npassword_file = "{name}.password"\n'
            )

    def roles(self, who: str, *arguments: str) -> tuple[int, str]:
        config = str(self.folder / f"{who}.toml")
        done = CliRunner().invoke(app, ["roles", *arguments, "--config", config, "--json"])
        return done.exit_code, done.stdout + done.stderr

    def held(self, key: SigningKey) -> str:
        code, out = self.roles("operator", "show", to_hex(key.address))
        assert code == 0, out
        return str(json.loads(out)["role"])

    def wait_for_the_delay(self) -> None:
        self.world.rpc.call("evm_increaseTime", CONFIG.delay_seconds + 1)
        self.world.mine()


@pytest.fixture
def office(tmp_path: Path, world: World) -> Iterator[Office]:
    yield Office(tmp_path, world)


def test_roles__treasurers_key_replaced__takes_two_organisations_and_the_new_key_itself(office: Office) -> None:
    old, new = to_hex(KEYS["treasurer"].address), to_hex(NEW_KEY.address)

    assert office.roles("security_admin", "propose-replacement", old, new)[0] == 0
    seen = ("confirm", new, "--role", "treasurer", "--organisation", "organisation treasurer")
    alone = office.roles("security_admin", *seen, "--replaces", old)
    other = office.roles("security_admin2", *seen)
    assert office.roles("security_admin2", *seen, "--replaces", old)[0] == 0
    early = office.roles("new", "accept")
    office.wait_for_the_delay()
    accepted = office.roles("new", "accept")

    assert alone[0] == 2 and "RolesSameOrganisation" in alone[1]
    assert other[0] == 2 and "RolesProposalOther" in other[1]
    assert early[0] == 2 and "RolesProposalEarly" in early[1]
    assert accepted[0] == 0, accepted[1]
    assert (office.held(NEW_KEY), office.held(KEYS["treasurer"])) == ("treasurer", "none")


def test_roles__grant_proposed__is_shown_and_can_be_withdrawn(office: Office) -> None:
    new = to_hex(NEW_KEY.address)
    proposal = ("propose-grant", new, "--role", "attester", "--organisation", "a third house", "--area", "A")

    assert office.roles("security_admin", *proposal)[0] == 0
    shown = json.loads(office.roles("operator", "show", new)[1])["proposed"]
    assert office.roles("security_admin2", "cancel", new)[0] == 0

    assert (shown["role"], shown["confirmed"], shown["by"]) == (
        "attester",
        False,
        to_hex(KEYS["security_admin"].address),
    )
    assert "proposed" not in json.loads(office.roles("operator", "show", new)[1])


@pytest.mark.parametrize(
    ("who", "arguments", "said"),
    [
        ("operator", ("pause",), "RolesMissing"),
        ("security_admin", ("unpause",), "RolesNotPaused"),
        ("security_admin", ("confirm", "0x1234", "--role", "dso", "--organisation", "x"), "no address"),
        ("security_admin", ("propose-grant", "0x" + "11" * 20, "--role", "king", "--organisation", "x"), "king"),
    ],
)
def test_roles__what_may_not_be__is_refused_with_its_reason(
    office: Office, who: str, arguments: tuple[str, ...], said: str
) -> None:
    before = office.world.rpc.block_number()

    code, out = office.roles(who, *arguments)

    assert code == 2 and said in out
    assert office.world.rpc.block_number() == before
