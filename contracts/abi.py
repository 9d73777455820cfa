"""ABI coding by name, on web3's codec: calls from JSON-like arguments, events, results and custom errors as values.

Values cross this border in JSON form: bytes and addresses as lower-case 0x hex, integers beyond 2^53 as decimal text,
structs as arrays on the way in and as objects on the way out. So facts of the journal hold what the chain was asked and
what it said. web3's own `Contract.encode_abi` wants Python's types and checksummed addresses, and takes ten times as
long for a full page of a book (0.23 s for 2,048 words); signatures, selectors, topics and the bytes are web3's.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, cast

from eth_abi.codec import ABICodec
from eth_abi.decoding import StringDecoder
from eth_abi.encoding import TextStringEncoder
from eth_abi.exceptions import DecodingError, EncodingError
from eth_typing import ABI, ABIComponent, ABIConstructor, ABIFunction
from web3._utils.abi import build_strict_registry
from web3.utils import (
    collapse_if_tuple,
    event_abi_to_log_topic,
    filter_abi_by_type,
    function_abi_to_4byte_selector,
    get_abi_input_types,
    get_abi_output_types,
)

from domain.errors import DominoesError
from domain.hashing import MAX_SAFE_INTEGER, from_hex, to_hex

_TYPES = build_strict_registry()
_TYPES.unregister("string")
_TEXT = StringDecoder(handle_string_errors="replace")  # type: ignore[no-untyped-call]
_TYPES.register("string", TextStringEncoder, _TEXT, label="string")

_CODEC = ABICodec(_TYPES)
"""web3's strict codec: bytes of another length than their type's are refused, not padded. Text that is not UTF-8 is
read nevertheless: contracts take any, and nobody's name for a contract may stop those who follow the chain."""


class AbiUnknown(DominoesError):
    """The contract has no function, event or error of this name."""

    code = "abi-unknown"

    def __init__(self, *, contract: str, name: str) -> None:
        self.contract, self.name = contract, name
        super().__init__(f"contract {contract} has no {name}; see its interface in contracts/src/interfaces")


class ArgumentsInvalid(DominoesError):
    """Arguments do not fit the function's parameters."""

    code = "arguments-invalid"

    def __init__(self, *, function: str, reason: str) -> None:
        self.function, self.reason = function, reason
        super().__init__(f"arguments of {function} refused: {reason}; give them in the order of the interface")


class AnswerInvalid(DominoesError):
    """A contract's answer can't be read as its interface says: the address holds other code, or none."""

    status = 502
    code = "contract-answer-invalid"

    def __init__(self, *, function: str, reason: str) -> None:
        self.function, self.reason = function, reason
        super().__init__(f"answer of {function} can't be read: {reason}; check contract addresses and code hashes")


def _element(parameter: ABIComponent) -> ABIComponent:
    return cast("ABIComponent", {**parameter, "type": parameter["type"].rsplit("[", 1)[0]})


def _encodable(parameter: ABIComponent, value: Any) -> Any:
    kind = parameter["type"]
    if kind.endswith("]"):
        return [_encodable(_element(parameter), item) for item in value]
    if kind == "tuple":
        parts = parameter["components"]
        items = [value[part["name"]] for part in parts] if isinstance(value, Mapping) else list(value)
        if len(items) != len(parts):
            raise ValueError(f"{len(items)} members instead of {len(parts)}")
        return tuple(_encodable(part, item) for part, item in zip(parts, items, strict=True))
    if kind.startswith(("uint", "int")):
        return int(value) if isinstance(value, str) else value
    if kind.startswith("bytes"):
        return from_hex(value) if isinstance(value, str) else value
    if kind == "address":
        return to_hex(value) if isinstance(value, bytes) else value
    return value


def _plain(parameter: ABIComponent, value: Any) -> Any:
    kind = parameter["type"]
    if kind.endswith("]"):
        return [_plain(_element(parameter), item) for item in value]
    if kind == "tuple":
        parts = parameter["components"]
        return {part["name"]: _plain(part, item) for part, item in zip(parts, value, strict=True)}
    if isinstance(value, bytes):
        return to_hex(value)
    if isinstance(value, int) and not isinstance(value, bool) and abs(value) > MAX_SAFE_INTEGER:
        return str(value)
    return value


@dataclass(frozen=True, slots=True)
class DecodedEvent:
    """An event by its name and named arguments in JSON form."""

    name: str
    args: dict[str, Any]


