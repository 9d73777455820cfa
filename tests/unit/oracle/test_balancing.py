"""One meter never stops its area: what it says too late about what is final is made good, and all others go on."""

from __future__ import annotations

from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest

from domain.readings import Quality, Reading
from settling.balancing import was_unheard
from tests.faulty_meters import FAULTS, FIRST, LAST, LATE, OPEN, Sends, area_of_periods, live, offline, used_wh

pytestmark = pytest.mark.unit


def leaves_of(area: Any, code: str) -> list[Reading]:
    """The leaves of a meter that count, ascending in MTU."""
    return [leaves[code] for mtu in range(FIRST, LAST + 1) if (leaves := area.leaves(mtu))]


def restarted(area: Any) -> None:
    for name in area.attester_keys:
        area.attesters[name].store.close()
        area.attester(name)
    area.settle_down()


@pytest.mark.parametrize("fault", FAULTS.values(), ids=FAULTS)
def test_attesting__one_meter_is_at_fault_for_longer_than_the_horizon__others_are_attested_as_ever(
    tmp_path: Path, fault: Sends
) -> None:
    area = area_of_periods(tmp_path)
    live(area, fault)

    for code in ("M1", "M2"):
        leaves = leaves_of(area, code)
        assert [leaf.mtu for leaf in leaves] == list(range(FIRST, LAST + 1))
        assert {(leaf.import_wh, leaf.export_wh, leaf.quality) for leaf in leaves} == {(100, 10, Quality.MEASURED)}
        assert not any(any(leaf.balancing_wh) for leaf in leaves)
    own = leaves_of(area, "M0")
    assert [leaf.mtu for leaf in own] == list(range(FIRST, LAST + 1))
    for before, leaf in pairwise(own):  # energy neither appears nor vanishes
        balanced = leaf.begins_wh[0] - leaf.balancing_import_wh
        assert balanced == before.import_register_wh or was_unheard(before)

    stood = {mtu: len(held) for mtu, held in area.recorded.items()}
    restarted(area)
    assert {mtu: len(held) for mtu, held in area.recorded.items()} == stood


@pytest.mark.parametrize(
    ("name", "import_wh"),
    [
        ("dead after a while", used_wh(LAST) - used_wh(FIRST - 1)),
        ("offline but logging", used_wh(LAST) - used_wh(FIRST - 1)),
        ("never online, but logging", used_wh(LAST) - used_wh(FIRST - 1)),
        ("two readings of the last final MTU", used_wh(LAST) - used_wh(FIRST - 1)),
        ("dead", used_wh(LAST) - used_wh(LATE)),
        ("commissioned late", used_wh(LAST) - used_wh(LATE)),
    ],
)
def test_attesting__what_was_metered_where_nothing_is_corrected_any_more__is_made_good(
    tmp_path: Path, name: str, import_wh: int
) -> None:
    area = area_of_periods(tmp_path)
    live(area, FAULTS[name])

    leaves = leaves_of(area, "M0")
    assert sum(leaf.import_wh + leaf.balancing_import_wh for leaf in leaves) == import_wh
    balanced = [leaf.mtu for leaf in leaves if any(leaf.balancing_wh)]
    assert balanced == ([] if name in ("dead", "commissioned late") else [OPEN])


def test_attesting__an_attester_that_lost_its_store__signs_a_balancing_entry_with_one_other(tmp_path: Path) -> None:
    area, fault = area_of_periods(tmp_path), offline(FIRST + 10, LATE)
    live(area, fault, last=LATE - 18)
    for name in ("A0", "A2"):
        area.attesters.pop(name).store.close()
    (tmp_path / "A0.sqlite").unlink()
    area.attester("A0")
    live(area, fault, first=LATE - 17)

    assert len(leaves_of(area, "M1")) == LAST - FIRST + 1
    assert any(any(leaf.balancing_wh) for leaf in leaves_of(area, "M0"))
