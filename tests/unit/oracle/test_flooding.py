"""A liar of three that speaks without pause: the two honest ones go on attesting."""

from __future__ import annotations

from dataclasses import dataclass, fields
from pathlib import Path

import pytest

from oracle.attester.consensus.proposals import LeafProposal, ProposedMtu
from oracle.attester.dialogue import write_message
from tests.unit.oracle.conftest import FIRST, Area, Attesting, area_in

pytestmark = pytest.mark.unit

LIAR, HONEST = "A1", ("A0", "A2")
MTUS = 4
LIES_PER_SECOND = 10
"""More than attesters say to each other in a second of theirs."""


@dataclass
class FloodedArea(Area):
    """Whenever honest attesters have something to hear, a proposal of the liar comes first."""

    lie: bytes = b""
    lies_left: int = 0

    def let_tick(self, one: Attesting) -> None:
        """The liar has some breath for each second."""
        self.lies_left = LIES_PER_SECOND
        super().let_tick(one)

    def deliver(self) -> bool:
        """After the liar."""
        if self.lies_left:
            self.lies_left -= 1
            for one in self.attesters.values():
                one.driver.hear(sender=LIAR, kind="proposal", payload=self.lie)
        return super().deliver()


def flooded_area(folder: Path, *, revision: int) -> FloodedArea:
    """Two attesters hold all readings; the third proposes this revision of an MTU, again and again."""
    made = area_in(folder, meters=1, mtus=MTUS)
    entry = ProposedMtu(mtu=FIRST, revision=revision, readings=())
    lie = write_message(LeafProposal(period=0, horizon_mtu=FIRST, mtus=(entry,)))
    area = FloodedArea(**{item.name: getattr(made, item.name) for item in fields(Area)}, lie=lie)
    for name in HONEST:
        area.attester(name).hear(*area.day(FIRST - 1, FIRST + MTUS - 1))
    area.cut_off(FIRST + MTUS - 1)
    return area


@pytest.mark.parametrize("revision", [0, 1, 7], ids=["attested already", "to come", "nobody's"])
def test_consensus__liar_proposes_without_pause__others_attest_and_correct(tmp_path: Path, revision: int) -> None:
    area = flooded_area(tmp_path, revision=revision)

    area.settle_down(rounds=30)

    assert sorted(area.recorded) == list(range(FIRST, FIRST + MTUS))
