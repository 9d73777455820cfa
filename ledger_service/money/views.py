"""How the chain's events become movements and balances.

A balance is what the chain holds: it changes with included transactions only, always in pairs whose sum is zero. A
transaction that comes into another block replaces what it did before.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import asdict, dataclass
from functools import cache
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
from contracts.bindings.settlement import PeriodSettled, SettlementAbandoned, SettlementPageBooked
from contracts.bindings.successions import SuccessorCancelled, SuccessorProposed
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
    money_batch,
    money_failed,
    money_movement,
    money_redemption,
    money_redemption_step,
    money_replacement,
    money_successor,
    money_suspense,
    money_uncovered,
)
from ledger_service.outbox import asks
from ledger_service.record import Entry, Transaction
from ledger_service.record.journal import walk_entries
from ledger_service.registry import queries as registry
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
    SuccessorProposed,
    SuccessorCancelled,
    AmountSuspended,
    SuspenseBooked,
    DebitPassedOn,
    AccountLeft,
    AccountTakenOver,
    PeriodSettled,
    SettlementAbandoned,
)
"""The events that move money, promise it or ask for it."""


@dataclass(frozen=True, slots=True)
class Origin:
    """Where an event comes from: the key of its transaction, the entry that tells of it, the time of its block, and the
    area it settles."""

    key: str
    sequence: int
    block_time: int
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
    _note_batches(connection, fact, sequence)
    position = 0
    for event, area in _moving(connection, fact):
        place, origin = {"sequence": sequence, "key": fact.key}, Origin(fact.key, sequence, fact.block_time, area)
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


def _note_batches(connection: Connection, fact: Happened, sequence: int) -> None:
    """Which settlements of several pages the transaction went on with, and which it ended: in effect or abandoned."""
    rows: dict[bytes, dict[str, Any]] = {}
    for event in read_events(fact.events, SettlementPageBooked, PeriodSettled, SettlementAbandoned):
        match event:
            case SettlementPageBooked(area=area, id=batch):
                area_code = _area_code(connection, area)
                rows[batch] = {"batch": batch, "area": area_code, "ended": False}
            case PeriodSettled(area=area):
                for row in rows.values():
                    row["ended"] |= row["area"] == _area_code(connection, area)
            case SettlementAbandoned(id=batch):
                of = select(money_batch.c.area).where(money_batch.c.batch == batch).limit(1)
                rows[batch] = {"batch": batch, "area": connection.execute(of).scalar() or "", "ended": True}
    if rows:
        place = {"sequence": sequence, "key": fact.key}
        connection.execute(insert(money_batch), [row | place for row in rows.values()])


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
            _replaced(connection, origin, event)
            return pair(account=successor, other=account, kind="replacement", amount_neur=balance)
        case SuccessorProposed() | SuccessorCancelled():
            _proposed(connection, origin, event)
        case AmountSuspended(account=account, suspense=suspense, amount_neur=amount):
            _suspended(connection, origin, event)
            # The settlement's own pairs book it on the account; one of several pages is shown here from its page on.
            return pair(account=suspense, other=account, kind="suspense", amount_neur=amount)
        case SuspenseBooked(account=account, suspense=suspense, amount_neur=amount):
            _suspended(connection, origin, event)
            return pair(account=account, other=suspense, kind="suspense", amount_neur=amount)
        case SettlementAbandoned(id=batch):
            return _dropped(connection, batch)
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
    connection.execute(delete(money_successor).where(money_successor.c.key == key))
    connection.execute(delete(money_batch).where(money_batch.c.key == key))
    _unreplace(connection, key)


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


def _dropped(connection: Connection, batch: bytes) -> list[Posting]:
    """What the pages of an abandoned settlement kept back or passed on goes back; of the rest nothing was shown."""
    table, pages = money_movement, money_batch
    keys = select(pages.c.key).where(pages.c.batch == batch, pages.c.ended.is_(False))
    query = select(table).where(table.c.key.in_(keys), table.c.kind.in_(("suspense", "passed_on")))
    return [
        Posting(account=row.account, other=row.other, kind=row.kind, amount_neur=-int(row.amount_neur))
        for row in connection.execute(query.order_by(table.c.sequence, table.c.position))
    ]


def _uncovered(connection: Connection, origin: Origin, event: DebtUncovered) -> None:
    table = money_uncovered
    same = (table.c.sequence == origin.sequence, table.c.account == event.account)
    connection.execute(delete(table).where(*same))
    row = {"sequence": origin.sequence, "key": origin.key, "account": event.account}
    connection.execute(insert(table).values(**row, lacking_neur=str(event.lacking_neur)))


def _proposed(connection: Connection, origin: Origin, event: SuccessorProposed | SuccessorCancelled) -> None:
    """The last that a transaction says of an account counts."""
    table = money_successor
    same = (table.c.sequence == origin.sequence, table.c.account == event.account)
    connection.execute(delete(table).where(*same))
    row: dict[str, Any] = {"sequence": origin.sequence, "key": origin.key, "account": event.account}
    if isinstance(event, SuccessorProposed):
        row |= {"successor": event.successor, "by": event.by, "ready_at": event.ready_at}
    connection.execute(insert(table), row)


def _replaced(connection: Connection, origin: Origin, event: AccountReplaced) -> None:
    """What moves goes to the successor, and so do, the first time, all lines."""
    table, first = money_replacement, not _moves(connection, event.account)
    row = {"account": event.account, "successor": event.successor, "key": origin.key, "block_time": origin.block_time}
    connection.execute(delete(table).where(table.c.account == event.account, table.c.key == origin.key))
    connection.execute(insert(table), row)
    if first:
        _hand_lines_over(connection, event.account, event.successor, {"guaranteed_sequence": origin.sequence})


def _unreplace(connection: Connection, key: str) -> None:
    """The block that replaced an account vanished: its lines are its own again."""
    table = money_replacement
    rows = connection.execute(select(table).where(table.c.key == key)).all()
    if rows:
        connection.execute(delete(table).where(table.c.key == key))
    for row in rows:
        if not _moves(connection, row.account):
            _hand_lines_over(connection, row.successor, row.account, {})


def _moves(connection: Connection, account: bytes) -> int:
    table = money_replacement
    return connection.execute(select(func.count()).where(table.c.account == account)).scalar_one()


def _hand_lines_over(connection: Connection, account: bytes, successor: bytes, since: dict[str, int]) -> None:
    """The successor takes over the lines that the account gives, and the one that it has."""
    row = account_row(connection, account)
    _add(connection, successor, 0)
    table = money_account
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
    place_of = _places(connection, proposal)
    retailer_of = {(row.agreement, row.version): place_of(row.retailer) for row in connection.execute(query)}
    now = _totals(_postings(proposal, retailer_of))
    for key, amount in _totals(_postings(known[revision - 1], retailer_of) if revision else []).items():
        now[key] = now.get(key, 0) - amount
    postings = [Posting(*key, amount_neur=amount) for key, amount in sorted(now.items()) if amount]
    _check_words(postings, proposal, area=area, period=period, revision=revision)
    return postings


def _places(connection: Connection, proposal: SettlementProposed) -> Callable[[str], bytes]:
    """Which account has a participant's place in a settlement: its present one, or an earlier one of it."""
    shown = {item.account for item in proposal.statements}

    def place(account: str) -> bytes:
        mine = [account] if account in shown else registry.accounts_of(connection, account)
        return from_hex(next((one for one in mine if one in shown), account))

    return cache(place)


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
