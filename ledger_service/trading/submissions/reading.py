"""Reading signed messages from JSON, strictly: what is not exactly the shape is refused with the member as sent."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from domain.members import CODE_LENGTH_MAX
from domain.signing import SIGNATURE_BYTES
from domain.units import check_range
from ledger_service.trading.errors import MalformedSubmission

UINT32_MAX = 2**32 - 1


@dataclass(frozen=True, slots=True)
class Message:
    """The members of a signed message: all of those that are signed, and no other."""

    members: Mapping[str, Any]

    @classmethod
    def of(cls, data: object, *names: str) -> Message:
        """From a JSON value. Raises MalformedSubmission naming the member."""
        if not isinstance(data, Mapping):
            raise MalformedSubmission(field="body", reason="must be a JSON object")
        wanted = set(names)
        for name in sorted(wanted - data.keys()):
            raise MalformedSubmission(field=name, reason="is missing")
        for extra in sorted(str(key) for key in data.keys() - wanted):
            raise MalformedSubmission(field=extra, reason="is not part of what is signed")
        return cls(data)

    def bytes_of(self, name: str, length: int) -> bytes:
        """`length` bytes of 0x hex. Raises MalformedSubmission."""
        return read_bytes(name, self.members[name], length)

    def whole(self, name: str, *, lowest: int, highest: int) -> int:
        """A whole number. Raises MalformedSubmission where it is none, OutOfRange where it is out of bounds."""
        return _whole(name, self.members[name], lowest=lowest, highest=highest)

    def wholes(self, name: str, *, most: int, lowest: int, highest: int) -> tuple[int, ...]:
        """A list of 1 to `most` whole numbers. Raises MalformedSubmission, OutOfRange."""
        values = self.members[name]
        if not isinstance(values, list) or not 1 <= len(values) <= most:
            raise MalformedSubmission(field=name, reason=f"must be a list of 1 to {most} whole numbers")
        return tuple(_whole(name, value, lowest=lowest, highest=highest) for value in values)

    def code(self, name: str, what: str) -> str:
        """A name that people gave. Raises MalformedSubmission."""
        return _code(name, self.members[name], what)

    def codes(self, name: str, what: str, *, least: int, most: int) -> tuple[str, ...]:
        """A list of `least` to `most` different names that people gave. Raises MalformedSubmission."""
        values = self.members[name]
        if not isinstance(values, list) or not least <= len(values) <= most:
            raise MalformedSubmission(field=name, reason=f"must be a list of {least} to {most} codes")
        found = tuple(_code(name, value, what) for value in values)
        if len(set(found)) != len(found):
            raise MalformedSubmission(field=name, reason="must name each only once")
        return found


def _whole(field: str, value: object, *, lowest: int, highest: int) -> int:
    if isinstance(value, bool) or not isinstance(value, int):
        raise MalformedSubmission(field=field, reason="must be a whole number")
    return check_range(field=field, value=value, lowest=lowest, highest=highest)


def _code(field: str, value: object, what: str) -> str:
    if not isinstance(value, str) or not value.isascii() or not 1 <= len(value) <= CODE_LENGTH_MAX:
        raise MalformedSubmission(field=field, reason=f"must be the code of a {what}")
    return value


def read_bytes(field: str, value: object, length: int) -> bytes:
    """`length` bytes of 0x hex. Raises MalformedSubmission."""
    if not isinstance(value, str) or len(value) != 2 + 2 * length or not value.startswith("0x"):
        raise MalformedSubmission(field=field, reason=f"must be {length} bytes as 0x hex")
    try:
        found = bytes.fromhex(value[2:])
    except ValueError as error:
        raise MalformedSubmission(field=field, reason=f"must be {length} bytes as 0x hex") from error
    if len(found) != length:  # bytes.fromhex skips white space
        raise MalformedSubmission(field=field, reason=f"must be {length} bytes as 0x hex")
    return found


def read_signature(value: object) -> bytes:
    """65 bytes of 0x hex. Raises MalformedSubmission."""
    return read_bytes("signature", value, SIGNATURE_BYTES)
