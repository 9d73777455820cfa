"""How the chain's events become movements and balances.

A balance is what the chain holds: it changes with included transactions only, always in pairs whose sum is zero. A
transaction that comes into another block replaces what it did before.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import asdict, dataclass
from typing import Any

from sqlalchemy import Connection, Row, delete, func, insert, select, update

from contracts.bindings import Event, Redemptions, read_events
from contracts.bindings.accounts import (
    AccountReplaced,
    AmountSuspended,
    DebitPassedOn,
    DebtUncovered,
    Deposited,
    LineSet,
    SuspenseBooked,
)
from contracts.bindings.guarantees import DebtCovered, GuaranteeSet
from contracts.bindings.handovers import AccountLeft, AccountTakenOver, Standing
from contracts.bindings.redemptions import Redeemed, RedemptionCancelled, RedemptionRequested
from contracts.bindings.settlement import PeriodSettled, SettlementPageBooked
from domain.errors import DominoesError
from domain.facts import (
    HAPPENED,
    ChainFailed,
    ChainIncluded,
    ChainObserved,
    ChainRewound,
    Fact,
    Happened,
    SettlementProposed,
)
from domain.hashing import from_hex, text_id, to_hex
from domain.words import unpack_settlement_word
from ledger_service.money.tables import (
    TABLES,
    money_account,
    money_failed,
    money_movement,
    money_redemption,
    money_redemption_step,
    money_suspense,
    money_uncovered,
)
from ledger_service.outbox import asks
from ledger_service.record import Entry, Transaction
from ledger_service.record.journal import walk_entries
from ledger_service.registry.tables import registry_agreement, registry_area
from ledger_service.settlement.queries import proposals
from settling.postings import MoneyMade, Posting, check_balanced, postings_of

BANK = b"\x00" * 19 + b"\x01"
"""The world outside: deposits come from it and redemptions go to it. Its balance is minus the supply."""

ENDED = ("RedemptionsUnknown", "RedemptionsTooLate", "AccountsReplaced")
"""Why a completion fails for good: it is done already (anyone may ask), it expired, or its account was replaced."""

KINDS: tuple[type[Fact], ...] = (*HAPPENED, ChainFailed, ChainRewound)
"""The facts the views of money are made of."""

MOVING: tuple[type[Event], ...] = (
    Deposited,
    DebtCovered,
    RedemptionRequested,
    Redeemed,
    RedemptionCancelled,
    GuaranteeSet,
    LineSet,
    DebtUncovered,
    AccountReplaced,
    AmountSuspended,
    SuspenseBooked,
    DebitPassedOn,
    AccountLeft,
    AccountTakenOver,
    PeriodSettled,
)
"""The events that move money, promise it or ask for it."""


@dataclass(frozen=True, slots=True)
class Origin:
    """Where an event comes from: the key of its transaction, the entry that tells of it, and the area it settles."""

    key: str
    sequence: int
    area: str = ""


class SettlementNotProposed(DominoesError):
    """The chain settled something this record never proposed."""

    status = 500
    code = "settlement-not-proposed"

    def __init__(self, *, area: str, period: int, revision: int) -> None:
        self.area, self.period, self.revision = area, period, revision
        super().__init__(
            f"the chain settled period {period} of {area}, revision {revision}, with words this record has not "
            "proposed; stop the service and compare the journal with the chain"
        )


def fold(connection: Connection, entry: Entry, *, now: int) -> None:
    """Bring the views up to date with one fact of KINDS; an erased one leaves no trace.

    `now` (market time) is noted where a completion failed: it is asked for again some time after.
    """
    match entry.fact:
        case ChainIncluded() | ChainObserved() as fact:
            _undo(connection, fact.key)
            _book(connection, fact, entry.sequence)
        case ChainFailed() as fact:
            _undo(connection, fact.key)
            _note_failed(connection, fact, now)
        case ChainRewound(key=key):
            _undo(connection, key)


def _book(connection: Connection, fact: Happened, sequence: int) -> None:
    position = 0
    for event, area in _moving(connection, fact):
        place, origin = {"sequence": sequence, "key": fact.key}, Origin(key=fact.key, sequence=sequence, area=area)
        if isinstance(event, PeriodSettled):
            if not area:
                continue
            postings = _settled(connection, event, area=area)
            place |= {"area": area, "period": event.period, "revision": event.revision}
        else:
            postings = _moved(connection, origin, event)
        position = _write(connection, place, postings, position)
    if position:
        _check_written(connection, fact.key)


def _moving(connection: Connection, fact: Happened) -> list[tuple[Event, str]]:
    """What moves money, each with the area of the settlement whose words it books: that which is told next. Empty where
    none is, or none of ours; a transaction may settle several."""
    area, found = "", list[tuple[Event, str]]()
    for event in reversed(list(read_events(fact.events, *MOVING, SettlementPageBooked))):
        if isinstance(event, PeriodSettled | SettlementPageBooked):
            area = _area_code(connection, event.area)
        if not isinstance(event, SettlementPageBooked):
            found.append((event, area))
    return found[::-1]


def _area_code(connection: Connection, area_id: bytes) -> str:
    """Empty for an area of the contracts that this record does not keep."""
    codes: Iterable[str] = connection.execute(select(registry_area.c.area)).scalars()
    return next((code for code in codes if text_id(code) == area_id), "")


def _moved(connection: Connection, origin: Origin, event: Event) -> list[Posting]:
    """The pairs of an event that concerns one account or two, and what else it leaves in the views."""
    match event:
        case Deposited(account=account, amount_neur=amount):
            return pair(account=account, other=BANK, kind="deposit", amount_neur=amount)
        case DebtCovered(account=account, guarantor=guarantor, amount_neur=amount):
            return pair(account=account, other=guarantor, kind="cover", amount_neur=amount)
        case Redeemed(account=account, amount_neur=amount):
            _step(connection, origin, event, kind="redeemed")
            return pair(account=BANK, other=account, kind="redemption", amount_neur=amount)
        case RedemptionCancelled():
            _step(connection, origin, event, kind="cancelled")
        case RedemptionRequested():
            _requested(connection, origin, event)
        case GuaranteeSet():
            _guaranteed(connection, origin, event)
        case LineSet():
            _locked(connection, event)
        case DebtUncovered():
            _uncovered(connection, origin, event)
        case AccountReplaced(account=account, successor=successor, balance_neur=balance):
            _replaced(connection, origin, account=account, successor=successor)
            return pair(account=successor, other=account, kind="replacement", amount_neur=balance)
        case AmountSuspended(account=account, suspense=suspense, amount_neur=amount):
            _suspended(connection, origin, event)
            # The settlement's own pairs book it on the account; one of several pages is shown here from its page on.
            return pair(account=suspense, other=account, kind="suspense", amount_neur=amount)
        case SuspenseBooked(account=account, suspense=suspense, amount_neur=amount):
            _suspended(connection, origin, event)
            return pair(account=account, other=suspense, kind="suspense", amount_neur=amount)
        case DebitPassedOn(account=account, guarantor=guarantor, amount_neur=amount):
            return pair(account=guarantor, other=account, kind="passed_on", amount_neur=amount)
        case AccountLeft(account=account, standing=standing):
            _left(connection, account)
            return [posting for who, amount in _taken_along(account, standing) for posting in _burnt(who, amount)]
        case AccountTakenOver(holder=holder, standing=standing):
            _entered(connection, origin, holder, standing)
            return [posting for who, amount in _taken_along(holder, standing) for posting in _minted(who, amount)]
    return []


def rebuild_views(tx: Transaction, *, now: int) -> None:
    """Empty the views and fold every fact again (those of settlement must be rebuilt before)."""
    for table in TABLES:
        tx.connection.execute(delete(table))
    for entry in walk_entries(tx.connection, kinds=KINDS):
        fold(tx.connection, entry, now=now)


def account_row(connection: Connection, account: bytes) -> Row[Any] | None:
    """Balance, credit line and guarantor of an account; None where nothing ever happened on it."""
    return connection.execute(select(money_account).where(money_account.c.account == account)).first()


def _undo(connection: Connection, key: str) -> None:
    rows = connection.execute(select(money_movement).where(money_movement.c.key == key)).all()
    for row in rows:
        _add(connection, row.account, -int(row.amount_neur))
    if rows:
        connection.execute(delete(money_movement).where(money_movement.c.key == key))
    connection.execute(delete(money_redemption).where(money_redemption.c.key == key))
    connection.execute(delete(money_redemption_step).where(money_redemption_step.c.key == key))
    connection.execute(delete(money_failed).where(money_failed.c.key == key))
    connection.execute(delete(money_uncovered).where(money_uncovered.c.key == key))


def completion_key(*, account: bytes, ref: bytes) -> str:
    """Key of the request that completes a redemption, in its first attempt."""
    return f"completeRedemption:{to_hex(account)}:{to_hex(ref)}"


def _note_failed(connection: Connection, fact: ChainFailed, now: int) -> None:
    if not asks(fact, Redemptions.complete_redemption) or any(reason in fact.reason for reason in ENDED):
        return
    row = {"account": from_hex(str(fact.about.account)), "ref": fact.about.ref}
    connection.execute(insert(money_failed).values(key=fact.key, **row, failed_at=now))


def _write(connection: Connection, place: dict[str, Any], postings: Iterable[Posting], position: int) -> int:
    """Write postings down from a position on, and move the balances; the position after the last one."""
    rows, moved_neur = [], dict[bytes, int]()
    for at, posting in enumerate(check_balanced(postings), start=position):
        rows.append(place | asdict(posting) | {"position": at, "amount_neur": str(posting.amount_neur)})
        moved_neur[posting.account] = moved_neur.get(posting.account, 0) + posting.amount_neur
    if rows:
        connection.execute(insert(money_movement), rows)
    for account, amount_neur in moved_neur.items():
        _add(connection, account, amount_neur)
    return position + len(rows)


def _check_written(connection: Connection, key: str) -> None:
    """The pair of the check before the write: what now stands in the view sums to zero too. Raises MoneyMade."""
    rows = connection.execute(select(money_movement.c.amount_neur).where(money_movement.c.key == key))
    total = sum(int(row.amount_neur) for row in rows)
    if total != 0:
        raise MoneyMade(sum_neur=total)


def _add(connection: Connection, account: bytes, amount_neur: int) -> None:
    row = account_row(connection, account)
    table = money_account
    if row is None:
        connection.execute(insert(table).values(account=account, balance_neur=str(amount_neur), credit_neur="0"))
        return
    balance = int(row.balance_neur) + amount_neur
    connection.execute(update(table).where(table.c.account == account).values(balance_neur=str(balance)))


def pair(*, account: bytes, other: bytes, kind: str, amount_neur: int) -> list[Posting]:
    """A credit of `account` and the debit of `other` that pays for it."""
    return [
        Posting(account=account, other=other, kind=kind, amount_neur=amount_neur),
        Posting(account=other, other=account, kind=kind, amount_neur=-amount_neur),
    ]


def _requested(connection: Connection, origin: Origin, event: RedemptionRequested) -> None:
    connection.execute(
        insert(money_redemption).values(
            account=event.account,
            ref=event.ref,
            key=origin.key,
            amount_neur=str(event.amount_neur),
            ready_at=event.ready_at,
            sequence=origin.sequence,
        )
    )


def _step(connection: Connection, origin: Origin, event: Redeemed | RedemptionCancelled, *, kind: str) -> None:
    table = money_redemption_step
    before = connection.execute(select(func.count()).where(table.c.key == origin.key)).scalar_one()
    row = {"key": origin.key, "step": before, "account": event.account, "ref": event.ref, "kind": kind}
    connection.execute(insert(table).values(**row, amount_neur=str(event.amount_neur)))


def _guaranteed(connection: Connection, origin: Origin, event: GuaranteeSet) -> None:
    _add(connection, event.account, 0)
    line = {"credit_neur": str(event.credit_neur), "guarantor": event.guarantor}
    values = line | {"guaranteed_sequence": origin.sequence, "nonce": event.nonce}
    connection.execute(update(money_account).where(money_account.c.account == event.account).values(**values))


def _locked(connection: Connection, event: LineSet) -> None:
    """So much stands behind the account now, which is what new orders count with unless a lower line came since."""
    _add(connection, event.account, 0)
    table = money_account
    values = {"locked_neur": str(event.credit_neur), "guarantor": event.guarantor}
    connection.execute(update(table).where(table.c.account == event.account).values(**values))


def _suspended(connection: Connection, origin: Origin, event: AmountSuspended | SuspenseBooked) -> None:
    """For whom an account in suspense keeps what it has; a booking finds that known."""
    table = money_suspense
    known = update(table).where(table.c.suspense == event.suspense).values(sequence=origin.sequence)
    if connection.execute(known).rowcount == 0:
        row = {"suspense": event.suspense, "account": event.account, "area": origin.area}
        connection.execute(insert(table).values(**row, sequence=origin.sequence))


def _uncovered(connection: Connection, origin: Origin, event: DebtUncovered) -> None:
    table = money_uncovered
    same = (table.c.sequence == origin.sequence, table.c.account == event.account)
    connection.execute(delete(table).where(*same))
    row = {"sequence": origin.sequence, "key": origin.key, "account": event.account}
    connection.execute(insert(table).values(**row, lacking_neur=str(event.lacking_neur)))


def _replaced(connection: Connection, origin: Origin, *, account: bytes, successor: bytes) -> None:
    """The successor takes over the lines that the account gives, and the one that it has."""
    row = account_row(connection, account)
    _add(connection, successor, 0)
    table = money_account
    since = {"guaranteed_sequence": origin.sequence}
    given = update(table).where(table.c.guarantor == account)
    connection.execute(given.values(guarantor=successor, **since))
    if row is not None and row.guarantor is not None:
        guarantor = successor if row.guarantor in (account, successor) else row.guarantor
        line = {"credit_neur": row.credit_neur, "locked_neur": row.locked_neur, "guarantor": guarantor}
        connection.execute(update(table).where(table.c.account == successor).values(**line, **since))
        none = {"credit_neur": "0", "locked_neur": "0", "guarantor": None, "guaranteed_sequence": None}
        connection.execute(update(table).where(table.c.account == account).values(**none))


def _taken_along(account: bytes, standing: Standing) -> list[tuple[bytes, int]]:
    """What goes from one deployment to the next: the account's own, and its guarantor's that backs it."""
    return [(account, standing.balance_neur), (standing.guarantor, standing.backing_neur)]


def _minted(account: bytes, amount_neur: int) -> list[Posting]:
    if not amount_neur:
        return []
    return pair(account=account, other=BANK, kind="taken_over", amount_neur=amount_neur)


def _burnt(account: bytes, amount_neur: int) -> list[Posting]:
    if not amount_neur:
        return []
    return pair(account=BANK, other=account, kind="left", amount_neur=amount_neur)


def _left(connection: Connection, account: bytes) -> None:
    """Line and guarantor are the next deployment's."""
    none = {"credit_neur": "0", "locked_neur": "0", "guarantor": None, "guaranteed_sequence": None}
    connection.execute(update(money_account).where(money_account.c.account == account).values(**none))


