"""The body parser's own bounds: work in proportion to the body, whatever the body."""

from __future__ import annotations

import re
from itertools import pairwise

import pytest

from edge.problems import MalformedBody
from edge.strict_json import _CONTROL, _TOKENS, BODY_BYTES_MAX, DEPTH_MAX, parse

pytestmark = pytest.mark.unit

BRACKETS = b"[[]" + b",[]" * DEPTH_MAX
"""More brackets than the depth allowed, so that the strings between them are looked at."""


def filled(unit: bytes, *, end: bytes = b"") -> bytes:
    """A body of the largest size: brackets, then a string of `unit` that nothing closes but `end`."""
    head = BRACKETS + b'"'
    return head + unit * ((BODY_BYTES_MAX - len(head) - len(end)) // len(unit)) + end


@pytest.mark.parametrize(
    "body",
    [
        filled(b'\\"'),
        filled(b'\\"', end=b"\\"),
        filled(b"a"),
        filled(b"\\\\"),
        filled(b'\\"a'),
        filled(b'\\"', end=b'"'),
        filled(b'\\"', end=b'\\"]'),
    ],
    ids=["quotes", "open escape", "plain", "backslashes", "mixed", "closed", "bracket inside"],
)
def test_tokens__unterminated_string_of_a_mebibyte__one_token_to_its_end(body: bytes) -> None:
    """Tokens don't overlap and each quote outside one begins one, so no byte is looked at twice by the search."""
    spans = [match.span() for match in _TOKENS.finditer(body)]

    brackets = BRACKETS.count(b"[") + BRACKETS.count(b"]")
    assert len(spans) == brackets + 1
    start, end = spans[-1]
    assert start == len(BRACKETS)
    assert end >= len(body) - 1
    with pytest.raises(MalformedBody):
        parse(body)


@pytest.mark.parametrize("unit", [b'"', b"\\", b"[]", b'""', b'"\\'])
def test_tokens__any_filling__no_more_than_bytes(unit: bytes) -> None:
    body = unit * 5_000
    spans = [match.span() for match in _TOKENS.finditer(body)]

    assert sum(end - start for start, end in spans) <= len(body)
    assert all(before[1] <= after[0] for before, after in pairwise(spans))


def test_patterns__repetition__only_where_it_gives_nothing_back() -> None:
    """A repeat that may be undone is what makes a search quadratic: possessive ones and single characters only."""
    undone = re.compile(rb"(?<!\\)[*+](?![+])|\{\d")

    possessive = _TOKENS.pattern.replace(b"*+", b"")
    assert undone.search(possessive) is None
    assert undone.search(_CONTROL.pattern.encode("utf-8", "surrogatepass")) is None


@pytest.mark.parametrize("text", [b"-0", b'{"mtu": -0}', b"[1, -0]", b"-00", b'{"a":[-0 ]}'])
def test_parse__minus_zero__refused(text: bytes) -> None:
    with pytest.raises(MalformedBody):
        parse(text)


def test_parse__brackets_within_strings__not_counted() -> None:
    text = b'["' + b"[" * 100 + b'", "\\"[[[[[[[[[[[[[[[[[["]'

    assert parse(text) == ["[" * 100, '"' + "[" * 18]
