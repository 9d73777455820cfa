"""What the shapes of answers have in common."""

from __future__ import annotations

from pydantic import Field

from edge.models import Answer
from wallet_api.fields import Bytes32, NeurText, Sequence, UtcText


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
