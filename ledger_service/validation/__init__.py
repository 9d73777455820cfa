"""From closed books to a cleared market: validation against the grid, the DSO's verdict, clearing or void on chain."""

from ledger_service.validation.clearing import ClearingStage
from ledger_service.validation.forecast import forecast_wh
from ledger_service.validation.position import PositionStage
from ledger_service.validation.stage import ValidationStage
from ledger_service.validation.verdicts import Verdicts
from ledger_service.validation.voiding import VoidStage

__all__ = ["ClearingStage", "PositionStage", "ValidationStage", "Verdicts", "VoidStage", "forecast_wh"]
