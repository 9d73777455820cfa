"""All that personal bundles open, and what each account is shown of it."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import TypeAlias

from domain.areas import Area
from domain.facts import (
    AccountStatement,
    AttesterSignature,
    MandateGranted,
    MandateRevoked,
    OrderAccepted,
    OrderCancelled,
    PointEnvelope,
    ProgramSigned,
    ProgramValidated,
    ReadingRules,
    SettlementProposed,
)
from domain.hashing import from_hex
from domain.markets import Market
from domain.mtu import MTU_END
from domain.parties import Meter, OrderKey, Participant, Replacement
from domain.periods import Period
from domain.readings import Reading
from domain.terms import Agreement, EndedTerm, Tariff, TermEnd, agreement_in_force, ends_of
from ledger_service.evidence.shown import AttestationShown, OwnProgramShown, ReadingShown, StatementShown
from ledger_service.record import Entry

Signed: TypeAlias = OrderAccepted | OrderCancelled | MandateGranted | MandateRevoked
"""What an account's keys and agents signed, and the operator gave a receipt for."""


@dataclass(frozen=True, slots=True)
class AttestedLeaves:
    """The readings under one attested root, in leaf order, each with its proof (lowest node first)."""

    attestation: AttestationShown
    rules: ReadingRules
    readings: Sequence[Reading]
    proofs: Sequence[Sequence[bytes]]

    def shown_to(self, meters: set[str], mtus: range) -> Iterator[ReadingShown]:
        """The readings of these meters, if they are of one of these MTUs."""
        attested = self.attestation
        if attested.mtu not in mtus:
            return
        for reading, proof in zip(self.readings, self.proofs, strict=True):
            if reading.meter_code in meters:
                yield ReadingShown(
                    area=attested.area,
                    reading=reading,
                    proof=tuple(proof),
                    revision=attested.revision,
                    root=attested.root,
                    count=attested.count,
                    import_wh=attested.import_wh,
                    export_wh=attested.export_wh,
                    signatures=attested.signatures,
                    rules=self.rules,
                )


@dataclass(frozen=True, slots=True)
class RecordedMessage:
    """A meter's message, and the MTUs at whose ends its registers stand."""

    meter: str
    mtus: frozenset[int]
    jws: str


@dataclass(frozen=True, slots=True)
class ClearedLine:
    """A cleared MTU as its line in bundles, the same for everybody, and the accounts that have a word in it."""

    mtu: int
    session: int
    market: str
    line: bytes
    accounts: frozenset[str]


@dataclass(frozen=True, slots=True)
class ProgramContent:
    """A signed program that stands on chain, and its envelopes and schedules by point."""

    area: str
    validated: ProgramValidated
    signed: ProgramSigned
    envelopes: Mapping[str, tuple[PointEnvelope, ...]]
    schedules: Mapping[str, tuple[int, ...]]
    envelope_hashes: tuple[bytes, ...]
    schedule_hashes: tuple[bytes, ...]

    def shown_to(self, point: str) -> OwnProgramShown:
        """What the account at a point is shown of it."""
        validated = self.validated
        return OwnProgramShown(
            market=validated.market,
            session=validated.session,
            first_mtu=validated.first_mtu,
            count=validated.count,
            books_root=validated.books_root,
            results_root=validated.results_root,
            traded_mask=validated.traded_mask,
            emptied_mask=validated.emptied_mask,
            deadline=validated.deadline,
            dso=self.signed.dso,
            signature=self.signed.signature,
            report=validated.report,
            net_wh=self.schedules[point],
            schedule_hashes=self.schedule_hashes,
            envelopes=self.envelopes[point],
            envelope_hashes=self.envelope_hashes,
        )


@dataclass(frozen=True, slots=True)
class SettlementContent:
    """A settlement that attesters signed; salted statement, proof and page of the own word by account."""

    proposal: SettlementProposed
    signatures: tuple[AttesterSignature, ...]
    page_hashes: tuple[bytes, ...]
    statements: Mapping[str, AccountStatement]
    proofs: Mapping[str, tuple[bytes, ...]]
    pages: Mapping[bytes, tuple[int, ...]]

    def shown_to(self, account: str) -> StatementShown:
        """What an account that has a statement is shown of it."""
        proposal, item = self.proposal, self.statements[account]
        return StatementShown(
            statement=item.statement,
            salt=item.salt,
            proof=self.proofs[account],
            words_hash=proposal.words_hash,
            clearing_root=proposal.clearing_root,
            readings_root=proposal.readings_root,
            statements_root=proposal.statements_root,
            tariff_hash=proposal.tariff_hash,
            signatures=tuple(signed.signature for signed in self.signatures),
            page=self.pages.get(from_hex(account)),
            page_hashes=self.page_hashes,
            rules=proposal.rules,
        )


