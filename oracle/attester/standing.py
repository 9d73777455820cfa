"""Where attestations stand: what was recorded or heard of, and what one's own node shows of it.

An attestation counts as made only when the node shows its revision with its root. Until then it is kept and looked
up; one that the chain refused, or that a proposer only claimed to have handed in, is dropped and made again.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, Protocol

from domain.hashing import from_hex
from domain.readings import Reading
from oracle.attester.planning import AttestedMtu
from oracle.attester.store import Store

DOUBT_S = 15.0
"""Wall seconds without inclusion after which the service is asked whether it still holds an attestation."""


class OnChain(Protocol):
    """What the Readings contract shows of an MTU: revisions taken (Unread counts as one) and the last root."""

    @property
    def revisions(self) -> int: ...

    @property
    def root(self) -> bytes: ...


@dataclass
class Standing:
    """The attestations of one area by MTU, in memory and store. `wall` is any clock in seconds."""

    store: Store
    attested: dict[int, AttestedMtu] = field(init=False, default_factory=dict)
    doubted: set[int] = field(init=False, default_factory=set)
    """MTUs about which the service is to be asked: the chain shows something else, or nothing for too long"""
    _open: dict[int, float] = field(init=False, default_factory=dict)
    """MTU -> wall time since when inclusion is waited for"""
    _heard: set[int] = field(init=False, default_factory=set)
    """MTUs heard of since the service was last asked: its answer may be older"""

    def __post_init__(self) -> None:
        for record, included in self.store.attested_with_inclusion(first_mtu=0, last_mtu=2**32):
            self._show(record, included=included, wall=0.0)

    def _show(self, record: Mapping[str, Any], *, included: bool, wall: float) -> None:
        mtu = record["mtu"]
        readings = [Reading.from_json(item) for item in record["readings"]]
        self.attested[mtu] = AttestedMtu(
            next_revision=record["revision"] + 1,
            leaves={reading.meter_code: reading for reading in readings},
            root=from_hex(record["root"]),
            included=included,
        )
        if included:
            self._open.pop(mtu, None)
        else:
            self._open[mtu] = wall

    def next_revision(self, mtu: int) -> int:
        """The revision an MTU takes next, as far as known here."""
        stands = self.attested.get(mtu)
        return 0 if stands is None else stands.next_revision

    def leaves(self, mtu: int) -> Mapping[str, Reading] | None:
        """The leaves last attested for an MTU."""
        stands = self.attested.get(mtu)
        return None if stands is None else stands.leaves

    def kept(self, mtu: int) -> dict[str, Any] | None:
        """The last attestation held of an MTU, with its signatures."""
        return next(self.store.attested(first_mtu=mtu, last_mtu=mtu), None)

    def keep(self, records: Iterable[dict[str, Any]], *, wall: float) -> None:
        """Note attestations that carry enough signatures: recorded, or said to be."""
        records = list(records)
        with self.store.commit():
            self.store.add_attested(records)
        for record in records:
            self._show(record, included=False, wall=wall)
            self._heard.add(record["mtu"])

    def forget(self, mtu: int, *, next_revision: int) -> set[str]:
        """Drop what is held of an MTU from this revision on. Returns the meters whose leaves are open again."""
        lost = self.leaves(mtu) or {}
        with self.store.commit():
            self.store.forget_attested(mtu=mtu, from_revision=next_revision)
        self._open.pop(mtu, None)
        self.attested.pop(mtu, None)
        for record, included in self.store.attested_with_inclusion(first_mtu=mtu, last_mtu=mtu):
            if record["revision"] + 1 == next_revision:
                self._show(record, included=included, wall=0.0)
        if mtu not in self.attested and next_revision:
            self.attested[mtu] = AttestedMtu(next_revision=next_revision, leaves=None)
        return set(lost)

    # ---- one's own node

    def look_up(self, *, floor_mtu: int, everything: bool) -> list[int]:
        """MTUs to look up on the node: those not seen there yet, or all that can still be corrected."""
        known = self.attested if everything else self._open
        return sorted(mtu for mtu in known if mtu >= floor_mtu)

    def compare(self, mtu: int, shown: OnChain, *, wall: float) -> set[str]:
        """Take in what the node shows of an MTU. Returns the meters whose leaves are open again."""
        stands = self.attested.get(mtu)
        if stands is None or stands.leaves is None:
            return set()
        if (shown.revisions, shown.root) == (stands.next_revision, stands.root):
            if not stands.included:
                with self.store.commit():
                    self.store.note_included(mtu=mtu, revision=stands.next_revision - 1)
                self.attested[mtu] = AttestedMtu(stands.next_revision, stands.leaves, stands.root, included=True)
                self._open.pop(mtu, None)
            return set()
        if shown.revisions >= stands.next_revision:
            self.doubted.add(mtu)
            lost = set(stands.leaves)
            with self.store.commit():
                self.store.forget_attested(mtu=mtu, from_revision=stands.next_revision - 1)
            self._open.pop(mtu, None)
            self.attested[mtu] = AttestedMtu(next_revision=shown.revisions, leaves=None)
            return lost
        self.attested[mtu] = AttestedMtu(stands.next_revision, stands.leaves, stands.root)
        if wall - self._open.setdefault(mtu, wall) > DOUBT_S:
            self._open[mtu] = wall
            self.doubted.add(mtu)
        return set()

    # ---- the service

    def asking(self) -> None:
        """The service is asked now: what is heard from here on may be newer than its answer."""
        self._heard.clear()

    def contradicted(self, state: Mapping[str, Any]) -> bool:
        """Whether the service holds something else of an MTU than is held here, and the node does not bear this out."""
        mtu, record = state["mtu"], state["attestation"]
        stands = self.attested.get(mtu)
        if stands is None or stands.included or mtu in self._heard:
            return False
        if stands.leaves is None:
            return bool(record is None and stands.next_revision != state["next_revision"])
        if record is None:
            return True
        return (record["revision"] + 1, from_hex(record["root"])) != (stands.next_revision, stands.root)
