"""A small market day as evidence, made with the domain's own shapes and the service's settlement: what is clean.

Three households, a retailer, five MTUs: a tie that is rationed, a cap that binds, a change, a cancel, an MTU given up
and voided, one that is Unread at first and corrected later, a substitute, a second program that the DSO refuses,
guarantee, cover and redemption, a transaction that reverts and one whose block is given up; `Erased` adds an erasure
after Final. The chain is a stub that answers JSON-RPC about blocks, real transactions and logs.

Each part of the day is a class on top of the one before it, so that a test changes what it is about and runs the rest.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Self

from domain.eip712 import AUDIT
from domain.hashing import to_hex
from tests.unit.verifier.bundles import Bundles
from tests.unit.verifier.fake_chain import FIRST, address, sign
from tests.unit.verifier.journal import Emits, Payload


class Day(Bundles):
    """The whole day, step by step as the stages would make it."""

    steps: tuple[str, ...] = ("register", "anchor", "open", "trade", "validate", "record", "refuse", "meter", "unread")
    ending: tuple[str, ...] = ("fund", "finalise")

    def run(self) -> Self:
        """Make it: settle once without the last MTU's readings, correct, pay, end, anchor."""
        self.begin()
        self.settle(0)
        self.late()
        self.settle(1)
        self.end()
        return self

    def begin(self) -> None:
        """All up to the first settlement."""
        for step in self.steps:
            getattr(self, step)()

    def end(self) -> None:
        """All after the last settlement."""
        for step in self.ending:
            getattr(self, step)()
        self.anchor_last()

    def audit(self, auditor: str = "auditor") -> None:
        """An auditor signs that all up to the last entry is clean."""
        sequence, head = len(self.entries), to_hex(self.head)
        signature = sign(auditor, AUDIT, {"sequence": sequence, "head": self.head}, "Anchors")
        signed = {"auditor": address(auditor), "sequence": sequence, "head": head, "signature": signature}
        self.fact("audit.signed", signed)

    def erase(self, kind: str, chosen: Callable[[Payload], bool] = lambda payload: True) -> None:
        """Empty the first entry of a kind that is chosen, after an audit, and say so."""
        self.audit()
        self.erase_unseen(kind, chosen)

    def erase_unseen(self, kind: str, chosen: Callable[[Payload], bool] = lambda payload: True) -> None:
        """The same without an audit."""
        entry = next(e for e in self.entries if e["kind"] == kind and chosen(e["payload"]))
        self.erased.append(entry["sequence"])
        tags = [entry["payload"]["tag"]] if "tag" in entry["payload"] else []
        self.fact("erasure.done", {"sequences": [entry["sequence"]], "reason": "asked", "tags": tags})


class Erased(Day):
    """The day, in which a security admin pauses for a moment, without asking the service; after its period was Final an
    order that never traded is erased."""

    ending = (*Day.ending, "pause", "forget")

    def pause(self) -> None:
        """Pause, and go on."""
        admin, until = address("security_admin"), self.chain.now + 1_000
        self.observe("security_admin", "Roles", Emits("Paused", "address*,uint64", [admin, until]))
        self.observe("security_admin", "Roles", Emits("Unpaused", "address*", [admin]))

    def forget(self) -> None:
        """Erase a bid that found no ask."""
        self.erase("order.accepted", lambda payload: payload["order"]["mtu"] == FIRST + 2)
