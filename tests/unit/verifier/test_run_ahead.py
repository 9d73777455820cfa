"""Heads anchored ahead of the journal: an operator makes room for entries that it has not written yet."""

from __future__ import annotations

from typing import Any

import pytest

from domain.hashing import ZERO_HASH, keccak, to_hex
from tests.unit.verifier.journal import Emits
from tests.unit.verifier.small_day import Day
from tests.unit.verifier.test_policies import AnchoredLate
from tests.unit.verifier.test_small_day import messages
from verifier.verdict import WRONG
from verifier.verify import verify

pytestmark = pytest.mark.unit

STEP = 100_000
"""As far ahead as the contract takes it."""


def anchor_ahead(day: Any, sequence: int) -> None:
    """Anchor a head for an entry that is still to be written."""
    head = keccak(b"whatever comes")
    event = Emits("HeadAnchored", "uint64*,bytes32,bytes32", [sequence, head, ZERO_HASH])
    day.send("operator", "Anchors", "anchor", [sequence, to_hex(head)], event)


class Ahead(AnchoredLate):
    """A head far ahead is anchored before delivery, so that a policy written later would seem to stand under it."""

    ahead = STEP

    def open(self) -> None:
        anchor_ahead(self, self.ahead)
        super().open()


class JustAhead(Ahead):
    """The same, at an entry that the journal reaches before it ends."""

    ahead = 120


@pytest.mark.parametrize("kind", [Ahead, JustAhead])
@pytest.mark.parametrize("bundle", ["auditor", "public"])
def test_verify__head_anchored_ahead__gives_no_room_for_what_is_late(kind: type[Day], bundle: str) -> None:
    day = kind().run()

    report = verify(getattr(day, bundle)(), day.anchors(), day.chain.rpc)

    assert report.exit_code == WRONG
    said = messages(report)
    assert f"Anchors on chain holds entry {STEP}" in said or "hash of entry 120" in said


def test_verify__read_before_the_head_that_runs_ahead__is_clean() -> None:
    """What was verified before stays so: the chain is read as it was."""
    day = Day().run()
    files, anchors, block = day.auditor(), day.anchors(), len(day.chain.blocks) - 1
    anchor_ahead(day, STEP)

    assert verify(files, anchors, day.chain.rpc, block).exit_code == 0
    assert verify(files, anchors, day.chain.rpc).exit_code == WRONG
