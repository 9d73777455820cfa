"""Facts of every kind as hypothesis makes them, from the types of their members."""

from __future__ import annotations

from dataclasses import fields, is_dataclass
from enum import Enum
from types import NoneType, UnionType
from typing import Annotated, Any, Union, get_args, get_origin, get_type_hints

from hypothesis import strategies as st

from domain import members
from domain.facts import Fact, Subject
from domain.facts.chain import Arguments
from domain.facts.programs import PointSchedule, Schedules
from domain.lines import POSITION_KINDS, TRADE_KINDS, MirrorLine, PositionLine, TradeLine, VatLine
from domain.members import JsonDocument
from domain.orders import Order
from domain.parties import ParticipantKind
from domain.readings import Quality, Reading
from domain.statements import Opening, Statement, TermsUsed
from domain.units import MAX_LOTS, NO_PRICE
from domain.words import Side

SAFE = 2**53 - 1
TEXT = st.text(st.characters(codec="utf-8", exclude_categories=["Cs"]), min_size=1, max_size=12)
JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-SAFE, SAFE) | TEXT,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(TEXT, inner, max_size=3),
    max_leaves=6,
)


def of_length(length: int) -> st.SearchStrategy[bytes]:
    """Any bytes of this length."""
    return st.binary(min_size=length, max_size=length)


ORDERS = st.builds(
    Order,
    market=of_length(32),
    session=st.integers(0, SAFE),
    mtu=st.integers(0, 2**32 - 1),
    side=st.sampled_from(Side),
    limit_neur_per_wh=st.integers(NO_PRICE + 1, 2**31 - 1),
    quantity_lots=st.integers(1, MAX_LOTS),
    account=of_length(20),
    order_id=of_length(16),
    revision=st.integers(0, 2**32 - 1),
    salt=of_length(32),
)

READINGS = st.builds(
    Reading,
    meter_code=TEXT,
    mtu=st.integers(0, 2**32 - 1),
    import_register_wh=st.integers(0, SAFE),
    export_register_wh=st.integers(0, SAFE),
    import_wh=st.integers(0, SAFE),
    export_wh=st.integers(0, SAFE),
    sequence=st.integers(0, 2**32 - 1),
    quality=st.sampled_from(Quality),
    nonce=of_length(32),
    balancing_import_wh=st.just(0) | st.integers(-SAFE, SAFE),
    balancing_export_wh=st.just(0) | st.integers(-SAFE, SAFE),
)

FIRST_MTU, MTUS = 1_000, 4
MTU_IN_PERIOD = st.integers(FIRST_MTU, FIRST_MTU + MTUS - 1)
PRICES = st.integers(NO_PRICE, -NO_PRICE - 1)
VERSIONS = st.integers(0, 2**32 - 1)

LINES = st.one_of(
    st.builds(
        TradeLine, MTU_IN_PERIOD, st.sampled_from(TRADE_KINDS), st.integers(0, SAFE), PRICES, TEXT, st.integers(0, SAFE)
    ),
    st.builds(PositionLine, MTU_IN_PERIOD, st.sampled_from(POSITION_KINDS), st.integers(0, SAFE), PRICES),
    st.builds(MirrorLine, MTU_IN_PERIOD, st.sampled_from(POSITION_KINDS), st.integers(0, SAFE), PRICES, TEXT, VERSIONS),
)

VAT_LINES = st.builds(VatLine, st.integers(0, 10_000), st.integers(0, 2**90), st.integers(-(2**90), 2**90))

OPENINGS = st.builds(
    Opening,
    mtu=MTU_IN_PERIOD,
    bids=st.lists(of_length(16), max_size=2).map(tuple),
    asks=st.lists(of_length(16), max_size=2).map(tuple),
    readings=st.lists(of_length(32), max_size=2).map(tuple),
    terms=st.builds(TermsUsed, TEXT, VERSIONS, TEXT, VERSIONS),
)

