"""From closed books to a cleared market: validation against the grid, the DSO's verdict, clearing or void on chain."""

from ledger_service.programs.clearing import ClearingStage
from ledger_service.programs.ending import EndStage
from ledger_service.programs.forecast import forecast_wh
from ledger_service.programs.position import PositionStage
from ledger_service.programs.stage import ValidationStage
from ledger_service.programs.verdicts import Verdicts

__all__ = ["ClearingStage", "PositionStage", "ValidationStage", "Verdicts", "EndStage", "forecast_wh"]
