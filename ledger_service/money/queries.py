"""Reading money: balances, credit, movements, redemptions, guarantees, and the comparison with the chain. All nEUR."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection, Row, Select, Table, select

from domain.hashing import to_hex
from ledger_service.money.tables import (
    money_account,
    money_failed,
    money_movement,
    money_redemption,
    money_redemption_step,
    money_replacement,
)
from ledger_service.money.views import account_row
from ledger_service.record.paging import WHOLE, Slice, sliced
from ledger_service.record.spans import WHENEVER, SequenceSpan, with_time
from ledger_service.registry.tables import registry_replacement
from ledger_service.trading import Backing


@dataclass(frozen=True, slots=True)
class Movement:
    """One half of a pair: + is a credit of the account. `area`, `period`, `revision` are None outside settlements."""

    sequence: int
    position: int
    account: bytes
    other: bytes
    kind: str
    amount_neur: int
    area: str | None
    period: int | None
    revision: int | None


@dataclass(frozen=True, slots=True)
class GuaranteeState:
    """An account's credit line: `called_neur` is what its guarantor owes now, the debt beyond what stands behind it.

    `locked_neur` stands behind it: more than the line while that is being lowered.

    `nonce` is the last one that the guarantor used for it on chain: the next one is above it. `recorded_at` is the
    market time, in unix seconds, since when the line is what it is.
    """

    account: bytes
    guarantor: bytes
    credit_neur: int
    balance_neur: int
    called_neur: int
    locked_neur: int
    nonce: int
    recorded_at: int


@dataclass(frozen=True, slots=True)
class RedemptionState:
    """A redemption the chain knows: `redeemed_neur` is burned, `left_neur` still to come (0: done or cancelled).

    `key` is that of the chain request that asked for it.
    """

    account: bytes
    ref: bytes
    key: str
    amount_neur: int
    ready_at: int
    redeemed_neur: int
    left_neur: int


@dataclass(frozen=True, slots=True)
class ReplacedAccount:
    """An account that the chain replaced: in which transaction, and the time of its block in unix seconds."""

    account: bytes
    successor: bytes
    key: str
    block_time: int


def replaced_accounts(connection: Connection) -> list[ReplacedAccount]:
    """Those of which the registry does not know yet, in the order of their blocks."""
    table, known = money_replacement, set(connection.execute(select(registry_replacement.c.account)).scalars())
    query = select(table).order_by(table.c.block_time, table.c.account, table.c.key)
    found: dict[bytes, ReplacedAccount] = {}
    for row in connection.execute(query):
        if to_hex(row.account) not in known:
            found.setdefault(row.account, ReplacedAccount(row.account, row.successor, row.key, row.block_time))
    return list(found.values())


def balance_neur(connection: Connection, *, account: bytes) -> int:
    """What the account holds; negative is debt."""
    row = account_row(connection, account)
    return 0 if row is None else int(row.balance_neur)


def given_neur(connection: Connection, *, account: bytes) -> int:
    """What the account stands for: the sum over those it guarantees for of the line, or the debt where that is more."""
    table = money_account
    rows = connection.execute(select(table).where(table.c.guarantor == account, table.c.account != account))
    return sum(max(int(row.locked_neur), -int(row.balance_neur)) for row in rows)


def own_line_neur(connection: Connection, *, account: bytes) -> int:
    """What the account keeps of its balance for its own trades; 0 where another one guarantees for it, or nobody."""
    row = account_row(connection, account)
    return int(row.locked_neur) if row is not None and row.guarantor == account else 0


def free_neur(connection: Connection, *, account: bytes) -> int:
    """What may be redeemed, pay cover or be given as a line: the balance less what it gives, keeps and has promised."""
    kept = own_line_neur(connection, account=account) + reserved_neur(connection, account=account)
    return redeemable_neur(connection, account=account) - kept


def redeemable_neur(connection: Connection, *, account: bytes) -> int:
    """The balance less what it gives to others: open redemptions reserve no more of it than there is."""
    return balance_neur(connection, account=account) - given_neur(connection, account=account)


def reserved_neur(connection: Connection, *, account: bytes) -> int:
    """Sum of the account's open redemptions."""
    return sum(item.left_neur for item in redemptions(connection, account=account))


def guarantor_of(connection: Connection, *, account: bytes) -> bytes | None:
    """Who owes what the account owes beyond its line; None where nobody does."""
    row = account_row(connection, account)
    return None if row is None else row.guarantor


def missing_neur(connection: Connection, *, account: bytes) -> int:
    """What a guarantor lacks of all that it gives and keeps; above zero it is called."""
    own = own_line_neur(connection, account=account)
    return max(own - redeemable_neur(connection, account=account), 0)


