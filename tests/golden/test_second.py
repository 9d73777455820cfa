"""The second implementation on more than the golden day: books, settlements done by hand, substitutes of any time."""

from __future__ import annotations

import json
import random
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from domain.hashing import to_hex
from domain.meters import MeterKey
from domain.registers import ReadingRun, RegisterReading
from oracle.attester.book import MeterBook
from settling.substitutes import leaves
from tests.golden.second.orders import Word
from tests.golden.second.programs import cleared, result_values
from tests.golden.second.readings import Register, follow_each_other, leaf, undisputed
from tests.golden.second.settlements import Household, Trade, bill, statements, terms_hash, words_of

pytestmark = pytest.mark.golden

FOLDER = Path(__file__).parent
BOOKS = json.loads((FOLDER / "books" / "books.json").read_text("utf-8"))
CASES = sorted(path.parent for path in FOLDER.glob("settlement/*/input.json"))
UNSIGNED = "0x" + "00" * 65

Json = dict[str, Any]


# ---- the auction


def unpacked(text: str) -> Word:
    """A word without what was accepted of it."""
    word = int(text, 16)
    limit = (word >> 96) % 2**32
    lots = (word >> 72) % 2**24, (word >> 48) % 2**24
    return Word(word >> 128, word & 1, limit - 2**32 if limit >= 2**31 else limit, *lots)


@pytest.mark.parametrize("book", BOOKS["books"], ids=[book["name"] for book in BOOKS["books"]])
def test_second_implementation__book__clears_to_its_one_result(book: Json) -> None:
    result = cleared([unpacked(text) for text in book["words"]])

    assert [f"0x{word.pack():064x}" for word in result.words] == book["words"]
    assert (result.price, result.volume) == (book["price_neur_per_wh"], book["traded_lots"])
    made = result_values("LV4.101/DA", BOOKS["session"], book["mtu"], result, given_up=False)
    assert made["result_hash"] == book["result_hash"]


# ---- settlements


def day_of(case: Json) -> Json:
    """The terms of a case as inputs of a day; caps and schedules as one program."""
    unsigned = {f"{party}_signature": UNSIGNED for party in ("retailer", "dso", "registrar")}
    both = {f"{party}_signature": UNSIGNED for party in ("account", "retailer")}
    always = {"valid_from_mtu": 0}
    terms = [("participant.registered", {"participant": item["account"], **always, **item}) for item in case["parties"]]
    terms += [("tariff.published", item | unsigned) for item in case["tariffs"]]
    terms += [("agreement.signed", item | both) for item in case["agreements"]]
    envelopes = [{name: value for name, value in item.items() if "scheduled" not in name} for item in case["limits"]]
    return {
        "period": case["period"],
        "terms": [{"kind": kind, "payload": payload} for kind, payload in terms],
        "sessions": [{"opened": {"first_mtu": case["period"]["first_mtu"]}, "envelopes": envelopes}],
    }


def program_of(case: Json) -> Json:
    """Schedules of the case."""
    first, count = case["period"]["first_mtu"], case["period"]["count"]
    schedules = {item["point"]: [0] * count for item in case["limits"]}
    for item in case["limits"]:
        schedules[item["point"]][item["mtu"] - first] = -item["scheduled_export_wh"]
    return {"schedules": schedules}


def homes_of(case: Json, trades: list[Trade]) -> Iterator[Household]:
    """Households ascending, with what was metered."""
    for party in sorted(case["parties"], key=lambda item: item["account"]):
        if party["kind"] == "household":
            metered = {}
            for item in case["metered"]:
                if item["point"] == party["point"]:
                    nothing = {"import_wh": 0, "export_wh": 0}
                    row = item | {"balancing_import_wh": item.get("balancing_wh", 0)}
                    metered[item["mtu"]] = [(row, item["readings"][0]), *((nothing, h) for h in item["readings"][1:])]
            own = [trade for trade in trades if trade.account == party["account"]]
            yield Household(party["account"], party["point"], own, metered)


