"""The types of fields in bodies, parameters and answers: bytes as 0x hex, money as decimal text, codes as plain names.

Each says its unit where it has one, for the document of the API is made from them.
"""

from __future__ import annotations

from typing import Annotated, Literal

from fastapi import Path, Query
from pydantic import AfterValidator, Field, StringConstraints

from domain.hashing import MAX_SAFE_INTEGER, keccak
from domain.mtu import MTU_END, SECONDS_LAST
from domain.units import BASIS_POINTS, MAX_LOTS
from ledger_service.registry.checks import SECONDS_MAX
from ledger_service.registry.operations import CONNECTION_W_MAX, UINT24_MAX


def plain_address(given: str) -> str:
    """An address as facts carry it, from lower case or from EIP-55's mixed case, whose checksum must be right."""
    plain = given.lower()
    if given not in (plain, checksummed(plain)):
        raise ValueError("is neither lower case nor in the mixed case that EIP-55 gives it; copy it again")
    return plain


def checksummed(plain: str) -> str:
    """A lower-case address in the mixed case of EIP-55: upper where the digit's nibble of the hash is 8 or more."""
    digits = plain.removeprefix("0x")
    hashed = keccak(digits.encode("ascii")).hex()
    return "0x" + "".join(
        digit.upper() if int(nibble, 16) >= 8 else digit for digit, nibble in zip(digits, hashed, strict=False)
    )


Address = Annotated[
    str,
    StringConstraints(pattern=r"^0x[0-9a-fA-F]{40}$"),
    AfterValidator(plain_address),
    Field(description="Account or contract, 20 bytes of 0x hex; taken in lower case or EIP-55, given in lower case"),
]
"""20 bytes of 0x hex, in lower case once validated."""

Bytes32 = Annotated[
    str, StringConstraints(pattern=r"^0x[0-9a-f]{64}$"), Field(description="32 bytes, lower-case 0x hex")
]
Bytes16 = Annotated[
    str, StringConstraints(pattern=r"^0x[0-9a-f]{32}$"), Field(description="16 bytes, lower-case 0x hex")
]
Signature = Annotated[
    str, StringConstraints(pattern=r"^0x[0-9a-f]{130}$"), Field(description="65 bytes r, s, v, lower-case 0x hex")
]
"""65 bytes r, s, v."""

Mask = Annotated[
    str,
    StringConstraints(pattern=r"^0x[0-9a-f]{32}$"),
    Field(description="MTUs of a session, 16 bytes as 0x hex: bit i stands for its first MTU + i"),
]

Word = Annotated[
    str,
    StringConstraints(pattern=r"^0x[0-9a-f]{1,64}$"),
    Field(description="Order word or settlement word, 32 bytes as 0x hex (docs/protocol.md, sections 3 and 5)"),
]

Code = Annotated[
    str,
    StringConstraints(pattern=r"^[A-Za-z0-9][A-Za-z0-9 ._/:-]{0,99}$"),
    Field(description="Name by which people know it"),
]
"""A human-readable name: area, market, meter, metering point, participant, tariff."""

AmountNeur = Annotated[
    str,
    StringConstraints(pattern=r"^[1-9][0-9]{0,27}$"),
    Field(
        description="A positive amount in nEUR (1 EUR = 1,000,000,000 nEUR), as decimal text", examples=["5000000000"]
    ),
]
"""A positive amount of money in nEUR, as decimal text."""

CreditNeur = Annotated[
    str,
    StringConstraints(pattern=r"^(0|[1-9][0-9]{0,18})$"),
    Field(description="A credit line in nEUR, as decimal text; 0 ends it"),
]
"""A credit limit in nEUR, as decimal text; 0 ends it."""

NeurText = Annotated[
    str,
    StringConstraints(pattern=r"^(0|-?[1-9][0-9]*)$"),
    Field(description="Amount in nEUR as decimal text; + is a credit of the account's holder"),
]
"""An amount of money in an answer."""

Text = Annotated[str, StringConstraints(min_length=1, max_length=500)]
"""Words for people."""

_NO_CONTROL = r"[^\x00-\x1f\x7f\u202a-\u202e\u2066-\u2069]"

QueryText = Annotated[str, StringConstraints(pattern=f"^{_NO_CONTROL}{{1,500}}$")]
"""Words for people in a parameter; as in bodies, without control and direction characters."""

Uint32 = Annotated[int, Field(ge=0, le=2**32 - 1)]
Uint53 = Annotated[int, Field(ge=0, le=MAX_SAFE_INTEGER)]
Int32 = Annotated[int, Field(ge=-(2**31) + 1, le=2**31 - 1)]
PositiveInt = Annotated[int, Field(ge=1, le=2**32 - 1)]

