"""A program as the API shows it to the DSO, read into typed values: what the DSO's own client looks at.

Of the answer itself members that are not known are left out, as of every answer (docs/api.md); what of it is signed is
read like a settlement's package: a member that is missing, unknown or of another type refuses all of it.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields
from typing import Annotated, ClassVar, TypeVar

from pydantic import ConfigDict, PlainSerializer, PlainValidator, ValidationError

from clearing.shown_report import ShownReport
from domain.errors import DominoesError, OutOfRange
from domain.facts import PointEnvelope, ProgramRules
from domain.facts.programs import EarlierPosition, Schedules, check_int32
from domain.members import Code, Hash, Mask, Mtu, PriceNeurPerWh, Seconds, Session, Uint32, first_fault, noun_of
from domain.strictness import hex_bytes
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


def _read_word(value: object) -> OrderWord:
    try:
        word = OrderWord.unpack(int.from_bytes(hex_bytes(value, length=32), "big"))
        word.pack()  # refuses what a word can hold and an order can't
    except OutOfRange as error:
        raise ValueError(str(error)) from error
    return word


ShownWord = Annotated[OrderWord, PlainValidator(_read_word), PlainSerializer(lambda word: f"0x{word.pack():064x}")]
"""An order word, taken apart."""

STRICT = ConfigDict(extra="forbid", strict=True)


@dataclass(frozen=True, slots=True)
class ShownMtu:
    """The result of one MTU: complete words, price (None without a trade), hash. `starts` is for people."""

    mtu: Mtu
    starts: str
    price_neur_per_wh: PriceNeurPerWh | None
    words: tuple[ShownWord, ...]
    result_hash: Hash
    given_up: bool


@dataclass(frozen=True, slots=True)
class ShownProgram:
    """The answer of `GET /v1/dso/programs/{market}/{session}`, without what is only for reading.

    `schedules` are in Wh, + = import; `digest` is what the operator says that the signature is over.
    """

    __pydantic_config__: ClassVar[ConfigDict] = STRICT

    market: Code
    session: Session
    first_mtu: Mtu
    count: Uint32
    results: tuple[ShownMtu, ...]
    books_root: Hash
    results_root: Hash
    emptied_mask: Mask
    report: ShownReport
    report_hash: Hash
    grid_model_hash: Hash
    envelopes: tuple[PointEnvelope, ...]
    schedules: Schedules
    earlier: tuple[EarlierPosition, ...]
    rules: ProgramRules
    deadline: Seconds
    digest: Hash

    def __post_init__(self) -> None:
        if any(len(item.net_wh) != self.count for item in self.schedules):
            raise ValueError("a schedule has not one value for each MTU")
        check_int32(self.schedules)

    @classmethod
    def read(cls, answer: object) -> ShownProgram:
        """From the answer. Raises ProgramDiffers where it is not of that form."""
        return _read(cls, answer, digest_of="to_sign")

    @property
    def schedule_of(self) -> dict[str, tuple[int, ...]]:
        """Net Wh per MTU by point code."""
        return {item.point: item.net_wh for item in self.schedules}


@dataclass(frozen=True, slots=True)
class ShownRefusal:
    """What a refusal is signed over, of the same answer: it is given whatever else is wrong with the program."""

    __pydantic_config__: ClassVar[ConfigDict] = STRICT

    first_mtu: Mtu
    count: Uint32
    results_root: Hash
    digest: Hash

    @classmethod
    def read(cls, answer: object) -> ShownRefusal:
        """From the answer. Raises ProgramDiffers where it is not of that form."""
        return _read(cls, answer, digest_of="to_refuse")


@dataclass(frozen=True, slots=True)
class ShownOrder:
    """An order of the program's books with the connection point it acts at (None: at the transformer)."""

    __pydantic_config__: ClassVar[ConfigDict] = STRICT

    mtu: Mtu
    word: ShownWord
    point: Code | None

    @classmethod
    def read_all(cls, answer: object) -> list[ShownOrder]:
        """From the answer of `…/{session}/orders`. Raises ProgramDiffers where it is not of that form."""
        items = answer.get("items") if isinstance(answer, Mapping) else None
        if not isinstance(items, list):
            raise _not_of_the_form("items", "an array of orders is expected")
        return [_strictly(cls, item, at=f"orders.{at}") for at, item in enumerate(items)]


_T = TypeVar("_T")


def _read(cls: type[_T], answer: object, *, digest_of: str) -> _T:
    """The members that the class names, and the digest of the typed data of this name."""
    if not isinstance(answer, Mapping):
        raise _not_of_the_form("its whole", "an object is expected")
    names = {item.name for item in fields(cls)}  # type: ignore[arg-type]
    known = {name: value for name, value in answer.items() if name in names}
    typed_data = answer.get(digest_of)
    if not isinstance(typed_data, Mapping) or "digest" not in typed_data:
        raise _not_of_the_form(f"{digest_of}.digest", "it is missing")
    return _strictly(cls, known | {"digest": typed_data["digest"]}, at="")


def _strictly(cls: type[_T], value: object, *, at: str) -> _T:
    try:
        return noun_of(cls, json.dumps(value))
    except ValidationError as error:
        place, reason = first_fault(error)
        raise _not_of_the_form(".".join(filter(None, [at, *place])) or "its whole", reason) from error


def _not_of_the_form(place: str, reason: str) -> ProgramDiffers:
    return ProgramDiffers(mismatches=[Mismatch("form of the program", "as documented", f"{place}: {reason}")])
