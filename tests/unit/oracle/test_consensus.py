"""Consensus of three attesters: missing readings, lies, silence, corrections."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import orjson
import pytest

from domain.mtu import mtu_end
from domain.readings import Quality
from oracle.attester.consensus.events import Tick
from oracle.attester.consensus.states import HandingOver
from tests.attester_store import counts

pytestmark = pytest.mark.unit

FIRST = 1_900_000


def energies(area: Any, mtu: int) -> list[tuple[str, int, str]]:
    """(meter, import Wh, quality) of the latest attestation, by meter code."""
    leaves = area.leaves(mtu)
    return [(code, leaves[code].import_wh, leaves[code].quality.name) for code in sorted(leaves)]


def kind_of(message: Any) -> str:
    """What a message to other attesters is."""
    return str(message.topic.rsplit("/", 1)[1])


def proposal_of(area: Any, one: Any) -> Any:
    """The proposal that an attester makes once the service told it where MTUs stand, alone."""
    for _ in range(40):
        area.wall += 1
        one.driver.happen(Tick())
        area.answer(one)
        said = [message for message in one.take_said() if kind_of(message) == "proposal"]
        if said:
            return said[0]
    raise AssertionError("it proposes nothing")


def test_consensus__all_hold_all_readings__each_mtu_attested_once(make_area: Callable[..., Any]) -> None:
    area = make_area()
    for name in area.attester_keys:
        area.attester(name).hear(*area.day(FIRST - 1, FIRST + 3))
    area.cut_off(FIRST + 3)

    area.settle_down()

    assert sorted(area.recorded) == [FIRST, FIRST + 1, FIRST + 2, FIRST + 3]
    assert all(len(held) == 1 for held in area.recorded.values())
    assert energies(area, FIRST) == [("M0", 100, "MEASURED"), ("M1", 100, "MEASURED")]
    assert all(len(held[0].signatures) == 2 for held in area.recorded.values())


def test_consensus__area_told_without_a_meter__the_others_are_attested_all_the_same(
    make_area: Callable[..., Any],
) -> None:
    area = make_area()
    for name in area.attester_keys:
        area.attester(name).hear(*area.day(FIRST - 1, FIRST + 1))
    kept = tuple(meter for meter in area.metering.meters if meter.meter != "M0")
    area.metering = replace(area.metering, meters=kept)
    for one in area.attesters.values():
        one.driver.use_area(area.metering)
    area.cut_off(FIRST + 1)

    area.settle_down()

    assert [energies(area, mtu) for mtu in sorted(area.recorded)] == [[("M1", 100, "MEASURED")]] * 2


def test_consensus__before_the_cut_off__nobody_proposes(make_area: Callable[..., Any]) -> None:
    area = make_area()
    for name in area.attester_keys:
        area.attester(name).hear(*area.day(FIRST - 1, FIRST))
    area.now = mtu_end(FIRST) + 119

    area.settle_down()

    assert area.recorded == {}


def test_consensus__each_holds_a_part__fetch_and_attest_all_as_measured(make_area: Callable[..., Any]) -> None:
    area = make_area(meters=3)
    for name, code in zip(area.attester_keys, area.meter_keys, strict=True):
        area.attester(name).hear(*area.day(FIRST - 1, FIRST + 3, codes=[code]))
    area.cut_off(FIRST + 3)

    area.settle_down()

    for mtu in range(FIRST, FIRST + 4):
        assert energies(area, mtu) == [("M0", 100, "MEASURED"), ("M1", 100, "MEASURED"), ("M2", 100, "MEASURED")]


def test_consensus__baseline_known_to_one_that_was_away__is_fetched_and_corrects(
    make_area: Callable[..., Any],
) -> None:
    area = make_area(meters=1, mtus=1)
    for name in area.attester_keys:
        area.attester(name).hear(area.message("M0", area.reading("M0", FIRST)))
    away = area.attesters.pop("A2")
    area.cut_off(FIRST)
    area.settle_down()
    before = energies(area, FIRST)

    away.hear(area.message("M0", area.reading("M0", FIRST - 1)))
    area.attesters["A2"] = away
    area.settle_down()

    assert before == [("M0", 0, "MEASURED")]
    assert energies(area, FIRST) == [("M0", 100, "MEASURED")]


def test_consensus__missing_reading__is_a_substitute_and_corrected_once_it_comes(make_area: Callable[..., Any]) -> None:
    area = make_area()
    messages = area.day(FIRST - 1, FIRST + 1)
    on_time = [message for message in messages if message != area.message("M0", area.reading("M0", FIRST + 1))]
    for name in area.attester_keys:
        area.attester(name).hear(*on_time)
    area.cut_off(FIRST + 1)
    area.settle_down()
    before = energies(area, FIRST + 1)

    for one in area.attesters.values():
        one.hear(area.message("M0", area.reading("M0", FIRST + 1, import_register_wh=1_270)))
    area.settle_down()

    assert before == [("M0", 100, "SUBSTITUTE"), ("M1", 100, "MEASURED")]
    assert energies(area, FIRST + 1) == [("M0", 170, "MEASURED"), ("M1", 100, "MEASURED")]
    assert [item.revision for item in area.recorded[FIRST + 1]] == [0, 1]
    assert [item.revision for item in area.recorded[FIRST]] == [0]


def test_consensus__register_comes_after_a_repeated_substitute__earlier_mtus_become_linear(
    make_area: Callable[..., Any],
) -> None:
    area = make_area(meters=1)
    for name in area.attester_keys:
        area.attester(name).hear(*area.day(FIRST - 1, FIRST))
    area.cut_off(FIRST + 1)
    area.settle_down()
    assert energies(area, FIRST + 1) == [("M0", 100, "SUBSTITUTE")]

    area.cut_off(FIRST + 2)
    later = area.reading("M0", FIRST + 2, import_register_wh=1_100 + 50)
    for one in area.attesters.values():
        one.hear(area.message("M0", later))
    area.settle_down()

    assert energies(area, FIRST + 1) == [("M0", 25, "SUBSTITUTE")]
    assert energies(area, FIRST + 2) == [("M0", 25, "MEASURED")]
    assert len(area.recorded[FIRST + 1]) == 2


def test_consensus__contradiction_known_to_one__is_a_substitute_for_all(make_area: Callable[..., Any]) -> None:
    area = make_area(meters=1)
    for name in area.attester_keys:
        area.attester(name).hear(*area.day(FIRST - 1, FIRST + 1))
    disputing = area.message("M0", area.reading("M0", FIRST, import_register_wh=1_111))
    area.attesters["A2"].hear(disputing)
    area.cut_off(FIRST + 1)

    area.settle_down()

    assert all(counts(one.store)["reading"] == 4 for one in area.attesters.values())
    shown = {jws for handed_in in area.handed_in for jws in handed_in.messages}
    assert disputing.decode("ascii") in shown and len(shown) == 4
    assert energies(area, FIRST) == [("M0", 100, "SUBSTITUTE")]
    assert energies(area, FIRST + 1) == [("M0", 100, "MEASURED")]


def test_consensus__proposer_silent__next_one_takes_over(make_area: Callable[..., Any]) -> None:
    for silent in ("A0", "A1", "A2"):
        area = make_area(meters=1)
        area.folder = area.folder / silent
        area.folder.mkdir()
        for name in area.attester_keys:
            if name != silent:
                area.attester(name).hear(*area.day(FIRST - 1, FIRST + 3))
        area.cut_off(FIRST + 3)

        area.settle_down()

        assert sorted(area.recorded) == [FIRST, FIRST + 1, FIRST + 2, FIRST + 3]


def test_consensus__one_of_three_alone__hands_over_nothing(make_area: Callable[..., Any]) -> None:
    area = make_area(meters=1)
    one = area.attester("A0")
    one.hear(*area.day(FIRST - 1, FIRST + 3))
    area.cut_off(FIRST + 3)

    area.settle_down()

    assert area.recorded == {}
    assert not isinstance(one.state, HandingOver)


@pytest.mark.parametrize("field", range(1, 8))
def test_receive__proposal_with_one_value_changed__is_not_signed(make_area: Callable[..., Any], field: int) -> None:
    area = make_area(meters=1)
    honest = area.attester("A0")
    honest.hear(*area.day(FIRST - 1, FIRST))
    other = area.attester("A1")
    other.hear(*area.day(FIRST - 1, FIRST))
    area.cut_off(FIRST)
    payload = orjson.loads(proposal_of(area, other).payload)
    genuine = honest.hear_attester("A1", "proposal", orjson.dumps(payload))
    assert [kind_of(answer) for answer in genuine] == ["signature"]

    row = payload["entries"][0]["readings"][0]
    row[field] = "0x" + "07" * 32 if field == 7 else 1 - row[field] if field == 6 else row[field] + 1
    answers = honest.hear_attester("A1", "proposal", orjson.dumps(payload))

    assert "signature" not in [kind_of(answer) for answer in answers]


def test_receive__proposal_that_leaves_a_meter_out__is_not_signed(make_area: Callable[..., Any]) -> None:
    area = make_area(meters=2)
    one = area.attester("A0")
    one.hear(*area.day(FIRST - 1, FIRST))
    area.cut_off(FIRST)
    reading = area.reading("M0", FIRST)
    row = ["M0", reading.import_register_wh, reading.export_register_wh, 100, 10, reading.sequence, 0]
    entry = {"mtu": FIRST, "revision": 0, "readings": [[*row, "0x" + reading.nonce.hex()]]}

    proposal = {"period": 0, "horizon": FIRST, "entries": [entry]}
    answers = one.hear_attester("A1", "proposal", orjson.dumps(proposal))

    assert [kind_of(answer) for answer in answers] == ["messages"]


@pytest.mark.parametrize(
    "payload", [b"", b"[]", b"{}", b'{"entries":5}', b'{"to":"A0"}', b"\xff", b"null", b"[" * 2000]
)
@pytest.mark.parametrize("kind", ["proposal", "signature", "fetch", "messages", "attested", "other"])
def test_receive__rubbish__changes_nothing(make_area: Callable[..., Any], payload: bytes, kind: str) -> None:
    area = make_area(meters=1)
    one = area.attester("A0")

    assert one.hear_attester("A1", kind, payload) == []
    assert one.hear_attester("stranger", kind, payload) == []
    assert not isinstance(one.state, HandingOver)


def test_consensus__deadline_passed__waits_for_the_mark_and_sends_revision_one(make_area: Callable[..., Any]) -> None:
    area = make_area(meters=1, mtus=1)
    for name in area.attester_keys:
        area.attester(name).hear(*area.day(FIRST - 1, FIRST))
    area.now = mtu_end(FIRST) + area.metering.attest_seconds + 1
    area.settle_down()
    assert area.recorded == {}

    area.unread.add(FIRST)
    area.settle_down()

    assert [item.revision for item in area.recorded[FIRST]] == [1]


def test_consensus__all_restarted_after_an_attestation__go_on_without_repeating(make_area: Callable[..., Any]) -> None:
    area = make_area(meters=1)
    for name in area.attester_keys:
        area.attester(name).hear(*area.day(FIRST - 1, FIRST + 1))
    area.cut_off(FIRST + 1)
    area.settle_down()
    area.cut_off(FIRST + 3)
    for name in area.attester_keys:
        area.attesters[name].store.close()
        area.attester(name).hear(*area.day(FIRST + 2, FIRST + 3))

    area.settle_down()

    assert [len(area.recorded[mtu]) for mtu in range(FIRST, FIRST + 4)] == [1, 1, 1, 1]
    assert all(item.quality is Quality.MEASURED for item in area.leaves(FIRST + 3).values())
