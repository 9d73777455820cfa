"""Personal bundles: one account's orders, readings, envelopes and terms give its own bill, whose hash attesters signed.

Source: docs/evidence.md section 6.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from verifier.billing import KINDS_BY_NAME, Line, VatLine
from verifier.chain import Chain, Event
from verifier.ends import AGREEMENT, PARTICIPATION
from verifier.evidence import UNKNOWN_ATTESTERS, Evidence, Place, SettledHashes
from verifier.facts import MandateGranted, MandateRevoked, OrderAccepted, OrderCancelled, Reading
from verifier.form import Json, as_json, parse, record, unhex
from verifier.hashes import (
    ZERO_HEX,
    chained,
    hash_json,
    ident,
    keccak,
    merkle_climb,
    reading_hash,
    schedule_hash,
    statement_leaf,
    tohex,
)
from verifier.hidden import Target
from verifier.journal import Erasures
from verifier.lines import (
    Account,
    OwnCancel,
    OwnMandate,
    OwnMessage,
    OwnOrder,
    OwnProgram,
    OwnReading,
    OwnResult,
    OwnRevocation,
    OwnStatement,
    ToldStatement,
)
from verifier.market import Market, Trade
from verifier.orders import Orders
from verifier.participants import (
    MOST_MTUS_OF_A_PERIOD,
    MOST_MTUS_OF_A_SESSION,
    MarketRules,
    Participants,
    span,
)
from verifier.party_facts import AgreementSigned, KeyRegistered, TariffPublished, Term
from verifier.policies import Policies
from verifier.readings import CHECK_BY_SUBSTITUTE_RULE, Leaf, Readings
from verifier.recompute import HOUSEHOLD
from verifier.report import ProgramReport, check_place
from verifier.rules import rule_of
from verifier.settlement import Settlements, settlement_word
from verifier.transactions import Transactions
from verifier.verdict import not_settled
from verifier.words import RESULT_BITS, Order

VAT = "vat"

Signed = OwnOrder | OwnCancel | OwnMandate | OwnRevocation
"""What stands in orders.jsonl."""

TOLD_EVENTS = ("PeriodSettled", "ProgramRecorded", "MtuCleared")
"""Events of the chain that a bundle must tell where they are the account's own."""

UNTOLD = "not verifiable without trust anchors: what the chain holds from the last block on that the bundle tells of"


@dataclass(frozen=True)
class LastBlock:
    """The block up to which a bundle must tell; where it is not known, later events are no findings."""

    block: int
    is_known: bool


