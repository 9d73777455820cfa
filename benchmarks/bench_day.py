"""A day of 96 MTUs with 100 participants and more, through all stages on embedded defaults, verification included."""

from __future__ import annotations

import tempfile
from datetime import date
from pathlib import Path
from statistics import median
from typing import Any

from scripts.commands.common import CACHE
from scripts.demo_day import run_day

GRID = "1-LV-semiurb5--2-sw"
"""129 connection points."""

DAY = date(2016, 6, 15)
SECONDS_GOAL = 120
MEMORY_GOAL_BYTES = 2 * 1024**3


def run() -> dict[str, Any]:
    """Seconds per stage, peak memory over all processes, and whether time per MTU stays flat over the day."""
    with tempfile.TemporaryDirectory() as folder:
        result = run_day(
            grid=GRID, day=DAY, pv_permille=1_000, out=Path(folder) / "day", cache=CACHE, progress=lambda *_: None
        )
    summary = result.summary
    steps = summary["seconds_per_metering_step"]
    third = len(steps) // 3
    return {
        "participants": summary["participants"],
        "mtus": summary["mtus"],
        "orders": summary["orders"]["count"],
        "seconds_total": summary["seconds_total"],
        "seconds_goal": SECONDS_GOAL,
        "seconds_by_stage": summary["seconds_by_stage"],
        "peak_memory_bytes": summary["peak_memory_bytes"],
        "memory_goal_bytes": MEMORY_GOAL_BYTES,
        "last_third_over_first_third": round(median(steps[-third:]) / median(steps[:third]), 2),
        "clean": result.clean,
    }


if __name__ == "__main__":
    print(run())
