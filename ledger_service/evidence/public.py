"""The public bundle: the market's honesty, without anything that names a household (docs/evidence.md section 4)."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Protocol

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
from domain.hashing import canonical_json
from domain.members import noun_json
from ledger_service.evidence.form import BundleWriter
from ledger_service.evidence.journal import journal_lines
from ledger_service.evidence.recorded import Anchor, ChainEvents, ChainInfo, facts_of, last_anchor
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
        for name, reader in READERS.items():
            bundle.raw_lines(name, reader().read(connection, after=0, through=anchor.sequence))
    return anchor


class Reader(Protocol):
    """Reads the lines of one file of the public bundle, span after span: each begins where the one before ended."""

    def read(self, connection: Connection, *, after: int, through: int) -> Iterator[bytes]:
        """The lines that a span adds. Raises ToldOtherwise where lines read before hold no more."""
        ...


class _Journal:
    def read(self, connection: Connection, *, after: int, through: int) -> Iterator[bytes]:
        """The entries of a span: what may be erased is closed from the beginning, so no line ever changes."""
        return journal_lines(connection, after=after, through=through, opened=PUBLIC_KINDS)


class _Programs:
    def __init__(self) -> None:
        self._signed = SignedPrograms()

    def read(self, connection: Connection, *, after: int, through: int) -> Iterator[bytes]:
        """Signed programs in the order of their signatures."""
        for program, _ in self._signed.read(connection, after=after, through=through):
            shown = ProgramShown(
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
            yield canonical_json(noun_json(shown))


class SignedPrograms:
    """Each signed program with its signature, in the order of the signatures, span after span.

    Those whose opening is erased are left out.
    """

    def __init__(self) -> None:
        self._validated: dict[tuple[str, int], ProgramValidated] = {}

    def read(
        self, connection: Connection, *, after: int = 0, through: int
    ) -> Iterator[tuple[ProgramValidated, ProgramSigned]]:
        """Those that were signed in a span."""
        for fact in facts_of(connection, *_PROGRAMS, after=after, through=through):
            key = (fact.market, fact.session)
            if isinstance(fact, ProgramValidated):
                self._validated[key] = fact
                continue
            decided = self._validated.pop(key, None)
            if decided is not None and isinstance(fact, ProgramSigned):
                yield decided, fact


_PROGRAMS: tuple[type[ProgramValidated] | type[ProgramSigned] | type[ProgramRefused], ...] = (
    ProgramValidated,
    ProgramSigned,
    ProgramRefused,
)


class _Attestations:
    def __init__(self) -> None:
        self._shown = Attestations()

    def read(self, connection: Connection, *, after: int, through: int) -> Iterator[bytes]:
        """What the chain recorded of readings, in its order."""
        found = self._shown.read(connection, after=after, through=through)
        return (canonical_json(noun_json(shown)) for shown in found)


class Attestations:
    """What the chain recorded of readings, in its order: attestations with their signatures, and unread MTUs."""

    def __init__(self) -> None:
        self._events: ChainEvents[ReadingsAttested | ReadingsUnread] = ChainEvents(*_READINGS)
        self._code_of: dict[bytes, str] = {}

    def read(self, connection: Connection, *, after: int = 0, through: int) -> Iterator[AttestationShown | UnreadShown]:
        """What a span adds. Raises ToldOtherwise."""
        for fact in facts_of(connection, AreaDefined, after=after, through=through):
            self._code_of[fact.area.area_id] = fact.area.area
        for event in self._events.read(connection, after=after, through=through):
            area = self._code_of[event.area]
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


class _Settlements:
    def __init__(self) -> None:
        self._signed = SignedProposals()

    def read(self, connection: Connection, *, after: int, through: int) -> Iterator[bytes]:
        """Signed settlements in the order of `settlement.signed`."""
        for proposal, _ in self._signed.read(connection, after=after, through=through):
            shown = PublicSettlement(
                area=proposal.area,
                period=proposal.period,
                revision=proposal.revision,
                words=proposal.words,
                statements_root=proposal.statements_root,
                tariff_hash=proposal.tariff_hash,
                rules=proposal.rules,
            )
            yield canonical_json(noun_json(shown))


class SignedProposals:
    """Each signature with its proposal, the newest of its revision before it, span after span.

    Proposals whose openings were erased are left out.
    """

    def __init__(self) -> None:
        self._newest: dict[tuple[str, int, int], SettlementProposed] = {}

    def read(
        self, connection: Connection, *, after: int = 0, through: int
    ) -> Iterator[tuple[SettlementProposed, SettlementSigned]]:
        """Those that were signed in a span."""
        for fact in facts_of(connection, *_PROPOSALS, after=after, through=through):
            key = (fact.area, fact.period, fact.revision)
            if isinstance(fact, SettlementProposed):
                self._newest[key] = fact
                continue
            proposal = self._newest.pop(key, None)
            if proposal is not None:
                yield proposal, fact


_PROPOSALS: tuple[type[SettlementProposed] | type[SettlementSigned], ...] = (SettlementProposed, SettlementSigned)

READERS: Mapping[str, Callable[[], Reader]] = {
    "journal.jsonl": _Journal,
    "programs.jsonl": _Programs,
    "attestations.jsonl": _Attestations,
    "settlements.jsonl": _Settlements,
}
"""The files of the public bundle that grow, each with what reads it from the beginning."""

ERASURES_TOUCH = frozenset({"programs.jsonl", "settlements.jsonl"})
"""Those from which an erasure may take lines."""
