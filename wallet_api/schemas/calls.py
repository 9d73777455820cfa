"""Calls to the chain that wait for their sender's signature."""

from __future__ import annotations

from typing import Any

from pydantic import Field

from edge.models import Answer, Body
from wallet_api.fields import Address, Bytes32, Sequence
from wallet_api.schemas.base import RecordedAt

TRANSACTION_TEXT_MAX = 2 + 2 * 131_072
"""Longest transaction as hex: nodes take up to 128 KiB."""


class CallToSign(RecordedAt):
    """One call; whoever signs encodes contract, function and arguments for itself and compares."""

    call: Sequence = Field(description="Number of the call: the sequence of the fact that asks for it", examples=[42])
    contract: str = Field(examples=["Calendar"])
    function: str = Field(examples=["createArea"])
    args: list[Any] = Field(
        description="In the order of the contract's interface; bytes and addresses as 0x hex, structs as lists",
        examples=[["0x" + "5a" * 32, [7200, 604800]]],
    )
    to: Address = Field(description="The contract's address", examples=["0x" + "5a" * 20])
    data: str = Field(pattern=r"^0x([0-9a-f]{2})*$", description="Calldata, lower-case 0x hex", examples=["0x5a5a5a5a"])
    gas: int = Field(ge=21_000, description="Gas limit to sign", examples=[3_000_000])
    gas_price_wei: str = Field(
        pattern=r"^[0-9]+$", description="Least gas price to sign, wei as decimal text", examples=["2000000000"]
    )
    nonce: int = Field(ge=0, description="One's next nonce; count on by oneself for the calls after", examples=[7])
    replaces: bool = Field(
        description="Whether this nonce is that of one's own transaction which is to be replaced", examples=[False]
    )


class SignedCallBody(Body):
    """The call as a signed transaction."""

    transaction: str = Field(
        pattern=r"^0x([0-9a-f]{2})+$",
        max_length=TRANSACTION_TEXT_MAX,
        description="RLP of a legacy transaction with the chain id in its signature (EIP-155), lower-case 0x hex",
        examples=["0xf86c808504a817c800825208940000000000000000000000000000000000000001808026a0"],
    )


class CallTaken(Answer):
    """A signed call that is stored and on its way."""

    call: Sequence = Field(description="Number of the call", examples=[42])
    tx_hash: Bytes32
