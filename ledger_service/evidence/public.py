"""The public bundle: the market's honesty, without anything that names a household (docs/evidence.md section 4)."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from sqlalchemy import Connection

from contracts.bindings.readings import ReadingsAttested, ReadingsUnread
from domain.facts import (
    AreaDefined,
    AuditSigned,
    BookClosed,
    ClearingRules,
    DeploymentSucceeded,
    ErasureDone,
    Fact,
    MarketDefined,
    MtuCleared,
    MtuUnread,
    PeriodDeclared,
    PolicyPublished,
    ProgramRefused,
    ProgramSigned,
    ProgramValidated,
    SessionDone,
    SessionLapsed,
    SessionOpened,
    SettlementProposed,
    SettlementSigned,
    TariffPublished,
)
from ledger_service.evidence.form import BundleWriter
from ledger_service.evidence.journal import journal_lines
from ledger_service.evidence.recorded import Anchor, ChainInfo, chain_events, facts_of, last_anchor
from ledger_service.evidence.shown import AttestationShown, PricedWords, ProgramShown, PublicSettlement, UnreadShown
from ledger_service.record import Record

PUBLIC_KINDS = frozenset[type[Fact]](
    {
        AreaDefined,
        MarketDefined,
        TariffPublished,
        PolicyPublished,
        PeriodDeclared,
        SessionOpened,
        BookClosed,
        ProgramSigned,
        ProgramRefused,
        MtuCleared,
        SessionDone,
        SessionLapsed,
        MtuUnread,
        SettlementSigned,
        AuditSigned,
        ErasureDone,
        DeploymentSucceeded,
    }
)
"""Kinds whose payloads anybody may read."""


def export_public(record: Record, directory: Path, *, chain: ChainInfo) -> Anchor:
    """Write the public bundle up to the last anchor and return that anchor. Raises NothingAnchored, NotABundle."""
    with record.read() as connection, BundleWriter(directory, kind="public") as bundle:
        anchor = last_anchor(connection)
        bundle.value("chain.json", chain)
        bundle.raw_lines("journal.jsonl", journal_lines(connection, through=anchor.sequence, opened=PUBLIC_KINDS))
        bundle.lines("programs.jsonl", _programs(connection, anchor.sequence))
        bundle.lines("attestations.jsonl", attestations(connection, anchor.sequence))
        bundle.lines("settlements.jsonl", _settlements(connection, anchor.sequence))
    return anchor


def _programs(connection: Connection, through: int) -> Iterator[ProgramShown]:
    """Signed programs in the order of their signatures."""
    for program, _ in signed_programs(connection, through):
        yield ProgramShown(
            market=program.market,
            session=program.session,
            first_mtu=program.first_mtu,
            count=program.count,
            results=tuple(PricedWords(item.mtu, item.price_neur_per_wh, item.words) for item in program.results),
            report=program.report,
            emptied_mask=program.emptied_mask,
            deadline=program.deadline,
            rules=ClearingRules(ties=program.rules.ties),
        )


def signed_programs(connection: Connection, through: int) -> Iterator[tuple[ProgramValidated, ProgramSigned]]:
    """Each signed program with its signature, in the order of the signatures; without those whose opening is erased."""
    validated: dict[tuple[str, int], ProgramValidated] = {}
    for fact in facts_of(connection, *_PROGRAMS, through=through):
        key = (fact.market, fact.session)
        if isinstance(fact, ProgramValidated):
            validated[key] = fact
        elif key in validated:
            yield validated[key], fact


_PROGRAMS: tuple[type[ProgramValidated] | type[ProgramSigned], ...] = (ProgramValidated, ProgramSigned)


def attestations(connection: Connection, through: int) -> Iterator[AttestationShown | UnreadShown]:
    """What the chain recorded of readings, in its order: attestations with their signatures, and unread MTUs."""
    areas = [fact.area for fact in facts_of(connection, AreaDefined, through=through)]
    code_of = {area.area_id: area.area for area in areas}
    for event in chain_events(connection, *_READINGS, through=through):
        area = code_of[event.area]
        if isinstance(event, ReadingsUnread):
            yield UnreadShown(area=area, mtu=event.mtu)
        else:
            yield AttestationShown(
                area=area,
                mtu=event.mtu,
                revision=event.revision,
                root=event.root,
                count=event.count,
                import_wh=event.import_wh,
                export_wh=event.export_wh,
                signatures=tuple(event.signatures),
            )


_READINGS: tuple[type[ReadingsAttested] | type[ReadingsUnread], ...] = (ReadingsAttested, ReadingsUnread)


def _settlements(connection: Connection, through: int) -> Iterator[PublicSettlement]:
    """Signed settlements in the order of `settlement.signed`."""
    for proposal, _ in signed_proposals(connection, through):
        yield PublicSettlement(
            area=proposal.area,
            period=proposal.period,
            revision=proposal.revision,
            words=proposal.words,
            statements_root=proposal.statements_root,
            tariff_hash=proposal.tariff_hash,
            rules=proposal.rules,
        )


def signed_proposals(connection: Connection, through: int) -> Iterator[tuple[SettlementProposed, SettlementSigned]]:
    """Each signature with its proposal: the newest of its revision before it.

    Proposals whose openings were erased are left out.
    """
    newest: dict[tuple[str, int, int], SettlementProposed] = {}
    for fact in facts_of(connection, *_PROPOSALS, through=through):
        key = (fact.area, fact.period, fact.revision)
        if isinstance(fact, SettlementProposed):
            newest[key] = fact
        elif key in newest:
            yield newest[key], fact


_PROPOSALS: tuple[type[SettlementProposed] | type[SettlementSigned], ...] = (SettlementProposed, SettlementSigned)
