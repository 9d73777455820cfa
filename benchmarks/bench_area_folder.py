"""A whole area from a folder of CSV files: checked, and registered over HTTP, 1,000 connection points at once."""

from __future__ import annotations

import csv
import logging
import tempfile
import time
from collections.abc import Iterable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import structlog

from domain.hashing import to_hex
from domain.signed_terms import parts_of, signed_by
from scripts.area_folder.checking import faults_of
from scripts.area_folder.reading import FILES, AreaTerm, Row, columns_of, read_folder
from scripts.area_folder.registering import Outcome, register, registered_in
from scripts.serving.api_client import ApiClient, open_http
from tests.grids import document, street
from tests.integration.docs.test_start_pages import served
from tests.terms import PRICES
from tests.unit.wallet_api.world import (
    AREA,
    AREA_BODY,
    FIRST_MTU,
    MARKET_BODY,
    TARIFF,
    TERMS_DOMAIN,
    World,
    address,
    key_named,
    open_world,
)

POINTS = 1_000
SECONDS_GOAL = 60

ORGANISATIONS = {"retailer": "retailer 1", "dso": "grid operator", "registrar": "registry office"}
"""Who signs as what, beside the accounts."""


def _write(folder: Path, file: str, rows: Iterable[Mapping[str, Any]]) -> None:
    with (folder / file).open("w", newline="", encoding="utf-8") as out:
        lines = csv.DictWriter(out, columns_of(FILES[file]), restval="")
        lines.writeheader()
        lines.writerows(rows)


def _write_folder(folder: Path) -> dict[str, str]:
    """A street of households with agreements and meters; the names of the accounts' holders by address."""
    holders = ["retailer 1", "grid account", "tax office", *(f"home {n}" for n in range(1, POINTS + 1))]
    accounts = {name: address(name) for name in holders}
    first = {"valid_from_mtu": FIRST_MTU}
    no_point = {"connection_import_w": 0, "connection_export_w": 0} | first
    at_home = {"kind": "household", "connection_import_w": 10_000, "connection_export_w": 5_000} | first
    agreed = {"version": 1, "retailer": accounts["retailer 1"], "tariff": "flat"} | first
    homes = [(n, accounts[f"home {n}"], f"DE-LV1-P{n}") for n in range(1, POINTS + 1)]
    parties = [
        no_point | {"participant": name, "kind": kind, "account": accounts[name]}
        for name, kind in zip(holders, ("retailer", "dso", "tax"), strict=False)
    ]
    parties += [at_home | {"participant": f"home {n}", "account": account, "point": at} for n, account, at in homes]
    meters = (
        {"meter": f"M{n}", "point": at, "public_key": to_hex(n.to_bytes(32, "big"))} | first for n, _, at in homes
    )
    _write(folder, "participants.csv", parties)
    _write(folder, "tariffs.csv", [PRICES | TARIFF | agreed])
    _write(folder, "agreements.csv", [agreed | {"agreement": f"supply {n}", "account": own} for n, own, _ in homes])
    _write(folder, "meters.csv", meters)
    return {account: name for name, account in accounts.items()}


def _signed(row: Row[AreaTerm], holders: Mapping[str, str]) -> Row[AreaTerm]:
    keys = {
        part.party: key_named(ORGANISATIONS.get(part.party) or holders[str(part.address)])
        for part in parts_of(row.term)
    }
    return replace(row, term=signed_by(row.term, keys, domain=TERMS_DOMAIN))


def _measure(world: World, folder: Path) -> tuple[float, float, Outcome]:
    """Seconds of checking and of registering, and what came of it."""
    for path, body in (
        ("/v1/areas", AREA_BODY | {"grid_model": document(street(f"DE-LV1-P{n}" for n in range(1, POINTS + 1)))}),
        ("/v1/markets", MARKET_BODY),
    ):
        world.post("registry office", path, body).raise_for_status()
    holders = _write_folder(folder)
    with served(world.app) as url, open_http(url) as http:
        client = ApiClient(http=http, key=key_named("registry office"))
        begun = time.perf_counter()
        found = read_folder(folder, area=AREA)
        if faults := faults_of(found, grid=None, registered=registered_in(client, AREA)):
            raise RuntimeError(str(faults[0]))
        checked = time.perf_counter() - begun
        rows = [_signed(row, holders) for row in found.rows]
        begun = time.perf_counter()
        outcome = register(client, rows, tick=lambda done, of: None)
        return checked, time.perf_counter() - begun, outcome


def run() -> dict[str, Any]:
    """Seconds in which 1,000 points are checked and registered, with all their signatures verified."""
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.ERROR))
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name) / "street"
        folder.mkdir()
        for world in open_world(Path(name)):
            checked, registered, outcome = _measure(world, folder)
    return {
        "points": POINTS,
        "terms": outcome.new,
        "refused": len(outcome.refused),
        "seconds_checked": round(checked, 2),
        "ratios": {
            "seconds of registering 1,000 points": {"value": round(registered, 1), "at_most": SECONDS_GOAL},
            "terms refused": {"value": len(outcome.refused), "at_most": 0},
        },
    }


if __name__ == "__main__":
    print(run())