STATEMENTS = st.builds(
    lambda lines, vat, **members: Statement(lines=(*lines, *vat), **members),
    lines=st.lists(LINES, max_size=5).map(lambda found: tuple(sorted(found, key=lambda line: line.mtu))),
    vat=st.lists(VAT_LINES, max_size=2),
    account=of_length(20),
    area=TEXT,
    period=st.integers(1, 2**32 - 1),
    revision=VERSIONS,
    first_mtu=st.just(FIRST_MTU),
    count=st.just(MTUS),
    kind=st.sampled_from(ParticipantKind),
    point=st.none() | TEXT,
    terms_hash=of_length(32),
    opens=st.lists(OPENINGS, max_size=3, unique_by=lambda opening: opening.mtu).map(
        lambda found: tuple(sorted(found, key=lambda opening: opening.mtu))
    ),
    settled_before_neur=st.integers(-(2**95), 2**95),
)

SCHEDULES = st.dictionaries(TEXT, st.lists(st.integers(-SAFE, SAFE), max_size=3).map(tuple), max_size=3).map(
    lambda by_point: tuple(PointSchedule(point, net_wh) for point, net_wh in sorted(by_point.items()))
)

ARGUMENTS = st.recursive(
    st.booleans() | st.integers(-SAFE, SAFE) | TEXT, lambda inner: st.lists(inner, max_size=3).map(tuple), max_leaves=6
)

BY_ALIAS = {
    members.Address: of_length(20).map(lambda data: "0x" + data.hex()),
    members.Bytes: st.binary(max_size=80),
    members.Hash: of_length(32),
    members.Tag: of_length(16),
    members.OrderId: of_length(16),
    members.Signature: of_length(65),
    members.Word: st.integers(0, 2**256 - 1),
    members.Mask: st.integers(0, 2**128 - 1),
    members.AmountNeur: st.integers(-(2**96), 2**96),
    members.BigNatural: st.integers(0, 2**96),
    members.Document: st.dictionaries(TEXT, JSON, max_size=3).map(JsonDocument),
    Arguments: st.lists(ARGUMENTS, max_size=3).map(tuple),
    Schedules: SCHEDULES,
}
"""Values of the types whose bounds pydantic does not know; of others the bounds are read from the type."""


WHOLE: dict[Any, st.SearchStrategy[Any]] = {Order: ORDERS, Reading: READINGS, Statement: STATEMENTS}
"""Values of classes whose members bind each other."""


def of_type(hint: Any) -> st.SearchStrategy[Any]:
    """Values of a member's type."""
    for alias, values in BY_ALIAS.items():
        if hint == alias:
            return values
    origin, parts = get_origin(hint), get_args(hint)
    if origin is Annotated and parts[0] in (int, str):
        return _bounded(hint)
    if origin is Annotated:
        return of_type(parts[0])
    if origin in (Union, UnionType):
        return st.one_of([st.none() if part is NoneType else of_type(part) for part in parts])
    if origin is tuple:
        return st.lists(of_type(parts[0]), max_size=3).map(tuple)
    if hint in WHOLE:
        return WHOLE[hint]
    if hint in (int, str, bool):
        return {int: st.integers(0, SAFE), str: TEXT, bool: st.booleans()}[hint]
    if issubclass(hint, Enum):
        return st.sampled_from(hint)
    assert is_dataclass(hint), hint
    return members_of(hint)


def _bounded(hint: Any) -> st.SearchStrategy[Any]:
    base, *notes = get_args(hint)
    found = [note for item in notes for note in getattr(item, "metadata", ())]
    bounds = {name: getattr(note, name) for note in found for name in ("ge", "le") if hasattr(note, name)}
    return st.integers(bounds["ge"], bounds["le"]) if base is int else TEXT


def members_of(cls: Any) -> st.SearchStrategy[Any]:
    """Instances of a frozen class."""
    hints = get_type_hints(cls, include_extras=True)
    made = {item.name: of_type(hints[item.name]) for item in fields(cls)}
    if cls is Subject:
        return st.fixed_dictionaries({}, optional=made).map(lambda chosen: Subject(**chosen))
    return st.builds(cls, **made)


def facts_of(kind: type[Fact]) -> st.SearchStrategy[Any]:
    """Facts of a kind."""
    return members_of(kind)
