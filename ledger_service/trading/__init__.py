"""Trading: signed orders and schedules, receipts, and the gate."""

from ledger_service.trading.gate import GateStage
from ledger_service.trading.intake import Accepted, Decision, Funds, Intake
from ledger_service.trading.receipts import Receipt, ReceiptSigner
from ledger_service.trading.submissions import (
    SUBMISSIONS,
    Backing,
    IntakeLimits,
    SignedCancel,
    SignedMandate,
    SignedOrder,
    SignedRevocation,
    SignedSchedule,
    Submission,
)
from ledger_service.trading.views import TRADING_FACTS, rebuild_views

__all__ = [
    "SUBMISSIONS",
    "TRADING_FACTS",
    "Accepted",
    "Decision",
    "Funds",
    "GateStage",
    "Intake",
    "IntakeLimits",
    "Receipt",
    "ReceiptSigner",
    "SignedCancel",
    "SignedMandate",
    "SignedRevocation",
    "SignedOrder",
    "SignedSchedule",
    "Backing",
    "Submission",
    "rebuild_views",
]
