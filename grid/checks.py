"""What every element of a grid model is held to before it is one: whole numbers, in the range that physics allows."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import fields
from typing import Any

from domain.errors import DominoesError
from domain.hashing import MAX_SAFE_INTEGER


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
    """The place of each code. Raises BadGrid where one repeats."""
    index: dict[str, int] = {}
    for code in codes:
        if code in index:
            raise BadGrid(element=code, reason="is named twice")
        index[code] = len(index)
    return index
