"""Who takes part: areas, markets, periods, sessions, accounts, keys, meters and terms.

Source: docs/evidence.md section 3. Everything is kept in versions, oldest first.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import product
from typing import Any

from verifier.chain import ROLES, Chain
from verifier.ends import AGREEMENT, METER, NOTICE_MTUS, PARTICIPATION, Ends
from verifier.evidence import Attesters, Evidence
from verifier.facts import PeriodDeclared, SessionLapsed, SessionOpened
from verifier.form import whole
from verifier.hashes import ZERO_HEX, hash_json, ident
from verifier.journal import Erasures, PeriodKey
from verifier.party_facts import (
    AccountReplaced,
    AgreementSigned,
    AreaDefined,
    KeyRegistered,
    MarketDefined,
    MeterRegistered,
    ParticipantRegistered,
    TariffPublished,
    Term,
    TermEnded,
)
from verifier.replacements import Replacements

MOST_MTUS_OF_A_SESSION = 128
MOST_MTUS_OF_A_PERIOD = 3_200

SessionKey = tuple[str, int]
"""A market's id and a gate."""

MARKET_KINDS = {"auction": 0, "bilateral": 1, "flexibility": 2}
"""How the Market contract numbers kinds of markets."""


@dataclass(frozen=True, slots=True)
class Party:
    """An account and what it is in its area."""

    account: str
    kind: str
    area: str
    point: str | None
    connection_import_w: int = 0
    connection_export_w: int = 0
    valid_from_mtu: int = 0
    participant: str = ""


@dataclass(frozen=True, slots=True)
class MarketRules:
    """What of a market's rules decides about words and results."""

    area: str
    lot_wh: int
    tick_neur_per_wh: int
    min_limit_neur_per_wh: int
    max_limit_neur_per_wh: int
    sign_seconds: int


NEVER_OPENED = "MTUs in which nobody traded, for the chain refused to open their session"
"""What is counted of sessions that lapsed."""


@dataclass(frozen=True, slots=True)
class Waiting:
    """A fact whose event was not on chain when it was looked at."""

    sequence: int
    event: str
    keys: Mapping[str, Any]


def span(first_mtu: int, count: int, most: int) -> range:
    """MTUs of a session or period."""
    return range(whole(first_mtu), first_mtu + whole(count, 1, most))


