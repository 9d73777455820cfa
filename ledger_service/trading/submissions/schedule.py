"""The net schedule of a connection point over one session, signed by the order key of its household."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Self

from domain.eip712 import Domain
from domain.facts import ScheduleNominated, schedule_revision_key
from domain.hashing import MAX_SAFE_INTEGER, text_id
from domain.orders import schedule_digest
from domain.sessions import SESSION_MTUS_MAX
from domain.words import Side
from ledger_service.record import Entry
from ledger_service.trading import errors
from ledger_service.trading.positions import AreaPositions
from ledger_service.trading.state import MarketBook, TradingState
from ledger_service.trading.submissions.reading import UINT32_MAX, Message, read_signature
from ledger_service.trading.submissions.submission import (
    FAILURES_OF_ALL,
    IntakeRules,
    RecoveredSigner,
    Sender,
    Submission,
    VerifiedSubmission,
    open_session,
    require_present,
    same_or_conflict,
    verified,
)

NET_WH_MAX = 2**31 - 1
"""Largest net energy of an MTU in either direction: what the signed int32 holds."""


@dataclass(frozen=True, slots=True)
class SignedSchedule(Submission):
    """The net schedule of a point (by its code) over one session, Wh per MTU, + = import. `revision` counts from 0."""

    MEMBER = "schedule"
    FAILURES = (
        *FAILURES_OF_ALL,
        errors.AccountGaveWay,
        errors.WrongPoint,
        errors.NotASession,
        errors.BeyondConnection,
        errors.BeyondSchedule,
    )

    market: bytes
    session: int
    first_mtu: int
    point: str
    net_wh: tuple[int, ...]
    revision: int
    signature: bytes

    @classmethod
    def parse(cls, message: object, *, signature: object) -> Self:
        """From `{"market","session","firstMtu","point"(code),"netWh":[…],"revision"}`.

        Raises MalformedSubmission, OutOfRange.
        """
        members = Message.of(message, "market", "session", "firstMtu", "point", "netWh", "revision")
        return cls(
            market=members.bytes_of("market", 32),
            session=members.whole("session", lowest=0, highest=MAX_SAFE_INTEGER),
            first_mtu=members.whole("firstMtu", lowest=0, highest=UINT32_MAX),
            point=members.code("point", "metering point"),
            net_wh=members.wholes("netWh", most=SESSION_MTUS_MAX, lowest=-NET_WH_MAX, highest=NET_WH_MAX),
            revision=members.whole("revision", lowest=0, highest=UINT32_MAX),
            signature=read_signature(signature),
        )

    def check_sender(self, sender: Sender) -> None:
        """One nominates for one's own point. Raises WrongPoint."""
        if self.point != sender.point:
            raise errors.WrongPoint(point=self.point)

    def digest(self, domain: Domain) -> bytes:
        """What is signed."""
        return schedule_digest(
            domain=domain,
            market=self.market,
            session=self.session,
            first_mtu=self.first_mtu,
            point=text_id(self.point),
            net_wh=list(self.net_wh),
            revision=self.revision,
        )

    def verify(self, state: TradingState, signer: RecoveredSigner) -> VerifiedSubmission:
        """The signer must be the key of the point's account. Raises UnknownMarket, KeyNotValid, WrongPoint."""
        found = verified(state, market=self.market, mtu=self.first_mtu, signer=signer, key_of=self._key)
        if found.holder.participant.point != self.point or not state.takes_part(found.holder, self.first_mtu):
            raise errors.WrongPoint(point=self.point)
        return found

    def _key(self, account: str, book: MarketBook) -> str:
        return schedule_revision_key(
            market=book.market.market, point=self.point, session=self.session, revision=self.revision
        )

    def check_repeat(self, first: Entry, found: VerifiedSubmission) -> None:
        """The same energies. Raises OrderConflict, PayloadErased."""
        body = {"point": self.point, "first_mtu": self.first_mtu, "net_wh": self.net_wh}
        same_or_conflict(first, fact=ScheduleNominated, body=body, name=self.point, revision=self.revision)

    def decide(self, state: TradingState, rules: IntakeRules, found: VerifiedSubmission, now: int) -> ScheduleNominated:
        """The nomination: it must fit the connection and still cover the asks that are live."""
        require_present(state, found.account)
        market, positions = found.book.market.market, state.areas[found.book.market.area]
        session = open_session(found.book, session=self.session, mtu=self.first_mtu, now=now)
        if (session.first_mtu, session.count) != (self.first_mtu, len(self.net_wh)):
            raise errors.NotASession(market=market, first_mtu=self.first_mtu, count=len(self.net_wh))
        last = positions.schedule_of(key=(market, self.session), point=self.point)
        expected = 0 if last is None else last.revision + 1
        if self.revision != expected:
            name = f"schedule of {self.point} in session {self.session}"
            raise errors.RevisionOutOfOrder(name=name, expected=expected, given=self.revision)
        self._check_energies(positions, found)
        return ScheduleNominated(
            market=market,
            session=self.session,
            first_mtu=self.first_mtu,
            point=self.point,
            net_wh=self.net_wh,
            revision=self.revision,
            account=found.account,
            order_key=found.order_key,
            signature=self.signature,
            market_time=now,
        )

    def _check_energies(self, positions: AreaPositions, found: VerifiedSubmission) -> None:
        participant = found.holder.participant
        for mtu, net_wh in enumerate(self.net_wh, start=self.first_mtu):
            limit_wh = participant.import_limit_wh if net_wh > 0 else participant.export_limit_wh
            if abs(net_wh) > limit_wh:
                raise errors.BeyondConnection(mtu=mtu, energy_wh=abs(net_wh), limit_wh=limit_wh)
            sold_wh = positions.energy_wh(account=found.account, mtu=mtu, side=Side.ASK)
            if sold_wh > max(-net_wh, 0):
                raise errors.BeyondSchedule(mtu=mtu, energy_wh=sold_wh, export_wh=max(-net_wh, 0))
