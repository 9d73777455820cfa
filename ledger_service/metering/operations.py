"""Recording what attesters hand in, page by page."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from sqlalchemy import Connection, select

from domain.facts import PeriodDeclared, ReadingAttested, Subject
from domain.hashing import keccak
from domain.roles import ChainRole
from ledger_service.metering.verification import AttestationPage, VerifiedAttestations, standing
from ledger_service.metering.views import AttestedRows, chain_key, show_attested
from ledger_service.outbox import request
from ledger_service.record import Record
from ledger_service.record.journal import kinds_of
from ledger_service.record.tables import journal_entry
from ledger_service.registry.views import REGISTRY_FACTS

_BASIS_KINDS = kinds_of((*REGISTRY_FACTS, PeriodDeclared))
"""Facts that may change whether an attestation holds, beside other attestations."""


GIVE_WAY_SECONDS_MAX = 0.25
"""Longest pause between two pages. Between them the set gives way for as long as the last one took: the write lock
goes to whoever takes it first, and an order must never wait for two pages in a row."""


@dataclass(frozen=True, slots=True)
class RecordedAttestation:
    """What became of a set: its MTUs, the last entry that holds some of them, and whether all were there before."""

    mtus: Sequence[int]
    sequence: int
    repeated: bool


def record_attestations(record: Record, verify: Callable[[], VerifiedAttestations]) -> RecordedAttestation:
    """Record what `verify` finds; where other facts came in between, it is verified again, less what stands by then.

    A restart in between leaves whole pages: the attesters hand in the same again, and the rest is recorded.
    """
    fresh: int | None = None
    while True:
        verified = verify()
        basis = verified.basis
        for number, page in enumerate(verified.pages):
            begun = time.perf_counter()
            sequence = _record_page(record, verified, page, basis=basis)
            if sequence is None:
                break
            fresh = basis = sequence
            if number + 1 < len(verified.pages):
                time.sleep(min(time.perf_counter() - begun, GIVE_WAY_SECONDS_MAX))
        else:
            return RecordedAttestation(
                mtus=verified.mtus, sequence=fresh or verified.recorded or 0, repeated=fresh is None
            )


def _record_page(record: Record, verified: VerifiedAttestations, page: AttestationPage, *, basis: int) -> int | None:
    """The entry that holds the page; None where what it was verified against is not the record any more."""
    area = verified.area
    rows = None if page.rows is None else AttestedRows.read(page.rows)
    with record.begin() as tx:
        found = standing(tx.connection, area=area, mtus=page.mtus)
        if {mtu: (revision, root) for mtu, (revision, root, _) in found.items()} != page.standing:
            return None
        if _has_changed(tx.connection, after=basis):
            return None
        sequence = tx.append(page.fact, key=_key(area, page, tx.head.sequence)).sequence
        for number, call in enumerate(page.calls):
            about = Subject(area=area, period=verified.period, page=number)
            request(tx, call, key=chain_key(area, sequence, number), role=ChainRole.OPERATOR, about=about)
        if rows is not None:
            show_attested(tx.connection, rows, sequence)
    return sequence


def _has_changed(connection: Connection, *, after: int) -> bool:
    table = journal_entry
    query = select(table.c.sequence).where(table.c.sequence > after, table.c.kind.in_(_BASIS_KINDS)).limit(1)
    return connection.execute(query).first() is not None


def _key(area: str, page: AttestationPage, sequence: int) -> str:
    roots = "".join(f"{mtu}:{revision}:{root};" for mtu, (revision, root) in page.made.items())
    return f"{ReadingAttested.KIND}:{sequence}:{keccak((area + roots).encode('utf-8')).hex()}"
