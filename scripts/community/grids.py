"""The demo communities: a simbench low-voltage grid with its households and their 15-minute profiles of 2016.

Reading simbench takes about 10 s and 0.7 GB, so it happens once per grid in a process of its own, which leaves plain
files in a cache; from then on a day is read from memory-mapped arrays. One household is a load with its generators and
storage. The PV factor multiplies what the grid's own generators make, PV systems with a battery included (simbench has
one profile for both together); it adds no generator. Scenario 0 has few or none, scenarios 1 and 2 have more.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
from dataclasses import dataclass, replace
from datetime import date
from pathlib import Path
from zoneinfo import ZoneInfo

import numpy as np
from numpy.typing import NDArray

from domain.errors import DominoesError
from domain.hashing import canonical_json
from domain.mtu import MtuRange, local_day
from grid.model import GridModel

PROFILE_YEAR = 2016
"""The one year that simbench has profiles of."""

PROFILE_FIRST_MTU = 1_451_602_800 // 900
"""MTU of the first profile row: 2016-01-01 00:00 CET. The rows keep CET all year, so each is one MTU of UTC."""

PROFILE_ROWS = 366 * 96
"""Rows of a year's profile; no local day of the year needs a row outside."""

ZONE = ZoneInfo("Europe/Berlin")
"""Where simbench grids stand."""

READ_TIMEOUT_S = 300
"""Longest time reading one grid may take; it takes about 10 s."""

CACHE_FORMAT = "4"
"""Part of the cache folder's name: a change of format never reads old files."""

_GRID_CODE = re.compile(r"1-LV-(rural[123]|semiurb[45]|urban6)--[012]-(sw|no_sw)")

Ints = NDArray[np.int64]


class UnknownGrid(DominoesError):
    """No simbench low-voltage grid has this code."""

    code = "unknown-grid"

    def __init__(self, *, grid_code: str) -> None:
        self.grid_code = grid_code
        super().__init__(
            f"{grid_code!r} is no simbench low-voltage grid; give one such as 1-LV-semiurb4--2-sw "
            "(1-LV-{rural1|rural2|rural3|semiurb4|semiurb5|urban6}--{0|1|2}-{sw|no_sw})"
        )


class MissingProfile(DominoesError):
    """The grid exists, but a load or generator of it has no usable profile."""

    code = "missing-profile"

    def __init__(self, *, grid_code: str, detail: str) -> None:
        self.grid_code, self.detail = grid_code, detail
        super().__init__(f"grid {grid_code} lacks a profile ({detail}); choose another grid, or empty its cache folder")


class ImpossibleDay(DominoesError):
    """The profiles do not cover this day."""

    code = "impossible-day"

    def __init__(self, *, day: object) -> None:
        self.day = day
        super().__init__(
            f"there are no profiles of {day}; give a day from {PROFILE_YEAR}-01-01 to {PROFILE_YEAR}-12-31"
        )


class GridReadFailed(DominoesError):
    """The reading process ended without a result."""

    code = "grid-read-failed"
    retryable = True

    def __init__(self, *, grid_code: str, detail: str) -> None:
        self.grid_code, self.detail = grid_code, detail
        super().__init__(f"reading grid {grid_code} failed: {detail}; check memory and disk space and try again")


class BadPvFactor(DominoesError):
    """The PV factor is not a number of thousandths from 0 up to the limit."""

    code = "bad-pv-factor"

    def __init__(self, *, pv_permille: object) -> None:
        self.pv_permille = pv_permille
        super().__init__(
            f"PV factor {pv_permille!r} thousandths; give 0 to {PV_PERMILLE_HIGHEST} (1,000 = as in the grid)"
        )


PV_PERMILLE_HIGHEST = 20_000
"""Largest PV factor: twenty times the grid's own generation, far beyond what any grid carries."""


@dataclass(frozen=True, slots=True, eq=False)
class DayProfile:
    """What one local day's households draw and make: Wh per point (rows) and MTU (columns), before netting."""

    mtus: MtuRange
    load_wh: Ints
    generation_wh: Ints


