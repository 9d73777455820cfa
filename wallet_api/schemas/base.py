"""What the shapes of answers have in common."""

from __future__ import annotations

from functools import cache
from typing import Any, Generic, TypeVar

from pydantic import BaseModel, ConfigDict, Field, create_model

from wallet_api.fields import Bytes32, NeurText, Sequence, UtcText

Item = TypeVar("Item")


def _open_ended(schema: dict[str, Any]) -> None:
    # Tests refuse undeclared fields; clients must not, because a later version of /v1 may add some.
    schema.pop("additionalProperties", None)


class Answer(BaseModel):
    """Base of answers: exact types, every field declared."""

    model_config = ConfigDict(extra="forbid", strict=True, frozen=True, json_schema_extra=_open_ended)


class Page(Answer, Generic[Item]):
    """Items in ascending order of their key; a Link header leads on where there are more."""

    items: list[Item]


@cache
def page_of(item: type[Answer]) -> type[Answer]:
    """The page of items of one kind, under a plain name for generated clients: AreaPage instead of Page[Area]."""
    made: type[Answer] = create_model(f"{item.__name__}Page", __base__=Page[item], __doc__=f"One page: {item.__doc__}")  # type: ignore[valid-type]
    return made


class Money(Answer):
    """An amount of money; + is a credit of the account's holder."""

    neur: NeurText
    eur: str = Field(
        examples=["-0.015000000"],
        pattern=r"^-?\d+\.\d{9}$",
        description="The same amount in EUR for people, exact: all nine decimals",
    )


class Fact(Answer):
    """What was recorded, and its place in the journal."""

    sequence: Sequence


class JournalHead(Answer):
    """The last entry of the journal."""

    sequence: Sequence
    head: Bytes32 = Field(description="Hash of that entry; it commits to all entries before")


class Starts(Answer):
    """Something of one MTU."""

    starts: UtcText = Field(description="Start of the MTU in UTC")


class Finding(Answer):
    """One place of a request and what is wrong with it."""

    pointer: str = Field(description="RFC 6901 pointer of the place; empty for the whole body", examples=["/mtu"])
    detail: str = Field(examples=["Field required"])


class Problem(Answer):
    """RFC 9457 problem details: `type` names the cause and is stable."""

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
