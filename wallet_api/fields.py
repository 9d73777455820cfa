"""The types of fields in bodies and parameters: bytes as 0x hex, money as decimal text, codes as plain names."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field, StringConstraints

Address = Annotated[str, StringConstraints(pattern=r"^0x[0-9a-f]{40}$")]
"""20 bytes, lower-case 0x hex."""

Bytes32 = Annotated[str, StringConstraints(pattern=r"^0x[0-9a-f]{64}$")]
Bytes16 = Annotated[str, StringConstraints(pattern=r"^0x[0-9a-f]{32}$")]
Signature = Annotated[str, StringConstraints(pattern=r"^0x[0-9a-f]{130}$")]
"""65 bytes r, s, v."""

Code = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9][A-Za-z0-9 ._/:-]{0,99}$")]
"""A human-readable name: area, market, meter, metering point, participant, tariff."""

AmountNeur = Annotated[str, StringConstraints(pattern=r"^[1-9][0-9]{0,27}$")]
"""A positive amount of money in nEUR, as decimal text."""

CreditNeur = Annotated[str, StringConstraints(pattern=r"^(0|[1-9][0-9]{0,18})$")]
"""A credit limit in nEUR, as decimal text; 0 ends it."""

Text = Annotated[str, StringConstraints(min_length=1, max_length=500)]
"""Words for people."""

Nonce = Annotated[str, StringConstraints(max_length=500)]
"""What a login challenge was given as, opaque to its holder."""

LocalTime = Annotated[str, StringConstraints(pattern=r"^[0-9]{2}:[0-9]{2}$")]
"""Hour and minute of a local day, "HH:MM"."""

_NO_CONTROL = r"[^\x00-\x1f\x7f\u202a-\u202e\u2066-\u2069]"

QueryText = Annotated[str, StringConstraints(pattern=f"^{_NO_CONTROL}{{1,500}}$")]
"""Words for people in a parameter; as in bodies, without control and direction characters."""

Uint32 = Annotated[int, Field(ge=0, le=2**32 - 1)]
Uint53 = Annotated[int, Field(ge=0, le=2**53 - 1)]
Int32 = Annotated[int, Field(ge=-(2**31) + 1, le=2**31 - 1)]
PositiveInt = Annotated[int, Field(ge=1, le=2**32 - 1)]