def _entered(connection: Connection, origin: Origin, account: bytes, standing: Standing) -> None:
    """The line it brings comes to the one it has from the same guarantor; `LineSet` follows and says what stands."""
    _add(connection, account, 0)
    if not any(standing.guarantor):
        return
    row = account_row(connection, account)
    credit_neur = standing.credit_neur + (0 if row is None else int(row.credit_neur))
    line = {"credit_neur": str(credit_neur), "guarantor": standing.guarantor}
    values = line | {"guaranteed_sequence": origin.sequence}
    connection.execute(update(money_account).where(money_account.c.account == account).values(**values))


def _settled(connection: Connection, event: PeriodSettled, *, area: str) -> list[Posting]:
    """The pairs behind a settlement's words: those of its statements less those of the revision before."""
    period, revision = event.period, event.revision
    known = proposals(connection, area=area, period=period)
    proposal = known.get(revision)
    if proposal is None or proposal.words_hash != event.words_hash:
        raise SettlementNotProposed(area=area, period=period, revision=revision)
    table = registry_agreement
    query = select(table.c.agreement, table.c.version, table.c.retailer)
    retailer_of = {(row.agreement, row.version): from_hex(row.retailer) for row in connection.execute(query)}
    now = _totals(_postings(proposal, retailer_of))
    for key, amount in _totals(_postings(known[revision - 1], retailer_of) if revision else []).items():
        now[key] = now.get(key, 0) - amount
    postings = [Posting(*key, amount_neur=amount) for key, amount in sorted(now.items()) if amount]
    _check_words(postings, proposal, area=area, period=period, revision=revision)
    return postings


def _postings(proposal: SettlementProposed, retailer_of: dict[tuple[str, int], bytes]) -> list[Posting]:
    statements = {from_hex(item.account): item.statement for item in proposal.statements}
    return postings_of(statements, retailer_of=retailer_of)


def _totals(postings: Iterable[Posting]) -> dict[tuple[bytes, bytes, str], int]:
    totals: dict[tuple[bytes, bytes, str], int] = {}
    for posting in postings:
        key = (posting.account, posting.other, posting.kind)
        totals[key] = totals.get(key, 0) + posting.amount_neur
    return totals


def _check_words(
    postings: Iterable[Posting], proposal: SettlementProposed, *, area: str, period: int, revision: int
) -> None:
    """What the pairs give each account is what its settlement word moves; the pool keeps nothing."""
    due: dict[bytes, int] = {}
    for posting in postings:
        due[posting.account] = due.get(posting.account, 0) + posting.amount_neur
    words = dict(unpack_settlement_word(word) for word in proposal.words)
    if {account: amount for account, amount in due.items() if amount} != words:
        raise SettlementNotProposed(area=area, period=period, revision=revision)
