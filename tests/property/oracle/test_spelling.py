"""The quick way of reading a meter message takes exactly what the careful one takes, and reads the same from it."""

from __future__ import annotations

import base64
import binascii

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from domain.hashing import canonical_json, text_id
from domain.jws import MalformedMessage, decode_part, encode_part
from domain.messages import _parse_with_care, parse_payload
from domain.registers import RegisterReading
from tests.effort import examples

pytestmark = pytest.mark.property

ALPHABET = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_+/=. \n"


def decode_with_care(text: bytes) -> bytes | None:
    """base64url without padding, by decoding and spelling again."""
    try:
        data = base64.b64decode(text + b"=" * (-len(text) % 4), altchars=b"-_", validate=True)
    except (binascii.Error, ValueError):
        return None
    return data if encode_part(data) == text else None


@settings(max_examples=examples(1_000), deadline=None)
@given(text=st.lists(st.sampled_from(list(ALPHABET)), max_size=12).map(bytes))
def test_decode_part__any_text__is_what_the_careful_way_gives(text: bytes) -> None:
    expected = decode_with_care(text)
    if expected is None:
        with pytest.raises(MalformedMessage):
            decode_part(text)
    else:
        assert decode_part(text) == expected


def payload(count: int, first: int, step: int, register: int) -> bytes:
    """A canonical payload, in and out of bounds."""
    readings = [
        RegisterReading(1_900_000 + step * at, register + at, at, first + at, text_id(str(at))) for at in range(count)
    ]
    return canonical_json({"meter": "M1", "readings": [reading.as_json() for reading in readings]})


@settings(max_examples=examples(500), deadline=None)
@given(
    count=st.sampled_from([1, 2, 3, 192, 193]),
    first=st.sampled_from([0, 1, 7, 2**32 - 2, 2**32 - 1, 2**32]),
    step=st.sampled_from([-1, 0, 1, 5]),
    register=st.sampled_from([0, 1, 2**53 - 4, 2**53 - 192, 2**53 - 193]),
    cut=st.one_of(
        st.none(), st.tuples(st.integers(0, 400), st.sampled_from([b"", b"0", b"9", b",", b'"', b" ", b"}"]))
    ),
)
def test_parse_payload__any_payload__is_what_the_careful_way_gives(
    count: int, first: int, step: int, register: int, cut: tuple[int, bytes] | None
) -> None:
    text = payload(count, first, step, register) if register + count < 2**53 else b"{}"
    if cut is not None:
        at, put = cut
        text = text[:at] + put + text[at + 1 :]
    try:
        expected = _parse_with_care(text)
    except MalformedMessage:
        with pytest.raises(MalformedMessage):
            parse_payload(text)
    else:
        assert parse_payload(text) == expected
