"""Views follow from the journal alone: emptied and folded again, each holds what it held before."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from importlib import import_module
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import Table, select

import ledger_service
from domain.facts.base import FACTS
from ledger_service.record import Transaction, View
from ledger_service.record.journal import walk_entries
from ledger_service.record.tables import metadata
from tests.unit.wallet_api.test_duties import anchor
from tests.unit.wallet_api.world import World

pytestmark = pytest.mark.unit

PACKAGES = sorted(
    path.parent.name
    for path in Path(ledger_service.__file__).parent.glob("*/views.py")
    if path.parent.name != "record"  # what views are, none of its own
)
"""The packages of the service that have views."""

NO_VIEW_AT_ALL = {"journal", "chain", "request"}
"""Tables of what a journal can't give back: itself, signed transactions, answers kept under Idempotency-Keys."""

NO_VIEWS = {"settlement_signature"}
"""Tables beside the views that keep what isn't in the journal: signatures until they are enough to be a fact."""

EMPTY_HERE = {"metering_pending", "money_failed", "money_redemption", "money_redemption_step", "settlement_failed"}
EMPTY_HERE |= {"settlement_event", "market_inclusion", "money_suspense", "money_uncovered"}
EMPTY_HERE |= {"money_batch", "money_replacement", "registry_replacement"}
"""Tables that nothing in the crowded market fills."""


def module(package: str) -> Any:
    """The module of a package's views."""
    return import_module(f"ledger_service.{package}.views")


def tables_of(package: str) -> list[Table]:
    """The tables of a package's views."""
    return [
        table
        for name, table in sorted(metadata.tables.items())
        if name.startswith(f"{package}_") and name not in NO_VIEWS
    ]


def rebuilding(package: str, *, now: int) -> Callable[[Transaction], None]:
    """What makes a package's views anew."""
    views = module(package)
    kept = [view for view in vars(views).values() if isinstance(view, View)]
    if kept:
        return lambda tx: [view.rebuild(tx) for view in kept] and None
    if "now" in inspect.signature(views.rebuild_views).parameters:
        return lambda tx: views.rebuild_views(tx, now=now)
    rebuild: Callable[[Transaction], None] = views.rebuild_views
    return rebuild


def rows(world: World, tables: list[Table]) -> dict[str, list[str]]:
    """What the tables hold, in no order."""
    with world.services.record.read() as connection:
        return {table.name: sorted(repr(tuple(row)) for row in connection.execute(select(table))) for table in tables}


def test_packages__with_tables_of_views__all_are_here() -> None:
    import_module("wallet_api.app")
    owners = {name.partition("_")[0] for name in metadata.tables} - NO_VIEW_AT_ALL

    assert owners == set(PACKAGES)


@pytest.mark.parametrize("package", PACKAGES)
def test_rebuild__views_of_a_full_market__hold_the_same(crowded: World, package: str) -> None:
    anchor(crowded)
    tables = tables_of(package)
    before = rows(crowded, tables)

    with crowded.services.record.begin() as tx:
        rebuilding(package, now=crowded.clock.now())(tx)

    assert rows(crowded, tables) == before
    assert {name for name, held in before.items() if not held} <= EMPTY_HERE


@pytest.mark.parametrize("package", PACKAGES)
def test_rebuild__tables_that_were_spoilt__are_right_again(crowded: World, package: str) -> None:
    tables = tables_of(package)
    before = rows(crowded, tables)
    with crowded.services.record.engine.begin() as connection:
        for table in reversed(tables):
            connection.execute(table.delete())

    with crowded.services.record.begin() as tx:
        rebuilding(package, now=crowded.clock.now())(tx)

    assert rows(crowded, tables) == before


ERASABLE = (
    "participant.registered",
    "key.registered",
    "order.accepted",
    "order.cancelled",
    "schedule.nominated",
    "program.validated",
    "setpoints.issued",
    "reading.attested",
    "settlement.proposed",
)
"""Kinds of facts that name or describe a person (docs/evidence.md section 2)."""


@pytest.mark.parametrize("package", PACKAGES)
def test_rebuild__of_a_journal_with_erased_payloads__leaves_them_out(crowded: World, package: str) -> None:
    record = crowded.services.record
    with record.read() as connection:
        found = {kind: [entry.sequence for entry in walk_entries(connection, kinds=[FACTS[kind]])] for kind in ERASABLE}
    erased = {kind: sequences[0] for kind, sequences in found.items() if sequences}
    assert len(erased) > 5
    before = rows(crowded, tables_of(package))
    record.erase(sorted(erased.values()), "asked for by the participant")

    with record.begin() as tx:
        rebuilding(package, now=crowded.clock.now())(tx)

    after = rows(crowded, tables_of(package))
    assert all(len(after[name]) <= len(held) for name, held in before.items())
