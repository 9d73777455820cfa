"""Successful answers: JSON, pages with RFC 8288 links."""

from __future__ import annotations

import base64
import binascii
import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Annotated, Any, TypeVar

import orjson
from fastapi import Query, Request
from pydantic import BaseModel
from starlette.responses import Response

from domain.errors import DominoesError

JSON_MEDIA_TYPE = "application/json"

PAGE_ITEMS_DEFAULT = 100
"""Items of a page where the client does not say."""

PAGE_ITEMS_MAX = 500
"""Most items of one page."""

INT32_MAX, INT64_MAX = 2**31 - 1, 2**63 - 1
"""Largest numbers of the columns that cursors are compared with; a database refuses larger ones."""

_NUMBER_DIGITS = 20
_Item = TypeVar("_Item")


class BadCursor(DominoesError):
    """`after` is not a value that a Link header gave."""

    status = 400
    code = "bad-cursor"

    def __init__(self) -> None:
        super().__init__("the parameter after is none that a Link header gave; begin again without it")


def json_answer(value: Any, *, status: int = 200, headers: dict[str, str] | None = None) -> Response:
    """A value as a JSON answer."""
    return Response(orjson.dumps(value), status_code=status, media_type=JSON_MEDIA_TYPE, headers=headers)


def model_answer(answer: BaseModel, *, status: int = 200, headers: dict[str, str] | None = None) -> Response:
    """A model as a JSON answer."""
    body = answer.model_dump_json(by_alias=True)
    return Response(body, status_code=status, media_type=JSON_MEDIA_TYPE, headers=headers)


@dataclass(frozen=True, slots=True)
class Paging:
    """Which part of a list is asked for: at most `limit` items whose key is above `after`."""

    limit: int
    after: str | None


def paging(
    limit: Annotated[int, Query(ge=1, le=PAGE_ITEMS_MAX, description="Most items of this page")] = PAGE_ITEMS_DEFAULT,
    after: Annotated[str | None, Query(max_length=200, description="From the Link header of the page before")] = None,
) -> Paging:
    """The paging parameters of a request."""
    return Paging(limit=limit, after=None if after is None else _decode_cursor(after))


def _encode_cursor(key: str) -> str:
    return base64.urlsafe_b64encode(key.encode("utf-8")).decode("ascii").rstrip("=")


def _decode_cursor(text: str) -> str:
    try:
        return base64.b64decode(text + "=" * (-len(text) % 4), altchars=b"-_", validate=True).decode("utf-8")
    except (binascii.Error, UnicodeDecodeError, ValueError) as error:
        raise BadCursor from error


def number_key(*numbers: int) -> str:
    """A sort key of non-negative numbers that compares as text like the numbers do."""
    return ".".join(f"{number:0{_NUMBER_DIGITS}d}" for number in numbers)


def cursor_of(page: Paging, *highest: int, id_bytes: int = 0) -> tuple[tuple[int, ...], bytes] | None:
    """The numbers of a cursor made by `number_key`, and the hex id after them; None for a first page.

    `highest` bounds each number by what its column holds.
    Raises BadCursor for anything that this service didn't give.
    """
    if page.after is None:
        return None
    text, _, identity = page.after.partition(" ")
    parts = text.split(".")
    digits = all(len(part) == _NUMBER_DIGITS and part.isascii() and part.isdigit() for part in parts)
    if len(parts) != len(highest) or not digits or not re.fullmatch(f"[0-9a-f]{{{2 * id_bytes}}}", identity):
        raise BadCursor
    found = tuple(int(part) for part in parts)
    if any(number > most for number, most in zip(found, highest, strict=True)):
        raise BadCursor
    return found, bytes.fromhex(identity)


def page_answer(
    request: Request,
    *,
    items: Iterable[_Item],
    key: Callable[[_Item], str],
    page: Paging,
    shape: Callable[[_Item], Any] | None = None,
) -> Response:
    """One page of `items` in ascending order of `key`, with a Link header where there are more."""
    ordered = sorted(items, key=key)
    if page.after is not None:
        ordered = [item for item in ordered if key(item) > page.after]
    shown = ordered[: page.limit]
    headers = {}
    if len(ordered) > len(shown):
        url = request.url.include_query_params(limit=page.limit, after=_encode_cursor(key(shown[-1])))
        headers["Link"] = f'<{url.path}?{url.query}>; rel="next"'
    return json_answer({"items": [item if shape is None else shape(item) for item in shown]}, headers=headers)
