"""Anchors: the head of the operator's journal, fixed in time.

Made from src/interfaces/IAnchors.sol by `python -m scripts.tools.make_bindings`; do not edit.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import cast

from contracts.bindings.base import LATEST, Binding, Block, Call, Event, members


@dataclass(frozen=True, slots=True)
class HeadAnchored(Event):
    """The journal's head after entry `sequence`."""

    CONTRACT = "Anchors"
    NAME = "HeadAnchored"

    sequence: int
    head: bytes
    previous_head: bytes


class Anchors(Binding):
    """Safety: a journal that was rewritten before an anchor no longer leads to it. Liveness assumes the operator
    sends anchors; a missing one is visible.
    """

    contract = "Anchors"

    def max_step(self, *, block: Block = LATEST) -> int:
        """Most entries from one anchor to the next."""
        return int(self._read("MAX_STEP", [], block=block))

    @classmethod
    def anchor(cls, *, sequence: int, head: bytes) -> Call:
        """Anchors the head of the journal. Operator for all areas only. `head`: hash of that entry. `sequence`: of
        the journal's last entry, above the last anchored one by at most 100,000: a longer way takes several
        anchors, so that no single one, by mistake or on purpose, leaves no sequence for those to come.
        """
        return cls._call("anchor", [sequence, head])

    def latest(self, *, block: Block = LATEST) -> tuple[int, bytes, int]:
        """The last anchor; zeros if there is none. Returns block_time: when it was anchored. Returns head: its
        hash. Returns sequence: of the journal entry.
        """
        return cast(
            "tuple[int, bytes, int]", members(self._read("latest", [], block=block), ["uint64", "bytes32", "uint64"])
        )
