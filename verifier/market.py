"""Books, programs and clearings: what was committed is what was cleared, optimally, within the caps the DSO signed.

Sources: docs/evidence.md section 3 (`book.closed`, "Program", `mtu.cleared`), docs/protocol.md section 3.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from verifier.caps import UNLIMITED, Caps, HiddenTrades, Place, caps_of, check_caps, check_left, left_lots, tighter
from verifier.evidence import Evidence
from verifier.facts import (
    BookClosed,
    CommittedBook,
    Envelope,
    MtuCleared,
    ProgramRefused,
    ProgramSigned,
    ProgramValidated,
    SessionDone,
    SessionLapsed,
    SetpointsIssued,
    ValidatedResult,
)
from verifier.form import Json, as_json, unhex
from verifier.hashes import hash_json, ident, keccak, mask_of, places_root, schedule_hash, tohex, word32, words_hash
from verifier.journal import Erasures
from verifier.lines import ProgramLine, ShownResult
from verifier.orders import BookKey, Opened, Orders
from verifier.participants import MOST_MTUS_OF_A_SESSION, MarketRules, Participants, SessionKey, span
from verifier.policies import Policies, SignedUnder
from verifier.powerflow import check_states, flow_wh
from verifier.report import ProgramReport, check_capped, check_place
from verifier.rules import rule_of
from verifier.words import (
    ASK,
    BID,
    HIGHEST_PRICE,
    NO_PRICE,
    OPTIMUM_BY_TIES_RULE,
    Book,
    Word,
    crosses,
    read_book,
)

ERASED = "erased"
"""Stands for the account of a word whose order is erased."""

FORECAST_RULES: Mapping[int, None] = {1: None}
"""Versions of the rule for forecasts; what comes out of it is bound by the report's hash, and not recomputed."""

Left = Mapping[tuple[str, int], int | None]
"""Lots that are left by point and side; None, or no such pair: no cap."""


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
    """What a word bought (side 0) or sold (1) in a session of a market (its code), in Wh, and at what price."""

    market: str
    session: int
    tag: str
    side: int
    energy_wh: int
    price_neur_per_wh: int


@dataclass(frozen=True)
class Program:
    """A program: its results by MTU, the values that the DSO signs over it, and what only an opened bundle shows."""

    market: str
    session: int
    mtus: range
    results: Mapping[int, Cleared]
    books_root: str
    results_root: str
    traded_mask: int
    emptied_mask: int
    grid_model_hash: str
    report: ProgramReport
    deadline: int
    under: SignedUnder
    envelopes: tuple[Envelope, ...] = ()
    schedules: Mapping[str, tuple[int, ...]] = field(default_factory=dict)

    @property
    def refused_values(self) -> tuple[Any, ...]:
        """What a refusal is signed over, but its reason."""
        return self.market, self.session, self.mtus[0], len(self.mtus), self.results_root

    @property
    def signed_values(self) -> tuple[Any, ...]:
        """What the DSO signs."""
        place = (self.market, self.session, self.mtus[0], len(self.mtus))
        masks = (self.traded_mask, self.emptied_mask)
        return *place, self.books_root, self.results_root, *masks, self.grid_model_hash, self.report.hash, self.deadline

    @property
    def recorded_values(self) -> dict[str, Any]:
        """As the contract's event names what it recorded."""
        return {
            "resultsRoot": self.results_root,
            "tradedMask": self.traded_mask,
            "emptiedMask": self.emptied_mask,
            "gridModelHash": self.grid_model_hash,
            "reportHash": self.report.hash,
            "deadline": self.deadline,
        }