MTU_LAST = MTU_END - 1
"""The last MTU of the year 9999."""

Mtu = Annotated[
    int,
    Field(ge=0, le=MTU_LAST, description="MTU, market time unit of 15 minutes: unix seconds // 900, [start, end) UTC"),
]
MtuCount = Annotated[PositiveInt, Field(description="Number of MTUs from the first one on")]
Wh = Annotated[Uint53, Field(description="Energy in Wh")]
NeurPerWh = Annotated[
    Int32, Field(description="Price in nEUR/Wh (1 EUR/MWh = 1,000; 1 ct/kWh = 10,000); may be negative")
]
Lots = Annotated[int, Field(ge=0, le=2**24 - 1, description="Quantity in lots; the market says how many Wh one lot is")]
OrderLots = Annotated[
    int,
    Field(ge=1, le=MAX_LOTS, description="Quantity of an order in lots; the market says how many Wh one lot is"),
]
LotWh = Annotated[int, Field(ge=1, le=UINT24_MAX, description="Energy of one lot in Wh")]
TickNeurPerWh = Annotated[
    int, Field(ge=1, le=UINT24_MAX, description="Step of limit prices in nEUR/Wh: each limit is a multiple of it")
]
Watt = Annotated[int, Field(ge=0, le=CONNECTION_W_MAX, description="Connection power in W; 0 where there is no point")]
Seconds = Annotated[int, Field(ge=1, le=SECONDS_MAX, description="Length in seconds of market time")]
BasisPoints = Annotated[int, Field(ge=0, le=BASIS_POINTS, description="Rate in basis points (1/10,000)")]
MarketTime = Annotated[int, Field(ge=0, le=SECONDS_LAST, description="Unix seconds of market time")]
Session = Annotated[
    int, Field(ge=0, le=SECONDS_LAST, description="A session of the market, named by its gate in unix seconds")
]
UtcText = Annotated[
    str, StringConstraints(pattern=r"^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ$"), Field(description="The same instant in UTC")
]
GateLocal = Annotated[
    str,
    StringConstraints(pattern=r"^([01][0-9]|2[0-3]):[0-5][0-9]$"),
    Field(description="Gate as local time of the area, HH:MM, on the day before delivery"),
]
Sequence = Annotated[Uint53, Field(description="Place in the journal, from 1")]
Number = Annotated[Uint32, Field(description="Number from 1, as the contracts count")]
Revision = Annotated[Uint32, Field(description="Revision, from 0; each later one replaces or corrects the one before")]
Version = Annotated[PositiveInt, Field(description="Version, from 1; each begins later than the one before")]

ParticipantKind = Literal["household", "retailer", "dso", "tax"]
"""A household trades at its point, a retailer at the transformer; dso and tax only receive money."""

MarketKind = Literal["auction", "bilateral", "flexibility"]
"""How a market trades; only auctions exist so far."""

EndedTerm = Literal["agreement", "participation", "meter"]
"""What ends: a supply agreement, a household's part and place at its point, a meter at its point."""

EndedTermName = Annotated[EndedTerm, Path(description="What ends: agreement, participation or meter")]

MarketName = Annotated[Code, Path(description="A market by its code, with its slash as it is, or by its 0x id")]
AreaName = Annotated[Code, Path(description="An area by its code")]
SessionGate = Annotated[
    int, Path(ge=0, le=SECONDS_LAST, description="A session of the market by its gate, unix seconds")
]
PeriodNumber = Annotated[int, Path(ge=0, le=2**32 - 1, description="Number of a period of the area, from 1")]
RevisionNumber = Annotated[int, Path(ge=0, le=2**32 - 1, description="Revision of the settlement, from 0")]
OrderKeyName = Annotated[Address, Path(description="Address of an order key")]
AccountName = Annotated[Address, Path(description="Address of an account")]
CodeName = Annotated[Code, Path(description="The code it was registered under")]
MtuNumber = Annotated[int, Path(ge=0, le=MTU_LAST, description="MTU: unix seconds // 900")]
VersionNumber = Annotated[int, Path(ge=1, le=2**31 - 1, description="Version, from 1")]
SequenceNumber = Annotated[int, Path(ge=1, le=MAX_SAFE_INTEGER, description="Place in the journal, from 1")]
Reference = Annotated[Bytes32, Path(description="The payment's reference")]
OrderId = Annotated[Bytes16, Path(description="Order id, 16 bytes of 0x hex, as its device made it")]

MandateTag = Annotated[Bytes16, Path(description="Tag of a mandate, as its receipt names it")]

AreaQuery = Annotated[Code, Query(description="An area by its code")]
AreaFilter = Annotated[Code | None, Query(description="Only of this area, given by its code")]
