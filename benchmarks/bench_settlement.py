"""Settlement against its bounds: plain numpy that does only this work, and pandas merge + groupby.

Every ratio is of two figures of the same run on the same machine (performance.md, table (e), at half its size).
"""

from __future__ import annotations

import resource
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from domain.units import percentage_half_even_neur
from settling.columns import NO_CAP_WH, Columns, Prices, sum_up
from settling.positions import Ints, OwnPrices, TradeColumns, positions

PROSUMERS = 50_000
MTUS = 96
TRADES_PER_PROSUMER = 48
"""Half the MTUs of each prosumer have a trade, as in the table (48 per prosumer and day)."""

REPEATS = 3
"""Best of so many; interleaved with the bounds."""

VAT_BP = 1_900
RATES = {
    "supply_neur_per_wh": 300_000,
    "feed_in_neur_per_wh": 80_000,
    "imbalance_surplus_neur_per_wh": 60_000,
    "imbalance_shortfall_neur_per_wh": 350_000,
    "excess_neur_per_wh": 500_000,
    "grid_fee_neur_per_wh": 70_000,
    "grid_fee_local_neur_per_wh": 30_000,
    "levy_neur_per_wh": 20_000,
    "compensation_neur_per_wh": 40_000,
}


@dataclass(frozen=True)
class Day:
    """One day as columns: a row per trade, metered energies per prosumer and MTU, a clearing price per MTU."""

    household: Ints
    mtu: Ints
    is_ask: Ints
    energy_wh: Ints
    import_wh: Ints
    export_wh: Ints
    price: Ints


def random_day() -> Day:
    """The same random day each time; every trade is bought by one prosumer and sold by another."""
    random = np.random.default_rng(96)
    pairs = PROSUMERS * TRADES_PER_PROSUMER // 2
    mtu, energy = random.integers(0, MTUS, pairs), random.integers(1, 3_000, pairs)
    return Day(
        household=random.integers(0, PROSUMERS, 2 * pairs),
        mtu=np.concatenate([mtu, mtu]),
        is_ask=np.repeat(np.array([0, 1]), pairs),
        energy_wh=np.concatenate([energy, energy]),
        import_wh=random.integers(0, 3_000, (PROSUMERS, MTUS)),
        export_wh=random.integers(0, 3_000, (PROSUMERS, MTUS)),
        price=random.integers(80_000, 300_000, MTUS),
    )


def ours(day: Day) -> tuple[Ints, int]:
    """What the settlement does with its columns: (amount per prosumer without VAT, VAT of all)."""
    size = (PROSUMERS, MTUS)
    price = day.price[day.mtu]
    trades = TradeColumns(day.household, day.mtu, day.is_ask, day.energy_wh, price)
    bought, sold = positions(trades, size=size)
    no_cap, none = np.full(size, NO_CAP_WH, dtype=np.int64), np.zeros(size, dtype=np.int64)
    columns = Columns(bought, sold, day.import_wh, day.export_wh, no_cap, no_cap, none, none, none)
    tariff = {name: np.array([rate]) for name, rate in RATES.items()}
    prices = Prices(tariff=tariff, vat_bp=np.array([VAT_BP]), own=OwnPrices({}, {}))
    sums = sum_up(columns, trades, prices)
    return sums.amount_neur, _vat(sums.vat_base_neur[VAT_BP])


def _vat(bases: Ints) -> int:
    return sum(percentage_half_even_neur(base_neur=base, basis_points=VAT_BP) for base in bases.tolist())


