"""Lists in pages: what a request asks for, cursors that only this service makes, RFC 8288 links to the next page."""

from __future__ import annotations

import base64
import binascii
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Annotated, Any, Literal, TypeVar

import orjson
from fastapi import Query, Request
from starlette.responses import Response

from domain.errors import DominoesError
from edge.answers import JSON_MEDIA_TYPE
from edge.models import Answer
from ledger_service.record.paging import Slice

PAGE_ITEMS_DEFAULT = 100
"""Items of a page where the client does not say."""

PAGE_ITEMS_MAX = 500
"""Most items of one page."""

CURSOR_LENGTH_MAX = 400
"""Longest cursor in characters: two codes and an id."""

TEXT_LENGTH_MAX = 200
"""Longest text of a key."""

_CONTROL = re.compile("[\x00-\x1f\x7f\ud800-\udfff]")
_Item = TypeVar("_Item")


class BadCursor(DominoesError):
    """`after` is not a value that a Link header gave."""

    status = 400
    code = "bad-cursor"
    remedy = "Read the list from its beginning, without `after`, and follow the Link headers as they are."

    def __init__(self) -> None:
        super().__init__("the parameter after is none that a Link header gave; begin again without it")


@dataclass(frozen=True, slots=True)
class Number:
    """A part of a key that is a whole number from 0; `most` is what its column holds."""

    most: int

    def of(self, value: object) -> int | None:
        """The value as this part; None where it is none."""
        return value if type(value) is int and 0 <= value <= self.most else None


@dataclass(frozen=True, slots=True)
class Bytes:
    """A part of a key of exactly this many bytes."""

    length: int

    def of(self, value: object) -> bytes | None:
        """The value as this part, from hex; None where it is none."""
        if isinstance(value, str) and re.fullmatch(f"[0-9a-f]{{{2 * self.length}}}", value):
            return bytes.fromhex(value)
        return None


@dataclass(frozen=True, slots=True)
class Text:
    """A part of a key that is text."""

    def of(self, value: object) -> str | None:
        """The value as this part; None where it is none."""
        fits = isinstance(value, str) and len(value) <= TEXT_LENGTH_MAX and not _CONTROL.search(value)
        return value if isinstance(value, str) and fits else None


INT32, UINT32, INT64, TEXT = Number(2**31 - 1), Number(2**32 - 1), Number(2**63 - 1), Text()

Key = tuple[Number | Bytes | Text, ...]
"""What a list is ordered by: the parts that together name an item."""


@dataclass(frozen=True, slots=True)
class Paging:
    """Which part of a list is asked for: at most `limit` items beyond `after`, in one direction."""

    limit: int
    after: str | None
    descending: bool

    def part(self, key: Key) -> Slice:
        """The same for a database, one row more than the page holds: are there more? Raises BadCursor."""
        after = None if self.after is None else _decode(self.after, key)
        return Slice(limit=self.limit + 1, after=after, descending=self.descending)


def paging(
    limit: Annotated[int, Query(ge=1, le=PAGE_ITEMS_MAX, description="Most items of this page")] = PAGE_ITEMS_DEFAULT,
    after: Annotated[
        str | None, Query(max_length=CURSOR_LENGTH_MAX, description="From the Link header of the page before")
    ] = None,
    order: Annotated[
        Literal["asc", "desc"], Query(description="`asc`: oldest or lowest first; `desc`: the other way round")
    ] = "asc",
) -> Paging:
    """The paging parameters of a request."""
    return Paging(limit=limit, after=after, descending=order == "desc")


def _encode(values: Sequence[Any]) -> str:
    plain = [value.hex() if isinstance(value, bytes) else value for value in values]
    return base64.urlsafe_b64encode(orjson.dumps(plain)).decode("ascii").rstrip("=")


def _decode(text: str, key: Key) -> tuple[Any, ...]:
    """The values of a cursor. Raises BadCursor for anything that this service didn't give for such a list."""
    try:
        raw = base64.b64decode(text + "=" * (-len(text) % 4), altchars=b"-_", validate=True)
        given = orjson.loads(raw)
    except (binascii.Error, ValueError) as error:
        raise BadCursor from error
    if not isinstance(given, list) or len(given) != len(key):
        raise BadCursor
    found = tuple(part.of(value) for part, value in zip(key, given, strict=True))
    if None in found:
        raise BadCursor
    return found


def page_answer(
    request: Request,
    *,
    page: Paging,
    items: Sequence[_Item],
    key: Callable[[_Item], tuple[Any, ...]],
    shape: Callable[[_Item], Answer | dict[str, Any]],
) -> Response:
    """The items of a page, read by `page.part`, with a Link header where there are more.

    `shape` gives the answer of an item, or its JSON value where it is too large to pass through a model.
    """
    shown = items[: page.limit]
    headers = {}
    if len(items) > len(shown):
        url = request.url.include_query_params(limit=page.limit, after=_encode(key(shown[-1])))
        headers["Link"] = f'<{url.path}?{url.query}>; rel="next"'
    body = b",".join(_written(shape(item)) for item in shown)
    return Response(b'{"items":[%b]}' % body, media_type=JSON_MEDIA_TYPE, headers=headers)


def _written(answer: Answer | dict[str, Any]) -> bytes:
    return orjson.dumps(answer) if isinstance(answer, dict) else answer.model_dump_json(by_alias=True).encode()


def sliced_items(items: Sequence[_Item], part: Slice, *, key: Callable[[_Item], tuple[Any, ...]]) -> list[_Item]:
    """The same part of a short list that is in memory already."""
    ordered = sorted(items, key=key, reverse=part.descending)
    if part.exactly is not None:
        ordered = [item for item in ordered if key(item) == part.exactly]
    if part.after is not None:
        ordered = [item for item in ordered if (key(item) < part.after if part.descending else key(item) > part.after)]
    return ordered[: part.limit]
