"""Settlements: recomputed line by line, signed by enough attesters, and corrected where readings changed.

Sources: docs/evidence.md sections 3 (`settlement.*`) and 5, docs/protocol.md section 5.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from verifier.chain import GRACE_SECONDS, Event, Events
from verifier.evidence import Evidence, SettledHashes
from verifier.facts import SettlementProposed, SettlementRules, SettlementSigned
from verifier.form import Json, unhex
from verifier.hashes import (
    ZERO,
    ZERO_HEX,
    ident,
    keccak,
    merkle_root,
    number_of,
    settlement_words_hash,
    statement_leaf,
    terms_hash,
    tohex,
    word32,
)
from verifier.hidden import Target
from verifier.journal import Erasures, PeriodKey
from verifier.lines import SettlementLine
from verifier.market import Market
from verifier.participants import Participants, Party
from verifier.readings import Readings
from verifier.recompute import RECOMPUTATION_BY_LINES_RULE, Recomputation
from verifier.rules import rule_of
from verifier.unknown import Stakes

READ_EVENTS = ("ReadingsAttested", "ReadingsUnread")
"""Events that grow the root over a period's readings."""

SettlementKey = tuple[str, int, int]
"""Area id, period and revision."""


@dataclass(frozen=True, slots=True)
class Running:
    """Roots of a period as the chain runs them, and the revision of each MTU's readings under the second one (None:
    Unread)."""

    clearing_root: str
    readings_root: str
    revisions: Mapping[int, int | None]


class Chained:
    """The events that grow the roots of periods (protocol.md section 5), by where they count, each in the order of
    happening."""

    def __init__(self, events: Events) -> None:
        self._events = events
        self._ended = defaultdict[tuple[str, int], list[tuple[int, Event]]](list)  # by market and first MTU
        self._read = defaultdict[tuple[str, int], list[tuple[int, Event]]](list)  # by area and MTU
        for at, event in enumerate(events.named("SessionDone", *READ_EVENTS)):
            if event.name != "SessionDone":
                self._read[event.args["area"], event.args["mtu"]].append((at, event))
            elif opened := events.find("SessionOpened", _name_of(event)):
                self._ended[event.args["market"], opened.args["firstMtu"]].append((at, event))

    def running(self, area: str, markets: Iterable[str], mtus: range, wanted: str) -> Running:
        """Roots over the sessions of these markets and the attestations of an area, under the readings root `wanted`,
        or under the last one where that was never reached."""
        clearing = ZERO
        for event in self._sessions_over(markets, mtus):
            clearing = keccak(clearing + session_link(self._events, _name_of(event), event.args["clearedMask"]))
        readings, revisions, chosen = ZERO, dict[int, int | None](), None
        for event in self.read(area, mtus):
            args = event.args
            numbers = b"".join(word32(args.get(name, 0)) for name in ("count", "importWh", "exportWh"))
            head = word32(args["mtu"]) + word32(args.get("revision", 0)) + unhex(args.get("root", ZERO_HEX))
            readings = keccak(readings + head + numbers)
            revisions[args["mtu"]] = args["revision"] if event.name == "ReadingsAttested" else None
            if tohex(readings) == wanted:
                chosen = dict(revisions)
        if chosen is not None:
            return Running(tohex(clearing), wanted, chosen)
        return Running(tohex(clearing), tohex(readings), revisions)

    def _sessions_over(self, markets: Iterable[str], mtus: range) -> list[Event]:
        return _in_order(item for market in markets for mtu in mtus for item in self._ended.get((market, mtu), ()))

    def read(self, area: str, mtus: range) -> list[Event]:
        """What the chain has of the readings of these MTUs of an area."""
        return _in_order(item for mtu in mtus for item in self._read.get((area, mtu), ()))


def _in_order(found: Iterable[tuple[int, Event]]) -> list[Event]:
    return [event for _, event in sorted(found, key=lambda item: item[0])]


def _name_of(event: Event) -> dict[str, Any]:
    """The session that an event is about."""
    return {name: event.args[name] for name in ("market", "session")}


