"""The journal's head goes on chain when facts are new, at once where they can't wait, and never for its own sake."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from domain.facts import ChainRequested
from domain.hashing import to_hex
from ledger_service.evidence.stage import AnchorStage
from ledger_service.record import Record
from ledger_service.stage import run_until_quiet
from tests.journal import append_fact, content_of

pytestmark = pytest.mark.unit

FINAL = {"contract": "Settlement", "event": "PeriodFinalised", "args": {"area": "0x" + "11" * 32, "period": 1}}
"""The chain's event that a period takes no more corrections."""


@pytest.fixture
def record(record_url: str) -> Iterator[Record]:
    opened = Record.open(record_url)
    yield opened
    opened.close()


def append(record: Record, kind: str, payload: dict[str, Any] | None = None) -> Any:
    with record.begin() as tx:
        return append_fact(tx, kind, payload or {})


def anchored(record: Record) -> list[int]:
    return [content_of(entry)["args"][0] for entry in record.entries(kinds=[ChainRequested])]


def test_run__new_facts__asks_for_the_head_before_its_own_request(record: Record) -> None:
    entry = append(record, "access.logged")

    run_until_quiet([AnchorStage(record)], 0)

    (request,) = record.entries(kinds=[ChainRequested])
    assert content_of(request)["args"] == [entry.sequence, to_hex(entry.hash)]


def test_run__only_the_anchors_own_transactions__asks_no_more(record: Record) -> None:
    append(record, "access.logged")
    stage = AnchorStage(record)
    run_until_quiet([stage], 0)

    append(record, "chain.included", {"key": "anchor:1"})
    run_until_quiet([stage], 1_000_000)

    assert anchored(record) == [1]


def test_run__facts_keep_coming__waits_for_the_interval(record: Record) -> None:
    stage = AnchorStage(record, every_seconds=100)
    for now in (0, 50, 99, 100):
        append(record, "access.logged")
        run_until_quiet([stage], now)

    assert anchored(record) == [1, 5]


@pytest.mark.parametrize(
    ("kind", "payload"),
    [
        ("book.closed", {}),
        ("settlement.signed", {}),
        ("chain.included", {"key": "settle:a:1:0", "events": [FINAL]}),
        ("chain.observed", {"events": [FINAL]}),
    ],
)
def test_run__fact_that_cannot_wait__asks_at_once(record: Record, kind: str, payload: dict[str, Any]) -> None:
    stage = AnchorStage(record)
    append(record, "access.logged")
    run_until_quiet([stage], 0)

    append(record, kind, payload)
    run_until_quiet([stage], 1)

    assert anchored(record) == [1, 3]


def test_run__after_a_restart__goes_on_where_it_stopped(record: Record) -> None:
    append(record, "access.logged")
    run_until_quiet([AnchorStage(record)], 0)

    run_until_quiet([AnchorStage(record)], 1)
    append(record, "access.logged")
    run_until_quiet([AnchorStage(record)], 2)

    assert anchored(record) == [1, 3]


def test_anchor__more_entries_than_a_step__several_lead_to_the_head(
    record: Record, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("ledger_service.evidence.stage.STEP_MAX", 2)
    entries = [append(record, "access.logged") for _ in range(5)]

    AnchorStage(record).anchor()

    asked = [content_of(entry)["args"] for entry in record.entries(kinds=[ChainRequested])]
    assert asked == [[entries[at].sequence, to_hex(entries[at].hash)] for at in (1, 3, 4)]


def test_anchor__nothing_new__asks_nothing(record: Record) -> None:
    AnchorStage(record).anchor()

    assert anchored(record) == []
