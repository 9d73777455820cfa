"""The picture of a day: clearing price, traded volume, and what the grid's envelopes cut."""

from __future__ import annotations

from pathlib import Path
from zoneinfo import ZoneInfo

import pandas as pd

from domain.mtu import MTU_SECONDS
from scripts.community.run_config import ZONE

NEUR_PER_WH_IN_CT_PER_KWH = 10_000
WH_IN_KWH = 1_000
SIZE_INCHES = (11.0, 6.5)


def draw_day(path: Path, *, volumes: pd.DataFrame, title: str) -> None:
    """Write a PNG. `volumes` as `DaySummary.volumes` gives them; hours are local."""
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib import dates
    from matplotlib import pyplot as plt

    zone = ZoneInfo(ZONE)
    times = pd.to_datetime(volumes["mtu"] * MTU_SECONDS, unit="s", utc=True)
    prices = volumes["price_neur_per_wh"].astype("float64") / NEUR_PER_WH_IN_CT_PER_KWH
    figure, (upper, lower) = plt.subplots(2, 1, sharex=True, figsize=SIZE_INCHES, height_ratios=(1, 1.2))
    upper.step(times, prices, where="post", color="#1f4e79", linewidth=1.8)
    upper.set_ylabel("clearing price, ct/kWh")
    upper.grid(alpha=0.3)
    upper.set_title(title)
    width = 0.9 / 96
    traded = volumes["traded_wh"] / WH_IN_KWH
    capped = volumes["capped_wh"] / WH_IN_KWH
    lower.bar(times, traded, width=width, align="edge", color="#4c9f70", label="traded locally")
    if capped.any():
        lower.bar(
            times,
            capped,
            width=width,
            align="edge",
            bottom=traded,
            color="#d1495b",
            hatch="//",
            label="cut by the grid's caps",
        )
    lower.set_ylabel("energy per quarter hour, kWh")
    lower.grid(alpha=0.3)
    lower.legend(loc="upper left")
    lower.xaxis.set_major_locator(dates.HourLocator(byhour=range(0, 24, 3), tz=zone))  # type: ignore[no-untyped-call]
    lower.xaxis.set_major_formatter(dates.DateFormatter("%H:%M", tz=zone))  # type: ignore[no-untyped-call]
    lower.set_xlabel(f"local time ({ZONE})")
    figure.tight_layout()
    figure.savefig(path, dpi=120)
    plt.close(figure)