class Market:
    """Books, programs and clearings of all markets."""

    def __init__(
        self, evidence: Evidence, erasures: Erasures, participants: Participants, orders: Orders, policies: Policies
    ) -> None:
        self._evidence = evidence
        self._report = evidence.report
        self._erasures = erasures
        self._participants = participants
        self._orders = orders
        self._policies = policies
        self._books: dict[BookKey, CommittedBook] = {}
        self._programs: dict[tuple[str, int], Program] = {}  # by market and session
        self._issued: set[tuple[str, int]] = set()  # sessions whose set-points went out
        self._signed: set[tuple[str, int]] = set()
        self._results: dict[BookKey, Cleared] = {}  # signed ones
        self._left_of: dict[BookKey, Left] = {}
        self.shown: dict[tuple[str, int], ProgramLine] = {}  # programs.jsonl of a public bundle, by market code
        self.blind: set[BookKey] = set()  # those whose signed program is erased
        self.done: set[tuple[str, int]] = set()  # market and session that are over
        self._cleared: dict[tuple[str, int], set[int]] = defaultdict(set)  # MTUs by market and session
        self.trades = defaultdict[tuple[str, int], list[Trade]](list)  # by account and MTU
        # What was bought (+) and sold, by market and session: by MTU and point
        self._net_wh = defaultdict[tuple[str, int], dict[tuple[int, str], int]](dict)
        self.caps: dict[tuple[int, str], Caps] = {}  # signed, by MTU and point
        self.scheduled_export_wh: dict[tuple[int, str], int] = {}  # signed, by MTU and point

    @property
    def opened(self) -> Mapping[str, Opened]:
        """Orders by tag."""
        return self._orders.opened

    # ---- books

    def book_closed(self, fact: BookClosed) -> None:
        """The live orders of each MTU, none left out and none added; committed on chain under one root."""
        market, session = ident(fact.market), fact.session
        area, opened = self._participants.area_of(market), self._participants.sessions[market, session]
        root = places_root(unhex(book.book_hash, 32) for book in fact.books)
        keys = {"market": market, "session": session}
        self._participants.on_chain_once("book.closed", "SessionClosed", keys, {"booksRoot": root})
        self._participants.trading.pop((market, session), None)
        mtus = span(fact.first_mtu, fact.count, MOST_MTUS_OF_A_SESSION)
        for mtu, book in zip(mtus, fact.books, strict=True):
            with self._report.part(f"mtu {mtu} market {fact.market}"):
                self._check_book((market, session, mtu), book, (area, opened.period))
                self._books[market, session, mtu] = book
                self._participants.begin(area, mtu)
        self._orders.closed.add((market, session))
        self._report.none("sessions that lapsed before", {(market, session)} & self._participants.lapsed)
        told = {"first_mtu": fact.first_mtu, "count": fact.count}
        due = {"first_mtu": opened.first_mtu, "count": opened.count}
        self._report.same("session", told, due, "session.opened holds")

    def _check_book(self, at: BookKey, book: CommittedBook, period: tuple[str, int]) -> None:
        """Tags are those of the live orders; chain and hash follow from their words."""
        report, excuse, opened = self._report, self._erasures.excuse, self._orders.opened
        (market, session, mtu), tags = at, set(book.tags)
        live = self._orders.live_tags(market, session, mtu)
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
        place = unhex(market, 32) + word32(session) + word32(mtu)
        hashed = tohex(keccak(place + unhex(book.chain, 32) + word32(len(book.tags))))
        report.same("mtu", book.mtu, mtu, "its place gives")
        report.same("book_hash", book.book_hash, hashed, "place, chain and number of tags give")
        report.ascending("tags", book.tags)

    # ---- results

    def check_result(
        self, at: BookKey, price: int | None, texts: tuple[str, ...], rules: MarketRules | None, ties: int
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
        report.totals.books += 1
        return Cleared(price, texts, book, book.result_hash(*at, price), ties)

    def _read_program(self, told: ProgramValidated | ProgramLine) -> Program:
        """Results of a program, each from its committed book, and the values that the DSO signs over them."""
        market, session, results = ident(told.market), told.session, dict[int, Cleared]()
        rules, report = self._participants.markets[market], ProgramReport.read(told.report)
        mtus = span(told.first_mtu, told.count, MOST_MTUS_OF_A_SESSION)
        grid_model = self._participants.areas[rules.area].grid_model
        check_place(self._report, report, mtus, grid_model=grid_model, lot_wh=rules.lot_wh)
        shown: Sequence[ValidatedResult | ShownResult] = told.results
        for mtu, item, reported in zip(mtus, shown, report.mtus, strict=True):
            with self._report.part(f"mtu {mtu} market {told.market}"):
                self._report.same("mtu", item.mtu, mtu, "its place gives")
                result = self.check_result(
                    (market, session, mtu), item.price_neur_per_wh, item.words, rules, told.rules.ties
                )
                if item.words or not reported.given_up:
                    self._check_committed((market, session, mtu), result)
                results[mtu] = result
        validated = told if isinstance(told, ProgramValidated) else None
        traded = [mtu for mtu in mtus if any(word.accepted for word in results[mtu].book.words)]
        emptied = [mtu for mtu in mtus if self._is_emptied((market, session, mtu), results[mtu])]
        emptied_mask = mask_of(emptied, mtus[0])
        self._report.same("emptied_mask", told.emptied_mask, f"0x{emptied_mask:032x}", "books and results give")
        return Program(
            market=market,
            session=session,
            mtus=mtus,
            results=results,
            books_root=places_root(unhex(self._books[market, session, mtu].book_hash, 32) for mtu in mtus),
            results_root=places_root(unhex(results[mtu].hash) for mtu in mtus),
            traded_mask=mask_of(traded, mtus[0]),
            emptied_mask=emptied_mask,
            grid_model_hash=hash_json(grid_model),
            report=report,
            deadline=told.deadline,
            under=SignedUnder(market, mtus, told.rules.ties, validated.rules.forecast if validated else None),
            envelopes=validated.envelopes if validated else (),
            schedules=validated.schedules if validated else {},
        )

    def _is_emptied(self, at: BookKey, result: Cleared) -> bool:
        """Whether nothing trades of a book that crosses, or of which the result shows less."""
        words = result.book.words
        if any(word.accepted for word in words):
            return False
        return len(words) != len(self._books[at].tags) or crosses(words)

    def _check_committed(self, at: BookKey, result: Cleared) -> None:
        """Without cap and accepted lots the words are those committed at the gate."""
        committed, tags = self._books[at], [word.tag for word in result.book.words]
        self._report.same("tags of words", tags, list(committed.tags), "the committed book holds")
        source = "the committed book holds"
        self._report.same("chain of masked words", result.book.masked_hash, committed.chain, source)

    # ---- programs

    def program_validated(self, fact: ProgramValidated) -> None:
        """Results, caps and schedules are what report and grid model say; the DSO signs all of them."""
        market, report = ident(fact.market), self._report
        rule_of(report, "forecast", FORECAST_RULES, fact.rules.forecast)
        program = self._read_program(fact)
        rules, opened = self._participants.markets[market], self._participants.sessions[market, fact.session]
        source = "results, grid model and report give"
        report.same("books_root", fact.books_root, program.books_root, "the committed books give")
        report.same("results_root", fact.results_root, program.results_root, source)
        report.same("grid_model_hash", fact.grid_model_hash, program.grid_model_hash, source)
        report.same("report_hash", fact.report_hash, program.report.hash, source)
        report.same("traded_mask", fact.traded_mask, f"0x{program.traded_mask:032x}", "the results give")
        report.same("deadline", fact.deadline, opened.session + rules.sign_seconds, "gate and sign_seconds give")
        rounds = max(item.rounds for item in program.report.mtus)
        report.same("rounds", fact.rounds, rounds, "the signed report holds")
        self._check_points(fact, program.report)
        earlier = hash_json([as_json(item) for item in fact.earlier])
        report.same("hash of earlier", earlier, program.report.earlier_hash, "the signed report holds")
        self._check_earlier(fact, market)
        caps = caps_of(fact.envelopes)
        flows = {
            (mtu, item): wh for item, row in fact.schedules.items() for mtu, wh in zip(program.mtus, row, strict=True)
        }
        check_capped(report, program.report, caps, flows)
        net_wh = {(item.mtu, item.point): item.net_wh for item in fact.earlier}
        for result, reported in zip(fact.results, program.report.mtus, strict=True):
            with report.part(f"mtu {result.mtu} market {fact.market}"):
                cleared = program.results[result.mtu]
                report.same("given_up", result.given_up, reported.given_up, "the signed report holds")
                report.same("result_hash", result.result_hash, cleared.hash, "price and words give")
                left = self._left(rules.lot_wh, result.mtu, caps, net_wh)
                self._left_of[market, fact.session, result.mtu] = left
                orders, words = self._orders.opened, cleared.book.words
                points = {word.tag: orders[word.tag].point for word in words if word.tag in orders}
                check_caps(report, words, points, left)
        nominated = [*self._participants.earlier_sessions(market, fact.session), (market, fact.session)]
        for point, scheduled in fact.schedules.items():
            told = dict(zip(program.mtus, scheduled, strict=True))
            due = told | self._nominated(nominated, program.mtus, point)
            report.same(f"schedule of point {point}", told, due, "schedule.nominated holds")
        self._programs[market, fact.session] = program
        if self._evidence.power_flow is not None:
            grid_model = self._participants.areas[self._participants.area_of(market)].grid_model
            will_flow = self._will_flow(program, rules.lot_wh, caps, net_wh)
            check_states(report, self._evidence.power_flow, grid_model, program.report.mtus, will_flow)

    def _will_flow(
        self,
        program: Program,
        lot_wh: int,
        caps: Mapping[tuple[int, str], Caps],
        earlier_wh: Mapping[tuple[int, str], int],
    ) -> dict[int, dict[str, int]]:
        """Net Wh by MTU and point. MTUs in which an erased order trades are left out."""
        flows: dict[int, dict[str, int]] = {}
        for at, told in enumerate(program.report.mtus):
            words = () if told.given_up else program.results[told.mtu].book.words
            asks = [word for word in words if word.side == ASK and word.accepted]
            if any(word.tag not in self._orders.opened for word in asks):
                self._report.gap("power flows of MTUs with erased orders")
                continue
            sold_wh = Counter({point: -wh for (mtu, point), wh in earlier_wh.items() if mtu == told.mtu})
            for word in asks:
                sold_wh[self._orders.opened[word.tag].point or ""] += word.accepted * lot_wh
            flows[told.mtu] = {
                point: flow_wh(net_wh[at], sold_wh[point], caps.get((told.mtu, point), UNLIMITED))
                for point, net_wh in program.schedules.items()
            }
        return flows

    def _nominated(self, sessions: Sequence[SessionKey], mtus: range, point: str) -> dict[int, int]:
        """What is nominated for the last of these sessions, Wh by MTU: of each MTU at the latest gate (protocol.md
        section 3, "Schedules"); MTUs that nobody nominated are left out."""
        net_wh = dict[int, int]()
        for key in sessions:
            nomination = self._orders.nominations.get((*key, point))
            if nomination is not None:
                net_wh |= zip(self._participants.mtus_of_session(*key), nomination.net_wh, strict=True)
        return {mtu: wh for mtu, wh in net_wh.items() if mtu in mtus}

    def _check_earlier(self, fact: ProgramValidated, market: str) -> None:
        """Every session of an earlier gate is over, and what those left is what their words and the envelopes that
        the chain recorded give; which gates are earlier, the chain says."""
        mtus = span(fact.first_mtu, fact.count, MOST_MTUS_OF_A_SESSION)
        earlier = self._participants.earlier_sessions(market, fact.session)
        self._report.none("sessions of earlier gates that are not over", set(earlier) - self.done)
        blind = {mtu for key in earlier for mtu in mtus if (*key, mtu) in self.blind}
        hidden = {mtu: self._hidden_trades(set(earlier), mtu) for mtu in mtus if (ERASED, mtu) in self.trades}
        net_wh: dict[Place, int] = defaultdict(int)
        for key in earlier:
            for (mtu, point), wh in self._net_wh[key].items():
                if mtu in mtus:
                    net_wh[mtu, point] += wh
        caps = {place: item for place, item in self._caps_in_force(earlier).items() if place[0] in mtus}
        places = {place for place, wh in net_wh.items() if wh} | caps.keys()
        due = {place: (net_wh[place], caps.get(place, UNLIMITED)) for place in places}
        check_left(self._report, fact.earlier, due, hidden, blind)

    def _hidden_trades(self, earlier: Collection[SessionKey], mtu: int) -> HiddenTrades:
        """What erased orders bought and sold in these sessions."""
        mine = [item for item in self.trades[ERASED, mtu] if (ident(item.market), item.session) in earlier]
        bought, sold = ([item.energy_wh for item in mine if item.side == side] for side in (BID, ASK))
        return HiddenTrades(sum(bought), sum(sold))

    def _caps_in_force(self, sessions: Sequence[tuple[str, int]]) -> dict[tuple[int, str], Caps]:
        """The tightest caps of those sessions' programs that the chain recorded."""
        caps: dict[tuple[int, str], Caps] = {}
        for market, session in sessions:
            program = self._programs.get((market, session))  # none where it is erased
            if program and self._evidence.seen.find("ProgramRecorded", {"market": market, "session": session}):
                for place, each in caps_of(program.envelopes).items():
                    caps[place] = tighter(each, caps.get(place, UNLIMITED))
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

    def _left(self, lot_wh: int, mtu: int, caps: Mapping[Place, Caps], net_wh: Mapping[Place, int]) -> Left:
        """Lots that the envelopes of an MTU leave beside what was traded at earlier gates, by point and side."""
        return {
            (point, side): left_lots(each, side, net_wh.get((mtu, point), 0), lot_wh)
            for (at, point), each in caps.items()
            if at == mtu
            for side in (BID, ASK)
        }

    def check_claimed(self, point: str | None, trades: Iterable[Trade], mtu: int) -> None:
        """All that an account at a point traded in an MTU, erased orders as the statements say, is within what the
        envelopes of each program leave that point: in no order, for of erased orders only traded ones are known."""
        wh_of = Counter[tuple[SessionKey, int]]()
        for item in trades:
            wh_of[(ident(item.market), item.session), item.side] += item.energy_wh
        for (key, side), wh in wh_of.items():
            lots, lot_wh = self._left_of.get((*key, mtu), {}).get((point or "", side)), self.lot_wh(key[0])
            if lots is not None and wh > lots * lot_wh:
                name = f"Wh traded at point {point} in MTU {mtu} with erased orders"
                self._report.fail(wh, name=name, source="its envelope leaves", expected=lots * lot_wh)

    def lot_wh(self, market: str) -> int:
        """Energy of a lot of a market (its id)."""
        return self._participants.markets[market].lot_wh

    def program_signed(self, fact: ProgramSigned) -> None:
        """Signed by the DSO over this very program; on chain it binds everybody."""
        market = ident(fact.market)
        keys = {"market": market, "session": fact.session}
        self._participants.on_chain_once(
            "program.signed", "ProgramRecorded", keys, {"dso": fact.dso, "signature": fact.signature}
        )
        area, key = self._participants.area_of(market), (market, fact.session)
        mtus = self._participants.mtus_of_session(*key)
        period = (area, self._participants.sessions[key].period)
        told = (fact.market, fact.session)
        if not self._evidence.opened and told in self.shown:
            self._report.same("next line of programs.jsonl", next(iter(self.shown)), told, "the journal tells of")
            self._programs[key] = self._read_program(self.shown.pop(told))
        self._signed.add(key)
        if key not in self._programs and self._erasures.excuse("program.validated", key, period):
            self.blind |= {(*key, mtu) for mtu in mtus}
            return
        program, code = self._programs[key], self._participants.areas[area].area
        self._evidence.check_dso(code, fact.dso, fact.signature, "Program", *program.signed_values)
        self._policies.check(area, program.under, program.report)
        self._evidence.on_chain("ProgramRecorded", keys, program.recorded_values, later=True)
        self._results |= {(*key, mtu): result for mtu, result in program.results.items()}
        if self._evidence.opened and self._evidence.seen.find("ProgramRecorded", keys):
            self.bind(mtus, program.envelopes, program.schedules)

    def bind(self, mtus: range, envelopes: Sequence[Envelope], schedules: Mapping[str, Sequence[int]]) -> None:
        """Envelopes and schedules that the chain recorded count in the settlement."""
        for place, caps in caps_of(envelopes).items():
            self.caps[place] = tighter(caps, self.caps.get(place, UNLIMITED))
        for point, net_wh in schedules.items():
            exports = {(mtus[at], point): max(-wh, 0) for at, wh in enumerate(net_wh)}
            self.scheduled_export_wh |= exports

    def program_refused(self, fact: ProgramRefused) -> None:
        """Signed by the DSO over a program that public bundles do not show."""
        key = (ident(fact.market), fact.session)
        area = self._participants.area_of(key[0])
        if not self._evidence.opened:
            return
        period = (area, self._participants.sessions[key].period)
        if key not in self._programs and self._erasures.excuse("program.validated", key, period):
            return
        values = (*self._programs[key].refused_values, fact.reason)
        code = self._participants.areas[area].area
        self._evidence.check_dso(code, fact.dso, fact.signature, "Refusal", *values)

    def setpoints_issued(self, fact: SetpointsIssued) -> None:
        """Controllers got the envelopes of a program that is signed."""
        key = (ident(fact.market), fact.session)
        self._report.none("set-points of a program that is not signed", {key} - self._signed)
        self._issued.add(key)
        if key in self._programs:
            told, held = ([as_json(item) for item in each] for each in (fact.envelopes, self._programs[key].envelopes))
            self._report.same("envelopes", told, held, "the program holds")

    # ---- clearings

    def mtu_cleared(self, fact: MtuCleared) -> None:
        """Exactly the signed result; on chain under its hash, by the transaction that is named."""
        market, mtu, report = ident(fact.market), fact.mtu, self._report
        at = (market, fact.session, mtu)
        keys = {"market": market, "session": fact.session, "mtu": mtu}
        self._participants.on_chain_once(
            "mtu.cleared", "MtuCleared", keys, {"resultHash": fact.result_hash}, later=False
        )
        result = self._results.get(at)
        if result is None and at in self.blind:
            rules = self._participants.markets[market]
            result = self.check_result(at, fact.price_neur_per_wh, fact.words, rules, fact.rules.ties)
        if result is None:
            report.fail(f"no signed program has a result for MTU {mtu} in session {fact.session} of {fact.market}")
            return
        self._check_clearing(fact, result)
        traded = [word for word in result.book.words if word.accepted]
        price = result.price_neur_per_wh
        lots = sum(word.accepted for word in traded if word.side == BID)
        values = {"priceNeurPerWh": NO_PRICE if price is None else price, "tradedLots": lots}
        self._evidence.on_chain("MtuCleared", keys, values)
        found = self._evidence.seen.find("MtuCleared", keys)
        if found is not None:
            report.same("tx_hash", fact.tx_hash, found.tx, "it was cleared by")
        cleared = self._cleared[market, fact.session]
        report.none("MTUs that are cleared twice", {mtu} & cleared)
        cleared.add(mtu)
        if price is not None:
            report.totals.traded_mtus += 1
            report.totals.traded_wh += lots * self._participants.markets[market].lot_wh
            self._keep_trades(fact, traded, price)

    def _check_clearing(self, fact: MtuCleared, result: Cleared) -> None:
        """Price, words and hash are those of the signed result (evidence.md section 3, `mtu.cleared`)."""
        told = {
            "price_neur_per_wh": fact.price_neur_per_wh,
            "words": list(fact.words),
            "result_hash": fact.result_hash,
            "ties": fact.rules.ties,
        }
        signed = {
            "price_neur_per_wh": result.price_neur_per_wh,
            "words": list(result.texts),
            "result_hash": result.hash,
            "ties": result.ties,
        }
        self._report.same(f"mtu {fact.mtu} market {fact.market}", told, signed, "the signed result holds")

    def _keep_trades(self, fact: MtuCleared, traded: Collection[Word], price: int) -> None:
        """What was accepted, by account and MTU, for the settlement."""
        market, mtu, opened = ident(fact.market), fact.mtu, self._orders.opened
        lot_wh = self._participants.markets[market].lot_wh
        for word in traded:
            found = opened.get(word.tag)
            account = found.order.account if found else ERASED
            energy_wh = word.accepted * lot_wh
            trade = Trade(fact.market, fact.session, word.tag, word.side, energy_wh, price)
            self.trades[account, mtu].append(trade)
            if found:
                self._orders.mandates.traded(found.mandate, word.side, mtu, energy_wh)
            if found and found.point:
                signed_wh = energy_wh if word.side == BID else -energy_wh
                net_wh, place = self._net_wh[market, fact.session], (mtu, found.point)
                net_wh[place] = net_wh.get(place, 0) + signed_wh

    def session_done(self, fact: SessionDone) -> None:
        """Over on chain, with those MTUs cleared that mtu.cleared told before."""
        market, cleared = ident(fact.market), int(fact.cleared_mask, 16)
        key = (market, fact.session)
        values = {"clearedMask": cleared, "clearingRoot": fact.clearing_root}
        keys = {"market": market, "session": fact.session}
        self._participants.on_chain_once("session.done", "SessionDone", keys, values, later=False)
        mtus = self._participants.mtus_of_session(*key)
        due = mask_of(self._cleared[key], mtus[0])
        self._report.same("cleared_mask", fact.cleared_mask, f"0x{due:032x}", "mtu.cleared holds")
        self.done.add(key)
        self._check_issued(key)
        for mtu in mtus:
            self._participants.begin(self._participants.area_of(market), mtu)

    def session_lapsed(self, fact: SessionLapsed) -> None:
        """Nothing of the session was committed, and nothing traded in it."""
        key = (ident(fact.market), fact.session)
        self._report.none("sessions that are over already", {key} & self.done)
        self._participants.session_lapsed(fact)
        self._orders.closed.add(key)
        self.done.add(key)

    def _check_issued(self, key: tuple[str, int]) -> None:
        """The set-points of a program on chain were issued before its session was over."""
        if not self._evidence.opened or key in self._issued:
            return
        recorded = self._evidence.seen.find("ProgramRecorded", {"market": key[0], "session": key[1]})
        if recorded is not None and not self._erasures.excuse("setpoints.issued", key):
            self._report.fail("the set-points of its program, which stands on chain, were never issued")
