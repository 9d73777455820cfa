"""A mandate for an agent's key, and its end, both signed by the account's order key."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Self

from domain.eip712 import Domain
from domain.facts import MandateGranted, MandateRevoked, OrderRules, mandate_key, revocation_key
from domain.hashing import MAX_SAFE_INTEGER, to_hex
from domain.mandates import PLACES_MAX, Mandate, revocation_digest
from domain.mtu import mtu_of
from domain.orders import ACCOUNT_BYTES, TAG_BYTES, tag_of
from domain.units import NO_PRICE
from ledger_service.record import Entry
from ledger_service.registry.consents import KEY_AHEAD_MTUS
from ledger_service.registry.errors import AlreadyRegistered
from ledger_service.trading import errors
from ledger_service.trading.receipts import RECEIPT_RULE
from ledger_service.trading.state import TradingState
from ledger_service.trading.submissions.reading import UINT32_MAX, Message, read_signature
from ledger_service.trading.submissions.submission import (
    FAILURES_OF_GRANTS,
    IntakeRules,
    RecoveredSigner,
    Sender,
    Submission,
    VerifiedSubmission,
    require_present,
    verified,
)

ENERGIES = ("mtuBuyWh", "mtuSellWh", "dayBuyWh", "daySellWh")


@dataclass(frozen=True, slots=True)
class SignedMandate(Submission):
    """A mandate and the signature of its account's order key."""

    MEMBER = "mandate"
    FAILURES = (
        *FAILURES_OF_GRANTS,
        errors.AccountGaveWay,
        errors.UnknownMarket,
        errors.WrongPoint,
        errors.MandateZoneWrong,
        errors.MandateOver,
        AlreadyRegistered,
    )

    mandate: Mandate
    signature: bytes

    @classmethod
    def parse(cls, message: object, *, signature: object) -> Self:
        """From the message of a Mandate's typed data. Raises MalformedSubmission, OutOfRange."""
        prices = ("highestBuyNeurPerWh", "lowestSellNeurPerWh")
        span = ("fromMtu", "toMtu")
        places = ("account", "agent", "points", "markets", "zone", "nonce")
        members = Message.of(message, *places, *prices, *ENERGIES, *span)
        highest_buy, lowest_sell = (members.whole(name, lowest=NO_PRICE + 1, highest=2**31 - 1) for name in prices)
        energies = [members.whole(name, lowest=0, highest=MAX_SAFE_INTEGER) for name in ENERGIES]
        from_mtu, to_mtu = (members.whole(name, lowest=0, highest=UINT32_MAX) for name in span)
        mandate = Mandate(
            account=to_hex(members.bytes_of("account", ACCOUNT_BYTES)),
            agent=to_hex(members.bytes_of("agent", ACCOUNT_BYTES)),
            points=members.codes("points", "metering point", least=0, most=PLACES_MAX),
            markets=members.codes("markets", "market", least=1, most=PLACES_MAX),
            highest_buy_neur_per_wh=highest_buy,
            lowest_sell_neur_per_wh=lowest_sell,
            mtu_buy_wh=energies[0],
            mtu_sell_wh=energies[1],
            day_buy_wh=energies[2],
            day_sell_wh=energies[3],
            zone=members.code("zone", "time zone"),
            from_mtu=from_mtu,
            to_mtu=to_mtu,
            nonce=members.whole("nonce", lowest=0, highest=MAX_SAFE_INTEGER),
        )
        return cls(mandate=mandate, signature=read_signature(signature))

    def check_sender(self, sender: Sender) -> None:
        """The mandate must name the sender's own account."""
        sender.require_own(self.mandate.account)

    def digest(self, domain: Domain) -> bytes:
        """What is signed."""
        return self.mandate.digest(domain)

    def verify(self, state: TradingState, signer: RecoveredSigner) -> VerifiedSubmission:
        """The signer must be the account's own key at the mandate's first MTU. Raises UnknownMarket, KeyNotValid."""
        mandate = self.mandate
        tag = tag_of(signer.digest)
        return _by_own_key(
            state, mandate.markets[0], mandate.from_mtu, signer, account=mandate.account, key=mandate_key(tag)
        )

    def check_repeat(self, first: Entry, found: VerifiedSubmission) -> None:
        """Its tag stands for all that is signed: the same tag is the same mandate."""

    def decide(self, state: TradingState, rules: IntakeRules, found: VerifiedSubmission, now: int) -> MandateGranted:
        """The mandate, for the account's own places and a time still to come, to a key that plays no other part."""
        mandate = self.mandate
        require_present(state, found.account)
        area, point = found.holder.participant.area, found.holder.participant.point
        for code in mandate.markets:
            if code not in state.by_code or state.by_code[code].market.area != area:
                raise errors.UnknownMarket(market=code)
        own = () if point is None else (point,)
        if mandate.points != own:
            raise errors.WrongPoint(point=", ".join(mandate.points) or "none")
        if mandate.zone != state.zones[area]:
            raise errors.MandateZoneWrong(zone=mandate.zone, expected=state.zones[area])
        lowest, highest = mtu_of(now) + 1, mtu_of(now) + KEY_AHEAD_MTUS
        if not max(mandate.from_mtu + 1, lowest) <= mandate.to_mtu <= highest:
            raise errors.MandateOver(from_mtu=mandate.from_mtu, to_mtu=mandate.to_mtu, lowest=lowest, highest=highest)
        if mandate.agent in rules.organisations or state.plays_a_part(mandate.agent):
            raise AlreadyRegistered(what="address", name=f"{mandate.agent} (as an account or another's key)")
        return MandateGranted(
            mandate=mandate,
            signature=self.signature,
            order_key=found.order_key,
            tag=tag_of(found.digest),
            market_time=now,
            rules=OrderRules(receipts=RECEIPT_RULE),
        )


