"""Audits, and the erasure of one account's orders, cancels and schedules, once nothing needs them any more.

All is one transaction: payloads emptied, copies in views gone, the fact that says so. A kill in between leaves all or
nothing; asking again finds nothing left, and sees to it that the old bytes have left the database's files.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

from sqlalchemy import Connection, delete, select

from contracts.bindings.settlement import PeriodFinalised
from domain.eip712 import AUDIT, ERASURE, Domain
from domain.facts import AuditSigned, OrderAccepted, OrderCancelled, ScheduleNominated
from domain.facts.trading import own_orders_prefix, own_schedules_prefix
from domain.hashing import from_hex, text_id, to_hex
from domain.mtu import mtu_start
from domain.signing import recover
from ledger_service.access.queries import entries_with_key
from ledger_service.erasure.errors import (
    ErasureNotSigned,
    ErasureTooLate,
    NoSuchHead,
    NotAudited,
    NotTheAuditor,
    PeriodNotFinal,
)
from ledger_service.evidence.recorded import chain_events, facts_of
from ledger_service.overview.tables import overview_trade
from ledger_service.record import Entry, Record, Transaction
from ledger_service.registry import queries as registry
from ledger_service.settlement.queries import entries_by_sequence, period_state
from ledger_service.settlement.tables import settlement_session
from ledger_service.trading.tables import trading_order, trading_schedule

ENTRIES_MAX = 5_000
"""Most entries emptied at once; who has more asks again."""

Own = OrderAccepted | OrderCancelled | ScheduleNominated
"""What is one account's alone in the journal, and not needed after its period is Final and audited. Registration and
keys are: they say whose everything else is, as long as the account takes part."""


@dataclass(frozen=True, slots=True)
class Erased:
    """What one request emptied, and the fact that says so (None: nothing was left)."""

    entries: int
    orders: int
    sequence: int | None
    more: bool
    """Whether there is more, to be asked for again."""


# ---- audits


def sign_audit(
    record: Record, *, auditor: bytes, sequence: int, head: bytes, signature: bytes, domain: Domain
) -> Entry:
    """An auditor signed that all up to an entry is clean. Raises NoSuchHead, NotTheAuditor, BadSignature."""
    signer = recover(domain.digest(AUDIT, {"sequence": sequence, "head": head}), signature)
    if signer != auditor:
        raise NotTheAuditor(signer=to_hex(signer))
    fact = AuditSigned(auditor=to_hex(auditor), sequence=sequence, head=head, signature=signature)
    with record.begin() as tx:
        found = entries_by_sequence(tx.connection, [sequence])
        if [entry.hash for entry in found] != [head]:
            raise NoSuchHead(sequence=sequence)
        return tx.append(fact, key=fact.journal_key)


# ---- erasure


@dataclass(frozen=True, slots=True)
class ErasureRequest:
    """What a holder signs to have its own data erased, until a market time (unix seconds). It stands nowhere."""

    account: str
    before_mtu: int
    deadline: int

    def check(self, signature: bytes, *, domain: Domain, now: int) -> None:
        """Signed by the account itself, and in time. Raises ErasureNotSigned, ErasureTooLate, BadSignature."""
        values = {"account": from_hex(self.account), "beforeMtu": self.before_mtu, "deadline": self.deadline}
        signer = to_hex(recover(domain.digest(ERASURE, values), signature))
        if signer != self.account:
            raise ErasureNotSigned(account=self.account, signer=signer)
        if now > self.deadline:
            raise ErasureTooLate(deadline=self.deadline, now=now)


def erase_account(record: Record, *, account: str, before_mtu: int, reason: str) -> Erased:
    """Empty what an account (0x hex) ordered, cancelled and nominated for MTUs before one.

    `reason` is public and must name nobody. Raises PeriodNotFinal, NotAudited, NotRegistered, ErasureUnfinished.
    """
    with record.read() as connection:
        found = list(_own(connection, account))
        chosen = [(entry, fact) for entry, fact in found if _last_mtu(fact) < before_mtu]
        _check_needed(connection, chosen)
    part = _whole_orders(chosen)
    if not part:
        record.forget_old_pages(())
        return Erased(0, 0, None, more=False)
    orders = [fact for _, fact in part if isinstance(fact, OrderAccepted)]

    def forget(tx: Transaction) -> None:
        _forget(tx.connection, account, [fact for _, fact in part])

    entry = record.erase(
        [entry.sequence for entry, _ in part], reason, tags=sorted(fact.tag for fact in orders), copies=forget
    )
    return Erased(len(part), len(orders), entry.sequence, more=len(part) < len(chosen))


def _own(connection: Connection, account: str) -> Iterator[tuple[Entry, Own]]:
    """An account's orders with all their revisions and cancels, then its schedules; none that is erased already."""
    party = registry.participant_of(connection, account)
    prefixes = [own_orders_prefix(account)]
    if party is not None and party.point is not None:
        markets = registry.markets(connection, area=party.area)
        prefixes += [own_schedules_prefix(market=market.market, point=party.point) for market in markets]
    for prefix in prefixes:
        for entry in entries_with_key(connection, prefix=prefix):
            fact = entry.fact
            if isinstance(fact, Own) and (isinstance(fact, OrderAccepted) or fact.account == account):
                yield entry, fact


