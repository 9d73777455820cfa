"""Readings: what was metered, as m of n attesters of distinct organisations saw it.

Made from src/interfaces/IReadings.sol by `python -m scripts.tools.make_bindings`; do not edit.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import cast

from contracts.bindings.base import LATEST, Binding, Block, Call, Event, Struct, members
from contracts.rpc import as_bytes


@dataclass(frozen=True, slots=True)
class Attestation(Struct):
    """`Attestation` of the interface."""

    area: bytes
    mtu: int
    revision: int
    root: bytes
    count: int
    import_wh: int
    export_wh: int


@dataclass(frozen=True, slots=True)
class ReadingState(Struct):
    """`ReadingState` of the interface."""

    revisions: int
    unread: bool
    count: int
    import_wh: int
    export_wh: int
    root: bytes


@dataclass(frozen=True, slots=True)
class ReadingsAttested(Event):
    """Readings were attested."""

    CONTRACT = "Readings"
    NAME = "ReadingsAttested"

    area: bytes
    mtu: int
    revision: int
    root: bytes
    count: int
    import_wh: int
    export_wh: int
    readings_root: bytes
    signatures: Sequence[bytes]


@dataclass(frozen=True, slots=True)
class ReadingsPassedOver(Event):
    """A batch left this MTU as it stands (see `ReadingState`), since its revision was taken or its time had run
    out.
    """

    CONTRACT = "Readings"
    NAME = "ReadingsPassedOver"

    area: bytes
    mtu: int
    revisions: int
    unread: bool
    root: bytes


@dataclass(frozen=True, slots=True)
class ReadingsUnread(Event):
    """No readings came by the deadline."""

    CONTRACT = "Readings"
    NAME = "ReadingsUnread"

    area: bytes
    mtu: int
    readings_root: bytes


class Readings(Binding):
    """Safety assumes: fewer than m attesting organisations lie together. The contract sees no single reading and
    no meter. Liveness assumes: m attesters answer by the deadline; otherwise anyone marks the MTU Unread (it
    settles as traded) and a later attestation corrects it.
    """

    contract = "Readings"

    def max_mark_mtus(self, *, block: Block = LATEST) -> int:
        """MTUs one call may mark."""
        return int(self._read("MAX_MARK_MTUS", [], block=block))

    @classmethod
    def attest(cls, *, period: int, attestation: Attestation, signatures: Sequence[bytes]) -> Call:
        """Records one attestation. Anyone may send it, also in a pause. Revision 0 from the end of the MTU until
        attestSeconds after it, or after the period's declaration where that came later. Later revisions until
        horizonSeconds after the last MTU of the period was attested or marked: whoever is late with that
        shortens nothing. `period`: the area's period that contains the MTU. `signatures`: m or more of the
        area's attesters, ascending by signer.
        """
        return cls._call("attest", [period, attestation, signatures])

    @classmethod
    def attest_many(
        cls, *, period: int, attestations: Sequence[Attestation], signatures: Sequence[Sequence[bytes]]
    ) -> Call:
        """Records several attestations of one period, but passes over each MTU whose revision stands already,
        whoever sent it, or whose time has run out: nobody can spoil a batch. Anything else that is wrong with
        one reverts all.
        """
        return cls._call("attestMany", [period, attestations, signatures])

    def attestation_digest(self, *, attestation: Attestation, block: Block = LATEST) -> bytes:
        """The EIP-712 digest an attester signs."""
        return as_bytes(self._read("attestationDigest", [attestation], block=block))

    def calendar(self, *, block: Block = LATEST) -> bytes:
        """The calendar whose time, areas and periods count."""
        return as_bytes(self._read("calendar", [], block=block))

    def domain_separator(self, *, block: Block = LATEST) -> bytes:
        """The EIP-712 domain separator of this contract."""
        return as_bytes(self._read("domainSeparator", [], block=block))

    def eip712_domain(self, *, block: Block = LATEST) -> tuple[bytes, str, str, int, bytes, bytes, Sequence[int]]:
        """(no comment)"""
        return cast(
            "tuple[bytes, str, str, int, bytes, bytes, Sequence[int]]",
            members(
                self._read("eip712Domain", [], block=block),
                ["bytes1", "string", "string", "uint256", "address", "bytes32", "uint256[]"],
            ),
        )

    @classmethod
    def mark_unread(cls, *, area: bytes, period: int, first_mtu: int, count: int) -> Call:
        """Marks all MTUs of a range Unread that have no attestation and whose deadline has passed; passes over
        those attested or marked already. Anyone, also in a pause. `count`: 1 to 3,200. `period`: the area's
        period that contains the range.
        """
        return cls._call("markUnread", [area, period, first_mtu, count])

    def reading_of(self, *, area: bytes, mtu: int, block: Block = LATEST) -> ReadingState:
        """Where the readings of (area, MTU) stand."""
        return ReadingState.read(self._read("readingOf", [area, mtu], block=block))

    def readings_root(self, *, area: bytes, period: int, block: Block = LATEST) -> bytes:
        """Running root over the attestations and marks of (area, period), in the order of their happening."""
        return as_bytes(self._read("readingsRoot", [area, period], block=block))

    def resolved_at(self, *, area: bytes, period: int, block: Block = LATEST) -> int:
        """Market time at which the last MTU of (area, period) was attested or marked: the horizon runs from it; 0
        before.
        """
        return int(self._read("resolvedAt", [area, period], block=block))

    def resolved_count(self, *, area: bytes, period: int, block: Block = LATEST) -> int:
        """Number of MTUs of (area, period) that are attested or Unread."""
        return int(self._read("resolvedCount", [area, period], block=block))

    def roles(self, *, block: Block = LATEST) -> bytes:
        """The roles that decide who may do what."""
        return as_bytes(self._read("roles", [], block=block))
