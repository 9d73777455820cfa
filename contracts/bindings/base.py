"""What all bindings share: reading at a named block, and calls as values that a stage requests or a sender encodes."""

from __future__ import annotations

import types
import typing
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields, is_dataclass
from typing import Any, ClassVar, Self

from contracts.artifacts import load_artifact
from contracts.rpc import Rpc, RpcError, as_bytes
from domain.errors import DominoesError
from domain.hashing import to_hex

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
    """A state-changing call, not sent yet: `args` in JSON form, as in the `chain.requested` fact."""

    contract: str
    function: str
    args: list[Any]

    def data(self) -> bytes:
        """Its calldata."""
        return load_artifact(self.contract).abi.encode_call(self.function, self.args)


class Struct:
    """A Solidity struct as a frozen dataclass: members in the order of the interface, snake case."""

    def as_args(self) -> list[Any]:
        """In JSON form, as an array."""
        return [_plain(getattr(self, item.name)) for item in fields(typing.cast("Any", self))]

    @classmethod
    def read(cls, answer: Mapping[str, Any]) -> Self:
        """Out of a decoded answer."""
        hints = typing.get_type_hints(cls)
        names = [item.name for item in fields(typing.cast("Any", cls))]
        return cls(**{name: _value(hints[name], value) for name, value in zip(names, answer.values(), strict=True)})


class Binding:
    """A contract at an address of a node's chain."""

    contract: ClassVar[str]

    def __init__(self, *, rpc: Rpc, address: bytes) -> None:
        self.rpc, self.address = rpc, address

    def _call(self, function: str, args: Sequence[Any]) -> Call:
        return Call(contract=self.contract, function=function, args=[_plain(value) for value in args])

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
        return [_plain(item) for item in value]
    if isinstance(value, int) and not isinstance(value, bool) and abs(value) >= 2**53:
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
