"""Market: books that cannot change, results that must be optimal, prices nobody sets.

Made from src/interfaces/IMarket.sol by `python -m scripts.tools.make_bindings`; do not edit.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import cast

from contracts.bindings.base import LATEST, Binding, Block, Call, Event, Struct, members
from contracts.rpc import as_bytes


@dataclass(frozen=True, slots=True)
class ResultPage(Struct):
    """`ResultPage` of the interface."""

    program: int
    mtu: int
    price_neur_per_wh: int
    count: int
    page: int


@dataclass(frozen=True, slots=True)
class MarketParams(Struct):
    """`MarketParams` of the interface."""

    area: bytes
    lot_wh: int
    tick_neur_per_wh: int
    min_limit_neur_per_wh: int
    max_limit_neur_per_wh: int
    grace_seconds: int
    sign_seconds: int
    clear_seconds: int


@dataclass(frozen=True, slots=True)
class Program(Struct):
    """`Program` of the interface."""

    first_mtu: int
    count: int
    period: int
    gate: int
    closed: bool
    results_root: bytes


@dataclass(frozen=True, slots=True)
class Result(Struct):
    """`Result` of the interface."""

    price_neur_per_wh: int
    traded_lots: int
    result_hash: bytes


@dataclass(frozen=True, slots=True)
class BooksClosed(Event):
    """All books of a program were committed to: per MTU the chain of masked page hashes and the number of orders."""

    CONTRACT = "Market"
    NAME = "BooksClosed"

    market: bytes
    program: int
    first_mtu: int
    chains: Sequence[bytes]
    counts: Sequence[int]


@dataclass(frozen=True, slots=True)
class MarketCreated(Event):
    """A market came into being; it takes part from period `firstPeriod` of its area on."""

    CONTRACT = "Market"
    NAME = "MarketCreated"

    market: bytes
    area: bytes
    first_period: int
    params: MarketParams


@dataclass(frozen=True, slots=True)
class MtuCleared(Event):
    """An MTU was cleared."""

    CONTRACT = "Market"
    NAME = "MtuCleared"

    market: bytes
    mtu: int
    price_neur_per_wh: int
    traded_lots: int
    result_hash: bytes
    clearing_root: bytes


@dataclass(frozen=True, slots=True)
class MtuVoided(Event):
    """An MTU was voided: no trade."""

    CONTRACT = "Market"
    NAME = "MtuVoided"

    market: bytes
    mtu: int
    clearing_root: bytes


@dataclass(frozen=True, slots=True)
class PageVerified(Event):
    """One page of a result with several pages was verified; the MTU is not cleared yet."""

    CONTRACT = "Market"
    NAME = "PageVerified"

    market: bytes
    mtu: int
    result_hash: bytes
    page: int


@dataclass(frozen=True, slots=True)
class ProgramOpened(Event):
    """A program was opened."""

    CONTRACT = "Market"
    NAME = "ProgramOpened"

    market: bytes
    program: int
    period: int
    first_mtu: int
    count: int
    gate: int


@dataclass(frozen=True, slots=True)
class ProgramRecorded(Event):
    """The DSO's program was recorded."""

    CONTRACT = "Market"
    NAME = "ProgramRecorded"

    market: bytes
    program: int
    results_root: bytes
    grid_model_hash: bytes
    report_hash: bytes
    deadline: int
    dso: bytes
    signature: bytes


