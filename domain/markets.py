"""Markets of an area: their kinds, and the parameters one trades under."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from functools import cached_property

from domain.hashing import text_id, to_hex
from domain.members import Code, LotWh, PriceNeurPerWh, Seconds


class MarketKind(StrEnum):
    """How a market turns signed wishes into trades. Only auctions exist so far."""

    AUCTION = "auction"
    """Uniform price, one optimum per MTU."""

    BILATERAL = "bilateral"
    """Deals that buyer and seller both signed, each at its own price."""

    FLEXIBILITY = "flexibility"
    """An auction whose one buyer relieves the grid; what it trades is no energy position."""

    @property
    def number(self) -> int:
        """How the Market contract numbers it."""
        return list(MarketKind).index(self)


@dataclass(frozen=True)
class Market:
    """A market of one area: per local day one session for each gate, over all MTUs of the day.

    `gate_local` is "HH:MM" in the area's zone on the day before delivery, `later_gates_local` are those after it;
    energies in Wh, prices in nEUR/Wh, deadlines in seconds of market time after the gate.
    """

    market: Code
    area: Code
    lot_wh: LotWh
    tick_neur_per_wh: PriceNeurPerWh
    min_limit_neur_per_wh: PriceNeurPerWh
    max_limit_neur_per_wh: PriceNeurPerWh
    grace_seconds: Seconds
    sign_seconds: Seconds
    clear_seconds: Seconds
    gate_local: str
    kind: MarketKind = MarketKind.AUCTION
    later_gates_local: tuple[str, ...] = ()

    @property
    def gates_local(self) -> tuple[str, ...]:
        """Local times of its gates, as they were given."""
        return (self.gate_local, *self.later_gates_local)

    @property
    def gates_seconds(self) -> tuple[int, ...]:
        """Local times of its gates in seconds after midnight."""
        pairs = (gate.split(":") for gate in self.gates_local)
        return tuple(int(hours) * 3_600 + int(minutes) * 60 for hours, minutes in pairs)

    @cached_property
    def market_id(self) -> bytes:
        """The market's id on chain."""
        return text_id(self.market)

    @cached_property
    def market_hex(self) -> str:
        """The market's id on chain as 0x hex."""
        return to_hex(self.market_id)
