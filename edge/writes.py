"""The one way a write goes: body read and checked, Idempotency-Key honoured, blocking work done in a thread."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any, TypeVar

from anyio import to_thread
from fastapi import Request
from pydantic import BaseModel, TypeAdapter
from starlette.concurrency import run_in_threadpool
from starlette.responses import Response

from domain.hashing import keccak
from edge.answers import JSON_MEDIA_TYPE
from edge.context import Caller, edge_of
from edge.strict_json import BODY_BYTES_MAX, parse, read_body, validate
from ledger_service.access.idempotency import KeptAnswer, check_key

_Body = TypeVar("_Body", bound=BaseModel)
_ADAPTERS: dict[type[BaseModel], TypeAdapter[Any]] = {}


class Created:
    """The result of a write: what to answer, and whether the same write had been made before."""

    __slots__ = ("answer", "repeated")

    def __init__(self, answer: BaseModel, *, repeated: bool = False) -> None:
        self.answer, self.repeated = answer, repeated

    @property
    def status(self) -> int:
        """201 for something new, 200 where it was there already."""
        return 200 if self.repeated else 201


def adapter_of(shape: type[_Body]) -> TypeAdapter[_Body]:
    """The validator of a body shape, built once."""
    if shape not in _ADAPTERS:
        _ADAPTERS[shape] = TypeAdapter(shape)
    return _ADAPTERS[shape]


async def write(
    request: Request,
    *,
    who: Caller,
    shape: type[_Body],
    work: Callable[[_Body], Created],
    limit_bytes: int = BODY_BYTES_MAX,
) -> Response:
    """Do one write and answer it; a repeat under the same Idempotency-Key gets the first answer."""

    def read_and_work(raw: bytes) -> Created:
        # Parsed here, in the thread: a body of some MiB would hold up every other request.
        return work(read_shape(raw, shape))

    return await write_raw(request, who=who, work=read_and_work, limit_bytes=limit_bytes)


async def write_raw(
    request: Request, *, who: Caller, work: Callable[[bytes], Created], limit_bytes: int = BODY_BYTES_MAX
) -> Response:
    """As `write`, where the work reads the body itself."""
    raw = await read_body(request, limit_bytes=limit_bytes)

    async def do() -> KeptAnswer:
        return await to_thread.run_sync(_do, raw, work, limiter=edge_of(request).write_threads)

    return await answer_once(request, who=who, raw=raw, do=do)


def read_shape(raw: bytes, shape: type[_Body]) -> _Body:
    """A body as its declared shape. Raises MalformedBody, InvalidFields."""
    return validate(adapter_of(shape), parse(raw))


async def answer_once(
    request: Request, *, who: Caller, raw: bytes, do: Callable[[], Awaitable[KeptAnswer]]
) -> Response:
    """What `do` answers, or what it answered first to this Idempotency-Key; without a key nothing is looked up.

    Raises BadIdempotencyKey, IdempotencyKeyReused, RequestInFlight, and what `do` raises, which is not kept.
    """
    key = request.headers.get("idempotency-key")
    if key is None:
        return _response(await do(), repeated=False)
    book, principal, now = edge_of(request).answers, who.address, edge_of(request).wall_clock()
    input_hash = keccak(f"{request.method} {request.url.path}\n".encode() + raw)
    with book.hold(principal=principal, key=check_key(key)):
        first = await run_in_threadpool(book.first_answer, principal=principal, key=key, input_hash=input_hash)
        if first is not None:
            return _response(first, repeated=True)
        answer = await do()
        await run_in_threadpool(book.store, principal=principal, key=key, input_hash=input_hash, answer=answer, now=now)
        return _response(answer, repeated=False)


def _do(raw: bytes, work: Callable[[bytes], Created]) -> KeptAnswer:
    made = work(raw)
    return KeptAnswer(status=made.status, body=made.answer.model_dump_json(by_alias=True).encode())


def _response(answer: KeptAnswer, *, repeated: bool) -> Response:
    headers = {"Idempotency-Hit": "true"} if repeated else None
    return Response(answer.body, status_code=answer.status, media_type=JSON_MEDIA_TYPE, headers=headers)
