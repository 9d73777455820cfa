"""Facts for tests: read from JSON as the journal reads them, with what a test does not say filled in."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import fields, is_dataclass
from enum import Enum
from types import NoneType, UnionType
from typing import Annotated, Any, Union, get_args, get_origin, get_type_hints

from contracts.bindings import Call
from domain import members
from domain.facts import FACTS, ChainRequested, Fact, Subject, read_fact, requested_key
from domain.facts.base import fact
from domain.facts.chain import Arguments
from domain.facts.programs import Schedules
from domain.facts.trading import SignedOrder
from domain.hashing import canonical_json
from domain.orders import Order
from domain.roles import ChainRole
from domain.words import Side
from ledger_service.record import Entry, PayloadErased, Transaction


@fact
class Done(Fact):
    """Something a test of the journal itself writes: any object."""

    KIND = "test.done"
    FLAT = "content"
    content: members.Document


@fact
class Secret(Fact):
    """Something a test erases."""

    KIND = "test.secret"
    FLAT = "content"
    content: members.Document


@fact
class Followed(Fact):
    """What follows another fact."""

    KIND = "test.followed"
    FLAT = "content"
    content: members.Document


def fact_of(kind: type[Fact] | str, payload: Mapping[str, Any]) -> Fact:
    """The fact of a kind with these members; the others are zero, empty or None. Raises FactMalformed."""
    cls = FACTS[kind] if isinstance(kind, str) else kind
    hints = get_type_hints(cls, include_extras=True)
    full = _completed(hints[cls.FLAT] if cls.FLAT else cls, dict(payload))
    return read_fact(cls.KIND, canonical_json(full))


def append_fact(
    tx: Transaction, kind: type[Fact] | str, payload: Mapping[str, Any], *, key: str | None = None
) -> Entry:
    """Append the fact of `fact_of`; what became of a request says what that one was about."""
    given = dict(payload)
    asked = tx.find(requested_key(given["key"])) if str(given.get("key", "")) else None
    if asked is not None and isinstance(asked.fact, ChainRequested):
        shared = ("contract", "function", "about")
        given = {name: item for name, item in content_of(asked).items() if name in shared} | given
    return tx.append(fact_of(kind, given), key=key)


_ORDER = Order(bytes(32), 0, 0, Side.BID, 0, 1, bytes(20), bytes(16), 0, bytes(32))

_ZERO: list[tuple[Any, Any]] = [
    (SignedOrder, _ORDER.as_json()),
    (members.Code, "code"),
    (members.Address, "0x" + "00" * 20),
    (members.Bytes, "0x"),
    (members.Hash, "0x" + "00" * 32),
    (members.Tag, "0x" + "00" * 16),
    (members.OrderId, "0x" + "00" * 16),
    (members.Signature, "0x" + "00" * 65),
    (members.Mask, "0x" + "00" * 16),
    (members.Word, "0x" + "00" * 32),
    (members.AmountNeur, "0"),
    (members.BigNatural, "0"),
    (members.Number, 1),
    (members.RuleVersion, 1),
    (members.Document, {}),
    (Arguments, []),
    (Schedules, {}),
]


def _zero(hint: Any) -> Any:
    """The JSON of a type's plainest value."""
    found = [value for alias, value in _ZERO if alias == hint]
    if found:
        return found[0]
    origin, parts = get_origin(hint), get_args(hint)
    if origin in (Union, UnionType):
        return None if NoneType in parts else _zero(parts[0])
    if origin is tuple:
        return []
    if origin is Annotated:
        return _zero(parts[0])
    if hint in (int, str, bool):
        return {int: 0, str: "text", bool: False}[hint]
    if issubclass(hint, Enum):
        return next(iter(hint)).value
    return {} if hint is Subject else _completed(hint, {})


def _completed(hint: Any, given: Any) -> Any:
    """JSON with every member of a frozen class in it, down to the members of its members."""
    if get_origin(hint) is tuple and isinstance(given, list):
        return [_completed(get_args(hint)[0], item) for item in given]
    if not is_dataclass(hint) or not isinstance(given, dict) or hint is Subject:
        return given
    hints = get_type_hints(hint, include_extras=True)
    names = [item.name for item in fields(hint)]
    full = {name: _completed(hints[name], given[name]) if name in given else _zero(hints[name]) for name in names}
    return given | full


def content_of(entry: Entry) -> dict[str, Any]:
    """The payload of an entry as JSON, as the journal holds it. Raises PayloadErased once it is gone."""
    if entry.text is None:
        raise PayloadErased(sequence=entry.sequence)
    content: dict[str, Any] = json.loads(entry.text)
    return content


def request_fact(*, key: str, role: str, call: Call) -> ChainRequested:
    """A request for a call that is about nothing."""
    return ChainRequested(
        key=key, role=ChainRole(role), contract=call.contract, function=call.function, args=call.args, about=Subject()
    )
