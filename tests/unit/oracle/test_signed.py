"""What an attester takes over of an area: meters and connections that whom they bind has signed, by its own node."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from domain.hashing import to_hex
from domain.metering_area import MeteringArea
from domain.roles import ChainRole
from oracle.attester.signed import SignedTerms
from tests.metered import DSO
from tests.unit.oracle.conftest import area_in

pytestmark = pytest.mark.unit


class Node:
    """A node that knows one DSO, and counts what it is asked."""

    def __init__(self) -> None:
        self.asked = 0

    def held_role(self, address: str, role: ChainRole, area: str | None) -> bool:
        self.asked += 1
        return (address, role, area) == (to_hex(DSO.address), ChainRole.DSO, "TEST/LV1")


@pytest.fixture
def area(tmp_path: Path) -> MeteringArea:
    return area_in(tmp_path, meters=3).metering


def swapped(area: MeteringArea) -> MeteringArea:
    """Two meters at each other's points."""
    one, two, *rest = area.meters
    return replace(area, meters=(replace(one, point=two.point), replace(two, point=one.point), *rest))


def connected(area: MeteringArea) -> MeteringArea:
    """Two connections that carry less, so that readings would look implausible."""
    one, two, *rest = area.parties
    return replace(area, parties=(*(replace(party, connection_import_w=1) for party in (one, two)), *rest))


def rekeyed(area: MeteringArea) -> MeteringArea:
    """Later keys of two meters that nobody signed, which would end those that count."""
    later = (replace(meter, valid_from_mtu=meter.valid_from_mtu + 1) for meter in area.meters[:2])
    return replace(area, meters=(*area.meters, *later))


def test_area__as_signed__is_taken_over_and_each_term_looked_at_once(area: MeteringArea) -> None:
    node = Node()
    terms = SignedTerms(node.held_role)

    assert terms.of_area(area) == terms.of_area(area) == area
    assert node.asked == 1


@pytest.mark.parametrize("change", [swapped, connected])
def test_area__not_as_signed__sets_aside_what_is_not_and_nothing_else(
    area: MeteringArea, change: Callable[[MeteringArea], MeteringArea]
) -> None:
    found = SignedTerms(Node().held_role).of_area(change(area))

    assert found.meter_codes == ("M2",)
    assert found.keys_of("M2") == area.keys_of("M2")


def test_area__later_key_that_nobody_signed__ends_none(area: MeteringArea) -> None:
    assert SignedTerms(Node().held_role).of_area(rekeyed(area)) == area
