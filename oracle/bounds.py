"""Whole numbers from others, bounded where they come in: none beyond the range of a shape or a database goes on."""

from __future__ import annotations

from typing import Any

UINT32_MAX = 2**32 - 1
"""Highest MTU, sequence, revision, count or period number (docs/protocol.md)."""


def whole(value: Any, *, lowest: int = 0, highest: int = UINT32_MAX) -> int:
    """The value where it is a whole number in the range. Raises ValueError."""
    if type(value) is not int or not lowest <= value <= highest:
        raise ValueError(f"not a whole number from {lowest} to {highest}")
    return value
