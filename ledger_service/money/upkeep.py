"""What anyone may ask of the contracts and nobody else has a reason to: the service asks for it once it is possible.

A line that was lowered is released when all that could stand under the higher one is settled; what waits in suspense
is booked as far as no uncovered debt needs it to wait. The key of each request names the state that made it possible,
so that what was asked for, or failed, is asked for again only when that has changed.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from sqlalchemy import Connection, Row, select

from contracts.bindings import Accounts, Call, Guarantees
from domain.facts import Subject, requested_key
from domain.hashing import to_hex
from ledger_service.market.tables import market_period
from ledger_service.money.tables import money_account, money_suspense, money_uncovered
from ledger_service.money.views import account_row
from ledger_service.record.keys import find_entries
from ledger_service.registry.tables import registry_participant
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
    found = [*_releases(connection), *_bookings(connection)]
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
    table, party = money_uncovered, registry_participant
    members = set(connection.execute(select(party.c.account).where(party.c.area == area)).scalars())
    query = select(table.c.account, table.c.lacking_neur).order_by(table.c.sequence)
    last = {row.account: int(row.lacking_neur) for row in connection.execute(query)}
    return sum(lacking for account, lacking in last.items() if to_hex(account) in members)


def _balance(connection: Connection, account: bytes) -> int:
    row = account_row(connection, account)
    return 0 if row is None else int(row.balance_neur)


def _area_of(connection: Connection, account: bytes) -> str | None:
    table = registry_participant
    return connection.execute(select(table.c.area).where(table.c.account == to_hex(account))).scalar()
