"""What nouns and facts are made of: each type with its unit or length, and how it is written as JSON.

They are the plain types of their values (`int`, `str`, `bytes`), with the bounds that hold for a member of a fact
however it was made, and the form in which it is read. Bytes are lower-case 0x hex, money a decimal string, everything
else a number or text.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from functools import partial
from typing import Annotated, Any, TypeVar

from pydantic import Field, GetCoreSchemaHandler, PlainSerializer, PlainValidator, TypeAdapter, ValidationError
from pydantic_core import CoreSchema, core_schema

from domain.hashing import MAX_SAFE_INTEGER, check_canonical, to_hex
from domain.strictness import UINT32_MAX, decimal, hex_bytes, natural

CODE_LENGTH_MAX = 100
"""Longest code of an area, market, point, meter, participant, tariff or agreement."""


@dataclass(frozen=True, slots=True)
class Says:
    """What the documents say of a type: its unit, length or form."""

    text: str


@dataclass(frozen=True, slots=True)
class ReadBy:
    """How a value is read from JSON, where that takes a function; it alone answers for the form.

    A value that Python code gives is held to the annotated type and its bounds, without any conversion.
    """

    read: Callable[[object], Any]

    def __get_pydantic_core_schema__(self, source: Any, handler: GetCoreSchemaHandler) -> CoreSchema:
        """What pydantic asks for."""
        return core_schema.json_or_python_schema(
            json_schema=core_schema.no_info_plain_validator_function(self.read), python_schema=handler(source)
        )


@dataclass(frozen=True, slots=True)
class HexOf:
    """So many bytes, read from and written as lower-case 0x hex."""

    length: int

    def __get_pydantic_core_schema__(self, source: Any, handler: GetCoreSchemaHandler) -> CoreSchema:
        """What pydantic asks for."""
        return core_schema.json_or_python_schema(
            json_schema=core_schema.no_info_plain_validator_function(partial(hex_bytes, length=self.length)),
            python_schema=core_schema.bytes_schema(min_length=self.length, max_length=self.length, strict=True),
            serialization=core_schema.plain_serializer_function_ser_schema(to_hex),
        )


def is_written_as(value: Mapping[str, Any], written: Mapping[str, Any]) -> bool:
    """Whether a flat JSON object has exactly these members, each written the same way: 1 is neither true nor 1.0."""
    return value == written and all(type(item) is type(value[name]) for name, item in written.items())


def _read_word(value: object) -> int:
    return int.from_bytes(hex_bytes(value, length=32), "big")


def _write_word(value: int) -> str:
    return f"0x{value:064x}"


def _read_mask(value: object) -> int:
    return int.from_bytes(hex_bytes(value, length=16), "big")


def _write_mask(value: int) -> str:
    return f"0x{value:032x}"


Code = Annotated[str, Field(min_length=1, max_length=CODE_LENGTH_MAX), Says("code")]
"""A name that people gave: of an area, market, point, meter, participant, tariff or agreement."""

Address = Annotated[str, Field(pattern="^0x[0-9a-f]{40}$"), Says("address")]
"""An account or key on chain: 20 bytes as lower-case 0x hex, as views and the API carry it too."""

Bytes = Annotated[bytes, ReadBy(hex_bytes), PlainSerializer(to_hex), Says("bytes")]
"""Bytes of any length."""

Hash = Annotated[bytes, HexOf(32), Says("32 bytes")]
"""A hash, root, salt or id of 32 bytes."""

Tag = Annotated[bytes, HexOf(16), Says("16 bytes")]
"""What an order is known by in its book."""

OrderId = Annotated[bytes, HexOf(16), Says("16 bytes")]
"""The id that a device gave its order."""

Signature = Annotated[bytes, HexOf(65), Says("65 bytes")]
"""A secp256k1 signature r || s || v."""

Word = Annotated[int, Field(ge=0, lt=2**256), ReadBy(_read_word), PlainSerializer(_write_word), Says("word, 32 bytes")]
"""A word of the chain: an order in its book, or an account's amount in a settlement."""

Mask = Annotated[int, Field(ge=0, lt=2**128), ReadBy(_read_mask), PlainSerializer(_write_mask), Says("mask, 16 bytes")]
"""MTUs of a session: bit i stands for its first MTU + i."""

Natural = Annotated[int, Field(ge=0, le=MAX_SAFE_INTEGER), Says("whole number")]
"""A whole number from 0, without a unit: a count, version, revision, nonce or sequence."""

Number = Annotated[int, Field(ge=1, le=MAX_SAFE_INTEGER), Says("number from 1")]
"""The number of a period, as the contracts count them."""

