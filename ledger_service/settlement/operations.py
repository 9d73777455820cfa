"""Collecting attesters' signatures over a proposed settlement, and asking the chain for it once enough have signed."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from sqlalchemy import delete, insert, select

from contracts.bindings import Settlement
from contracts.bindings.settlement import SettlementPage
from domain.eip712 import SETTLEMENT, Domain
from domain.errors import DominoesError
from domain.hashing import from_hex, text_id, to_hex
from domain.signing import recover
from domain.words import page_hashes, pages_of
from ledger_service.outbox import ask_again, request, requested_call
from ledger_service.record import Transaction
from ledger_service.registry.tables import registry_area
from ledger_service.settlement.queries import (
    NothingProposed,
    PeriodState,
    latest_proposal,
    period_state,
    resolution,
)
from ledger_service.settlement.tables import settlement_failed, settlement_signature
from ledger_service.settlement.views import SETTLE_PREFIX
from settling.package import proposal_values


class NotAnAttester(DominoesError):
    """The signature recovers to a key that attests nothing in this area, or signs another settlement."""

    status = 403
    code = "not-an-attester"

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
    tx: Transaction, *, area: str, period: int, revision: int, signature: bytes, domain: Domain
) -> Collected:
    """Take one attester's signature over the newest proposal (domain: the Settlement contract).

    With the threshold reached, `settlement.signed` is appended and the chain is asked to settle. A repeat changes
    nothing. Raises BadSignature, NotAnAttester, NothingProposed, SettlementOutdated.
    """
    state = period_state(tx.connection, area=area, period=period)
    if state.proposal_revision is None or revision > state.proposal_revision:
        raise NothingProposed(area=area, period=period, revision=revision)
    if revision < state.proposal_revision or revision < state.settled:
        raise SettlementOutdated(area=area, period=period, revision=revision)
    proposal = latest_proposal(tx.connection, area=area, period=period, revision=revision)
    digest = domain.digest(SETTLEMENT, proposal_values(proposal))
    row = tx.connection.execute(select(registry_area).where(registry_area.c.area == area)).one()
    organisation_of = {from_hex(item["address"]): str(item["organisation"]) for item in json.loads(row.attesters)}
    signer = recover(digest, signature)
    if signer not in organisation_of:
        raise NotAnAttester(signer=to_hex(signer), area=area)
    held = _collect(tx, digest=digest, signer=signer, signature=signature)
    counted = _one_per_organisation(held, organisation_of)
    if len(counted) < row.threshold:
        return Collected(signatures=len(counted), threshold=row.threshold, complete=False)
    complete = _complete(tx, proposal=proposal, digest=digest, held=counted, threshold=row.threshold)
    return Collected(signatures=len(counted), threshold=row.threshold, complete=complete)


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
    tx: Transaction, *, proposal: Mapping[str, Any], digest: bytes, held: Mapping[bytes, bytes], threshold: int
) -> bool:
    """Append `settlement.signed` with exactly the threshold's worth of signatures, once, and ask for `settle`."""
    name = f"{proposal['area']}:{proposal['period']}:{proposal['revision']}:{digest[:8].hex()}"
    key = f"settlement.signed:{name}"
    if tx.find(key) is not None:
        return False
    chosen = sorted(held)[:threshold]
    payload = {
        "area": proposal["area"],
        "period": proposal["period"],
        "revision": proposal["revision"],
        "signatures": [{"attester": to_hex(item), "signature": to_hex(held[item])} for item in chosen],
    }
    tx.append("settlement.signed", payload, key=key)
    _request_settle(tx, proposal=proposal, name=name, signatures=[held[item] for item in chosen])
    return True


def _request_settle(tx: Transaction, *, proposal: Mapping[str, Any], name: str, signatures: list[bytes]) -> None:
    """One transaction per page of words; one without words where no money moves."""
    words = [int(word, 16) for word in proposal["words"]]
    hashes = page_hashes(words)
    for page, part in enumerate(pages_of(words) or [[]]):
        target = SettlementPage(
            area=text_id(proposal["area"]),
            period=proposal["period"],
            revision=proposal["revision"],
            page=page,
            statements_root=from_hex(proposal["statements_root"]),
            tariff_hash=from_hex(proposal["tariff_hash"]),
        )
        call = Settlement.settle(
            target=target, page_hashes=hashes, words=part, signatures=signatures if page == 0 else []
        )
        request(tx, call, key=f"{SETTLE_PREFIX}{name}:{page}", role="operator")


def retry_request(tx: Transaction, *, state: PeriodState, failed_key: str) -> bool:
    """Ask again for a `settle` or `finalise` that failed, unless the period has moved on since; whether it was asked.

    A settlement is asked for again only while its proposal is the newest one, still signed and not in effect.
    """
    tx.connection.execute(delete(settlement_failed).where(settlement_failed.c.key == failed_key))
    if failed_key.startswith(SETTLE_PREFIX) and not _is_wanted(tx, state=state, failed_key=failed_key):
        return False
    return not ask_again(tx, failed_key=failed_key).repeated


def _is_wanted(tx: Transaction, *, state: PeriodState, failed_key: str) -> bool:
    asked = requested_call(tx, failed_key)
    if asked is None or state.signed_sequence is None or state.proposal_revision != state.next_revision:
        return False
    target = SettlementPage.read(asked.argument("target"))
    proposal = latest_proposal(tx.connection, area=state.area, period=state.period)
    roots = resolution(tx.connection, area=state.area, period=state.period).roots
    wanted = (from_hex(proposal["statements_root"]), roots.clearing_root + roots.readings_root)
    return (target.statements_root, state.proposal_roots) == wanted
