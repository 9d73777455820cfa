"""Collecting attesters' signatures over a proposed settlement, and asking the chain for it once enough have signed."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from sqlalchemy import Connection, delete, insert, select

from contracts.bindings import Call, Settlement
from contracts.bindings.settlement import SettlementPage
from domain.eip712 import Domain
from domain.errors import DominoesError
from domain.facts import AttesterSignature, ChainRequested, SettlementProposed, SettlementSigned, Subject, requested_key
from domain.hashing import from_hex, text_id, to_hex
from domain.roles import ChainRole
from domain.signing import recover
from domain.words import settlement_page_hashes, settlement_pages_of
from ledger_service.outbox import ask_again, asks, call_of, request
from ledger_service.record import Record, Transaction
from ledger_service.registry.tables import registry_area
from ledger_service.settlement.queries import (
    NothingProposed,
    PeriodState,
    latest_proposal,
    period_state,
    resolution,
)
from ledger_service.settlement.tables import settlement_failed, settlement_signature


class NotAnAttester(DominoesError):
    """The signature recovers to a key that attests nothing in this area, or signs another settlement."""

    status = 403
    code = "not-an-attester"
    remedy = "Sign the typed data of this very settlement with an attester key of the area."

    def __init__(self, *, signer: str, area: str) -> None:
        self.signer, self.area = signer, area
        super().__init__(
            f"the signature recovers to {signer}, no attester of area {area}; "
            "fetch the newest proposal and sign its typed data with the attester's key"
        )


class SettlementOutdated(DominoesError):
    """The period has a newer proposal, or this one is in effect already."""

    status = 409
    code = "settlement-outdated"
    remedy = "Fetch the newest proposal of the period, recompute it and sign that."

    def __init__(self, *, area: str, period: int, revision: int) -> None:
        self.area, self.period, self.revision = area, period, revision
        super().__init__(f"period {period} of {area} is past revision {revision}; fetch the newest proposal")


@dataclass(frozen=True, slots=True)
class Collected:
    """How many attesters of distinct organisations have signed, how many it takes, whether this call completed it."""

    signatures: int
    threshold: int
    complete: bool


def sign_settlement(
    record: Record, *, area: str, period: int, revision: int, signature: bytes, domain: Domain
) -> Collected:
    """Take one attester's signature over the newest proposal (domain: the Settlement contract).

    With the threshold reached, `settlement.signed` is appended and the chain is asked to settle. A repeat changes
    nothing. Raises BadSignature, NotAnAttester, NothingProposed, SettlementOutdated.
    """
    with record.read() as connection:
        state = _signable(connection, area=area, period=period, revision=revision)
        proposal = latest_proposal(connection, area=area, period=period, revision=revision)
        row = connection.execute(select(registry_area).where(registry_area.c.area == area)).one()
    organisation_of = {from_hex(item["address"]): str(item["organisation"]) for item in json.loads(row.attesters)}
    digest = proposal.digest(domain)
    signer = recover(digest, signature)
    if signer not in organisation_of:
        raise NotAnAttester(signer=to_hex(signer), area=area)
    pages = _pages_of(proposal)
    with record.begin() as tx:
        now = _signable(tx.connection, area=area, period=period, revision=revision)
        if now.proposal_sequence != state.proposal_sequence:
            raise SettlementOutdated(area=area, period=period, revision=revision)
        held = _collect(tx, digest=digest, signer=signer, signature=signature)
        counted = _one_per_organisation(held, organisation_of)
        complete = len(counted) >= row.threshold and _complete(
            tx, proposal=proposal, pages=pages, digest=digest, held=counted, threshold=row.threshold
        )
    return Collected(signatures=len(counted), threshold=row.threshold, complete=complete)


def _signable(connection: Connection, *, area: str, period: int, revision: int) -> PeriodState:
    """Where the period stands, whose newest proposal has this revision. Raises NothingProposed, SettlementOutdated."""
    state = period_state(connection, area=area, period=period)
    if state.proposal_revision is None or revision > state.proposal_revision:
        raise NothingProposed(area=area, period=period, revision=revision)
    if revision < state.proposal_revision or revision < state.settled:
        raise SettlementOutdated(area=area, period=period, revision=revision)
    return state


def _one_per_organisation(held: Mapping[bytes, bytes], organisation_of: Mapping[bytes, str]) -> dict[bytes, bytes]:
    """The signatures the contract counts: of each organisation that of its lowest address, ascending by signer."""
    counted: dict[bytes, bytes] = {}
    seen: set[str] = set()
    for attester in sorted(held):
        organisation = organisation_of.get(attester)
        if organisation is not None and organisation not in seen:
            seen.add(organisation)
            counted[attester] = held[attester]
    return counted


def _collect(tx: Transaction, *, digest: bytes, signer: bytes, signature: bytes) -> dict[bytes, bytes]:
    """Signatures by attester over this digest, the new one included; the first of an attester stays."""
    table = settlement_signature
    rows = tx.connection.execute(select(table).where(table.c.digest == digest)).all()
    held = {row.attester: row.signature for row in rows}
    if signer not in held:
        held[signer] = signature
        tx.connection.execute(insert(table).values(digest=digest, attester=signer, signature=signature))
    return held


def _complete(
    tx: Transaction,
    *,
    proposal: SettlementProposed,
    pages: Sequence[_Page],
    digest: bytes,
    held: Mapping[bytes, bytes],
    threshold: int,
) -> bool:
    """Append `settlement.signed` with exactly the threshold's worth of signatures, once, and ask for `settle`."""
    area, period, revision = proposal.area, proposal.period, proposal.revision
    name = f"{area}:{period}:{revision}:{digest[:8].hex()}"
    chosen = sorted(held)[:threshold]
    signed = {attester: held[attester] for attester in chosen}
    if not note_signed(tx, area=area, period=period, revision=revision, digest=digest, signed=signed):
        return False
    for page in pages:
        call = page.settle(signatures=[held[item] for item in chosen])
        about = Subject(area=area, period=period, revision=revision, page=page.target.page)
        request(tx, call, key=f"settle:{name}:{page.target.page}", role=ChainRole.OPERATOR, about=about)
    return True


