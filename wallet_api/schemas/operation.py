"""What the operator and the auditor see of the service."""

from __future__ import annotations

from pydantic import Field

from domain.facts import MtuCleared
from edge.models import Answer, Body
from wallet_api.fields import Bytes32, Code, MarketTime, Number, Sequence, Uint32
from wallet_api.schemas.base import AtMarketTime, JournalHead, RecordedAt


class ClockBody(Body):
    """The market time to reach, in unix seconds."""

    advance_to: MarketTime


class MarketTimeReached(AtMarketTime):
    """Market time after a step."""


class StageCursor(Answer):
    """How far a stage has read the journal."""

    stage: str
    sequence: Sequence = Field(description="The last entry it has read; 0 before the first")
    behind: int = Field(description="How many entries of the journal come after that")


class PendingTransaction(Answer):
    """A transaction on its way to the chain."""

    kind: str = Field(description="What it is for; the rest of its key names accounts", examples=["deposit"])
    contract: str
    function: str
    tx_hash: Bytes32


class StuckPeriod(Answer):
    """A period whose settlement can't be computed as the record stands; everything else goes on."""

    area: Code
    period: Number
    code: str = Field(description="Code of the cause", examples=["no-agreement"])


class ServiceStatus(AtMarketTime):
    """Where the stages stand."""

    journal: JournalHead
    cursors: list[StageCursor]
    stuck_periods: list[StuckPeriod] = Field(description="Looked at again once there are new facts")
    pending_transactions: Uint32 = Field(description="How many are on their way")
    pending: list[PendingTransaction] = Field(description="The first of them")


class JournalHeader(RecordedAt):
    """An entry of the journal without its payload."""

    sequence: Sequence
    kind: str = Field(description="What it records (docs/architecture.md)", examples=[MtuCleared.KIND])
    payload_hash: Bytes32 = Field(description="keccak of salt and payload")
    previous: Bytes32 = Field(description="Hash of the entry before; zero for the first")
    hash: Bytes32
    erased: bool = Field(description="Whether its payload was erased; the chain of hashes holds all the same")