class Participants:
    """Who takes part, as the facts so far say, each held against the chain."""

    def __init__(self, evidence: Evidence, erasures: Erasures) -> None:
        self._evidence = evidence
        self._report = evidence.report
        self._erasures = erasures
        self.areas: dict[str, AreaDefined] = {}
        self.markets: dict[str, MarketRules] = {}
        self.periods: dict[PeriodKey, PeriodDeclared] = {}
        self.sessions: dict[SessionKey, SessionOpened] = {}
        self.trading: dict[SessionKey, SessionOpened] = {}  # those whose books are not closed
        self.lapsed: set[SessionKey] = set()  # those that the chain never opened
        self._sessions_over = defaultdict[tuple[str, int], list[SessionKey]](list)  # by area and MTU
        self._sessions_of = defaultdict[PeriodKey, list[SessionKey]](list)
        self._period_over: dict[tuple[str, int], int] = {}  # by area and MTU
        self.parties: dict[str, Party] = {}
        self._standing = defaultdict[str, list[Party]](list)  # by point
        self._named: dict[str, Party] = {}  # by the participant's id
        self.replacements = Replacements(evidence)
        self.ends = Ends(evidence, self.replacements)
        self.settled_until: dict[str, int] = {}  # by area: the last MTU with a proposed settlement
        self.keys = defaultdict[str, list[KeyRegistered]](list)
        self.meters = defaultdict[str, list[MeterRegistered]](list)
        self.meters_at = defaultdict[str, list[MeterRegistered]](list)
        self._meter_of: dict[str, str] = {}  # by public key
        self.tariffs = defaultdict[str, list[TariffPublished]](list)
        self.agreements = defaultdict[str, list[AgreementSigned]](list)
        self._under = defaultdict[str, list[AgreementSigned]](list)  # by tariff
        self._recorded: dict[tuple[Any, ...], int] = {}  # sequences of tariffs and agreements by rank, and of others
        self.begun: dict[str, int] = {}  # by area: the last MTU that was gated, read or unread
        self._opened: dict[str, int] = {}  # by area: the last MTU that a session was opened for
        self.waiting: list[Waiting] = []
        self._told: set[tuple[Any, ...]] = set()

    # ---- facts that an event of the chain names

    def on_chain_once(
        self, kind: str, event: str, keys: Mapping[str, Any], values: Mapping[str, Any], *, later: bool = True
    ) -> None:
        """A fact that an event names is told once, and the event holds these values; `later`: it may still come."""
        place = (kind, *keys.values())
        self._report.none("facts told twice", [dict(keys)] if place in self._told else [])
        self._told.add(place)
        self._evidence.on_chain(event, keys, values, later=later)
        if later:
            self.wait_for(event, keys)

    def wait_for(self, event: str, keys: Mapping[str, Any]) -> None:
        """The fact at hand needs this event, which the chain must have or get in time."""
        chain = self._evidence.chain
        if chain is not None and chain.find(event, keys) is None:
            self.waiting.append(Waiting(self._evidence.at.sequence, event, keys))

    def still_awaited(self, chain: Chain) -> list[Waiting]:
        """Of the events that had not come, those that must; where requests are not shown, none of a session that
        never opened, or that ended without it."""
        if self._evidence.opened:
            return self.waiting
        return [item for item in self.waiting if not self._comes_no_more(chain, item)]

    def _comes_no_more(self, chain: Chain, item: Waiting) -> bool:
        if item.event not in ("SessionOpened", "SessionClosed", "ProgramRecorded"):
            return False
        session = {name: item.keys[name] for name in ("market", "session")}
        return tuple(session.values()) in self.lapsed or chain.find("SessionDone", session) is not None

    # ---- areas and markets

    def area_defined(self, fact: AreaDefined) -> None:
        """Grid model, deadlines and attesters are those of the anchors and of the chain when the area was created."""
        area, report, anchors = ident(fact.area), self._report, self._evidence.anchors
        seconds = {"attestSeconds": fact.attest_seconds, "horizonSeconds": fact.horizon_seconds}
        self.on_chain_once("area.defined", "AreaCreated", {"area": area}, seconds)
        self.areas[area] = fact
        organisations = {item.address: ident(item.organisation) for item in fact.attesters}
        report.same("grid_model_hash", fact.grid_model_hash, hash_json(fact.grid_model), "grid_model gives")
        if anchors is not None:
            known = anchors.areas[fact.area]
            report.none("attesters unknown to the trust anchors", organisations.keys() - known.attesters)
            told = {"grid_model_hash": fact.grid_model_hash, "zone": fact.zone, "threshold": fact.threshold}
            due = {"grid_model_hash": known.grid_model_hash, "zone": known.zone, "threshold": known.threshold}
            report.same("area", told, due, "the trust anchors hold")
        self._check_area_on_chain(fact, area, organisations)

    def _check_area_on_chain(self, fact: AreaDefined, area: str, organisations: Mapping[str, str]) -> None:
        """Attesters are those granted the role before the area was created; threshold and challenge window are those
        of the chain (evidence.md section 3, `area.defined`)."""
        chain = self._evidence.chain
        if chain is None:
            return
        made = chain.find("AreaCreated", {"area": area})
        begun = made.block if made else chain.height
        grants = [event.args for event in chain.named("RoleGranted") if event.block <= begun]
        granted = {
            args["key"]: args["organisation"]
            for args in grants
            if args["role"] == ROLES["attester"] and args["area"] in (area, ZERO_HEX)
        }
        self._report.same("attesters", dict(organisations), granted, "Roles on chain holds")
        told = {"threshold": fact.threshold, "challenge_seconds": fact.challenge_seconds}
        held = {
            "threshold": chain.number("Roles", "config()"),
            "challenge_seconds": chain.number("Redemptions", "challengeSeconds()"),
        }
        self._report.same("area", told, held, "the chain holds")

    def market_defined(self, fact: MarketDefined) -> None:
        """All but the hours of the gates is as on chain."""
        market = ident(fact.market)
        values = {
            "area": ident(fact.area),
            "kind": MARKET_KINDS.get(fact.kind),
            "lotWh": fact.lot_wh,
            "tickNeurPerWh": fact.tick_neur_per_wh,
            "minLimitNeurPerWh": fact.min_limit_neur_per_wh,
            "maxLimitNeurPerWh": fact.max_limit_neur_per_wh,
            "graceSeconds": fact.grace_seconds,
            "signSeconds": fact.sign_seconds,
            "clearSeconds": fact.clear_seconds,
        }
        self.on_chain_once("market.defined", "MarketCreated", {"market": market}, values)
        limits = (fact.tick_neur_per_wh, fact.min_limit_neur_per_wh, fact.max_limit_neur_per_wh)
        self.markets[market] = MarketRules(ident(fact.area), fact.lot_wh, *limits, fact.sign_seconds)

    def area_of(self, market: str) -> str:
        """Area id of a market id. Raises KeyError."""
        return self.markets[market].area

    def attesters(self, area: str) -> Attesters:
        """Attesters of an area id, as `area.defined` names them. Raises KeyError."""
        known = self.areas[area]
        return Attesters(frozenset(item.address for item in known.attesters), known.threshold)

    # ---- periods and sessions

    def period_declared(self, fact: PeriodDeclared) -> None:
        """As declared on chain."""
        keys = {"area": ident(fact.area), "period": fact.period}
        values = {"firstMtu": fact.first_mtu, "count": fact.count}
        self.on_chain_once("period.declared", "PeriodDeclared", keys, values)
        self.periods[ident(fact.area), fact.period] = fact
        for mtu in self.mtus_of_period(ident(fact.area), fact.period):
            self._period_over.setdefault((ident(fact.area), mtu), fact.period)

    def session_opened(self, fact: SessionOpened) -> None:
        """As opened on chain, in the market's area."""
        market = ident(fact.market)
        values = {"period": fact.period, "firstMtu": fact.first_mtu, "count": fact.count}
        self.on_chain_once("session.opened", "SessionOpened", {"market": market, "session": fact.session}, values)
        self.sessions[market, fact.session] = self.trading[market, fact.session] = fact
        area = self.area_of(market)
        self._report.same("area", ident(fact.area), area, "market.defined holds")
        at_once = [key for key in self._rivals(market, fact.session) if key[0] != market and key[1] == fact.session]
        self._report.none("sessions of the area's other markets with the same gate", at_once)
        self._sessions_of[area, fact.period].append((market, fact.session))
        for mtu in self.mtus_of_session(market, fact.session):
            self._sessions_over[area, mtu].append((market, fact.session))
            self._opened[area] = max(mtu, self._opened.get(area, 0))

    def session_lapsed(self, fact: SessionLapsed) -> None:
        """The chain has no such session."""
        key = (ident(fact.market), fact.session)
        held = self._evidence.seen.find("SessionOpened", {"market": key[0], "session": key[1]})
        self._report.none("sessions opened on chain that are told to have lapsed", [key] if held else [])
        self._report.counts[NEVER_OPENED] += self.sessions[key].count
        self.lapsed.add(key)
        self.trading.pop(key, None)

    def mtus_of_period(self, area: str, period: int) -> range:
        """MTUs of a period. Raises KeyError."""
        declared = self.periods[area, period]
        return span(declared.first_mtu, declared.count, MOST_MTUS_OF_A_PERIOD)

    def mtus_of_session(self, market: str, session: int) -> range:
        """MTUs of a session. Raises KeyError."""
        opened = self.sessions[market, session]
        return span(opened.first_mtu, opened.count, MOST_MTUS_OF_A_SESSION)

    def sessions_of_period(self, area: str, period: int) -> Sequence[SessionKey]:
        """Sessions whose MTUs a period of an area holds, as they opened."""
        return self._sessions_of.get((area, period), ())

    def earlier_sessions(self, market: str, session: int) -> list[SessionKey]:
        """Sessions of the area for some of the same MTUs whose gate is earlier, by gate."""
        earlier = [key for key in self._rivals(market, session) if key[1] < session]
        return sorted(earlier, key=lambda key: (key[1], key[0]))

    def _rivals(self, market: str, session: int) -> set[SessionKey]:
        """Sessions of the area, in all its markets, that hold some of a session's MTUs."""
        area, mtus = self.area_of(market), self.mtus_of_session(market, session)
        return {key for mtu in mtus for key in self._sessions_over.get((area, mtu), ())}

    def period_of(self, area: str, mtu: int) -> int | None:
        """Period of an area that holds an MTU."""
        return self._period_over.get((area, mtu))

    def begin(self, area: str, mtu: int) -> None:
        """The books of an MTU closed, its session ended, or it was read or marked Unread: its terms are fixed."""
        self.begun[area] = max(mtu, self.begun.get(area, 0))

    # ---- terms

    def tariff_published(self, fact: TariffPublished) -> None:
        """Signed by who makes its prices, before any MTU that it covers has begun; its retailer is always the same."""
        self._evidence.check_tariff(fact)
        self.tariffs[fact.tariff].append(fact)
        self._recorded[fact.rank] = self._evidence.at.sequence
        self._check_not_begun(fact.valid_from_mtu, fact.area)
        self._check_supplier(self._under[fact.tariff], [fact])

    def agreement_signed(self, fact: AgreementSigned) -> None:
        """Signed by account and retailer, under its tariff, before any MTU that it covers has begun in its area."""
        self._evidence.check_agreement(fact)
        self.agreements[fact.account].append(fact)
        self._recorded[fact.rank] = self._evidence.at.sequence
        if fact.account in self.parties:
            self._check_not_begun(fact.valid_from_mtu, self.parties[fact.account].area)
        self._under[fact.tariff].append(fact)
        self._check_supplier([fact], self.tariffs.get(fact.tariff, ()))
        end = self.ends.told(AGREEMENT, fact.agreement)
        if end is not None:
            self.ends.check_bound(end, end.area, fact.account, fact.retailer)

    def term_ended(self, fact: TermEnded) -> None:
        """Signed by who may end it, in time; what it ends is there, and binds whom it names."""
        area = ident(fact.area)
        self.ends.take(fact, decided_until=max(self.begun.get(area, -1), self._opened.get(area, -1)))
        if fact.term == PARTICIPATION:
            party = self._named.get(fact.name)
            if party is not None:
                self.ends.check_bound(fact, party.area, party.account, None)
                self._report.same(f"kind of {fact.name}", party.kind, "household", "whoever leaves is a")
            elif not self._erasures.excuse("participant.registered", fact.name):
                self._report.fail(f"{fact.name} is no participant")
        elif fact.term == METER:
            found = self.meters.get(fact.name, ())
            self._report.same(
                f"areas of meter {fact.name}", {item.area for item in found}, {fact.area}, "its end names"
            )
        else:
            self._agreement_ended(fact)

    def _agreement_ended(self, fact: TermEnded) -> None:
        """All versions of an agreement so far are by those whom its end names; a personal bundle tells them later."""
        found = [item for items in self.agreements.values() for item in items if item.agreement == fact.name]
        if not found and self._report.kind != "personal":
            self._report.fail(f"there is no agreement {fact.name}")
        for item in found:
            party = self.parties.get(item.account)
            self.ends.check_bound(fact, party.area if party else fact.area, item.account, item.retailer)

    def record_term(self, rank: tuple[Any, ...], valid_from_mtu: int, area: str) -> None:
        """A term of an area (its code) stands at the entry at hand, before any MTU that it covers has begun."""
        self._recorded[rank] = self._evidence.at.sequence
        self._check_not_begun(valid_from_mtu, area)

    def _check_supplier(self, agreements: Iterable[AgreementSigned], tariffs: Iterable[TariffPublished]) -> None:
        """Agreements are under a tariff of their own retailer; these are under these versions of one tariff."""
        for agreement, tariff in product(agreements, tariffs):
            name = f"retailer of {agreement.agreement}"
            mine, of = (self.replacements.before(item.retailer)[-1] for item in (agreement, tariff))
            self._report.same(name, mine, of, f"tariff {tariff.tariff} is that of")

    def _check_not_begun(self, valid_from_mtu: int, area: str) -> None:
        """No MTU that the terms cover has begun in their area (evidence.md section 3, `agreement.signed`)."""
        begun = self.begun.get(ident(area), -1)
        if valid_from_mtu <= begun:
            self._report.fail(valid_from_mtu, name="valid_from_mtu", source="begun has already MTU", expected=begun)

    def check_used(self, term: Term, mtu: int, area: str) -> None:
        """What decides on an MTU of an area was recorded and anchored before it began, in whatever order of facts."""
        if isinstance(term, TariffPublished):
            self._report.same(f"area of tariff {term.tariff}", term.area, area, "its account is of")
        self.check_in_time(term.rank, mtu)

    def check_notice(self, agreement: AgreementSigned, tariff: TariffPublished) -> None:
        """An account under a tariff's version signed after that was published, or had notice before it was bound."""
        published, signed = (self._recorded.get(term.rank, 0) for term in (tariff, agreement))
        due = max(tariff.valid_from_mtu, agreement.valid_from_mtu) - NOTICE_MTUS
        in_time = self._evidence.anchored_before(due)
        if signed < published and published > in_time:
            name = f"entry of tariff {tariff.tariff} {tariff.version}, which {agreement.account} did not sign,"
            self._report.fail(published, name=name, source=f"anchored before MTU {due} began was", expected=in_time)

    def check_read(self, meter: MeterRegistered, mtu: int) -> None:
        """A meter, and who stands at its point, decide on an MTU in which it is read: as `check_used`."""
        self.check_in_time(("meter", meter.meter, meter.valid_from_mtu), mtu)
        party = self.party_at(meter.point, mtu)
        if party is not None:
            self.check_in_time(("participant", party.account), mtu)

    def check_in_time(self, rank: tuple[Any, ...], mtu: int) -> None:
        """What was recorded under this name stands under a head anchored before an MTU began."""
        sequence, in_time = self._recorded.get(rank, 0), self._evidence.anchored_before(mtu)
        if sequence > in_time:
            name = f"entry of {' '.join(map(str, rank[:2]))}, which decides on MTU {mtu},"
            self._report.fail(sequence, name=name, source="anchored before it began was", expected=in_time)

    def agreement_at(self, account: str, mtu: int) -> AgreementSigned | None:
        """The agreement in force of an account, or of one it replaced, while it takes part."""
        party = self.parties.get(account)
        if party is not None and not self.takes_part(party, mtu):
            return None
        mine = [item for one in self.replacements.before(account) for item in self.agreements.get(one, ())]
        return self.ends.in_force(mine, mtu)

    def takes_part(self, party: Party, mtu: int) -> bool:
        """Whether a party's part has begun by an MTU, and not ended."""
        return party.valid_from_mtu <= mtu < self.ends.of(PARTICIPATION, party.participant)

    def check_may_order(self, account: str, mtu: int) -> None:
        """A household orders under an agreement, with a tariff valid then: without, nobody would settle it."""
        party = self.parties.get(account)
        if party is not None and party.kind == "household":
            agreement = self.agreement_at(account, mtu)
            supplied = agreement is not None and self.tariff_at(agreement.tariff, mtu) is not None
            self._report.none(f"orders of {account} for MTU {mtu} without an agreement", [] if supplied else [account])

    def tariff_at(self, tariff: str, mtu: int) -> TariffPublished | None:
        """A tariff's version: the latest that began by then, of these the highest version."""
        begun = (item for item in self.tariffs.get(tariff, ()) if item.valid_from_mtu <= mtu)
        return max(begun, key=lambda item: (item.valid_from_mtu, item.version), default=None)

    # ---- accounts, keys, meters

    def participant_registered(self, fact: ParticipantRegistered) -> None:
        """Signed by the account and the DSO; points, DSO's and tax accounts come once, and a household stands at one
        point."""
        report, watts = self._report, (fact.connection_import_w, fact.connection_export_w)
        head = (fact.participant, fact.kind, fact.area, fact.account, fact.point or "")
        values = (*head, *watts, fact.valid_from_mtu)
        signer = self._evidence.sign.signer(fact.account_signature, "Participation", *values)
        report.same("account", fact.account, signer, "Participation is signed by")
        self._evidence.check_any_dso(fact.area, fact.dso_signature, "Participation", *values)
        told, due = fact.point is not None, fact.kind == "household"
        report.same("whether there is a point", told, due, f"{fact.kind} says")
        self._check_vacant(fact)
        alone = [party.account for party in self.parties.values() if (party.kind, party.area) == (fact.kind, fact.area)]
        report.none(f"{fact.kind} accounts before it", alone if fact.kind in ("dso", "tax") else [])
        report.none("accounts that take part already", [fact.account] if fact.account in self.parties else [])
        if self._evidence.anchors is not None:
            named = self._evidence.anchors.areas[fact.area].accounts.of(fact.kind)
            report.same(f"{fact.kind} account", fact.account, named or fact.account, "the trust anchors hold")
        self._recorded["participant", fact.account] = self._evidence.at.sequence
        place = (fact.account, fact.kind, fact.area, fact.point)
        self.take_party(Party(*place, *watts, fact.valid_from_mtu, fact.participant))

    def _check_vacant(self, fact: ParticipantRegistered) -> None:
        """Whoever stood at the point has left it by then; its connection stays as it was."""
        before = self._standing.get(fact.point or "", ())
        there = [one.account for one in before if self.ends.of(PARTICIPATION, one.participant) > fact.valid_from_mtu]
        self._report.none("accounts that stand at the point already", there)
        watts = (fact.connection_import_w, fact.connection_export_w)
        other = {(one.connection_import_w, one.connection_export_w) for one in before} - {watts}
        self._report.none("other connections of the point", other)

    def take_party(self, party: Party) -> None:
        """Keep who takes part where."""
        self.parties[party.account] = self._named[party.participant] = party
        if party.point is not None:
            self._standing[party.point].append(party)

    def account_replaced(self, fact: AccountReplaced) -> None:
        """The chain says so, of a participant's account; before any settlement that it bears on."""
        self.replacements.take(fact)
        party = self.parties.get(fact.account)
        if party is None:
            if not self._erasures.excuse("participant.registered", fact.account):
                self._report.fail(f"{fact.account} is no participant")
            return
        self._report.none("successors that are participants already", {fact.successor} & self.parties.keys())
        self.parties[fact.successor] = replace(party, account=fact.successor)
        settled = self.settled_until.get(ident(party.area), -1)
        if fact.valid_from_mtu <= settled:
            source = "settled without it is already MTU"
            self._report.fail(fact.valid_from_mtu, name="valid_from_mtu", source=source, expected=settled)

    def standing(self, area: str, end_mtu: int) -> list[Party]:
        """The parties of an area (its id) in a settlement of MTUs before `end_mtu`, ascending by account."""
        before, holder = self.replacements.before, self.replacements.holder
        first = [account for account in self.parties if not self.parties.keys() & before(account)[1:]]
        present = {holder(account, end_mtu): self.parties[account] for account in first}
        return [
            replace(party, account=account) for account, party in sorted(present.items()) if ident(party.area) == area
        ]

    def key_registered(self, fact: KeyRegistered) -> None:
        """Signed by the account; at the account's point."""
        values = (fact.account, fact.order_key, ident(fact.point), fact.valid_from_mtu)
        signer = self._evidence.sign.signer(fact.signature, "KeyRegistration", *values)
        self._report.same("account", fact.account, signer, "KeyRegistration is signed by")
        self.keys[fact.account].append(fact)
        party = self.parties.get(fact.account)
        if party is not None:
            self._report.same("point", fact.point, party.point, "participant.registered holds")
        elif not self._erasures.excuse("participant.registered", fact.point or fact.account):
            self._report.fail(f"{fact.account} is no participant")

    def key_at(self, account: str, mtu: int) -> KeyRegistered | None:
        """The last registration of an account that is valid at an MTU."""
        return next((key for key in reversed(self.keys[account]) if key.valid_from_mtu <= mtu), None)

    def meter_registered(self, fact: MeterRegistered, *, known_from_mtu: int = 0) -> None:
        """Signed by the DSO, at a point where an account stands; a meter has one point, a point has one meter.

        Who stood there before `known_from_mtu` is not told: a bundle of one's own says nothing of those before.
        """
        values = (fact.meter, fact.point, fact.area, fact.public_key, fact.valid_from_mtu)
        self._evidence.check_any_dso(fact.area, fact.dso_signature, "MeterRegistration", *values)
        self._check_meter_unique(fact)
        first = max(fact.valid_from_mtu, known_from_mtu)
        party = self.party_at(fact.point, first)
        if party is not None:
            told = {"area": fact.area, "stands": self.takes_part(party, first)}
            self._report.same("meter", told, {"area": party.area, "stands": True}, "participant.registered holds")
        elif not self._erasures.excuse("participant.registered", fact.point):
            self._report.fail(f"nobody stands at {fact.point}")
        self._recorded["meter", fact.meter, fact.valid_from_mtu] = self._evidence.at.sequence
        self.take_meter(fact)

    def take_meter(self, fact: MeterRegistered) -> None:
        """Keep which meter reads which point."""
        self.meters[fact.meter].append(fact)
        self.meters_at[fact.point].append(fact)
        self._meter_of[fact.public_key] = fact.meter

    def _check_meter_unique(self, fact: MeterRegistered) -> None:
        """No other meter has the key, the meter stands at no other point, and what is there already begins before."""
        held = self._meter_of.get(fact.public_key)
        self._report.none("meters that have the key already", [held] if held else [])
        places = {item.point for item in self.meters[fact.meter]} - {fact.point}
        self._report.none("other points of the meter", places)
        later = [item.meter for item in self.meters_at[fact.point] if item.valid_from_mtu >= fact.valid_from_mtu]
        self._report.none("meters at the point that do not begin before", later)

    def meter_at(self, meter: str, mtu: int) -> MeterRegistered | None:
        """A meter's registration at an MTU; a later key of it, another meter at its point, or its end, ends it."""
        begun = [item for item in self.meters[meter] if item.valid_from_mtu <= mtu]
        found = max(begun, key=lambda item: item.valid_from_mtu, default=None)
        if found is None:
            return None
        since = found.valid_from_mtu
        replaced = any(since < other.valid_from_mtu <= mtu for other in self.meters_at[found.point])
        return None if replaced or self.ends.of(METER, meter) <= mtu else found

    def points_with_meter(self, area: str, mtu: int) -> set[str]:
        """Points of an area (its id) that have a meter in an MTU."""
        found = (self.meter_at(meter, mtu) for meter in self.meters)
        return {now.point for now in found if now is not None and ident(now.area) == area}

    def has_meter(self, party: Party, mtu: int) -> bool:
        """Whether a meter stands at an account's point in an MTU in which the account does."""
        if not self.takes_part(party, mtu):
            return False
        mine = self.meters_at.get(party.point or "", ())
        return any(now is not None and now.point == party.point for now in (self.meter_at(m.meter, mtu) for m in mine))

    def party_at(self, point: str | None, mtu: int) -> Party | None:
        """The account that came last to a point by an MTU, else the first one there; it may have left since."""
        found = self._standing.get(point or "", [])
        begun = [party for party in found if party.valid_from_mtu <= mtu]
        return max(begun, key=lambda party: party.valid_from_mtu, default=found[0] if found else None)
