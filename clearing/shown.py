"""A program as the API shows it to the DSO, read into typed values: what the DSO's own client looks at."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from domain.errors import DominoesError, OutOfRange
from domain.facts.programs import EarlierPosition, ProgramRules
from domain.hashing import from_hex
from domain.words import OrderWord

MISMATCHES_NAMED = 5
"""Mismatches named in an error's text; its attribute holds all."""

TEXT_LONGEST = 80
"""Characters of a value that a mismatch tells."""


@dataclass(frozen=True, slots=True)
class Mismatch:
    """Something shown that is not what its content, or what the DSO knows by itself, gives."""

    what: str
    due: str
    shown: str

    def __str__(self) -> str:
        return f"{self.what}: due is {self.due}, shown is {self.shown}"

    @classmethod
    def of(cls, what: str, due: object, shown: object) -> list[Mismatch]:
        """The one mismatch there is, or none."""
        return [] if due == shown else [cls(what, _short(due), _short(shown))]


def _short(value: object) -> str:
    text = f"0x{value.hex()}" if isinstance(value, bytes) else str(value)
    return text if len(text) <= TEXT_LONGEST else f"{text[: TEXT_LONGEST - 3]}…"


class ProgramDiffers(DominoesError):
    """What would be signed is not what is shown: nothing was signed."""

    code = "program-differs"

    def __init__(self, *, mismatches: Sequence[Mismatch]) -> None:
        self.mismatches = tuple(mismatches)
        named = "; ".join(map(str, self.mismatches[:MISMATCHES_NAMED]))
        more = len(self.mismatches) - MISMATCHES_NAMED
        rest = f"; and {more} more" if more > 0 else ""
        super().__init__(f"nothing was signed: {named}{rest}; refuse the program, and ask the operator for its books")


@dataclass(frozen=True, slots=True)
class ShownMtu:
    """The result of one MTU: complete words, price (None without a trade), hash."""

    mtu: int
    price_neur_per_wh: int | None
    words: tuple[OrderWord, ...]
    result_hash: bytes
    given_up: bool

    @classmethod
    def read(cls, result: Mapping[str, Any]) -> ShownMtu:
        """From its JSON object."""
        return cls(
            mtu=result["mtu"],
            price_neur_per_wh=result["price_neur_per_wh"],
            words=tuple(OrderWord.unpack(int(text, 16)) for text in result["words"]),
            result_hash=from_hex(result["result_hash"]),
            given_up=result["given_up"],
        )


@dataclass(frozen=True, slots=True)
class ShownProgram:
    """The answer of `GET /v1/dso/programs/{market}/{program}`, without what is only for reading.

    `report` and `envelopes` stay the JSON values whose hashes are signed; `schedules` by point code (Wh, + = import).
    """

    market: str
    first_mtu: int
    count: int
    results: tuple[ShownMtu, ...]
    results_root: bytes
    report: Mapping[str, Any]
    report_hash: bytes
    grid_model_hash: bytes
    envelopes: Sequence[Mapping[str, Any]]
    schedules: Mapping[str, Sequence[int]]
    earlier: tuple[EarlierPosition, ...]
    rules: ProgramRules
    deadline: int
    digest: bytes

    @classmethod
    def read(cls, answer: Mapping[str, Any]) -> ShownProgram:
        """From the answer. Raises ProgramDiffers where it is not of that form."""
        try:
            return cls(
                market=answer["market"],
                first_mtu=answer["first_mtu"],
                count=answer["count"],
                results=tuple(ShownMtu.read(result) for result in answer["results"]),
                results_root=from_hex(answer["results_root"]),
                report=answer["report"],
                report_hash=from_hex(answer["report_hash"]),
                grid_model_hash=from_hex(answer["grid_model_hash"]),
                envelopes=answer["envelopes"],
                schedules=answer["schedules"],
                earlier=tuple(EarlierPosition(**item) for item in answer["earlier"]),
                rules=ProgramRules(**answer["rules"]),
                deadline=answer["deadline"],
                digest=from_hex(answer["to_sign"]["digest"]),
            )
        except (LookupError, TypeError, ValueError, OutOfRange) as error:
            raise not_of_the_form(error) from error


@dataclass(frozen=True, slots=True)
class ShownRefusal:
    """What a refusal is signed over, of the same answer: it is given whatever is wrong with the program."""

    first_mtu: int
    count: int
    results_root: bytes
    digest: bytes

    @classmethod
    def read(cls, answer: Mapping[str, Any]) -> ShownRefusal:
        """From the answer. Raises ProgramDiffers where it is not of that form."""
        try:
            return cls(
                first_mtu=answer["first_mtu"],
                count=answer["count"],
                results_root=from_hex(answer["results_root"]),
                digest=from_hex(answer["to_refuse"]["digest"]),
            )
        except (LookupError, TypeError, ValueError) as error:
            raise not_of_the_form(error) from error


@dataclass(frozen=True, slots=True)
class ShownOrder:
    """An order of the program's books with the connection point it acts at (None: at the transformer)."""

    mtu: int
    word: OrderWord
    point: str | None

    @classmethod
    def read_all(cls, items: Iterable[Mapping[str, Any]]) -> list[ShownOrder]:
        """From the answer of `…/{program}/orders`. Raises ProgramDiffers where it is not of that form."""
        try:
            return [cls(item["mtu"], OrderWord.unpack(int(item["word"], 16)), item["point"]) for item in items]
        except (LookupError, TypeError, ValueError, OutOfRange) as error:
            raise not_of_the_form(error) from error


def not_of_the_form(error: Exception) -> ProgramDiffers:
    """What is said of an answer that can't be read."""
    return ProgramDiffers(mismatches=[Mismatch("form of the program", "as documented", repr(error))])