class Personal:
    """One account's bundle. What it says of others are hashes and sums."""

    def __init__(self, evidence: Evidence) -> None:
        self._evidence = evidence
        self._report = evidence.report
        self._chain = evidence.chain
        erasures = Erasures(evidence)
        self._participants = participants = Participants(evidence, erasures)
        self._orders = Orders(evidence, erasures, participants)
        policies = Policies(evidence, participants)
        self._market = Market(evidence, erasures, participants, self._orders, policies)
        self._readings = Readings(evidence, erasures, participants, Transactions(evidence, erasures))
        self._settlements = Settlements(evidence, erasures, participants, self._market, self._readings)
        self._own_readings: dict[tuple[str, int], list[Reading]] = {}  # by meter and MTU
        self._needed_terms: set[tuple[str, int, bool]] = set()

    def run(self) -> None:
        """File after file, each on what the ones before it say."""
        self._own = own = record(Account, parse(self._evidence.files["account.json"]))
        self._area = ident(own.area)
        self._take_account(own)
        self._take_markets()
        signed = (OwnOrder, OwnCancel, OwnMandate, OwnRevocation)
        self._each("orders.jsonl", signed, self._check_signed, lambda row: row.sequence)
        self._each(
            "programs.jsonl",
            (OwnProgram,),
            self._check_program,
            lambda row: (row.first_mtu, row.session, row.market),
        )
        self._each("messages.jsonl", (OwnMessage,), self._check_message)
        self._each(
            "results.jsonl",
            (OwnResult,),
            self._check_result,
            lambda row: (row.mtu, row.session, row.market),
            shared=True,
        )
        self._each("readings.jsonl", (OwnReading,), self._check_reading)
        self._each("terms.jsonl", (TariffPublished, AgreementSigned), self._check_term)
        self._each("statements.jsonl", (OwnStatement,), self._check_statement, _settlement_rank)
        terms: list[Term] = [term for items in self._participants.tariffs.values() for term in items]
        terms += [term for items in self._participants.agreements.values() for term in items]
        unused = [as_json(term) for term in terms if term.rank not in self._needed_terms]
        self._report.none("terms that no statement needs", unused)
        last = self._last_block()
        self._readings.check_substitutes(last.block)
        if self._chain is not None:
            with self._report.on("statements.jsonl", "completeness"):
                self._check_complete(self._chain, last)

    def _each(
        self,
        name: str,
        kinds: tuple[type, ...],
        check: Callable[[Any], None],
        rank: Callable[[Any], Any] | None = None,
        *,
        shared: bool = False,
    ) -> None:
        """Check all lines of a file; those that have a rank ascend by it."""
        rows = self._evidence.rows(name, *kinds, shared=shared)
        if kinds == (OwnReading,):
            for _, row in rows:
                self._own_readings.setdefault((row.reading.meter, row.mtu), []).append(row.reading)
        for place, row in rows:
            with self._report.on(place, name.removesuffix(".jsonl")):
                check(row)
        if rank is not None:
            ranks = [rank(row) for _, row in rows]
            self._report.same(f"order of the lines of {name}", ranks, sorted(ranks), "docs")

    # ---- who it is

    def _take_account(self, own: Account) -> None:
        """Account, point and meters are signed by whom they bind; the grid model is that of the anchors."""
        meters = list(own.meters)
        self._report.none("meters told twice", [meter for meter in meters if meters.count(meter) > 1])
        self._participants.participant_registered(own.participant)
        self._report.none("meters at another point", [meter for meter in meters if meter.point != own.point])
        for item in own.replacements:
            self._participants.account_replaced(item)
        self._mine = self._participants.replacements.before(own.present)
        self._report.same("first account", self._mine[-1], own.account, "the replacements give")
        if own.replacements and self._chain is None:
            self._report.gap("not verifiable without a node: that the chain replaced the earlier accounts")
        for meter in meters:
            self._participants.meter_registered(meter, known_from_mtu=own.participant.valid_from_mtu)
        for end in own.ends:
            self._participants.term_ended(end)
        others = [end.name for end in own.ends if end.term == PARTICIPATION and end.name != own.participant.participant]
        self._report.none("ends of other parts", others)
        if self._evidence.anchors is not None:
            known = self._evidence.anchors.areas[own.area].grid_model_hash
            self._report.same("hash of grid_model", hash_json(own.grid_model), known, "the trust anchors hold")

    def _take_markets(self) -> None:
        """Markets and their rules, as the chain has them."""
        for args in self._evidence.seen.all("MarketCreated"):
            limits = (args["tickNeurPerWh"], args["minLimitNeurPerWh"], args["maxLimitNeurPerWh"])
            rules = MarketRules(args["area"], args["lotWh"], *limits, args["signSeconds"])
            self._participants.markets[args["market"]] = rules

    # ---- orders, programs, results

    def _check_signed(self, row: Signed) -> None:
        """As the journal has it: signed by a registered key, or by an agent under a mandate of one, with the operator's
        receipt."""
        account = self._account_of(row)
        self._evidence.at = Place(row.sequence, row.journal_head)
        self._orders.receipts.signatures = {row.sequence: row.receipt}
        self._participants.keys[account].clear()
        registration = (account, row.key.order_key, self._own.point, row.key.valid_from_mtu, row.key.signature)
        self._participants.key_registered(KeyRegistered(*registration))
        order_key = row.key.order_key
        match row:
            case OwnOrder():
                self._orders.accepted(self._order_of(row))
            case OwnCancel():
                self._orders.cancelled(self._cancel_of(row, account))
            case OwnMandate():
                told = (row.mandate, row.signature, order_key, row.tag, row.market_time, row.rules)
                self._orders.mandates.granted(MandateGranted(*told))
            case OwnRevocation(revocation=ended):
                head = (ended.mandate, ended.account, ended.agent)
                revoked = (*head, row.signature, order_key, row.tag, row.market_time, row.rules)
                self._orders.mandates.revoked(MandateRevoked(*revoked))

    def _order_of(self, row: OwnOrder) -> OrderAccepted:
        """The entry of an order; of an agent's the key is that of the mandate."""
        order = Order.open(self._evidence.sign, row.order, row.signature)
        return OrderAccepted(
            order=row.order,
            signature=row.signature,
            order_key=row.key.order_key if row.mandate is None else order.signer,
            tag=order.tag,
            market=order.market,
            point=self._own.point,
            market_time=row.market_time,
            rules=row.rules,
            mandate=row.mandate,
        )

    def _cancel_of(self, row: OwnCancel, account: str) -> OrderCancelled:
        """The entry of a cancel; of an agent's the key is that of its order."""
        return OrderCancelled(
            market=row.cancel.market,
            session=row.cancel.session,
            mtu=row.cancel.mtu,
            order_id=row.cancel.order_id,
            revision=row.cancel.revision,
            account=account,
            order_key=row.key.order_key if row.mandate is None else self._orders.opened[row.tag].order.signer,
            tag=row.tag,
            signature=row.signature,
            market_time=row.market_time,
            rules=row.rules,
            mandate=row.mandate,
        )

    def _account_of(self, row: Signed) -> str:
        """The account that an order, cancel, mandate or its end is of, which is one of mine."""
        match row:
            case OwnOrder():
                account = row.order.account
            case OwnCancel():
                account = self._orders.opened[row.tag].order.account
            case OwnMandate():
                account = row.mandate.account
            case OwnRevocation():
                account = row.revocation.account
        self._report.none("orders and mandates of other accounts", {account}.difference(self._mine))
        return account

    def _check_program(self, row: OwnProgram) -> None:
        """Own schedule and envelopes, as the DSO signed them and the chain recorded them."""
        own, market, evidence = self._own, ident(row.market), self._evidence
        mtus, signed = span(row.first_mtu, row.count, MOST_MTUS_OF_A_SESSION), ProgramReport.read(row.report)
        check_place(self._report, signed, mtus, grid_model=own.grid_model, lot_wh=None)
        point = own.point or ""
        at = [item["code"] for item in own.grid_model["points"]].index(point)
        envelopes: Json = [as_json(item) for item in row.envelopes]
        mine = tohex(schedule_hash(row.net_wh))
        self._check_hashes("schedule", mine, at, row.schedule_hashes, signed.schedules_hash)
        self._check_hashes("envelope", hash_json(envelopes), at, row.envelope_hashes, signed.envelopes_hash)
        others = [item for item in row.envelopes if item.point != point or item.mtu not in mtus]
        self._report.none("envelopes of another point or MTU", others)
        masks = (int(row.traded_mask, 16), int(row.emptied_mask, 16))
        hashes = (hash_json(own.grid_model), signed.hash)
        roots = (row.books_root, row.results_root)
        values = (market, row.session, mtus[0], len(mtus), *roots, *masks, *hashes, row.deadline)
        evidence.check_dso(own.area, row.dso, row.signature, "Program", *values)
        recorded = {
            "resultsRoot": row.results_root,
            "tradedMask": masks[0],
            "emptiedMask": masks[1],
            "gridModelHash": hashes[0],
            "reportHash": hashes[1],
            "deadline": row.deadline,
            "dso": row.dso,
            "signature": row.signature,
        }
        keys = {"market": market, "session": row.session}
        evidence.on_chain("ProgramRecorded", keys, recorded)
        evidence.on_chain("SessionClosed", keys, {"booksRoot": row.books_root})
        if len(row.net_wh) != len(mtus):
            self._report.fail(len(row.net_wh), name="values of net_wh", source="MTUs there are", expected=len(mtus))
        self._market.bind(mtus, row.envelopes, {point: row.net_wh})

    def _check_hashes(self, name: str, mine: str, at: int, hashes: Sequence[str], signed: str) -> None:
        """The own hash stands at the own point's place, and all of them give the one in the signed report."""
        self._report.same(f"hash of the own {name}", mine, hashes[at], f"{name}_hashes hold")
        given = tohex(keccak(b"".join(unhex(item, 32) for item in hashes)))
        self._report.same(f"{name}_hashes", given, signed, "the signed report holds")

    def _check_result(self, row: OwnResult) -> None:
        """As cleared on chain; the own words are those of the own orders."""
        market, session, mtu, opened = ident(row.market), row.session, row.mtu, self._orders.opened
        rules = self._participants.markets.get(market)
        result = self._market.check_result(
            (market, session, mtu), row.price_neur_per_wh, row.words, rules, row.rules.ties
        )
        self._evidence.on_chain(
            "MtuCleared", {"market": market, "session": session, "mtu": mtu}, {"resultHash": result.hash}
        )
        self._evidence.on_chain("MarketCreated", {"market": market}, {"lotWh": row.lot_wh})
        place = {word.tag: at for at, word in enumerate(result.book.words)}
        for tag in sorted(self._orders.live_tags(market, session, mtu)):
            word, number = result.book.words[place[tag]], result.book.numbers[place[tag]]
            self._report.same(f"word of {tag}", number & ~RESULT_BITS, opened[tag].order.word, "the order gives")
            if word.accepted and row.price_neur_per_wh is not None:
                energy_wh = word.accepted * row.lot_wh
                trade = Trade(row.market, session, tag, word.side, energy_wh, row.price_neur_per_wh)
                self._orders.mandates.traded(opened[tag].mandate, word.side, mtu, energy_wh)
                self._market.trades[opened[tag].order.account, mtu].append(trade)

    # ---- readings and terms

    def _check_message(self, row: OwnMessage) -> None:
        """Signed by an own meter under a key valid at its MTUs (evidence.md section 6)."""
        self._readings.take_message(row.jws)

    def _check_reading(self, row: OwnReading) -> None:
        """Reading and proof lead to an attested root; the reading is what the own meter signed."""
        leaf, hashed, report = row.reading, reading_hash(row.reading), self._report
        report.same("root", row.root, merkle_climb(hashed, row.proof), "reading and proof give")
        report.same("area", row.area, self._own.area, "account.json holds")
        self._evidence.check_attestation(row.area, row, UNKNOWN_ATTESTERS)
        check = rule_of(report, "substitutes", CHECK_BY_SUBSTITUTE_RULE, row.rules.substitutes)
        before = self._own_readings.get((leaf.meter, leaf.mtu - 1), [])
        check(self._readings, leaf, leaf.mtu, row.revision, before)
        if row.revision == 0:
            self._readings.add_up([leaf])
        place = (self._area, leaf.mtu, row.revision)
        self._readings.attested.setdefault(place, []).append(Leaf(leaf, tohex(hashed)))

    def _check_term(self, row: TariffPublished | AgreementSigned) -> None:
        """Held against the terms hash of each statement."""
        if isinstance(row, TariffPublished):
            self._participants.tariff_published(row)
        else:
            self._participants.agreement_signed(row)

    # ---- statements

    def _check_statement(self, row: OwnStatement) -> None:
        """The one attesters signed; each line follows from words, readings, envelopes and terms, its sum is my word."""
        told, report = ToldStatement.read(row.statement), self._report
        mtus = span(told.first_mtu, told.count, MOST_MTUS_OF_A_PERIOD)
        root = merkle_climb(statement_leaf(row.statement, row.salt), row.proof)
        report.same("statements_root", row.statements_root, root, "statement and proof give")
        pages = tohex(chained(unhex(hashed, 32) for hashed in row.page_hashes))
        report.same("words_hash", row.words_hash, pages, "page_hashes give")
        hashes = (row.words_hash, row.clearing_root, row.readings_root, row.statements_root, row.tariff_hash)
        place = (self._own.area, told.period, told.revision)
        held, _ = self._evidence.check_settlement(*place, SettledHashes(*hashes), row.signatures, UNKNOWN_ATTESTERS)
        strange = [row.words_hash] if self._chain is not None and not held else []
        report.none("hashes that the chain did not settle", strange)
        self._check_own_word(row, told, self._account_in(mtus))
        revisions = self._revisions(row, told, mtus)
        target = Target(self._own.area, (self._area, told.period), told.revision, mtus, revisions, {})
        self._check_bill(row, told, target)
        report.totals.statements += 1
        self._settlements.before[self._area, told.period, self._account_in(mtus)] += told.due_neur

    def _account_in(self, mtus: range) -> str:
        """The account that has my place in a settlement."""
        return self._participants.replacements.holder(self._mine[-1], mtus.stop)

    def _check_own_word(self, row: OwnStatement, told: ToldStatement, account: str) -> None:
        """The page with the own word is one of those signed, and the word holds what is due."""
        words = [unhex(word, 32) for word in row.page or ()]
        page, due = tohex(keccak(b"".join(words))), told.due_neur
        found = [row.page is not None, not due or page in row.page_hashes]
        self._report.same("page", found, [bool(due), True], "due_neur and page_hashes give")
        mine = settlement_word(account, due).to_bytes(32, "big")
        self._report.same("own word", not due or mine in words, True, "that it is on the page must be")

    def _revisions(self, row: OwnStatement, told: ToldStatement, mtus: range) -> Mapping[int, int | None]:
        """Revision of the readings that the settlement saw, by MTU (None: Unread): as the chain says, where one is
        asked, else as the statement opens to them."""
        if self._chain is None:
            leaves = self._readings.attested.items()
            revision_of = {leaf.hash: revision for (_, _, revision), items in leaves for leaf in items}
            opened = {mtu: [revision_of[hashed] for hashed in hashes] for mtu, hashes in told.readings.items()}
            return {mtu: found[0] if found else None for mtu, found in opened.items()}
        now = self._settlements.running(self._area, mtus, row.readings_root)
        source = "the chain's attestations give"
        self._report.same("readings_root", row.readings_root, now.readings_root, source)
        codes = {meter.meter for meter in self._own.meters}
        missing = (
            mtu
            for mtu, revision in now.revisions.items()
            if revision is not None
            and (self._area, mtu, revision) not in self._readings.attested
            and self._takes_part(range(mtu, mtu + 1))
            and any(self._participants.meter_at(code, mtu) for code in codes)
        )
        self._report.none("attested MTUs without my reading", missing)
        return now.revisions

    def _check_bill(self, row: OwnStatement, told: ToldStatement, target: Target) -> None:
        """Line by line; lines that are mirrored from others' bills as products and sums only, counted."""
        made = self._settlements.recompute(target, row.rules, all_shown=False)
        mine, account = made.statements, self._account_in(target.mtus)
        self._needed_terms |= made.terms.keys()
        if self._own.kind == HOUSEHOLD:
            expected = mine[account].as_json()
        else:
            mirrored = [item for item in told.lines if "tariff" in item or item["kind"] == VAT]
            own_trades = [item for item in told.lines if item not in mirrored]
            due = [line.as_json() for line in mine[account].lines]
            self._report.same("own trades", own_trades, due, "the words give")
            lines = [_read_line(item) for item in told.lines]
            for line in lines:
                if isinstance(line, Line) and line.tariff is not None:
                    amount = -KINDS_BY_NAME[line.kind].sign * line.energy_wh * line.price_neur_per_wh
                    self._report.same("line", line.amount_neur, amount, "energy and price give")
            self._report.counts["lines mirrored from others"] += len(mirrored)
            party = self._participants.parties[account]
            expected = made.statement_of(party, ZERO_HEX, lines, mine[account].opens).as_json()
        self._report.same("statement", row.statement, expected, "orders, readings and terms give")

    # ---- completeness

    def _check_complete(self, chain: Chain, last: LastBlock) -> None:
        """What the chain settled, recorded and cleared for this account is all here, as far as it must be."""
        own = self._own
        periods = {
            args["period"]: span(args["firstMtu"], args["count"], MOST_MTUS_OF_A_PERIOD)
            for args in chain.all("PeriodDeclared")
            if args["area"] == self._area
        }
        first = min((meter.valid_from_mtu for meter in own.meters), default=None)
        programs = {
            (args["market"], args["session"])
            for args in chain.all("SessionOpened")
            if self._is_mine(args["market"])
            and any(args["firstMtu"] in mtus for mtus in periods.values())
            and self._takes_part(span(args["firstMtu"], args["count"], MOST_MTUS_OF_A_SESSION))
        }
        for area, period in chain.unsettled():
            begun = first is not None and first <= periods[period][-1] and self._takes_part(periods[period])
            if area == self._area and begun:
                self._report.gap(not_settled(period, own.area))
        for event in chain.named(*TOLD_EVENTS):
            args = event.args
            if (last.is_known and event.block > last.block) or self._evidence.is_told(event):
                continue
            if event.name == "PeriodSettled":
                if args["area"] != self._area:
                    continue
                mtus = periods[args["period"]]
                started = own.kind != HOUSEHOLD if first is None else first <= mtus[-1] and self._takes_part(mtus)
                what = f"there is no statement for period {args['period']}, revision {args['revision']}"
                if started and self._has_left_retailer(mtus):
                    self._report.gap(f"{what}: all agreements shown had ended by then")
                elif started:
                    self._missing(event, last, what)
            elif event.name == "ProgramRecorded":
                if own.meters and (args["market"], args["session"]) in programs:
                    self._missing(event, last, f"programs.jsonl does not show program {args['session']}")
            elif self._is_mine(args["market"]) and self._orders.live_tags(args["market"], args["session"], args["mtu"]):
                self._missing(event, last, f"there is no result for MTU {args['mtu']}, in which I have an order")

    def _takes_part(self, mtus: range) -> bool:
        """Whether the part of the bundle's holder meets some MTUs."""
        party = self._participants.parties[self._own.account]
        end_mtu = self._participants.ends.of(PARTICIPATION, party.participant)
        return party.valid_from_mtu < mtus.stop and mtus.start < end_mtu

    def _has_left_retailer(self, mtus: range) -> bool:
        """Whether the agreements shown are none, or have all ended, as of some MTUs: then nobody bills them."""
        ended = [end.end_mtu for end in self._own.ends if end.term == AGREEMENT]
        shown = [item.agreement for items in self._participants.agreements.values() for item in items]
        return bool(ended) and all(self._participants.ends.of(AGREEMENT, name) <= mtus.start for name in shown)

    def _missing(self, event: Event, last: LastBlock, what: str) -> None:
        """A finding; after what the bundle tells at last, nobody can say without a checkpoint: it may be older."""
        if event.block > last.block:
            self._report.gap(UNTOLD)
        else:
            self._report.fail(what)

    def _last_block(self) -> LastBlock:
        """That of the checkpoint, else the block that is asked for, else the one before the last that it tells of."""
        if self._evidence.anchors is not None:
            return LastBlock(self._evidence.anchors.checkpoint.block, is_known=True)
        if self._evidence.asked_height is not None:
            return LastBlock(self._evidence.asked_height, is_known=True)
        told = [event.block for event in self._evidence.seen.named(*TOLD_EVENTS) if self._evidence.is_told(event)]
        return LastBlock(max(told, default=0) - 1, is_known=False)

    def _is_mine(self, market: str) -> bool:
        """Whether a market (its id) is one of the own area."""
        rules = self._participants.markets.get(market)
        return rules is not None and rules.area == self._area


def _settlement_rank(row: OwnStatement) -> tuple[int, int]:
    return row.statement["period"], row.statement["revision"]


def _read_line(told: Json) -> Line | VatLine:
    """A line as a statement shows it. Raises KeyError or ValueError."""
    if told["kind"] == VAT:
        return VatLine(told["vat_bp"], int(told["base_neur"]), int(told["amount_neur"]))
    terms = (told.get("tariff"), told.get("version"))
    head = (told["mtu"], told["kind"], told["energy_wh"], told["price_neur_per_wh"])
    return Line(*head, int(told["amount_neur"]), *terms, market=told.get("market"), session=told.get("session"))
