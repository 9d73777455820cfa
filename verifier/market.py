"""Books, programs and clearings: what was committed is what was cleared, optimally, within the caps the DSO signed.

Sources: docs/evidence.md section 3 (`book.closed`, "Program", `mtu.cleared`), docs/protocol.md section 3.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from verifier.evidence import Evidence
from verifier.facts import (
    BookClosed,
    CommittedBook,
    Envelope,
    MtuCleared,
    MtuVoided,
    ProgramRefused,
    ProgramSigned,
    ProgramValidated,
    SetpointsIssued,
    ValidatedResult,
)
from verifier.form import Json, as_json, unhex
from verifier.hashes import hash_json, ident, keccak, merkle_root, schedule_hash, tohex, word32, words_hash
from verifier.journal import Erasures
from verifier.lines import ProgramLine, ShownResult
from verifier.orders import Opened, Orders
from verifier.participants import MOST_MTUS_OF_A_PROGRAM, MarketRules, Participants, span
from verifier.rules import rule_of
from verifier.words import ASK, BID, HIGHEST_PRICE, NO_CAP, NO_PRICE, OPTIMUM_BY_TIES_RULE, Book, Word, read_book

ERASED = "erased"
"""Stands for the account of a word whose order is erased."""

FORECAST_RULES: Mapping[int, None] = {1: None}
"""Versions of the rule for forecasts; what comes out of it is bound by the report's hash, and not recomputed."""

Caps = tuple[int | None, int | None]
"""Import and export cap of a point in Wh; None: none."""

UNLIMITED: Caps = (None, None)
"""Import and export cap of a point without an envelope."""


@dataclass(frozen=True, slots=True)
class Cleared:
    """The result of an MTU, checked: its price (None: no trade), its words, its hash on chain, and the
    version of the rule for ties by which it is one."""

    price_neur_per_wh: int | None
    texts: tuple[str, ...]
    book: Book
    hash: str
    ties: int


@dataclass(frozen=True, slots=True)
class Trade:
    """What a word bought (side 0) or sold (1) in a market (its code), in Wh, and at what price."""

    market: str
    tag: str
    side: int
    energy_wh: int
    price_neur_per_wh: int


@dataclass(frozen=True, slots=True)
class ReportedMtu:
    """What a program's report says of an MTU."""

    given_up: bool
    rounds: int


@dataclass(frozen=True, slots=True)
class ProgramReport:
    """A program's power-flow report, as far as its hash does not already bind it."""

    hash: str
    schedules_hash: str
    envelopes_hash: str
    earlier_hash: str
    mtus: tuple[ReportedMtu, ...]

    @classmethod
    def read(cls, told: Json) -> ProgramReport:
        """From its JSON. Raises KeyError."""
        mtus = tuple(ReportedMtu(item["given_up"], item["rounds"]) for item in told["mtus"])
        hashes = (told["schedules_hash"], told["envelopes_hash"], told["earlier_hash"])
        return cls(hash_json(told), *hashes, mtus)


@dataclass(frozen=True)
class Program:
    """A program: its results by MTU, the values that the DSO signs over it, and what only an opened bundle shows."""

    market: str
    mtus: range
    results: Mapping[int, Cleared]
    results_root: str
    grid_model_hash: str
    report: ProgramReport
    deadline: int
    envelopes: tuple[Envelope, ...] = ()
    schedules: Mapping[str, tuple[int, ...]] = field(default_factory=dict)

    @property
    def refused_values(self) -> tuple[Any, ...]:
        """What a refusal is signed over, but its reason."""
        return self.market, self.mtus[0], len(self.mtus), self.results_root

    @property
    def signed_values(self) -> tuple[Any, ...]:
        """What the DSO signs."""
        return *self.refused_values, self.grid_model_hash, self.report.hash, self.deadline

    @property
    def recorded_values(self) -> dict[str, Any]:
        """As the contract's event names what it recorded."""
        return {
            "resultsRoot": self.results_root,
            "gridModelHash": self.grid_model_hash,
            "reportHash": self.report.hash,
            "deadline": self.deadline,
        }


