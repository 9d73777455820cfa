"""What all facts have in common: a kind, strict reading, writing, and the key that a fact's members give it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar, Self, TypeVar, dataclass_transform

from pydantic import ConfigDict, TypeAdapter, ValidationError
from pydantic_core import ArgsKwargs

from domain.errors import DominoesError
from domain.hashing import sorted_json
from domain.members import first_fault


class UnknownKind(DominoesError):
    """No fact of this kind exists."""

    status = 500
    code = "unknown-kind"

    def __init__(self, *, kind: str) -> None:
        self.kind = kind
        super().__init__(f"there is no fact of kind {kind}; read this journal with the version that wrote it")


class FactMalformed(DominoesError):
    """A fact or payload is not that of its kind: a member is missing, unknown, of another type or out of its bounds."""

    status = 500
    code = "fact-malformed"

    def __init__(self, *, kind: str, member: str, reason: str) -> None:
        self.kind, self.member, self.reason = kind, member, reason
        super().__init__(f"a fact of kind {kind} is malformed at {member}: {reason}; see docs/facts.md for its form")

    @classmethod
    def of(cls, kind: str, error: ValidationError, *, within: str | None = None) -> Self:
        """What pydantic found first; `within` is the member that is all of the payload."""
        place, reason = first_fault(error)
        if place[:1] == [within]:
            del place[0]
        return cls(kind=kind, member=".".join(place) or "its whole", reason=reason)


@dataclass(frozen=True, init=False)
class Fact:
    """Something that happened, as the journal keeps it. One subclass per kind, made by `@fact`, known by its KIND.

    Members are typed, checked when the fact is made, and never change: a fact that exists can be written, and reads
    back as the same fact. (What stands in a document is checked when it is written.) The payload is the JSON object of
    the members, or, where FLAT names the one member that is all of the fact, the JSON object of that member.
    """

    KIND: ClassVar[str] = ""
    FLAT: ClassVar[str | None] = None
    __pydantic_config__: ClassVar[ConfigDict] = ConfigDict(extra="forbid", strict=True, revalidate_instances="always")

    def __init__(self, *members: Any, **named: Any) -> None:
        """Raises FactMalformed, naming the kind and the member."""
        try:
            _adapter(type(self)).validator.validate_python(ArgsKwargs(members, named), self_instance=self)
        except ValidationError as error:
            raise FactMalformed.of(self.KIND, error) from error

    def __init_subclass__(cls) -> None:
        if cls.KIND in FACTS:
            raise TypeError(f"kind {cls.KIND} has a class already: {FACTS[cls.KIND].__name__}")
        FACTS[cls.KIND] = cls

    @property
    def journal_key(self) -> str | None:
        """The journal key that the members give: the same fact again is known by it. None where it may come again."""
        return None

    @classmethod
    def read(cls, payload: str | bytes) -> Self:
        """The fact of a payload (JSON text). Raises FactMalformed, naming the kind and the member."""
        text = payload.encode() if isinstance(payload, str) else payload
        try:
            value: Self = _adapter(cls).validator.validate_json(
                text if cls.FLAT is None else b'{"%b":%b}' % (cls.FLAT.encode(), text)
            )
        except ValidationError as error:
            raise FactMalformed.of(cls.KIND, error, within=cls.FLAT) from error
        return value

    def payload(self) -> dict[str, Any]:
        """The payload as a JSON object."""
        written: dict[str, Any] = _adapter(type(self)).serializer.to_python(self, mode="json")
        return written if self.FLAT is None else written[self.FLAT]

    def text(self) -> bytes:
        """The payload as the journal keeps it, canonical JSON. Raises NotCanonical for what stands in a document."""
        return sorted_json(self.payload())


_Kind = TypeVar("_Kind", bound=Fact)


@dataclass_transform(frozen_default=True)
def fact(cls: type[_Kind]) -> type[_Kind]:
    """Make a kind of facts of a class: frozen, its members checked by `Fact` whenever one is made."""
    return dataclass(frozen=True, init=False)(cls)


FACTS: dict[str, type[Fact]] = {}
"""Every class of facts by its kind."""


_ADAPTERS: dict[str, TypeAdapter[Any]] = {}


def _adapter(cls: type[Fact]) -> TypeAdapter[Any]:
    """What reads and writes a class, made when it is first needed."""
    adapter = _ADAPTERS.get(cls.KIND)
    if adapter is None:
        adapter = _ADAPTERS[cls.KIND] = TypeAdapter(cls)
    return adapter


def read_fact(kind: str, payload: str | bytes) -> Fact:
    """The fact of a kind with this payload (JSON text). Raises UnknownKind, FactMalformed."""
    cls = FACTS.get(kind)
    if cls is None:
        raise UnknownKind(kind=kind)
    return cls.read(payload)
