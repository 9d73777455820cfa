"""What attesters say comes back as it was said, and nothing else is taken for it."""

from __future__ import annotations

from typing import Any

import orjson
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from domain.attestations import SignedAttestation
from domain.hashing import MAX_SAFE_INTEGER, text_id
from domain.readings import Attestation, Quality, Reading, in_leaf_order
from domain.strictness import UINT32_MAX, Unreadable
from oracle.attester.consensus.proposals import LeafProposal, ProposedMtu
from oracle.attester.dialogue import (
    Attested,
    Message,
    MeterMessages,
    ReadingsRequest,
    Signatures,
    kind_of,
    read_message,
    write_message,
)
from tests.effort import examples

pytestmark = pytest.mark.property

AREA = text_id("A")

uint32 = st.integers(0, UINT32_MAX)
wh = st.integers(0, MAX_SAFE_INTEGER)
codes = st.text("ABCabc019._:-", min_size=1, max_size=8)
signature = st.binary(min_size=65, max_size=65)


def readings_of(mtu: int) -> st.SearchStrategy[tuple[Reading, ...]]:
    """Readings of an MTU in leaf order; their sums stay below 2^53."""
    energy = st.integers(0, 10**12)
    one = st.builds(
        Reading,
        meter_code=codes,
        mtu=st.just(mtu),
        import_register_wh=wh,
        export_register_wh=wh,
        import_wh=energy,
        export_wh=energy,
        sequence=uint32,
        quality=st.sampled_from(Quality),
        nonce=st.binary(min_size=32, max_size=32),
        balancing_import_wh=st.just(0) | st.integers(-MAX_SAFE_INTEGER, MAX_SAFE_INTEGER),
        balancing_export_wh=st.just(0) | st.integers(-MAX_SAFE_INTEGER, MAX_SAFE_INTEGER),
    )
    return st.lists(one, max_size=3).map(lambda found: tuple(in_leaf_order(found)))


@st.composite
def proposed(draw: st.DrawFn) -> ProposedMtu:
    mtu = draw(uint32)
    return ProposedMtu(mtu=mtu, revision=draw(uint32), readings=draw(readings_of(mtu)))


@st.composite
def attested(draw: st.DrawFn) -> SignedAttestation:
    mtu, revision = draw(uint32), draw(uint32)
    readings = draw(readings_of(mtu))
    made = Attestation.of(area=AREA, mtu=mtu, revision=revision, readings=readings)
    return SignedAttestation.of(made, readings=readings, signatures=draw(st.lists(signature, max_size=3)))


messages: st.SearchStrategy[Message] = st.one_of(
    st.builds(LeafProposal, period=uint32, horizon_mtu=uint32, mtus=st.lists(proposed(), max_size=3).map(tuple)),
    st.builds(Signatures, to=codes, signatures=st.lists(signature, max_size=3).map(tuple)),
    st.builds(ReadingsRequest, to=codes, readings=st.lists(st.tuples(codes, uint32), max_size=3).map(tuple)),
    st.builds(MeterMessages, to=codes, messages=st.lists(codes.map(str.encode), max_size=3).map(tuple)),
    st.builds(Attested, st.lists(attested(), max_size=2).map(tuple)),
)


@settings(max_examples=examples(200), deadline=None)
@given(message=messages)
def test_message__written_and_read__is_the_same(message: Message) -> None:
    assert read_message(kind_of(message), write_message(message)) == message


def spoilt(data: Any, draw: st.DrawFn) -> Any:
    """The same JSON with one thing in it of another type, missing, or added."""
    if isinstance(data, list) and data:
        at = draw(st.integers(0, len(data) - 1))
        return [*data[:at], spoilt(data[at], draw), *data[at + 1 :]]
    if isinstance(data, dict) and data:
        name = draw(st.sampled_from(sorted(data)))
        fate = draw(st.integers(0, 3))
        if fate == 0:
            return {key: value for key, value in data.items() if key != name}
        return {**data, name: spoilt(data[name], draw)}
    return draw(st.sampled_from([None, True, 1.5, -1, {"x": 1}]).filter(lambda other: other != data))


@settings(max_examples=examples(200), deadline=None)
@given(message=messages, data=st.data())
def test_message__one_thing_spoilt__is_refused(message: Message, data: st.DataObject) -> None:
    broken = spoilt(orjson.loads(write_message(message)), data.draw)

    with pytest.raises(Unreadable):
        read_message(kind_of(message), orjson.dumps(broken))


def test_message__of_a_kind_not_known__says_nothing() -> None:
    assert read_message("gossip", b"{}") is None