def session_link(events: Events, name: Mapping[str, Any], cleared_mask: int) -> bytes:
    """What the clearing root chains of a session that is over (protocol.md section 5)."""
    closed, recorded = events.find("SessionClosed", name), events.find("ProgramRecorded", name)
    books = closed.args["booksRoot"] if closed else ZERO_HEX
    program: Mapping[str, Any] = recorded.args if recorded else {}
    masks = (program.get("tradedMask", 0), program.get("emptiedMask", 0), cleared_mask)
    roots = unhex(books) + unhex(program.get("resultsRoot", ZERO_HEX))
    return unhex(name["market"]) + word32(name["session"]) + roots + b"".join(map(word32, masks))


@dataclass(frozen=True, slots=True)
class Proposal:
    """A settlement's words, the hashes that attesters sign, and the rules it was computed by."""

    words: tuple[str, ...]
    hashes: SettledHashes
    rules: SettlementRules
    told: Mapping[str, Json]
    """Its statements by account; none in a public bundle."""
    stakes: Stakes
    """What can be wrong because it hangs on something erased."""


@dataclass(frozen=True, slots=True)
class Settled:
    """A settlement that counts, and what each account gets (+) or pays, in nEUR."""

    amounts: Mapping[str, int]
    proposal: Proposal


class Settlements:
    """Proposals and settlements of all periods."""

    def __init__(
        self,
        evidence: Evidence,
        erasures: Erasures,
        participants: Participants,
        market: Market,
        readings: Readings,
    ) -> None:
        self._evidence = evidence
        self._report = evidence.report
        self._erasures = erasures
        self._participants = participants
        self._market = market
        self._readings = readings
        self._proposals: dict[SettlementKey, Proposal] = {}
        self._lost: set[PeriodKey] = set()  # periods with a settlement whose proposal is erased
        self.shown: dict[SettlementKey, SettlementLine] = {}  # settlements.jsonl of a public bundle, by area code
        self.attested_lines: set[tuple[str, int, int | None]] = set()  # attestations.jsonl of a public bundle
        self.settled: dict[SettlementKey, Settled] = {}
        self.before: dict[tuple[str, int, str], int] = defaultdict(int)  # nEUR by area id, period, account

    def running(self, area: str, mtus: range, wanted: str) -> Running:
        """Roots of a period of an area (its id), see `Chained.running`."""
        markets = frozenset(market for market, rules in self._participants.markets.items() if rules.area == area)
        return self._evidence.cache.of(self._chained.running, area, markets, mtus, wanted)

    @property
    def _chained(self) -> Chained:
        return self._evidence.cache.of(Chained, self._evidence.seen)

    def recompute(self, target: Target, rules: SettlementRules, *, all_shown: bool) -> Recomputation:
        """All statements of a settlement, by the rules it names."""
        parts = (self._evidence, self._erasures, self._participants, self._market, self._readings)
        made = rule_of(self._report, "lines", RECOMPUTATION_BY_LINES_RULE, rules.lines)(*parts, self.before, target)
        made.run(all_shown=all_shown)
        return made

    # ---- facts

    def proposed(self, fact: SettlementProposed) -> None:
        """Roots are the chain's, every statement is the one recomputed, words and hashes follow from them."""
        area, report = ident(fact.area), self._report
        period, mtus = (area, fact.period), self._participants.mtus_of_period(area, fact.period)
        now = self.running(area, mtus, fact.readings_root)
        report.same("clearing_root", fact.clearing_root, now.clearing_root, "sessions in their order give")
        report.same("readings_root", fact.readings_root, now.readings_root, "attestations in their order give")
        pending = (
            key
            for key in self._participants.sessions_of_period(area, fact.period)
            if key not in self._market.done
            and self._evidence.seen.find("SessionOpened", {"market": key[0], "session": key[1]})
        )
        report.none("sessions that are not over", pending)
        settled = self._participants.settled_until
        settled[area] = max(settled.get(area, -1), mtus[-1])
        told = {item.account: item.statement for item in fact.statements}
        report.totals.statements += len(told)
        report.ascending("accounts with a statement", [item.account for item in fact.statements])
        for account, statement in told.items():
            if period in self._lost:  # an earlier revision is erased: what it settled is what the statement says
                self.before[*period, account] = int(statement["settled_before_neur"])
            known = account in self._participants.parties
            place = statement["point"] or account
            if not known and self._erasures.excuse("participant.registered", place, period):
                self._take_party(fact.area, account, statement)
        target = Target(fact.area, period, fact.revision, mtus, now.revisions, told)
        made = self.recompute(target, fact.rules, all_shown=True)
        report.same("tariff_hash", fact.tariff_hash, terms_hash(made.terms.values()), "the versions used give")
        report.same("accounts with a statement", sorted(told), sorted(made.statements), "due are")
        for account in sorted(told.keys() & made.statements.keys()):
            expected = made.statements[account].as_json()
            with report.part(f"account {account} period {fact.period}"):
                report.same("statement", told[account], expected, "orders, readings and terms give")
            report.counts["statement lines"] += len(expected["lines"])
        made.check_hidden()
        self._check_hashes(fact, {account: made.statements[account].due_neur for account in made.statements})
        hashes = (fact.words_hash, fact.clearing_root, fact.readings_root, fact.statements_root, fact.tariff_hash)
        self._proposals[area, fact.period, fact.revision] = Proposal(
            fact.words, SettledHashes(*hashes), fact.rules, told, made.stakes
        )

    def _take_party(self, area: str, account: str, statement: Mapping[str, str]) -> None:
        """An account whose registration is erased is what its statement says."""
        name = self._participants.ends.participant_of(account)
        place = (account, statement["kind"], area, statement["point"])
        self._participants.take_party(Party(*place, participant=name))

    def _check_hashes(self, fact: SettlementProposed, due_neur: Mapping[str, int]) -> None:
        """Statements and salts give the root, the statements' sums the words (protocol.md section 5)."""
        given = sorted(fact.statements, key=lambda item: item.account)
        leaves = [statement_leaf(item.statement, item.salt) for item in given]
        source = "statements and salts give"
        self._report.same("statements_root", fact.statements_root, merkle_root(leaves), source)
        ordered = sorted(due_neur.items(), key=lambda item: (item[1] > 0, item[0]))  # debits first
        words = [settlement_word(account, due) for account, due in ordered if due]
        source = "the statements give"
        self._report.same("words", list(fact.words), [tohex(word32(word)) for word in words], source)
        self._report.same("words_hash", fact.words_hash, settlement_words_hash(words), source)

    def signed(self, fact: SettlementSigned) -> None:
        """By enough attesters; the one whose hashes are on chain counts. Money is moved, never made."""
        evidence, report = self._evidence, self._report
        area = ident(fact.area)
        key = (area, fact.period, fact.revision)
        told = (fact.area, fact.period, fact.revision)
        if not evidence.opened and told in self.shown:
            self._report.same("next line of settlements.jsonl", next(iter(self.shown)), told, "the journal tells of")
            self._take_shown(key, self.shown.pop(told))
        if key not in self._proposals and self._erasures.excuse("settlement.proposed", key, key[:2]):
            keys = {"area": area, "period": fact.period, "revision": fact.revision}
            if event := evidence.seen.find("PeriodSettled", keys):
                evidence.mark_told(event)
            self._lost.add(key[:2])
            return
        proposal, counts = self._proposals[key], evidence.chain is None
        if evidence.opened or evidence.chain is not None:  # the chain knows which readings a settlement saw
            attesters = self._participants.attesters(area)
            signatures = [item.signature for item in fact.signatures]
            place = (fact.area, fact.period, fact.revision)
            counts, signers = evidence.check_settlement(*place, proposal.hashes, signatures, attesters)
            report.same("attesters", [item.attester for item in fact.signatures], signers, "Settlement is signed by")
        amounts = [read_settlement_word(word) for word in proposal.words]
        report.ascending("debits, then credits, by account", [(amount > 0, account) for account, amount in amounts])
        report.ascending("accounts of words", sorted(account for account, _ in amounts))
        report.same("sum of words", sum(amount for _, amount in amounts), 0, "money is moved, never made:")
        if not counts:
            report.counts["settlements signed that did not come on chain"] += 1
            return
        if key not in self.settled:
            report.totals.settlements += 1
            report.totals.moved_neur += sum(amount for _, amount in amounts if amount > 0)
            for account, amount in amounts:
                self.before[*key[:2], account] += amount
        self.settled[key] = Settled(dict(amounts), proposal)

    def _take_shown(self, key: SettlementKey, line: SettlementLine) -> None:
        """A public bundle's proposal: its words, and roots as the chain's events give them."""
        area, period, revision = key
        rule_of(self._report, "lines", RECOMPUTATION_BY_LINES_RULE, line.rules.lines)
        event = self._evidence.seen.find("PeriodSettled", {"area": area, "period": period, "revision": revision})
        mtus = self._participants.mtus_of_period(area, period)
        now = self.running(area, mtus, event.args["readingsRoot"] if event else "")
        missing = (mtu for mtu, at in now.revisions.items() if (area, mtu, at) not in self.attested_lines)
        self._report.none("MTUs that attestations.jsonl does not show", missing)
        hashed = settlement_words_hash([number_of(word) for word in line.words])
        hashes = (hashed, now.clearing_root, now.readings_root, line.statements_root, line.tariff_hash)
        self._proposals[key] = Proposal(line.words, SettledHashes(*hashes), line.rules, {}, Stakes())

    # ---- what came later

    def check_corrections(self) -> None:
        """Where later readings change what an account owes, a correction came in time (evidence.md section 3)."""
        last_of = {key[:2]: key for key in sorted(self.settled)}
        for (area, period), declared in self._participants.periods.items():
            last = last_of.get((area, period))
            if last is None:
                self._report.counts["periods not settled"] += 1
                continue
            mtus = self._participants.mtus_of_period(area, period)
            now = self.running(area, mtus, "")
            shown = self._evidence.opened or self._evidence.chain is not None
            proposal = self.settled[last].proposal
            if shown and now.readings_root != proposal.hashes.readings_root:
                target = Target(declared.area, (area, period), last[2] + 1, mtus, now.revisions, proposal.told)
                self._check_correction(target, proposal.rules)

    def _check_correction(self, target: Target, rules: SettlementRules) -> None:
        """Readings of this period changed after its last settlement. Those that came just before the bundle was made,
        or since, it need not show: a correction of them is for a later one."""
        wrong, due = [], target.period in self._erasures.final_at or self._is_overdue(target)
        if self._evidence.opened and due:
            made = self.recompute(target, rules, all_shown=True)
            wrong = [account for account, statement in made.statements.items() if statement.due_neur]
        if wrong:
            self._report.fail(
                f"period {target.period[1]} of {target.area}: later readings change what {len(wrong)} accounts owe,"
                " and no correction was settled"
            )
        else:
            self._report.gap("readings attested after the last settlement of their period")

    def tell_unknown(self) -> None:
        """Which MTUs can't be recomputed because something is erased, and how much money hangs on that: of the last
        settlement of each period, which holds what those before it moved."""
        last_of = {key[:2]: key for key in sorted(self.settled)}
        unknown = self._report.unknown
        for (area, period), key in sorted(last_of.items()):
            stakes = self.settled[key].proposal.stakes
            if stakes.mtus:
                code = self._participants.periods[area, period].area
                unknown.mtus[code] = sorted({*unknown.mtus.get(code, ()), *stakes.mtus})
                unknown.most_neur += stakes.most_neur

    def _is_overdue(self, target: Target) -> bool:
        """Whether the last change of readings lies further before the bundle's anchor than a correction may take."""
        chain = self._evidence.chain
        if chain is None:
            return False
        read = self._chained.read(target.period[0], target.mtus)
        changed = [event for event in read if event.name == "ReadingsAttested"]
        return chain.seconds(changed[-1].block, chain.last_anchor_block()) > GRACE_SECONDS


def settlement_word(account: str, due_neur: int) -> int:
    """address:160 | int96 amount (protocol.md section 5)."""
    return int(account, 16) << 96 | due_neur % 2**96


def read_settlement_word(text: str) -> tuple[str, int]:
    """Account and amount of a settlement word."""
    raw = unhex(text, 32)
    return tohex(raw[:20]), int.from_bytes(raw[20:], "big", signed=True)
