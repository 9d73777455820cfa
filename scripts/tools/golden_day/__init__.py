"""The golden day: a small market day with every value between what people sign and what they are billed.

`python -m scripts.tools.golden_day` rewrites `tests/golden/day/`, from which other implementations are tested
(`tests/golden/README.md`). All values come from the functions that the service, the DSO's client and attesters call;
what is random elsewhere (salts, nonces, keys) is derived from text, so that the files are the same on every run.

One module for each step of the day: who takes part (`registry`), what is traded and validated (`trading`), what is
metered (`metering`), what is settled (`settling`), what the journal holds (`journal`). A new kind of term or order is a
row in one of them; `documents` puts the files together.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from domain.facts import Fact
from domain.members import noun_json
from ledger_service.record.journal import Entry
from scripts.tools.golden_day import journal, metering, people, registry, settling, trading
from scripts.tools.golden_day.metering import MeteredDay, meter, metered_before_wh
from scripts.tools.golden_day.registry import Registered, registered
from scripts.tools.golden_day.settling import SettledRevision, settle_day
from scripts.tools.golden_day.trading import Traded, trade

FOLDER = Path(__file__).parents[3] / "tests" / "golden" / "day"
"""Where the files lie."""


LINE_CHARACTERS = 240
"""Width of a line that holds a whole object or array."""


@dataclass(frozen=True)
class GoldenDay:
    """The whole day."""

    registry: Registered
    traded: tuple[Traded, ...]
    metered: MeteredDay
    revisions: tuple[SettledRevision, ...]

    def facts(self) -> Iterator[Fact]:
        """All facts in the order of the journal."""
        yield from self.registry.facts()
        for session in self.traded:
            yield from session.facts()
        first, second = self.revisions
        yield from (*self.metered.first_facts, *first.facts(), *self.metered.late_facts, *second.facts())

    @cached_property
    def entries(self) -> list[Entry]:
        """The journal."""
        return journal.recorded(self.facts())


def golden_day() -> GoldenDay:
    """Make the day."""
    everybody = registered()
    traded, metered = trade(everybody, metered_before_wh()), meter(everybody)
    return GoldenDay(everybody, traded, metered, settle_day(everybody, traded, metered))


def documents(day: GoldenDay) -> dict[str, Any]:
    """The files by name, as JSON values."""
    return {
        "inputs.json": _inputs(day),
        "1_terms.json": registry.terms_values(day.registry),
        "2_orders.json": trading.orders_values(day.traded),
        "3_books.json": trading.books_values(day.traded),
        "4_programs.json": trading.programs_values(day.traded),
        "5_readings.json": metering.readings_values(day.metered),
        "6_settlements.json": settling.settlements_values(day.revisions),
        "7_journal.json": journal.journal_values(day.entries),
    }


def _inputs(day: GoldenDay) -> dict[str, Any]:
    return {
        "chain": people.chain_json(),
        "keys": people.keys_json(),
        "meter_keys": people.meter_keys_json(),
        "area": noun_json(day.registry.area),
        "market": noun_json(day.registry.market),
        "terms": [{"kind": fact.KIND, "payload": fact.payload()} for fact in day.registry.terms],
        "period": noun_json(day.registry.period, exclude=("declared_at", "resolved_at")),
        "sessions": [trading.session_input(item) for item in day.traded],
        "metering": metering.metering_input(day.metered),
        "settlements": [settling.settlement_input(item) for item in day.revisions],
        "journal": journal.journal_input(day.entries),
        "recorded_at": journal.RECORDED_AT,
        "receipts": journal.receipts_input(day.entries),
    }


def text_of(document: Any) -> str:
    """A document as the text of its file: what fits into a line stands in one."""
    return _lines(document, "") + "\n"


def _lines(value: Any, indent: str) -> str:
    short = json.dumps(value, ensure_ascii=False)
    if len(indent) + len(short) <= LINE_CHARACTERS or not isinstance(value, (dict, list)):
        return short
    inner = indent + " "
    if isinstance(value, dict):
        rows = [f"{inner}{json.dumps(name)}: {_lines(item, inner)}" for name, item in value.items()]
        return "{\n" + ",\n".join(rows) + f"\n{indent}}}"
    return "[\n" + ",\n".join(inner + _lines(item, inner) for item in value) + f"\n{indent}]"
