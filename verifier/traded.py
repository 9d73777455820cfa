"""An account's trades of an MTU: its position, its lines, and the prices that bound what a deviation settles at.

Source: docs/protocol.md section 8.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from verifier.billing import TRADE_LINES, Line, OwnPrices, line_of
from verifier.market import Trade
from verifier.words import ASK, BID

SIDES = (BID, ASK)


@dataclass(frozen=True)
class Traded:
    """An account's trades of an MTU over all markets: tags by side, and Wh by side, session, market and price."""

    tags: tuple[Sequence[str], Sequence[str]]
    energy_wh: Mapping[tuple[int, int, str, int], int]

    @classmethod
    def of(cls, trades: Sequence[Trade]) -> Traded:
        """From the trades as the words give them."""
        energy_wh: dict[tuple[int, int, str, int], int] = defaultdict(int)
        for trade in trades:
            energy_wh[trade.side, trade.session, trade.market, trade.price_neur_per_wh] += trade.energy_wh
        bids, asks = (sorted(trade.tag for trade in trades if trade.side == side) for side in SIDES)
        return cls((bids, asks), energy_wh)

    @property
    def position_wh(self) -> tuple[int, int]:
        """(bought, sold), netted over all markets."""
        net_wh = sum(wh if side == BID else -wh for (side, _, _, _), wh in self.energy_wh.items())
        return max(net_wh, 0), max(-net_wh, 0)

    @property
    def own_prices(self) -> OwnPrices:
        """What bounds a deviation, where there were trades in several sessions."""
        several = len({(session, market) for _, session, market, _ in self.energy_wh}) > 1
        return self.prices if several else OwnPrices()

    @property
    def prices(self) -> OwnPrices:
        """Lowest price bought at, highest sold at."""
        bought, sold = ([price for at, _, _, price in self.energy_wh if at == side] for side in SIDES)
        return OwnPrices(min(bought, default=None), max(sold, default=None))

    def lines(self, mtu: int) -> list[Line]:
        """One line per side, session, market and price."""
        return [
            line_of(TRADE_LINES[side], mtu, wh, price, market, session)
            for (side, session, market, price), wh in sorted(self.energy_wh.items())
        ]
