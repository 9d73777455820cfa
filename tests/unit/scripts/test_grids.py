"""Days and PV of a community, on a cache written by hand."""

from __future__ import annotations

import json
import subprocess
from datetime import date
from pathlib import Path

import numpy as np
import pytest

from grid.model import Bus, GridModel, Line, Point
from scripts.community.grids import (
    CACHE_FORMAT,
    PROFILE_ROWS,
    BadPvFactor,
    GridReadFailed,
    ImpossibleDay,
    MissingProfile,
    UnknownGrid,
    load_community,
    parse_day,
    profile_day,
)

pytestmark = pytest.mark.unit

CODE = "1-LV-rural1--0-sw"


@pytest.fixture
def cache(tmp_path: Path) -> Path:
    """Two points whose load in row r is r Wh (and 2 r), whose generation is 1.5 Wh (and 0)."""
    folder = tmp_path / f"{CODE}.v{CACHE_FORMAT}"
    folder.mkdir()
    points = (Point("a", "b", 100, 0), Point("c", "b", 100, 0))
    cable = Line("ab", "a", "b", 100_000_000, 40_000_000, 100_000, 80_000)
    grid = GridModel("tiny", "a", 1_000_000, (Bus("a", 400), Bus("b", 400)), (cable,), (), points)
    rows = np.arange(PROFILE_ROWS, dtype=np.int32)
    np.save(folder / "load.npy", np.stack([rows * 1_000, rows * 2_000], axis=1))
    np.save(folder / "generation.npy", np.tile(np.array([1_500, 0], dtype=np.int32), (PROFILE_ROWS, 1)))
    body = {"grid": json.loads(grid.to_json()), "scaled_export_w": [5_000, 0]}
    (folder / "community.json").write_text(json.dumps(body))
    return tmp_path


@pytest.mark.parametrize(
    ("day", "count", "first_row"),
    [
        (date(2016, 1, 1), 96, 0),
        (date(2016, 3, 26), 96, 85 * 96),
        (date(2016, 3, 27), 92, 86 * 96),  # clocks go forward: from here on local midnight is 23:00 CET
        (date(2016, 3, 28), 96, 87 * 96 - 4),
        (date(2016, 10, 30), 100, 303 * 96 - 4),
        (date(2016, 10, 31), 96, 304 * 96),
        (date(2016, 12, 31), 96, 365 * 96),
    ],
)
def test_day_profile__local_day__takes_its_own_rows(cache: Path, day: date, count: int, first_row: int) -> None:
    profile = load_community(grid_code=CODE, cache=cache).day_profile(day)

    assert profile.load_wh.shape == (2, count)
    assert profile.load_wh[0].tolist() == list(range(first_row, first_row + count))
    assert profile.load_wh[1, 0] == 2 * first_row
    assert len(profile.mtus) == count


def test_day_profile__pv_factor__scales_generation_and_export_power(cache: Path) -> None:
    community = load_community(grid_code=CODE, cache=cache, pv_permille=3_000)

    profile = community.day_profile(date(2016, 6, 1))

    assert profile.generation_wh[:, 0].tolist() == [5, 0]  # 4.5 Wh, half up
    assert [point.export_w for point in community.grid.points] == [15_000, 0]


@pytest.mark.parametrize("text", ["2015-12-31", "2017-01-01", "2016-02-30", "yesterday", ""])
def test_parse_day__day_without_profile__is_refused(text: str) -> None:
    with pytest.raises(ImpossibleDay):
        parse_day(text)


def test_profile_day__other_year__is_refused() -> None:
    with pytest.raises(ImpossibleDay):
        profile_day(date(2020, 2, 29))


@pytest.mark.parametrize("factor", [-1, 20_001, 1.5, True])
def test_load_community__impossible_pv_factor__is_refused(cache: Path, factor: int) -> None:
    with pytest.raises(BadPvFactor):
        load_community(grid_code=CODE, cache=cache, pv_permille=factor)


@pytest.mark.parametrize("code", ["../elsewhere", "1-LV-rural9--0-sw", "1-MV-rural--0-sw", ""])
def test_load_community__no_such_grid__is_refused(cache: Path, code: str) -> None:
    with pytest.raises(UnknownGrid):
        load_community(grid_code=code, cache=cache)


@pytest.mark.parametrize(
    ("stdout", "expected"),
    [
        ('{"error": "unknown-grid", "detail": "x"}\n', UnknownGrid),
        ('noise\n{"error": "missing-profile", "detail": "H0-Z"}\n', MissingProfile),
        ("", GridReadFailed),
    ],
)
def test_load_community__reader_fails__says_why_and_leaves_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, stdout: str, expected: type[Exception]
) -> None:
    def failing(arguments: list[str], **_: object) -> subprocess.CompletedProcess[str]:
        return subprocess.CompletedProcess(arguments, 1, stdout=stdout, stderr="killed")

    monkeypatch.setattr(subprocess, "run", failing)

    with pytest.raises(expected):
        load_community(grid_code=CODE, cache=tmp_path)

    assert list(tmp_path.iterdir()) == []
