"""How often one principal may ask."""

from __future__ import annotations

import pytest

from edge.limits import PRINCIPALS_COUNTED_MAX, Limiter, TooManyRequests
from tests.unit.wallet_api.world import World

pytestmark = pytest.mark.unit


def test_take__bucket_empty__refused_until_it_has_filled() -> None:
    clock = [0.0]
    limiter = Limiter(monotonic=lambda: clock[0], per_second=2, at_once=3)
    for _ in range(3):
        limiter.take(b"a")

    for _ in range(2):
        with pytest.raises(TooManyRequests):
            limiter.take(b"a")
    limiter.take(b"b")
    clock[0] = 0.5
    limiter.take(b"a")
    with pytest.raises(TooManyRequests):
        limiter.take(b"a")


def test_take__long_pause__no_more_saved_up_than_fits() -> None:
    clock = [0.0]
    limiter = Limiter(monotonic=lambda: clock[0], per_second=2, at_once=3)
    limiter.take(b"a")
    clock[0] = 1_000.0

    for _ in range(3):
        limiter.take(b"a")

    with pytest.raises(TooManyRequests):
        limiter.take(b"a")


def test_take__many_principals__memory_bounded() -> None:
    limiter = Limiter(monotonic=lambda: 0.0)

    for number in range(PRINCIPALS_COUNTED_MAX + 10):
        limiter.take(number.to_bytes(20, "big"))

    assert len(limiter._buckets) == PRINCIPALS_COUNTED_MAX


def test_request__beyond_the_rate__problem_that_says_when(market: World) -> None:
    market.headers("household 1"), market.headers("household 2")
    market.app.state.edge.limiter = Limiter(monotonic=lambda: 0.0, per_second=1, at_once=2)

    answers = [market.get("household 1", "/v1/balance") for _ in range(3)]

    assert [one.status_code for one in answers] == [200, 200, 429]
    assert answers[2].headers["content-type"] == "application/problem+json"
    assert (answers[2].json()["type"], answers[2].json()["retryable"]) == ("/problems/too-many-requests", True)
    assert answers[2].headers["retry-after"] == "1"
    assert market.get("household 2", "/v1/balance").status_code == 200
    assert market.get(None, "/v1/clock").status_code == 200
