"""What flows where nobody nominated a schedule: what the meter said days before, at the same local time."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

from domain.mtu import MTU_SECONDS, mtu_of, mtu_start

FORECAST_RULE = 1
"""Version of the rule of `forecast_wh`; programs name it."""

LOOK_BACK_DAYS = (7, 1, 2)
"""Where to look first: a week ago (same kind of day), then yesterday, then the day before: at a gate on the eve the
afternoon of yesterday is not metered yet."""

CLOCK_CHANGE_MTUS = 3_600 // MTU_SECONDS
"""How much more than whole days the same local time may lie back: the hour of a clock change."""

LOOK_BACK_MTUS_MAX = max(LOOK_BACK_DAYS) * 86_400 // MTU_SECONDS + CLOCK_CHANGE_MTUS
"""How far back metered energy is asked for at most."""


def forecast_wh(*, mtus: Sequence[int], metered_wh: Mapping[int, int], zone: ZoneInfo) -> list[int]:
    """Net energy per MTU in Wh, + = import, of a point without a nomination; 0 where nothing was metered.

    `metered_wh` is net metered energy by MTU; `zone` that of the area, whose people live by its clock. The DSO's report
    holds the hash of what comes out, so that it binds.
    """
    return [_of(mtu, metered_wh, zone) for mtu in mtus]


def _of(mtu: int, metered_wh: Mapping[int, int], zone: ZoneInfo) -> int:
    local = datetime.fromtimestamp(mtu_start(mtu), tz=UTC).astimezone(zone)
    for days in LOOK_BACK_DAYS:
        # wall time: a local time that a clock change left out is the one an hour later
        before = mtu_of(int((local - timedelta(days=days)).timestamp()))
        if before in metered_wh:
            return metered_wh[before]
    return 0
