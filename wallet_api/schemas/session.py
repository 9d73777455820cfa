"""Login and typed data."""

from __future__ import annotations

from typing import Any, Literal

from pydantic import Field

from edge.models import Answer, Body
from ledger_service.access.roles import Role
from wallet_api.fields import Address, Bytes32, Code, Signature

NONCE = "4e07408562bedb8b60ce05c1decfe3ad" + "5c" * 44
"""A nonce as examples show it."""

CANCEL_TYPE = "Cancel(bytes32 market,uint64 session,uint32 mtu,bytes16 orderId,uint32 revision)"
"""A type string as examples show it."""

DOMAIN_MEMBERS = [
    {"name": "name", "type": "string"},
    {"name": "version", "type": "string"},
    {"name": "chainId", "type": "uint256"},
    {"name": "verifyingContract", "type": "address"},
]
CANCEL_MEMBERS = [
    {"name": "market", "type": "bytes32"},
    {"name": "session", "type": "uint64"},
    {"name": "mtu", "type": "uint32"},
    {"name": "orderId", "type": "bytes16"},
    {"name": "revision", "type": "uint32"},
]
CANCEL_MESSAGE = {
    "market": "0x" + "07" * 32,
    "session": 1_464_775_200,
    "mtu": 1_627_584,
    "orderId": "0x" + "01" * 16,
    "revision": 1,
}


class ChallengeBody(Body):
    """Who wants to log in."""

    account: Address


class SessionBody(Body):
    """The answer to a challenge: its nonce, and the signature over its text (EIP-191 personal_sign)."""

    nonce: str = Field(max_length=200, description="Of the challenge", examples=[NONCE])
    signature: Signature


class Challenge(Answer):
    """A login text, good for one use."""

    nonce: str = Field(
        pattern=r"^[0-9a-f]{120}$", description="Names the challenge when it is answered", examples=[NONCE]
    )
    text: str = Field(
        description="What to sign as `personal_sign` does (EIP-191), byte for byte",
        examples=[
            "DOMINOES login\naccount: 0x5aaeb6053f3e94c9b9a09f33669435e7ef1beaed\naudience: https://market.example/v1\n"
            f"nonce: {NONCE}\nvalid until: 2027-01-15T08:05:00Z"
        ],
    )
    expires_at: int = Field(description="Unix seconds of real time from which it is refused")


class AccessToken(Answer):
    """An access token and whom it stands for."""

    access_token: str = Field(description="JWT, ES256; sent as `Authorization: Bearer …`")
    token_type: Literal["Bearer"]
    expires_in: int = Field(description="Seconds of real time until it ends")
    expires_at: int = Field(description="Unix seconds of real time at which it ends")
    account: Address
    role: Role = Field(strict=False)
    name: str = Field(description="Name for people")


class Principal(Answer):
    """Who is asking."""

    account: Address
    role: Role = Field(strict=False)
    name: str = Field(description="Name for people")
    area: Code | None = Field(description="The area it is bound to; null for none")
    point: Code | None = Field(description="Its metering point; null for everyone but households")


class JsonWebKey(Answer):
    """A public key for ES256 (RFC 7517)."""

    kty: Literal["EC"]
    crv: Literal["P-256"]
    x: str
    y: str
    kid: str = Field(description="Names the key in a token's header")
    use: Literal["sig"]
    alg: Literal["ES256"]


class JsonWebKeySet(Answer):
    """The keys that access tokens are signed with."""

    keys: list[JsonWebKey]


class SigningDomain(Answer):
    """EIP-712 domain: the contract and chain on which a signature counts."""

    name: Literal["DOMINOES"]
    version: Literal["1"]
    chainId: int
    verifyingContract: Address


class SignedShape(Answer):
    """A struct that is signed."""

    shape: str = Field(description="Its name, as in /v1/typed-data/{shape}")
    type: str = Field(description="Its EIP-712 type string", examples=[CANCEL_TYPE])
    domain: SigningDomain


class SignedShapes(Answer):
    """Every struct that is signed."""

    items: list[SignedShape]


class TypedMember(Answer):
    """A member of a type."""

    name: str = Field(examples=["mtu"])
    type: str = Field(examples=["uint32"])


class TypedData(Answer):
    """What `eth_signTypedData_v4` takes."""

    types: dict[str, list[TypedMember]] = Field(examples=[{"EIP712Domain": DOMAIN_MEMBERS, "Cancel": CANCEL_MEMBERS}])
    primaryType: str = Field(examples=["Cancel"])
    domain: SigningDomain
    message: dict[str, Any] = Field(
        description="The struct's members; integers of 2^53 and beyond as decimal text", examples=[CANCEL_MESSAGE]
    )


class SigningView(Answer):
    """What is to be signed, and the hashes it comes down to."""

    typed_data: TypedData
    digest: Bytes32 = Field(description="What the signature is over")
    domain_separator: Bytes32
    struct_hash: Bytes32
