"""What several bundles of one day have in common, computed once.

Nothing that one bundle claims is believed for another: a result is kept under the very bytes it follows from, and used
only where the same bytes come again.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable
from typing import Any, TypeVar

MOST_KEPT = 65_536
"""Results kept; when there are more, all are forgotten and computed again where needed."""

T = TypeVar("T")


class Cache:
    """Results of pure functions by function and arguments. What raises is not kept."""

    def __init__(self) -> None:
        self._kept: dict[Hashable, Any] = {}

    def of(self, compute: Callable[..., T], *arguments: Hashable) -> T:
        """`compute(*arguments)`, which must follow from its arguments alone."""
        place = (compute, *arguments)
        if place in self._kept:
            return self._kept[place]  # type: ignore[no-any-return]
        result = compute(*arguments)
        if len(self._kept) >= MOST_KEPT:
            self._kept.clear()
        self._kept[place] = result
        return result
