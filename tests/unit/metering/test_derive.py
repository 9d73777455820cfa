"""Leaves from registers: measured, linear, repeated, and nothing known."""

from __future__ import annotations

from itertools import pairwise

import pytest

from domain.readings import Quality, Reading
from domain.registers import RegisterReading
from settling.substitutes import leaves

pytestmark = pytest.mark.unit


def known(**registers: int) -> list[RegisterReading]:
    """Import registers by MTU, as m10=100; export is half of it."""
    return [
        RegisterReading(
            mtu=int(name[1:]), import_register_wh=value, export_register_wh=value // 2, sequence=at + 1, nonce=b"n" * 32
        )
        for at, (name, value) in enumerate(registers.items())
    ]


def derive(registers: list[RegisterReading], first: int, last: int) -> list[Reading]:
    return leaves(meter_code="M", known=registers, first_mtu=first, last_mtu=last)


def rows(found: list[Reading]) -> list[tuple[int, int, int, str]]:
    return [(item.mtu, item.import_register_wh, item.import_wh, item.quality.name) for item in found]


def test_leaves__all_known__are_measured_differences() -> None:
    found = derive(known(m9=1_000, m10=1_100, m11=1_250), 10, 11)

    assert rows(found) == [(10, 1_100, 100, "MEASURED"), (11, 1_250, 150, "MEASURED")]
    assert [item.sequence for item in found] == [2, 3]


def test_leaves__missing_between_known__is_linear_rounded_down() -> None:
    found = derive(known(m9=1_000, m12=1_100), 10, 12)

    assert rows(found) == [(10, 1_033, 33, "SUBSTITUTE"), (11, 1_066, 33, "SUBSTITUTE"), (12, 1_100, 34, "MEASURED")]
    assert found[0].sequence == 0
    assert len({item.nonce for item in found}) == 3


def test_leaves__missing_at_the_end__repeats_the_last_interval() -> None:
    found = derive(known(m8=900, m9=1_000), 10, 11)

    assert rows(found) == [(10, 1_100, 100, "SUBSTITUTE"), (11, 1_200, 100, "SUBSTITUTE")]


def test_leaves__only_a_baseline_known__is_no_energy() -> None:
    assert rows(derive(known(m9=1_000), 10, 10)) == [(10, 1_000, 0, "SUBSTITUTE")]


def test_leaves__nothing_known__is_zero() -> None:
    assert rows(derive([], 10, 10)) == [(10, 0, 0, "SUBSTITUTE")]


def test_leaves__known_only_later__has_no_energy_before() -> None:
    assert rows(derive(known(m11=500, m12=600), 10, 12)) == [
        (10, 500, 0, "SUBSTITUTE"),
        (11, 500, 0, "MEASURED"),
        (12, 600, 100, "MEASURED"),
    ]


def test_leaves__any_gaps__registers_differ_by_the_interval() -> None:
    found = derive(known(m9=7, m13=1_000, m14=1_003, m20=5_000), 8, 25)

    for earlier, later in pairwise(found):
        assert later.import_register_wh - earlier.import_register_wh == later.import_wh
        assert later.export_register_wh - earlier.export_register_wh == later.export_wh
    assert {item.quality for item in found} == {Quality.MEASURED, Quality.SUBSTITUTE}
