"""Reading metering's views, and the area as attesters get it."""

from __future__ import annotations

import json
from dataclasses import dataclass, replace
from typing import Any

from sqlalchemy import Connection, Row, func, select

from domain.attestations import Leaves, SignedAttestation
from domain.eip712 import Domain
from domain.facts import PeriodDeclared
from domain.hashing import from_hex
from domain.members import noun_of
from domain.metering_area import AttesterEntry, MeteringArea
from domain.periods import Period
from domain.terms import EndedTerm
from ledger_service.metering.tables import metering_attestation, metering_reading
from ledger_service.record.journal import walk_entries
from ledger_service.record.tables import journal_entry
from ledger_service.registry import queries as registered

STATES_MAX = 1_000
"""Most MTUs asked about at once: ten days."""


@dataclass(frozen=True, slots=True)
class PointReading:
    """What was metered at a point in one MTU, in Wh, as last attested; `substitutes` counts estimated registers."""

    mtu: int
    point: str
    import_wh: int
    export_wh: int
    revision: int
    substitutes: int


@dataclass(frozen=True, slots=True)
class KeptAttestation:
    """An attestation as the view keeps it: with the readings of a whole area, so it is read only where it is needed."""

    text: str

    def read(self) -> SignedAttestation:
        """The attestation."""
        return noun_of(SignedAttestation, self.text)

    def as_json(self) -> dict[str, Any]:
        """Its JSON object."""
        written: dict[str, Any] = json.loads(self.text)
        return written


@dataclass(frozen=True, slots=True)
class MtuState:
    """Where an MTU stands: the revision it takes next, whether it was marked Unread, the last attestation."""

    mtu: int
    next_revision: int
    unread: bool
    attestation: KeptAttestation | None

    def as_json(self) -> dict[str, Any]:
        """JSON form, as attesters read it."""
        return {
            "mtu": self.mtu,
            "next_revision": self.next_revision,
            "unread": self.unread,
            "attestation": None if self.attestation is None else self.attestation.as_json(),
        }


def periods(connection: Connection, *, area: str) -> tuple[Period, ...]:
    """The area's declared periods, ascending.

    The chain counts from the block that holds a declaration, which comes a little after it was recorded.
    """
    found = []
    for entry in walk_entries(connection, kinds=[PeriodDeclared]):
        if (span := entry.as_a(PeriodDeclared).span).area == area:
            found.append(replace(span, declared_at=entry.recorded_at))
    return tuple(sorted(found, key=lambda period: period.number))


def _resolved(connection: Connection, declared: tuple[Period, ...]) -> tuple[Period, ...]:
    """Periods with the time at which the last of their MTUs was recorded as attested or Unread."""
    table, entry = metering_attestation, journal_entry
    query = (
        select(table.c.period, func.count(), func.max(entry.c.recorded_at))
        .join(entry, entry.c.sequence == table.c.sequence)
        .where(table.c.area.in_({period.area for period in declared}), table.c.revision == 0)
        .group_by(table.c.period)
    )
    found = {number: (count, last) for number, count, last in connection.execute(query)}
    return tuple(
        replace(period, resolved_at=found[period.number][1])
        if found.get(period.number, (0, 0))[0] == period.count
        else period
        for period in declared
    )


def metering_area_of(connection: Connection, *, area: str, readings: Domain, settlement: Domain) -> MeteringArea:
    """What attesters need to know of an area; `readings` and `settlement` are the EIP-712 domains of these contracts.

    Raises NotRegistered.
    """
    defined = registered.area(connection, area)
    parties = registered.participants_as_signed(connection, area=area)
    return MeteringArea(
        code=area,
        zone=defined.zone,
        attesters=tuple(
            AttesterEntry(name=item.name, address=from_hex(item.address), organisation=item.organisation)
            for item in defined.attesters
        ),
        threshold=defined.threshold,
        attest_seconds=defined.attest_seconds,
        horizon_seconds=defined.horizon_seconds,
        chain_id=readings.chain_id,
        readings_contract=readings.verifying_contract,
        settlement_contract=settlement.verifying_contract,
        meters=tuple(registered.meters(connection, area=area)),
        parties=tuple(item for item in parties if item.point is not None),
        ends=tuple(item for item in registered.ends(connection, area=area) if item.term is EndedTerm.METER),
        periods=_resolved(connection, periods(connection, area=area)),
    )


def _state(mtu: int, rows: list[Row[Any]]) -> MtuState:
    attested = [row for row in rows if not row.unread]
    return MtuState(
        mtu=mtu,
        next_revision=rows[-1].revision + 1 if rows else 0,
        unread=any(row.unread for row in rows),
        attestation=KeptAttestation(attested[-1].attestation) if attested else None,
    )


def attestation_states(connection: Connection, *, area: str, first_mtu: int, count: int) -> list[MtuState]:
    """Where up to STATES_MAX MTUs from `first_mtu` on stand, ascending."""
    table = metering_attestation
    last = first_mtu + min(count, STATES_MAX)
    query = (
        select(table)
        .where(table.c.area == area, table.c.mtu >= first_mtu, table.c.mtu < last)
        .order_by(table.c.mtu, table.c.revision)
    )
    rows: dict[int, list[Row[Any]]] = {}
    for row in connection.execute(query):
        rows.setdefault(row.mtu, []).append(row)
    return [_state(mtu, rows.get(mtu, [])) for mtu in range(first_mtu, last)]


def next_revisions(connection: Connection, *, area: str, first_mtu: int, count: int) -> dict[int, int]:
    """The revision that each MTU takes next; MTUs with neither attestation nor mark are left out (they take 0)."""
    table = metering_attestation
    query = (
        select(table.c.mtu, func.max(table.c.revision))
        .where(table.c.area == area, table.c.mtu >= first_mtu, table.c.mtu < first_mtu + count)
        .group_by(table.c.mtu)
    )
    return {mtu: revision + 1 for mtu, revision in connection.execute(query)}


def leaves_at(connection: Connection, *, area: str, mtu: int) -> Leaves | None:
    """The readings last attested for an MTU by meter code; None where there are none."""
    table = metering_attestation
    query = (
        select(table.c.attestation)
        .where(table.c.area == area, table.c.mtu == mtu, table.c.unread.is_(False))
        .order_by(table.c.revision.desc())
        .limit(1)
    )
    found = connection.execute(query).scalar()
    return None if found is None else KeptAttestation(found).read().leaves


def point_readings(connection: Connection, *, point: str, first_mtu: int, count: int) -> list[PointReading]:
    """The attested readings of a point, ascending in MTU; MTUs without one are left out."""
    table = metering_reading
    query = (
        select(
            table.c.mtu,
            func.sum(table.c.import_wh).label("import_wh"),
            func.sum(table.c.export_wh).label("export_wh"),
            func.max(table.c.revision).label("revision"),
            func.sum(table.c.quality).label("substitutes"),
        )
        .where(table.c.point == point, table.c.mtu >= first_mtu, table.c.mtu < first_mtu + count)
        .group_by(table.c.mtu)
        .order_by(table.c.mtu)
    )
    return [
        PointReading(
            mtu=row.mtu,
            point=point,
            import_wh=int(row.import_wh),
            export_wh=int(row.export_wh),
            revision=row.revision,
            substitutes=int(row.substitutes),
        )
        for row in connection.execute(query)
    ]