@dataclass(frozen=True, slots=True)
class SignedRevocation(Submission):
    """The end of a mandate, which is named by its tag."""

    MEMBER = "revocation"
    FAILURES = (*FAILURES_OF_GRANTS, errors.MandateUnknown)

    account: str
    agent: str
    mandate: bytes
    signature: bytes

    @classmethod
    def parse(cls, message: object, *, signature: object) -> Self:
        """From `{"account","agent","mandate"}`. Raises MalformedSubmission."""
        members = Message.of(message, "account", "agent", "mandate")
        return cls(
            account=to_hex(members.bytes_of("account", ACCOUNT_BYTES)),
            agent=to_hex(members.bytes_of("agent", ACCOUNT_BYTES)),
            mandate=members.bytes_of("mandate", TAG_BYTES),
            signature=read_signature(signature),
        )

    def check_sender(self, sender: Sender) -> None:
        """The mandate must be of the sender's own account."""
        sender.require_own(self.account)

    def digest(self, domain: Domain) -> bytes:
        """What is signed."""
        return revocation_digest(domain=domain, account=self.account, agent=self.agent, mandate=self.mandate)

    def verify(self, state: TradingState, signer: RecoveredSigner) -> VerifiedSubmission:
        """The signer must be the order key that signed the mandate, or one that its account registered later.

        Raises MandateUnknown, KeyNotValid.
        """
        given = state.mandates.by_tag.get(self.mandate)
        if given is None or (given.mandate.account, given.mandate.agent) != (self.account, self.agent):
            raise errors.MandateUnknown(mandate=to_hex(self.mandate))
        holder = state.holders[self.account]
        keys = [key for _, key in holder.keys]
        first = keys.index(given.order_key) if given.order_key in keys else 0  # its registration may be erased
        if signer.address not in keys[first:]:
            raise errors.OrderKeyNotValid(signer=signer.address, account=self.account, mtu=given.mandate.from_mtu)
        return VerifiedSubmission(
            book=state.by_code[given.mandate.markets[0]],
            holder=holder,
            account=self.account,
            order_key=signer.address,
            key=revocation_key(self.mandate),
            digest=signer.digest,
        )

    def check_repeat(self, first: Entry, found: VerifiedSubmission) -> None:
        """A mandate ends once: whoever ends it again is told of the first time."""

    def decide(self, state: TradingState, rules: IntakeRules, found: VerifiedSubmission, now: int) -> MandateRevoked:
        """The end, at once and whatever the mandate's time."""
        return MandateRevoked(
            mandate=self.mandate,
            account=found.account,
            agent=self.agent,
            signature=self.signature,
            order_key=found.order_key,
            tag=tag_of(found.digest),
            market_time=now,
            rules=OrderRules(receipts=RECEIPT_RULE),
        )


def _by_own_key(
    state: TradingState, market: str, mtu: int, signer: RecoveredSigner, *, account: str, key: str
) -> VerifiedSubmission:
    book = state.by_code.get(market)
    if book is None:
        raise errors.UnknownMarket(market=market)
    if state.account_by_key.get(signer.address) != account:
        raise errors.OrderKeyNotValid(signer=signer.address, account=account, mtu=mtu)
    return verified(state, market=book.market.market_id, mtu=mtu, signer=signer, key_of=lambda *_: key)
