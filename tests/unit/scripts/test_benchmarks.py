"""A bound that a benchmark misses can't be overlooked."""

from __future__ import annotations

import pytest

from benchmarks import __main__ as benchmarks

pytestmark = pytest.mark.unit


@pytest.mark.parametrize(
    ("figure", "met"),
    [
        ({"value": 1.2, "at_most": 1.2}, True),
        ({"value": 1.21, "at_most": 1.2}, False),
        ({"value": 0.6, "at_least": 0.6}, True),
        ({"value": 0.59, "at_least": 0.6}, False),
    ],
)
def test_judged__figure_with_a_bound__says_whether_it_keeps_it(figure: dict[str, float], met: bool) -> None:
    rows = list(benchmarks.judged({"clearing": {"seconds": {"x": 1.0}, "ratios": {"ours / peer": figure}}}))

    assert [(name, kept) for name, _, kept in rows] == [("clearing: ratios: ours / peer", met)]


@pytest.mark.parametrize(
    ("arguments", "status"), [(["--check", "clearing"], 1), (["clearing"], 0), (["--check", "x"], 2)]
)
def test_main__a_bound_missed__check_ends_with_one(
    arguments: list[str],
    status: int,
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: object,
    capsys: pytest.CaptureFixture[str],
) -> None:
    class Bench:
        @staticmethod
        def run() -> dict[str, object]:
            return {"ratios": {"ours / peer": {"value": 2.0, "at_most": 1.0}}}

    monkeypatch.setattr(benchmarks.importlib, "import_module", lambda name: Bench)
    monkeypatch.chdir(str(tmp_path))
    monkeypatch.setattr(benchmarks.sys, "argv", ["benchmarks", *arguments])

    assert benchmarks.main() == status
    assert ("MISSED" in capsys.readouterr().out) == (status != 2)
