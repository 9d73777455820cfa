"""What all bindings share: calls and events as typed values, and reading at a named block."""

from __future__ import annotations

import types
import typing
from collections.abc import Hashable, Mapping, Sequence
from dataclasses import dataclass, fields, is_dataclass
from functools import cache
from typing import Any, ClassVar, Self

from contracts.artifacts import load_artifact
from contracts.naming import snake
from contracts.rpc import Rpc, RpcError, as_bytes
from domain.errors import DominoesError
from domain.hashing import MAX_SAFE_INTEGER, to_hex

Block = int | str
"""A block by number or by tag (`latest`)."""

LATEST: Block = "latest"
"""The newest block."""


class Reverted(DominoesError):
    """A contract refused to answer; `reason` is its custom error with its arguments."""

    code = "contract-reverted"

    def __init__(self, *, contract: str, function: str, reason: str) -> None:
        self.contract, self.function, self.reason = contract, function, reason
        super().__init__(f"{contract}.{function} refused: {reason}; the error is explained in its interface")


@dataclass(frozen=True, slots=True)
class Call:
    """A state-changing call, not sent yet; made by the class methods of the bindings.

    `args` are in JSON form and the order of the interface: bytes as 0x hex, integers beyond 2^53 as decimal text,
    structs and arrays as tuples.
    """

    contract: str
    function: str
    args: tuple[Any, ...]

    def as_json(self) -> dict[str, Any]:
        """The members of a `chain.requested` fact that say what is called."""
        return {"contract": self.contract, "function": self.function, "args": _listed(self.args)}

    @classmethod
    def from_json(cls, members: Mapping[str, Any]) -> Self:
        """Out of such a fact. Raises KeyError where a member is missing."""
        args = members["args"]
        return cls(contract=members["contract"], function=members["function"], args=tuple(map(_plain, args)))

    def argument(self, name: str) -> Any:
        """One argument by its name in the interface, as `args` holds it. Raises AbiUnknown or KeyError."""
        names = [part["name"] for part in load_artifact(self.contract).abi.function(self.function)["inputs"]]
        return dict(zip(names, self.args, strict=True))[name]

    def data(self) -> bytes:
        """Its calldata. Raises AbiUnknown or ArgumentsInvalid."""
        return load_artifact(self.contract).abi.encode_call(self.function, self.args)


class Struct:
    """A Solidity struct as a frozen dataclass: members in the order of the interface, snake case."""

    def as_args(self) -> tuple[Any, ...]:
        """In JSON form, as an argument of a call."""
        return tuple(_plain(getattr(self, item.name)) for item in fields(typing.cast("Any", self)))

    def as_members(self) -> dict[str, Any]:
        """In JSON form, by the members' names; `read` takes it back."""
        names = [item.name for item in fields(typing.cast("Any", self))]
        return dict(zip(names, self.as_args(), strict=True))

    @classmethod
    def read(cls, value: Mapping[str, Any] | Sequence[Any]) -> Self:
        """Out of a decoded answer or event (by name), or an argument of a call (in order)."""
        hints = _hints(typing.cast("Hashable", cls))
        if isinstance(value, Mapping):
            named = {snake(name): item for name, item in value.items()}
        else:
            named = dict(zip(hints, value, strict=True))
        return cls(**{name: _value(hint, named[name]) for name, hint in hints.items()})


class Event(Struct):
    """An event of a contract as a frozen dataclass, read from the arguments that a `chain.included` fact holds."""

    CONTRACT: ClassVar[str]
    NAME: ClassVar[str]


class Binding:
    """A contract at an address of a node's chain."""

    contract: ClassVar[str]

    def __init__(self, *, rpc: Rpc, address: bytes) -> None:
        self.rpc, self.address = rpc, address

    @classmethod
    def _call(cls, function: str, args: Sequence[Any]) -> Call:
        return Call(contract=cls.contract, function=function, args=tuple(_plain(value) for value in args))

    def _read(self, function: str, args: Sequence[Any], *, block: Block) -> Any:
        """The decoded answer at this block. Raises Reverted, AnswerInvalid, NodeUnavailable."""
        abi = load_artifact(self.contract).abi
        data = abi.encode_call(function, [_plain(value) for value in args])
        at = hex(block) if isinstance(block, int) else block
        try:
            answer = self.rpc.call("eth_call", {"to": to_hex(self.address), "data": to_hex(data)}, at)
        except RpcError as error:
            reason = abi.decode_error(as_bytes(error.data)) if error.data else None
            raise Reverted(contract=self.contract, function=function, reason=reason or error.message) from error
        return abi.decode_result(function, as_bytes(answer))


@cache
def _hints(struct: Hashable) -> Mapping[str, Any]:
    """Types of a struct's members by name."""
    hints = typing.get_type_hints(typing.cast("Any", struct))
    return {item.name: hints[item.name] for item in fields(typing.cast("Any", struct))}


def _listed(value: Any) -> Any:
    return [_listed(item) for item in value] if isinstance(value, tuple) else value


def none(answer: Any) -> None:
    """The answer of a function that only reverts or does not."""


def members(answer: Mapping[str, Any], kinds: Sequence[str]) -> tuple[Any, ...]:
    """Several results in their order, each in its Python type."""
    return tuple(_member(kind, value) for kind, value in zip(kinds, answer.values(), strict=True))


def _member(kind: str, value: Any) -> Any:
    if kind.startswith(("uint", "int")):
        return int(value)
    return as_bytes(value) if kind.startswith(("bytes", "address")) else value


def _plain(value: Any) -> Any:
    if isinstance(value, bytes):
        return to_hex(value)
    if isinstance(value, Struct):
        return value.as_args()
    if isinstance(value, str):
        return value
    if isinstance(value, Sequence):
        return tuple(_plain(item) for item in value)
    if isinstance(value, int) and not isinstance(value, bool) and abs(value) > MAX_SAFE_INTEGER:
        return str(value)
    return value


def _value(hint: Any, value: Any) -> Any:
    if hint is bytes:
        return as_bytes(value)
    if hint is int:
        return int(value)
    if isinstance(hint, type) and is_dataclass(hint) and issubclass(hint, Struct):
        return hint.read(value)
    if isinstance(hint, types.GenericAlias) or typing.get_origin(hint) is not None:
        return tuple(_value(typing.get_args(hint)[0], item) for item in value)
    return value
