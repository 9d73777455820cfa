"""A round in which nothing is due takes no write lock, whatever stage the market is in."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from datetime import date

import pytest

from domain.facts import ChainRequested
from domain.hashing import hash_json
from domain.members import JsonDocument
from ledger_service.record import Record, Transaction
from ledger_service.stage import run_until_quiet
from scripts.serving.composition import build_stages
from tests.integration.ledger import town as towns
from tests.integration.ledger.test_validation import STREET
from tests.integration.ledger.town import Town, accepted
from tests.journal import append_fact, content_of

pytestmark = pytest.mark.integration

STEP_SECONDS = 4 * 3_600

DAYS = 4
"""Past the gate, the deadlines of verdict and clearing, the day itself, and the attesters' deadline with retries."""


@pytest.fixture
def street(make_town: Callable[..., Town], monkeypatch: pytest.MonkeyPatch) -> Town:
    """Three households on a grid that can be calculated, a program open for tomorrow, an order of each."""
    grid = json.loads(STREET.to_json())
    plain = towns.area
    monkeypatch.setattr(towns, "area", lambda: plain(grid_model=JsonDocument(grid), grid_model_hash=hash_json(grid)))
    town = make_town()
    program = town.open_session()
    accepted(town, *(resident.order(mtu=program.first_mtu) for resident in town.residents))
    return town


@pytest.fixture
def begun(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Write transactions begun, by what was appended last before."""
    begins: list[str] = []
    begin: Callable[[Record], AbstractContextManager[Transaction]] = Record.begin

    @contextmanager
    def counted(self: Record) -> Iterator[Transaction]:
        begins.append(repr(self.head()))
        with begin(self) as tx:
            yield tx

    monkeypatch.setattr(Record, "begin", counted)
    return begins


def fail_marks(town: Town, seen: set[str]) -> None:
    """The chain refuses whatever marks MTUs Unread."""
    for entry in town.record.entries(kinds=[ChainRequested], limit=100_000):
        key = content_of(entry)["key"]
        if key.startswith("unread:") and key not in seen:
            seen.add(key)
            with town.record.begin() as tx:
                append_fact(tx, "chain.failed", {"key": key, "reason": "paused"}, key=f"chain.failed:{key}")


def test_stages__nothing_due__begin_no_write_transaction(street: Town, begun: list[str]) -> None:
    town = street
    stages = build_stages(town.record, first_day=date(2016, 6, 16), last_day=date(2016, 6, 17), market_time=int).ordered
    failed: set[str] = set()
    busy = 0

    for now in range(town.clock.now(), town.clock.now() + DAYS * 86_400, STEP_SECONDS):
        fail_marks(town, failed)
        busy += run_until_quiet(stages, now)
        begun.clear()
        did = [stage.name for stage in stages if stage.run(now)]
        assert (did, begun) == ([], [])

    kinds = {entry.kind for entry in town.record.entries(limit=100_000)}
    assert {"book.closed", "program.validated", "chain.failed"} <= kinds
    assert busy > 0
    assert len(failed) > 1