class Market(Binding):
    """A uniform-price auction per MTU. A day of it: openProgram → closeBooks (commitment) → recordProgram (the
    DSO's signature over all results) → clear, once per MTU and page → and void, by anyone, for whatever missed
    its deadline. Safety assumes: keccak256 and ECDSA; the DSO's key signs only what its power flow allows. It
    does not assume an honest operator: the contract checks limits, balance and the full optimum itself; what
    the operator can do is leave out an order (its receipt proves it) or be late (void). Liveness assumes:
    somebody sends the transactions in time; nobody in particular except for openProgram and closeBooks.
    """

    contract = "Market"

    def max_book_orders(self, *, block: Block = LATEST) -> int:
        """Orders per book: 64 pages."""
        return int(self._read("MAX_BOOK_ORDERS", [], block=block))

    def max_markets_per_area(self, *, block: Block = LATEST) -> int:
        """Markets per area, so that what a settlement must wait for is counted in bounded work."""
        return int(self._read("MAX_MARKETS_PER_AREA", [], block=block))

    def max_program_mtus(self, *, block: Block = LATEST) -> int:
        """MTUs per program: a local day has up to 100."""
        return int(self._read("MAX_PROGRAM_MTUS", [], block=block))

    def max_void_mtus(self, *, block: Block = LATEST) -> int:
        """MTUs one call may void."""
        return int(self._read("MAX_VOID_MTUS", [], block=block))

    def book_hash_of(self, *, market: bytes, mtu: int, block: Block = LATEST) -> bytes:
        """The committed book hash of (market, MTU); 0 before its book is closed, and again once it is Cleared:
        then the result hash stands in its place, and event BooksClosed keeps what it was made of.
        """
        return as_bytes(self._read("bookHashOf", [market, mtu], block=block))

    def calendar(self, *, block: Block = LATEST) -> bytes:
        """The calendar whose time, areas and periods count."""
        return as_bytes(self._read("calendar", [], block=block))

    @classmethod
    def clear(
        cls,
        *,
        market: bytes,
        target: ResultPage,
        page_hashes: Sequence[bytes],
        words: Sequence[int],
        proof: Sequence[bytes],
    ) -> Call:
        """Verifies one page of a result and, with its last page, clears the MTU. Anyone, until gate +
        clearSeconds; stopped by a pause. Every page is bound to the signed result before it counts. Pages come
        in order; pages verified stay verified. A result under the signed root that is not optimal never clears:
        the MTU is voided at its deadline. `page_hashes`: hashes of all complete pages of the result; none for
        an empty book. `proof`: Merkle proof of the result hash under the recorded root. `target`: which page of
        which result. `words`: the complete words of this page.
        """
        return cls._call("clear", [market, target, page_hashes, words, proof])

    def clearing_root(self, *, area: bytes, period: int, block: Block = LATEST) -> bytes:
        """Running root over the clearings and voids of (area, period), in the order of their happening."""
        return as_bytes(self._read("clearingRoot", [area, period], block=block))

    @classmethod
    def close_books(cls, *, market: bytes, program: int, chains: Sequence[bytes], counts: Sequence[int]) -> Call:
        """Commits to the books of all MTUs of a program, once, from the gate to gate + graceSeconds. Operator of
        the area only; stopped by a pause. `chains`: per MTU: chain of masked page hashes, 0 for an empty book.
        `counts`: per MTU: number of orders, 0 for an empty book.
        """
        return cls._call("closeBooks", [market, program, chains, counts])

    @classmethod
    def create_market(cls, *, market: bytes, params: MarketParams) -> Call:
        """Creates a market. Registrar only. It takes part from the next period declared for its area on."""
        return cls._call("createMarket", [market, params])

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

    def first_period_of(self, *, market: bytes, block: Block = LATEST) -> int:
        """First period of its area that the market takes part in; reverts if it does not exist."""
        return int(self._read("firstPeriodOf", [market], block=block))

    def last_period(self, *, area: bytes, block: Block = LATEST) -> int:
        """The last period of an area in which trading ever began; 0 = none."""
        return int(self._read("lastPeriod", [area], block=block))

    @classmethod
    def open_program(cls, *, market: bytes, period: int, first_mtu: int, count: int, gate: int) -> Call:
        """Opens the next program. Operator of the area only; stopped by a pause. `count`: 1 to 128. `first_mtu`:
        not before the end of the market's last program. `gate`: market time, in the future; gate + clearSeconds
        must not be after the start of `firstMtu`. `period`: period of the area that contains all its MTUs.
        Returns program: its number: 1, 2, … per market.
        """
        return cls._call("openProgram", [market, period, first_mtu, count, gate])

    def params_of(self, *, market: bytes, block: Block = LATEST) -> MarketParams:
        """The rules of a market; reverts if it does not exist."""
        return MarketParams.read(self._read("paramsOf", [market], block=block))

    def program_count(self, *, market: bytes, block: Block = LATEST) -> int:
        """Number of programs; the last one has this number."""
        return int(self._read("programCount", [market], block=block))

    def program_digest(
        self,
        *,
        market: bytes,
        first_mtu: int,
        count: int,
        results_root: bytes,
        grid_model_hash: bytes,
        report_hash: bytes,
        deadline: int,
        block: Block = LATEST,
    ) -> bytes:
        """The EIP-712 digest the DSO signs for a program of this market."""
        return as_bytes(
            self._read(
                "programDigest",
                [market, first_mtu, count, results_root, grid_model_hash, report_hash, deadline],
                block=block,
            )
        )

    def program_of(self, *, market: bytes, program: int, block: Block = LATEST) -> Program:
        """A program; reverts if it does not exist."""
        return Program.read(self._read("programOf", [market, program], block=block))

    @classmethod
    def record_program(
        cls,
        *,
        market: bytes,
        program: int,
        results_root: bytes,
        grid_model_hash: bytes,
        report_hash: bytes,
        deadline: int,
        signature: bytes,
    ) -> Call:
        """Records the results the area's DSO signed (EIP-712 `Program`), until gate + signSeconds and `deadline`.
        Anyone; stopped by a pause. The first one wins. `deadline`: market time until which the DSO lets its
        signature be used.
        """
        return cls._call(
            "recordProgram", [market, program, results_root, grid_model_hash, report_hash, deadline, signature]
        )

    def required_count(self, *, area: bytes, period: int, block: Block = LATEST) -> int:
        """Number of (market, MTU) of (area, period) that must be Cleared or Void before it settles."""
        return int(self._read("requiredCount", [area, period], block=block))

    def resolved_count(self, *, area: bytes, period: int, block: Block = LATEST) -> int:
        """Number of (market, MTU) of (area, period) that are Cleared or Void."""
        return int(self._read("resolvedCount", [area, period], block=block))

    def result_of(self, *, market: bytes, mtu: int, block: Block = LATEST) -> Result:
        """Outcome of (market, MTU)."""
        return Result.read(self._read("resultOf", [market, mtu], block=block))

    def roles(self, *, block: Block = LATEST) -> bytes:
        """The roles that decide who may do what."""
        return as_bytes(self._read("roles", [], block=block))

    def state_of(self, *, market: bytes, mtu: int, block: Block = LATEST) -> int:
        """Where (market, MTU) stands."""
        return int(self._read("stateOf", [market, mtu], block=block))

    def verified_pages(self, *, result_hash: bytes, block: Block = LATEST) -> int:
        """Pages of this result verified so far, of results with several pages that are not cleared yet."""
        return int(self._read("verifiedPages", [result_hash], block=block))

    @classmethod
    def void_mtus(cls, *, market: bytes, period: int, program: int, first_mtu: int, count: int) -> Call:
        """Voids all MTUs of a range that missed a deadline. Anyone, also in a pause. MTUs that are Cleared or Void
        are passed over. Missed is: book not closed by gate + graceSeconds; not cleared by gate + clearSeconds;
        in no program when it starts. `count`: 1 to 3,200. `first_mtu`: first MTU of the range. `period`: period
        of the area that contains the range. `program`: the last program that begins at or before `firstMtu`; 0
        if there is none. The range lies wholly inside or wholly behind it.
        """
        return cls._call("voidMtus", [market, period, program, first_mtu, count])
