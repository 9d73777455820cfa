"""The view of mandates: what agents may trade for accounts, as granted and as ended."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection, Row, Select, exists, insert, select, update

from domain.facts import MandateGranted, MandateRevoked
from domain.mandates import Mandate
from domain.members import noun_json, noun_of
from ledger_service.record.paging import WHOLE, Slice, sliced
from ledger_service.record.spans import ALWAYS, MtuSpan
from ledger_service.registry.queries import is_held_by
from ledger_service.registry.tables import registry_mandate


@dataclass(frozen=True, slots=True)
class Revoked:
    """The end of a mandate: its entry, and the market time in it, unix seconds."""

    sequence: int
    market_time: int


@dataclass(frozen=True, slots=True)
class Granted:
    """A mandate as it was recorded: the order key that signed it, its entry, and its end (None: not revoked).

    `replaced`: the account gave the agent another one since, which counts in its place.
    """

    mandate: Mandate
    tag: bytes
    order_key: str
    signature: bytes
    market_time: int
    sequence: int
    revoked: Revoked | None = None
    replaced: bool = False


def show_granted(connection: Connection, fact: MandateGranted, sequence: int) -> None:
    """Take a mandate in."""
    row = {
        "tag": fact.tag,
        "account": fact.mandate.account,
        "agent": fact.mandate.agent,
        "mandate": json.dumps(noun_json(fact.mandate)),
        "from_mtu": fact.mandate.from_mtu,
        "order_key": fact.order_key,
        "signature": fact.signature,
        "market_time": fact.market_time,
        "sequence": sequence,
    }
    connection.execute(insert(registry_mandate), row)


def show_revoked(connection: Connection, fact: MandateRevoked, sequence: int) -> None:
    """Take a mandate's end in."""
    ended = update(registry_mandate).where(registry_mandate.c.tag == fact.mandate)
    connection.execute(ended.values(revoked_sequence=sequence, revoked_time=fact.market_time))


def _granted(row: Row[Any]) -> Granted:
    ended = row.revoked_sequence is not None
    return Granted(
        mandate=noun_of(Mandate, row.mandate),
        tag=bytes(row.tag),
        order_key=row.order_key,
        signature=bytes(row.signature),
        market_time=row.market_time,
        sequence=row.sequence,
        revoked=Revoked(row.revoked_sequence, row.revoked_time) if ended else None,
        replaced=bool(row.replaced),
    )


def _recorded() -> Select[Any]:
    """Mandates, each with whether one of the same account and agent came later."""
    c, later = registry_mandate.c, registry_mandate.alias("later").c
    same = (later.account == c.account, later.agent == c.agent)
    return select(registry_mandate, exists().where(*same, later.sequence > c.sequence).label("replaced"))


def mandates(connection: Connection) -> list[Granted]:
    """Every mandate, in the order in which they were recorded."""
    return [_granted(row) for row in connection.execute(_recorded().order_by(registry_mandate.c.sequence))]


def mandate(connection: Connection, tag: bytes) -> Granted | None:
    """The mandate of this tag."""
    row = connection.execute(_recorded().where(registry_mandate.c.tag == tag)).first()
    return None if row is None else _granted(row)


def last_mandate(connection: Connection, *, account: str, agent: str) -> Granted | None:
    """The last mandate that an account gave an agent: the one that counts, unless it has ended."""
    c = registry_mandate.c
    query = _recorded().where(c.account == account, c.agent == agent).order_by(c.sequence.desc())
    row = connection.execute(query.limit(1)).first()
    return None if row is None else _granted(row)


def mandates_by(
    connection: Connection, *, account: str, begins: MtuSpan = ALWAYS, part: Slice = WHOLE
) -> list[Granted]:
    """The mandates that a participant gave, under its present account or one before, by beginning and tag."""
    c = registry_mandate.c
    query = _recorded().where(is_held_by(connection, c.account, account), begins.holds(c.from_mtu))
    return [_granted(row) for row in connection.execute(sliced(query, c.from_mtu, c.tag, part=part))]


def mandates_for(connection: Connection, *, agent: str, begins: MtuSpan = ALWAYS, part: Slice = WHOLE) -> list[Granted]:
    """The mandates that an agent was given, by beginning and tag."""
    c = registry_mandate.c
    query = _recorded().where(c.agent == agent, begins.holds(c.from_mtu))
    return [_granted(row) for row in connection.execute(sliced(query, c.from_mtu, c.tag, part=part))]
