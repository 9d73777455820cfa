"""An account gives way to another: with its own signature, or by a proposal where its key was lost."""

from __future__ import annotations

from pydantic import BaseModel, Field

from edge.models import Answer, Body
from wallet_api.fields import Address, MarketTime, Sequence, Signature
from wallet_api.schemas.base import utc_of


class ReplacementMembers(BaseModel):
    """Which account gives way to which (AccountReplacement, docs/protocol.md section 2)."""

    account: Address
    successor: Address = Field(description="An account that nobody uses here; its key signs as well")
    deadline: MarketTime = Field(description="Unix seconds of market time until which the signatures may be used")


class ReplacementBody(ReplacementMembers, Body):
    """A replacement that account and successor both signed: it is done as soon as the chain has it."""

    account_signature: Signature
    successor_signature: Signature


class SuccessorBody(ReplacementMembers, Body):
    """A successor for an account whose key was lost: the account's guarantor and the successor signed.

    Where nobody but itself guarantees for it, an operator of its area signs in the guarantor's place.
    """

    guarantor_signature: Signature
    successor_signature: Signature


class CancellationBody(Body):
    """Names the proposal that is withdrawn: another one may have come since."""

    ready_at: MarketTime = Field(description="From when on the proposed successor may take over")


class AskedReplacement(Answer):
    """What was asked of the chain, and the journal entry that says so."""

    sequence: Sequence
    account: Address
    successor: Address


class CancelledSuccessor(Answer):
    """The proposal that the chain is asked to withdraw, and the journal entry that says so."""

    sequence: Sequence
    account: Address


class Successor(Answer):
    """A successor that is proposed on chain and waits for its delay."""

    account: Address
    successor: Address
    proposed_by: Address = Field(description="Who agreed beside the registrar: the guarantor, or an operator")
    ready_at: MarketTime = Field(description="From when on it may take over; until then the old key may cancel")
    expires_at: MarketTime = Field(description="Until when it may take over")
    ready_utc = utc_of("ready_at")
    expires_utc = utc_of("expires_at")
