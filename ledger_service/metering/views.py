"""Folding the facts of metering into its views."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import orjson
from sqlalchemy import Connection, Row, delete, insert, select

from contracts.bindings import Readings, read_events
from contracts.bindings.readings import ReadingsPassedOver
from domain.attestations import SignedAttestation
from domain.facts import ChainFailed, ChainIncluded, ChainRequested, Fact, MtuUnread, ReadingAttested
from domain.hashing import ZERO_HASH, canonical_json, to_hex
from domain.members import noun_json, noun_of
from ledger_service.metering.tables import TABLES, metering_attestation, metering_pending, metering_reading
from ledger_service.outbox import asks
from ledger_service.record import Transaction
from ledger_service.record.journal import walk_entries
from ledger_service.registry import queries as registered

KINDS: tuple[type[Fact], ...] = (ReadingAttested, MtuUnread, ChainRequested, ChainIncluded, ChainFailed)
"""Facts from which the views can be rebuilt."""


@dataclass(frozen=True, slots=True)
class AttestedRows:
    """What the views show of attestations, made before they are recorded: rows without entry and chain request."""

    area: str
    attestations: Sequence[dict[str, Any]]
    readings: Sequence[dict[str, Any]]

    @classmethod
    def of(cls, connection: Connection, fact: ReadingAttested) -> AttestedRows:
        """The rows of a fact, whose meters stand at points as the registry says."""
        attestations = [
            {
                "area": fact.area,
                "mtu": item.mtu,
                "revision": item.revision,
                "period": fact.period,
                "unread": False,
                "root": to_hex(item.root),
                "attestation": canonical_json(noun_json(item)).decode("utf-8"),
            }
            for item in fact.attestations
        ]
        readings = [row for item in fact.attestations for row in _reading_rows(connection, fact.area, item)]
        return cls(area=fact.area, attestations=attestations, readings=readings)

    def written(self) -> bytes:
        """As JSON, to travel between processes in small pieces."""
        return orjson.dumps({"area": self.area, "attestations": self.attestations, "readings": self.readings})

    @classmethod
    def read(cls, written: bytes) -> AttestedRows:
        """Out of `written`."""
        return cls(**orjson.loads(written))


def fold_attested(connection: Connection, fact: ReadingAttested, sequence: int) -> None:
    """Show new attestations, each with the key of the transaction that records it; messages alone show nothing."""
    if fact.attestations:
        show_attested(connection, AttestedRows.of(connection, fact), sequence)


def show_attested(connection: Connection, rows: AttestedRows, sequence: int) -> None:
    """Show the attestations that the entry of this sequence holds, and their readings as the latest of their MTUs."""
    numbered = [
        {**row, "chain_key": chain_key(rows.area, sequence, at // MTUS_PER_TRANSACTION), "sequence": sequence}
        for at, row in enumerate(rows.attestations)
    ]
    connection.execute(insert(metering_attestation), numbered)
    table = metering_reading
    mtus = [row["mtu"] for row in rows.attestations]
    connection.execute(delete(table).where(table.c.area == rows.area, table.c.mtu.in_(mtus)))
    if rows.readings:
        connection.execute(insert(table), rows.readings)


def show_readings(connection: Connection, *, area: str, attestation: SignedAttestation) -> None:
    """Make the readings of an attestation the latest ones of its MTU."""
    table = metering_reading
    connection.execute(delete(table).where(table.c.area == area, table.c.mtu == attestation.mtu))
    rows = _reading_rows(connection, area, attestation)
    if rows:
        connection.execute(insert(table), rows)


def _reading_rows(connection: Connection, area: str, attestation: SignedAttestation) -> list[dict[str, Any]]:
    mtu = attestation.mtu
    point_of = {item.meter: item.point for item in registered.meters_at(connection, area=area, mtu=mtu).values()}
    return [
        {
            "area": area,
            "mtu": mtu,
            "meter": reading.meter_code,
            "point": point_of[reading.meter_code],
            "revision": attestation.revision,
            "import_wh": reading.import_wh,
            "export_wh": reading.export_wh,
            "import_register_wh": reading.import_register_wh,
            "export_register_wh": reading.export_register_wh,
            "quality": int(reading.quality),
        }
        for reading in attestation.readings
    ]


def fold_unread(connection: Connection, fact: MtuUnread, sequence: int) -> None:
    """Show that an MTU was marked Unread; what was recorded for it and never reached the chain is gone."""
    table = metering_attestation
    same = (table.c.area == fact.area, table.c.mtu == fact.mtu)
    if connection.execute(select(table.c.mtu).where(*same, table.c.unread.is_(True))).first() is not None:
        return
    connection.execute(delete(table).where(*same))
    reading = metering_reading
    connection.execute(delete(reading).where(reading.c.area == fact.area, reading.c.mtu == fact.mtu))
    connection.execute(
        insert(table).values(
            area=fact.area,
            mtu=fact.mtu,
            revision=0,
            period=fact.period,
            unread=True,
            root=to_hex(ZERO_HASH),
            chain_key=None,
            attestation=None,
            sequence=sequence,
        )
    )


def fold_failed(connection: Connection, fact: ChainFailed) -> list[int]:
    """Take out the attestations of a transaction that the chain refused, and later ones resting on them.

    Returns the MTUs that changed.
    """
    settle_pending(connection, fact.key)
    if not asks(fact, Readings.attest_many):
        return []
    table = metering_attestation
    refused = connection.execute(select(table).where(table.c.chain_key == fact.key)).all()
    for row in refused:
        _take_out(connection, row)
    return [row.mtu for row in refused]


def fold_included(connection: Connection, fact: ChainIncluded) -> None:
    """Take out the attestations that a transaction passed over, unless they stood already, sent by somebody else."""
    settle_pending(connection, fact.key)
    passed = {event.mtu: event for event in read_events(fact.events, ReadingsPassedOver)}
    if not passed or not asks(fact, Readings.attest_many):
        return
    table = metering_attestation
    for row in connection.execute(select(table).where(table.c.chain_key == fact.key)).all():
        found = passed.get(row.mtu)
        if found is not None and not _stands(found, revision=row.revision, root=row.root):
            _take_out(connection, row)


def _stands(found: ReadingsPassedOver, *, revision: int, root: str) -> bool:
    """Whether what the chain holds bears an attestation out: itself, or later ones that came after it."""
    if found.revisions == revision + 1:
        return to_hex(found.root) == root
    return found.revisions > revision


def _take_out(connection: Connection, row: Row[Any]) -> None:
    """Show neither this attestation nor later ones of its MTU, but the readings of the one before."""
    table, reading = metering_attestation, metering_reading
    same = (table.c.area == row.area, table.c.mtu == row.mtu)
    connection.execute(delete(table).where(*same, table.c.revision >= row.revision))
    before = connection.execute(
        select(table).where(*same, table.c.unread.is_(False)).order_by(table.c.revision.desc()).limit(1)
    ).first()
    connection.execute(delete(reading).where(reading.c.area == row.area, reading.c.mtu == row.mtu))
    if before is not None:
        show_readings(connection, area=row.area, attestation=noun_of(SignedAttestation, before.attestation))


def rebuild_views(tx: Transaction) -> None:
    """Empty the views and fold every fact again, erased ones left out."""
    connection = tx.connection
    for table in TABLES:
        connection.execute(delete(table))
    for entry in walk_entries(connection, kinds=KINDS):
        match entry.fact:
            case ReadingAttested() as fact:
                fold_attested(connection, fact, entry.sequence)
            case MtuUnread() as fact:
                fold_unread(connection, fact, entry.sequence)
            case ChainRequested() as fact if asks(fact, Readings.mark_unread):
                note_pending(connection, fact)
            case ChainIncluded() as fact:
                fold_included(connection, fact)
            case ChainFailed() as fact:
                fold_failed(connection, fact)


def note_pending(connection: Connection, fact: ChainRequested) -> None:
    """Remember a mark Unread that was asked for."""
    about = fact.about
    connection.execute(
        insert(metering_pending).values(
            chain_key=fact.key,
            area=about.area,
            period=about.period,
            first_mtu=about.first_mtu,
            count=about.count,
        )
    )


def settle_pending(connection: Connection, chain_key: str) -> None:
    """Forget a mark Unread that the chain has answered."""
    connection.execute(delete(metering_pending).where(metering_pending.c.chain_key == chain_key))


MTUS_PER_TRANSACTION = 32
"""Attestations in one transaction: about 3 million gas, well below a block's limit."""


def chain_key(area: str, sequence: int, page: int) -> str:
    """The key of the transaction that records a page of the attestations in the entry of this sequence."""
    return f"attest:{area}:{sequence}:{page}"
