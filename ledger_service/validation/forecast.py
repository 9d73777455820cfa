"""What flows at a connection point that nominated no schedule: what its meter said a week or a day before."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

MTUS_PER_DAY = 96
LOOK_BACK_MTUS = (7 * MTUS_PER_DAY, MTUS_PER_DAY)
"""Where to look first: the same time a week ago (same kind of day), then yesterday."""


def forecast_wh(*, mtus: Sequence[int], metered_wh: Mapping[int, int]) -> list[int]:
    """Net energy per MTU in Wh, + = import, of a point without a nomination; 0 where nothing was metered.

    `metered_wh` is net metered energy by MTU. The DSO's report holds the hash of what comes out, so that it binds.
    """
    return [_of(mtu, metered_wh) for mtu in mtus]


def _of(mtu: int, metered_wh: Mapping[int, int]) -> int:
    for back in LOOK_BACK_MTUS:
        if mtu - back in metered_wh:
            return metered_wh[mtu - back]
    return 0
