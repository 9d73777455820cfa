"""What an attester accepts, keeps, refuses and asks for."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import orjson
import pytest
from nacl.signing import SigningKey

from domain.hashing import keccak
from domain.messages import parse_message
from domain.mtu import mtu_end, mtu_start
from oracle.attester.intake import METER_MESSAGES_PER_GROUP
from oracle.reading_receipts import read_receipt
from tests.attester_store import counts

pytestmark = pytest.mark.unit

FIRST = 1_900_000


def receipts_of(area: Any, outgoing: list[Any]) -> list[int]:
    """First sequences of the messages that genuine receipts name, in the order published."""
    sequences = {
        keccak(jws): parse_message(jws)[1].first_sequence
        for one in area.attesters.values()
        for jws in one.store.messages_of([(code, at) for code in area.meter_keys for at in range(1, 200)])
    }
    found = []
    for message in outgoing:
        if "/receipt/" in message.topic:
            receipt = read_receipt(message.payload)
            assert receipt.signed_by(address=area.attester_keys["A0"].address, domain=area.metering.readings_domain)
            assert receipt.held() == list(receipt.paths)
            found += [sequences[digest] for digest in receipt.held()]
    return found


def requests_of(outgoing: list[Any]) -> list[dict[str, int]]:
    return [orjson.loads(message.payload) for message in outgoing if "/request/" in message.topic]


def test_take__readings_in_order__are_stored_and_receipted(make_area: Callable[..., Any]) -> None:
    area = make_area(meters=1)
    one = area.attester("A0")

    outgoing = one.hear(*area.day(FIRST - 1, FIRST + 2))

    assert receipts_of(area, outgoing) == [1, 2, 3, 4]
    assert requests_of(outgoing) == []
    assert counts(one.store)["reading"] == 4
    assert one.codes() == []


def test_take__same_message_a_hundred_times__is_one_reading_and_a_receipt_per_group(
    make_area: Callable[..., Any],
) -> None:
    area = make_area(meters=1)
    one = area.attester("A0")
    message = area.message("M0", area.reading("M0", FIRST - 1))

    for _ in range(50):
        one.hear(message)
    outgoing = one.hear(*[message] * 50)

    assert receipts_of(area, outgoing) == [1]
    assert counts(one.store)["reading"] == 1
    assert counts(one.store)["message"] == 1


def test_take__gap__keeps_the_later_one_and_asks_for_the_missing(make_area: Callable[..., Any]) -> None:
    area = make_area(meters=1)
    one = area.attester("A0")
    messages = area.day(FIRST - 1, FIRST + 2)

    outgoing = one.hear(messages[0], messages[3])
    filled = one.hear(messages[2], messages[1])

    assert requests_of(outgoing) == [{"from_sequence": 2, "to_sequence": 3}]
    assert receipts_of(area, outgoing) == [1, 4]
    assert requests_of(filled) == []
    assert one.intake.books["M0"].next_sequence == 5


def test_take__same_mtu_with_another_value__keeps_both_and_believes_neither(make_area: Callable[..., Any]) -> None:
    area = make_area(meters=1)
    one = area.attester("A0")
    one.hear(*area.day(FIRST - 1, FIRST + 1))

    one.hear(area.message("M0", area.reading("M0", FIRST, import_register_wh=1_150, nonce=b"\x05" * 32)))

    assert counts(one.store)["reading"] == 4
    assert [reading.mtu for reading in one.intake.books["M0"].believed()] == [FIRST - 1, FIRST + 1]
    assert one.intake.counts["contradiction"] == 1


@pytest.mark.parametrize(
    ("mtu", "changes", "code"),
    [
        (FIRST + 1, {"import_register_wh": 1_099}, "reading-falling"),
        (FIRST + 1, {"export_register_wh": 9}, "reading-falling"),
        (FIRST + 1, {"import_register_wh": 1_100 + 3_751}, "reading-implausible"),
        (FIRST + 1, {"export_register_wh": 10 + 3_751}, "reading-implausible"),
    ],
)
def test_take__unbelievable_reading__is_kept_receipted_noted_and_not_believed(
    make_area: Callable[..., Any], mtu: int, changes: dict[str, int], code: str
) -> None:
    area = make_area(meters=1)
    one = area.attester("A0")
    one.hear(*area.day(FIRST - 1, FIRST))
    before = list(one.intake.books["M0"].believed())

    outgoing = one.hear(area.message("M0", area.reading("M0", mtu, **changes)))

    assert one.codes() == [code]
    assert receipts_of(area, outgoing) == [3]
    assert one.intake.books["M0"].believed() == before
    assert one.intake.ask_gaps() == []


def test_take__mtu_far_ahead__is_refused_and_changes_nothing(make_area: Callable[..., Any]) -> None:
    area = make_area(meters=1)
    one = area.attester("A0")
    one.hear(*area.day(FIRST - 1, FIRST))

    outgoing = one.hear(area.message("M0", area.reading("M0", FIRST + 4, sequence=3)))

    assert one.codes() == ["reading-future"]
    assert receipts_of(area, outgoing) == []
    assert counts(one.store)["reading"] == 2


def test_take__one_falling_reading_in_a_message__the_others_count_and_the_message_is_receipted(
    make_area: Callable[..., Any],
) -> None:
    area = make_area(meters=1)
    one = area.attester("A0")
    readings = [area.reading("M0", FIRST + at) for at in (-1, 0, 1, 2)]
    readings[2] = area.reading("M0", FIRST + 1, import_register_wh=1)

    outgoing = one.hear(area.message("M0", *readings))

    assert receipts_of(area, outgoing) == [1]
    assert one.codes() == ["reading-falling"]
    assert [reading.mtu - FIRST for reading in one.intake.books["M0"].believed()] == [-1, 0, 2]
    assert one.intake.ask_gaps() == []


def test_take__same_mtu_under_another_sequence__keeps_both_and_believes_neither(make_area: Callable[..., Any]) -> None:
    area = make_area(meters=1)
    one = area.attester("A0")
    one.hear(*area.day(FIRST - 1, FIRST))

    one.hear(area.message("M0", area.reading("M0", FIRST, sequence=3, nonce=b"\x07" * 32)))

    assert one.intake.counts["contradiction"] == 1
    assert counts(one.store)["reading"] == 3
    assert [reading.mtu for reading in one.intake.books["M0"].believed()] == [FIRST - 1]


def test_take__spike_that_turns_out_disputed__no_longer_judges_later_readings(make_area: Callable[..., Any]) -> None:
    area = make_area(meters=1)
    one = area.attester("A0")
    one.hear(*area.day(FIRST - 1, FIRST))
    one.hear(area.message("M0", area.reading("M0", FIRST + 1, import_register_wh=4_500)))
    one.hear(*area.day(FIRST + 2, FIRST + 3))
    spoilt = [reading.mtu - FIRST for reading in one.intake.books["M0"].believed()]

    one.hear(area.message("M0", area.reading("M0", FIRST + 1)))

    assert spoilt == [-1, 0, 1]
    assert [reading.mtu - FIRST for reading in one.intake.books["M0"].believed()] == [-1, 0, 2, 3]


def test_take__a_day_of_readings_too_early__asks_the_time_once(make_area: Callable[..., Any]) -> None:
    area = make_area(meters=1)
    one = area.attester("A0")
    asked: list[int] = []
    one.intake._refresh = lambda: asked.append(area.now) or area.now
    early = [area.reading("M0", FIRST + 1_000 + at, sequence=2 + at) for at in range(60)]

    one.hear(*[area.message("M0", reading) for reading in early])

    assert len(asked) == 1
    assert counts(one.store)["refusal"] == 1


def test_take__flood_of_one_meter__leaves_the_others_served(make_area: Callable[..., Any]) -> None:
    area = make_area(meters=2, mtus=400)
    one = area.attester("A0")
    flood = area.day(FIRST - 1, FIRST + 300, codes=["M0"])

    outgoing = one.hear(*flood, *area.day(FIRST - 1, FIRST, codes=["M1"]))

    assert one.intake.counts["meter-over-quota"] == len(flood) - METER_MESSAGES_PER_GROUP
    assert one.codes() == ["meter-over-quota"]
    assert sum("/M1/receipt/" in message.topic for message in outgoing) == 1
    assert one.intake.books["M1"].next_sequence == 3


def test_take__forged_flood__leaves_one_refusal_per_group(make_area: Callable[..., Any]) -> None:
    area = make_area(meters=1)
    one = area.attester("A0")
    forged = area.message("M0", area.reading("M0", FIRST - 1))[:-4] + b"AAAA"

    for _ in range(3):
        one.hear(*[forged] * 60)

    assert counts(one.store)["refusal"] == 3
    assert one.intake.counts["meter-signature-wrong"] == 3


def test_take__known_message__is_receipted_without_looking_at_its_signature(
    make_area: Callable[..., Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    area = make_area(meters=1)
    one = area.attester("A0")
    message = area.message("M0", area.reading("M0", FIRST - 1))
    one.hear(message)
    monkeypatch.setattr("oracle.attester.intake.open_message", None)

    assert receipts_of(area, one.hear(message)) == [1]
    assert one.hear(message, topic=one.intake.topics.reading("M9")) == []


def test_take__message_that_breaks_the_reader__refuses_only_itself(make_area: Callable[..., Any]) -> None:
    area = make_area(meters=2)
    one = area.attester("A0")

    class Broken:
        def take(self, run: Any) -> Any:
            raise OverflowError("a bug")

    one.intake.books["M0"] = Broken()  # type: ignore[assignment]
    one.hear(area.message("M0", area.reading("M0", FIRST - 1)), area.message("M1", area.reading("M1", FIRST - 1)))

    assert one.codes() == ["meter-message-malformed"]
    assert one.intake.books["M1"].next_sequence == 2


def test_take__clock_of_the_meter_nine_seconds_ahead__is_accepted(make_area: Callable[..., Any]) -> None:
    area = make_area(meters=1)
    one = area.attester("A0")
    area.now = mtu_end(FIRST - 1) - 9

    one.hear(area.message("M0", area.reading("M0", FIRST - 1)))

    assert one.codes() == []


def test_take__mtu_not_ended__is_refused_and_asked_for_again(make_area: Callable[..., Any]) -> None:
    area = make_area(meters=1)
    one = area.attester("A0")
    area.now = mtu_end(FIRST - 1) - 11

    one.hear(area.message("M0", area.reading("M0", FIRST - 1)))

    assert one.codes() == ["reading-future"]
    assert requests_of(one.intake.ask_gaps()) == [{"from_sequence": 1, "to_sequence": 2**32 - 1}]


def test_take__older_than_the_horizon__is_kept_and_noted_so_that_it_stops_coming(
    make_area: Callable[..., Any],
) -> None:
    area = make_area(meters=1)
    one = area.attester("A0")
    area.now = mtu_start(FIRST) + area.metering.horizon_seconds + 1

    outgoing = one.hear(area.message("M0", area.reading("M0", FIRST - 1)))

    assert one.codes() == ["reading-stale"]
    assert receipts_of(area, outgoing) == [1]


def test_take__message_on_the_topic_of_another_meter__is_refused(make_area: Callable[..., Any]) -> None:
    area = make_area(meters=2)
    one = area.attester("A0")
    message = area.message("M0", area.reading("M0", FIRST - 1))

    one.hear(message, topic=one.intake.topics.reading("M1"))
    one.hear(message, topic="lem/v1/ELSEWHERE/meter/M0/reading")
    one.hear(message, topic=one.intake.topics.reading("M9"))

    assert one.codes() == ["meter-signature-wrong", "meter-wrong-topic", "meter-unknown"]
    assert counts(one.store)["message"] == 0


@pytest.mark.parametrize("payload", [b"", b"\xff" * 100, b"[" * 10_000, b"x" * 10_000_000, b"a.b.c"])
def test_take__rubbish_beside_a_genuine_message__refuses_only_the_rubbish(
    make_area: Callable[..., Any], payload: bytes
) -> None:
    area = make_area(meters=1)
    one = area.attester("A0")
    topic = one.intake.topics.reading("M0")

    one.intake.take([(topic, payload), (topic, area.message("M0", area.reading("M0", FIRST - 1)))])

    assert one.codes() == ["meter-message-malformed"]
    assert counts(one.store)["reading"] == 1


def test_take__signed_by_another_key__is_refused(make_area: Callable[..., Any]) -> None:
    area = make_area(meters=1)
    one = area.attester("A0")

    one.hear(area.message("M0", area.reading("M0", FIRST - 1), key=SigningKey(b"\x09" * 32)))

    assert one.codes() == ["meter-signature-wrong"]


def test_restart__after_readings_and_a_contradiction__knows_the_same(make_area: Callable[..., Any]) -> None:
    area = make_area(meters=2)
    one = area.attester("A0")
    one.hear(*area.day(FIRST - 1, FIRST + 2))
    one.hear(area.message("M1", area.reading("M1", FIRST, import_register_wh=1_101)))
    before = {code: book.believed() for code, book in one.intake.books.items()}
    one.store.close()

    again = area.attester("A0")

    assert {code: book.believed() for code, book in again.intake.books.items()} == before
    assert again.intake.books["M1"].next_sequence == 5


def test_take__commit_fails__raises_so_that_nothing_is_acknowledged(make_area: Callable[..., Any]) -> None:
    area = make_area(meters=1)
    one = area.attester("A0")
    one.store.close()

    with pytest.raises(Exception, match="closed"):
        one.hear(area.message("M0", area.reading("M0", FIRST - 1)))
