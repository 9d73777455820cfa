"""Bases of bodies and answers, each of which is one pydantic model: the document and the checks both follow from it."""

from __future__ import annotations

from functools import cache
from typing import Any, Generic, TypeVar

from pydantic import BaseModel, ConfigDict, Field, create_model

Item = TypeVar("Item")


class Body(BaseModel):
    """Base of request bodies: exact types, nothing but the declared members."""

    model_config = ConfigDict(extra="forbid", strict=True, frozen=True)


def _open_ended(schema: dict[str, Any]) -> None:
    # Answers are built with declared members only; clients must take more, because a later version of /v1 may add some.
    schema.pop("additionalProperties", None)


class Answer(BaseModel):
    """Base of answers: exact types, every member declared."""

    model_config = ConfigDict(extra="forbid", strict=True, frozen=True, json_schema_extra=_open_ended)


class Page(Answer, Generic[Item]):
    """Items in the order asked for; a Link header leads on where there are more."""

    items: list[Item]


@cache
def page_of(item: type[Answer]) -> type[Answer]:
    """The page of items of one kind, under a plain name for generated clients: AreaPage instead of Page[Area]."""
    made: type[Answer] = create_model(f"{item.__name__}Page", __base__=Page[item], __doc__=f"One page: {item.__doc__}")  # type: ignore[valid-type]
    return made


class Finding(Answer):
    """One place of a request and what is wrong with it."""

    pointer: str = Field(
        description="RFC 6901 pointer of the place as it was sent: a member of the body, or /query/… or /path/…; empty "
        "for the whole body",
        examples=["/mtu"],
    )
    detail: str = Field(examples=["Field required"])


class Problem(Answer):
    """RFC 9457 problem details: `type` names the cause, is stable, and leads to its explanation."""

    type: str = Field(pattern=r"^/problems/[a-z0-9-]+$", examples=["/problems/off-tick"])
    title: str = Field(examples=["off tick"])
    status: int = Field(ge=400, le=599, examples=[422])
    detail: str = Field(
        description="What is wrong and what to do next",
        examples=["limit 200050 nEUR/Wh is no multiple of the tick of 100; round it"],
    )
    retryable: bool = Field(default=False, description="Whether the same request may succeed later, unchanged")
    errors: list[Finding] = Field(
        default=[], description="Each place of the request that is wrong, where known", examples=[[]]
    )


class ProblemType(Answer):
    """What a type of problem means, wherever it is answered."""

    type: str = Field(pattern=r"^/problems/[a-z0-9-]+$", examples=["/problems/off-tick"])
    title: str = Field(examples=["off tick"])
    status: int = Field(ge=400, le=599, examples=[422])
    meaning: str = Field(examples=["The limit is not a multiple of the market's tick."])
    what_to_do: str = Field(examples=["Correct what `detail` and `errors` name, then send the request again."])
    retryable: bool = Field(description="Whether the same request may succeed later, unchanged", examples=[False])
