"""The form of evidence: canonical JSON, hex in its one spelling, and records with exactly their members.

Sources: docs/evidence.md section 1, docs/protocol.md section 1.
"""

from __future__ import annotations

import json
import types
from collections.abc import Callable
from dataclasses import MISSING, dataclass, fields, is_dataclass
from typing import Annotated, Any, TypeVar, Union, get_args, get_origin, get_type_hints

Json = Any
"""A value as JSON has it, where nothing but its hash counts."""

Neur = Annotated[int, "decimal text"]
"""Money in nEUR: a decimal text in JSON."""

Keys = Annotated[frozenset[str], "one or more"]
"""Addresses: one, or a list of all that ever were valid."""

SHOWN_LETTERS = 80
"""Letters of a wrong value that a message repeats."""

T = TypeVar("T")
Reader = Callable[[Any], Any]


def canonical(value: Json) -> bytes:
    """Canonical JSON (RFC 8785 without binary fractions)."""
    text = json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False, allow_nan=False)
    return text.encode()


def parse(data: bytes) -> Json:
    """JSON that must be canonical."""
    value = json.loads(data)
    if canonical(value) != data:
        raise ValueError("it is not in canonical form")
    return value


def unhex(text: Any, size: int | None = None) -> bytes:
    """Bytes of lower-case 0x hex, of `size` bytes if given."""
    data = bytes.fromhex(text[2:])
    if "0x" + data.hex() != text or (size is not None and len(data) != size):
        raise ValueError(f"{text[:SHOWN_LETTERS]!r} is not lower-case 0x hex of {size or 'whole'} bytes")
    return data


def whole(value: Any, lowest: int = 0, highest: int = 2**256) -> int:
    """The value, if it is a whole number within bounds."""
    if type(value) is not int or not lowest <= value <= highest:
        raise ValueError(f"{str(value)[:SHOWN_LETTERS]!r} is not a whole number from {lowest} to {highest}")
    return value


# ---- records


@dataclass(frozen=True)
class Member:
    """One member of a record: names in JSON and of the attribute, whether it may be missing, how it is read."""

    name: str
    attribute: str
    optional: bool
    read: Reader


@dataclass(frozen=True)
class Form:
    """Members of a record class, and their names in JSON: all, and those that may not be missing."""

    members: tuple[Member, ...]
    names: frozenset[str]
    needed: frozenset[str]


_FORMS: dict[type, Form] = {}


def form_of(kind: type) -> Form:
    """The form of a record class: a member that has a default may be missing, metadata `name` is its name in JSON."""
    if kind not in _FORMS:
        hints = get_type_hints(kind, include_extras=True)
        members = tuple(
            Member(
                name=item.metadata.get("name", item.name),
                attribute=item.name,
                optional=item.default is not MISSING,
                read=_reader(hints[item.name]),
            )
            for item in fields(kind)
        )
        needed = frozenset(member.name for member in members if not member.optional)
        _FORMS[kind] = Form(members, frozenset(member.name for member in members), needed)
    return _FORMS[kind]


def record(kind: type[T], value: Json) -> T:
    """The value as a record of this class, whose members it has exactly. Raises ValueError."""
    form = form_of(kind)
    if type(value) is not dict:
        raise ValueError(f"{str(value)[:SHOWN_LETTERS]} is no object with the members {sorted(form.names)}")
    missing, unknown = form.needed - value.keys(), value.keys() - form.names
    if missing or unknown:
        raise ValueError(f"its members are not those of the format: missing {sorted(missing)}, more {sorted(unknown)}")
    read = {}
    for member in form.members:
        if member.name in value:
            try:
                read[member.attribute] = member.read(value[member.name])
            except (TypeError, ValueError) as error:
                raise ValueError(f"{member.name}: {error}") from error
    return kind(**read)


def as_json(value: Any) -> Json:
    """A record that holds no money as the JSON it was read from."""
    if is_dataclass(value) and not isinstance(value, type):
        pairs = ((member.name, getattr(value, member.attribute)) for member in form_of(type(value)).members)
        return {name: as_json(item) for name, item in pairs}
    return [as_json(item) for item in value] if isinstance(value, tuple) else value


def _reader(hint: Any) -> Reader:
    """How a member of this type is read."""
    origin, inner = get_origin(hint), get_args(hint)
    if hint is Any:
        return lambda value: value
    if origin is Annotated:
        return _money if hint == Neur else _keys
    if origin in (Union, types.UnionType):
        other = _reader(next(kind for kind in inner if kind is not type(None)))
        return lambda value: None if value is None else other(value)
    if origin is tuple:
        return _list_of(_reader(inner[0]))
    if origin is dict:
        return _object_of(_reader(inner[1]))
    kind: type = hint
    if is_dataclass(kind):
        return lambda value: record(kind, value)
    return lambda value: _plain(kind, value)


def _plain(kind: type, value: Any) -> Any:
    if type(value) is not kind:
        raise ValueError(f"{str(value)[:SHOWN_LETTERS]!r} is no {kind.__name__}")
    return value


def _money(value: Any) -> int:
    number = int(_plain(str, value))
    if str(number) != value:
        raise ValueError(f"{value[:SHOWN_LETTERS]!r} is no decimal number in its one spelling")
    return number


def _keys(value: Any) -> frozenset[str]:
    return frozenset([value] if isinstance(value, str) else (_plain(str, item) for item in value))


def _list_of(read: Reader) -> Reader:
    return lambda value: tuple(map(read, _plain(list, value)))


def _object_of(read: Reader) -> Reader:
    return lambda value: {name: read(item) for name, item in _plain(dict, value).items()}
