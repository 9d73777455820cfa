"""Reading the registry. Addresses are lower-case 0x hex.

"Valid at an MTU" means the latest one that began by then; of order keys the last recorded of those that began by then.
"""

from __future__ import annotations

import json
from dataclasses import fields, replace
from functools import lru_cache
from typing import Any, TypeVar

from sqlalchemy import Column, ColumnElement, Connection, LargeBinary, Row, Table, func, select

from domain.areas import Area, Attester
from domain.facts import SessionOpened
from domain.hashing import from_hex
from domain.markets import Market, MarketKind
from domain.members import JsonDocument
from domain.mtu import MTU_END
from domain.names import likeness
from domain.parties import Guarantee, Meter, OrderKey, Participant, ParticipantKind, Replacement, first_accounts
from domain.terms import Agreement, EndedTerm, Ends, Tariff, TermEnd, agreement_in_force, ends_of
from ledger_service.record.journal import entry_of, select_entries
from ledger_service.record.spans import MtuSpan
from ledger_service.record.tables import journal_entry
from ledger_service.registry.errors import NoAgreement, NotRegistered
from ledger_service.registry.tables import (
    registry_agreement,
    registry_area,
    registry_end,
    registry_guarantee,
    registry_key,
    registry_mandate,
    registry_market,
    registry_meter,
    registry_participant,
    registry_replacement,
    registry_tariff,
)

DAYS_LOOKED_AT = 4
"""Days of sessions looked at for the last gate that has passed: they open a day or two ahead of it."""

GRIDS_KEPT = 16
"""Grid models kept read: each look at an area reads its model, and a stage looks at every area in every round."""

_Noun = TypeVar("_Noun", Market, Tariff, Agreement, Participant, Meter, OrderKey, Guarantee, Replacement, TermEnd)


def noun_from_row(kind: type[_Noun], row: Row[Any]) -> _Noun:
    """The noun of a row of its view."""
    values = {field.name: row._mapping[field.name] for field in fields(kind)}
    if kind is Participant:
        values["kind"] = ParticipantKind(values["kind"])
    elif kind is TermEnd:
        values["term"] = EndedTerm(values["term"])
    elif kind is Market:
        values["kind"] = MarketKind(values["kind"])
        values["later_gates_local"] = tuple(json.loads(values["later_gates_local"]))
    return kind(**values)


def _all(connection: Connection, kind: type[_Noun], table: Table, *conditions: Any) -> list[_Noun]:
    query = select(table).where(*conditions).order_by(table.c.sequence)
    return [noun_from_row(kind, row) for row in connection.execute(query)]


def _last(connection: Connection, kind: type[_Noun], table: Table, *conditions: Any) -> _Noun | None:
    order = [table.c.valid_from_mtu.desc()] if "valid_from_mtu" in table.c else []
    row = connection.execute(
        select(table).where(*conditions).order_by(*order, table.c.sequence.desc()).limit(1)
    ).first()
    return None if row is None else noun_from_row(kind, row)


@lru_cache(maxsize=GRIDS_KEPT)
def _document(text: str) -> JsonDocument:
    return JsonDocument(json.loads(text))


def area_from_row(row: Row[Any]) -> Area:
    """The area of a row of its view."""
    values = {field.name: row._mapping[field.name] for field in fields(Area)}
    values["grid_model"] = _document(row.grid_model)
    values["attesters"] = tuple(Attester(**item) for item in json.loads(row.attesters))
    return Area(**values)


def name_like(connection: Connection, column: Column[str], name: str) -> str | None:
    """Another name in this column that looks like this one to a reader; names are plain ASCII with single spaces."""
    alike = func.lower(func.replace(column, " ", "")) == likeness(name)
    return connection.execute(select(column).where(alike, column != name).limit(1)).scalar()


def areas(connection: Connection) -> list[Area]:
    """Every area, in order of definition."""
    return [area_from_row(row) for row in connection.execute(select(registry_area).order_by(registry_area.c.sequence))]


def area(connection: Connection, code: str) -> Area:
    """An area by its code. Raises NotRegistered."""
    row = connection.execute(select(registry_area).where(registry_area.c.area == code)).first()
    if row is None:
        raise NotRegistered(what="area", name=code)
    return area_from_row(row)


def markets(connection: Connection, *, area: str | None = None) -> list[Market]:
    """Every market, or those of one area, in order of definition."""
    conditions = [] if area is None else [registry_market.c.area == area]
    return _all(connection, Market, registry_market, *conditions)