def _whole_orders(chosen: Sequence[tuple[Entry, Own]]) -> list[tuple[Entry, Own]]:
    """The first of these, at most ENTRIES_MAX and the rest of the last order: revisions follow each other."""
    end = min(len(chosen), ENTRIES_MAX)
    while 0 < end < len(chosen) and _thing(chosen[end][1]) == _thing(chosen[end - 1][1]):
        end += 1
    return list(chosen[:end])


def _thing(fact: Own) -> tuple[str, int, bytes]:
    """What all revisions of an order or schedule have in common."""
    match fact:
        case OrderAccepted():
            return fact.market, fact.order.session, fact.order.order_id
        case OrderCancelled():
            return fact.market, fact.session, fact.order_id
    return fact.market, fact.session, b""


def _last_mtu(fact: Own) -> int:
    """The last MTU that a fact is about."""
    match fact:
        case OrderAccepted():
            return fact.order.mtu
        case OrderCancelled():
            return fact.mtu
    return fact.first_mtu + len(fact.net_wh) - 1


def _session(fact: Own) -> tuple[str, int]:
    return fact.market, fact.order.session if isinstance(fact, OrderAccepted) else fact.session


def _check_needed(connection: Connection, chosen: Iterable[tuple[Entry, Own]]) -> None:
    """Each period that needs any of it is Final, and was so before the last audit.

    Raises PeriodNotFinal, NotAudited.
    """
    table = settlement_session
    sessions = {_session(fact) for _, fact in chosen}
    rows = connection.execute(select(table)).all() if sessions else []
    periods = {(row.area, row.period) for row in rows if (row.market, row.session) in sessions}
    audited = max((fact.sequence for fact in facts_of(connection, AuditSigned, through=_END)), default=0)
    finals = chain_events(connection, PeriodFinalised, through=audited)
    clean = {(event.area, event.period) for event in finals}
    for area, period in sorted(periods):
        state = period_state(connection, area=area, period=period)
        if not state.is_final:
            seconds = registry.area(connection, area)
            end = mtu_start(state.first_mtu + state.count)
            final_by = end + seconds.attest_seconds + seconds.horizon_seconds
            raise PeriodNotFinal(area=area, period=period, first_mtu=state.first_mtu, final_by=final_by)
        if (text_id(area), period) not in clean:
            raise NotAudited(area=area, period=period, first_mtu=state.first_mtu)


_END = 2**63 - 1
"""After every entry."""


def _forget(connection: Connection, account: str, facts: Iterable[Own]) -> None:
    """Take copies out of the views, as folding the journal again would."""
    for fact in facts:
        if isinstance(fact, ScheduleNominated):
            mine = trading_schedule.c
            place = (mine.market == fact.market, mine.session == fact.session, mine.point == fact.point)
            connection.execute(delete(trading_schedule).where(*place))
            continue
        order_id = fact.order.order_id if isinstance(fact, OrderAccepted) else fact.order_id
        for table in (trading_order, overview_trade):
            connection.execute(delete(table).where(table.c.account == account, table.c.order_id == order_id))
