"""What every element of a grid model is held to before it is one: whole numbers, in the range that physics allows."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import MISSING, fields
from typing import Any, TypeVar

from domain.errors import DominoesError
from domain.hashing import MAX_SAFE_INTEGER
from domain.names import is_plain, likeness

_Element = TypeVar("_Element")


class BadGrid(DominoesError):
    """A grid model contradicts itself, names what is not there, or has a value that no grid can have."""

    code = "bad-grid"
    remedy = "Correct the element of the grid model that `detail` names."

    def __init__(self, *, element: str, reason: str) -> None:
        self.element, self.reason = element, reason
        super().__init__(f"grid element {element}: {reason}; correct the grid model before validating with it")


def check_types(element: Any) -> None:
    """Members declared int, bool or str hold just that, integers as canonical JSON holds them. Raises BadGrid."""
    name = str(element.code)
    for member in fields(element):
        value = getattr(element, member.name, None)
        if member.type == "int" and (type(value) is not int or abs(value) > MAX_SAFE_INTEGER):
            raise BadGrid(element=name, reason=f"{member.name} is {value!r}, not a whole number below 2^53")
        if member.type == "bool" and type(value) is not bool:
            raise BadGrid(element=name, reason=f"{member.name} is {value!r}, not true or false")
        if member.type == "str" and not isinstance(value, str):
            raise BadGrid(element=name, reason=f"{member.name} is {value!r}, not text")
        if member.type == "str" and not is_plain(str(value)):
            raise BadGrid(element=name, reason=f"{member.name} is {value!r}, no name that is written as it is read")


def read_element(kind: type[_Element], item: object) -> _Element:
    """An element of a JSON document: it has the members of its kind. Raises BadGrid naming the one that is not so."""
    if not isinstance(item, dict):
        raise BadGrid(element=kind.__name__, reason=f"is {item!r}, not a JSON object")
    name = f"{kind.__name__} {item.get('code')}"
    known = {member.name: member for member in fields(kind) if member.init}  # type: ignore[arg-type]
    for member in known.values():
        if member.default is MISSING and member.name not in item:
            raise BadGrid(element=name, reason=f"{member.name} is missing")
    for member_name in item:
        if member_name not in known:
            raise BadGrid(element=name, reason=f"{member_name} is no member of it")
    return kind(**item)


def check_least(element: Any, lowest: int, *names: str) -> None:
    """These members are at least `lowest`. Raises BadGrid."""
    for name in names:
        value = getattr(element, name)
        if value < lowest:
            raise BadGrid(element=element.code, reason=f"{name} is {value}, below {lowest}")


def check_most(element: Any, highest: int, *names: str) -> None:
    """The size of these members is at most `highest`. Raises BadGrid."""
    for name in names:
        value = getattr(element, name)
        if abs(value) > highest:
            raise BadGrid(element=element.code, reason=f"{name} is {value}, beyond {highest}")


def unique(codes: Iterable[str]) -> dict[str, int]:
    """The place of each code. Raises BadGrid where one repeats, or a reader can't tell it from another."""
    index: dict[str, int] = {}
    seen: dict[str, str] = {}
    for code in codes:
        other = seen.setdefault(likeness(code), code)
        if code in index:
            raise BadGrid(element=code, reason="is named twice")
        if other != code:
            raise BadGrid(element=code, reason=f"its name differs from {other} by case or spaces alone")
        index[code] = len(index)
    return index
