"""Reading settlement: what is resolved, what is proposed, statements, and the package attesters check."""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection, Row, select

from domain.errors import DominoesError
from domain.facts import SettlementProposed
from domain.hashing import ZERO_HASH, from_hex, to_hex
from domain.merkle import merkle_proof
from domain.statements import statement_hash, statement_leaf
from ledger_service.record import Entry
from ledger_service.record.journal import entry_of, select_entries
from ledger_service.record.tables import journal_entry
from ledger_service.settlement.tables import (
    settlement_event,
    settlement_failed,
    settlement_period,
    settlement_source,
)
from ledger_service.settlement.views import ATTESTED, CLEARED, RECORDED, SETTLED, SETTLED_HASHES, UNREAD, VOIDED
from settling.package import Roots

SEQUENCES_PER_QUERY = 500
"""Entries fetched by one statement: below the 999 parameters every SQLite takes."""


class UnknownPeriod(DominoesError):
    """No such period was declared for the area."""

    status = 404
    code = "unknown-period"
    remedy = "Take the period's number from the periods of its area."

    def __init__(self, *, area: str, period: int) -> None:
        self.area, self.period = area, period
        super().__init__(f"area {area} has no period {period}; ask for the list of periods")


class NothingProposed(DominoesError):
    """The period has no proposed settlement of that revision."""

    status = 404
    code = "nothing-proposed"
    remedy = "Ask for a revision that the list of settlements shows, or wait until this one is proposed."
    retryable = True

    def __init__(self, *, area: str, period: int, revision: int | None) -> None:
        self.area, self.period, self.revision = area, period, revision
        wanted = "settlement" if revision is None else f"settlement of revision {revision}"
        super().__init__(f"no {wanted} of period {period} of area {area} is proposed; ask again once it has ended")


@dataclass(frozen=True, slots=True)
class PeriodState:
    """Where a period stands. `settled` counts the revisions in effect on chain."""

    area: str
    period: int
    first_mtu: int
    count: int
    settled: int
    settled_at: int | None
    settled_readings_root: bytes | None
    is_final: bool
    proposal_sequence: int | None
    proposal_revision: int | None
    proposal_roots: bytes | None
    signed_sequence: int | None

    @property
    def next_revision(self) -> int:
        """The revision that a settlement made now carries."""
        return self.settled


def period_states(connection: Connection, *, area: str | None = None) -> list[PeriodState]:
    """All periods, or those of one area, ascending."""
    table = settlement_period
    query = select(table).order_by(table.c.area, table.c.period)
    if area is not None:
        query = query.where(table.c.area == area)
    return [period_from_row(row) for row in connection.execute(query)]


def period_state(connection: Connection, *, area: str, period: int) -> PeriodState:
    """One period. Raises UnknownPeriod."""
    table = settlement_period
    row = connection.execute(select(table).where(table.c.area == area, table.c.period == period)).first()
    if row is None:
        raise UnknownPeriod(area=area, period=period)
    return period_from_row(row)


def period_from_row(row: Row[Any]) -> PeriodState:
    """The period of a row of the view."""
    return PeriodState(**dict(row._mapping))


@dataclass(frozen=True, slots=True)
class Resolution:
    """What the chain did in a period, in its order: `clearings` and `readings` as (what, market, mtu, data).

    `programs` are those it recorded, ascending: (market, program, results root, report hash).
    """

    clearings: tuple[tuple[str, str, int, dict[str, Any]], ...]
    readings: tuple[tuple[str, str, int, dict[str, Any]], ...]
    programs: tuple[tuple[str, int, str, str], ...]
    roots: Roots

    def complete(self, *, markets: int, count: int) -> bool:
        """Whether every (market, MTU) is cleared or void and every MTU attested or unread."""
        return len(self.clearings) == markets * count and len({item[2] for item in self.readings}) == count


def settlement_keys(connection: Connection, *, area: str, period: int) -> list[str]:
    """Keys of the chain requests that settled a period, every revision and page that is in effect."""
    table = settlement_event
    query = select(table.c.key).where(table.c.area == area, table.c.period == period, table.c.what == SETTLED)
    return sorted(connection.execute(query).scalars())


def resolution(connection: Connection, *, area: str, period: int) -> Resolution:
    """The chain's events of one period in the order of their happening, and its running roots after the last."""
    table = settlement_event
    query = select(table).where(table.c.area == area, table.c.period == period)
    rows = connection.execute(query.order_by(table.c.block, table.c.sequence, table.c.position)).all()
    clearings = [row for row in rows if row.what in (CLEARED, VOIDED)]
    readings = [row for row in rows if row.what in (ATTESTED, UNREAD)]
    recorded = [(row.market, to_hex(row.root), json.loads(row.data)) for row in rows if row.what == RECORDED]
    return Resolution(
        programs=tuple(sorted((market, data["program"], root, data["reportHash"]) for market, root, data in recorded)),
        clearings=tuple((row.what, row.market, row.mtu, json.loads(row.data)) for row in clearings),
        readings=tuple((row.what, row.area, row.mtu, json.loads(row.data)) for row in readings),
        roots=Roots(
            clearing_root=clearings[-1].root if clearings else ZERO_HASH,
            readings_root=readings[-1].root if readings else ZERO_HASH,
        ),
    )


