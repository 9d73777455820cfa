"""What a retailer reads of its own customers."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from edge.models import Answer
from ledger_service.settlement.queries import SettlementState
from wallet_api.fields import Address, Code, Number, Revision, Wh
from wallet_api.schemas.base import Amount
from wallet_api.schemas.own import AnyLineKind
from wallet_api.schemas.registry import Agreement


class Customer(Answer):
    """An account under an agreement with the retailer."""

    account: Address
    participant: Code
    point: Code | None
    agreement: Agreement
    state: Literal["now", "later"] = Field(description="Whether the agreement is valid now or will be")


class CustomerTotal(Amount):
    """The lines of one kind of one customer in one settlement, summed: never a profile by MTU.

    + was credited to the customer.
    """

    account: Address
    area: Code
    period: Number
    revision: Revision
    state: SettlementState
    kind: AnyLineKind
    energy_wh: Wh = Field(description="Sum of the lines' energy, in Wh; 0 for VAT")
    partial: bool = Field(description="Whether the customer was with this retailer for part of the period only")
