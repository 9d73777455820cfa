"""Meters, an embedded broker and three attesters: from signed registers to attestations that verify."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from domain.readings import Quality

pytestmark = pytest.mark.integration


def test_attesting__hundred_meters_several_mtus__each_attested_by_two_of_three(
    make_community: Callable[..., Any], wait: Callable[..., None]
) -> None:
    community = make_community(meters=100, mtus=4)
    community.start()
    first, last = community.mtus[0], community.mtus[-1]
    community.service.now = community.measured_at()

    community.measure(first - 1, last)
    wait(lambda: community.fleet.waiting() == 0)
    community.service.now = community.due_at()
    wait(lambda: len(community.service.recorded) == 4)

    for mtu in community.mtus:
        (item,) = community.service.recorded[mtu]
        assert item.count == 100
        assert item.import_wh == sum(100 + number for number in range(100))
        assert item.export_wh == sum(range(100))
        assert all(reading.quality is Quality.MEASURED for reading in item.readings)


def test_attesting__attester_stopped_during_readings__catches_up_and_goes_on(
    make_community: Callable[..., Any], wait: Callable[..., None]
) -> None:
    community = make_community(meters=20, mtus=4)
    community.start()
    first, last = community.mtus[0], community.mtus[-1]
    community.service.now = community.measured_at()
    community.measure(first - 1, first)
    wait(lambda: community.fleet.waiting() == 0)

    community.attesters.pop("A1").stop()
    community.measure(first + 1, last)
    wait(lambda: community.fleet.waiting() == 0)
    community.attesters.pop("A2").stop()
    community.start_attester("A1")
    community.service.now = community.due_at()
    wait(lambda: len(community.service.recorded) == 4)

    for mtu in community.mtus:
        latest = community.service.recorded[mtu][-1]
        assert all(reading.quality is Quality.MEASURED for reading in latest.readings)
    held = {
        reading for code, run in community.attesters["A1"].store.runs() if code == "M000" for reading in run.readings()
    }
    assert len(held) == 5


def test_attesting__service_away__attestations_wait_and_are_handed_over_later(
    make_community: Callable[..., Any], wait: Callable[..., None]
) -> None:
    community = make_community(meters=3, mtus=2)
    community.start()
    first, last = community.mtus[0], community.mtus[-1]
    community.service.now = community.due_at()
    wait(lambda: all(one.clock.now() == community.service.now for one in community.attesters.values()))
    community.service.away = True

    community.measure(first - 1, last)
    wait(lambda: community.fleet.waiting() == 0)
    recorded_meanwhile = {mtu: len(held) for mtu, held in community.service.recorded.items()}
    community.service.away = False

    def all_measured() -> bool:
        latest = [community.service.leaves(mtu) for mtu in community.mtus]
        return all(
            leaves is not None and all(leaf.quality is Quality.MEASURED for leaf in leaves.values())
            for leaves in latest
        )

    wait(all_measured)

    assert sum(len(held) for held in community.service.recorded.values()) > sum(recorded_meanwhile.values())
