"""Calendar: market time, areas and their periods.

Made from src/interfaces/ICalendar.sol by `python -m scripts.tools.make_bindings`; do not edit.
"""

from __future__ import annotations

from dataclasses import dataclass

from contracts.bindings.base import LATEST, Binding, Block, Call, Event, Struct
from contracts.rpc import as_bytes


@dataclass(frozen=True, slots=True)
class AreaParams(Struct):
    """`AreaParams` of the interface."""

    attest_seconds: int
    horizon_seconds: int


@dataclass(frozen=True, slots=True)
class Period(Struct):
    """`Period` of the interface."""

    first_mtu: int
    count: int
    declared_at: int


@dataclass(frozen=True, slots=True)
class AreaCreated(Event):
    """An area came into being."""

    CONTRACT = "Calendar"
    NAME = "AreaCreated"

    area: bytes
    params: AreaParams


@dataclass(frozen=True, slots=True)
class PeriodDeclared(Event):
    """A period was declared; its MTUs are [firstMtu, firstMtu + count)."""

    CONTRACT = "Calendar"
    NAME = "PeriodDeclared"

    area: bytes
    period: int
    first_mtu: int
    count: int
    declared_at: int


class Calendar(Binding):
    """Market time = origin + (block time − start) × speed, fixed at deployment. In production speed is 1 and
    origin = start. Safety: periods of an area are contiguous and never change, so each MTU belongs to at most
    one period. Liveness: periods may be declared late (also for the past), and once they have ended by anyone,
    as long as the one before: a break of the operator is nobody's loss, since what must be done with a late
    period has its time from its declaration on.
    """

    contract = "Calendar"

    def max_day_areas(self, *, block: Block = LATEST) -> int:
        """Areas that one registrar key may create in a day (86,400 s of block time): it takes a key years to use
        up those that can have accounts (AccountSlots. MAX_AREAS).
        """
        return int(self._read("MAX_DAY_AREAS", [], block=block))

    def max_distance_seconds(self, *, block: Block = LATEST) -> int:
        """Market-time seconds that a period may begin from now: a month and some reserve. A slip of the operator
        costs an area no more.
        """
        return int(self._read("MAX_DISTANCE_SECONDS", [], block=block))

    def max_horizon_seconds(self, *, block: Block = LATEST) -> int:
        """Longest horizon of corrections, market-time seconds."""
        return int(self._read("MAX_HORIZON_SECONDS", [], block=block))

    def max_period_mtus(self, *, block: Block = LATEST) -> int:
        """Longest period: a month of 15-minute MTUs and some reserve."""
        return int(self._read("MAX_PERIOD_MTUS", [], block=block))

    def max_speed(self, *, block: Block = LATEST) -> int:
        """Largest speed: a day in a second."""
        return int(self._read("MAX_SPEED", [], block=block))

    def area_of(self, *, area: bytes, block: Block = LATEST) -> AreaParams:
        """The deadlines of an area; reverts if it does not exist."""
        return AreaParams.read(self._read("areaOf", [area], block=block))

    @classmethod
    def create_area(cls, *, area: bytes, params: AreaParams) -> Call:
        """Creates an area. Registrar only, at most 20 a day by one key."""
        return cls._call("createArea", [area, params])

    @classmethod
    def declare_period(cls, *, area: bytes, first_mtu: int, count: int) -> Call:
        """Declares the next period of an area, at most 35 days ahead; the first one at most 35 days back. Operator
        of the area only, but anyone where the period has ended and has as many MTUs as the one before. None
        once it is agreed that the area goes to another deployment; of one that came from another the first
        begins where its last ends. Returns period: its number: 1, 2, … per area.
        """
        return cls._call("declarePeriod", [area, first_mtu, count])

    def handovers(self, *, block: Block = LATEST) -> bytes:
        """The contract that knows which areas go to another deployment or came from one."""
        return as_bytes(self._read("handovers", [], block=block))

    def market_time(self, *, block: Block = LATEST) -> int:
        """Market time in unix seconds."""
        return int(self._read("marketTime", [], block=block))

    def origin(self, *, block: Block = LATEST) -> int:
        """Market time (unix seconds) at block time `start`."""
        return int(self._read("origin", [], block=block))

    def period_count(self, *, area: bytes, block: Block = LATEST) -> int:
        """Number of periods declared; the last one has this number."""
        return int(self._read("periodCount", [area], block=block))

    def period_of(self, *, area: bytes, period: int, block: Block = LATEST) -> Period:
        """Bounds of a period; reverts if it was not declared."""
        return Period.read(self._read("periodOf", [area, period], block=block))

    def roles(self, *, block: Block = LATEST) -> bytes:
        """The roles that decide who may do what."""
        return as_bytes(self._read("roles", [], block=block))

    def speed(self, *, block: Block = LATEST) -> int:
        """Seconds of market time per second of block time."""
        return int(self._read("speed", [], block=block))

    def start(self, *, block: Block = LATEST) -> int:
        """Block time (unix seconds) at which market time was `origin`."""
        return int(self._read("start", [], block=block))