def signed_key(*, area: str, period: int, revision: int, digest: bytes) -> str:
    """Key of the fact that attesters signed a settlement."""
    return f"{SettlementSigned.KIND}:{area}:{period}:{revision}:{digest[:8].hex()}"


def note_signed(
    tx: Transaction, *, area: str, period: int, revision: int, digest: bytes, signed: Mapping[bytes, bytes]
) -> bool:
    """Append `settlement.signed` with the signatures by attester, once for a digest; whether it is new."""
    key = signed_key(area=area, period=period, revision=revision, digest=digest)
    if tx.find(key) is not None:
        return False
    signatures = tuple(AttesterSignature(attester=to_hex(item), signature=signed[item]) for item in sorted(signed))
    tx.append(SettlementSigned(area=area, period=period, revision=revision, signatures=signatures), key=key)
    return True


@dataclass(frozen=True, slots=True)
class _Page:
    """A page of a settlement's words; `hashes` are those of all pages."""

    target: SettlementPage
    hashes: Sequence[bytes]
    words: Sequence[int]

    def settle(self, *, signatures: Sequence[bytes]) -> Call:
        """The call that books it; the first page carries the signatures."""
        signed = signatures if self.target.page == 0 else ()
        return Settlement.settle(target=self.target, page_hashes=self.hashes, words=self.words, signatures=signed)


def _pages_of(proposal: SettlementProposed) -> list[_Page]:
    """One page without words where no money moves."""
    hashes = settlement_page_hashes(proposal.words)
    first = SettlementPage(
        area=text_id(proposal.area),
        period=proposal.period,
        revision=proposal.revision,
        page=0,
        statements_root=proposal.statements_root,
        tariff_hash=proposal.tariff_hash,
    )
    return [
        _Page(target=replace(first, page=page), hashes=hashes, words=part)
        for page, part in enumerate(settlement_pages_of(proposal.words) or [[]])
    ]


def retry_request(tx: Transaction, *, state: PeriodState, failed_key: str) -> bool:
    """Ask again for a `settle` or `finalise` that failed, unless the period has moved on since; whether it was asked.

    A settlement is asked for again only while its proposal is the newest one, still signed and not in effect.
    """
    tx.connection.execute(delete(settlement_failed).where(settlement_failed.c.key == failed_key))
    entry = tx.find(requested_key(failed_key))
    asked = None if entry is None else entry.as_a(ChainRequested)
    if asked is not None and asks(asked, Settlement.settle) and not _is_wanted(tx, state=state, asked=asked):
        return False
    return not ask_again(tx, failed_key=failed_key).repeated


def _is_wanted(tx: Transaction, *, state: PeriodState, asked: ChainRequested) -> bool:
    if state.signed_sequence is None or state.proposal_revision != state.next_revision:
        return False
    target = SettlementPage.read(call_of(asked).argument("target"))
    proposal = latest_proposal(tx.connection, area=state.area, period=state.period)
    roots = resolution(tx.connection, area=state.area, period=state.period).roots
    wanted = (proposal.statements_root, roots.clearing_root + roots.readings_root)
    return (target.statements_root, state.proposal_roots) == wanted