def is_attester(connection: Connection, address: str) -> bool:
    """Whether some area names this address as one of its attesters."""
    return any(
        address in {item["address"] for item in json.loads(attesters)}
        for attesters in connection.execute(select(registry_area.c.attesters)).scalars()
    )


def market(connection: Connection, code: str) -> Market:
    """A market by its code. Raises NotRegistered."""
    found = _last(connection, Market, registry_market, registry_market.c.market == code)
    if found is None:
        raise NotRegistered(what="market", name=code)
    return found


def participants(connection: Connection, *, area: str | None = None) -> list[Participant]:
    """Every participant, or those of one area, in order of registration."""
    conditions = [] if area is None else [registry_participant.c.area == area]
    return _all(connection, Participant, registry_participant, *conditions)


def participants_as_signed(connection: Connection, *, area: str) -> list[Participant]:
    """Every participant of an area under the account that signed its registration, though another may have its place
    now: under any other name its signatures are nobody's.
    """
    first = first_accounts(replacements(connection))
    return [replace(item, account=first(item.account)) for item in participants(connection, area=area)]


def participant_of(connection: Connection, account: str) -> Participant | None:
    """The participant that holds a settlement account."""
    return _last(connection, Participant, registry_participant, registry_participant.c.account == account)


def replacements(connection: Connection) -> list[Replacement]:
    """Every account that gave way to another, in order of recording."""
    return _all(connection, Replacement, registry_replacement)


def replacement_of(connection: Connection, account: str) -> Replacement | None:
    """How an account gave way to another; None where it did not."""
    return _last(connection, Replacement, registry_replacement, registry_replacement.c.account == account)


def accounts_of(connection: Connection, account: str) -> list[str]:
    """A participant's present account, and before it those whose place it took, the latest first."""
    table, found = registry_replacement, [account]
    while True:
        query = select(table.c.account).where(table.c.successor == found[-1])
        before: str | None = connection.execute(query).scalar()
        if before is None:
            return found
        found.append(before)


def is_held_by(connection: Connection, column: Column[Any], account: str) -> ColumnElement[bool]:
    """Whether a column names a participant's account, its present one or one before it (as 0x hex or as bytes)."""
    found = accounts_of(connection, account)
    values = [from_hex(one) for one in found] if isinstance(column.type, LargeBinary) else found
    return column == values[0] if len(values) == 1 else column.in_(values)


def area_of_account(connection: Connection, account: str) -> str | None:
    """The area of a participant's account, present or replaced; None where nobody here has or had it."""
    party = participant_of(connection, present_account(connection, account))
    return None if party is None else party.area


def present_account(connection: Connection, account: str) -> str:
    """The account that has the place of this one now."""
    while (gave_way := replacement_of(connection, account)) is not None:
        account = gave_way.successor
    return account


def participant(connection: Connection, participant: str) -> Participant | None:
    """A participant by its id."""
    return _last(connection, Participant, registry_participant, registry_participant.c.participant == participant)


def participant_at(connection: Connection, point: str, *, mtu: int | None = None) -> Participant | None:
    """The participant that came last to a connection point, by an MTU where one is given; it may have left since."""
    conditions = [registry_participant.c.point == point]
    if mtu is not None:
        conditions.append(registry_participant.c.valid_from_mtu <= mtu)
    return _last(connection, Participant, registry_participant, *conditions)


def place_of(connection: Connection, participant: Participant) -> MtuSpan:
    """The MTUs in which a participant takes part."""
    end = term_end(connection, term=EndedTerm.PARTICIPATION, name=participant.participant)
    return MtuSpan(participant.valid_from_mtu, MTU_END if end is None else end.end_mtu)


def ends(connection: Connection, *, area: str | None = None) -> list[TermEnd]:
    """Every end of a term, or those of one area, in order of recording."""
    conditions = [] if area is None else [registry_end.c.area == area]
    return _all(connection, TermEnd, registry_end, *conditions)


def term_end(connection: Connection, *, term: EndedTerm, name: str) -> TermEnd | None:
    """The end of a term, None where it has none."""
    return _last(connection, TermEnd, registry_end, registry_end.c.term == term, registry_end.c.name == name)


def order_keys(connection: Connection) -> list[OrderKey]:
    """Every registered order key, in order of registration."""
    return _all(connection, OrderKey, registry_key)


def order_key(connection: Connection, order_key: str) -> OrderKey | None:
    """The registration of an order key, whether it is still valid or not."""
    return _last(connection, OrderKey, registry_key, registry_key.c.order_key == order_key)


def is_agent(connection: Connection, address: str) -> bool:
    """Whether any account ever gave this address a mandate."""
    query = select(registry_mandate.c.tag).where(registry_mandate.c.agent == address).limit(1)
    return connection.execute(query).first() is not None


