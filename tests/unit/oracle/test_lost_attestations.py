"""Attestations that were recorded, or said to be, and never reached the chain: they are made again."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from domain.mtu import mtu_end
from domain.readings import Quality
from oracle.attester.consensus.attestations import RecordedMtu
from oracle.attester.consensus.events import Connected, HandedOver, StatesTold

pytestmark = pytest.mark.unit

FIRST = 1_900_000


def attested_area(make_area: Callable[..., Any], *, last: int) -> Any:
    area = make_area(meters=1)
    for name in area.attester_keys:
        area.attester(name).hear(*area.day(FIRST - 1, last))
    area.cut_off(last)
    return area


def test_consensus__chain_refuses_recorded_attestations__revision_one_is_made_after_the_mark(
    make_area: Callable[..., Any],
) -> None:
    area = attested_area(make_area, last=FIRST + 3)
    area.excluded = {FIRST, FIRST + 1}
    area.settle_down()
    assert sorted(area.recorded) == [FIRST, FIRST + 1, FIRST + 2, FIRST + 3]

    for mtu in sorted(area.excluded):
        area.recorded.pop(mtu)
        area.unread.add(mtu)
    area.excluded.clear()
    area.now += area.metering.attest_seconds
    area.settle_down()

    for mtu in (FIRST, FIRST + 1):
        assert [item.revision for item in area.recorded[mtu]] == [1]
        assert all(item.quality is Quality.MEASURED for item in area.leaves(mtu).values())
    assert [item.revision for item in area.recorded[FIRST + 2]] == [0]


def test_consensus__chain_refuses_before_the_deadline__revision_zero_is_made_again(
    make_area: Callable[..., Any],
) -> None:
    area = attested_area(make_area, last=FIRST)
    area.excluded = {FIRST}
    area.settle_down(rounds=10)
    area.recorded.pop(FIRST)

    area.settle_down(rounds=10)
    area.excluded.clear()
    area.settle_down()

    assert [item.revision for item in area.recorded[FIRST]] == [0]


def test_consensus__correction_refused_by_the_chain__the_same_correction_is_made_again(
    make_area: Callable[..., Any],
) -> None:
    area = attested_area(make_area, last=FIRST)
    area.cut_off(FIRST + 1)
    area.settle_down()
    for one in area.attesters.values():
        one.hear(area.message("M0", area.reading("M0", FIRST + 1, import_register_wh=1_270)))
    area.settle_down(rounds=10)
    assert len(area.recorded[FIRST + 1]) == 2

    area.recorded[FIRST + 1].pop()
    for one in area.attesters.values():
        one.driver.happen(Connected())  # looks up everything again
    area.settle_down()

    assert [item.revision for item in area.recorded[FIRST + 1]] == [0, 1]
    assert area.leaves(FIRST + 1)["M0"].import_wh == 170


def test_consensus__restart_after_a_refusal__finds_out_and_makes_it_again(make_area: Callable[..., Any]) -> None:
    area = attested_area(make_area, last=FIRST + 1)
    area.settle_down()
    area.recorded.pop(FIRST)
    area.unread.add(FIRST)
    area.now += area.metering.attest_seconds
    for name in area.attester_keys:
        area.attesters[name].store.close()
        area.attester(name)

    area.settle_down()

    assert [item.revision for item in area.recorded[FIRST]] == [1]


def test_consensus__proposer_says_attested_and_hands_nothing_over__the_others_do(
    make_area: Callable[..., Any],
) -> None:
    area = attested_area(make_area, last=FIRST)
    honest_record = area.record

    def record(one: Any, what: Any, body: Any) -> None:
        if one.name == "A1":
            one.driver.happen(HandedOver(what.attestations))
        else:
            honest_record(one, what, body)

    area.record = record
    for _ in range(30):
        area.wall += 1
        area.let_tick(area.attesters["A1"])
    assert area.recorded == {}
    assert all(FIRST in one.standing.mtus for one in area.attesters.values())

    area.settle_down()

    assert [item.revision for item in area.recorded[FIRST]] == [0]


def test_consensus__included_and_then_the_service_forgets__the_node_is_believed(make_area: Callable[..., Any]) -> None:
    area = attested_area(make_area, last=FIRST)
    area.settle_down()
    held = area.recorded[FIRST]
    one = area.attesters["A0"]

    one.driver.happen(Connected())
    one.driver.happen(StatesTold((RecordedMtu(mtu=FIRST, next_revision=0, attestation=None),)))

    assert one.standing.next_revision(FIRST) == 1
    assert one.standing.mtus[FIRST].last.root == held[0].root


def test_registry__attest_until__leaves_the_chain_time_to_include(make_area: Callable[..., Any]) -> None:
    metering = make_area().metering

    assert metering.attest_until(FIRST) == mtu_end(FIRST) + metering.attest_seconds - 300


def test_consensus__margin_before_the_deadline__waits_for_the_mark(make_area: Callable[..., Any]) -> None:
    area = attested_area(make_area, last=FIRST)
    area.now = area.metering.attest_until(FIRST) + 1

    area.settle_down(rounds=20)

    assert area.recorded == {}
