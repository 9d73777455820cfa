"""Trading: signed orders and schedules, receipts, and the gate."""

from ledger_service.trading.gate import GateStage
from ledger_service.trading.intake import Accepted, Funds, Intake, Outcome
from ledger_service.trading.parse import (
    SignedCancel,
    SignedOrder,
    SignedSchedule,
    Submission,
    parse_cancel,
    parse_order,
    parse_schedule,
)
from ledger_service.trading.receipts import Receipt, ReceiptSigner
from ledger_service.trading.rules import IntakeLimits
from ledger_service.trading.views import TRADING_KINDS, rebuild_views

__all__ = [
    "Accepted",
    "Funds",
    "GateStage",
    "Intake",
    "IntakeLimits",
    "Outcome",
    "Receipt",
    "ReceiptSigner",
    "SignedCancel",
    "SignedOrder",
    "SignedSchedule",
    "Submission",
    "TRADING_KINDS",
    "parse_cancel",
    "parse_order",
    "parse_schedule",
    "rebuild_views",
]
