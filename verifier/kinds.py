"""Kinds of journal entries: their classes, which are public, which may be erased, which events they stand for."""

from __future__ import annotations

from verifier.facts import (
    AccessLogged,
    AuditSigned,
    BookClosed,
    ErasureDone,
    MandateGranted,
    MandateRevoked,
    MtuCleared,
    MtuUnread,
    OrderAccepted,
    OrderCancelled,
    PeriodDeclared,
    ProgramRefused,
    ProgramSigned,
    ProgramValidated,
    ReadingAttested,
    ScheduleNominated,
    SessionDone,
    SessionLapsed,
    SessionOpened,
    SetpointsIssued,
    SettlementProposed,
    SettlementSigned,
)
from verifier.party_facts import (
    AccountReplaced,
    AgreementSigned,
    AreaDefined,
    CoverGiven,
    DeploymentSucceeded,
    DepositBooked,
    GuaranteeGiven,
    KeyRegistered,
    MarketDefined,
    MeterRegistered,
    ParticipantRegistered,
    PolicyPublished,
    RedemptionRequested,
    TariffPublished,
    TermEnded,
)
from verifier.transaction_facts import (
    BlockMined,
    ChainFailed,
    ChainIncluded,
    ChainObserved,
    ChainRequested,
    ChainRewound,
    ChainSigned,
)

KINDS: dict[str, type] = {
    "area.defined": AreaDefined,
    "market.defined": MarketDefined,
    "tariff.published": TariffPublished,
    "policy.published": PolicyPublished,
    "agreement.signed": AgreementSigned,
    "participant.registered": ParticipantRegistered,
    "key.registered": KeyRegistered,
    "account.replaced": AccountReplaced,
    "meter.registered": MeterRegistered,
    "term.ended": TermEnded,
    "guarantee.given": GuaranteeGiven,
    "cover.given": CoverGiven,
    "redemption.requested": RedemptionRequested,
    "deposit.booked": DepositBooked,
    "period.declared": PeriodDeclared,
    "session.opened": SessionOpened,
    "order.accepted": OrderAccepted,
    "order.cancelled": OrderCancelled,
    "schedule.nominated": ScheduleNominated,
    "mandate.granted": MandateGranted,
    "mandate.revoked": MandateRevoked,
    "book.closed": BookClosed,
    "program.validated": ProgramValidated,
    "program.signed": ProgramSigned,
    "program.refused": ProgramRefused,
    "setpoints.issued": SetpointsIssued,
    "mtu.cleared": MtuCleared,
    "session.done": SessionDone,
    "session.lapsed": SessionLapsed,
    "reading.attested": ReadingAttested,
    "mtu.unread": MtuUnread,
    "settlement.proposed": SettlementProposed,
    "settlement.signed": SettlementSigned,
    "audit.signed": AuditSigned,
    "erasure.done": ErasureDone,
    "access.logged": AccessLogged,
    "deployment.succeeded": DeploymentSucceeded,
    "chain.requested": ChainRequested,
    "chain.signed": ChainSigned,
    "chain.included": ChainIncluded,
    "chain.observed": ChainObserved,
    "chain.failed": ChainFailed,
    "chain.rewound": ChainRewound,
    "block.mined": BlockMined,
}
"""The class of each kind; a kind that is not named here is an error."""

PUBLIC_KINDS = frozenset(
    {
        "area.defined",
        "market.defined",
        "tariff.published",
        "policy.published",
        "period.declared",
        "session.opened",
        "book.closed",
        "program.signed",
        "program.refused",
        "mtu.cleared",
        "session.done",
        "session.lapsed",
        "mtu.unread",
        "settlement.signed",
        "audit.signed",
        "erasure.done",
        "deployment.succeeded",
    }
)
"""Open in a public bundle (evidence.md section 2)."""

ERASABLE_KINDS = frozenset(
    {
        "participant.registered",
        "key.registered",
        "order.accepted",
        "order.cancelled",
        "schedule.nominated",
        "program.validated",
        "setpoints.issued",
        "reading.attested",
        "settlement.proposed",
    }
)
"""What names or describes a person may be erased; everything else stays open (evidence.md section 2)."""

EVENT_OF_KIND = {
    "area.defined": "AreaCreated",
    "market.defined": "MarketCreated",
    "guarantee.given": "GuaranteeSet",
    "cover.given": "DebtCovered",
    "redemption.requested": "RedemptionRequested",
    "deposit.booked": "Deposited",
    "period.declared": "PeriodDeclared",
    "session.opened": "SessionOpened",
    "book.closed": "SessionClosed",
    "program.signed": "ProgramRecorded",
    "mtu.cleared": "MtuCleared",
    "session.done": "SessionDone",
    "reading.attested": "ReadingsAttested",
    "mtu.unread": "ReadingsUnread",
    "settlement.signed": "PeriodSettled",
}
"""The event of the contracts that each such entry stands for: none of them may be on chain without its entry."""

HOLDERS_KINDS = frozenset({"guarantee.given", "cover.given", "redemption.requested", "deposit.booked"})
"""What its signer may have sent to the chain itself: then `chain.observed` tells the event instead of the entry."""
