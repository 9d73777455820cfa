"""Reading lists in parts: keyset paging costs the same on every page and never skips what was added meanwhile."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from sqlalchemy import ColumnElement, Select, and_, or_

ENTIRE = 2**31 - 1
"""Limit of a slice that is meant to be everything."""


@dataclass(frozen=True, slots=True)
class Slice:
    """Which part of a list: at most `limit` rows beyond the key `after` (None: from its end on), in one direction.

    `exactly` is the key of the one row that is wanted.
    """

    limit: int
    after: tuple[Any, ...] | None = None
    descending: bool = False
    exactly: tuple[Any, ...] | None = None


def only(*key: Any) -> Slice:
    """The part of a list that is the one row of this key."""
    return Slice(limit=1, exactly=key)


WHOLE = Slice(limit=ENTIRE)
"""All of a list, ascending."""


def sliced(query: Select[Any], *keys: ColumnElement[Any], part: Slice) -> Select[Any]:
    """The rows of a part of the query, ordered by the keys, which together name a row: an index should hold them."""
    if part.exactly is not None:
        query = query.where(*(key == value for key, value in zip(keys, part.exactly, strict=True)))
    if part.after is not None:
        query = query.where(_beyond(keys, part.after, descending=part.descending))
    return query.order_by(*(key.desc() if part.descending else key.asc() for key in keys)).limit(part.limit)


def _beyond(keys: tuple[ColumnElement[Any], ...], after: tuple[Any, ...], *, descending: bool) -> ColumnElement[bool]:
    """Lexicographic comparison, spelled out: row values are not compared alike by all databases."""
    cases = []
    for place, key in enumerate(keys):
        same = [earlier == value for earlier, value in zip(keys[:place], after, strict=False)]
        further = key < after[place] if descending else key > after[place]
        cases.append(and_(*same, further))
    return or_(*cases)
