"""A withdrawal of an order, signed by the account's order key or by the agent that signed the order."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Self

from domain.eip712 import Domain
from domain.facts import OrderCancelled, OrderRules, order_revision_key
from domain.hashing import MAX_SAFE_INTEGER, to_hex
from domain.orders import ORDER_ID_BYTES, cancel_digest
from ledger_service.record import Entry
from ledger_service.trading import errors
from ledger_service.trading.receipts import RECEIPT_RULE
from ledger_service.trading.state import MarketBook, TradingState
from ledger_service.trading.submissions.reading import UINT32_MAX, Message, read_signature
from ledger_service.trading.submissions.submission import (
    FAILURES_OF_AGENTS,
    FAILURES_OF_ALL,
    IntakeRules,
    RecoveredSigner,
    Sender,
    Submission,
    VerifiedSubmission,
    open_session,
    revised_order,
    same_or_conflict,
    verified,
    verified_agent,
)
from ledger_service.trading.submissions.within import mandate_in_force


@dataclass(frozen=True, slots=True)
class SignedCancel(Submission):
    """A withdrawal. `revision` is the order's last revision plus one."""

    MEMBER = "cancel"
    FAILURES = (*FAILURES_OF_ALL, *FAILURES_OF_AGENTS, errors.OrderUnknown, errors.OrderMoved, errors.OrderWithdrawn)

    market: bytes
    session: int
    mtu: int
    order_id: bytes
    revision: int
    signature: bytes

    @classmethod
    def parse(cls, message: object, *, signature: object) -> Self:
        """From `{"market","session","mtu","orderId","revision"}`. Raises MalformedSubmission, OutOfRange."""
        members = Message.of(message, "market", "session", "mtu", "orderId", "revision")
        return cls(
            market=members.bytes_of("market", 32),
            session=members.whole("session", lowest=0, highest=MAX_SAFE_INTEGER),
            mtu=members.whole("mtu", lowest=0, highest=UINT32_MAX),
            order_id=members.bytes_of("orderId", ORDER_ID_BYTES),
            revision=members.whole("revision", lowest=1, highest=UINT32_MAX),
            signature=read_signature(signature),
        )

    def check_sender(self, sender: Sender) -> None:
        """The order must be the sender's. Raises OrderUnknown, so that nobody learns of others' orders."""
        if not sender.has_order(self.order_id):
            raise errors.OrderUnknown(order_id=to_hex(self.order_id))

    def digest(self, domain: Domain) -> bytes:
        """What is signed."""
        return cancel_digest(
            domain=domain,
            market=self.market,
            session=self.session,
            mtu=self.mtu,
            order_id=self.order_id,
            revision=self.revision,
        )

    def verify(self, state: TradingState, signer: RecoveredSigner) -> VerifiedSubmission:
        """The signer must be some account's key at the MTU, or the order's agent. Raises UnknownMarket, KeyNotValid."""
        agent_of = state.mandates.accounts.get(signer.address, [])
        if not agent_of:
            return verified(state, market=self.market, mtu=self.mtu, signer=signer, key_of=self._key)
        # A cancel names no account: it is that of the order which the agent signed under this id.
        signed = (account for account in agent_of if (account, self.order_id) in state.orders)
        account = next(signed, agent_of[0])
        return verified_agent(state, market=self.market, mtu=self.mtu, account=account, signer=signer, key_of=self._key)

    def _key(self, account: str, book: MarketBook) -> str:
        return order_revision_key(account=account, order_id=self.order_id, revision=self.revision)

    def check_repeat(self, first: Entry, found: VerifiedSubmission) -> None:
        """The same order of the same MTU. Raises OrderConflict, PayloadErased."""
        body = {
            "market": found.book.market.market,
            "session": self.session,
            "mtu": self.mtu,
            "order_id": self.order_id,
        }
        same_or_conflict(first, fact=OrderCancelled, body=body, name=to_hex(self.order_id), revision=self.revision)

    def decide(self, state: TradingState, rules: IntakeRules, found: VerifiedSubmission, now: int) -> OrderCancelled:
        """The withdrawal, while the gate is open."""
        market = found.book.market.market
        given = mandate_in_force(state, found, self.mtu)
        open_session(found.book, session=self.session, mtu=self.mtu, now=now)
        last = revised_order(
            state, found, order_id=self.order_id, session=self.session, mtu=self.mtu, revision=self.revision
        )
        return OrderCancelled(
            market=market,
            session=self.session,
            mtu=self.mtu,
            order_id=self.order_id,
            revision=self.revision,
            account=found.account,
            order_key=found.order_key,
            tag=last.tag,
            signature=self.signature,
            market_time=now,
            rules=OrderRules(receipts=RECEIPT_RULE),
            mandate=None if given is None else given.tag,
        )
