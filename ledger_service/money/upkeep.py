"""What anyone may ask of the contracts and nobody else has a reason to: the service asks for it once it is possible.

A line that was lowered is released when all that could stand under the higher one is settled; what waits in suspense
is booked as far as no uncovered debt needs it to wait, and debt that is counted too high is counted anew; what reached
a replaced account goes to its successor. The key of each request names the state that made it possible, so that what
was asked for, or failed, is asked for again only when that has changed.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from sqlalchemy import Connection, Row, func, select

from contracts.bindings import Accounts, Call, Guarantees, Successions
from domain.facts import Subject, requested_key
from domain.hashing import to_hex
from ledger_service.market.tables import market_period
from ledger_service.money.queries import given_neur
from ledger_service.money.tables import (
    money_account,
    money_batch,
    money_movement,
    money_replacement,
    money_suspense,
    money_uncovered,
)
from ledger_service.money.views import account_row
from ledger_service.record.keys import find_entries
from ledger_service.registry.queries import area_of_account
from ledger_service.settlement.tables import settlement_period


@dataclass(frozen=True, slots=True)
class Upkeep:
    """A call to ask for, under this key, about this account."""

    key: str
    call: Call
    account: bytes

    @property
    def about(self) -> Subject:
        """What the request is about."""
        return Subject(account=to_hex(self.account))


def due(connection: Connection) -> list[Upkeep]:
    """What is possible now and was not asked for as things stand."""
    found = [*_releases(connection), *_bookings(connection), *_collections(connection), *_recounts(connection)]
    asked = find_entries(connection, [requested_key(item.key) for item in found])
    return [item for item in found if requested_key(item.key) not in asked]


def _releases(connection: Connection) -> Iterator[Upkeep]:
    """Lowered lines under which everything is settled that began before they were lowered."""
    table = money_account
    query = select(table).where(table.c.guarantor.is_not(None), table.c.locked_neur != table.c.credit_neur)
    for row in connection.execute(query.order_by(table.c.account)).all():
        area = _area_of(connection, row.account)
        if area is None or int(row.locked_neur) < int(row.credit_neur):
            continue
        begun, settled = _begun(connection, area, before=row.guaranteed_sequence), _settled_through(connection, area)
        if settled >= begun:
            key = f"release:{to_hex(row.account)}:{row.guaranteed_sequence}:{settled}"
            yield Upkeep(key=key, call=Guarantees.release(account=row.account), account=row.account)


def _begun(connection: Connection, area: str, *, before: int) -> int:
    """Number of the last period of an area that was declared before an entry; 0 where none was."""
    table = market_period
    query = select(table.c.period).where(table.c.area == area, table.c.sequence < before)
    return connection.execute(query.order_by(table.c.period.desc()).limit(1)).scalar() or 0


def _settled_through(connection: Connection, area: str) -> int:
    """Number of the last period of an area up to which all are settled; 0 where the first is not."""
    table = settlement_period
    query = select(table.c.period, table.c.settled).where(table.c.area == area).order_by(table.c.period)
    through = 0
    for row in connection.execute(query):
        if row.settled == 0:
            break
        through = row.period
    return through


def _bookings(connection: Connection) -> Iterator[Upkeep]:
    """What waits for accounts in their own area: a debit at once, a credit where not all must wait."""
    waiting = connection.execute(select(money_suspense).order_by(money_suspense.c.suspense)).all()
    for area in sorted({row.area for row in waiting}):
        here = {row: _balance(connection, row.suspense) for row in waiting if row.area == area}
        room_neur = sum(here.values()) - _uncovered_neur(connection, area)
        for row, balance_neur in here.items():
            own = _area_of(connection, row.account) == area
            if own and (balance_neur < 0 or (balance_neur > 0 and room_neur > 0)):
                yield _booking(row, room_neur=room_neur)


def _booking(row: Row[tuple[bytes, bytes, str, int]], *, room_neur: int) -> Upkeep:
    key = f"bookSuspense:{to_hex(row.suspense)}:{row.sequence}:{room_neur}"
    return Upkeep(key=key, call=Accounts.book_suspense(account=row.account), account=row.account)


def _uncovered_neur(connection: Connection, area: str) -> int:
    """Debts of the area's accounts that nobody covers, as the chain counts them."""
    found = ((account, counted.lacking_neur) for account, counted in _counted(connection).items())
    return sum(lacking for account, lacking in found if lacking and _area_of(connection, account) == area)


def _collections(connection: Connection) -> Iterator[Upkeep]:
    """What reached accounts after they were replaced: a settlement of a time before, or a payment."""
    table = money_replacement
    for account in connection.execute(select(table.c.account).distinct().order_by(table.c.account)).scalars().all():
        balance_neur = _balance(connection, account)
        if balance_neur:
            key = f"collect:{to_hex(account)}:{_moved_last(connection, account)}:{balance_neur}"
            yield Upkeep(key=key, call=Successions.collect(account=account), account=account)


def _recounts(connection: Connection) -> Iterator[Upkeep]:
    """Debts that the chain counts too high among what nobody covers: it counts the worse end of a settlement's pages,
    and not again once that came otherwise. What waits for them goes on then."""
    for account, counted in _counted(connection).items():
        area = _area_of(connection, account) if counted.lacking_neur else None
        ended = None if area is None else _last_batch_ended(connection, area)
        if ended is None or _lacking_neur(connection, account) >= counted.lacking_neur:
            continue
        key = f"recount:{to_hex(account)}:{counted.sequence}:{ended}"
        yield Upkeep(key=key, call=Accounts.recount(account=account), account=account)


@dataclass(frozen=True, slots=True)
class _Counted:
    """What the chain counts as uncovered of an account, and the entry since which it does."""

    lacking_neur: int
    sequence: int


def _counted(connection: Connection) -> dict[bytes, _Counted]:
    table = money_uncovered
    rows = connection.execute(select(table).order_by(table.c.sequence))
    return {row.account: _Counted(int(row.lacking_neur), row.sequence) for row in rows}


def _last_batch_ended(connection: Connection, area: str) -> int | None:
    """The entry that ended the last settlement of several pages of an area; None while one is open, or before any."""
    table, last = money_batch, None
    for row in connection.execute(select(table).where(table.c.area == area).order_by(table.c.sequence)):
        last = row.sequence if row.ended else None
    return last


def _lacking_neur(connection: Connection, account: bytes) -> int:
    """What an account for which nobody else answers owes and gives beyond its balance."""
    return max(given_neur(connection, account=account) - _balance(connection, account), 0)


def _moved_last(connection: Connection, account: bytes) -> int:
    """The last entry that moved an account's money."""
    table = money_movement
    query = select(func.max(table.c.sequence)).where(table.c.account == account)
    return connection.execute(query).scalar() or 0


def _balance(connection: Connection, account: bytes) -> int:
    row = account_row(connection, account)
    return 0 if row is None else int(row.balance_neur)


def _area_of(connection: Connection, account: bytes) -> str | None:
    return area_of_account(connection, to_hex(account))
