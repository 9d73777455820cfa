"""A street comes into the registry from a folder: faults by file and line, signatures by party, half done goes on."""

from __future__ import annotations

import csv
import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest
from typer.testing import Result

from domain.hashing import to_hex
from grid.model import GridModel
from scripts.area_folder.checking import AlreadyThere, faults_of
from scripts.area_folder.reading import FILES, columns_of, read_folder
from tests.integration.docs.test_role_pages import Desk
from tests.integration.docs.test_start_pages import served
from tests.terms import PRICES
from tests.unit.wallet_api.world import (
    AREA,
    AREA_BODY,
    FIRST_MTU,
    MARKET_BODY,
    TARIFF,
    World,
    address,
    open_world,
)

pytestmark = pytest.mark.integration

HOMES = (1, 2, 3)
FROM = str(FIRST_MTU)


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    """An area with its market, in which nobody takes part yet."""
    for made in open_world(tmp_path):
        for path, body in (("/v1/areas", AREA_BODY), ("/v1/markets", MARKET_BODY)):
            assert made.post("registry office", path, body).status_code == 201
        yield made


def write(folder: Path, file: str, rows: list[Mapping[str, Any]]) -> None:
    """A file of the folder; what a row does not say is empty."""
    names = columns_of(FILES[file])
    with (folder / file).open("w", newline="", encoding="utf-8") as out:
        lines = csv.DictWriter(out, names, restval="")
        lines.writeheader()
        lines.writerows(rows)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A street: a retailer with its tariff, accounts of DSO and taxes, households with agreements and meters."""
    made = tmp_path / "street"
    made.mkdir()
    party = {"connection_import_w": 0, "connection_export_w": 0, "valid_from_mtu": FROM}
    others = {"the retailer": "retailer", "grid account": "dso", "tax office": "tax"}
    accounts = {"the retailer": address("retailer 1")} | {name: address(name) for name in list(others)[1:]}
    write(
        made,
        "participants.csv",
        [party | {"participant": name, "kind": kind, "account": accounts[name]} for name, kind in others.items()]
        + [
            {
                "participant": f"home {n}",
                "kind": "household",
                "account": address(f"household {n}"),
                "point": f"DE-LV1-P{n}",
                "connection_import_w": 10_000,
                "connection_export_w": 5_000,
                "valid_from_mtu": "2016-06-02T02:00+02:00",
            }
            for n in HOMES
        ],
    )
    tariff = {"tariff": "flat", "version": 1, "retailer": address("retailer 1"), "valid_from_mtu": FROM}
    write(made, "tariffs.csv", [PRICES | TARIFF | tariff])
    agreed = {"version": 1, "retailer": address("retailer 1"), "tariff": "flat", "valid_from_mtu": FROM}
    write(
        made,
        "agreements.csv",
        [agreed | {"agreement": f"supply {n}", "account": address(f"household {n}")} for n in HOMES],
    )
    write(
        made,
        "meters.csv",
        [
            {"meter": f"M{n}", "point": f"DE-LV1-P{n}", "public_key": to_hex(bytes([n]) * 32), "valid_from_mtu": FROM}
            for n in HOMES
        ],
    )
    (made / "grid.json").write_bytes(GridModel.from_document(AREA_BODY["grid_model"]).to_json())
    return made


def call(desk: Desk, command: str, folder: Path, *more: str) -> Result:
    """A command about the folder, held to the grid."""
    grid = str(folder / "grid.json")
    return desk.run("area", command, str(folder), "--area", AREA, "--grid", grid, *more)  # type: ignore[no-any-return]


def sign_all(world: World, folder: Path, desks: Path, url: str) -> None:
    """Each party signs its parts at its own machine."""
    signing = {"account": [f"household {n}" for n in HOMES] + ["retailer 1", "grid account", "tax office"]}
    signing |= {"retailer": ["retailer 1"], "dso": ["grid operator"], "registrar": ["registry office"]}
    for party, names in signing.items():
        for name in names:
            at = desks / party
            at.mkdir(exist_ok=True)
            desk = Desk(world, name, at, url)
            done = desk.run("area", "sign", str(folder), "--area", AREA, "--for", party, "--yes")
            assert done.exit_code == 0, (name, done.output)


def test_area_folder__signed_by_all__is_registered_once_and_goes_on(world: World, folder: Path, tmp_path: Path) -> None:
    with served(world.app) as url:
        desk = Desk(world, "registry office", tmp_path, url)
        unsigned = call(desk, "register", folder)
        sign_all(world, folder, tmp_path, url)
        checked = call(desk, "check", folder)
        meters = (folder / "meters.csv").read_text()
        (folder / "meters.csv").unlink()
        half = call(desk, "register", folder)
        (folder / "meters.csv").write_text(meters)
        rest = call(desk, "register", folder)

    assert unsigned.exit_code == 2 and "signatures lack" in unsigned.output
    assert checked.exit_code == 0 and "none" in checked.output, checked.output
    assert (half.exit_code, rest.exit_code) == (0, 0), (half.output, rest.output)
    assert ["new", "10"] in words(half) and ["there already", "0"] in words(half)
    assert ["new", "3"] in words(rest) and ["there already", "10"] in words(rest)
    names = [one["participant"] for one in world.get("registry office", "/v1/participants").json()["items"]]
    assert sorted(names) == ["grid account", "home 1", "home 2", "home 3", "tax office", "the retailer"]
    assert len(world.get("registry office", "/v1/meters").json()["items"]) == 3


def words(result: Result) -> list[list[str]]:
    """The rows of a table of two columns."""
    return [line.strip().rsplit(None, 1) for line in result.output.splitlines() if line.strip()]


FAULTS = {
    "participants.csv": {
        5: ("DE-LV1-P1", "DE-LV1-P77", "point DE-LV1-P77 is none of the grid model's"),
        6: (",10000,", ",999999999,", "connection_import_w is 999999999, but the grid model allows"),
        7: (",household,", ",castle,", "kind is 'castle'"),
    },
    "agreements.csv": {
        2: ("flat", "night", "has no tariff night"),
        3: (FROM, "1", "but MTU"),
        4: ("supply 3", "supply  3", "agreement is 'supply  3'"),
    },
    "meters.csv": {
        3: ("DE-LV1-P2", "DE-LV1-P9", "no household stands at point DE-LV1-P9"),
        4: ("0303", "0x03", "public_key is"),
    },
}
"""A change on a line of each file, and what is said of it."""


def test_area_folder__every_fault__is_told_with_its_file_and_line_and_nothing_is_sent(
    world: World, folder: Path, tmp_path: Path
) -> None:
    for file, changes in FAULTS.items():
        lines = (folder / file).read_text().splitlines()
        for number, (was, now, _) in changes.items():
            assert was in lines[number - 1]
            lines[number - 1] = lines[number - 1].replace(was, now, 1)
        (folder / file).write_text("\n".join(lines))
    before = world.head()

    with served(world.app) as url:
        told = call(Desk(world, "registry office", tmp_path, url), "register", folder)

    assert told.exit_code == 2 and world.head() == before
    for file, changes in FAULTS.items():
        for number, (_, _, said) in changes.items():
            assert any(line.startswith(f"{file}:{number}: ") and said in line for line in told.output.splitlines()), (
                file,
                number,
                told.output,
            )


def test_area_folder__two_with_one_account_and_a_column_too_few__are_told(
    world: World, folder: Path, tmp_path: Path
) -> None:
    participants = (folder / "participants.csv").read_text().splitlines()
    participants[6] = participants[6].replace(address("household 3"), address("household 2"))
    (folder / "participants.csv").write_text("\n".join(participants))
    (folder / "tariffs.csv").write_text("tariff,version\nflat,1\n")

    with served(world.app) as url:
        told = call(Desk(world, "registry office", tmp_path, url), "check", folder, "--json")

    faults = json.loads(told.stdout[told.stdout.index('{\n  "faults"') :])["faults"]
    assert any(each.startswith("participants.csv:7: account is that of line 6, too") for each in faults)
    assert any(each.startswith("tariffs.csv:1: names of columns: lacks ") for each in faults)


def test_area_folder__what_the_registry_refuses__stops_nothing_else(world: World, folder: Path, tmp_path: Path) -> None:
    with served(world.app) as url:
        sign_all(world, folder, tmp_path, url)
        rival = Desk(world, "household 9", tmp_path, url)  # signs as a DSO, which it is not
        (folder / "signatures" / f"dso-{address('grid operator')}.csv").unlink()
        assert rival.run("area", "sign", str(folder), "--area", AREA, "--for", "dso", "--yes").exit_code == 0
        told = call(Desk(world, "registry office", tmp_path, url), "register", folder)

    assert told.exit_code == 1
    assert "participants.csv:5: participant home 1 is signed by" in " ".join(told.output.split())
    assert ["refused", "13"] in words(told)


def test_area_folder__again_when_its_first_mtu_has_passed__is_there_already(
    world: World, folder: Path, tmp_path: Path
) -> None:
    with served(world.app) as url:
        sign_all(world, folder, tmp_path, url)
        desk = Desk(world, "registry office", tmp_path, url)
        assert call(desk, "register", folder).exit_code == 0
        world.clock.advance_to((FIRST_MTU + 4) * 900)
        again = call(desk, "register", folder)

    assert again.exit_code == 0, again.output
    assert ["new", "0"] in words(again) and ["there already", "13"] in words(again)


def test_area_sign__nothing_that_binds_the_key_or_no_such_party__writes_nothing(
    world: World, folder: Path, tmp_path: Path
) -> None:
    desk = Desk(world, "household 9", tmp_path, "http://service.test")
    command = ("area", "sign", str(folder), "--area", AREA, "--yes", "--for")
    stranger, typo = desk.run(*command, "account"), desk.run(*command, "retialer")

    assert (stranger.exit_code, typo.exit_code) == (2, 2)
    assert "nothing-to-sign" in stranger.output and "signs nothing here" in typo.output
    assert not (folder / "signatures").exists()


METER = f"M1,P1,0x{'03' * 32},"
HEADING = "meter,point,public_key,valid_from_mtu"

UNREADABLE: dict[str, tuple[bytes, int, str]] = {
    "a stray quote": (f'{HEADING}\n{METER}8\n"M2"x,P1,{METER}8\n'.encode(), 3, "is no CSV"),
    "a quoted line break in a name": (f'{HEADING}\n"M\n1",P1,0x{"03" * 32},8\n'.encode(), 3, "meter is"),
    "digits of another alphabet": (f"{HEADING}\n{METER}\uff11\uff12\n".encode(), 2, "valid_from_mtu is"),
    "a letter of Latin-1": (f"{HEADING}\nZ\u00e4hler,P1,{METER}8\n".encode("latin-1"), 1, "is not UTF-8"),
    "a cell too many": (f"{HEADING}\n{METER}8,9\n".encode(), 2, "has 5 cells, the first line names 4"),
    "an open quote in the heading": (b'"meter,point\n', 1, "is no CSV"),
    "nothing": (b"", 1, "lacks meter, point, public_key, valid_from_mtu"),
}
"""What can't be read, where that is, and what is said of it."""


@pytest.mark.parametrize("name", UNREADABLE)
def test_read_folder__what_can_not_be_read__is_told_with_its_line(tmp_path: Path, name: str) -> None:
    content, line, said = UNREADABLE[name]
    (tmp_path / "meters.csv").write_bytes(content)

    found = read_folder(tmp_path, area=AREA)
    faults = faults_of(found, grid=None, registered=AlreadyThere(market_time=0))

    assert any((each.line, said in each.text) == (line, True) for each in faults), faults


def test_read_folder__bom_semicolons_crlf_and_blank_rows__read_as_any(tmp_path: Path) -> None:
    rows = f"{HEADING}\r\n{METER}8\r\n,,,\r\n\r\n".replace(",", ";")
    (tmp_path / "meters.csv").write_bytes(b"\xef\xbb\xbf" + rows.encode())

    found = read_folder(tmp_path, area=AREA)

    assert ([row.line for row in found.rows], found.faults) == ([2], [])
