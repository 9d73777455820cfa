"""How the registry's facts become its views, at once and when they are rebuilt."""

from __future__ import annotations

import json
from typing import Any

from sqlalchemy import Connection, Table, delete, insert

from ledger_service.record import Entry, Transaction
from ledger_service.record.journal import walk_entries
from ledger_service.registry.tables import (
    TABLES,
    registry_agreement,
    registry_area,
    registry_guarantee,
    registry_key,
    registry_market,
    registry_meter,
    registry_participant,
    registry_tariff,
)

_TABLE_OF: dict[str, Table] = {
    "area.defined": registry_area,
    "market.defined": registry_market,
    "tariff.published": registry_tariff,
    "agreement.signed": registry_agreement,
    "participant.registered": registry_participant,
    "meter.registered": registry_meter,
    "key.registered": registry_key,
    "guarantee.given": registry_guarantee,
}

REGISTRY_KINDS = tuple(_TABLE_OF)
"""Kinds of facts this package appends."""

_JSON_FIELDS = {"grid_model", "attesters"}
_TEXT_INTEGERS = {"credit_neur"}


def row_of(payload: dict[str, Any]) -> dict[str, Any]:
    """A fact's payload as a row: objects as JSON text, money as an integer."""
    row = dict(payload)
    for field in _JSON_FIELDS & row.keys():
        row[field] = json.dumps(row[field], sort_keys=True)
    for field in _TEXT_INTEGERS & row.keys():
        row[field] = int(row[field])
    return row


def fold(connection: Connection, entry: Entry) -> None:
    """Bring the views up to date with one fact of REGISTRY_KINDS; an erased one leaves no trace."""
    if entry.payload is not None:
        row = row_of(entry.payload) | {"sequence": entry.sequence}
        connection.execute(insert(_TABLE_OF[entry.kind]), row)


def rebuild_views(tx: Transaction) -> None:
    """Empty the views and fold every fact again."""
    connection = tx.connection
    for table in TABLES:
        connection.execute(delete(table))
    for entry in walk_entries(connection, kinds=REGISTRY_KINDS):
        fold(connection, entry)
