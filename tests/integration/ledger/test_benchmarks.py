"""The benchmarks' own market still opens: what it stands on changes with the product, and it runs only now and then."""

from __future__ import annotations

from pathlib import Path

import pytest

from benchmarks import bench_intake
from ledger_service.trading import Accepted

pytestmark = pytest.mark.integration


def test_community__opened__has_a_session_that_takes_orders(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bench_intake, "ACCOUNTS", 2)
    community = bench_intake.Community(tmp_path)

    outcomes = community.intake.process(community.orders(4))

    assert [type(outcome) for outcome in outcomes] == [Accepted] * 4