def numpy_row(day: Day) -> tuple[Ints, int]:
    """The bound: bincount of the trades, then each line that applies without caps, over the whole day at once."""
    at = (day.household * MTUS + day.mtu) * 2 + day.is_ask
    both = np.bincount(at, weights=day.energy_wh, minlength=2 * PROSUMERS * MTUS).astype(np.int64)
    paid, got = both[0::2].reshape(PROSUMERS, MTUS), both[1::2].reshape(PROSUMERS, MTUS)
    bought, sold = np.maximum(paid - got, 0), np.maximum(got - paid, 0)
    more, less = np.maximum(day.import_wh - bought, 0), np.maximum(bought - day.import_wh, 0)
    over, short = np.maximum(day.export_wh - sold, 0), np.maximum(sold - day.export_wh, 0)
    local = np.minimum(bought, day.import_wh)
    debit = (paid * day.price).sum(axis=1) + more.sum(axis=1) * (300_000 + 70_000)
    debit += short.sum(axis=1) * 350_000 + local.sum(axis=1) * 30_000 + day.import_wh.sum(axis=1) * 20_000
    credit = (got * day.price).sum(axis=1) + over.sum(axis=1) * 80_000 + less.sum(axis=1) * 60_000
    return credit - debit, _vat(debit)


def pandas_row(day: Day) -> tuple[Ints, int]:
    """The same with merge and groupby."""
    trades = pd.DataFrame({"p": day.household, "t": day.mtu, "ask": day.is_ask, "wh": day.energy_wh})
    traded = trades.groupby(["p", "t", "ask"], as_index=False)["wh"].sum()
    bids = traded[traded["ask"] == 0][["p", "t", "wh"]].rename(columns={"wh": "bought"})
    asks = traded[traded["ask"] == 1][["p", "t", "wh"]].rename(columns={"wh": "sold"})
    index = {"p": np.repeat(np.arange(PROSUMERS), MTUS), "t": np.tile(np.arange(MTUS), PROSUMERS)}
    frame = pd.DataFrame({**index, "drawn": day.import_wh.ravel(), "fed": day.export_wh.ravel()})
    frame = frame.merge(bids, on=["p", "t"], how="left").merge(asks, on=["p", "t"], how="left").fillna(0)
    frame = frame.merge(pd.DataFrame({"t": np.arange(MTUS), "price": day.price}), on="t").astype(np.int64)
    frame["b"], frame["s"] = (frame.bought - frame.sold).clip(lower=0), (frame.sold - frame.bought).clip(lower=0)
    more, less = (frame.drawn - frame.b).clip(lower=0), (frame.b - frame.drawn).clip(lower=0)
    over, short = (frame.fed - frame.s).clip(lower=0), (frame.s - frame.fed).clip(lower=0)
    local = frame[["b", "drawn"]].min(axis=1)
    frame["debit"] = frame.bought * frame.price + more * 370_000 + short * 350_000 + local * 30_000
    frame["debit"] += frame.drawn * 20_000
    frame["credit"] = frame.sold * frame.price + over * 80_000 + less * 60_000
    sums = frame.groupby("p")[["debit", "credit"]].sum()
    return (sums.credit - sums.debit).to_numpy(), _vat(sums.debit.to_numpy())


def _best(*functions: Callable[[], Any]) -> list[float]:
    """Best seconds of each, interleaved."""
    best = [float("inf")] * len(functions)
    for _ in range(REPEATS):
        for at, function in enumerate(functions):
            start = time.perf_counter()
            function()
            best[at] = min(best[at], time.perf_counter() - start)
    return best


def run() -> dict[str, Any]:
    """Measure; seconds, and ratios with their bounds."""
    day = random_day()
    core, bound, peer = _best(lambda: ours(day), lambda: numpy_row(day), lambda: pandas_row(day))
    results = [ours(day), numpy_row(day), pandas_row(day)]
    same = all(np.array_equal(item[0], results[0][0]) and item[1] == results[0][1] for item in results)
    name = f"{PROSUMERS} prosumers x {MTUS} MTUs"
    seconds = {f"settlement core, {name}": core, f"numpy_row, {name}": bound, f"pandas_row, {name}": peer}
    return {
        "name": "settlement",
        "seconds": {key: round(value, 6) for key, value in seconds.items()},
        "ratios": {
            "settlement core / numpy_row": {"value": round(core / bound, 3), "at_most": 3.0},
            "pandas_row / settlement core": {"value": round(peer / core, 3), "at_least": 10.0},
            "all three give the same amounts": {"value": int(same), "at_least": 1},
        },
        "peak_mb": round(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024),
    }


if __name__ == "__main__":
    import json

    print(json.dumps(run(), indent=2))
