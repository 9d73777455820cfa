"""The DSO's signing policy: what it signs without asking anybody, in versions."""

from __future__ import annotations

from typing import Annotated

from pydantic import BaseModel, Field

from edge.models import Body
from wallet_api.fields import Bytes32, Code, Mtu, PositiveInt, Signature, Uint32, Uint53, Version, Wh
from wallet_api.schemas.base import ValidFrom
from wallet_api.schemas.trading import ReceiptedFact

LIST_LONGEST = 100
"""Markets, and versions of rules, that one policy names at most."""

Markets = Annotated[list[Code], Field(max_length=LIST_LONGEST)]
Rules = Annotated[list[PositiveInt], Field(max_length=LIST_LONGEST)]


class PolicyMembers(BaseModel):
    """One version of a signing policy. A program is within it, or the DSO does not sign."""

    area: Code
    version: Version
    valid_from_mtu: Mtu = Field(description="First MTU it is valid at, until the next version begins")
    markets: Markets = Field(description="Markets whose programs it signs, ascending")
    count_most: Uint32 = Field(description="The most MTUs of a program")
    given_up_most: Uint32 = Field(description="The most MTUs of a program that may be given up")
    fallbacks_most: Uint32 = Field(description="The most failures of the solver in a program")
    voltage_lowest_micro_pu: Uint53 = Field(description="Lowest voltage in an MTU not given up, in 10⁻⁶ pu")
    voltage_highest_micro_pu: Uint53 = Field(description="Highest voltage in an MTU not given up, in 10⁻⁶ pu")
    loading_highest_permille: Uint32 = Field(description="Highest loading, in permille of the rating")
    capped_points_most: Uint32 = Field(description="The most points with a cap in an MTU")
    capped_import_wh_most: Wh = Field(description="The most scheduled import that caps hold back in an MTU, in Wh")
    capped_export_wh_most: Wh = Field(description="The most scheduled export that caps hold back in an MTU, in Wh")
    rounds_most: Uint32 = Field(description="The most clearings of an MTU")
    ties_rules: Rules = Field(description="Versions of the rule for ties, ascending (docs/evidence.md section 2)")
    forecast_rules: Rules = Field(description="Versions of the rule for forecasts, ascending")
    dso_signature: Signature = Field(description="The signature of the area's DSO over the SigningPolicy")


class PolicyBody(PolicyMembers, Body):
    """One version of the DSO's signing policy, valid from an MTU on."""


class PublishedPolicy(PolicyMembers, ValidFrom):
    """One version of the DSO's signing policy, as it was published."""


class SigningPolicy(PublishedPolicy):
    """One version of the DSO's signing policy, and what reports name it by."""

    policy_hash: Bytes32 = Field(description="keccak of its canonical JSON without the signature; reports name it")


class PolicyFact(ReceiptedFact, PublishedPolicy):
    """A published version of a signing policy."""
