"""Settlement: moves money only by what everybody can recompute.

Made from src/interfaces/ISettlement.sol by `python -m scripts.tools.make_bindings`; do not edit.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import cast

from contracts.bindings.base import LATEST, Binding, Block, Call, Event, Struct, members
from contracts.rpc import as_bytes


@dataclass(frozen=True, slots=True)
class OpenSettlement(Struct):
    """`OpenSettlement` of the interface."""

    id: bytes
    next_page: int
    abandon_at: int


@dataclass(frozen=True, slots=True)
class SettlementPage(Struct):
    """`SettlementPage` of the interface."""

    area: bytes
    period: int
    revision: int
    page: int
    statements_root: bytes
    tariff_hash: bytes


@dataclass(frozen=True, slots=True)
class SettlementState(Struct):
    """`SettlementState` of the interface."""

    revisions: int
    settled_at: int
    is_final: bool


@dataclass(frozen=True, slots=True)
class PeriodFinalised(Event):
    """Corrections are over."""

    CONTRACT = "Settlement"
    NAME = "PeriodFinalised"

    area: bytes
    period: int


@dataclass(frozen=True, slots=True)
class PeriodSettled(Event):
    """A settlement took effect."""

    CONTRACT = "Settlement"
    NAME = "PeriodSettled"

    area: bytes
    period: int
    revision: int
    words_hash: bytes
    clearing_root: bytes
    readings_root: bytes
    statements_root: bytes
    tariff_hash: bytes


@dataclass(frozen=True, slots=True)
class SettlementAbandoned(Event):
    """A settlement that stalled between its pages was dropped; nothing of it has effect."""

    CONTRACT = "Settlement"
    NAME = "SettlementAbandoned"

    id: bytes


@dataclass(frozen=True, slots=True)
class SettlementPageBooked(Event):
    """One page of a settlement with several pages was booked as pending."""

    CONTRACT = "Settlement"
    NAME = "SettlementPageBooked"

    area: bytes
    period: int
    revision: int
    page: int
    id: bytes


@dataclass(frozen=True, slots=True)
class SettlementSigned(Event):
    """The attesters' signatures over a settlement, once, with its first page."""

    CONTRACT = "Settlement"
    NAME = "SettlementSigned"

    area: bytes
    period: int
    revision: int
    digest: bytes
    signatures: Sequence[bytes]


class Settlement(Binding):
    """Safety assumes: fewer than m attesting organisations lie together (or a correction comes within the
    challenge window). It does not assume an honest operator: a settlement needs the attesters' signatures over
    roots that this contract reads from Market and Readings itself. Every settlement has sum zero and happens
    wholly or not at all. It books through Accounts, which keeps the balances. Liveness assumes nobody:
    settlement and finalise work in a pause and without the operator; a settlement that stalls between its pages
    can be abandoned. Attesters' signatures count by the roles of the moment they arrive: a key that is revoked
    or replaced in `Roles` takes its signatures in flight with it, and they must be given again.
    """

    contract = "Settlement"

    def max_advance(self, *, block: Block = LATEST) -> int:
        """Periods that one settlement counts as settled at most."""
        return int(self._read("MAX_ADVANCE", [], block=block))

    def max_pages(self, *, block: Block = LATEST) -> int:
        """Pages per settlement: 131,072 accounts in pages of 256."""
        return int(self._read("MAX_PAGES", [], block=block))

    @classmethod
    def abandon_settlement(cls, *, area: bytes) -> Call:
        """Drops the area's open settlement after its deadline. Anyone, also in a pause. The same one may come
        again.
        """
        return cls._call("abandonSettlement", [area])

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

    def final_count(self, *, area: bytes, block: Block = LATEST) -> int:
        """Number of an area's periods that are Final."""
        return int(self._read("finalCount", [area], block=block))

    @classmethod
    def finalise(cls, *, area: bytes, period: int) -> Call:
        """Ends corrections of a period after its horizon, and counts on what `settledThrough` has not counted yet.
        Anyone, also in a pause.
        """
        return cls._call("finalise", [area, period])

    def open_settlement(self, *, area: bytes, block: Block = LATEST) -> OpenSettlement:
        """The area's settlement that is open between its pages."""
        return OpenSettlement.read(self._read("openSettlement", [area], block=block))

    def page_seconds(self, *, block: Block = LATEST) -> int:
        """Market-time seconds that a settlement may stay open between its first page and its last."""
        return int(self._read("pageSeconds", [], block=block))

    @classmethod
    def settle(
        cls, *, target: SettlementPage, page_hashes: Sequence[bytes], words: Sequence[int], signatures: Sequence[bytes]
    ) -> Call:
        """Books one page of a settlement; with the last page it takes effect. Anyone, also in a pause: it brings
        no new trade, sellers wait for it, and a correction must not be lost to one. Revision 0 once the period
        ended, every (market, MTU) is Cleared or Void and every MTU attested or Unread; corrections until the
        first settlement + horizonSeconds. `page_hashes`: hashes of all pages, of up to 2,048 words each; none
        for a settlement without amounts. `signatures`: with page 0: m or more attesters' over EIP-712
        `Settlement`, ascending by signer; ignored with later pages. `target`: which page of which settlement.
        `words`: `address:160 | amount:int96` of this page: over all pages first the debits, then the credits,
        accounts of each strictly ascending.
        """
        return cls._call("settle", [target, page_hashes, words, signatures])

    def settled_through(self, *, area: bytes, block: Block = LATEST) -> int:
        """Number of the period up to which every period of the area is settled; where one settled late, those
        after it count a few at a time, with later settlements or as periods become final.
        """
        return int(self._read("settledThrough", [area], block=block))

    def settlement_digest(
        self,
        *,
        area: bytes,
        period: int,
        revision: int,
        words_hash: bytes,
        clearing_root: bytes,
        readings_root: bytes,
        statements_root: bytes,
        tariff_hash: bytes,
        block: Block = LATEST,
    ) -> bytes:
        """The EIP-712 digest the attesters sign."""
        return as_bytes(
            self._read(
                "settlementDigest",
                [area, period, revision, words_hash, clearing_root, readings_root, statements_root, tariff_hash],
                block=block,
            )
        )

    def settlement_of(self, *, area: bytes, period: int, block: Block = LATEST) -> SettlementState:
        """Where the settlement of (area, period) stands."""
        return SettlementState.read(self._read("settlementOf", [area, period], block=block))

    def statements_root_of(self, *, area: bytes, period: int, revision: int, block: Block = LATEST) -> bytes:
        """Root of the statements of a settlement that took effect; 0 otherwise."""
        return as_bytes(self._read("statementsRootOf", [area, period, revision], block=block))
