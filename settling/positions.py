"""Positions: what an account bought and sold in an MTU, netted over all energy markets of its area.

B = max(bought − sold, 0) and S = max(sold − bought, 0): bought 5 and sold 2 later is a position of 3 bought, so that
consuming 3 leaves nothing over and nothing short. Each trade keeps its money at its own price.

A deviation from the position settles at the agreement's imbalance price. An account that traded in several sessions of
the MTU could choose between them, so there its own trades bound that price where this is worse for it: a surplus earns
at most the lowest price it bought at, a shortfall costs at least the highest it sold at.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from domain.words import Side
from settling.inputs import Trade

Ints = NDArray[np.int64]

FLOAT_EXACT = 2**53
"""Below this every whole number is a float64, so weighted counts of whole numbers are exact."""

SUM_BY_HAND_BELOW = 2**10
"""Trades below which energies are summed as Python integers: few enough, and they may be of any size."""


@dataclass(frozen=True, slots=True)
class TradeColumns:
    """One element per trade of a household: its row, its MTU counted from the period's first, and the trade itself.

    Energies in Wh, prices in nEUR/Wh.
    """

    household: Ints
    mtu: Ints
    is_ask: NDArray[Any]
    energy_wh: Ints
    price_neur_per_wh: Ints

    def wide(self) -> TradeColumns:
        """The same with energies and prices as Python integers, which no product can leave."""
        return TradeColumns(
            self.household,
            self.mtu,
            self.is_ask,
            self.energy_wh.astype(object),
            self.price_neur_per_wh.astype(object),
        )

    def money_neur(self) -> Ints:
        """Amount of each trade, + = the account receives."""
        return np.where(self.is_ask == 1, 1, -1) * self.energy_wh * self.price_neur_per_wh


@dataclass(frozen=True, slots=True)
class OwnPrices:
    """The prices in nEUR/Wh that bound a deviation's price, by (household's row, MTU counted from the first).

    Only where an account traded in several sessions of the MTU; empty where an area has one.
    """

    lowest_bought: Mapping[tuple[int, int], int]
    highest_sold: Mapping[tuple[int, int], int]


def trade_columns(trades: Sequence[Trade], row_of: Mapping[bytes, int], *, first_mtu: int) -> TradeColumns:
    """The trades of those accounts that have a row, in their order."""
    mine = [trade for trade in trades if trade.account in row_of]
    return TradeColumns(
        household=np.array([row_of[trade.account] for trade in mine], dtype=np.int64),
        mtu=np.array([trade.mtu - first_mtu for trade in mine], dtype=np.int64),
        is_ask=np.array([trade.side == Side.ASK for trade in mine], dtype=np.int64),
        energy_wh=np.array([trade.energy_wh for trade in mine], dtype=np.int64),
        price_neur_per_wh=np.array([trade.price_neur_per_wh for trade in mine], dtype=np.int64),
    )


def positions(trades: TradeColumns, *, size: tuple[int, int]) -> tuple[Ints, Ints]:
    """(bought, sold) in Wh per household and MTU, one of them zero: the net of all trades."""
    cells, energy = size[0] * size[1], trades.energy_wh
    at = trades.household * size[1] + trades.mtu
    signed = np.where(trades.is_ask == 1, -energy, energy)
    if int(energy.sum(dtype=object) if len(energy) < SUM_BY_HAND_BELOW else energy.sum()) < FLOAT_EXACT:
        net = np.bincount(at, weights=signed, minlength=cells).astype(np.int64)
    else:
        net = np.zeros(cells, dtype=object)
        np.add.at(net, at, signed.astype(object))
    bought, sold = np.maximum(net, 0), np.maximum(-net, 0)
    return bought.reshape(size), sold.reshape(size)


def own_prices(trades: Sequence[Trade], row_of: Mapping[bytes, int], *, first_mtu: int) -> OwnPrices:
    """The bounds of each household and MTU that traded in several sessions."""
    sessions: dict[tuple[bytes, int], tuple[str, int]] = {}
    several = set()
    for trade in trades:
        key = (trade.account, trade.mtu)
        session = (trade.market, trade.session)
        if sessions.setdefault(key, session) != session:
            several.add(key)
    lowest: dict[tuple[int, int], int] = {}
    highest: dict[tuple[int, int], int] = {}
    for trade in trades:
        if (trade.account, trade.mtu) not in several or trade.account not in row_of:
            continue
        at, price = (row_of[trade.account], trade.mtu - first_mtu), trade.price_neur_per_wh
        if trade.side == Side.BID:
            lowest[at] = min(lowest.get(at, price), price)
        else:
            highest[at] = max(highest.get(at, price), price)
    return OwnPrices(lowest_bought=lowest, highest_sold=highest)
