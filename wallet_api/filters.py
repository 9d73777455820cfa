"""Filters by time: MTU numbers or ISO 8601 times, whichever the client has at hand."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Annotated

from fastapi import Depends, Query

from domain.mtu import MTU_END, MTU_SECONDS
from edge.problems import InvalidFields
from ledger_service.record.spans import MtuSpan

_FORM = r"^([0-9]{1,10}|[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}(:[0-9]{2})?(Z|[+-][0-9]{2}:[0-9]{2}))$"

From = Annotated[
    str | None,
    Query(
        alias="from",
        pattern=_FORM,
        description="From when on, included: MTU number, or ISO 8601 time with its zone",
        examples=["2016-06-02T00:00:00Z"],
    ),
]
To = Annotated[
    str | None,
    Query(
        alias="to",
        pattern=_FORM,
        description="Until when, excluded: MTU number, or ISO 8601 time with its zone",
        examples=["2016-06-03T00:00:00Z"],
    ),
]


def _mtu(name: str, given: str) -> int:
    """The first MTU that begins at or after a time, or the MTU of this number. Raises InvalidFields."""
    if given.isdigit():
        found = int(given)
    else:
        try:
            moment = datetime.fromisoformat(given).astimezone(UTC)
        except (ValueError, OverflowError) as error:
            raise InvalidFields(findings=[{"pointer": f"/query/{name}", "detail": "no such time"}]) from error
        found = -(-int(moment.timestamp()) // MTU_SECONDS)
    if not 0 <= found <= MTU_END:
        raise InvalidFields(findings=[{"pointer": f"/query/{name}", "detail": f"must be from 0 to {MTU_END}"}])
    return found


def span(from_: From = None, to: To = None) -> MtuSpan:
    """MTUs that begin within [from, to); everything where neither is given. Raises InvalidFields."""
    return MtuSpan(
        first=0 if from_ is None else _mtu("from", from_),
        end=MTU_END if to is None else _mtu("to", to),
    )


InTime = Annotated[MtuSpan, Depends(span)]
"""The time filter of a list."""
