"""The market's frame: the calendar of periods and sessions, which the gate closes."""

from ledger_service.market.calendar import CalendarStage
from ledger_service.market.openings import OpeningStage
from ledger_service.market.views import MARKET_FACTS, rebuild_views

__all__ = ["MARKET_FACTS", "CalendarStage", "OpeningStage", "rebuild_views"]
