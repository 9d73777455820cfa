"""Canonical JSON is the same bytes whoever writes them: here against the standard library's encoder."""

from __future__ import annotations

import json
from enum import IntEnum
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from domain.hashing import MAX_SAFE_INTEGER, NotCanonical, canonical_json

pytestmark = pytest.mark.property

texts = st.text(st.characters(exclude_categories=("Cs",)))
values = st.recursive(
    st.none() | st.booleans() | st.integers(-MAX_SAFE_INTEGER, MAX_SAFE_INTEGER) | texts,
    lambda inner: st.lists(inner) | st.dictionaries(texts, inner) | st.tuples(inner, inner),
)


class _Side(IntEnum):
    ASK = 1


@given(values)
def test_canonical_json__any_value__is_what_the_standard_library_writes(value: Any) -> None:
    expected = json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False, allow_nan=False)

    assert canonical_json(value) == expected.encode()


@pytest.mark.parametrize(
    "value", [1.0, float("nan"), MAX_SAFE_INTEGER + 1, {1: 2}, {"a": b""}, ["\ud800"], {"\ud800": 1}]
)
def test_canonical_json__no_canonical_form__is_refused(value: Any) -> None:
    with pytest.raises(NotCanonical):
        canonical_json(value)


def test_canonical_json__number_with_a_name__is_the_number() -> None:
    assert canonical_json({"side": _Side.ASK}) == b'{"side":1}'
