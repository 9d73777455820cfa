"""What every signed submission has: how it is read, who signed it, whether it came before, and whether it may come in.

Checks go from cheap to dear. The signer must be the right one first. Then a repeat is told from a conflict, and only
what is new meets the market's rules at market time `now`. Decisions are pure; each refusal is an error of its own and
changes nothing.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Container
from dataclasses import dataclass
from typing import Any, ClassVar, Protocol, Self

from domain.eip712 import Domain
from domain.errors import DominoesError, OutOfRange
from domain.facts import Fact
from domain.hashing import to_hex
from domain.signing import BadSignature, recover
from ledger_service.market.queries import Session
from ledger_service.record import Entry, PayloadErased
from ledger_service.trading import errors
from ledger_service.trading.queries import BookOrder
from ledger_service.trading.state import Holder, MarketBook, TradingState

RETAILER_ENERGY_WH = 250_000
"""Most energy a retailer may bid (or ask) per MTU: 1 MW, more than a low-voltage transformer carries."""

FAILURES_OF_GRANTS: tuple[type[DominoesError], ...] = (
    OutOfRange,
    BadSignature,
    errors.MalformedSubmission,
    errors.OrderKeyNotValid,
    errors.IntakeBusy,
    errors.IntakeClosed,
)
"""Why anything signed by a device may be refused."""

FAILURES_OF_ALL: tuple[type[DominoesError], ...] = (
    *FAILURES_OF_GRANTS,
    errors.UnknownMarket,
    errors.SessionNotOpen,
    errors.GateClosed,
    errors.RevisionOutOfOrder,
    errors.OrderConflict,
)
"""Why anything that is signed for a session may be refused."""

FAILURES_OF_AGENTS: tuple[type[DominoesError], ...] = (
    errors.MandateEnded,
    errors.MandateMarket,
    errors.MandatePoint,
    errors.MandateMtu,
)
"""Why what an agent signed may be refused besides."""


@dataclass(frozen=True, slots=True)
class IntakeLimits:
    """Limits of those who trade at the transformer, without connection or schedule."""

    retailer_energy_wh: int = RETAILER_ENERGY_WH


@dataclass(frozen=True, slots=True)
class Backing:
    """What stands behind an account's orders, nEUR.

    `has_neur`: balance less what it gives to others and asked to have paid out, + is its credit. `line_neur`: its line
    on chain. `missing_neur`: what another one who guarantees for it lacks of all it gives; above zero it is called.
    """

    has_neur: int
    line_neur: int
    missing_neur: int


@dataclass(frozen=True, slots=True)
class IntakeRules:
    """What limits hold, who knows what stands behind an account, and which addresses are organisations' keys."""

    limits: IntakeLimits
    backing: Callable[[str], Backing]
    organisations: Container[str] = frozenset()


@dataclass(frozen=True, slots=True)
class RecoveredSigner:
    """The address that signed, as 0x hex, and the digest it signed."""

    address: str
    digest: bytes


@dataclass(frozen=True, slots=True)
class VerifiedSubmission:
    """A submission whose signer may speak for `account`, with the key under which its fact is (or will be) known.

    `by_agent`: not the account's own key signed, but one that it gave a mandate; whether that counts is decided later,
    as what comes in the same transaction before may end it.
    """

    book: MarketBook
    holder: Holder
    account: str
    order_key: str
    key: str
    digest: bytes
    by_agent: bool = False


class Sender(Protocol):
    """Who hands a submission in, as its session says: before any signature is looked at."""

    @property
    def point(self) -> str | None:
        """Its connection point, if it has one."""
        ...

    def require_account(self, account: str) -> None:
        """Raise unless this settlement account (0x hex) is its own, or one that it is an agent of."""
        ...

    def require_own(self, account: str) -> None:
        """Raise unless this settlement account (0x hex) is its own."""
        ...

    def has_order(self, order_id: bytes) -> bool:
        """Whether its account ever sent this order."""
        ...


class Submission(ABC):
    """Something a device signed. A subclass is one module, and one line in `SUBMISSIONS`."""

    __slots__ = ()

    MEMBER: ClassVar[str]
    """Name of the signed message in a request's body, beside `signature`."""

    FAILURES: ClassVar[tuple[type[DominoesError], ...]]
    """Why it may be refused."""

    signature: bytes

    @classmethod
    @abstractmethod
    def parse(cls, message: object, *, signature: object) -> Self:
        """Read the message of its typed data, strictly. Raises MalformedSubmission or OutOfRange, naming the member."""

    @abstractmethod
    def check_sender(self, sender: Sender) -> None:
        """Nobody hands in what is another's. Raises what the API says of it."""

    @abstractmethod
    def digest(self, domain: Domain) -> bytes:
        """What is signed, under the Market contract's domain. Raises MalformedSubmission."""

    @abstractmethod
    def verify(self, state: TradingState, signer: RecoveredSigner) -> VerifiedSubmission:
        """Whose key it is. Raises UnknownMarket, KeyNotValid."""

    @abstractmethod
    def check_repeat(self, first: Entry, found: VerifiedSubmission) -> None:
        """The first entry under its key must hold the same body, else OrderConflict. Raises PayloadErased."""

    @abstractmethod
    def decide(self, state: TradingState, rules: IntakeRules, found: VerifiedSubmission, now: int) -> Fact:
        """The fact that it becomes, or its refusal."""

    def signer(self, domain: Domain) -> RecoveredSigner:
        """Recover the signer: the dear part, which needs no state. Raises MalformedSubmission, BadSignature.

        A signature for another chain, contract or content recovers to another address, which then is no one's key.
        """
        digest = self.digest(domain)
        return RecoveredSigner(address=to_hex(recover(digest, self.signature)), digest=digest)