Uint32 = Annotated[int, Field(ge=0, le=UINT32_MAX), Says("whole number")]
"""A whole number from 0, without a unit, that the contracts keep as uint32."""

RuleVersion = Annotated[int, Field(ge=1, le=MAX_SAFE_INTEGER), Says("version of a rule")]
"""Which version of a rule made a fact (`domain.rules`)."""

Mtu = Annotated[int, Field(ge=0, le=UINT32_MAX), Says("MTU")]
"""A market time unit: unix seconds // 900."""

Session = Annotated[int, Field(ge=0, le=MAX_SAFE_INTEGER), Says("session: its gate, unix s")]
"""A session of a market, named by its gate: market time in unix seconds."""

Seconds = Annotated[int, Field(ge=0, le=MAX_SAFE_INTEGER), Says("s")]
"""A duration, or a market time in unix seconds."""

EnergyWh = Annotated[int, Field(ge=-MAX_SAFE_INTEGER, le=MAX_SAFE_INTEGER), Says("Wh")]
"""An energy; of a net value + is import, - export."""

MeteredWh = Annotated[int, Field(ge=0, le=MAX_SAFE_INTEGER), Says("Wh, never negative")]
"""Energy that flowed in one direction."""

LotWh = Annotated[int, Field(ge=1, le=MAX_SAFE_INTEGER), Says("Wh, above 0")]
"""The energy of one lot."""

PowerW = Annotated[int, Field(ge=0, le=MAX_SAFE_INTEGER), Says("W")]
"""A power, never negative."""

PriceNeurPerWh = Annotated[int, Field(ge=-(2**31), le=2**31 - 1), Says("nEUR/Wh")]
"""A price; its sign is told where it stands."""

BasisPoints = Annotated[int, Field(ge=0, le=10_000), Says("basis points")]
"""A share in ten-thousandths."""

AmountNeur = Annotated[int, ReadBy(decimal), PlainSerializer(str), Says("nEUR, decimal text")]
"""Money; its sign is told where it stands."""

BigNatural = Annotated[int, Field(ge=0), ReadBy(natural), PlainSerializer(str), Says("decimal text")]
"""A whole number from 0 that may exceed 2^53."""


@dataclass(frozen=True, slots=True)
class JsonDocument:
    """A document whose form is told elsewhere than in the facts, above `domain`: it is kept as the JSON it came in.

    The grid model (`grid`), the power-flow report (`grid`), the arguments of a call or event (the contracts' ABI). Two
    are equal where their JSON is.
    """

    value: Mapping[str, Any]

    def __getitem__(self, name: str) -> Any:
        return self.value[name]

    def __contains__(self, name: object) -> bool:
        return name in self.value


def _read_document(value: object) -> JsonDocument:
    if isinstance(value, JsonDocument):
        return value
    if not isinstance(value, Mapping):
        raise ValueError("expected a JSON object")
    return JsonDocument(value)


def _write_document(document: JsonDocument) -> Mapping[str, Any]:
    check_canonical(document.value)
    return document.value


Document = Annotated[
    JsonDocument,
    PlainValidator(_read_document),
    PlainSerializer(_write_document),
    Says("JSON object"),
]
"""A JsonDocument as a member."""


_ADAPTERS: dict[type[Any], TypeAdapter[Any]] = {}

_Noun = TypeVar("_Noun")


def _adapter(cls: type[Any]) -> TypeAdapter[Any]:
    adapter = _ADAPTERS.get(cls)
    if adapter is None:
        adapter = _ADAPTERS[cls] = TypeAdapter(cls)
    return adapter


def noun_json(noun: Any, *, exclude: Collection[str] = ()) -> dict[str, Any]:
    """The JSON object of a frozen class whose members are of these types, without those excluded."""
    written: dict[str, Any] = _adapter(type(noun)).dump_python(noun, mode="json", exclude=set(exclude))
    return written


def noun_of(cls: type[_Noun], text: str | bytes) -> _Noun:
    """The other way round, from JSON text. Raises ValueError (pydantic's ValidationError)."""
    noun: _Noun = _adapter(cls).validate_json(text)
    return noun


def noun_read(cls: type[_Noun], value: Mapping[str, Any]) -> _Noun:
    """The other way round, from a JSON object. Raises ValueError (pydantic's ValidationError)."""
    return noun_of(cls, json.dumps(value))


def first_fault(error: ValidationError) -> tuple[list[str], str]:
    """Where the first fault of a strict reading stands, member by member from the outside in, and what it is."""
    first = error.errors(include_url=False, include_context=False, include_input=False)[0]
    return [str(part) for part in first["loc"]], first["msg"]
