"""Gas of every function by real transactions, held to the committed figures and their limits."""

from __future__ import annotations

import pytest

from benchmarks.bench_gas import SNAPSHOT_FILE, run, snapshot_text

pytestmark = pytest.mark.integration


def test_gas__real_transactions__are_within_the_limits_and_equal_the_snapshot() -> None:
    measured = run()

    assert measured["per_order"] <= 1_250
    assert measured["per_account"] <= 7_000
    assert snapshot_text(measured) == SNAPSHOT_FILE.read_text("utf-8")
