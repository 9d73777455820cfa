"""Auditor and public bundles: one pass over the journal, each fact held against what came before it and the chain.

Source: docs/evidence.md sections 2 to 4.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from verifier.chain import Events
from verifier.evidence import Evidence, Place
from verifier.facts import (
    AuditSigned,
    BookClosed,
    ErasureDone,
    MandateGranted,
    MandateRevoked,
    MtuCleared,
    MtuUnread,
    OrderAccepted,
    OrderCancelled,
    PeriodDeclared,
    ProgramRefused,
    ProgramSigned,
    ProgramValidated,
    ReadingAttested,
    ScheduleNominated,
    SessionDone,
    SessionLapsed,
    SessionOpened,
    SetpointsIssued,
    SettlementProposed,
    SettlementSigned,
)
from verifier.form import record
from verifier.handover import Handover
from verifier.hashes import ident
from verifier.journal import TRADING_KINDS, Entry, Erasures, Journal
from verifier.kinds import KINDS
from verifier.lines import AttestationLine, ProgramLine, ReceiptLine, SettlementLine, UnreadLine
from verifier.market import Market
from verifier.money import Money
from verifier.orders import Orders
from verifier.participants import Participants
from verifier.party_facts import (
    AccountReplaced,
    AgreementSigned,
    AreaDefined,
    CoverGiven,
    DeploymentSucceeded,
    DepositBooked,
    GuaranteeGiven,
    KeyRegistered,
    MarketDefined,
    MeterRegistered,
    ParticipantRegistered,
    PolicyPublished,
    RedemptionRequested,
    TariffPublished,
    TermEnded,
)
from verifier.policies import Policies
from verifier.readings import Readings
from verifier.receipts import HeldReceipt, HeldReceipts
from verifier.settlement import Settlements
from verifier.transaction_facts import (
    BlockMined,
    ChainFailed,
    ChainIncluded,
    ChainObserved,
    ChainRequested,
    ChainRewound,
    ChainSigned,
)
from verifier.transactions import Transactions
from verifier.verdict import not_settled


class Ledger:
    """The whole journal of a deployment, in an auditor's or a public bundle."""

    def __init__(self, evidence: Evidence) -> None:
        self._evidence = evidence
        self._report = evidence.report
        self._erasures = erasures = Erasures(evidence)
        self._journal = Journal(evidence, erasures)
        self._participants = participants = Participants(evidence, erasures)
        self._orders = Orders(evidence, erasures, participants)
        policies = Policies(evidence, participants)
        self._market = Market(evidence, erasures, participants, self._orders, policies)
        self._transactions = Transactions(evidence, erasures)
        self._readings = Readings(evidence, erasures, participants, self._transactions)
        self._settlements = Settlements(evidence, erasures, participants, self._market, self._readings)
        self._money = Money(evidence, participants, self._settlements)
        self._handover = Handover(evidence)
        self._attestations: list[tuple[str, AttestationLine | UnreadLine]] = []
        self._checks: dict[type, Callable[[Any], None]] = {
            AreaDefined: participants.area_defined,
            MarketDefined: participants.market_defined,
            PolicyPublished: policies.published,
            TariffPublished: participants.tariff_published,
            AgreementSigned: participants.agreement_signed,
            ParticipantRegistered: participants.participant_registered,
            KeyRegistered: participants.key_registered,
            AccountReplaced: participants.account_replaced,
            MeterRegistered: participants.meter_registered,
            TermEnded: participants.term_ended,
            GuaranteeGiven: self._money.guarantee_given,
            CoverGiven: self._money.cover_given,
            RedemptionRequested: self._money.redemption_requested,
            DepositBooked: self._money.deposit_booked,
            DeploymentSucceeded: self._handover.succeeded,
            PeriodDeclared: participants.period_declared,
            SessionOpened: participants.session_opened,
            OrderAccepted: self._orders.accepted,
            OrderCancelled: self._orders.cancelled,
            ScheduleNominated: self._orders.nominated,
            MandateGranted: self._orders.mandates.granted,
            MandateRevoked: self._orders.mandates.revoked,
            BookClosed: self._market.book_closed,
            ProgramValidated: self._market.program_validated,
            ProgramSigned: self._market.program_signed,
            ProgramRefused: self._market.program_refused,
            SetpointsIssued: self._market.setpoints_issued,
            MtuCleared: self._market.mtu_cleared,
            SessionDone: self._market.session_done,
            SessionLapsed: self._market.session_lapsed,
            ReadingAttested: self._readings.reading_attested,
            MtuUnread: self._readings.mtu_unread,
            SettlementProposed: self._settlements.proposed,
            SettlementSigned: self._settlements.signed,
            AuditSigned: erasures.audit_signed,
            ErasureDone: erasures.check_done,
            ChainRequested: self._transactions.requested,
            ChainSigned: self._transactions.signed,
            ChainIncluded: self._transactions.done,
            ChainFailed: self._transactions.done,
            ChainObserved: self._transactions.observed,
            ChainRewound: self._transactions.rewound,
            BlockMined: self._transactions.block_mined,
        }

    def run(self, receipts: Sequence[HeldReceipt] = ()) -> None:
        """Read the files, then check entry by entry, then the whole, and receipts that somebody holds against it.

        Raises Unusable where such a receipt is not the operator's.
        """
        self._read_lines()
        self._journal.read()
        if self._evidence.chain is None:
            self._evidence.seen = Events(self._journal.repeated_events())
        for entry in self._journal.entries:
            self._evidence.at = entry.place
            with self._report.on(f"journal.jsonl entry {entry.place.sequence} {entry.kind}", "fact"):
                self._check_entry(entry)
            self._report.totals.entries += 1
            if entry.span is not None:
                self._report.counts[entry.kind] += 1
        chain = self._evidence.chain
        self._readings.check_substitutes(chain.last_anchor_block() if chain else 0)
        self._check_attestation_lines()
        shown = [*self._orders.receipts.signatures, *self._market.shown, *self._settlements.shown]
        self._report.none("lines of other files without an entry in the journal", shown)
        self._evidence.at = Place(len(self._journal.entries) + 1, "")
        self._check_whole()
        HeldReceipts(self._evidence, self._journal).check(receipts)

    def _read_lines(self) -> None:
        """Lines of the other files, each to be told by an entry of the journal."""
        rows, report = self._evidence.rows, self._report
        receipts: list[ReceiptLine] = [row for _, row in rows("receipts.jsonl", ReceiptLine)]
        report.ascending("sequences in receipts.jsonl", [row.sequence for row in receipts])
        self._orders.receipts.signatures = {row.sequence: row.signature for row in receipts}
        programs: list[ProgramLine] = [row for _, row in rows("programs.jsonl", ProgramLine)]
        self._market.shown = {(row.market, row.session): row for row in programs}
        settlements: list[SettlementLine] = [row for _, row in rows("settlements.jsonl", SettlementLine)]
        self._settlements.shown = {(row.area, row.period, row.revision): row for row in settlements}
        self._attestations = rows("attestations.jsonl", AttestationLine, UnreadLine)
        places = {(ident(row.area), row.mtu, row.revision) for _, row in self._attestations}
        self._settlements.attested_lines = places

    def _check_entry(self, entry: Entry) -> None:
        """An entry's fact has its members, and is held against what binds it."""
        if entry.span is None:
            self._note_closed(entry)
            return
        fact: object = record(KINDS[entry.kind], self._journal.payload(entry))
        check = self._checks.get(type(fact))
        if check is not None:
            check(fact)

    def _note_closed(self, entry: Entry) -> None:
        """Erased trading belongs to all sessions whose books are not closed yet: their periods need it."""
        if entry.place.sequence in self._erasures.kinds and entry.kind in TRADING_KINDS:
            needed = [(ident(opened.area), opened.period) for opened in self._participants.trading.values()]
            self._erasures.need(entry.place.sequence, needed)

    def _check_attestation_lines(self) -> None:
        """Lines of attestations.jsonl are signed and on chain, in the order of their happening."""
        for place, row in self._attestations:
            with self._report.on(place, "attestation"):
                area = ident(row.area)
                if isinstance(row, AttestationLine):
                    self._evidence.check_attestation(row.area, row, self._participants.attesters(area))
                else:
                    self._report.same("unread", row.unread, True, "it can only be")
                    self._evidence.on_chain("ReadingsUnread", {"area": area, "mtu": row.mtu}, {})
        if self._evidence.chain is not None:
            told = [(ident(row.area), row.mtu, row.revision) for _, row in self._attestations]
            events = self._evidence.chain.named("ReadingsAttested", "ReadingsUnread")
            happened = [(event.args["area"], event.args["mtu"], event.args.get("revision")) for event in events]
            self._report.same("order of attestations.jsonl", told, happened[: len(told)], "the chain has")

    def _check_whole(self) -> None:
        """What no single entry shows: erasures in time, corrections made, and nothing on chain left out."""
        report, chain = self._report, self._evidence.chain
        with report.on("the journal", "completeness"):
            self._erasures.check_in_time()
            self._settlements.check_corrections()
            self._settlements.tell_unknown()
            self._erasures.tell_unknown()
        if chain is None:
            return
        with report.on("the journal", "transactions"):
            self._transactions.check_outcomes(chain)
        with report.on("the journal", "unjournalled"):
            waiting = self._participants.still_awaited(chain)
            self._transactions.check_complete(chain, waiting, self._readings.is_erased)
        if self._evidence.opened:
            with report.on("the journal", "replacements"):
                self._participants.replacements.check_complete(chain, self._participants.parties)
        with report.on("the journal", "handover"):
            self._handover.check(chain)
        with report.on("the journal", "balances"):
            self._money.check_balances(chain)
        with report.on("the journal", "settled"):
            for area, period in chain.unsettled():
                report.gap(not_settled(period, self._participants.periods[area, period].area))
