"""Trust anchors, as whoever holds a node makes them: what the parties signed, as the chain bears it out."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from typer.testing import CliRunner

from contracts.bindings import Anchors
from domain.hashing import hash_json, keccak, to_hex
from scripts.cli.main import app
from scripts.serving.deployment_file import write_deployment
from tests.integration.chain.conftest import DEPLOYER, KEYS, World, ask
from tests.journal import request_fact
from verifier.anchors import Anchors as VerifiersAnchors

pytestmark = pytest.mark.integration

AREA, HEAD, SEQUENCE = "DE-1", keccak(b"head"), 17
GRID = {"buses": []}


def anchor(world: World) -> None:
    """Have the operator anchor a head, two blocks deep."""
    call = Anchors.anchor(sequence=SEQUENCE, head=HEAD)
    ask(world.record, request_fact(key="anchor", role="operator", call=call))
    world.gateway().step()
    world.mine(3)


DSO_ACCOUNT, TAX_ACCOUNT = "0x" + "d5" * 20, "0x" + "7a" * 20


def make(
    world: World, folder: Path, *, replaced: dict[str, str] | None = None, areas: tuple[str, ...] = (AREA,)
) -> tuple[int, str]:
    """Run the command with every organisation of the chain, some under another address."""
    write_deployment(folder / "deployment.json", world.deployment)
    (folder / "grid.json").write_text(json.dumps(GRID))
    lines = [f'[chain]\nrpc_url = "{world.rpc.url}"\ndeployment_file = "deployment.json"']
    for name, key in KEYS.items():
        role, address = name.rstrip("12"), (replaced or {}).get(name, to_hex(key.address))
        area = f'area = "{AREA}"\n' if role in ("dso", "attester") else ""
        lines.append(f'[[organisations]]\nname = "{name}"\nrole = "{role}"\naddress = "{address}"\n{area}')
    accounts = f'dso_account = "{DSO_ACCOUNT}"\ntax_account = "{TAX_ACCOUNT}"'
    lines += [f'[[areas]]\narea = "{area}"\nzone = "Europe/Lisbon"\n{accounts}' for area in areas]
    (folder / "anchors.toml").write_text("\n".join(lines))
    asked = ["--config", folder / "anchors.toml", "--grid-model", f"{AREA}={folder / 'grid.json'}"]
    done = CliRunner().invoke(app, ["anchors", *map(str, asked), "--out", str(folder / "anchors.json")])
    return done.exit_code, done.stdout + done.stderr


def test_anchors__of_a_running_market__are_those_the_verifier_reads(tmp_path: Path, world: World) -> None:
    anchor(world)

    code, said = make(world, tmp_path)

    assert code == 0, said
    written = json.loads((tmp_path / "anchors.json").read_text())
    read = VerifiersAnchors.read(written)
    header = world.rpc.header(read.checkpoint.block)
    assert header is not None and read.checkpoint.block_hash == to_hex(header.hash)
    assert (read.checkpoint.journal_sequence, read.checkpoint.journal_head) == (SEQUENCE, to_hex(HEAD))
    assert header.number < world.rpc.block_number()  # the block that holds the head, not just the newest
    assert written["areas"][AREA] == {
        "grid_model_hash": to_hex(hash_json(GRID)),
        "zone": "Europe/Lisbon",
        "accounts": {"dso": DSO_ACCOUNT, "tax": TAX_ACCOUNT},
        "dso": to_hex(KEYS["dso"].address),
        "attesters": sorted(to_hex(KEYS[name].address) for name in ("attester1", "attester2")),
        "threshold": 2,
    }
    admins = [to_hex(KEYS[name].address) for name in ("security_admin", "security_admin2")]
    assert written["roles"]["security_admin"] == sorted(admins)
    assert written["contracts"].keys() == world.deployment.addresses.keys()


def test_anchors__key_without_its_role_on_chain__names_it_and_writes_nothing(tmp_path: Path, world: World) -> None:
    anchor(world)

    code, said = make(world, tmp_path, replaced={"dso": to_hex(DEPLOYER.address)})

    assert code == 2 and "of dso is no dso on this chain" in " ".join(said.split())
    assert not (tmp_path / "anchors.json").exists()


def test_anchors__area_that_nobody_agreed_on__is_named_and_nothing_written(tmp_path: Path, world: World) -> None:
    anchor(world)

    code, said = make(world, tmp_path, areas=())

    assert code == 2 and f"no [[areas]] names {AREA}" in " ".join(said.split())
    assert not (tmp_path / "anchors.json").exists()


def test_anchors__before_the_first_anchor__says_to_wait(tmp_path: Path, world: World) -> None:
    code, said = make(world, tmp_path)

    assert code == 2 and "no journal head is anchored on chain yet" in " ".join(said.split())


@pytest.mark.parametrize("text", [None, "[]", "{"])
def test_anchors__grid_model_that_is_none__is_refused(tmp_path: Path, world: World, text: str | None) -> None:
    anchor(world)
    make(world, tmp_path)
    (tmp_path / "anchors.json").unlink()
    config, model = tmp_path / "anchors.toml", tmp_path / "other.json"
    if text is not None:
        model.write_text(text)

    asked = ["anchors", "--config", str(config), "--grid-model", f"{AREA}={model}"]
    done = CliRunner().invoke(app, [*asked, "--out", str(tmp_path / "anchors.json")])

    assert done.exit_code == 2 and f"the grid model of {AREA}" in " ".join((done.stdout + done.stderr).split())
    assert not (tmp_path / "anchors.json").exists()
