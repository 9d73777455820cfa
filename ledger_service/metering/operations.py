"""Recording what attesters hand in."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from sqlalchemy import select

from contracts.bindings import Readings
from contracts.bindings.readings import Attestation as AttestationStruct
from domain.eip712 import Domain
from domain.hashing import from_hex, keccak
from domain.metering_errors import AttestationRefused, RevisionTaken
from domain.meters import MeteringArea
from domain.mtu import mtu_end, mtu_start
from ledger_service.metering.queries import attestation_states, leaves_at, metering_area_of, next_revisions
from ledger_service.metering.tables import metering_attestation
from ledger_service.metering.views import MTUS_PER_TRANSACTION, chain_keys_of, fold_attested
from ledger_service.outbox import request
from ledger_service.record import Entry, Transaction
from ledger_service.record.journal import read_entries
from settling.attestations import VerifiedAttestation, verify_payload


def accept_attestation(
    tx: Transaction, payload: Mapping[str, Any], *, now: int, readings: Domain, settlement: Domain
) -> Entry:
    """Verify a `reading.attested` payload, record it and ask the chain for it; return the fact.

    `now` is market time, `readings` and `settlement` the EIP-712 domains of these contracts. A repeat returns the
    first fact with `repeated` set. Raises AttestationRefused, RevisionTaken (409: something else is recorded) or
    NotRegistered.
    """
    connection = tx.connection
    area = payload.get("area")
    if not isinstance(area, str):
        raise AttestationRefused(reason="area is missing")
    metering_area = metering_area_of(connection, area=area, readings=readings, settlement=settlement)

    def next_revision(mtu: int) -> int:
        return next_revisions(connection, area=area, first_mtu=mtu, count=1).get(mtu, 0)

    try:
        items = verify_payload(
            payload,
            area=metering_area,
            next_revision=next_revision,
            leaves_at=lambda mtu: leaves_at(connection, area=area, mtu=mtu),
        )
    except RevisionTaken:
        first = _recorded(tx, payload, area)
        if first is None:
            raise
        return first
    for item in items:
        _check_deadlines(item, metering_area=metering_area, now=now)
    fact = {
        "area": area,
        "period": payload["period"],
        "attestations": [item.as_json() for item in items],
        "messages": sorted(str(message) for message in payload["messages"]),
    }
    entry = tx.append("reading.attested", fact, key=_key(area, fact["attestations"], tx.head.sequence))
    keys = chain_keys_of(fact, sequence=entry.sequence)
    _request(tx, metering_area=metering_area, period=payload["period"], items=items, keys=keys)
    fold_attested(tx.connection, entry, chain_keys=keys)
    return entry


def _key(area: str, records: list[dict[str, Any]], sequence: int) -> str:
    roots = b"".join(f"{item['mtu']}:{item['revision']}:{item['root']};".encode("ascii") for item in records)
    return f"reading.attested:{sequence}:{keccak(area.encode('utf-8') + roots).hex()}"


def _recorded(tx: Transaction, payload: Mapping[str, Any], area: str) -> Entry | None:
    """The fact that holds exactly the roots of this payload, if it was recorded before."""
    sequences = set()
    for record in payload["attestations"]:
        mtu, revision = record["mtu"], record["revision"]
        state = attestation_states(tx.connection, area=area, first_mtu=mtu, count=1)[0].attestation
        if state is None or (state["revision"], state["root"]) != (revision, record["root"]):
            return None
        sequences.add(_sequence_of(tx, area=area, mtu=mtu, revision=revision))
    if len(sequences) != 1:
        return None
    (entry,) = read_entries(tx.connection, after=sequences.pop() - 1, kinds=None, limit=1)
    return _as_repeated(entry)


def _as_repeated(entry: Entry) -> Entry:
    return replace(entry, repeated=True)


def _sequence_of(tx: Transaction, *, area: str, mtu: int, revision: int) -> int:
    table = metering_attestation
    query = select(table.c.sequence).where(table.c.area == area, table.c.mtu == mtu, table.c.revision == revision)
    return int(tx.connection.execute(query).scalar_one())


def _check_deadlines(item: VerifiedAttestation, *, metering_area: MeteringArea, now: int) -> None:
    mtu = item.attestation.mtu
    if now < mtu_end(mtu):
        raise AttestationRefused(mtu=mtu, reason="the MTU has not ended")
    if item.attestation.revision == 0 and now > metering_area.attest_until(mtu):
        raise AttestationRefused(mtu=mtu, reason="its deadline has passed; it takes revision 1 once marked Unread")
    period = metering_area.period_of(mtu)
    if period is None or now > mtu_start(period.end_mtu) + metering_area.horizon_seconds:
        raise AttestationRefused(mtu=mtu, reason="its period takes no corrections any more")


def _request(
    tx: Transaction, *, metering_area: MeteringArea, period: int, items: list[VerifiedAttestation], keys: dict[int, str]
) -> None:
    for start in range(0, len(items), MTUS_PER_TRANSACTION):
        page = items[start : start + MTUS_PER_TRANSACTION]
        structs = [
            AttestationStruct(
                area=metering_area.area_id,
                mtu=item.attestation.mtu,
                revision=item.attestation.revision,
                root=item.attestation.root,
                count=item.attestation.count,
                import_wh=item.attestation.import_wh,
                export_wh=item.attestation.export_wh,
            )
            for item in page
        ]
        signatures = [[from_hex(signature) for signature in item.signatures] for item in page]
        call = Readings.attest_many(period=period, attestations=structs, signatures=signatures)
        request(tx, call, key=keys[page[0].attestation.mtu], role="operator")
