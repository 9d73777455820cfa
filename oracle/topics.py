"""MQTT topics (docs/protocol.md section 4): who publishes where."""

from __future__ import annotations

import re
from dataclasses import dataclass

from domain.errors import DominoesError

ROOT = "lem/v1"
"""First levels of every topic: the local energy market, version 1."""

_SAFE = re.compile(r"[A-Za-z0-9._:-]{1,64}")


class UnsafeCode(DominoesError):
    """A code cannot stand in a topic: it would change which topic is meant."""

    code = "unsafe-code"

    def __init__(self, *, text: str) -> None:
        self.text = text
        super().__init__(f"{text!r} cannot be part of a topic; use 1 to 64 letters, digits, '.', '_', ':' or '-'")


def check_code(text: str) -> str:
    """Return a code that is safe as a topic level and as a certificate's common name, else raise UnsafeCode."""
    if not _SAFE.fullmatch(text):
        raise UnsafeCode(text=text)
    return text


def area_level(area: str) -> str:
    """The topic level of an area code. Raises UnsafeCode."""
    return check_code(area.replace("/", "."))


@dataclass(frozen=True, slots=True)
class Topics:
    """The topics of one area."""

    area: str

    @property
    def base(self) -> str:
        """Common beginning of the area's topics."""
        return f"{ROOT}/{area_level(self.area)}"

    def reading(self, meter_code: str) -> str:
        """Where a meter publishes its messages; '+' for all meters."""
        return f"{self.base}/meter/{meter_code}/reading"

    def receipt(self, meter_code: str, attester: str) -> str:
        """Where an attester tells a meter what it has stored."""
        return f"{self.base}/meter/{meter_code}/receipt/{attester}"

    def request(self, meter_code: str, attester: str) -> str:
        """Where an attester asks a meter for what it misses."""
        return f"{self.base}/meter/{meter_code}/request/{attester}"

    def attest(self, attester: str, kind: str) -> str:
        """Where an attester speaks to the others; '+' for any."""
        return f"{self.base}/attest/{attester}/{kind}"