def entries_by_sequence(connection: Connection, sequences: Iterable[int]) -> list[Entry]:
    """These entries, ascending."""
    wanted = sorted(set(sequences))
    found = []
    for start in range(0, len(wanted), SEQUENCES_PER_QUERY):
        part = wanted[start : start + SEQUENCES_PER_QUERY]
        query = select_entries().where(journal_entry.c.sequence.in_(part)).order_by(journal_entry.c.sequence)
        found += [entry_of(row) for row in connection.execute(query)]
    return found


def sources(connection: Connection, *, area: str, period: int, kind: str) -> list[Entry]:
    """The entries of one kind that belong to a period, ascending."""
    table = settlement_source
    conditions = (table.c.area == area, table.c.period == period, table.c.kind == kind)
    return entries_by_sequence(connection, connection.execute(select(table.c.sequence).where(*conditions)).scalars())


def proposals(connection: Connection, *, area: str, period: int) -> dict[int, dict[str, Any]]:
    """The `settlement.proposed` payload of each revision: the one in effect on chain, the newest where none is yet."""
    in_effect = settled_hashes(connection, area=area, period=period)
    found = {}
    for entry in sources(connection, area=area, period=period, kind=SettlementProposed.KIND):
        payload = entry.payload
        if payload is not None and in_effect.get(payload["revision"]) in (None, _hashes_of(payload)):
            found[payload["revision"]] = payload
    return found


def settled_hashes(connection: Connection, *, area: str, period: int) -> dict[int, dict[str, str]]:
    """The hashes of each revision in effect on chain, as a proposal names them."""
    table = settlement_event
    same = (table.c.area == area, table.c.period == period, table.c.what == SETTLED)
    rows = [json.loads(row.data) for row in connection.execute(select(table.c.data).where(*same))]
    return {row["revision"]: {mine: row[theirs] for mine, theirs in SETTLED_HASHES.items()} for row in rows}


def _hashes_of(proposal: dict[str, Any]) -> dict[str, str]:
    return {name: proposal[name] for name in SETTLED_HASHES}


def latest_proposal(connection: Connection, *, area: str, period: int, revision: int | None = None) -> dict[str, Any]:
    """The newest `settlement.proposed` payload of a period, or of one revision of it. Raises NothingProposed."""
    state = period_state(connection, area=area, period=period)
    if state.proposal_sequence is None or state.proposal_revision is None:
        raise NothingProposed(area=area, period=period, revision=revision)
    wanted = state.proposal_revision if revision is None else revision
    if wanted == state.proposal_revision and wanted >= state.settled:
        return entries_by_sequence(connection, [state.proposal_sequence])[0].content()
    found = proposals(connection, area=area, period=period)
    if wanted not in found:
        raise NothingProposed(area=area, period=period, revision=wanted)
    return found[wanted]


def failed_requests(connection: Connection, *, area: str, period: int, failed_before: int) -> list[str]:
    """Keys of requests about a period that failed at or before a market time and were not made again, page by page."""
    table = settlement_failed
    same = (table.c.area == area, table.c.period == period, table.c.failed_at <= failed_before)
    query = select(table.c.key).where(*same).order_by(table.c.page, table.c.key)
    return list(connection.execute(query).scalars())


def statement_of(
    connection: Connection, *, account: str, area: str, period: int, revision: int | None = None
) -> dict[str, Any]:
    """`{"account","salt","statement"}` of one account. Raises NothingProposed, also where it has no statement."""
    proposal = latest_proposal(connection, area=area, period=period, revision=revision)
    for item in proposal["statements"]:
        if item["account"] == account:
            return dict(item)
    raise NothingProposed(area=area, period=period, revision=revision)


def statement_proof(proposal: dict[str, Any], *, account: str) -> list[str]:
    """The Merkle proof from an account's statement to the proposal's statements root."""
    items = sorted(proposal["statements"], key=lambda item: item["account"])
    leaves = [
        statement_leaf(
            account=from_hex(item["account"]),
            period=proposal["period"],
            revision=proposal["revision"],
            hashed=statement_hash(salt=from_hex(item["salt"]), statement=item["statement"]),
        )
        for item in items
    ]
    index = [item["account"] for item in items].index(account)
    return [to_hex(node) for node in merkle_proof(leaves, index)]
