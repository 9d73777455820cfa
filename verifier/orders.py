"""Orders, cancels and schedules as they came in before the gate.

Source: docs/evidence.md section 3 (`order.accepted`, `order.cancelled`, `schedule.nominated`, receipts).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from verifier.evidence import Evidence
from verifier.facts import OrderAccepted, OrderCancelled, ScheduleNominated
from verifier.form import whole
from verifier.hashes import ident, schedule_hash, tohex
from verifier.journal import Erasures
from verifier.mandates import Mandates
from verifier.participants import Participants
from verifier.party_facts import KeyRegistered
from verifier.receipts import ACCEPTED, CANCELLED, Receipted, Receipts
from verifier.words import Order

MOST_REVISIONS_MISSING = 100
"""Revisions looked for among the erased ones where some are missing."""


BookKey = tuple[str, int, int]
"""Market (its id), session and MTU."""


@dataclass(frozen=True, slots=True)
class Opened:
    """An order that was accepted: the point it stands at, its entry in the journal, the mandate of the agent who signed
    it (None: the account's own key did)."""

    order: Order
    point: str | None
    sequence: int
    mandate: str | None


@dataclass(frozen=True, slots=True)
class Nomination:
    """A point's schedule in its last revision, Wh per MTU, + = import."""

    revision: int
    net_wh: tuple[int, ...]


class Orders:
    """All orders that were accepted, and which of them are live."""

    def __init__(self, evidence: Evidence, erasures: Erasures, participants: Participants) -> None:
        self._evidence = evidence
        self._report = evidence.report
        self._erasures = erasures
        self._participants = participants
        self.receipts = Receipts(evidence)
        self.mandates = Mandates(evidence, erasures, participants, self.receipts)
        self.opened: dict[str, Opened] = {}  # by tag
        self.live: dict[BookKey, dict[tuple[str, str], str]] = {}  # tag by (account, order id), by book
        self.nominations: dict[tuple[str, int, str], Nomination] = {}  # by market, session, point
        self.closed: set[tuple[str, int]] = set()  # market and session whose books are closed
        self._revisions: dict[tuple[Any, ...], int] = {}

    def live_tags(self, market: str, session: int, mtu: int) -> set[str]:
        """Tags of the orders that count in the book of a market (its id), session and MTU."""
        return set(self.live.get((market, session, mtu), {}).values())

    def accepted(self, fact: OrderAccepted) -> None:
        """Signed by the key that is valid for its account, before the gate, in its next revision."""
        report, order = self._report, Order.open(self._evidence.sign, fact.order, fact.signature)
        report.same("tag", fact.tag, order.tag, "the order gives")
        report.same("market", ident(fact.market), order.market, "the order is for")
        report.none("tags accepted before", {order.tag} & self.opened.keys())
        replaced = {order.account} & self._participants.replacements.told.keys()
        if self._evidence.report.kind != "personal":
            report.none("orders of an account that was replaced before", replaced)
            self._participants.check_may_order(order.account, order.mtu)
        key = self._check_signer(fact, order, order.signer, fact.point)
        self.mandates.check_price(fact)
        if key is not None:
            report.same("point", fact.point, key.point, "the key's registration holds")
        book = (order.market, order.session, order.mtu)
        place = (*book, order.account, order.order_id)
        self._check_receipt(fact, book, order.revision, ACCEPTED)
        self._check_revision(place, order.revision)
        self.live.setdefault(book, {})[order.account, order.order_id] = order.tag
        self.opened[order.tag] = Opened(order, fact.point, self._evidence.at.sequence, fact.mandate)
        report.totals.orders += 1

    def cancelled(self, fact: OrderCancelled) -> None:
        """Signed by the key valid for the order's account; it withdraws the order's last revision."""
        market, report = ident(fact.market), self._report
        book = (market, fact.session, fact.mtu)
        self._check_receipt(fact, book, fact.revision, CANCELLED)
        if fact.tag not in self.opened and self._erasures.excuse("order.accepted", fact.tag):
            return
        opened = self.opened[fact.tag]
        order = opened.order
        self._check_revision((*book, order.account, fact.order_id), fact.revision)
        report.same("account", fact.account, order.account, "the order's is")
        values = (*book, fact.order_id, fact.revision)
        signer = self._evidence.sign.signer(fact.signature, "Cancel", *values)
        self._check_signer(fact, order, signer, opened.point)
        if fact.mandate is not None:
            report.same("order_key", fact.order_key, order.signer, "an agent withdraws its own orders, this one is of")
        last = self.live[book].pop((order.account, fact.order_id), None)
        report.same("tag", fact.tag, last, "the order's last revision has")

    def nominated(self, fact: ScheduleNominated) -> None:
        """Signed by the account's valid key at this point, for a session's MTUs before its gate; revisions rise."""
        market, report = ident(fact.market), self._report
        self._check_in_time(fact.market_time, (market, fact.session, fact.first_mtu))
        values = (
            market,
            fact.session,
            fact.first_mtu,
            ident(fact.point),
            tohex(schedule_hash(fact.net_wh)),
            fact.revision,
        )
        signer = self._evidence.sign.signer(fact.signature, "Schedule", *values)
        report.same("order_key", fact.order_key, signer, "Schedule is signed by")
        key = self._check_key(fact.order_key, fact.account, fact.first_mtu)
        if key is not None:
            report.same("point", fact.point, key.point, "the key's registration holds")
        party = self._participants.parties.get(fact.account)
        if party is not None and not self._participants.takes_part(party, fact.first_mtu):
            report.fail(f"{fact.account} does not stand at {fact.point} in MTU {fact.first_mtu}")
        mtus = self._participants.mtus_of_session(market, fact.session)
        told, due = (fact.first_mtu, len(fact.net_wh)), (mtus.start, len(mtus))
        report.same("first MTU and number of values", told, due, "session.opened gives")
        place = (market, fact.session, fact.point)
        before = self.nominations[place].revision if place in self.nominations else -1
        self.nominations[place] = Nomination(whole(fact.revision, before + 1), fact.net_wh)

    # ---- checks that they share

    def _check_signer(
        self, fact: OrderAccepted | OrderCancelled, order: Order, signer: str, point: str | None
    ) -> KeyRegistered | None:
        """The key that signed is the one valid for the order's account at its MTU, or an agent's under a mandate of
        that key; None: its registration is erased."""
        self._report.same("order_key", fact.order_key, signer, "it is signed by")
        if fact.mandate is None:
            return self._check_key(fact.order_key, order.account, order.mtu)
        return self.mandates.check_signed(fact, order.account, order.market, point, order.mtu)

    def _check_key(self, order_key: str, account: str, mtu: int) -> KeyRegistered | None:
        """Of what is recorded at this place, the last key that is valid at an MTU; None: its registration is erased."""
        key = self._participants.key_at(account, mtu)
        if key is None and self._erasures.excuse("key.registered", account):
            return None
        source = f"valid for {account} in MTU {mtu} is"
        self._report.same("order_key", order_key, "none" if key is None else key.order_key, source)
        return key

    def _check_in_time(self, market_time: int, book: BookKey) -> None:
        """Before the gate, in a session that holds the MTU; a personal bundle does not show which ones there are."""
        market, session, mtu = book
        if market_time >= session or (market, session) in self.closed:
            source = f"MTU {mtu} took orders until"
            self._report.fail(market_time, name="market_time", source=source, expected=session)
        opened = self._participants.sessions
        if opened and (
            (market, session) not in opened or mtu not in self._participants.mtus_of_session(market, session)
        ):
            self._report.fail(mtu, name="mtu", source="no such MTU holds session", expected=session)

    def _check_receipt(self, fact: OrderAccepted | OrderCancelled, book: BookKey, revision: int, kind: int) -> None:
        """In time, and the operator gave a receipt for the entry at hand."""
        self._check_in_time(fact.market_time, book)
        self.receipts.check(Receipted(*book, fact.tag, revision, kind, fact.market_time), fact.rules.receipts)

    def _check_revision(self, place: tuple[str, int, int, str, str], found: int) -> None:
        """One more than that of the order's last revision or cancel, whatever became of that; 0 at first."""
        due = self._revisions.get(place, -1) + 1
        self._revisions[place] = found
        missing = [(*place, number) for number in range(due, min(found, due + MOST_REVISIONS_MISSING))]
        excuse = self._erasures.excuse
        if not missing or not all(
            excuse("order.accepted", item) or excuse("order.cancelled", item) for item in missing
        ):
            self._report.same("revision", found, due, "due is")
