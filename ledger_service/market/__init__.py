"""The market's frame: the calendar of periods and programs, which the gate closes."""

from ledger_service.market.calendar import CalendarStage
from ledger_service.market.views import MARKET_KINDS, rebuild_views

__all__ = ["MARKET_KINDS", "CalendarStage", "rebuild_views"]