def tariff_versions(connection: Connection, tariff: str | None = None) -> list[Tariff]:
    """Every version of a tariff (of all tariffs where None), in order of publication."""
    conditions = [] if tariff is None else [registry_tariff.c.tariff == tariff]
    return _all(connection, Tariff, registry_tariff, *conditions)


def tariff_at(connection: Connection, *, tariff: str, mtu: int) -> Tariff:
    """The version of a tariff that is valid at delivery. Raises NoAgreement."""
    condition = (registry_tariff.c.tariff == tariff, registry_tariff.c.valid_from_mtu <= mtu)
    found = _last(connection, Tariff, registry_tariff, *condition)
    if found is None:
        raise NoAgreement(name=f"tariff {tariff}", mtu=mtu)
    return found


def agreements(connection: Connection, *, account: str | None = None, retailer: str | None = None) -> list[Agreement]:
    """Every agreement version, of one account or one retailer where given, in order of signing."""
    conditions = []
    if account is not None:
        conditions.append(registry_agreement.c.account == account)
    if retailer is not None:
        conditions.append(registry_agreement.c.retailer == retailer)
    return _all(connection, Agreement, registry_agreement, *conditions)


def agreement_versions(connection: Connection, agreement: str) -> list[Agreement]:
    """Every version of one agreement, in order of signing."""
    return _all(connection, Agreement, registry_agreement, registry_agreement.c.agreement == agreement)


def agreement_at(connection: Connection, *, account: str, mtu: int) -> Agreement:
    """The agreement of an account that is valid at delivery: not ended, while it takes part. Raises NoAgreement."""
    mine = agreements(connection, account=account)
    participant = participant_of(connection, account)
    found = agreement_in_force(mine, _ends_of(connection, mine), mtu)
    if found is None or participant is None or mtu not in place_of(connection, participant):
        raise NoAgreement(name=f"account {account}", mtu=mtu)
    return found


def _ends_of(connection: Connection, agreements: list[Agreement]) -> Ends:
    names = {agreement.agreement for agreement in agreements}
    found = (term_end(connection, term=EndedTerm.AGREEMENT, name=name) for name in names)
    return ends_of(end for end in found if end is not None)


def meters(connection: Connection, *, area: str | None = None) -> list[Meter]:
    """Every meter key, or those of one area, in order of registration."""
    conditions = [] if area is None else [registry_meter.c.area == area]
    return _all(connection, Meter, registry_meter, *conditions)


def meters_at(connection: Connection, *, area: str, mtu: int) -> dict[str, Meter]:
    """The meter of each point of an area that counts at an MTU, by point."""
    query = (
        select(registry_meter)
        .where(registry_meter.c.area == area, registry_meter.c.valid_from_mtu <= mtu)
        .order_by(registry_meter.c.valid_from_mtu, registry_meter.c.sequence)
    )
    return {row.point: noun_from_row(Meter, row) for row in connection.execute(query)}


def guarantees(connection: Connection, *, account: str | None = None) -> list[Guarantee]:
    """Every guarantee ever given, or those for one account, in order of time."""
    conditions = [] if account is None else [registry_guarantee.c.account == account]
    return _all(connection, Guarantee, registry_guarantee, *conditions)


def guarantee_of(connection: Connection, account: str) -> Guarantee | None:
    """The guarantee that counts for an account now: the last one given."""
    return _last(connection, Guarantee, registry_guarantee, registry_guarantee.c.account == account)


def gated_until_mtu(connection: Connection, *, now: int, area: str | None = None) -> int:
    """The MTU after the last one whose gate has passed at `now` (market time) in an area (in any where None); 0 before
    any gate."""
    passed = (item for item in _last_sessions(connection) if item.session <= now and area in (None, item.area))
    return max((item.first_mtu + item.count for item in passed), default=0)


def opened_until_mtu(connection: Connection, *, area: str) -> int:
    """The MTU after the last one that a session of an area was opened for; 0 before any."""
    opened = (item for item in _last_sessions(connection) if item.area == area)
    return max((item.first_mtu + item.count for item in opened), default=0)


def _last_sessions(connection: Connection) -> list[SessionOpened]:
    of_kind = select_entries().where(journal_entry.c.kind == SessionOpened.KIND)
    looked_at = DAYS_LOOKED_AT * sum(len(market.gates_local) for market in markets(connection))
    query = of_kind.order_by(journal_entry.c.sequence.desc()).limit(looked_at)
    return [entry_of(row).as_a(SessionOpened) for row in connection.execute(query)]