@dataclass(frozen=True, slots=True)
class Community:
    """A grid with the profiles of its points. `pv_permille`: PV factor in thousandths, already in the grid's points."""

    grid: GridModel
    folder: Path
    pv_permille: int

    def day_profile(self, day: date) -> DayProfile:
        """Load (with charging) and generation (with discharging) of a local day. Raises ImpossibleDay."""
        mtus = profile_day(day)
        first = mtus.first - PROFILE_FIRST_MTU
        rows = slice(first, first + len(mtus))
        load = self._rows("load", rows)
        generation = self._rows("generation", rows) * self.pv_permille // 1000
        # mWh to Wh, half up
        return DayProfile(mtus, ((load + 500) // 1000).T, ((generation + 500) // 1000).T)

    def _rows(self, name: str, rows: slice) -> Ints:
        table = np.load(self.folder / f"{name}.npy", mmap_mode="r")
        return np.asarray(table[rows], dtype=np.int64)


def profile_day(day: date) -> MtuRange:
    """The 92, 96 or 100 MTUs of a local day of the profile year. Raises ImpossibleDay."""
    if day.year != PROFILE_YEAR:
        raise ImpossibleDay(day=day)
    return local_day(day=day, zone=ZONE)


def parse_day(text: str) -> date:
    """A day of the profile year from YYYY-MM-DD. Raises ImpossibleDay."""
    try:
        day = date.fromisoformat(text)
    except ValueError as error:
        raise ImpossibleDay(day=text) from error
    profile_day(day)
    return day


def load_community(*, grid_code: str, cache: Path, pv_permille: int = 1000) -> Community:
    """Load a grid and its profiles, reading simbench only where the cache does not hold them.

    Raises UnknownGrid, MissingProfile, GridReadFailed, BadPvFactor.
    """
    if isinstance(pv_permille, bool) or not isinstance(pv_permille, int) or not 0 <= pv_permille <= PV_PERMILLE_HIGHEST:
        raise BadPvFactor(pv_permille=pv_permille)
    if not _GRID_CODE.fullmatch(grid_code):
        raise UnknownGrid(grid_code=grid_code)
    folder = cache / f"{grid_code}.v{CACHE_FORMAT}"
    if not (folder / "community.json").exists():
        _read_into(grid_code, folder)
    body = json.loads((folder / "community.json").read_text())
    grid = GridModel.from_json(canonical_json(body["grid"]))
    points = tuple(
        replace(point, export_w=scaled_w * pv_permille // 1000)
        for point, scaled_w in zip(grid.points, body["scaled_export_w"], strict=True)
    )
    return Community(replace(grid, points=points), folder, pv_permille)


def _read_into(grid_code: str, folder: Path) -> None:
    """Run the reader beside the cache and move its folder into place when complete."""
    folder.parent.mkdir(parents=True, exist_ok=True)
    working = Path(tempfile.mkdtemp(prefix="reading-", dir=folder.parent))
    try:
        root = Path(__file__).resolve().parents[2]
        paths = [str(root), *filter(None, [os.environ.get("PYTHONPATH")])]
        done = subprocess.run(
            [sys.executable, "-m", "scripts.community.simbench_reader", grid_code, str(working)],
            capture_output=True,
            text=True,
            timeout=READ_TIMEOUT_S,
            env={**os.environ, "PYTHONPATH": os.pathsep.join(paths)},
        )
        if done.returncode != 0:
            raise _reader_error(grid_code, done)
        shutil.rmtree(folder, ignore_errors=True)
        working.rename(folder)
    except subprocess.TimeoutExpired as error:
        raise GridReadFailed(grid_code=grid_code, detail=f"no result after {READ_TIMEOUT_S} s") from error
    finally:
        shutil.rmtree(working, ignore_errors=True)


def _reader_error(grid_code: str, done: subprocess.CompletedProcess[str]) -> DominoesError:
    last = (done.stdout.strip().splitlines() or [""])[-1]
    try:
        told = json.loads(last)
    except ValueError:
        told = {}
    if told.get("error") == "unknown-grid":
        return UnknownGrid(grid_code=grid_code)
    if told.get("error") == "missing-profile":
        return MissingProfile(grid_code=grid_code, detail=told["detail"])
    detail = (done.stderr.strip().splitlines() or ["no message"])[-1]
    return GridReadFailed(grid_code=grid_code, detail=detail)
