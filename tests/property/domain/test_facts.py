"""Every fact reads back as it was written, and nothing else is read."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import fields, is_dataclass, replace
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from domain import facts
from domain.errors import OutOfRange
from domain.facts import FACTS, Fact, FactMalformed, UnknownKind, read_fact
from domain.hashing import canonical_json
from domain.lines import Kind
from domain.members import JsonDocument
from domain.strictness import WrongBytes
from tests.property.domain.fact_strategies import facts_of

pytestmark = pytest.mark.property

KINDS = [item for item in vars(facts).values() if isinstance(item, type) and issubclass(item, Fact) and item.KIND]

by_kind = pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.KIND)
few = settings(max_examples=25, suppress_health_check=[HealthCheck.too_slow], deadline=None)


@by_kind
@few
@given(data=st.data())
def test_fact__written_and_read__is_the_same(kind: type[Fact], data: st.DataObject) -> None:
    fact = data.draw(facts_of(kind))

    text = canonical_json(fact.payload())
    read = read_fact(kind.KIND, text)

    assert read == fact
    assert canonical_json(read.payload()) == text
    assert read.journal_key == fact.journal_key


@by_kind
@few
@given(data=st.data())
def test_fact__with_an_unknown_member__is_refused_by_its_name(kind: type[Fact], data: st.DataObject) -> None:
    payload = data.draw(facts_of(kind)).payload()

    with pytest.raises(FactMalformed) as refusal:
        kind.read(canonical_json(payload | {"surplus": 1}))

    assert (refusal.value.kind, refusal.value.member) == (kind.KIND, "surplus")


@by_kind
@few
@given(data=st.data())
def test_fact__with_a_member_missing_or_of_another_type__is_refused(kind: type[Fact], data: st.DataObject) -> None:
    payload = data.draw(facts_of(kind)).payload()
    name = data.draw(st.sampled_from(sorted(payload)))
    wrong: Any = data.draw(st.sampled_from([1.5, [[None]], True if payload[name] is not True else 1]))
    if payload[name] is False:
        wrong = 1.5

    for changed in (payload | {name: wrong}, {key: item for key, item in payload.items() if key != name}):
        text = _loose_json(changed)
        if name not in changed and (kind.KIND, name) in MAY_BE_MISSING:
            continue
        with pytest.raises(FactMalformed) as refusal:
            kind.read(text)
        assert refusal.value.kind == kind.KIND
        assert refusal.value.member.split(".")[0] == name


DOCUMENTS = {"args", "grid_model", "report", "statement"}
"""Members whose form is told elsewhere."""


def leaves_of(value: Any, path: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    """Paths to all numbers and texts outside documents."""
    if isinstance(value, dict | list):
        for key, item in value.items() if isinstance(value, dict) else enumerate(value):
            if key not in DOCUMENTS:
                yield from leaves_of(item, (*path, key))
    elif type(value) in (int, str):
        yield path


def with_other_type(value: Any, path: tuple[Any, ...]) -> Any:
    """A copy with the number or text at a path as a value of another type."""
    if not path:
        return value == 1 if isinstance(value, int) else 7
    copy = dict(value) if isinstance(value, dict) else list(value)
    copy[path[0]] = with_other_type(value[path[0]], path[1:])
    return copy


@by_kind
@few
@given(data=st.data())
def test_fact__with_another_type_at_any_depth__is_refused(kind: type[Fact], data: st.DataObject) -> None:
    payload = data.draw(facts_of(kind)).payload()
    path = data.draw(st.sampled_from(sorted(leaves_of(payload), key=str)))

    with pytest.raises(FactMalformed):
        kind.read(_loose_json(with_other_type(payload, path)))


class Foreign:
    """Something of no type that a fact has."""


def made_with_foreign(value: Any, path: tuple[Any, ...]) -> Any:
    """The same again, made with something foreign at a path."""
    if not path:
        return Foreign()
    if isinstance(value, tuple):
        return tuple(made_with_foreign(item, path[1:]) if n == path[0] else item for n, item in enumerate(value))
    return replace(value, **{path[0]: made_with_foreign(getattr(value, path[0]), path[1:])})


def places_in(value: Any, path: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    """Paths to all members of a fact, and of what is in it, outside documents and the constants that kinds are."""
    if path:
        yield path
    if isinstance(value, tuple):
        for number, item in enumerate(value):
            yield from places_in(item, (*path, number))
    elif is_dataclass(value) and not isinstance(value, JsonDocument | Kind):
        for member in fields(value):
            yield from places_in(getattr(value, member.name), (*path, member.name))


@by_kind
@few
@given(data=st.data())
def test_fact__made_with_something_foreign_at_any_depth__is_refused(kind: type[Fact], data: st.DataObject) -> None:
    fact = data.draw(facts_of(kind))
    path = data.draw(st.sampled_from(sorted(places_in(fact), key=str)))

    with pytest.raises((FactMalformed, OutOfRange, WrongBytes, TypeError)):
        made_with_foreign(fact, path)


MAY_BE_MISSING = {
    ("guarantee.given", "account_signature"),
    ("market.defined", "kind"),
    ("market.defined", "later_gates_local"),
    ("order.accepted", "mandate"),
    ("order.cancelled", "mandate"),
    *(("chain.failed", name) for name in ("tx_hash", "block", "block_hash", "block_time", "gas_used")),
}
"""An account need not consent twice; a market is an auction of one gate unless it says otherwise; an order need be no
agent's; the others have nothing to say where no request could be encoded."""


def _loose_json(payload: dict[str, Any]) -> bytes:
    """JSON that the journal itself would not write (a fraction)."""
    return json.dumps(payload).encode()


def test_read_fact__of_an_unknown_kind__names_it() -> None:
    with pytest.raises(UnknownKind) as refusal:
        read_fact("order.dreamt", b"{}")

    assert refusal.value.kind == "order.dreamt"


def test_fact__two_classes_of_one_kind__are_refused() -> None:
    with pytest.raises(TypeError, match=r"order\.accepted"):
        type("Another", (Fact,), {"KIND": "order.accepted"})


def test_facts__are_all_exported() -> None:
    assert {kind.KIND for kind in KINDS} <= FACTS.keys()
    assert [kind for kind in FACTS.values() if kind.__module__.startswith("domain.") and kind not in KINDS] == []


@by_kind
def test_fact__of_every_kind__is_checked_when_it_is_made(kind: type[Fact]) -> None:
    assert kind.__init__ is Fact.__init__
