"""Market: sessions whose books cannot change and whose results the DSO signs.

Made from src/interfaces/IMarket.sol by `python -m scripts.tools.make_bindings`; do not edit.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import cast

from contracts.bindings.base import LATEST, Binding, Block, Call, Event, Struct, members
from contracts.rpc import as_bytes


@dataclass(frozen=True, slots=True)
class MarketParams(Struct):
    """`MarketParams` of the interface."""

    area: bytes
    kind: int
    lot_wh: int
    tick_neur_per_wh: int
    min_limit_neur_per_wh: int
    max_limit_neur_per_wh: int
    grace_seconds: int
    sign_seconds: int
    clear_seconds: int


@dataclass(frozen=True, slots=True)
class Session(Struct):
    """`Session` of the interface."""

    first_mtu: int
    period: int
    count: int
    state: int
    cleared_mask: int
    books_root: bytes
    results_root: bytes
    traded_mask: int
    emptied_mask: int


@dataclass(frozen=True, slots=True)
class Program(Struct):
    """`Program` of the interface."""

    results_root: bytes
    traded_mask: int
    emptied_mask: int
    grid_model_hash: bytes
    report_hash: bytes
    deadline: int


@dataclass(frozen=True, slots=True)
class MarketCreated(Event):
    """A market came into being."""

    CONTRACT = "Market"
    NAME = "MarketCreated"

    market: bytes
    area: bytes
    params: MarketParams


@dataclass(frozen=True, slots=True)
class MtuCleared(Event):
    """An MTU was cleared."""

    CONTRACT = "Market"
    NAME = "MtuCleared"

    market: bytes
    session: int
    mtu: int
    price_neur_per_wh: int
    traded_lots: int
    result_hash: bytes


@dataclass(frozen=True, slots=True)
class ProgramRecorded(Event):
    """The DSO's program was recorded."""

    CONTRACT = "Market"
    NAME = "ProgramRecorded"

    market: bytes
    session: int
    program: Program
    dso: bytes
    signature: bytes


@dataclass(frozen=True, slots=True)
class SessionClosed(Event):
    """All books of a session were committed to."""

    CONTRACT = "Market"
    NAME = "SessionClosed"

    market: bytes
    session: int
    books_root: bytes


@dataclass(frozen=True, slots=True)
class SessionDone(Event):
    """A session is over; its MTUs outside the mask traded nothing."""

    CONTRACT = "Market"
    NAME = "SessionDone"

    market: bytes
    session: int
    cleared_mask: int
    clearing_root: bytes


@dataclass(frozen=True, slots=True)
class SessionOpened(Event):
    """A session was opened."""

    CONTRACT = "Market"
    NAME = "SessionOpened"

    market: bytes
    session: int
    period: int
    first_mtu: int
    count: int