def caps_of(envelopes: Sequence[Envelope]) -> dict[tuple[int, str], Caps]:
    """(import cap, export cap) in Wh by MTU and point."""
    return {(item.mtu, item.point): (item.import_cap_wh, item.export_cap_wh) for item in envelopes}


def _tighter(one: Caps, other: Caps) -> Caps:
    """The lower cap of each direction: what an earlier gate left in force is never widened."""
    lows = [min((cap for cap in pair if cap is not None), default=None) for pair in zip(one, other, strict=True)]
    return lows[0], lows[1]


def _caps_json(caps: Caps | None) -> Json:
    imported, exported = caps or UNLIMITED
    return {"import_cap_wh": imported, "export_cap_wh": exported}


class Market:
    """Books, programs and clearings of all markets."""

    def __init__(self, evidence: Evidence, erasures: Erasures, participants: Participants, orders: Orders) -> None:
        self._evidence = evidence
        self._report = evidence.report
        self._erasures = erasures
        self._participants = participants
        self._orders = orders
        self._books: dict[tuple[str, int], CommittedBook] = {}  # by market and MTU
        self._programs: dict[tuple[str, int], Program] = {}  # by market and number
        self._signed: set[tuple[str, int]] = set()
        self._results: dict[tuple[str, int], Cleared] = {}  # signed ones, by market and MTU
        self.shown: dict[tuple[str, int], ProgramLine] = {}  # programs.jsonl of a public bundle, by market code
        self.blind: set[tuple[str, int]] = set()  # market and MTU whose signed program is erased
        self.ended: set[tuple[str, int]] = set()  # market and MTU that are cleared or void
        self.trades = defaultdict[tuple[str, int], list[Trade]](list)  # by account and MTU
        self._net_wh: dict[tuple[str, int, str], int] = {}  # bought (+) or sold (-), by market, MTU and point
        self.caps: dict[tuple[int, str], Caps] = {}  # signed, by MTU and point
        self.scheduled_export_wh: dict[tuple[int, str], int] = {}  # signed, by MTU and point

    @property
    def opened(self) -> Mapping[str, Opened]:
        """Orders by tag."""
        return self._orders.opened

    # ---- books

    def book_closed(self, fact: BookClosed) -> None:
        """The live orders of each MTU, none left out and none added; committed on chain."""
        market = ident(fact.market)
        area, opened = self._participants.area_of(market), self._participants.programs[market, fact.program]
        keys = {"market": market, "program": fact.program}
        chains, counts = [book.chain for book in fact.books], [len(book.tags) for book in fact.books]
        self._participants.on_chain_once("book.closed", "BooksClosed", keys, {"chains": chains, "counts": counts})
        mtus = span(fact.first_mtu, fact.count, MOST_MTUS_OF_A_PROGRAM)
        for mtu, book in zip(mtus, fact.books, strict=True):
            with self._report.part(f"mtu {mtu} market {fact.market}"):
                self._check_book(market, mtu, book, (area, opened.period))
                self._books[market, mtu] = book
                self._orders.closed.add((market, mtu))
                self._participants.begin(area, mtu)
        told = {"first_mtu": fact.first_mtu, "count": fact.count, "gate": fact.gate}
        due = {"first_mtu": opened.first_mtu, "count": opened.count, "gate": opened.gate}
        self._report.same("program", told, due, "program.opened holds")

    def _check_book(self, market: str, mtu: int, book: CommittedBook, period: tuple[str, int]) -> None:
        """Tags are those of the live orders; chain and hash follow from their words."""
        report, excuse, opened = self._report, self._erasures.excuse, self._orders.opened
        live, tags = self._orders.live_tags(market, mtu), set(book.tags)
        for tag in sorted(live - tags):
            if not excuse("order.cancelled", tag, period):
                report.fail(f"order {tag}, accepted in entry {opened[tag].sequence} and never withdrawn, is left out")
        if self._evidence.opened:
            added = sorted(tags - live)
            unknown = [t for t in added if t not in self._erasures.tags or not excuse("order.accepted", t, period)]
            report.none("tags that open to no live order", unknown)
            if live >= tags:
                words = [opened[tag].order.word for tag in book.tags]
                report.same("chain", book.chain, words_hash(words), "the opened orders give")
        hashed = tohex(keccak(unhex(book.chain, 32) + word32(len(book.tags))))
        report.same("mtu", book.mtu, mtu, "its place gives")
        report.same("book_hash", book.book_hash, hashed, "chain and number of tags give")
        report.ascending("tags", book.tags)

    # ---- results

    def check_result(
        self, market: str, mtu: int, price: int | None, texts: tuple[str, ...], rules: MarketRules | None, ties: int
    ) -> Cleared:
        """Order and fields of the words, then optimum, price and shares among ties (protocol.md section 3); without
        rules (a personal bundle does not show them) the bounds of the format."""
        report, book = self._report, self._evidence.cache.of(read_book, texts)
        tick = rules.tick_neur_per_wh if rules else 1
        lowest = rules.min_limit_neur_per_wh if rules else NO_PRICE + 1
        highest = rules.max_limit_neur_per_wh if rules else HIGHEST_PRICE
        report.ascending("tags of words", [word.tag for word in book.words])
        impossible = [
            word
            for word in book.words
            if word.side not in (BID, ASK)
            or word.quantity == 0
            or word.limit % tick
            or not lowest <= word.limit <= highest
        ]
        report.none("words with impossible flags, quantity or limit", impossible)
        best = rule_of(report, "ties", OPTIMUM_BY_TIES_RULE, ties)(book)
        report.same("price_neur_per_wh", price, best.price_neur_per_wh, "the rule at the optimum gives")
        accepted = [word.accepted for word in book.words]
        report.same("accepted lots by word", accepted, list(best.accepted), "the optimum with its shares gives")
        report.counts["words"] += len(book.words)
        return Cleared(price, texts, book, book.result_hash(market, mtu, price), ties)

    def _read_program(self, told: ProgramValidated | ProgramLine) -> Program:
        """Results of a program, each from its committed book, and the values that the DSO signs over them."""
        market, results = ident(told.market), dict[int, Cleared]()
        rules, report = self._participants.markets[market], ProgramReport.read(told.report)
        mtus = span(told.first_mtu, told.count, MOST_MTUS_OF_A_PROGRAM)
        shown: Sequence[ValidatedResult | ShownResult] = told.results
        for mtu, item, reported in zip(mtus, shown, report.mtus, strict=True):
            with self._report.part(f"mtu {mtu} market {told.market}"):
                self._report.same("mtu", item.mtu, mtu, "its place gives")
                result = self.check_result(market, mtu, item.price_neur_per_wh, item.words, rules, told.rules.ties)
                if item.words or not reported.given_up:
                    self._check_committed(market, mtu, result)
                results[mtu] = result
        validated = told if isinstance(told, ProgramValidated) else None
        return Program(
            market=market,
            mtus=mtus,
            results=results,
            results_root=merkle_root(unhex(results[mtu].hash) for mtu in mtus),
            grid_model_hash=hash_json(self._participants.areas[rules.area].grid_model),
            report=report,
            deadline=told.deadline,
            envelopes=validated.envelopes if validated else (),
            schedules=validated.schedules if validated else {},
        )

    def _check_committed(self, market: str, mtu: int, result: Cleared) -> None:
        """Without cap and accepted lots the words are those committed at the gate."""
        committed, tags = self._books[market, mtu], [word.tag for word in result.book.words]
        self._report.same("tags of words", tags, list(committed.tags), "the committed book holds")
        source = "the committed book holds"
        self._report.same("chain of masked words", result.book.masked_hash, committed.chain, source)

    # ---- programs

    def program_validated(self, fact: ProgramValidated) -> None:
        """Results, caps and schedules are what report and grid model say; the DSO signs all of them."""
        market, report = ident(fact.market), self._report
        rule_of(report, "forecast", FORECAST_RULES, fact.rules.forecast)
        program = self._read_program(fact)
        rules, opened = self._participants.markets[market], self._participants.programs[market, fact.program]
        source = "results, grid model and report give"
        report.same("results_root", fact.results_root, program.results_root, source)
        report.same("grid_model_hash", fact.grid_model_hash, program.grid_model_hash, source)
        report.same("report_hash", fact.report_hash, program.report.hash, source)
        report.same("deadline", fact.deadline, opened.gate + rules.sign_seconds, "gate and sign_seconds give")
        rounds = max(item.rounds for item in program.report.mtus)
        report.same("rounds", fact.rounds, rounds, "the signed report holds")
        self._check_points(fact, program.report)
        earlier = hash_json([as_json(item) for item in fact.earlier])
        report.same("hash of earlier", earlier, program.report.earlier_hash, "the signed report holds")
        self._check_earlier(fact, market)
        caps, net_wh = caps_of(fact.envelopes), {(item.mtu, item.point): item.net_wh for item in fact.earlier}
        for result, reported in zip(fact.results, program.report.mtus, strict=True):
            with report.part(f"mtu {result.mtu} market {fact.market}"):
                cleared = program.results[result.mtu]
                report.same("given_up", result.given_up, reported.given_up, "the signed report holds")
                report.same("result_hash", result.result_hash, cleared.hash, "price and words give")
                self._check_caps(rules.lot_wh, result.mtu, cleared.book.words, caps, net_wh)
        for point, scheduled in fact.schedules.items():
            nominated = list(self._nominated(market, fact.program, point) or scheduled)
            report.same(f"schedule of point {point}", list(scheduled), nominated, "schedule.nominated holds")
        self._programs[market, fact.program] = program

    def _nominated(self, market: str, program: int, point: str) -> Sequence[int] | None:
        """The schedule nominated for a program, else the last one for an earlier gate."""
        for code, number in ((market, program), *reversed(self._participants.earlier_programs(market, program))):
            first_mtu = self._participants.programs[code, number].first_mtu
            nomination = self._orders.nominations.get((code, first_mtu, point))
            if nomination is not None:
                return nomination.net_wh
        return None

    def _check_earlier(self, fact: ProgramValidated, market: str) -> None:
        """Every MTU of earlier gates has ended, and what those markets left is what their words and the envelopes that
        the chain recorded give; which gates are earlier, the chain says."""
        mtus = span(fact.first_mtu, fact.count, MOST_MTUS_OF_A_PROGRAM)
        earlier = self._participants.earlier_programs(market, fact.program)
        ends = [(code, mtu) for code, number in earlier for mtu in self._participants.mtus_of_program(code, number)]
        self._report.none("MTUs of earlier gates that have not ended", set(ends) - self.ended)
        if any((ERASED, mtu) in self.trades or (code, mtu) in self.blind for code, mtu in ends):
            return  # whose trades these were can't be known any more
        caps = self._caps_in_force(earlier)
        codes = {code for code, _ in earlier}
        net_wh: dict[tuple[int, str], int] = defaultdict(int)
        for (code, mtu, point), wh in self._net_wh.items():
            if code in codes and mtu in mtus:
                net_wh[mtu, point] += wh
        left = {place for place, wh in net_wh.items() if wh} | {place for place in caps if place[0] in mtus}
        due = [
            {"point": point, "mtu": mtu, "net_wh": net_wh[mtu, point], **_caps_json(caps.get((mtu, point)))}
            for mtu, point in sorted(left)
        ]
        told = [as_json(item) for item in fact.earlier]
        self._report.same("earlier", told, due, "words and envelopes of earlier gates give")

    def _caps_in_force(self, programs: Sequence[tuple[str, int]]) -> dict[tuple[int, str], Caps]:
        """The tightest caps of those programs that the chain recorded."""
        caps: dict[tuple[int, str], Caps] = {}
        for market, number in programs:
            if self._evidence.seen.find("ProgramRecorded", {"market": market, "program": number}):
                for place, each in caps_of(self._programs[market, number].envelopes).items():
                    caps[place] = _tighter(each, caps.get(place, UNLIMITED))
        return caps

    def _check_points(self, fact: ProgramValidated, signed: ProgramReport) -> None:
        """Envelopes and schedules of all points give the hashes in the signed report (evidence.md section 3)."""
        area, report = self._participants.area_of(ident(fact.market)), self._report
        points: list[str] = [point["code"] for point in self._participants.areas[area].grid_model["points"]]
        place, mine = {point: at for at, point in enumerate(points)}, defaultdict[str, list[Json]](list)
        for item in fact.envelopes:
            mine[item.point].append(as_json(item))
        report.ascending("order of envelopes", [(item.mtu, place[item.point]) for item in fact.envelopes])
        envelopes = b"".join(unhex(hash_json(mine[point])) for point in points)
        schedules = b"".join(schedule_hash(fact.schedules[point]) for point in points)
        source = "the signed report holds"
        report.same("hash of envelopes", tohex(keccak(envelopes)), signed.envelopes_hash, source)
        report.same("hash of schedules", tohex(keccak(schedules)), signed.schedules_hash, source)
        report.none("schedules of unknown points", fact.schedules.keys() - place.keys())

    def _check_caps(
        self,
        lot_wh: int,
        mtu: int,
        words: Sequence[Word],
        caps: Mapping[tuple[int, str], Caps],
        net_wh: Mapping[tuple[int, str], int],
    ) -> None:
        """The cap of each word is what the envelope of its order's point leaves beside what was traded at earlier
        gates: best limit first, then ascending tag (protocol.md section 3, "Caps")."""
        groups = defaultdict[tuple[str, int], list[tuple[int, str, int]]](list)
        points = {word.tag: self._orders.opened[word.tag].point for word in words if word.tag in self._orders.opened}
        for at, word in enumerate(words):
            if word.tag in points:
                rank = (word.limit if word.side == ASK else -word.limit, word.tag, at)
                groups[points[word.tag] or "", word.side].append(rank)
        for (point, side), members in groups.items():
            envelope = caps.get((mtu, point), UNLIMITED)[side]
            before_wh = net_wh.get((mtu, point), 0) * (1 if side == ASK else -1)
            left = NO_CAP if envelope is None else max(envelope + before_wh, 0) // lot_wh
            for _, _, at in sorted(members):
                expected = NO_CAP if envelope is None else min(words[at].quantity, left)
                source = f"the envelope of point {point}, {envelope} Wh, leaves"
                self._report.same(f"word {at} cap", words[at].cap, expected, source)
                left -= expected

    def program_signed(self, fact: ProgramSigned) -> None:
        """Signed by the DSO over this very program; on chain it binds everybody."""
        market = ident(fact.market)
        keys = {"market": market, "program": fact.program}
        self._participants.on_chain_once(
            "program.signed", "ProgramRecorded", keys, {"dso": fact.dso, "signature": fact.signature}
        )
        area, key = self._participants.area_of(market), (market, fact.program)
        mtus = self._participants.mtus_of_program(*key)
        period = (area, self._participants.programs[key].period)
        if not self._evidence.opened and (fact.market, fact.program) in self.shown:
            self._programs[key] = self._read_program(self.shown.pop((fact.market, fact.program)))
        self._signed.add(key)
        if key not in self._programs and self._erasures.excuse("program.validated", key, period):
            self.blind |= {(market, mtu) for mtu in mtus}
            return
        program, code = self._programs[key], self._participants.areas[area].area
        self._evidence.check_dso(code, fact.dso, fact.signature, "Program", *program.signed_values)
        self._evidence.on_chain("ProgramRecorded", keys, program.recorded_values, later=True)
        self._results |= {(market, mtu): result for mtu, result in program.results.items()}
        if self._evidence.opened and self._evidence.seen.find("ProgramRecorded", keys):
            self.bind(mtus, program.envelopes, program.schedules)

    def bind(self, mtus: range, envelopes: Sequence[Envelope], schedules: Mapping[str, Sequence[int]]) -> None:
        """Envelopes and schedules that the chain recorded count in the settlement."""
        for place, caps in caps_of(envelopes).items():
            self.caps[place] = _tighter(caps, self.caps.get(place, UNLIMITED))
        for point, net_wh in schedules.items():
            exports = {(mtus[at], point): max(-wh, 0) for at, wh in enumerate(net_wh)}
            self.scheduled_export_wh |= exports

    def program_refused(self, fact: ProgramRefused) -> None:
        """Signed by the DSO over a program that public bundles do not show."""
        key = (ident(fact.market), fact.program)
        area = self._participants.area_of(key[0])
        if not self._evidence.opened:
            return
        period = (area, self._participants.programs[key].period)
        if key not in self._programs and self._erasures.excuse("program.validated", key, period):
            return
        values = (*self._programs[key].refused_values, fact.reason)
        code = self._participants.areas[area].area
        self._evidence.check_dso(code, fact.dso, fact.signature, "Refusal", *values)

    def setpoints_issued(self, fact: SetpointsIssued) -> None:
        """Controllers got the envelopes of a program that is signed."""
        key = (ident(fact.market), fact.program)
        self._report.none("set-points of a program that is not signed", {key} - self._signed)
        if key in self._programs:
            told, held = ([as_json(item) for item in each] for each in (fact.envelopes, self._programs[key].envelopes))
            self._report.same("envelopes", told, held, "the program holds")

    # ---- clearings

    def mtu_cleared(self, fact: MtuCleared) -> None:
        """Exactly the signed result; on chain under its hash, by the transaction that is named."""
        market, mtu, report = ident(fact.market), fact.mtu, self._report
        keys = {"market": market, "mtu": mtu}
        self._participants.on_chain_once(
            "mtu.cleared", "MtuCleared", keys, {"resultHash": fact.result_hash}, later=False
        )
        result = self._results.get((market, mtu))
        if result is None and (market, mtu) in self.blind:
            rules = self._participants.markets[market]
            result = self.check_result(market, mtu, fact.price_neur_per_wh, fact.words, rules, fact.rules.ties)
        if result is None:
            report.fail(f"no signed program has a result for MTU {mtu} of market {fact.market}")
            return
        self._check_clearing(fact, result, self._participants.program_of(market, mtu))
        traded = [word for word in result.book.words if word.accepted]
        price = result.price_neur_per_wh
        lots = sum(word.accepted for word in traded if word.side == BID)
        values = {"priceNeurPerWh": NO_PRICE if price is None else price, "tradedLots": lots}
        self._evidence.on_chain("MtuCleared", keys, values)
        found = self._evidence.seen.find("MtuCleared", keys)
        if found is not None:
            report.same("tx_hash", fact.tx_hash, found.tx, "it was cleared by")
        if self._ends_once(market, mtu) and price is not None:
            self._keep_trades(fact.market, mtu, traded, price)

    def _check_clearing(self, fact: MtuCleared, result: Cleared, program: int | None) -> None:
        """Price, words, hash and program are those of the signed result (evidence.md section 3, `mtu.cleared`)."""
        told = {
            "price_neur_per_wh": fact.price_neur_per_wh,
            "words": list(fact.words),
            "result_hash": fact.result_hash,
            "program": fact.program,
            "ties": fact.rules.ties,
        }
        signed = {
            "price_neur_per_wh": result.price_neur_per_wh,
            "words": list(result.texts),
            "result_hash": result.hash,
            "program": program,
            "ties": result.ties,
        }
        self._report.same(f"mtu {fact.mtu} market {fact.market}", told, signed, "the signed result holds")

    def _keep_trades(self, code: str, mtu: int, traded: Collection[Word], price: int) -> None:
        """What was accepted, by account and MTU, for the settlement."""
        market, opened = ident(code), self._orders.opened
        lot_wh = self._participants.markets[market].lot_wh
        for word in traded:
            found = opened.get(word.tag)
            account = found.order.account if found else ERASED
            energy_wh = word.accepted * lot_wh
            self.trades[account, mtu].append(Trade(code, word.tag, word.side, energy_wh, price))
            if found and found.point:
                signed_wh = energy_wh if word.side == BID else -energy_wh
                place = (market, mtu, found.point)
                self._net_wh[place] = self._net_wh.get(place, 0) + signed_wh

    def mtu_voided(self, fact: MtuVoided) -> None:
        """Void on chain; its program is the one that holds it."""
        market = ident(fact.market)
        self._participants.on_chain_once(
            "mtu.voided", "MtuVoided", {"market": market, "mtu": fact.mtu}, {}, later=False
        )
        self._ends_once(market, fact.mtu)
        self._participants.begin(self._participants.area_of(market), fact.mtu)
        program = self._participants.program_of(market, fact.mtu)
        self._report.same("program", fact.program, program, "program.opened holds")

    def _ends_once(self, market: str, mtu: int) -> bool:
        """An MTU ends once, cleared or void."""
        again = (market, mtu) in self.ended
        self.ended.add((market, mtu))
        self._report.none("MTUs that end twice", [mtu] if again else [])
        return not again
