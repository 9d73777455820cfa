"""Verifying what attesters hand in: the dear part, done without the write lock, perhaps in another process.

What comes out is divided into pages, each recorded by a fact and a transaction of its own, so that no other writer
waits long however much arrives at once. A message that several pages rest on stands in the first of them alone (one
of a day, with 96 readings, would else be recorded 96 times); where a page rests on many, some stand ahead of it.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace

from sqlalchemy import Connection, select

from contracts.bindings import Call, Readings
from contracts.bindings.readings import Attestation as AttestationStruct
from domain.attestations import AttestationSet, SignedAttestation
from domain.eip712 import Domain
from domain.facts import ReadingAttested, ReadingRules
from domain.hashing import text_id, to_hex
from domain.messages import parse_message
from domain.metering_area import MeteringArea
from domain.mtu import mtu_end
from ledger_service.metering.queries import leaves_at, metering_area_of, next_revisions
from ledger_service.metering.tables import metering_attestation
from ledger_service.metering.views import MTUS_PER_TRANSACTION, AttestedRows
from ledger_service.record import Prepared, prepare
from ledger_service.record.journal import read_head
from settling.attestations import LEAVES_PER_PAGE, AttestationRefused, RevisionTaken, verify_set
from settling.substitutes import SUBSTITUTE_RULE

MESSAGES_BYTES_PER_PAGE = 1_048_576
"""Most text of messages in one page: with the leaves of one, written in some hundredths of a second."""

Standing = Mapping[int, tuple[int, str, int]]
"""By MTU: the last recorded revision, its root, and the entry that holds it."""


@dataclass(frozen=True, slots=True)
class AttestationPage:
    """Attestations of ascending MTUs, recorded together; `standing` is what their verification rests on around them.

    `made` gives, as `standing` does, what stands once the page is recorded, less the entry; `rows` are AttestedRows as
    they travel, `calls` ask the chain for the attestations. A page of messages ahead of the attestations of its MTUs
    makes nothing and has no rows.
    """

    mtus: Sequence[int]
    made: Mapping[int, tuple[int, str]]
    fact: Prepared
    rows: bytes | None
    calls: Sequence[Call]
    standing: Mapping[int, tuple[int, str]]


@dataclass(frozen=True, slots=True)
class VerifiedAttestations:
    """What is to be recorded of a set: `basis` is the journal's head it was verified at.

    `mtus` are all MTUs of the set; `recorded` is the last entry that held some of them before, None where none.
    """

    area: str
    period: int
    basis: int
    mtus: Sequence[int]
    pages: Sequence[AttestationPage]
    recorded: int | None


def verify_attestations(
    connection: Connection, given: AttestationSet, *, now: int, readings: Domain, settlement: Domain
) -> VerifiedAttestations:
    """Verify what attesters hand in against the record as `connection` sees it, at market time `now`.

    MTUs whose very attestation is recorded already are left out. `readings` and `settlement` are the EIP-712 domains
    of these contracts. Raises AttestationRefused, RevisionTaken (409: something else is recorded) or NotRegistered.
    """
    basis = read_head(connection).sequence
    metering_area = metering_area_of(connection, area=given.area, readings=readings, settlement=settlement)
    rest, known = given, dict[int, int]()
    try:
        _verify(connection, given, metering_area, now)
    except RevisionTaken:
        rest, known = _without_recorded(connection, given)
        if not known:
            raise
        if rest.attestations:
            _verify(connection, rest, metering_area, now)
    for item in rest.attestations:
        _check_deadlines(item, metering_area=metering_area, now=now)
    return VerifiedAttestations(
        area=given.area,
        period=given.period,
        basis=basis,
        mtus=[item.mtu for item in given.attestations],
        pages=_pages(connection, rest),
        recorded=max(known.values(), default=None),
    )


def standing(connection: Connection, *, area: str, mtus: Iterable[int]) -> Standing:
    """What is recorded last of these MTUs and of those beside them; MTUs without anything are left out."""
    wanted = sorted({beside for mtu in mtus for beside in (mtu - 1, mtu, mtu + 1)})
    table = metering_attestation
    query = (
        select(table.c.mtu, table.c.revision, table.c.root, table.c.sequence)
        .where(table.c.area == area, table.c.mtu >= wanted[0], table.c.mtu <= wanted[-1])
        .order_by(table.c.mtu, table.c.revision)
    )
    return {row.mtu: (row.revision, row.root, row.sequence) for row in connection.execute(query) if row.mtu in wanted}


def _verify(connection: Connection, given: AttestationSet, metering_area: MeteringArea, now: int) -> None:
    code = metering_area.code

    def next_revision(mtu: int) -> int:
        return next_revisions(connection, area=code, first_mtu=mtu, count=1).get(mtu, 0)

    verify_set(
        given,
        area=metering_area,
        now=now,
        next_revision=next_revision,
        leaves_at=lambda mtu: leaves_at(connection, area=code, mtu=mtu),
    )


def _without_recorded(connection: Connection, given: AttestationSet) -> tuple[AttestationSet, dict[int, int]]:
    """The set without attestations that are recorded already, and by MTU the entry that holds each of those."""
    found = standing(connection, area=given.area, mtus=[item.mtu for item in given.attestations])
    rest, known = [], {}
    for item in given.attestations:
        revision, root, sequence = found.get(item.mtu, (None, None, 0))
        if (revision, root) == (item.revision, to_hex(item.root)):
            known[item.mtu] = sequence
        else:
            rest.append(item)
    return replace(given, attestations=tuple(rest)), known


def _check_deadlines(item: SignedAttestation, *, metering_area: MeteringArea, now: int) -> None:
    mtu = item.mtu
    if now < mtu_end(mtu):
        raise AttestationRefused(mtu=mtu, reason="the MTU has not ended")
    if item.revision == 0 and now > metering_area.attest_until(mtu):
        raise AttestationRefused(mtu=mtu, reason="its deadline has passed; it takes revision 1 once marked Unread")
    period = metering_area.period_of(mtu)
    if period is None or not metering_area.takes_corrections(period, market_time=now):
        raise AttestationRefused(mtu=mtu, reason="its period takes no corrections any more")


def _pages(connection: Connection, given: AttestationSet) -> list[AttestationPage]:
    if not given.attestations:
        return []
    groups = _grouped(given.attestations)
    recorded = standing(connection, area=given.area, mtus=[item.mtu for item in given.attestations])
    before = {mtu: (revision, root) for mtu, (revision, root, _) in recorded.items()}
    pages = []
    for group, messages in zip(groups, _messages_by_page(given.messages, groups), strict=True):
        mtus = [item.mtu for item in group]
        about = {beside for mtu in mtus for beside in (mtu - 1, mtu, mtu + 1)}
        stands = {mtu: before[mtu] for mtu in about if mtu in before}
        *ahead, own = [_fact(given, part) for part in _parted(messages)]
        pages += [
            AttestationPage(mtus=mtus, made={}, fact=prepare(fact), rows=None, calls=(), standing=stands)
            for fact in ahead
        ]
        fact = replace(own, attestations=tuple(group))
        made = {item.mtu: (item.revision, to_hex(item.root)) for item in group}
        pages.append(
            AttestationPage(
                mtus=mtus,
                made=made,
                fact=prepare(fact),
                rows=AttestedRows.of(connection, fact).written(),
                calls=_calls(fact),
                standing=stands,
            )
        )
        before |= made
    return pages


def _fact(given: AttestationSet, messages: Sequence[str]) -> ReadingAttested:
    """The fact of a page that has no attestations yet."""
    return ReadingAttested(
        area=given.area,
        period=given.period,
        attestations=(),
        messages=tuple(messages),
        rules=ReadingRules(substitutes=SUBSTITUTE_RULE),
    )


def _messages_by_page(messages: Sequence[str], groups: Sequence[Sequence[SignedAttestation]]) -> list[list[str]]:
    """By page, ascending, the messages that it is the first to rest on; all of them where there is one page."""
    ascending = sorted(messages)
    if len(groups) == 1:
        return [ascending]
    spans = [_span(message) for message in ascending]
    pages: list[list[str]] = [[] for _ in groups]
    # A leaf rests on the register at its end and on the one before, which may be the page's baseline. What lies before
    # all pages is what a substitute, or a balancing entry, follows from.
    ends = [range(group[0].mtu - 1, group[-1].mtu + 1) for group in groups]
    for text, (first, last) in zip(ascending, spans, strict=True):
        page = next((at for at, mtus in enumerate(ends) if first < mtus.stop and last >= mtus.start), 0)
        pages[page].append(text)
    return pages


def _parted(messages: Sequence[str]) -> list[list[str]]:
    """Messages in parts of at most MESSAGES_BYTES_PER_PAGE, at least one part."""
    parts: list[list[str]] = [[]]
    size = 0
    for text in messages:
        if parts[-1] and size + len(text) > MESSAGES_BYTES_PER_PAGE:
            parts.append([])
            size = 0
        parts[-1].append(text)
        size += len(text)
    return parts


def _calls(fact: ReadingAttested) -> list[Call]:
    """What asks the chain for the attestations of a fact, a few MTUs a transaction."""
    calls = []
    for start in range(0, len(fact.attestations), MTUS_PER_TRANSACTION):
        part = fact.attestations[start : start + MTUS_PER_TRANSACTION]
        structs = [
            AttestationStruct(
                area=text_id(fact.area),
                mtu=item.mtu,
                revision=item.revision,
                root=item.root,
                count=item.count,
                import_wh=item.import_wh,
                export_wh=item.export_wh,
            )
            for item in part
        ]
        signatures = [item.signatures for item in part]
        calls.append(Readings.attest_many(period=fact.period, attestations=structs, signatures=signatures))
    return calls


def _grouped(items: Sequence[SignedAttestation]) -> list[list[SignedAttestation]]:
    """Consecutive attestations of at most LEAVES_PER_PAGE leaves, or one alone."""
    groups: list[list[SignedAttestation]] = []
    leaves = 0
    for item in items:
        if not groups or leaves + len(item.readings) > LEAVES_PER_PAGE:
            groups.append([])
            leaves = 0
        groups[-1].append(item)
        leaves += len(item.readings)
    return groups


def _span(message: str) -> tuple[int, int]:
    """First and last MTU that a verified message tells of."""
    _, run = parse_message(message.encode("ascii"))
    mtus = [reading.mtu for reading in run.readings()]
    return min(mtus), max(mtus)
