"""Successful answers as JSON."""

from __future__ import annotations

from collections.abc import Iterable

from pydantic import BaseModel
from starlette.responses import Response

JSON_MEDIA_TYPE = "application/json"


def model_answer(answer: BaseModel, *, status: int = 200, headers: dict[str, str] | None = None) -> Response:
    """A model as a JSON answer."""
    body = answer.model_dump_json(by_alias=True)
    return Response(body, status_code=status, media_type=JSON_MEDIA_TYPE, headers=headers)


def parts_answer(parts: Iterable[bytes]) -> Response:
    """JSON made piece by piece, for what is too large to pass through a model; tests hold it against its model."""
    return Response(b"".join(parts), media_type=JSON_MEDIA_TYPE)