def verified(
    state: TradingState, *, market: bytes, mtu: int, signer: RecoveredSigner, key_of: Callable[[str, MarketBook], str]
) -> VerifiedSubmission:
    """The signer must be some account's own key at the MTU, of the market's area. Raises UnknownMarket, KeyNotValid.

    `key_of` gives the journal key for the account and the market.
    """
    book = state.markets.get(market)
    if book is None:
        raise errors.UnknownMarket(market=to_hex(market))
    account = state.account_by_key.get(signer.address)
    holder = None if account is None else state.holders[account]
    if account is None or holder is None or holder.key_at(mtu) != signer.address:
        raise errors.OrderKeyNotValid(signer=signer.address, account=account, mtu=mtu)
    if holder.participant.area != book.market.area:
        raise errors.OrderKeyNotValid(signer=signer.address, account=account, mtu=mtu)
    key = key_of(account, book)
    return VerifiedSubmission(
        book=book, holder=holder, account=account, order_key=signer.address, key=key, digest=signer.digest
    )


def verified_agent(
    state: TradingState,
    *,
    market: bytes,
    mtu: int,
    account: str,
    signer: RecoveredSigner,
    key_of: Callable[[str, MarketBook], str],
) -> VerifiedSubmission:
    """The signer must be an agent that the account ever gave a mandate. Raises UnknownMarket, KeyNotValid.

    Whether it still counts is for `within.check_in_force`: what came before is answered as it was then.
    """
    book, given = state.markets.get(market), state.mandates.of(account=account, agent=signer.address)
    if book is None:
        raise errors.UnknownMarket(market=to_hex(market))
    holder = state.holders.get(account)
    if given is None or holder is None or holder.participant.area != book.market.area:
        raise errors.OrderKeyNotValid(signer=signer.address, account=account, mtu=mtu)
    return VerifiedSubmission(
        book=book,
        holder=holder,
        account=account,
        order_key=signer.address,
        key=key_of(account, book),
        digest=signer.digest,
        by_agent=True,
    )


def require_present(state: TradingState, account: str) -> None:
    """Nothing new comes from an account that was replaced. Raises AccountGaveWay."""
    successor = state.successors.get(account)
    if successor is not None:
        raise errors.AccountGaveWay(account=account, successor=successor)


def same_or_conflict(first: Entry, *, fact: type[Fact], body: dict[str, Any], name: str, revision: int) -> None:
    """The first entry must be a fact of this class with these members, else OrderConflict. Raises PayloadErased."""
    held = first.fact
    if held is None:
        raise PayloadErased(sequence=first.sequence)
    if not isinstance(held, fact) or any(getattr(held, member) != value for member, value in body.items()):
        raise errors.OrderConflict(order_id=name, revision=revision)


def open_session(book: MarketBook, *, session: int, mtu: int, now: int) -> Session:
    """The session of this gate, in which the MTU can still be traded. Raises SessionNotOpen, GateClosed."""
    if now >= session:
        raise errors.GateClosed(market=book.market.market, mtu=mtu, gate=session)
    found = book.sessions.get(session)
    if found is None or mtu not in found.mtus:
        raise errors.SessionNotOpen(market=book.market.market, session=session, mtu=mtu)
    return found


def revised_order(
    state: TradingState, found: VerifiedSubmission, *, order_id: bytes, session: int, mtu: int, revision: int
) -> BookOrder:
    """The last revision of an order, of which this revision is the next; an agent's own where an agent signed.

    Raises OrderUnknown, OrderWithdrawn, OrderMoved, RevisionOutOfOrder.
    """
    market = found.book.market.market
    last = state.orders.get((found.account, order_id))
    if last is None or (found.by_agent and last.order_key != found.order_key):
        raise errors.OrderUnknown(order_id=to_hex(order_id))
    if last.withdrawn:
        raise errors.OrderWithdrawn(order_id=to_hex(order_id))
    if (last.market, last.session, last.mtu) != (market, session, mtu):
        raise errors.OrderMoved(order_id=to_hex(order_id), mtu=last.mtu)
    if revision != last.revision + 1:
        name = f"order {to_hex(order_id)}"
        raise errors.RevisionOutOfOrder(name=name, expected=last.revision + 1, given=revision)
    return last
