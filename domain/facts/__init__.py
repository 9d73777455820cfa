"""Everything that can happen: one frozen class per journal kind, grouped by subject (docs/facts.md)."""

from domain.facts.access import AccessLogged, ErasureDone
from domain.facts.areas import AreaDefined, MarketDefined
from domain.facts.base import FACTS, Fact, FactMalformed, UnknownKind, read_fact
from domain.facts.calendar import PeriodDeclared, ProgramOpened
from domain.facts.chain import (
    BlockMined,
    ChainEvent,
    ChainFailed,
    ChainIncluded,
    ChainRequested,
    ChainRewound,
    ChainSigned,
    Subject,
    requested_key,
)
from domain.facts.metering import AttestedMtu, MtuUnread, ReadingAttested
from domain.facts.money import CoverGiven, DepositBooked, RedemptionRequested
from domain.facts.parties import KeyRegistered, MeterRegistered, ParticipantRegistered
from domain.facts.programs import (
    MtuCleared,
    MtuResult,
    MtuVoided,
    PointEnvelope,
    PointSchedule,
    ProgramRefused,
    ProgramSigned,
    ProgramValidated,
    SetpointsIssued,
    position_key,
    validated_key,
    verdict_key,
)
from domain.facts.settlement import AccountStatement, AttesterSignature, SettlementProposed, SettlementSigned
from domain.facts.terms import AgreementSigned, GuaranteeGiven, TariffPublished
from domain.facts.trading import (
    BookClosed,
    ClosedBook,
    OrderAccepted,
    OrderCancelled,
    ScheduleNominated,
    order_revision_key,
    schedule_revision_key,
)

__all__ = [
    "FACTS",
    "AccessLogged",
    "AccountStatement",
    "AgreementSigned",
    "AreaDefined",
    "AttestedMtu",
    "AttesterSignature",
    "BlockMined",
    "BookClosed",
    "ChainEvent",
    "ChainFailed",
    "ChainIncluded",
    "ChainRequested",
    "ChainRewound",
    "ChainSigned",
    "ClosedBook",
    "CoverGiven",
    "DepositBooked",
    "ErasureDone",
    "Fact",
    "FactMalformed",
    "GuaranteeGiven",
    "KeyRegistered",
    "MarketDefined",
    "MeterRegistered",
    "MtuCleared",
    "MtuResult",
    "MtuUnread",
    "MtuVoided",
    "OrderAccepted",
    "OrderCancelled",
    "ParticipantRegistered",
    "PeriodDeclared",
    "PointEnvelope",
    "PointSchedule",
    "ProgramOpened",
    "ProgramRefused",
    "ProgramSigned",
    "ProgramValidated",
    "ReadingAttested",
    "RedemptionRequested",
    "ScheduleNominated",
    "SetpointsIssued",
    "SettlementProposed",
    "SettlementSigned",
    "Subject",
    "TariffPublished",
    "UnknownKind",
    "order_revision_key",
    "position_key",
    "read_fact",
    "requested_key",
    "schedule_revision_key",
    "validated_key",
    "verdict_key",
]
