"""Clearing against its bounds: the plain numpy code that does only this work, and a price-level LP in PuLP.

Every ratio is of two figures of the same run on the same machine (performance.md, table (a)).
"""

from __future__ import annotations

import subprocess
import sys
import time
from collections.abc import Callable
from typing import Any

import numpy as np
import pulp

from clearing.auction import clear
from clearing.book import Book, Clearing
from clearing.model_of_record import clear_by_model
from domain.units import NO_CAP

SIZES = (100, 1_000, 10_000, 100_000, 1_000_000)
"""Orders per book."""

LEVELS = 3_001
"""Price levels, as in the table."""

LARGEST_MODEL = 100_000
"""Largest book given to the model of record here."""

MEMORY_ORDERS = 1_000_000
MEMORY_GOAL_MB = 300
"""Peak memory of a process that makes and clears a book of MEMORY_ORDERS orders."""

REPEATS = 5
"""Best of so many; interleaved with the bound."""


def random_book(size: int) -> Book:
    """A book of random orders without caps; the same for the same size."""
    random = np.random.default_rng(size)
    return Book(
        tag_high=np.arange(size, dtype=np.uint64),
        tag_low=random.integers(0, 2**63, size).astype(np.uint64),
        is_ask=random.random(size) < 0.5,
        limit_neur_per_wh=random.integers(0, LEVELS, size),
        quantity_lots=random.integers(1, 2_000, size),
        cap_lots=np.full(size, NO_CAP, dtype=np.int64),
    )


def pro_rata_row(book: Book) -> tuple[np.ndarray, int, int]:
    """The bound: level bincount and pro-rata fills in whole lots; limits are 0..LEVELS-1, no caps, no checks."""
    limits, lots, asks = book.limit_neur_per_wh, book.quantity_lots, book.is_ask
    supply_at = np.bincount(limits[asks], weights=lots[asks], minlength=LEVELS).astype(np.int64)
    demand_at = np.bincount(limits[~asks], weights=lots[~asks], minlength=LEVELS).astype(np.int64)
    supply, demand = np.cumsum(supply_at), np.cumsum(demand_at[::-1])[::-1]
    volume = int(np.minimum(supply, demand).max())
    last_ask = int(np.searchsorted(supply, volume))
    last_bid = LEVELS - 1 - int(np.searchsorted(demand[::-1], volume))
    accepted = np.where(np.where(asks, limits < last_ask, limits > last_bid), lots, 0)
    for side, last in ((asks, last_ask), (~asks, last_bid)):
        tied = np.flatnonzero(side & (limits == last))
        left = volume - int(accepted[side].sum())
        fills = lots[tied] * left // int(lots[tied].sum())
        fills[: left - int(fills.sum())] += 1
        accepted[tied] = fills
    return accepted, volume, (last_ask + last_bid) // 2


def level_model(book: Book) -> float:
    """The bound of the model: PuLP and HiGHS on price levels, welfare only; fills are not split back."""
    limits, lots, asks = book.limit_neur_per_wh, book.quantity_lots, book.is_ask
    supply = np.bincount(limits[asks], weights=lots[asks], minlength=LEVELS)
    demand = np.bincount(limits[~asks], weights=lots[~asks], minlength=LEVELS)
    problem = pulp.LpProblem("bound", pulp.LpMinimize)
    terms, balance = [], []
    for sign, totals in ((1, supply), (-1, demand)):
        for level in np.flatnonzero(totals).tolist():
            variable = problem.add_variable(f"x{sign}_{level}", 0, float(totals[level]))
            terms.append((variable, sign * level))
            balance.append((variable, sign))
    problem += pulp.LpAffineExpression(terms)
    problem += pulp.LpAffineExpression(balance) == 0
    problem.solve(pulp.HiGHS(msg=False, threads=1))
    return float(pulp.value(problem.objective))


def _best(*functions: Callable[[], Any]) -> list[float]:
    """Best seconds of each, interleaved."""
    best = [float("inf")] * len(functions)
    for _ in range(REPEATS):
        for at, function in enumerate(functions):
            start = time.perf_counter()
            function()
            best[at] = min(best[at], time.perf_counter() - start)
    return best


def _same_volume(book: Book, result: Clearing) -> bool:
    accepted, volume, _ = pro_rata_row(book)
    return volume == result.traded_lots and bool(np.array_equal(accepted, result.accepted_lots))


def _welfare(book: Book, result: Clearing) -> int:
    """Surplus of all that is traded over a price of zero, in nEUR per Wh and lot."""
    signs = np.where(book.is_ask, -1, 1)
    return int((book.limit_neur_per_wh * signs * result.accepted_lots).sum())


def _peak_mb() -> int:
    """Peak memory of clearing MEMORY_ORDERS orders, in a process of its own."""
    code = (
        "import resource; from benchmarks.bench_clearing import MEMORY_ORDERS, random_book;"
        "from clearing.auction import clear; clear(random_book(MEMORY_ORDERS));"
        "print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024)"
    )
    return int(subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout)


def run() -> dict[str, Any]:
    """Measure all sizes; seconds, and ratios with their bounds."""
    seconds: dict[str, float] = {}
    ratios: dict[str, Any] = {}
    for size in SIZES:
        book = random_book(size)
        numeric, bound = _best(lambda book=book: clear(book), lambda book=book: pro_rata_row(book))  # type: ignore[misc]
        seconds[f"clear {size}"], seconds[f"pro_rata_row {size}"] = numeric, bound
        ratios[f"clear / pro_rata_row, {size} orders"] = {"value": round(numeric / bound, 3), "at_most": 5.0}
        ratios[f"clear equals pro_rata_row, {size} orders"] = {
            "value": int(_same_volume(book, clear(book))),
            "at_least": 1,
        }
        if size <= LARGEST_MODEL:
            model, level = _best(lambda book=book: clear_by_model(book), lambda book=book: level_model(book))  # type: ignore[misc]
            seconds[f"clear_by_model {size}"], seconds[f"level_model {size}"] = model, level
            ratios[f"clear_by_model / (level_model + pro_rata_row), {size} orders"] = {
                "value": round(model / (level + bound), 3),
                "at_most": 1.5,
            }
            welfare = _welfare(book, clear(book))
            ratios[f"welfare off the level LP's objective, {size} orders"] = {
                "value": abs(welfare + level_model(book)) / welfare,
                "at_most": 1e-6,
            }
    ratios[f"peak MB, {MEMORY_ORDERS} orders"] = {"value": _peak_mb(), "at_most": MEMORY_GOAL_MB}
    return {
        "name": "clearing",
        "seconds": {name: round(value, 6) for name, value in seconds.items()},
        "ratios": ratios,
    }


if __name__ == "__main__":
    import json

    print(json.dumps(run(), indent=2))
