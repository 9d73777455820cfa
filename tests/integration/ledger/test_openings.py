"""What bundles are made of: read from the journal in the order in which bundles show it."""

from __future__ import annotations

from typing import Any

import pytest

from domain.hashing import text_id, to_hex
from ledger_service.evidence.openings import read_openings
from ledger_service.record import Record
from tests.integration.ledger.town import MARKET, POINTS_MAX, Town
from tests.journal import append_fact

pytestmark = pytest.mark.integration

DAY_AHEAD, INTRADAY = 1_000, 2_000
"""Two gates: the first for later MTUs than the second."""


def recorded(session: int) -> dict[str, Any]:
    """The chain's event that a program was recorded."""
    program: dict[str, Any] = dict.fromkeys(
        ("booksRoot", "resultsRoot", "gridModelHash", "reportHash"), "0x" + "00" * 32
    )
    program |= {"tradedMask": "0", "emptiedMask": "0", "deadline": 0}
    args = {"market": to_hex(text_id(MARKET)), "session": session, "program": program}
    args |= {"dso": "0x" + "00" * 20, "signature": "0x"}
    return {"contract": "Market", "event": "ProgramRecorded", "args": args}


def test_openings__programs_signed_by_gate_and_delivered_the_other_way_round__come_by_delivery(record: Record) -> None:
    Town(record, households=1)
    schedules = {f"POINT-{number}": [0] for number in range(POINTS_MAX)}
    with record.begin() as tx:
        for session, first_mtu in ((DAY_AHEAD, 96), (INTRADAY, 90)):
            place = {"market": MARKET, "session": session}
            append_fact(tx, "program.validated", place | {"first_mtu": first_mtu, "count": 1, "schedules": schedules})
            append_fact(tx, "program.signed", place)
            append_fact(tx, "chain.included", {"key": f"r:{session}", "block": 1, "events": [recorded(session)]})
        through = tx.head.sequence

    with record.read() as connection:
        programs = read_openings(connection, through=through).programs

    assert [program.validated.session for program in programs] == [INTRADAY, DAY_AHEAD]
