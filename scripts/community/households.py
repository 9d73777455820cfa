"""How a simulated household decides: a forecast never quite right, prices to trade at, what its meter sees.

Pure functions of the profile, the day and the household, so that a demo repeats itself (keys and salts do not).
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date

import numpy as np
from numpy.typing import NDArray

from domain.words import Side

Ints = NDArray[np.int64]

FORECAST_ERROR = 0.12
"""Typical relative error of a household's day-ahead forecast."""

ERROR_MEMORY = 0.9
"""How much of one MTU's forecast error stays in the next: errors come as hours, not as noise."""

DISOBEDIENT_EVERY = 10
"""One household in so many has a controller that ignores its envelope, so that the excess price is seen at work."""


@dataclass(frozen=True)
class PriceBand:
    """The band within which neighbours meet, nEUR/Wh: the retailer buys at `feed_in` and sells at `supply`."""

    feed_in: int
    supply: int
    tick: int


@dataclass(frozen=True)
class Wish:
    """An order a household would place."""

    position: int
    side: Side
    limit_neur_per_wh: int
    quantity_lots: int


def _rng(day: date, at: int, purpose: int) -> np.random.Generator:
    return np.random.default_rng([day.toordinal(), at, purpose])


def forecast_net_wh(*, actual_net_wh: Ints, day: date, at: int, import_max_wh: int, export_max_wh: int) -> list[int]:
    """Net schedule of household number `at`, Wh per MTU, + = import, within its connection."""
    rng = _rng(day, at, 1)
    error = np.zeros(len(actual_net_wh))
    level = 0.0
    for position in range(len(error)):
        level = ERROR_MEMORY * level + rng.normal(0.0, FORECAST_ERROR * (1 - ERROR_MEMORY**2) ** 0.5)
        error[position] = level
    guessed = np.rint(actual_net_wh * (1.0 + error)).astype(np.int64)
    return [int(value) for value in np.clip(guessed, -export_max_wh, import_max_wh)]


def wishes(*, schedule_wh: list[int], day: date, at: int, lot_wh: int, band: PriceBand) -> list[Wish]:
    """Orders for all whole lots of a schedule: bids for what it will draw, asks for what it will feed in."""
    rng = _rng(day, at, 2)
    width = band.supply - band.feed_in
    patience, greed = rng.uniform(0.45, 1.0), rng.uniform(0.05, 0.6)
    found = []
    for position, net_wh in enumerate(schedule_wh):
        wiggle = rng.normal(0.0, 0.05)
        lots = abs(net_wh) // lot_wh
        if lots == 0:
            continue
        share = (patience if net_wh > 0 else greed) + wiggle
        price = band.feed_in + int(width * min(max(share, 0.01), 0.99))
        side = Side.BID if net_wh > 0 else Side.ASK
        found.append(Wish(position, side, price // band.tick * band.tick, int(lots)))
    return found


def later_wishes(
    *, schedule_wh: list[int], traded_wh: dict[int, int], day: date, at: int, lot_wh: int, band: PriceBand
) -> list[Wish]:
    """Orders of a later auction: for what the first one left open; every third household sells part of it back.

    `traded_wh` by position in the schedule, + = bought.
    """
    rng = _rng(day, at, 3)
    width = band.supply - band.feed_in
    found = []
    for position, net_wh in enumerate(schedule_wh):
        bought_wh = traded_wh.get(position, 0)
        wanted_wh = -bought_wh * 2 // 5 if bought_wh > 0 and at % 3 == 0 else net_wh - bought_wh
        share = rng.uniform(0.5, 0.95) if wanted_wh > 0 else rng.uniform(0.1, 0.5)
        lots = abs(wanted_wh) // lot_wh
        if lots:
            price = band.feed_in + int(width * share)
            side = Side.BID if wanted_wh > 0 else Side.ASK
            found.append(Wish(position, side, price // band.tick * band.tick, int(lots)))
    return found


def obeys(at: int) -> bool:
    """Whether household number `at` keeps to its envelope."""
    return at % DISOBEDIENT_EVERY != DISOBEDIENT_EVERY - 1


def metered_wh(*, actual_net_wh: int, import_cap_wh: int | None, export_cap_wh: int | None, at: int) -> tuple[int, int]:
    """(import, export) of one MTU in Wh: the profile, cut at the envelope where the controller obeys."""
    drawn, fed = max(actual_net_wh, 0), max(-actual_net_wh, 0)
    if obeys(at):
        if import_cap_wh is not None:
            drawn = min(drawn, import_cap_wh)
        if export_cap_wh is not None:
            fed = min(fed, export_cap_wh)
    return drawn, fed
