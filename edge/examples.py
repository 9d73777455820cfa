"""Examples of the document: one value per name of a member, so that all speak of the same things."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from types import NoneType, UnionType
from typing import Annotated, Any, Literal, Union, get_args, get_origin, get_type_hints

from pydantic import BaseModel
from pydantic.fields import FieldInfo
from typing_extensions import is_typeddict

from domain.hashing import keccak

_HEX = re.compile(r"^\^0x\[0-9a-f(?:A-F)?\]\{(?:1,)?(\d+)\}\$$")


class Examples:
    """Composes examples of types from samples by name; bytes follow from the name, or from `ids` where they stand."""

    def __init__(self, *, samples: Mapping[str, Any], ids: Mapping[str, bytes]) -> None:
        self._samples, self._ids = samples, ids

    def of(self, shape: Any, name: str = "") -> Any:
        """A realistic value of a type. Raises ValueError where neither the name nor the type of a field gives one."""
        if isinstance(shape, type) and issubclass(shape, BaseModel):
            found = {member: self._of_field(member, field) for member, field in shape.model_fields.items()}
            made = shape.model_construct(**found)
            return found | {member: getattr(made, member) for member in shape.model_computed_fields}
        if is_typeddict(shape):
            hints = get_type_hints(shape, include_extras=True)
            return {member: self.of(hint, member) for member, hint in hints.items() if not member.startswith("_")}
        origin, parts = get_origin(shape), get_args(shape)
        if origin is list:
            return [self.of(parts[0], name)]
        if origin is dict and parts[1] is not Any:
            return {name: self.of(parts[1], name)}
        if origin in (Union, UnionType):
            return self.of(next(part for part in parts if part is not NoneType), name)
        if origin is Literal:
            return parts[0]
        if origin is Annotated:
            examples = [example for part in parts[1:] for example in getattr(part, "examples", None) or ()]
            return examples[-1] if examples else self._of_parts(parts[0], parts[1:], name)
        if name in self._samples:
            return self._samples[name]
        raise ValueError(f"no example for {name or shape}; add one to the samples")

    def _of_field(self, name: str, field: FieldInfo) -> Any:
        return field.examples[0] if field.examples else self._of_parts(field.annotation, field.metadata, name)

    def _of_parts(self, shape: Any, metadata: Iterable[Any], name: str) -> Any:
        digits = next((found for found in map(_hex_digits, metadata) if found), 0)
        if digits:
            return self._bytes(name, digits)
        sample = self._samples.get(name)
        first = sample[0] if isinstance(sample, list) else sample
        fits = isinstance(first, dict) or not _holds_model(shape)
        return sample if name in self._samples and fits and get_origin(shape) is not Literal else self.of(shape, name)

    def _bytes(self, name: str, digits: int) -> str:
        """Bytes that look like any others and are the same wherever a field has this name."""
        found = self._ids.get(name, keccak(name.encode())).hex()
        return "0x" + (found * (digits // len(found) + 1))[:digits]


def _holds_model(shape: Any) -> bool:
    """Whether a type is that of an object with members of its own; only a sample with members fits it."""
    return any(isinstance(part, type) and issubclass(part, BaseModel) for part in (shape, *get_args(shape)))


def _hex_digits(constraint: Any) -> int:
    """How many hex digits a constraint asks for; 0 where it asks for none."""
    pattern = getattr(constraint, "pattern", None)
    match = _HEX.match(pattern) if isinstance(pattern, str) else None
    return 0 if match is None else int(match[1])
