"""Balances, movements, deposits, redemptions, guarantees."""

from __future__ import annotations

from typing import Literal

from pydantic import BaseModel, Field

from edge.models import Answer, Body
from wallet_api.fields import (
    Address,
    AmountNeur,
    Bytes32,
    Code,
    CreditNeur,
    MarketTime,
    NeurText,
    Number,
    Revision,
    Sequence,
    Signature,
    Uint32,
    Uint53,
)
from wallet_api.schemas.base import Amount, AtMarketTime, Fact, RecordedAt, eur_of, optional_utc_of, utc_of
from wallet_api.schemas.trading import ReceiptedFact


class Balance(Answer):
    """What one holds and may still commit to."""

    account: Address
    balance_neur: NeurText = Field(description="What the account holds, in nEUR; below zero is debt")
    credit_neur: NeurText = Field(description="How far below zero it may go, in nEUR")
    reserved_neur: NeurText = Field(description="The most that live orders of unsettled MTUs may cost, in nEUR")
    available_neur: NeurText = Field(description="What new orders may cost at worst, in nEUR")
    free_neur: NeurText = Field(
        description="What may be redeemed, pay cover or be given as a line, in nEUR: balance less lines given, one's "
        "own line and open redemptions"
    )
    balance_eur = eur_of("balance_neur")
    credit_eur = eur_of("credit_neur")
    reserved_eur = eur_of("reserved_neur")
    available_eur = eur_of("available_neur")
    free_eur = eur_of("free_neur")


class Posting(Amount, AtMarketTime):
    """One movement of an account, with its other side; their sum is the balance."""

    sequence: Sequence
    position: Uint32 = Field(description="Place among the movements of that journal entry")
    kind: str = Field(description="What moved it: deposit, settlement, redemption, cover, …", examples=["deposit"])
    other: Address = Field(description="The account on the other side")
    area: Code | None = Field(description="Of a settlement; null otherwise")
    period: Number | None = Field(description="Of a settlement; null otherwise")
    revision: Revision | None = Field(description="Of a settlement; null otherwise")


class DepositMembers(BaseModel):
    """For whom money came in by bank, how much, and the payment's reference, which is booked once."""

    account: Address
    amount_neur: AmountNeur
    ref: Bytes32 = Field(description="The payment's reference, booked once")


class DepositBody(DepositMembers, Body):
    """Money that came in by bank: for whom, how much, and the payment's reference, which is booked once."""


class DepositFact(DepositMembers, Fact):
    """A booked deposit."""


class Deposit(Fact, Amount, RecordedAt):
    """A deposit, and whether it counts in the balance yet."""

    account: Address
    ref: Bytes32 = Field(description="The payment's reference")
    state: Literal["booked", "on_chain", "failed"] = Field(description="It counts in the balance once it is on chain")


class RedemptionMembers(BaseModel):
    """Money to be paid out, signed by the account (Redemption)."""

    account: Address
    amount_neur: AmountNeur
    ref: Bytes32
    deadline: MarketTime = Field(description="Unix seconds of market time until which the signature may be used")
    signature: Signature


class RedemptionBody(RedemptionMembers, Body):
    """Money to be paid out, signed by the account (Redemption); `deadline` in unix seconds of market time."""


class RedemptionFact(RedemptionMembers, Fact):
    """A redemption that was asked for."""

    deadline_utc = utc_of("deadline")


class Redemption(Amount, RecordedAt):
    """A redemption: on its way to the chain, or known there."""

    ref: Bytes32
    ready_at: MarketTime | None = Field(
        description="Unix seconds of market time at which the challenge window ends; null until the chain knows it"
    )
    ready_at_utc = optional_utc_of("ready_at")
    redeemed_neur: NeurText = Field(description="What was paid out, in nEUR: what debits since the request left of it")
    redeemed_eur = eur_of("redeemed_neur")
    state: Literal["requested", "in_challenge_window", "redeemed", "cancelled"] = Field(
        description="in_challenge_window while something of it is open; cancelled by its account, or expired"
    )


class Guarantee(RecordedAt):
    """A credit line in force on chain."""

    account: Address
    credit_neur: NeurText = Field(description="How far below zero the account may go, in nEUR")
    credit_eur = eur_of("credit_neur")
    called_neur: NeurText = Field(description="What the guarantor owes for it now: the debt beyond the line, in nEUR")
    called_eur = eur_of("called_neur")
    locked_neur: NeurText = Field(
        description="What stands behind the account, in nEUR: more than its line while what was begun under a higher "
        "one is not settled"
    )
    locked_eur = eur_of("locked_neur")
    nonce: Uint53 = Field(description="The last one used on chain; the next one is above it", examples=[1])


class GuaranteeMembers(BaseModel):
    """How far below zero the guarantor lets an account go, with its signature (Guarantee)."""

    guarantor: Address
    account: Address
    credit_neur: CreditNeur
    nonce: Uint53 = Field(description="Rises with each guarantee of the same account", examples=[1])
    deadline: MarketTime = Field(description="Unix seconds of market time until which the signatures may be used")
    signature: Signature
    account_signature: Signature | None = Field(
        default=None, description="The account's over the same, where the guarantor is new to it"
    )


class GuaranteeBody(GuaranteeMembers, Body):
    """How far below zero the guarantor lets an account go, with its signature (Guarantee); the nonce must rise.

    For oneself: how much of one's own balance is kept for one's trades.
    """


class GuaranteeFact(GuaranteeMembers, ReceiptedFact):
    """A recorded guarantee."""

    deadline_utc = utc_of("deadline")


class CoverMembers(BaseModel):
    """Debt of an account paid from its guarantor's balance, with the guarantor's signature (Cover)."""

    guarantor: Address
    account: Address
    amount_neur: AmountNeur
    debt_neur: AmountNeur = Field(description="The debt that it is for: all that the account owes, in nEUR")
    ref: Bytes32
    deadline: MarketTime = Field(description="Unix seconds of market time until which the signature may be used")
    signature: Signature


class CoverBody(CoverMembers, Body):
    """Debt of an account paid from its guarantor's balance, with the guarantor's signature (Cover)."""


class CoverFact(CoverMembers, Fact):
    """Debt of an account paid by its guarantor."""

    deadline_utc = utc_of("deadline")
