"""Reading what an account has in the views of trading, metering and settlement, in parts."""

from __future__ import annotations

from dataclasses import dataclass

from sqlalchemy import Connection, and_, not_, select

from domain.attestations import SignedAttestation
from domain.members import noun_of
from ledger_service.metering.tables import metering_attestation, metering_reading
from ledger_service.record.paging import WHOLE, Slice, sliced
from ledger_service.record.spans import ALWAYS, MtuSpan
from ledger_service.registry.queries import is_held_by
from ledger_service.settlement.queries import PeriodState, SettlementState, period_from_row
from ledger_service.settlement.tables import settlement_period
from ledger_service.trading.queries import BookOrder, Schedule, order_from_row, schedule_from_row
from ledger_service.trading.tables import trading_order, trading_schedule


def orders(connection: Connection, *, account: str, span: MtuSpan = ALWAYS, part: Slice = WHOLE) -> list[BookOrder]:
    """A participant's orders of a span, withdrawn ones and those of earlier accounts included, by MTU and id."""
    c = trading_order.c
    query = select(trading_order).where(is_held_by(connection, c.account, account), span.holds(c.mtu))
    return [order_from_row(row) for row in connection.execute(sliced(query, c.mtu, c.order_id, part=part))]


def orders_signed_by(
    connection: Connection, *, order_key: str, span: MtuSpan = ALWAYS, part: Slice = WHOLE
) -> list[BookOrder]:
    """The orders of a span whose last revision this key signed, for whichever account, by MTU and id."""
    c = trading_order.c
    query = select(trading_order).where(c.order_key == order_key, span.holds(c.mtu))
    return [order_from_row(row) for row in connection.execute(sliced(query, c.mtu, c.order_id, part=part))]


def schedules(connection: Connection, *, point: str, span: MtuSpan = ALWAYS, part: Slice = WHOLE) -> list[Schedule]:
    """The schedules of a point, in their last revisions, that begin in a span, by gate and market."""
    c = trading_schedule.c
    query = select(trading_schedule).where(c.point == point, span.holds(c.first_mtu))
    return [schedule_from_row(row) for row in connection.execute(sliced(query, c.session, c.market, part=part))]


@dataclass(frozen=True, slots=True)
class ReadingPlace:
    """Where a reading is: the last attestation of its MTU, in which it stands under its meter's code."""

    area: str
    mtu: int
    meter: str
    revision: int


def readings(connection: Connection, *, point: str, span: MtuSpan = ALWAYS, part: Slice = WHOLE) -> list[ReadingPlace]:
    """The readings of a point in a span, by MTU and meter."""
    c = metering_reading.c
    query = select(c.area, c.mtu, c.meter, c.revision).where(c.point == point, span.holds(c.mtu))
    rows = connection.execute(sliced(query, c.mtu, c.meter, part=part))
    return [ReadingPlace(**dict(row._mapping)) for row in rows]


def attestations(connection: Connection, places: list[ReadingPlace]) -> dict[tuple[str, int], SignedAttestation]:
    """The attestations that hold these readings, by area and MTU."""
    c = metering_attestation.c
    found = {}
    for area, mtu, revision in sorted({(place.area, place.mtu, place.revision) for place in places}):
        query = select(c.attestation).where(c.area == area, c.mtu == mtu, c.revision == revision)
        found[area, mtu] = noun_of(SignedAttestation, connection.execute(query).scalar_one())
    return found


def periods(
    connection: Connection,
    *,
    area: str,
    span: MtuSpan = ALWAYS,
    part: Slice = WHOLE,
) -> list[PeriodState]:
    """Where the periods of an area stand that share an MTU with a span, by first MTU and area."""
    c = settlement_period.c
    query = select(settlement_period).where(c.area == area, span.meets(c.first_mtu, c.count))
    return [period_from_row(row) for row in connection.execute(sliced(query, c.first_mtu, c.area, part=part))]


def period_states_of(connection: Connection, wanted: set[tuple[str, int]]) -> dict[tuple[str, int], PeriodState]:
    """These periods by area and number."""
    c = settlement_period.c
    found = []
    for area in sorted({area for area, _ in wanted}):  # one by one: SQLite reads the whole table for a list of pairs
        periods = sorted(period for code, period in wanted if code == area)
        query = select(settlement_period).where(c.area == area, c.period.in_(periods))
        found += [period_from_row(row) for row in connection.execute(query)]
    return {(state.area, state.period): state for state in found}


def proposed_periods(
    connection: Connection,
    *,
    area: str | None,
    state: SettlementState | None,
    span: MtuSpan = ALWAYS,
    part: Slice = WHOLE,
) -> list[PeriodState]:
    """Periods with a proposal, of an area or all, the newest of which stands there; by first MTU and area."""
    c = settlement_period.c
    in_effect = c.proposal_revision < c.settled
    conditions = {
        "proposed": and_(not_(in_effect), c.signed_sequence.is_(None)),
        "signed": and_(not_(in_effect), c.signed_sequence.is_not(None)),
        "settled": and_(in_effect, c.is_final.is_(False)),
        "final": and_(in_effect, c.is_final.is_(True)),
    }
    query = select(settlement_period).where(c.proposal_revision.is_not(None), span.meets(c.first_mtu, c.count))
    if area is not None:
        query = query.where(c.area == area)
    if state is not None:
        query = query.where(conditions[state])
    return [period_from_row(row) for row in connection.execute(sliced(query, c.first_mtu, c.area, part=part))]