@dataclass(slots=True)
class Openings:
    """Openings by what they are; `orders` holds entries of orders, cancels and mandates by account, ascending.

    `parties` stand under their present accounts, `replacements` too: how the accounts before it gave way, oldest first.
    """

    parties: dict[str, Participant] = field(default_factory=dict)
    replacements: dict[str, tuple[Replacement, ...]] = field(default_factory=dict)
    meters: list[Meter] = field(default_factory=list)
    keys: dict[str, OrderKey] = field(default_factory=dict)
    agreements: list[Agreement] = field(default_factory=list)
    tariffs: list[Tariff] = field(default_factory=list)
    ends: list[TermEnd] = field(default_factory=list)
    orders: dict[str, list[tuple[Entry, Signed]]] = field(default_factory=dict)
    account_of: dict[bytes, str] = field(default_factory=dict)
    granted_by: dict[bytes, str] = field(default_factory=dict)  # order keys that signed mandates, by tag
    areas: dict[str, Area] = field(default_factory=dict)
    markets: dict[str, Market] = field(default_factory=dict)
    periods: dict[tuple[str, int], Period] = field(default_factory=dict)
    programs: list[ProgramContent] = field(default_factory=list)
    results: list[ClearedLine] = field(default_factory=list)
    attestations: list[AttestedLeaves] = field(default_factory=list)
    messages: list[RecordedMessage] = field(default_factory=list)
    settlements: list[SettlementContent] = field(default_factory=list)

    def messages_of(self, meters: set[str], mtus: range) -> Iterable[str]:
        """The compact JWS of these meters that hold registers at the ends of these MTUs, as they were recorded."""
        return (item.jws for item in self.messages if item.meter in meters and any(mtu in mtus for mtu in item.mtus))

    def place_of(self, account: str) -> range:
        """The MTUs in which the party with this present account takes part."""
        party = self.parties[account]
        end_mtu = ends_of(self.ends).get((EndedTerm.PARTICIPATION, party.participant), MTU_END)
        return range(party.valid_from_mtu, end_mtu)

    def ends_for(self, account: str, meters: set[str]) -> tuple[TermEnd, ...]:
        """How the part, the agreements and the meters of a present account ended, as recorded."""
        mine = {(EndedTerm.METER, meter) for meter in meters}
        mine.add((EndedTerm.PARTICIPATION, self.parties[account].participant))
        mine |= {(EndedTerm.AGREEMENT, item.agreement) for item in self._agreements_of(account)}
        return tuple(end for end in self.ends if (end.term, end.name) in mine)

    def _agreements_of(self, account: str) -> list[Agreement]:
        return [item for item in self.agreements if item.account in self.accounts_of(account)]

    def has_erased(self, account: str) -> bool:
        """Whether statements of a present account, or of those before it, open to orders that are erased."""
        accounts = self.accounts_of(account)
        mine = (
            item.statements[one].statement for item in self.settlements for one in accounts if one in item.statements
        )
        tags = (tag for statement in mine for item in statement.opens for tag in (*item.bids, *item.asks))
        return any(tag not in self.account_of for tag in tags)

    def give_way(self, replacement: Replacement) -> None:
        """A party goes on under another account."""
        party = self.parties.pop(replacement.account, None)
        if party is not None:
            before = self.replacements.pop(replacement.account, ())
            self.parties[replacement.successor] = replace(party, account=replacement.successor)
            self.replacements[replacement.successor] = (*before, replacement)

    def accounts_of(self, account: str) -> list[str]:
        """A present account and those before it."""
        return [account, *(item.account for item in self.replacements.get(account, ()))]

    def orders_of(self, account: str) -> list[tuple[Entry, Signed]]:
        """Orders, cancels and mandates of a present account and those before it, by sequence."""
        found = [item for one in self.accounts_of(account) for item in self.orders.get(one, ())]
        return sorted(found, key=lambda item: item[0].sequence)

    def statements_of(self, account: str) -> list[StatementShown]:
        """The statements of a present account and those before it."""
        mine = self.accounts_of(account)
        return [item.shown_to(one) for item in self.settlements for one in mine if one in item.statements]

    def terms_of(self, account: str) -> list[Agreement | Tariff]:
        """Agreement and tariff versions valid for the account in its statements' periods, sorted by id and version."""
        mine, ends, place = self._agreements_of(account), ends_of(self.ends), self.place_of(account)
        found: dict[tuple[str, int, int], Agreement | Tariff] = {}
        for mtu in self._settled_mtus(account):
            agreement = agreement_in_force(mine, ends, mtu) if mtu in place else None
            if agreement is None:
                continue
            versions = (item for item in self.tariffs if item.tariff == agreement.tariff and item.valid_from_mtu <= mtu)
            tariff = max(versions, key=lambda item: (item.valid_from_mtu, item.version), default=None)
            if tariff is not None:
                found[agreement.agreement, agreement.version, 1] = agreement
                found[tariff.tariff, tariff.version, 0] = tariff
        return [found[key] for key in sorted(found)]

    def _settled_mtus(self, account: str) -> Iterator[int]:
        accounts = set(self.accounts_of(account))
        mine = (item for item in self.settlements if accounts & item.statements.keys())
        settled = {(item.proposal.area, item.proposal.period) for item in mine}
        for place in sorted(settled):
            yield from self.periods[place].mtus