@pytest.mark.parametrize("folder", CASES, ids=lambda case: case.name)
def test_second_implementation__settlement_done_by_hand__gives_its_sums(folder: Path) -> None:
    case, expected = (json.loads((folder / f"{name}.json").read_text("utf-8")) for name in ("input", "expected"))
    order = ("account", "session", "market", "mtu", "side", "energy_wh", "price_neur_per_wh", "tag")
    trades = [Trade(*(item[name] for name in order)) for item in case["trades"]]
    inputs, first = day_of(case), case["period"]["first_mtu"]
    mtus = range(first, first + case["period"]["count"])
    _, billed = bill(inputs, list(homes_of(case, trades)), [program_of(case)], mtus)
    before = {account: int(amount) for account, amount in case["settled_before_neur"].items()}
    told = statements(inputs, billed, trades, case["revision"], before)

    for name in ("amount_neur", "due_neur"):
        assert {item["account"]: item[name] for item in told} == expected[name]
    assert {
        item["account"]: [
            f"{line.get('mtu', '-')} {line['kind']} {line.get('energy_wh', '-')} {line['amount_neur']}"
            for line in item["lines"]
        ]
        for item in told
    } == expected["lines"]
    assert [f"0x{word:064x}" for word in words_of(told)] == expected["words"]
    used = [terms for one in billed for terms in one.terms.values() if terms is not None]
    assert terms_hash(used) == expected["tariff_hash"]


# ---- substitutes

ZONE = "Europe/Berlin"
STARTS = {
    "a winter week": datetime(2026, 1, 12, 9, tzinfo=UTC),
    "the clock goes forward": datetime(2026, 3, 28, 23, tzinfo=UTC),
    "the clock goes back": datetime(2026, 10, 24, 22, tzinfo=UTC),
    "a Monday after both": datetime(2026, 10, 26, 0, tzinfo=UTC),
}


def drawn(seed: int, first: int) -> list[RegisterReading]:
    """Readings of a meter with gaps, around some hours of nine days."""
    draw = random.Random(seed)
    mtus = [first + 96 * day + at for day in range(-8, 1) for at in range(-6, 12)]
    kept = [mtu for mtu in mtus if draw.random() < draw.choice((0.3, 0.8, 0.95))]
    wh, found = (draw.randrange(10**6), draw.randrange(10**6)), []
    for sequence, mtu in enumerate(kept, 1):
        wh = (wh[0] + draw.randrange(900), wh[1] + draw.choice((0, draw.randrange(700))))
        found.append(RegisterReading(mtu, *wh, sequence, draw.randbytes(32)))
    return found[: draw.choice((0, 1, 2, len(found), len(found)))]


@pytest.mark.parametrize("start", STARTS.values(), ids=STARTS.keys())
def test_second_implementation__readings_with_gaps__give_the_same_leaves(start: datetime) -> None:
    first, compared = int(start.timestamp()) // 900, 0
    for seed in range(12):
        readings = drawn(seed, first)
        known = {
            item.mtu: Register(
                item.mtu, item.sequence, (item.import_register_wh, item.export_register_wh), to_hex(item.nonce)
            )
            for item in readings
        }
        span = {"first_mtu": first - 4, "last_mtu": first + 14}
        due = leaves(meter_code="m", readings=readings, zone=ZoneInfo(ZONE), **span)
        assert [leaf(known, "m", reading.mtu, ZONE) for reading in due] == [reading.as_json() for reading in due]
        compared += sum(not reading.sequence for reading in due)

    assert compared > 50, "substitutes"


# ---- what is believed

POWERS_W = (2_000, 3_001)


def muddled(seed: int) -> list[RegisterReading]:
    """What a meter signed that contradicts itself, falls, or tells of more than a connection carries."""
    draw, wh, found = random.Random(seed), (1_000, 1_000), []
    for sequence in range(1, 16):
        mtu = 100 + sequence + draw.choice((0, 0, 0, 0, -1, 2))
        jump = draw.choice((0, 200, 749, 750, 751, 1_125, 1_126, 1_127, -1))
        wh = (wh[0] + jump, wh[1] + draw.choice((0, 300, jump)))
        for _ in range(draw.choice((1, 1, 1, 1, 1, 2))):
            found.append(RegisterReading(mtu, max(wh[0], 0), max(wh[1], 0), sequence, draw.randbytes(32)))
    draw.shuffle(found)
    return found


def test_second_implementation__readings_that_contradict_each_other__believes_what_attesters_do() -> None:
    believed, told = 0, 0
    for seed in range(60):
        readings = muddled(seed)
        book = MeterBook((MeterKey("m", "p", bytes(32), 0, None, *POWERS_W),))
        for reading in readings:
            book.take(ReadingRun.of([reading]))
        rows = {
            Register(item.mtu, item.sequence, (item.import_register_wh, item.export_register_wh), to_hex(item.nonce))
            for item in readings
        }

        mine = [(row.sequence, row.mtu) for row in follow_each_other(undisputed(rows), POWERS_W)]
        assert mine == [(item.sequence, item.mtu) for item in book.believed()], seed
        believed, told = believed + len(mine), told + len(readings)

    assert 100 < believed < told - 100
