"""The settlements of the golden day: the first without late readings, the second with them."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import date
from typing import Any, TypeVar

from domain.eip712 import SETTLEMENT
from domain.facts import (
    AttesterSignature,
    Fact,
    MandateGranted,
    MandateRevoked,
    OrderAccepted,
    SettlementProposed,
    SettlementSigned,
)
from domain.facts.settlement import settlement_values
from domain.hashing import ZERO_HASH, from_hex, keccak, to_hex
from domain.merkle import merkle_proofs
from domain.parties import ParticipantKind
from domain.roles import ChainRole
from domain.signing import recover
from domain.statements import Statement, statement_hash, statement_leaf
from domain.words import Side, settlement_page_hashes
from ledger_service.settlement.stage import proposal_of
from scripts.tools.golden_day.metering import MeteredDay
from scripts.tools.golden_day.people import ATTESTERS, MARKET, THRESHOLD, address, domain_of, key_of, noise
from scripts.tools.golden_day.registry import Registered
from scripts.tools.golden_day.trading import Traded
from settling.columns import NO_CAP_WH
from settling.mandates import check_mandates, traded_wh
from settling.package import (
    Basis,
    EarlierSettlement,
    Package,
    PackagedAttestation,
    PackagedClearing,
    PackagedProgram,
    PackagedProposal,
    PackagedSession,
)
from settling.positions import trade_columns
from settling.postings import postings_of
from settling.settlement import columns_of
from settling.terms import resolve_terms
from settling.unpacking import inputs_of
from settling.verification import verify_package

DOMAIN = domain_of("Settlement")

_Kind = TypeVar("_Kind", MandateGranted, MandateRevoked)


@dataclass(frozen=True)
class SettledRevision:
    """One revision: what it follows from, and what was signed."""

    basis: Basis
    proposed: SettlementProposed
    signed: SettlementSigned

    @property
    def package(self) -> Package:
        """What attesters were given."""
        return Package.of(self.basis, PackagedProposal.of(self.proposed))

    def facts(self) -> Iterator[Fact]:
        """The facts in the order of the journal."""
        yield from (self.proposed, self.signed)


def settle_day(registry: Registered, traded: Sequence[Traded], metered: MeteredDay) -> tuple[SettledRevision, ...]:
    """Both revisions, each signed by attesters who have checked its package."""
    found: list[SettledRevision] = []
    for revision, corrected in enumerate((False, True)):
        earlier = tuple(EarlierSettlement(one.basis.revision, one.proposed.words) for one in found)
        basis = _basis(registry, traded, metered, revision, corrected, earlier)
        numbers = iter(range(100))
        proposed = proposal_of(basis, salt=lambda: noise(f"statement salt {revision} {next(numbers)}"))  # noqa: B023
        found.append(SettledRevision(basis, proposed, _signed(basis, proposed)))
    return tuple(found)


def _signed(basis: Basis, proposed: SettlementProposed) -> SettlementSigned:
    package = Package.of(basis, PackagedProposal.of(proposed))
    digest = verify_package(package, market=domain_of("Market"), settlement=DOMAIN, holds_role=_holds_role)
    signers = sorted(ATTESTERS[:THRESHOLD], key=address)
    signatures = tuple(AttesterSignature(address(name), key_of(name).sign(digest)) for name in signers)
    return SettlementSigned(proposed.area, proposed.period, proposed.revision, signatures)


def _holds_role(holder: str, role: ChainRole, area: str | None) -> bool:
    return holder == address(role.value)


def _basis(
    registry: Registered,
    traded: Sequence[Traded],
    metered: MeteredDay,
    revision: int,
    corrected: bool,
    earlier: tuple[EarlierSettlement, ...],
) -> Basis:
    period = registry.period
    return Basis(
        parties=registry.parties,
        meters=registry.meters,
        keys=registry.keys,
        tariffs=registry.tariffs,
        agreements=registry.agreements,
        markets=(registry.market,),
        replacements=(),
        ends=registry.ends,
        area=period.area,
        period=period.number,
        revision=revision,
        first_mtu=period.first_mtu,
        count=period.count,
        grid_model=registry.area.grid_model,
        programs=tuple(PackagedProgram.of(item.validated, item.signed) for item in traded),
        sessions=tuple(map(_session, traded)),
        orders=tuple(sorted(_opened(traded), key=lambda fact: fact.tag)),
        mandates=tuple(_under(traded, MandateGranted)),
        revocations=tuple(_under(traded, MandateRevoked)),
        attestations=tuple(_attestations(metered, corrected=corrected)),
        earlier=earlier,
    )


def _session(traded: Traded) -> PackagedSession:
    validated = traded.validated
    return PackagedSession(
        market=MARKET,
        session=validated.session,
        first_mtu=validated.first_mtu,
        count=validated.count,
        books_root=validated.books_root,
        results_root=validated.results_root,
        traded_mask=validated.traded_mask,
        emptied_mask=validated.emptied_mask,
        cleared_mask=traded.done.cleared_mask,
        results=tuple(item.result_hash for item in validated.results),
        clearings=tuple(PackagedClearing(item.mtu, item.price_neur_per_wh, item.words) for item in traded.cleared),
    )


def _opened(traded: Sequence[Traded]) -> Iterator[OrderAccepted]:
    """The orders behind the words that were cleared."""
    for item in traded:
        tags = {word >> 128 for cleared in item.cleared for word in cleared.words}
        for fact in item.sent:
            if isinstance(fact, OrderAccepted) and int.from_bytes(fact.tag, "big") in tags:
                yield fact


def _under(traded: Sequence[Traded], kind: type[_Kind]) -> Iterator[_Kind]:
    """The mandates under which agents signed those orders, or their ends."""
    used = {fact.mandate for fact in _opened(traded)}
    for item in traded:
        for fact in item.sent:
            if isinstance(fact, kind) and (fact.tag if isinstance(fact, MandateGranted) else fact.mandate) in used:
                yield fact


def _attestations(metered: MeteredDay, *, corrected: bool) -> Iterator[PackagedAttestation]:
    happened = list(metered.happened(corrected=corrected))
    last = {item.mtu: item for item in happened if item is not None}
    for item in happened:
        if item is None:
            unread = metered.unread
            yield PackagedAttestation(unread.mtu, 0, True, ZERO_HASH, 0, 0, 0, None)
            continue
        readings = item.readings if last[item.mtu] is item else None
        totals = (item.count, item.import_wh, item.export_wh)
        yield PackagedAttestation(item.mtu, item.revision, False, item.root, *totals, readings)


# ---- documents


def settlement_input(revision: SettledRevision) -> dict[str, Any]:
    """What is random in a settlement, and what attesters signed."""
    return {
        "revision": revision.proposed.revision,
        "salts": {item.account: to_hex(item.salt) for item in revision.proposed.statements},
        "signatures": revision.signed.payload()["signatures"],
    }


def settlements_values(revisions: Sequence[SettledRevision]) -> list[dict[str, Any]]:
    """Of each revision all from positions to the digest signed."""
    return [_values(item) for item in revisions]


def _values(item: SettledRevision) -> dict[str, Any]:
    proposed = item.proposed
    payload = proposed.payload()
    statements = {from_hex(one.account): one.statement for one in proposed.statements}
    digest = DOMAIN.digest(SETTLEMENT, settlement_values(proposed))
    retailer_of = {(one.agreement, one.version): from_hex(one.retailer) for one in item.basis.agreements}
    return {
        "revision": proposed.revision,
        "positions": list(_positions(item.basis)),
        "under_mandates": list(_under_mandates(item.basis)),
        "statements": _statements(proposed),
        "postings": [
            {
                "account": to_hex(posting.account),
                "other": to_hex(posting.other),
                "kind": posting.kind,
                "amount_neur": str(posting.amount_neur),
            }
            for posting in postings_of(statements, retailer_of=retailer_of)[::2]  # each with its opposite
        ],
        "words": payload["words"],
        "page_hashes": [to_hex(page) for page in settlement_page_hashes(proposed.words)],
        **{
            name: payload[name]
            for name in ("words_hash", "clearing_root", "readings_root", "statements_root", "tariff_hash")
        },
        "digest": to_hex(digest),
        "signers": [to_hex(recover(digest, one.signature)) for one in item.signed.signatures],
        "package_hash": to_hex(keccak(item.package.write())),
    }


def _positions(basis: Basis) -> Iterator[dict[str, Any]]:
    """What lines follow from, of each household and MTU in which anything flowed, was traded or was capped."""
    inputs = inputs_of(basis)
    households = sorted(
        (party for party in inputs.parties if party.kind is ParticipantKind.HOUSEHOLD), key=lambda party: party.account
    )
    terms = resolve_terms(
        households=households,
        agreements=inputs.agreements,
        tariffs=inputs.tariffs,
        period=inputs.period,
        successors=inputs.successors,
        ends=inputs.ends,
    )
    rows = {party.account: row for row, party in enumerate(households)}
    columns = columns_of(
        inputs, households, terms, trade_columns(inputs.trades, rows, first_mtu=inputs.period.first_mtu)
    )
    read = {(item.point, item.mtu) for item in inputs.metered}
    for row, party in enumerate(households):
        for at, mtu in enumerate(inputs.period.mtus):
            yield {
                "account": to_hex(party.account),
                "mtu": mtu,
                "bought_wh": int(columns.bought_wh[row, at]),
                "sold_wh": int(columns.sold_wh[row, at]),
                "import_wh": int(columns.import_wh[row, at]),
                "export_wh": int(columns.export_wh[row, at]),
                "as_traded": (party.point, mtu) not in read,
                "import_cap_wh": _cap(int(columns.import_cap_wh[row, at])),
                "export_cap_wh": _cap(int(columns.export_cap_wh[row, at])),
                "scheduled_export_wh": int(columns.scheduled_export_wh[row, at]),
            }


def _under_mandates(basis: Basis) -> Iterator[dict[str, Any]]:
    """What agents' orders traded under each mandate in each local day, then in each MTU."""
    traded = traded_wh(basis, check_mandates(basis, domain_of("Market")))
    for tag in sorted({tag for tag, _ in traded}):
        nothing: dict[int | date, int] = {}
        bought, sold = (traded.get((tag, side), nothing) for side in Side)
        days = sorted(span for span in {*bought, *sold} if isinstance(span, date))
        mtus = sorted(span for span in {*bought, *sold} if not isinstance(span, date))
        spans: list[int | date] = [*days, *mtus]
        for span in spans:
            when = {"day": span.isoformat()} if isinstance(span, date) else {"mtu": span}
            told = {"bought_wh": bought.get(span, 0), "sold_wh": sold.get(span, 0)}
            yield {"mandate": to_hex(tag), **when, **told}


def _cap(wh: int) -> int | None:
    return None if wh == NO_CAP_WH else wh


def _statements(proposed: SettlementProposed) -> list[dict[str, Any]]:
    """Statements, with their way to the root."""
    hashes = [statement_hash(salt=item.salt, statement=item.statement.as_json()) for item in proposed.statements]
    leaves = [_leaf(item.statement, hashed) for item, hashed in zip(proposed.statements, hashes, strict=True)]
    proofs = merkle_proofs(leaves, range(len(leaves)))
    return [
        {
            "statement": item.statement.as_json(),
            "statement_hash": to_hex(hashed),
            "leaf": to_hex(leaf),
            "proof": [to_hex(node) for node in proof],
        }
        for item, hashed, leaf, proof in zip(proposed.statements, hashes, leaves, proofs, strict=True)
    ]


def _leaf(statement: Statement, hashed: bytes) -> bytes:
    return statement_leaf(
        account=statement.account, period=statement.period, revision=statement.revision, hashed=hashed
    )
