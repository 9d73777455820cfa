"""What an attester accepts, keeps, refuses and asks for."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import orjson
import pytest
from nacl.signing import SigningKey

from domain.mtu import mtu_end, mtu_start
from oracle.receipts import read_receipts

pytestmark = pytest.mark.unit

FIRST = 1_900_000


def receipts_of(area: Any, outgoing: list[Any]) -> list[int]:
    """First sequences of genuine receipts among what was published."""
    found = []
    for message in outgoing:
        if "/receipt/" in message.topic:
            code = message.topic.split("/")[-3]
            for receipt, signature in read_receipts(message.payload, meter_code=code):
                domain = area.registry.readings_domain
                assert receipt.signed_by(signature=signature, address=area.attester_keys["A0"].address, domain=domain)
                found.append(receipt.first_sequence)
    return found


def requests_of(outgoing: list[Any]) -> list[dict[str, int]]:
    return [orjson.loads(message.payload) for message in outgoing if "/request/" in message.topic]


def test_take__readings_in_order__are_stored_and_receipted(make_area: Callable[..., Any]) -> None:
    area = make_area(meters=1)
    one = area.attester("A0")

    outgoing = one.hear(*area.day(FIRST - 1, FIRST + 2))

    assert receipts_of(area, outgoing) == [1, 2, 3, 4]
    assert requests_of(outgoing) == []
    assert one.store.counts()["reading"] == 4
    assert one.codes() == []


def test_take__same_message_a_hundred_times__is_one_reading_and_a_receipt_each(make_area: Callable[..., Any]) -> None:
    area = make_area(meters=1)
    one = area.attester("A0")
    message = area.message("M0", area.reading("M0", FIRST - 1))

    for _ in range(50):
        one.hear(message)
    outgoing = one.hear(*[message] * 50)

    assert receipts_of(area, outgoing) == [1] * 50
    assert one.store.counts()["reading"] == 1
    assert one.store.counts()["message"] == 1


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

    assert one.store.counts()["reading"] == 4
    assert [reading.mtu for reading in one.intake.books["M0"].believed()] == [FIRST - 1, FIRST + 1]
    assert one.intake.counts["contradiction"] == 1


@pytest.mark.parametrize(
    ("mtu", "changes", "code"),
    [
        (FIRST + 1, {"import_register_wh": 1_099}, "reading-falling"),
        (FIRST + 1, {"export_register_wh": 9}, "reading-falling"),
        (FIRST + 1, {"import_register_wh": 1_100 + 3_751}, "reading-implausible"),
        (FIRST + 1, {"export_register_wh": 10 + 3_751}, "reading-implausible"),
        (FIRST + 4, {"sequence": 3}, "reading-future"),
        (FIRST - 1, {"sequence": 3, "import_register_wh": 1_000, "export_register_wh": 0}, "reading-stale"),
    ],
)
def test_take__unbelievable_reading__is_refused_and_changes_nothing(
    make_area: Callable[..., Any], mtu: int, changes: dict[str, int], code: str
) -> None:
    area = make_area(meters=1)
    one = area.attester("A0")
    one.hear(*area.day(FIRST - 1, FIRST))
    before = one.store.counts()["reading"]

    outgoing = one.hear(area.message("M0", area.reading("M0", mtu, **changes)))

    assert one.codes() == [code]
    assert receipts_of(area, outgoing) == []
    assert one.store.counts()["reading"] == before


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


def test_take__older_than_the_horizon__is_refused(make_area: Callable[..., Any]) -> None:
    area = make_area(meters=1)
    one = area.attester("A0")
    area.now = mtu_start(FIRST) + area.registry.horizon_seconds + 1

    one.hear(area.message("M0", area.reading("M0", FIRST - 1)))

    assert one.codes() == ["reading-stale"]


def test_take__message_on_the_topic_of_another_meter__is_refused(make_area: Callable[..., Any]) -> None:
    area = make_area(meters=2)
    one = area.attester("A0")
    message = area.message("M0", area.reading("M0", FIRST - 1))

    one.hear(message, topic=one.intake.topics.reading("M1"))
    one.hear(message, topic="lem/v1/ELSEWHERE/meter/M0/reading")
    one.hear(message, topic=one.intake.topics.reading("M9"))

    assert one.codes() == ["meter-signature-wrong", "meter-wrong-topic", "meter-unknown"]
    assert one.store.counts()["message"] == 0


@pytest.mark.parametrize("payload", [b"", b"\xff" * 100, b"[" * 10_000, b"x" * 10_000_000, b"a.b.c"])
def test_take__rubbish_beside_a_genuine_message__refuses_only_the_rubbish(
    make_area: Callable[..., Any], payload: bytes
) -> None:
    area = make_area(meters=1)
    one = area.attester("A0")
    topic = one.intake.topics.reading("M0")

    one.intake.take([(topic, payload), (topic, area.message("M0", area.reading("M0", FIRST - 1)))])

    assert one.codes() == ["meter-message-malformed"]
    assert one.store.counts()["reading"] == 1


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