def backing(connection: Connection, *, account: bytes, lacking: dict[bytes, int] | None = None) -> Backing:
    """What stands behind an account's orders: what it has, its line, and whether its guarantor is called.

    `lacking` keeps what guarantors lack in nEUR, for who asks for many accounts: that is a sum over all customers.
    """
    has = redeemable_neur(connection, account=account) - reserved_neur(connection, account=account)
    row = account_row(connection, account)
    if row is None or row.guarantor is None:
        return Backing(has_neur=has, line_neur=0, missing_neur=0)
    if row.guarantor == account:
        return Backing(has_neur=has, line_neur=int(row.credit_neur), missing_neur=0)
    known = {} if lacking is None else lacking
    if row.guarantor not in known:
        known[row.guarantor] = missing_neur(connection, account=row.guarantor)
    return Backing(has_neur=has, line_neur=int(row.credit_neur), missing_neur=known[row.guarantor])


def locked_neur(connection: Connection, *, account: bytes) -> int:
    """The line that stands behind the account: the higher one, while it is being lowered."""
    row = account_row(connection, account)
    return 0 if row is None else int(row.locked_neur)


def credit_neur(connection: Connection, *, account: bytes) -> int:
    """How far below zero the account may go by its guarantor's line."""
    row = account_row(connection, account)
    return 0 if row is None else int(row.credit_neur)


def postings(connection: Connection, *, account: bytes, part: Slice = WHOLE) -> list[Movement]:
    """Movements of an account in order, by (sequence, position)."""
    table = money_movement
    query = sliced(select(table).where(table.c.account == account), table.c.sequence, table.c.position, part=part)
    return [movement_of(row) for row in connection.execute(query)]


def movement_of(row: Row[Any]) -> Movement:
    """The movement of a row of the view."""
    return Movement(
        sequence=row.sequence,
        position=row.position,
        account=row.account,
        other=row.other,
        kind=row.kind,
        amount_neur=int(row.amount_neur),
        area=row.area,
        period=row.period,
        revision=row.revision,
    )


def guarantees(
    connection: Connection, *, guarantor: bytes | None = None, within: SequenceSpan = WHENEVER, part: Slice = WHOLE
) -> list[GuaranteeState]:
    """Credit lines in force, all or those of one guarantor, that came within a span of the journal, by account."""
    table = money_account
    since = table.c.guaranteed_sequence
    query = with_time(select(table).where(table.c.guarantor.is_not(None), within.holds(since)), since)
    if guarantor is not None:
        query = query.where(table.c.guarantor == guarantor)
    return [
        GuaranteeState(
            account=row.account,
            guarantor=row.guarantor,
            credit_neur=int(row.credit_neur),
            balance_neur=int(row.balance_neur),
            called_neur=0 if row.account == row.guarantor else max(-int(row.balance_neur) - int(row.locked_neur), 0),
            locked_neur=int(row.locked_neur),
            nonce=row.nonce,
            recorded_at=row.recorded_at,
        )
        for row in connection.execute(sliced(query, table.c.account, part=part))
    ]


def redemptions(
    connection: Connection, *, account: bytes | None = None, refs: Sequence[bytes] | None = None
) -> list[RedemptionState]:
    """Redemptions the chain knows, all, or of one account, or of these references, as they become ready."""
    table = money_redemption
    query = _of(select(table), table, account, refs).order_by(table.c.ready_at, table.c.account, table.c.ref)
    taken = _steps(connection, account, refs)
    found = []
    for row in connection.execute(query):
        redeemed, cancelled = (taken.get((row.account, row.ref, kind), 0) for kind in ("redeemed", "cancelled"))
        amount = int(row.amount_neur)
        found.append(
            RedemptionState(
                account=row.account,
                ref=row.ref,
                key=row.key,
                amount_neur=amount,
                ready_at=row.ready_at,
                redeemed_neur=redeemed,
                left_neur=amount - redeemed - cancelled,
            )
        )
    return found


def _of(query: Select[Any], table: Table, account: bytes | None, refs: Sequence[bytes] | None) -> Select[Any]:
    if account is not None:
        query = query.where(table.c.account == account)
    return query if refs is None else query.where(table.c.ref.in_(refs))


def _steps(
    connection: Connection, account: bytes | None, refs: Sequence[bytes] | None
) -> dict[tuple[bytes, bytes, str], int]:
    """What took redemptions down, by account, reference and kind."""
    table = money_redemption_step
    query = _of(select(table), table, account, refs)
    taken: dict[tuple[bytes, bytes, str], int] = {}
    for row in connection.execute(query):
        key = (row.account, row.ref, row.kind)
        taken[key] = taken.get(key, 0) + int(row.amount_neur)
    return taken


def failed_completions(connection: Connection, *, failed_before: int) -> list[str]:
    """Keys of completions that failed at or before a market time and are wanted still."""
    table = money_failed
    rows = connection.execute(select(table).where(table.c.failed_at <= failed_before).order_by(table.c.key)).all()
    return [row.key for row in rows if _is_open(connection, row.account, row.ref)]


def _is_open(connection: Connection, account: bytes, ref: bytes) -> bool:
    return any(item.ref == ref and item.left_neur for item in redemptions(connection, account=account))
