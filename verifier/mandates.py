"""Mandates: what agents were allowed to trade for an account, and whether they kept to it.

Source: docs/protocol.md section 10, docs/evidence.md section 3 (`mandate.granted`, `mandate.revoked`).
"""

from __future__ import annotations

from collections import defaultdict
from datetime import date, datetime

from verifier.chain import MTU_SECONDS
from verifier.evidence import Evidence
from verifier.facts import Mandate, MandateGranted, MandateRevoked, OrderAccepted, OrderCancelled
from verifier.hashes import ZERO_HEX, ident, tohex
from verifier.journal import Erasures
from verifier.participants import Participants
from verifier.party_facts import KeyRegistered
from verifier.receipts import GRANTED, REVOKED, Receipted, Receipts
from verifier.words import BID
from verifier.zones import zone_of


class Mandates:
    """All mandates told so far, and what was traded under each."""

    def __init__(self, evidence: Evidence, erasures: Erasures, participants: Participants, receipts: Receipts) -> None:
        self._evidence = evidence
        self._report = evidence.report
        self._erasures = erasures
        self._participants = participants
        self._receipts = receipts
        self._granted: dict[str, MandateGranted] = {}  # by tag
        self._last: dict[tuple[str, str], str] = {}  # tag, by account and agent
        self._ended: dict[str, int] = {}  # entry of the revocation, by tag
        # Wh by mandate and side, then by MTU or local day
        self._traded_wh = defaultdict[tuple[str, int], dict[int | date, int]](lambda: defaultdict(int))

    def granted(self, fact: MandateGranted) -> None:
        """Signed by the account's own order key, with the operator's receipt; the agent plays no other part."""
        mandate, report, sign = fact.mandate, self._report, self._evidence.sign
        digest = sign.digest("Mandate", *mandate.signed_values)
        report.same("order_key", fact.order_key, sign.recover(digest, fact.signature), "Mandate is signed by")
        report.same("tag", fact.tag, tohex(digest[:16]), "the mandate gives")
        report.none("mandates granted before", {fact.tag} & self._granted.keys())
        key = self._participants.key_at(mandate.account, mandate.from_mtu)
        if key is not None or not self._erasures.excuse("key.registered", mandate.account):
            source = f"valid for {mandate.account} in MTU {mandate.from_mtu} is"
            report.same("order_key", fact.order_key, "none" if key is None else key.order_key, source)
        keys = {item.order_key for items in self._participants.keys.values() for item in items}
        report.none(
            "agents that are accounts or order keys", {mandate.agent} & (self._participants.parties.keys() | keys)
        )
        self._check_receipt(fact, GRANTED)
        self._granted[fact.tag] = fact
        self._last[mandate.account, mandate.agent] = fact.tag
        report.totals.mandates += 1

    def revoked(self, fact: MandateRevoked) -> None:
        """Signed by the order key that granted the mandate, or a later one of its account; a mandate ends once."""
        report, sign = self._report, self._evidence.sign
        digest = sign.digest("MandateRevocation", fact.account, fact.agent, fact.mandate)
        report.same("order_key", fact.order_key, sign.recover(digest, fact.signature), "MandateRevocation is signed by")
        report.same("tag", fact.tag, tohex(digest[:16]), "the revocation gives")
        self._check_receipt(fact, REVOKED)
        granted = self._granted.get(fact.mandate)
        if granted is None:
            report.fail(f"no mandate {fact.mandate} was granted before")
            return
        told = {"account": fact.account, "agent": fact.agent}
        due = {"account": granted.mandate.account, "agent": granted.mandate.agent}
        report.same("revocation", told, due, "the mandate holds")
        keys = [key.order_key for key in self._participants.keys[fact.account]]
        first = keys.index(granted.order_key) if granted.order_key in keys else 0
        if fact.order_key not in keys[first:] and not self._erasures.excuse("key.registered", fact.account):
            report.fail(f"{fact.order_key} is no order key of {fact.account} from the one that signed the mandate on")
        report.none("mandates that ended before", {fact.mandate} & self._ended.keys())
        self._ended[fact.mandate] = self._evidence.at.sequence

    def _check_receipt(self, fact: MandateGranted | MandateRevoked, kind: int) -> None:
        told = Receipted(ZERO_HEX, 0, 0, fact.tag, 0, kind, fact.market_time)
        self._receipts.check(told, fact.rules.receipts)

    # ---- what agents sign

    def check_signed(
        self, fact: OrderAccepted | OrderCancelled, account: str, market: str, point: str | None, mtu: int
    ) -> KeyRegistered | None:
        """An agent's order or cancel stands under its mandate in force when it was recorded; that names the place.

        Returns the registration of the account's key that signed the mandate; None: it is erased, or there is none.
        """
        report, tag = self._report, fact.mandate
        last = self._last.get((account, fact.order_key), "none")
        report.same("mandate", tag, last, f"of {account}, the last one for {fact.order_key} is")
        granted = self._granted.get(tag or "")
        if granted is None:
            return None
        mandate, ended = granted.mandate, self._ended.get(granted.tag)
        if ended is not None:
            report.fail(f"mandate {tag} was revoked in entry {ended}: what its agent signed counts no more")
        report.same("account", account, mandate.account, "the mandate holds")
        if market not in map(ident, mandate.markets):
            report.fail(f"market {fact.market} is not in mandate {tag}")
        if (point not in mandate.points) if point is not None else mandate.points:
            report.fail(f"point {point} is not in mandate {tag}")
        if not mandate.from_mtu <= mtu < mandate.to_mtu:
            report.fail(
                f"MTU {mtu} is not in mandate {tag}, from MTU {mandate.from_mtu} to {mandate.to_mtu} (excluded)"
            )
        return self._key_of(granted, mtu)

    def _key_of(self, granted: MandateGranted, mtu: int) -> KeyRegistered | None:
        """The key that signed a mandate must be the account's at the MTU: no agent outlives it."""
        account = granted.mandate.account
        key = self._participants.key_at(account, mtu)
        if key is None and self._erasures.excuse("key.registered", account):
            return None
        source = f"valid for {account} in MTU {mtu} is"
        found = "none" if key is None else key.order_key
        self._report.same("order_key of the mandate", granted.order_key, found, source)
        return key

    def check_price(self, fact: OrderAccepted) -> None:
        """An agent bids no more, and asks no less, than its mandate allows."""
        granted = self._granted.get(fact.mandate or "")
        if granted is None:
            return
        mandate, limit = granted.mandate, fact.order.limit_price_neur_per_wh
        if fact.order.side == BID and limit > mandate.highest_buy_neur_per_wh:
            source, expected = "the highest price at which its mandate buys is", mandate.highest_buy_neur_per_wh
            self._report.fail(limit, name="limitPriceNeurPerWh", source=source, expected=expected)
        if fact.order.side != BID and limit < mandate.lowest_sell_neur_per_wh:
            source, expected = "the lowest price at which its mandate sells is", mandate.lowest_sell_neur_per_wh
            self._report.fail(limit, name="limitPriceNeurPerWh", source=source, expected=expected)

    def traded(self, tag: str | None, side: int, mtu: int, energy_wh: int) -> None:
        """What an agent's order bought (sold) in an MTU, with all that was before, is within the mandate's energies."""
        granted = self._granted.get(tag or "")
        if granted is None:
            return
        mandate, traded_wh = granted.mandate, self._traded_wh[granted.tag, side]
        traded_wh[mtu] += energy_wh
        self._check_energy(mandate, f"in MTU {mtu}", traded_wh[mtu], mandate.mtu_limit_wh(side), side)
        zone = zone_of(self._report, mandate.zone, "energies of mandates in a day")
        if zone is not None:
            day = datetime.fromtimestamp(mtu * MTU_SECONDS, zone).date()
            traded_wh[day] += energy_wh
            self._check_energy(mandate, f"on {day}", traded_wh[day], mandate.day_limit_wh(side), side)

    def _check_energy(self, mandate: Mandate, when: str, found_wh: int, most_wh: int, side: int) -> None:
        if found_wh > most_wh:
            name = f"Wh that agent {mandate.agent} {'bought' if side == BID else 'sold'} {when}"
            source = f"its mandate of {mandate.account} allows"
            self._report.fail(found_wh, name=name, source=source, expected=most_wh)
