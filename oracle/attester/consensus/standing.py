"""Where attestations stand: what was recorded or heard of, and what one's own node shows of it.

An attestation counts as made only when the node shows its revision with its root. Until then it is kept and looked
up; one that the chain refused, or that a proposer only claimed to have handed in, is dropped and made again.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace

from domain.attestations import Leaves, SignedAttestation
from oracle.attester.consensus.attestations import RecordedMtu
from oracle.attester.consensus.effects import Effect, Forget, Keep, NoteIncluded
from oracle.attester.consensus.events import OnChain

DOUBT_S = 15.0
"""Wall seconds without inclusion after which the service is asked whether it still holds an attestation."""


@dataclass(frozen=True, slots=True)
class MtuStanding:
    """Where an MTU stands: the revision it takes next, and the attestation before that (None: not known here).

    `included`: one's own node shows this attestation; until then it may yet be lost.
    """

    next_revision: int
    last: SignedAttestation | None = None
    included: bool = False

    @property
    def leaves(self) -> Leaves | None:
        """The leaves last attested, by meter code."""
        return None if self.last is None else self.last.leaves


class Standing:
    """The attestations of one area by MTU. `held` are those in the store (and whether they are included), by MTU and
    revision; `emit` takes what is to be written there. `wall_s` is any clock in seconds."""

    def __init__(self, *, held: Iterable[tuple[SignedAttestation, bool]], emit: Callable[[Effect], None]) -> None:
        self.mtus: dict[int, MtuStanding] = {}
        self.doubted: set[int] = set()
        """MTUs about which the service is to be asked: the chain shows something else, or nothing for too long"""
        self._emit = emit
        self._earlier: dict[int, list[tuple[SignedAttestation, bool]]] = {}
        """attestations below the last one, which counts again where that is lost"""
        self._open: dict[int, float] = {}
        """MTU -> wall time since when inclusion is waited for"""
        self._heard: set[int] = set()
        """MTUs heard of since the service was last asked: its answer may be older"""
        for item, included in held:
            self._show(item, included=included, wall_s=0.0)

    def _show(self, item: SignedAttestation, *, included: bool, wall_s: float) -> None:
        stands = self.mtus.get(item.mtu)
        if stands is not None and stands.last is not None and stands.last.revision < item.revision:
            self._earlier.setdefault(item.mtu, []).append((stands.last, stands.included))
        self.mtus[item.mtu] = MtuStanding(item.revision + 1, item, included)
        if included:
            self._open.pop(item.mtu, None)
        else:
            self._open[item.mtu] = wall_s

    def next_revision(self, mtu: int) -> int:
        """The revision an MTU takes next, as far as known here."""
        stands = self.mtus.get(mtu)
        return 0 if stands is None else stands.next_revision

    def leaves(self, mtu: int) -> Leaves | None:
        """The leaves last attested for an MTU."""
        stands = self.mtus.get(mtu)
        return None if stands is None else stands.leaves

    def held(self, mtu: int) -> SignedAttestation | None:
        """The last attestation held of an MTU, with its signatures."""
        stands, earlier = self.mtus.get(mtu), self._earlier.get(mtu)
        if stands is not None and stands.last is not None:
            return stands.last
        return earlier[-1][0] if earlier else None

    def keep(self, items: Iterable[SignedAttestation], *, wall_s: float) -> None:
        """Note attestations that carry enough signatures: recorded, or said to be."""
        kept = tuple(items)
        self._emit(Keep(kept))
        for item in kept:
            self._show(item, included=False, wall_s=wall_s)
            self._heard.add(item.mtu)

    def forget(self, mtu: int, *, next_revision: int) -> frozenset[str]:
        """Drop what is held of an MTU from this revision on. Returns the meters whose leaves are open again."""
        lost = frozenset(self.leaves(mtu) or ())
        self._emit(Forget(mtu, from_revision=next_revision))
        self._open.pop(mtu, None)
        last = self._drop(mtu, next_revision)
        if last is not None and last[0].revision + 1 == next_revision:
            self._show(last[0], included=last[1], wall_s=0.0)
        else:
            if last is not None:
                self._earlier.setdefault(mtu, []).append(last)
            if next_revision:
                self.mtus[mtu] = MtuStanding(next_revision)
        return lost

    def _drop(self, mtu: int, from_revision: int) -> tuple[SignedAttestation, bool] | None:
        """Take an MTU out of memory; returns the last attestation below a revision, the others stay as earlier ones."""
        stands = self.mtus.pop(mtu, None)
        held = self._earlier.pop(mtu, [])
        if stands is not None and stands.last is not None:
            held.append((stands.last, stands.included))
        below = [entry for entry in held if entry[0].revision < from_revision]
        if len(below) > 1:
            self._earlier[mtu] = below[:-1]
        return below[-1] if below else None

    def drop_before(self, mtu: int) -> None:
        """Take the MTUs before this one out of memory: they are final."""
        for known in (self.mtus, self._earlier, self._open):
            for final in [item for item in known if item < mtu]:
                del known[final]

    # ---- one's own node

    def to_look_up(self, *, floor_mtu: int, everything: bool) -> tuple[int, ...]:
        """MTUs to look up on the node: those not seen there yet, or all that can still be corrected."""
        known = self.mtus if everything else self._open
        return tuple(sorted(mtu for mtu in known if mtu >= floor_mtu))

    def compare(self, mtu: int, shown: OnChain, *, wall_s: float) -> frozenset[str]:
        """Take in what the node shows of an MTU. Returns the meters whose leaves are open again."""
        stands = self.mtus.get(mtu)
        if stands is None or stands.last is None:
            return frozenset()
        if (shown.revisions, shown.root) == (stands.next_revision, stands.last.root):
            if not stands.included:
                self._emit(NoteIncluded(mtu, stands.last.revision))
                self.mtus[mtu] = replace(stands, included=True)
                self._open.pop(mtu, None)
            return frozenset()
        if shown.revisions >= stands.next_revision:
            self.doubted.add(mtu)
            self._emit(Forget(mtu, from_revision=stands.last.revision))
            self._open.pop(mtu, None)
            last = self._drop(mtu, stands.last.revision)
            if last is not None:
                self._earlier.setdefault(mtu, []).append(last)
            self.mtus[mtu] = MtuStanding(shown.revisions)
            return frozenset(stands.last.leaves)
        self.mtus[mtu] = replace(stands, included=False)
        if wall_s - self._open.setdefault(mtu, wall_s) > DOUBT_S:
            self._open[mtu] = wall_s
            self.doubted.add(mtu)
        return frozenset()

    # ---- the service

    def asking(self) -> None:
        """The service is asked now: what is heard from here on may be newer than its answer."""
        self._heard.clear()

    def contradicted(self, state: RecordedMtu) -> bool:
        """Whether the service holds something else of an MTU than is held here, and the node does not bear this out."""
        stands, recorded = self.mtus.get(state.mtu), state.attestation
        if stands is None or stands.included or state.mtu in self._heard:
            return False
        if stands.last is None:
            return recorded is None and stands.next_revision != state.next_revision
        if recorded is None:
            return True
        return (recorded.revision, recorded.root) != (stands.last.revision, stands.last.root)
