"""How the results of a session are put into transactions."""

from __future__ import annotations

import pytest

from domain.facts import BookClosed, ProgramValidated, Subject
from domain.words import PAGE_WORDS
from ledger_service.programs.clearing_calls import ClearingCall, clear_one_by_one, clear_together
from tests.journal import fact_of

pytestmark = pytest.mark.unit

FIRST = 1_628_256
SESSION = 1_465_363_200
ALL_MTUS = 128
SIGNED_BYTES = 200
"""Of a transaction beside its calldata: nonce, gas, address, signature."""

NODE_BYTES_MOST = 128 * 1024
"""geth refuses transactions beyond this (core/txpool, txMaxSize)."""


def about(first_mtu: int = FIRST, count: int = ALL_MTUS) -> Subject:
    return Subject(market="DAM-1", session=SESSION, first_mtu=first_mtu, count=count)


def session_of(sizes: list[int]) -> tuple[ProgramValidated, BookClosed]:
    """A session with so many orders in each MTU; those without orders trade nothing."""
    word = "0x" + "22" * 32
    span = {"market": "DAM-1", "session": SESSION, "first_mtu": FIRST, "count": len(sizes)}
    results = [{"mtu": FIRST + i, "words": [word] * size} for i, size in enumerate(sizes)]
    traded = sum(1 << i for i, size in enumerate(sizes) if size)
    validated = fact_of(ProgramValidated, span | {"results": results, "traded_mask": f"0x{traded:032x}"})
    closed = fact_of(BookClosed, span | {"books": [{"mtu": FIRST + i} for i in range(len(sizes))]})
    assert isinstance(validated, ProgramValidated) and isinstance(closed, BookClosed)
    return validated, closed


def pages_cleared(calls: list[ClearingCall]) -> list[tuple[int, int]]:
    """(MTU, page) of each result that the calls carry, in order."""
    targets = [
        target
        for item in calls
        for target in (
            [result[0] for result in item.call.args[1]] if item.call.function == "clearMany" else [item.call.args[1]]
        )
    ]
    return [(int(target[1]), int(target[4])) for target in targets]


@pytest.mark.parametrize(
    ("sizes", "transactions"),
    [
        ([], 0),
        ([0, 0], 0),
        ([0, 7, 0], 1),
        ([41] * 96, 3),
        ([PAGE_WORDS] * 3, 3),
        ([2] * ALL_MTUS, 2),
        ([1, PAGE_WORDS + 1, 1], 3),
    ],
)
def test_clear_together__any_sizes__every_page_once_in_transactions_that_nodes_take(
    sizes: list[int], transactions: int
) -> None:
    validated, closed = session_of(sizes)

    calls = clear_together(about(), validated=validated, closed=closed)

    expected = [(FIRST + i, page) for i, size in enumerate(sizes) for page in range(-(-size // PAGE_WORDS))]
    assert sorted(pages_cleared(calls)) == expected
    assert len(calls) == transactions
    assert all(len(item.call.data()) + SIGNED_BYTES <= NODE_BYTES_MOST for item in calls)
    assert len({item.key for item in calls}) == len(calls)


def test_clear_one_by_one__of_a_batch__asks_for_its_mtus_alone() -> None:
    validated, closed = session_of([3, 0, 4, PAGE_WORDS + 1, 5])

    calls = clear_one_by_one(about(FIRST + 1, 3), validated=validated, closed=closed)

    assert pages_cleared(calls) == [(FIRST + 2, 0), (FIRST + 3, 0), (FIRST + 3, 1)]
    assert {item.call.function for item in calls} == {"clear"}
    assert [(item.about.first_mtu, item.about.count, item.about.page) for item in calls] == [
        (FIRST + 2, 1, 0),
        (FIRST + 3, 1, 0),
        (FIRST + 3, 1, 1),
    ]
