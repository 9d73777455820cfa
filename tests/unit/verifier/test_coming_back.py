"""A meter that once told something wrong comes back by its next readings, for attesters and verifier alike."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from domain.readings import Quality, Reading
from tests.faulty_meters import FIRST, LAST, STEP, Sends, area_of_periods, honest, live, used_wh
from tests.unit.verifier.test_balancing import findings

pytestmark = pytest.mark.unit

AWAY, BACK = FIRST + 30, FIRST + 7 * STEP - 1
"""A meter that is away: its first missing MTU, and the one it comes back with, the last of an attestation."""


def tells(register_wh: int, about: int, *, away: range = range(0)) -> Sends:
    """A meter that tells one register wrongly, and none while it is away."""

    def sends(area: Any, mtu: int) -> list[bytes]:
        if mtu == about:
            return [area.message("M0", area.reading("M0", mtu, import_register_wh=register_wh))]
        return [] if mtu in away else honest(area, mtu)

    return sends


def powers(area: Any, **watts: int) -> None:
    """The connection of M0's point is another one."""
    area.metering = replace(
        area.metering,
        parties=tuple(replace(party, **watts) if party.point == "P-M0" else party for party in area.metering.parties),
    )


def no_feed_in(area: Any) -> None:
    powers(area, connection_export_w=0)


def entered_too_low(area: Any) -> None:
    powers(area, connection_import_w=10, connection_export_w=10)


def as_it_is(area: Any) -> None:
    """Nothing is changed."""


FAULTS: dict[str, tuple[Sends, Callable[[Any], None]]] = {
    "first register of all ones": (tells(2**32 - 1, FIRST - 1), as_it_is),
    "first register of zero": (tells(0, FIRST - 1), as_it_is),
    "spike after days away": (tells(used_wh(BACK) + 100_000, BACK, away=range(AWAY, BACK)), as_it_is),
    "one step back": (tells(used_wh(FIRST + 40) - 151, FIRST + 41), as_it_is),
    "export where none is agreed": (honest, no_feed_in),
    "connection entered too low": (honest, entered_too_low),
}


def lived(folder: Path, name: str) -> tuple[list[Reading], list[str]]:
    """The leaves of M0 that count in the end, and what the verifier finds."""
    sends, change = FAULTS[name]
    area = area_of_periods(folder)
    change(area)
    for one in area.attester_keys:
        area.attesters[one].store.close()
        area.attester(one)
    handed_in = live(area, sends)
    return [area.leaves(mtu)["M0"] for mtu in range(FIRST, LAST + 1)], findings(area, handed_in)


@pytest.mark.parametrize(
    ("name", "first", "substitutes"),
    [
        ("first register of all ones", FIRST + 1, []),  # what the first MTU drew, no register tells
        ("first register of zero", FIRST + 1, []),
        ("spike after days away", FIRST, list(range(AWAY, BACK + 1))),
        ("one step back", FIRST, [FIRST + 41]),
        ("export where none is agreed", FIRST, []),
        ("connection entered too low", FIRST, []),
    ],
)
def test_attesting__a_meter_is_wrong_for_once__its_true_readings_count_from_then_on(
    tmp_path: Path, name: str, first: int, substitutes: list[int]
) -> None:
    leaves, found = lived(tmp_path, name)

    assert found == []
    assert [leaf.mtu for leaf in leaves if leaf.quality is Quality.SUBSTITUTE] == substitutes
    assert sum(leaf.import_wh + leaf.balancing_import_wh for leaf in leaves) == used_wh(LAST) - used_wh(first - 1)
    assert leaves[-1].import_register_wh == used_wh(LAST)
