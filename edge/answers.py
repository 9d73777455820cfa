"""Successful answers as JSON."""

from __future__ import annotations

from typing import Any

import orjson
from pydantic import BaseModel
from starlette.responses import Response

JSON_MEDIA_TYPE = "application/json"


def model_answer(answer: BaseModel, *, status: int = 200, headers: dict[str, str] | None = None) -> Response:
    """A model as a JSON answer."""
    body = answer.model_dump_json(by_alias=True)
    return Response(body, status_code=status, media_type=JSON_MEDIA_TYPE, headers=headers)


def value_answer(value: Any) -> Response:
    """A JSON value as an answer, for what is too large to pass through a model; tests hold it against its model."""
    return Response(orjson.dumps(value), media_type=JSON_MEDIA_TYPE)