class Abi:
    """A contract's ABI, looked up by name, selector and topic."""

    def __init__(self, *, contract: str, entries: Sequence[Mapping[str, Any]]) -> None:
        self.contract = contract
        self.entries = cast("ABI", tuple(entries))
        functions, events = filter_abi_by_type("function", self.entries), filter_abi_by_type("event", self.entries)
        errors = filter_abi_by_type("error", self.entries)
        self._functions = {entry["name"]: entry for entry in functions}
        self._events = {event_abi_to_log_topic(entry): entry for entry in events}
        self._errors = {function_abi_to_4byte_selector(entry): entry for entry in errors}
        none: ABIConstructor = {"type": "constructor", "inputs": []}
        self.constructor = next(iter(filter_abi_by_type("constructor", self.entries)), none)

    def function(self, name: str) -> ABIFunction:
        """The ABI entry of a function. Raises AbiUnknown."""
        try:
            return self._functions[name]
        except KeyError:
            raise AbiUnknown(contract=self.contract, name=name) from None

    def topic_of(self, event: str) -> bytes:
        """The topic by which logs of an event are found. Raises AbiUnknown."""
        for topic, entry in self._events.items():
            if entry["name"] == event:
                return topic
        raise AbiUnknown(contract=self.contract, name=event)

    def encode_call(self, name: str, args: Sequence[Any]) -> bytes:
        """Calldata of a call. Raises AbiUnknown or ArgumentsInvalid."""
        entry = self.function(name)
        return function_abi_to_4byte_selector(entry) + self._encode(f"{self.contract}.{name}", entry, args)

    def encode_constructor(self, args: Sequence[Any]) -> bytes:
        """Bytes to append to the creation code. Raises ArgumentsInvalid."""
        return self._encode(f"{self.contract} constructor", self.constructor, args)

    def _encode(self, label: str, entry: ABIFunction | ABIConstructor, args: Sequence[Any]) -> bytes:
        inputs = entry["inputs"]
        if len(args) != len(inputs):
            raise ArgumentsInvalid(function=label, reason=f"{len(args)} given, {len(inputs)} wanted")
        try:
            values = [_encodable(parameter, value) for parameter, value in zip(inputs, args, strict=True)]
            return _CODEC.encode(get_abi_input_types(entry), values)
        except (EncodingError, ValueError, TypeError, KeyError) as error:
            raise ArgumentsInvalid(function=label, reason=str(error)) from error

    def decode_result(self, name: str, data: bytes) -> dict[str, Any] | Any:
        """A call's answer: the value where there is one, an object by name (or position) where there are several."""
        entry = self.function(name)
        outputs = entry["outputs"]
        try:
            values = _CODEC.decode(get_abi_output_types(entry), data)
        except DecodingError as error:
            raise AnswerInvalid(function=f"{self.contract}.{name}", reason=str(error)) from error
        plain = [_plain(parameter, value) for parameter, value in zip(outputs, values, strict=True)]
        if len(plain) == 1:
            return plain[0]
        return {
            parameter["name"] or str(at): value
            for at, (parameter, value) in enumerate(zip(outputs, plain, strict=True))
        }

    def decode_event(self, topics: Sequence[bytes], data: bytes) -> DecodedEvent | None:
        """The event a log stands for; None where the contract has no such event."""
        entry = self._events.get(topics[0]) if topics else None
        if entry is None:
            return None
        indexed = [parameter for parameter in entry["inputs"] if parameter["indexed"]]
        others = [parameter for parameter in entry["inputs"] if not parameter["indexed"]]
        try:
            values = {part["name"]: _topic_value(part, topic) for part, topic in zip(indexed, topics[1:], strict=True)}
            decoded = _CODEC.decode([collapse_if_tuple(part) for part in others], data)
        except (DecodingError, ValueError) as error:
            raise AnswerInvalid(function=f"{self.contract}.{entry['name']}", reason=str(error)) from error
        values |= {part["name"]: _plain(part, value) for part, value in zip(others, decoded, strict=True)}
        return DecodedEvent(name=entry["name"], args={part["name"]: values[part["name"]] for part in entry["inputs"]})

    def decode_error(self, data: bytes) -> str | None:
        """A custom error as `Name(argument=value, …)`; None where the contract has no such error."""
        entry = self._errors.get(data[:4])
        if entry is None:
            return None
        try:
            values = _CODEC.decode(get_abi_input_types(entry), data[4:])
        except DecodingError:
            return str(entry["name"])
        named = (
            f"{part['name'] or at}={_plain(part, value)}"
            for at, (part, value) in enumerate(zip(entry["inputs"], values, strict=True))
        )
        return f"{entry['name']}({', '.join(named)})"


def _topic_value(parameter: ABIComponent, topic: bytes) -> Any:
    kind = collapse_if_tuple(parameter)
    if kind in ("string", "bytes") or kind.endswith("]") or kind.startswith("("):
        return to_hex(topic)
    return _plain(parameter, _CODEC.decode([kind], topic)[0])
