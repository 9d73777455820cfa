"""What devices may sign and send: one module per submission, which reads, hashes, verifies and decides it."""

from ledger_service.trading.submissions.cancel import SignedCancel
from ledger_service.trading.submissions.mandate import SignedMandate, SignedRevocation
from ledger_service.trading.submissions.order import SignedOrder
from ledger_service.trading.submissions.schedule import SignedSchedule
from ledger_service.trading.submissions.submission import (
    Backing,
    IntakeLimits,
    IntakeRules,
    RecoveredSigner,
    Sender,
    Submission,
    VerifiedSubmission,
)

SUBMISSIONS: tuple[type[Submission], ...] = (SignedOrder, SignedCancel, SignedSchedule, SignedMandate, SignedRevocation)
"""Every submission that intake takes and the API offers."""

__all__ = [
    "SUBMISSIONS",
    "IntakeLimits",
    "IntakeRules",
    "Sender",
    "SignedCancel",
    "SignedMandate",
    "SignedRevocation",
    "SignedOrder",
    "SignedSchedule",
    "RecoveredSigner",
    "Backing",
    "Submission",
    "VerifiedSubmission",
]
