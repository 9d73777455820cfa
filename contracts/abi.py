"""ABI coding by name: calls from JSON-like arguments, events, results and custom errors as named values.

Values cross this border in JSON form: bytes and addresses as lower-case 0x hex, integers beyond 2^53 as decimal text,
structs as arrays on the way in and as objects on the way out.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from eth_abi.abi import decode, encode
from eth_abi.exceptions import DecodingError, EncodingError

from domain.errors import DominoesError
from domain.hashing import MAX_SAFE_INTEGER, from_hex, keccak, to_hex

Entry = Mapping[str, Any]
"""One entry of a contract's ABI."""


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


def type_of(parameter: Entry) -> str:
    """Canonical type of a parameter: structs written out as tuples."""
    kind = str(parameter["type"])
    if not kind.startswith("tuple"):
        return kind
    inner = ",".join(type_of(component) for component in parameter["components"])
    return f"({inner}){kind[len('tuple') :]}"


def signature_of(entry: Entry) -> str:
    """`name(type,…)` of a function, event or error."""
    return f"{entry['name']}({','.join(type_of(parameter) for parameter in entry['inputs'])})"


def _element(parameter: Entry) -> Entry:
    return {**parameter, "type": str(parameter["type"]).rsplit("[", 1)[0]}


def _encodable(parameter: Entry, value: Any) -> Any:
    kind = str(parameter["type"])
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


def _plain(parameter: Entry, value: Any) -> Any:
    kind = str(parameter["type"])
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

    def __init__(self, *, contract: str, entries: Sequence[Entry]) -> None:
        self.contract = contract
        self.entries = tuple(entries)
        self._functions = {entry["name"]: entry for entry in entries if entry["type"] == "function"}
        self._events = {_topic(entry): entry for entry in entries if entry["type"] == "event"}
        self._errors = {_topic(entry)[:4]: entry for entry in entries if entry["type"] == "error"}
        self.constructor: Entry = next((entry for entry in entries if entry["type"] == "constructor"), {"inputs": []})

    @property
    def functions(self) -> Mapping[str, Entry]:
        """Functions by name; names are not overloaded."""
        return self._functions

    def function(self, name: str) -> Entry:
        """The ABI entry of a function. Raises AbiUnknown."""
        try:
            return self._functions[name]
        except KeyError:
            raise AbiUnknown(contract=self.contract, name=name) from None

    def encode_call(self, name: str, args: Sequence[Any]) -> bytes:
        """Calldata of a call. Raises AbiUnknown or ArgumentsInvalid."""
        entry = self.function(name)
        return _topic(entry)[:4] + self._encode(f"{self.contract}.{name}", entry["inputs"], args)

    def encode_constructor(self, args: Sequence[Any]) -> bytes:
        """Bytes to append to the creation code. Raises ArgumentsInvalid."""
        return self._encode(f"{self.contract} constructor", self.constructor["inputs"], args)

    def _encode(self, label: str, inputs: Sequence[Entry], args: Sequence[Any]) -> bytes:
        if len(args) != len(inputs):
            raise ArgumentsInvalid(function=label, reason=f"{len(args)} given, {len(inputs)} wanted")
        try:
            values = [_encodable(parameter, value) for parameter, value in zip(inputs, args, strict=True)]
            return encode([type_of(parameter) for parameter in inputs], values)
        except (EncodingError, ValueError, TypeError, KeyError) as error:
            raise ArgumentsInvalid(function=label, reason=str(error)) from error

    def decode_result(self, name: str, data: bytes) -> dict[str, Any] | Any:
        """A call's answer: the value where there is one, an object by name (or position) where there are several."""
        outputs = self.function(name)["outputs"]
        try:
            values = decode([type_of(parameter) for parameter in outputs], data)
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
            decoded = decode([type_of(part) for part in others], data)
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
            values = decode([type_of(parameter) for parameter in entry["inputs"]], data[4:])
        except DecodingError:
            return str(entry["name"])
        named = (
            f"{part['name'] or at}={_plain(part, value)}"
            for at, (part, value) in enumerate(zip(entry["inputs"], values, strict=True))
        )
        return f"{entry['name']}({', '.join(named)})"


def _topic(entry: Entry) -> bytes:
    return keccak(signature_of(entry).encode("ascii"))


def _topic_value(parameter: Entry, topic: bytes) -> Any:
    kind = type_of(parameter)
    if kind in ("string", "bytes") or kind.endswith("]") or kind.startswith("("):
        return to_hex(topic)
    return _plain(parameter, decode([kind], topic)[0])
