"""What a settlement follows from, read off the facts of a day as they now stand, and what attesters say to it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any, TypeVar

from domain.errors import DominoesError
from domain.facts import (
    AgreementSigned,
    AreaDefined,
    Fact,
    KeyRegistered,
    MandateGranted,
    MandateRevoked,
    MarketDefined,
    MeterRegistered,
    MtuCleared,
    OrderAccepted,
    ParticipantRegistered,
    PeriodDeclared,
    PolicyPublished,
    ProgramSigned,
    ProgramValidated,
    ReadingAttested,
    SessionDone,
    SettlementProposed,
    TariffPublished,
    TermEnded,
)
from domain.facts.base import read_fact
from domain.hashing import canonical_json
from domain.roles import ChainRole
from domain.words import OrderWord, has_trade
from oracle.attester.signed import SignedTerms
from oracle.attester.witness import KINDS, Sighting, Sightings, name_of, terms_objections
from settling.package import (
    Basis,
    Package,
    PackagedAttestation,
    PackagedClearing,
    PackagedProgram,
    PackagedProposal,
    PackagedSession,
)
from settling.unpacking import tag_bytes
from settling.verification import verify_package
from tests.collusion.day import Payload, RealDay, Step

_Kind = TypeVar("_Kind", bound=Fact)

PARTS = {
    ParticipantRegistered: "participant",
    MeterRegistered: "meter",
    KeyRegistered: "order_key",
    TariffPublished: "tariff",
    AgreementSigned: "agreement",
    MarketDefined: "market",
    PolicyPublished: "policy",
    TermEnded: "end",
}
"""Facts of the registry, and the member that is the term itself."""


class Facts:
    """The facts of a day as typed values, each read once."""

    def __init__(self, steps: Sequence[Step]) -> None:
        self.steps = steps

    def of(self, cls: type[_Kind]) -> list[_Kind]:
        """All of a kind, in their order."""
        found = [read_fact(step.kind, canonical_json(step.payload)) for step in self.steps if step.kind == cls.KIND]
        return [fact for fact in found if isinstance(fact, cls)]

    def terms(self, cls: type[Fact]) -> tuple[Any, ...]:
        """The terms that facts of a kind tell."""
        return tuple(getattr(fact, PARTS[cls]) for fact in self.of(cls))


def basis_of(steps: Sequence[Step]) -> Basis:
    """All that the settlement of the day's first period follows from."""
    facts = Facts(steps)
    (area,), period = facts.of(AreaDefined), facts.of(PeriodDeclared)[0]
    sessions = tuple(_sessions(facts))
    words = {tag_bytes(OrderWord.unpack(w)) for s in sessions for c in s.clearings for w in c.words}
    orders = {order.tag: order for order in facts.of(OrderAccepted)}
    opened = tuple(orders[tag] for tag in sorted(words) if tag in orders)
    used = {order.mandate for order in opened} - {None}
    signed = {(item.market, item.session): item for item in facts.of(ProgramSigned)}
    return Basis(
        parties=facts.terms(ParticipantRegistered),
        meters=facts.terms(MeterRegistered),
        keys=facts.terms(KeyRegistered),
        tariffs=facts.terms(TariffPublished),
        agreements=facts.terms(AgreementSigned),
        ends=facts.terms(TermEnded),
        markets=facts.terms(MarketDefined),
        replacements=(),
        area=period.area,
        period=period.period,
        revision=0,
        first_mtu=period.first_mtu,
        count=period.count,
        grid_model=area.area.grid_model,
        programs=tuple(
            PackagedProgram.of(item, signed[item.market, item.session])
            for item in facts.of(ProgramValidated)
            if (item.market, item.session) in signed
        ),
        sessions=sessions,
        orders=opened,
        mandates=tuple(item for item in facts.of(MandateGranted) if item.tag in used),
        revocations=tuple(item for item in facts.of(MandateRevoked) if item.mandate in used),
        attestations=tuple(_attestations(facts)),
        earlier=(),
    )


def _sessions(facts: Facts) -> Iterator[PackagedSession]:
    validated = {(item.market, item.session): item for item in facts.of(ProgramValidated)}
    for done in facts.of(SessionDone):
        program = validated[done.market, done.session]
        mine = [item for item in facts.of(MtuCleared) if (item.market, item.session) == (done.market, done.session)]
        yield PackagedSession(
            market=done.market,
            session=done.session,
            first_mtu=program.first_mtu,
            count=program.count,
            books_root=program.books_root,
            results_root=program.results_root,
            traded_mask=program.traded_mask,
            emptied_mask=program.emptied_mask,
            cleared_mask=done.cleared_mask,
            results=tuple(item.result_hash for item in program.results),
            clearings=tuple(
                PackagedClearing(mtu=item.mtu, price_neur_per_wh=item.price_neur_per_wh, words=item.words)
                for item in sorted(mine, key=lambda item: item.mtu)
                if has_trade(map(OrderWord.unpack, item.words))
            ),
        )


def _attestations(facts: Facts) -> Iterator[PackagedAttestation]:
    for told in facts.of(ReadingAttested):
        for item in told.attestations:
            yield PackagedAttestation(
                mtu=item.mtu,
                revision=item.revision,
                unread=False,
                root=item.root,
                count=item.count,
                import_wh=item.import_wh,
                export_wh=item.export_wh,
                readings=item.readings,
            )


# ---- attesters who do as they should


def objections(day: RealDay, steps: Sequence[Step], basis: Basis, proposal: Payload) -> Iterator[str]:
    """Why an honest attester does not sign this settlement: its own checks, of the package and of what it has seen."""
    proposed = read_fact(SettlementProposed.KIND, canonical_json(proposal))
    assert isinstance(proposed, SettlementProposed)
    package = Package.of(basis, PackagedProposal.of(proposed))
    market, settlement = day.domain("Market"), day.domain("Settlement")
    try:
        verify_package(package, market=market, settlement=settlement, holds_role=lambda *asked: _holds(day, *asked))
    except (DominoesError, ValueError) as error:
        yield str(error)
    signed = SignedTerms(lambda *asked: _holds(day, *asked))
    yield from signed.objections((*package.parties, *package.meters), settlement)
    yield from terms_objections(package, sightings(steps))


def _holds(day: RealDay, address: str, role: ChainRole, area: str | None) -> bool:
    """Who has a role on this day's chain."""
    party = day.party_of.get(address, "")
    return party == role.value or (role is ChainRole.ATTESTER and party.startswith("attester"))


def sightings(steps: Sequence[Step]) -> Sightings:
    """The terms as an attester has seen them that looks after every block."""
    found: dict[tuple[str, str], Sighting] = {}
    seen_at = 0
    kinds = {cls: kind for kind, cls in KINDS.items()}
    facts = {cls.KIND: member for cls, member in PARTS.items()}
    for step in steps:
        if step.kind == "block.mined":
            seen_at = step.payload["timestamp"]
        elif step.kind in facts:
            term = getattr(read_fact(step.kind, canonical_json(step.payload)), facts[step.kind])
            if type(term) in kinds:
                found.setdefault((kinds[type(term)], name_of(term)), Sighting(term=term, seen_at=seen_at))
    return found
