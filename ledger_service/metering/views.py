"""Folding the facts of metering into its views."""

from __future__ import annotations

import json
from typing import Any

from sqlalchemy import Connection, delete, insert, select

from domain.hashing import ZERO_HASH, to_hex
from ledger_service.metering.tables import TABLES, metering_attestation, metering_pending, metering_reading
from ledger_service.record import Entry, Transaction
from ledger_service.record.journal import walk_entries
from ledger_service.registry import queries as registered

KINDS = ("reading.attested", "mtu.unread", "chain.requested", "chain.included", "chain.failed")
"""Facts from which the views can be rebuilt."""

CHAIN_KEY = "attest:"
"""Begins the key of every transaction that records attestations."""

UNREAD_KEY = "unread:"
"""Begins the key of every transaction that marks MTUs Unread."""


def fold_attested(connection: Connection, entry: Entry, *, chain_keys: dict[int, str]) -> None:
    """Show new attestations; `chain_keys` names by MTU the transaction that records each."""
    payload = entry.content()
    area, period = payload["area"], payload["period"]
    rows = [
        {
            "area": area,
            "mtu": item["mtu"],
            "revision": item["revision"],
            "period": period,
            "unread": False,
            "root": item["root"],
            "chain_key": chain_keys.get(item["mtu"]),
            "attestation": json.dumps(item, separators=(",", ":"), sort_keys=True),
            "sequence": entry.sequence,
        }
        for item in payload["attestations"]
    ]
    connection.execute(insert(metering_attestation), rows)
    for item in payload["attestations"]:
        show_readings(connection, area=area, attestation=item)


def show_readings(connection: Connection, *, area: str, attestation: dict[str, Any]) -> None:
    """Make the readings of an attestation the latest ones of its MTU."""
    mtu = attestation["mtu"]
    table = metering_reading
    connection.execute(delete(table).where(table.c.area == area, table.c.mtu == mtu))
    point_of = {item.meter: item.point for item in registered.meters_at(connection, area=area, mtu=mtu).values()}
    rows = [
        {
            "area": area,
            "mtu": mtu,
            "meter": reading["meter"],
            "point": point_of[reading["meter"]],
            "revision": attestation["revision"],
            "import_wh": reading["import_wh"],
            "export_wh": reading["export_wh"],
            "import_register_wh": reading["import_register_wh"],
            "export_register_wh": reading["export_register_wh"],
            "quality": reading["quality"],
        }
        for reading in attestation["readings"]
    ]
    if rows:
        connection.execute(insert(table), rows)


def fold_unread(connection: Connection, entry: Entry) -> None:
    """Show that an MTU was marked Unread; what was recorded for it and never reached the chain is gone."""
    payload = entry.content()
    table = metering_attestation
    same = (table.c.area == payload["area"], table.c.mtu == payload["mtu"])
    if connection.execute(select(table.c.mtu).where(*same, table.c.unread.is_(True))).first() is not None:
        return
    connection.execute(delete(table).where(*same))
    reading = metering_reading
    connection.execute(delete(reading).where(reading.c.area == payload["area"], reading.c.mtu == payload["mtu"]))
    connection.execute(
        insert(table).values(
            area=payload["area"],
            mtu=payload["mtu"],
            revision=0,
            period=payload["period"],
            unread=True,
            root=to_hex(ZERO_HASH),
            chain_key=None,
            attestation=None,
            sequence=entry.sequence,
        )
    )


def fold_failed(connection: Connection, chain_key: str) -> list[int]:
    """Take out the attestations of a transaction that the chain refused, and later ones resting on them.

    Returns the MTUs that changed.
    """
    settle_pending(connection, chain_key)
    if not chain_key.startswith(CHAIN_KEY):
        return []
    table = metering_attestation
    refused = connection.execute(select(table).where(table.c.chain_key == chain_key)).all()
    for row in refused:
        same = (table.c.area == row.area, table.c.mtu == row.mtu)
        connection.execute(delete(table).where(*same, table.c.revision >= row.revision))
        before = connection.execute(
            select(table).where(*same, table.c.unread.is_(False)).order_by(table.c.revision.desc()).limit(1)
        ).first()
        reading = metering_reading
        connection.execute(delete(reading).where(reading.c.area == row.area, reading.c.mtu == row.mtu))
        if before is not None:
            show_readings(connection, area=row.area, attestation=json.loads(before.attestation))
    return [row.mtu for row in refused]


def rebuild_views(tx: Transaction) -> None:
    """Empty the views and fold every fact again, erased ones left out."""
    connection = tx.connection
    for table in TABLES:
        connection.execute(delete(table))
    for entry in walk_entries(connection, kinds=KINDS):
        payload = entry.payload
        if payload is None:
            continue  # erased: it leaves no trace
        if entry.kind == "reading.attested":
            fold_attested(connection, entry, chain_keys=chain_keys_of(payload, sequence=entry.sequence))
        elif entry.kind == "mtu.unread":
            fold_unread(connection, entry)
        elif entry.kind == "chain.requested" and payload["key"].startswith(UNREAD_KEY):
            note_pending(connection, payload["key"])
        elif entry.kind == "chain.included":
            settle_pending(connection, payload["key"])
        elif entry.kind == "chain.failed":
            fold_failed(connection, payload["key"])


def note_pending(connection: Connection, chain_key: str) -> None:
    """Remember a mark Unread that was asked for; its key carries what it is about."""
    area, period, first_mtu, count, _ = chain_key[len(UNREAD_KEY) :].rsplit(":", 4)
    connection.execute(
        insert(metering_pending).values(
            chain_key=chain_key, area=area, period=int(period), first_mtu=int(first_mtu), count=int(count)
        )
    )


def settle_pending(connection: Connection, chain_key: str) -> None:
    """Forget a mark Unread that the chain has answered."""
    connection.execute(delete(metering_pending).where(metering_pending.c.chain_key == chain_key))


MTUS_PER_TRANSACTION = 32
"""Attestations in one transaction: about 3 million gas, well below a block's limit."""


def chain_keys_of(payload: dict[str, Any], *, sequence: int) -> dict[int, str]:
    """The key of the transaction that records each MTU of a `reading.attested` fact with this sequence."""
    mtus = [item["mtu"] for item in payload["attestations"]]
    return {mtu: f"{CHAIN_KEY}{payload['area']}:{sequence}:{at // MTUS_PER_TRANSACTION}" for at, mtu in enumerate(mtus)}
