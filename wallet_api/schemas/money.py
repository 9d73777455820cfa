"""Balances, movements, deposits, redemptions, guarantees."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from edge.models import Answer, Page
from wallet_api.fields import (
    Address,
    AmountNeur,
    Bytes32,
    Code,
    CreditNeur,
    MarketTime,
    Number,
    Revision,
    Sequence,
    Signature,
    Uint32,
    Uint53,
    UtcText,
)
from wallet_api.schemas.base import Fact, Money


class Balance(Answer):
    """What one holds and may still commit to."""

    account: Address
    balance: Money = Field(description="What the account holds; below zero is debt")
    credit: Money = Field(description="How far below zero it may go")
    reserved: Money = Field(description="The most that live orders of unsettled MTUs may cost")
    available: Money = Field(description="balance + credit - reserved")


class Posting(Answer):
    """One movement of an account, with its other side; their sum is the balance."""

    sequence: Sequence
    position: Uint32 = Field(description="Place among the movements of that journal entry")
    kind: str = Field(description="What moved it: deposit, settlement, redemption, cover, …", examples=["deposit"])
    other: Address = Field(description="The account on the other side")
    amount: Money
    area: Code | None = Field(description="Of a settlement; null otherwise")
    period: Number | None = Field(description="Of a settlement; null otherwise")
    revision: Revision | None = Field(description="Of a settlement; null otherwise")


class DepositFact(Fact):
    """A booked deposit."""

    account: Address
    amount_neur: AmountNeur
    ref: Bytes32 = Field(description="The payment's reference, booked once")


class Deposit(Fact):
    """A deposit, and whether it counts in the balance yet."""

    account: Address
    amount: Money
    ref: Bytes32 = Field(description="The payment's reference")
    state: Literal["booked", "on-chain", "failed"] = Field(description="It counts in the balance once it is on-chain")


class RedemptionFact(Fact):
    """A redemption that was asked for."""

    account: Address
    amount_neur: AmountNeur
    ref: Bytes32
    deadline: MarketTime = Field(description="Unix seconds of market time until which the signature may be used")
    signature: Signature


class RequestedRedemption(Answer):
    """A redemption on its way to the chain."""

    ref: Bytes32
    amount: Money
    state: Literal["requested"]


class KnownRedemption(Answer):
    """A redemption the chain knows."""

    ref: Bytes32
    amount: Money
    ready_at: MarketTime = Field(description="Unix seconds of market time at which the challenge window ends")
    ready_at_utc: UtcText
    redeemed: Money | None = Field(description="What was paid out so far, in parts where money was short; null before")
    state: Literal["in-challenge-window", "redeemed", "cancelled"] = Field(
        description="in-challenge-window while something of it is open; cancelled by its account, or expired"
    )


class RedemptionPage(Page[RequestedRedemption | KnownRedemption]):
    """Redemptions by reference: on their way to the chain, or known there."""


class Guarantee(Answer):
    """A credit line in force on chain."""

    account: Address
    credit: Money = Field(description="How far below zero the account may go")
    called: Money = Field(description="What the guarantor owes for it now: the debt beyond the line")


class GuaranteeFact(Fact):
    """A recorded guarantee."""

    guarantor: Address
    account: Address
    credit_neur: CreditNeur
    nonce: Uint53 = Field(description="Rises with each guarantee of the same account", examples=[1])
    signature: Signature


class CoverFact(Fact):
    """Debt of an account paid by its guarantor."""

    guarantor: Address
    account: Address
    amount_neur: AmountNeur
    ref: Bytes32
    signature: Signature
