"""Strict reading of what others send.

Nothing of the wrong type, or beyond the range of a shape or a database, goes on.
"""

from __future__ import annotations

from typing import Any

from domain.errors import DominoesError
from domain.hashing import to_hex

UINT32_MAX = 2**32 - 1
"""Highest MTU, sequence, revision, count or period number (docs/protocol.md)."""


class WrongBytes(DominoesError):
    """Something is not the bytes, of the one length, that its field holds."""

    code = "wrong-bytes"
    remedy = "Give as many bytes as `detail` names."

    def __init__(self, *, field: str, value: object, length: int) -> None:
        self.field, self.value, self.length = field, value, length
        super().__init__(f"{field} is {value!r}; give {length} bytes")


def check_bytes(*, field: str, value: object, length: int) -> None:
    """Raises WrongBytes unless the value is bytes of this length."""
    if type(value) is not bytes or len(value) != length:
        raise WrongBytes(field=field, value=value, length=length)


class Unreadable(DominoesError):
    """What somebody sent does not have the form of the protocol; it changes nothing."""

    code = "message-unreadable"

    def __init__(self, *, what: str, reason: str) -> None:
        self.what, self.reason = what, reason
        super().__init__(f"{what} can't be read: {reason}; send the form of docs/protocol.md")


def whole(value: Any, *, lowest: int = 0, highest: int = UINT32_MAX) -> int:
    """The value where it is a whole number in the range. Raises ValueError."""
    if type(value) is not int or not lowest <= value <= highest:
        raise ValueError(f"not a whole number from {lowest} to {highest}")
    return value


def text(value: Any) -> str:
    """The value where it is text. Raises ValueError."""
    if not isinstance(value, str):
        raise ValueError("not text")
    return value


def hex_bytes(value: Any, *, length: int | None = None) -> bytes:
    """The bytes of lower-case 0x hex, of this length unless None. Raises ValueError."""
    if isinstance(value, str) and (length is None or len(value) == 2 + 2 * length):
        data = bytes.fromhex(value[2:])
        if to_hex(data) == value:
            return data
    raise ValueError(f"expected {'bytes' if length is None else f'{length} bytes'} as lower-case 0x hex")


def decimal(value: Any) -> int:
    """The whole number that a decimal text says, in its one spelling. Raises ValueError."""
    if isinstance(value, str) and value.removeprefix("-").isdecimal() and str(int(value)) == value:
        return int(value)
    raise ValueError("expected a whole number as decimal text")


def natural(value: Any) -> int:
    """As `decimal`, from 0. Raises ValueError."""
    number = decimal(value)
    if number < 0:
        raise ValueError("expected a whole number from 0 as decimal text")
    return number
