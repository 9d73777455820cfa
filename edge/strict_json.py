"""Request bodies: JSON of one kind only. What two parsers could read differently is refused, not guessed."""

from __future__ import annotations

import asyncio
import json
import re
from typing import Any, NoReturn, TypeVar

from pydantic import TypeAdapter, ValidationError
from starlette.requests import Request

from edge.problems import BodyTooLarge, BodyTooSlow, InvalidFields, MalformedBody, NotJson, findings_of

BODY_BYTES_MAX = 1_048_576
"""Largest body of an ordinary request; 500 signed orders are about 300 KiB."""

BODY_SECONDS_MAX = 30
"""How long a body may take to come whole, beside what its most bytes take at BODY_BYTES_PER_SECOND_LEAST."""

BODY_BYTES_PER_SECOND_LEAST = 65_536
"""The slowest line that is waited for."""

DEPTH_MAX = 16
"""Deepest nesting of arrays and objects; a grid model needs 4."""

DIGITS_MAX = 30
"""Longest integer; every quantity of the protocol has fewer digits."""

_TOKENS = re.compile(rb'"(?:[^"\\]|\\.)*+"?|[\[\]{}]', re.DOTALL)
"""Strings whole, and brackets. What begins with a quote always matches, up to the end of the body where the string has
none, and never gives back what it took: each byte is looked at once, whatever the body."""

_CONTROL = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\x7f\u202a-\u202e\u2066-\u2069]")
_SHAPE = TypeVar("_SHAPE")


def _no_constant(text: str) -> NoReturn:
    raise MalformedBody(reason=f"{text} is not a number of JSON")


def _no_float(_: str) -> NoReturn:
    raise MalformedBody(reason="a number with a fraction or an exponent; all quantities are whole numbers")


def _whole(text: str) -> int:
    if text == "-0":
        raise MalformedBody(reason="minus zero, which some parsers keep apart from 0")
    if len(text) > DIGITS_MAX:
        raise MalformedBody(reason=f"an integer of more than {DIGITS_MAX} digits")
    return int(text)


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    made = dict(pairs)
    if len(made) != len(pairs):
        raise MalformedBody(reason="an object names the same key twice")
    return made


_DECODER = json.JSONDecoder(
    object_pairs_hook=_unique, parse_constant=_no_constant, parse_float=_no_float, parse_int=_whole
)


def _check_depth(body: bytes) -> None:
    if body.count(b"[") + body.count(b"{") <= DEPTH_MAX:
        return
    depth = 0
    for token in _TOKENS.finditer(body):
        character = body[token.start()]
        if character in b"[{":
            depth += 1
            if depth > DEPTH_MAX:
                raise MalformedBody(reason=f"nested deeper than {DEPTH_MAX} levels")
        elif character in b"]}":
            depth -= 1


def parse(body: bytes) -> Any:
    """The value of a JSON body. Raises MalformedBody for anything that is not plain, unambiguous JSON."""
    if body.startswith(b"\xef\xbb\xbf"):
        raise MalformedBody(reason="it begins with a byte order mark")
    _check_depth(body)
    try:
        text = body.decode("utf-8")
        value = _DECODER.decode(text)
    except UnicodeDecodeError as error:
        raise MalformedBody(reason="it is not UTF-8") from error
    except (json.JSONDecodeError, RecursionError) as error:
        raise MalformedBody(reason="it is not JSON") from error
    if not text.isascii() or "\\" in text:
        _check_text(value)
    return value


def _check_text(value: Any) -> None:
    if isinstance(value, str):
        if _CONTROL.search(value) or any("\ud800" <= character <= "\udfff" for character in value):
            raise MalformedBody(reason="text holds control, direction or surrogate characters")
    elif isinstance(value, dict):
        for key, item in value.items():
            _check_text(key)
            _check_text(item)
    elif isinstance(value, list):
        for item in value:
            _check_text(item)


def _is_plain_json(request: Request) -> bool:
    """Whether the headers announce JSON in UTF-8, as it is: what they say and what is read must be the same text."""
    media_type, *parameters = request.headers.get("content-type", "").lower().split(";")
    named = [(name.strip(), value.strip().strip('"')) for name, _, value in (one.partition("=") for one in parameters)]
    utf_8 = all(value == "utf-8" for name, value in named if name == "charset")
    plain = all(value.strip().lower() == "identity" for value in request.headers.getlist("content-encoding"))
    return media_type.strip() == "application/json" and utf_8 and plain


async def read_body(request: Request, *, limit_bytes: int = BODY_BYTES_MAX) -> bytes:
    """The raw body, never more than the limit in memory. Raises NotJson, BodyTooLarge, BodyTooSlow."""
    if not _is_plain_json(request):
        raise NotJson
    declared = request.headers.get("content-length", "0")
    if not declared.isascii() or not declared.isdigit() or len(declared) > 12 or int(declared) > limit_bytes:
        raise BodyTooLarge(limit_bytes=limit_bytes)
    seconds = BODY_SECONDS_MAX + limit_bytes // BODY_BYTES_PER_SECOND_LEAST
    try:
        async with asyncio.timeout(seconds):
            return await _whole_body(request, limit_bytes)
    except TimeoutError as error:
        raise BodyTooSlow(seconds=seconds) from error


async def _whole_body(request: Request, limit_bytes: int) -> bytes:
    chunks, size = [], 0
    async for chunk in request.stream():
        size += len(chunk)
        if size > limit_bytes:
            raise BodyTooLarge(limit_bytes=limit_bytes)
        chunks.append(chunk)
    return b"".join(chunks)


def validate(adapter: TypeAdapter[_SHAPE], value: Any) -> _SHAPE:
    """A parsed body as its declared shape. Raises InvalidFields."""
    try:
        return adapter.validate_python(value)
    except ValidationError as error:
        raise InvalidFields(findings=findings_of(error.errors(include_url=False, include_input=False))) from error
