"""A day of 96 MTUs with 100 participants and more, through all stages on embedded defaults, verification included."""

from __future__ import annotations

import tempfile
from datetime import date
from pathlib import Path
from statistics import median
from typing import Any

from scripts.cli.common import CACHE
from scripts.serving.embedded.demo_day import run_day

GRID = "1-LV-semiurb5--2-sw"
"""129 connection points."""

DAY = date(2016, 6, 15)
SECONDS_GOAL = 120
MEMORY_GOAL_BYTES = 2 * 1024**3
FLAT_GOAL = 1.25
"""Time per MTU counts as flat while the last third of the day takes no more than this of the first."""


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
        "seconds_by_stage": summary["seconds_by_stage"],
        "ratios": {
            "seconds of the whole day": {"value": summary["seconds_total"], "at_most": SECONDS_GOAL},
            "peak memory of all processes, bytes": {
                "value": summary["peak_memory_bytes"],
                "at_most": MEMORY_GOAL_BYTES,
            },
            "time per MTU, last third / first third": {
                "value": round(median(steps[-third:]) / median(steps[:third]), 2),
                "at_most": FLAT_GOAL,
            },
            "every bundle clean": {"value": int(result.clean), "at_least": 1},
        },
    }


if __name__ == "__main__":
    print(run())