class Market(Binding):
    """A market trades in sessions: openSession → closeSession (one root over all books) → recordProgram (the DSO's
    signature over all results) → `Clearing.clear`, once per MTU that trades and page → Done; and endSession, by
    anyone, for whatever missed its deadline. Safety assumes: keccak256 and ECDSA; the DSO's key signs only what
    its power flow allows. It does not assume an honest operator: where money flows `Clearing` checks limits,
    balance and the full optimum; what the operator can do is leave out an order (its receipt proves it) or be
    late (nothing trades). That books outside the traded mask do not cross is the signer's claim: `Objections`
    is where anyone proves the contrary. Liveness assumes: somebody sends the transactions in time; nobody in
    particular except for openSession and closeSession.
    """

    contract = "Market"

    def max_session_mtus(self, *, block: Block = LATEST) -> int:
        """MTUs per session: a local day has up to 100, a mask 128 bits."""
        return int(self._read("MAX_SESSION_MTUS", [], block=block))

    def calendar(self, *, block: Block = LATEST) -> bytes:
        """The calendar whose time, areas and periods count."""
        return as_bytes(self._read("calendar", [], block=block))

    def clearable(
        self, *, market: bytes, session: int, mtu: int, block: Block = LATEST
    ) -> tuple[MarketParams, Session]:
        """Rules and session of an MTU that may clear now: signed as traded, not cleared, until gate +
        clearSeconds, not in a pause; reverts else.
        """
        return cast(
            "tuple[MarketParams, Session]",
            members(self._read("clearable", [market, session, mtu], block=block), ["tuple", "tuple"]),
        )

    def clearing(self, *, block: Block = LATEST) -> bytes:
        """The contract that checks books and may record what cleared."""
        return as_bytes(self._read("clearing", [], block=block))

    def clearing_root(self, *, area: bytes, period: int, block: Block = LATEST) -> bytes:
        """Running root over the sessions of (area, period) that are Done, in the order of their happening."""
        return as_bytes(self._read("clearingRoot", [area, period], block=block))

    @classmethod
    def close_session(cls, *, market: bytes, session: int, books_root: bytes) -> Call:
        """Commits to the books of all MTUs of a session, once, from the gate to gate + graceSeconds. Operator of
        the area only; stopped by a pause. `books_root`: places root over the book hashes of all its MTUs, empty
        books too.
        """
        return cls._call("closeSession", [market, session, books_root])

    @classmethod
    def create_market(cls, *, market: bytes, params: MarketParams) -> Call:
        """Creates a market. Registrar only."""
        return cls._call("createMarket", [market, params])

    def deadline_of(self, *, market: bytes, session: int, block: Block = LATEST) -> int:
        """Until when the next step of a session must have come, pauses so far included; 0 for one that does not
        exist or is Done.
        """
        return int(self._read("deadlineOf", [market, session], block=block))

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
    def end_session(cls, *, market: bytes, session: int) -> Call:
        """Makes a session Done that missed a deadline: not closed by gate + graceSeconds, not signed by gate +
        signSeconds, not all cleared by gate + clearSeconds. Anyone, also in a pause. What was cleared stands;
        the other MTUs traded nothing.
        """
        return cls._call("endSession", [market, session])

    @classmethod
    def open_session(cls, *, market: bytes, session: int, period: int, first_mtu: int, count: int) -> Call:
        """Opens a session. Operator of the area only; stopped by a pause. Sessions may overlap in MTUs. `count`: 1
        to 128. `first_mtu`: its first MTU. `period`: period of the area that contains all its MTUs. `session`:
        its gate: market time, in the future; gate + clearSeconds must not be after the start of `firstMtu`.
        """
        return cls._call("openSession", [market, session, period, first_mtu, count])

    def params_of(self, *, market: bytes, block: Block = LATEST) -> MarketParams:
        """The rules of a market; reverts if it does not exist."""
        return MarketParams.read(self._read("paramsOf", [market], block=block))

    def pending_count(self, *, area: bytes, period: int, block: Block = LATEST) -> int:
        """Number of sessions of (area, period) that are opened and not Done: it settles at 0."""
        return int(self._read("pendingCount", [area, period], block=block))

    def program_digest(self, *, market: bytes, session: int, program: Program, block: Block = LATEST) -> bytes:
        """The EIP-712 digest the DSO signs for a program of a session."""
        return as_bytes(self._read("programDigest", [market, session, program], block=block))

    @classmethod
    def record_cleared(
        cls, *, market: bytes, session: int, mtu: int, price_neur_per_wh: int, traded_lots: int, result_hash: bytes
    ) -> Call:
        """Notes that an MTU cleared; the last MTU of the traded mask makes the session Done. The clearing contract
        only, which has checked the book; as `clearable`, also of the time and of a pause.
        """
        return cls._call("recordCleared", [market, session, mtu, price_neur_per_wh, traded_lots, result_hash])

    @classmethod
    def record_program(cls, *, market: bytes, session: int, program: Program, signature: bytes) -> Call:
        """Records the results the area's DSO signed (EIP-712 `Program`), until gate + signSeconds and `deadline`.
        Anyone; stopped by a pause. The first one wins. With an empty traded mask the session is Done.
        """
        return cls._call("recordProgram", [market, session, program, signature])

    def roles(self, *, block: Block = LATEST) -> bytes:
        """The roles that decide who may do what."""
        return as_bytes(self._read("roles", [], block=block))

    def session_of(self, *, market: bytes, session: int, block: Block = LATEST) -> Session:
        """A session; all zero if it does not exist."""
        return Session.read(self._read("sessionOf", [market, session], block=block))
