"""What a run of the demo community is: grid, market design, attesters, ports."""

from __future__ import annotations

from dataclasses import dataclass

from scripts.serving.settings import (
    DEFAULT_ATTEST_SECONDS,
    DEFAULT_CLEAR_SECONDS,
    DEFAULT_CUT_OFF_SECONDS,
    DEFAULT_DEMO_CHALLENGE_SECONDS,
    DEFAULT_GATE_LOCAL,
    DEFAULT_GRACE_SECONDS,
    DEFAULT_HORIZON_SECONDS,
    DEFAULT_LOT_WH,
    DEFAULT_SIGN_SECONDS,
    DEFAULT_TICK_NEUR_PER_WH,
    DEFAULT_ZONE,
)

ZONE = DEFAULT_ZONE
"""Zone of gates and local days in simbench areas."""

ATTESTER_NAMES = ("attester-1", "attester-2", "attester-3")
ATTESTER_THRESHOLD = 2
"""Attesters that must agree (m of n, here 2 of 3), each of another organisation."""


@dataclass(frozen=True)
class RunConfig:
    """Market design and ports of a run. Seconds are market time; `genesis` is market time of the first block.

    With `second_session_gate_local` the auction has a second session over the same MTUs, with
    `second_auction_gate_local` the area has a second auction, where people correct what the first one left them with.
    `predecessor` is the state folder of the run whose chain this one shares, and whose area and accounts it takes over.
    """

    grid: str
    area: str
    pv_permille: int
    genesis: int
    first_day: str
    last_day: str | None
    http_port: int
    mqtt_port: int
    lot_wh: int = DEFAULT_LOT_WH
    tick_neur_per_wh: int = DEFAULT_TICK_NEUR_PER_WH
    gate_local: str = DEFAULT_GATE_LOCAL
    second_auction_gate_local: str | None = None
    second_session_gate_local: str | None = None
    grace_seconds: int = DEFAULT_GRACE_SECONDS
    sign_seconds: int = DEFAULT_SIGN_SECONDS
    clear_seconds: int = DEFAULT_CLEAR_SECONDS
    attest_seconds: int = DEFAULT_ATTEST_SECONDS
    horizon_seconds: int = DEFAULT_HORIZON_SECONDS
    challenge_seconds: int = DEFAULT_DEMO_CHALLENGE_SECONDS
    cut_off_seconds: int = DEFAULT_CUT_OFF_SECONDS
    predecessor: str | None = None

    @property
    def market(self) -> str:
        """Code of the day-ahead market of the area, the first to close."""
        return f"{self.area}/DA"

    @property
    def gates_local(self) -> dict[str, tuple[str, ...]]:
        """Local gates of each market, in the order of the gates."""
        second = () if self.second_session_gate_local is None else (self.second_session_gate_local,)
        more = {} if self.second_auction_gate_local is None else {f"{self.area}/DA2": (self.second_auction_gate_local,)}
        return {self.market: (self.gate_local, *second), **more}

    @property
    def service_url(self) -> str:
        """Where the API answers."""
        return f"http://127.0.0.1:{self.http_port}"
