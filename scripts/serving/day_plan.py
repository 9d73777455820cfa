"""When the things of a delivery day happen, in market time."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, timedelta
from datetime import time as clock_time
from zoneinfo import ZoneInfo

from domain.mtu import MtuRange, local_date, local_day, local_instant
from scripts.serving.settings import DEFAULT_ZONE


@dataclass(frozen=True)
class DayPlan:
    """When things happen, in market time: unix seconds."""

    day: date
    mtus: MtuRange
    gate: int


def plan_of(day: date, *, gate_local: str, zone_name: str = DEFAULT_ZONE) -> DayPlan:
    """The MTUs and the gate of a delivery day."""
    zone = ZoneInfo(zone_name)
    gate = local_instant(day=day - timedelta(days=1), clock=clock_time.fromisoformat(gate_local), zone=zone)
    return DayPlan(day=day, mtus=local_day(day=day, zone=zone), gate=gate)


def local_day_of(seconds: int, *, zone_name: str = DEFAULT_ZONE) -> date:
    """The local day of a market time."""
    return local_date(seconds, ZoneInfo(zone_name))
