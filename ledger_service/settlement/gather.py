"""From the record to the package of a settlement (`settling.package`): the facts that it follows from, none more."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict

from sqlalchemy import Connection

from domain.errors import DominoesError
from domain.facts import (
    AccountReplaced,
    AgreementSigned,
    Fact,
    KeyRegistered,
    MandateGranted,
    MandateRevoked,
    MarketDefined,
    MeterRegistered,
    MtuCleared,
    OrderAccepted,
    ParticipantRegistered,
    ProgramSigned,
    ProgramValidated,
    ReadingAttested,
    SessionOpened,
    TariffPublished,
    TermEnded,
    mandate_key,
    revocation_key,
)
from domain.hashing import ZERO_HASH
from domain.markets import Market
from domain.mtu import MTU_END, MtuRange
from domain.parties import Meter, OrderKey, Participant, Replacement
from domain.readings import Reading
from domain.sessions import mtus_of
from domain.terms import Agreement, Tariff, TermEnd
from domain.words import OrderWord
from ledger_service.record.journal import walk_entries
from ledger_service.record.keys import find_entries
from ledger_service.registry import queries as registry
from ledger_service.settlement.queries import (
    AttestationKey,
    ReadingsOnChain,
    Resolution,
    SessionOnChain,
    latest_proposal,
    period_state,
    proposals,
    resolution,
    sources,
)
from settling.package import (
    Basis,
    EarlierSettlement,
    Package,
    PackagedAttestation,
    PackagedClearing,
    PackagedProgram,
    PackagedProposal,
    PackagedSession,
    RegisteredTerms,
)
from settling.unpacking import tag_bytes


class FactMissing(DominoesError):
    """The chain shows an effect whose fact the record does not hold yet."""

    status = 409
    code = "fact-missing"
    remedy = "Nothing was changed; ask again once the service has caught up with the chain."
    retryable = True

    def __init__(self, *, fact: str) -> None:
        self.fact = fact
        super().__init__(f"{fact} is on chain but not recorded yet; try again once the earlier stages have caught up")


TERMS: tuple[type[Fact], ...] = (
    ParticipantRegistered,
    MeterRegistered,
    KeyRegistered,
    TariffPublished,
    AgreementSigned,
    MarketDefined,
    AccountReplaced,
    TermEnded,
)
"""Registry facts on which money rests."""


def gather(connection: Connection, *, area: str, period: int, revision: int, through: int | None = None) -> Basis:
    """What a settlement follows from, from one committed state of the record.

    `through`: the last entry whose registry fact counts, that of the proposal where there is one. Raises UnknownPeriod,
    FactMissing.
    """
    state = period_state(connection, area=area, period=period)
    resolved = resolution(connection, area=area, period=period)
    terms = terms_of(connection, area=area, end_mtu=state.first_mtu + state.count, through=through)
    sessions = _sessions(connection, area, period, resolved)
    orders = _orders(connection, area, period, sessions)
    mandates, revocations = _mandates(connection, orders, through)
    return Basis(
        parties=terms.parties,
        meters=terms.meters,
        keys=terms.keys,
        tariffs=terms.tariffs,
        agreements=terms.agreements,
        markets=terms.markets,
        replacements=terms.replacements,
        ends=terms.ends,
        area=area,
        period=period,
        revision=revision,
        first_mtu=state.first_mtu,
        count=state.count,
        grid_model=registry.area(connection, area).grid_model,
        programs=tuple(_programs(connection, area, period, resolved)),
        sessions=sessions,
        orders=orders,
        mandates=mandates,
        revocations=revocations,
        attestations=_attestations(connection, area, period, resolved),
        earlier=_earlier(connection, area, period, revision),
    )


def terms_of(
    connection: Connection, *, area: str, end_mtu: int = MTU_END, through: int | None = None
) -> RegisteredTerms:
    """Registry facts of an area on which money can rest for MTUs before `end_mtu`, in order of registration."""
    parties: list[Participant] = []
    meters: list[Meter] = []
    keys: list[OrderKey] = []
    tariffs: list[Tariff] = []
    agreements: list[Agreement] = []
    markets: list[Market] = []
    replacements: list[Replacement] = []
    ends: list[TermEnd] = []
    for entry in walk_entries(connection, kinds=TERMS):
        if through is not None and entry.sequence > through:
            break
        match entry.fact:
            case ParticipantRegistered(participant=party) if party.area == area:
                parties.append(party)
            case MeterRegistered(meter=meter) if meter.area == area and meter.valid_from_mtu < end_mtu:
                meters.append(meter)
            case KeyRegistered(order_key=key) if key.valid_from_mtu < end_mtu:
                keys.append(key)
            case TariffPublished(tariff=tariff) if tariff.area == area and tariff.valid_from_mtu < end_mtu:
                tariffs.append(tariff)
            case AgreementSigned(agreement=agreement) if agreement.valid_from_mtu < end_mtu:
                agreements.append(agreement)
            case MarketDefined(market=market) if market.area == area:
                markets.append(market)
            case AccountReplaced(replacement=replacement) if replacement.valid_from_mtu < end_mtu:
                replacements.append(replacement)
            case TermEnded(end=end) if end.area == area and end.end_mtu < end_mtu:
                ends.append(end)
    accounts = {party.account for party in parties}
    ours = [item for item in replacements if _joined(item, accounts)]
    return RegisteredTerms(
        parties=tuple(parties),
        meters=tuple(meters),
        keys=tuple(key for key in keys if key.account in accounts),
        tariffs=tuple(tariffs),
        agreements=tuple(agreement for agreement in agreements if agreement.account in accounts),
        markets=tuple(markets),
        replacements=tuple(ours),
        ends=tuple(ends),
    )


def _joined(replacement: Replacement, accounts: set[str]) -> bool:
    """Whether an account of the area gave way; its successor is one of them from then on."""
    if replacement.account not in accounts:
        return False
    accounts.add(replacement.successor)
    return True


def _programs(connection: Connection, area: str, period: int, resolved: Resolution) -> Iterable[PackagedProgram]:
    """The programs the chain recorded: what of each one is settled, and what the DSO signed it with."""
    verdicts: dict[tuple[str, int], ProgramSigned] = {}
    for entry in sources(connection, area=area, period=period, kind=ProgramSigned):
        signed = entry.as_a(ProgramSigned)
        verdicts[signed.market, signed.session] = signed
    validated: dict[tuple[str, int, bytes, bytes], ProgramValidated] = {}
    for entry in sources(connection, area=area, period=period, kind=ProgramValidated):
        fact = entry.as_a(ProgramValidated)
        validated[fact.market, fact.session, fact.results_root, fact.report_hash] = fact
    for recorded in resolved.programs:
        shown = validated.get((recorded.market, recorded.session, recorded.results_root, recorded.report_hash))
        verdict = verdicts.get((recorded.market, recorded.session))
        if shown is None or verdict is None:
            raise FactMissing(fact=f"program {recorded.session} of {recorded.market}")
        yield PackagedProgram.of(shown, verdict)


def _earlier(connection: Connection, area: str, period: int, revision: int) -> tuple[EarlierSettlement, ...]:
    """The words of the revisions before this one, as they took effect."""
    if not revision:
        return ()
    found = proposals(connection, area=area, period=period)
    missing = [number for number in range(revision) if number not in found]
    if missing:
        raise FactMissing(fact=f"settlement {missing[0]} of period {period} of {area}")
    return tuple(EarlierSettlement(number, found[number].words) for number in range(revision))


def _sessions(connection: Connection, area: str, period: int, resolved: Resolution) -> tuple[PackagedSession, ...]:
    """The sessions that are over, each with the results that were signed and what was cleared of them."""
    cleared: dict[tuple[str, int, int], MtuCleared] = {}
    for entry in sources(connection, area=area, period=period, kind=MtuCleared):
        fact = entry.as_a(MtuCleared)
        cleared[fact.market, fact.session, fact.mtu] = fact
    results: dict[tuple[str, int, bytes], tuple[bytes, ...]] = {}
    for entry in sources(connection, area=area, period=period, kind=ProgramValidated):
        validated = entry.as_a(ProgramValidated)
        key = validated.market, validated.session, validated.results_root
        results[key] = tuple(item.result_hash for item in validated.results)
    return tuple(_session(item, results, cleared) for item in resolved.sessions)


def _session(
    item: SessionOnChain,
    results: Mapping[tuple[str, int, bytes], tuple[bytes, ...]],
    cleared: Mapping[tuple[str, int, int], MtuCleared],
) -> PackagedSession:
    signed: tuple[bytes, ...] = ()
    if item.results_root != ZERO_HASH:
        found = results.get((item.market, item.session, item.results_root))
        if found is None:
            raise FactMissing(fact=f"program {item.session} of {item.market}")
        signed = found
    clearings = []
    for mtu in mtus_of(item.cleared_mask, session=MtuRange(first=item.first_mtu, count=item.count)):
        fact = cleared.get((item.market, item.session, mtu))
        if fact is None:
            raise FactMissing(fact=f"the clearing of MTU {mtu} in session {item.session} of {item.market}")
        clearings.append(PackagedClearing(mtu, fact.price_neur_per_wh, fact.words))
    return PackagedSession(**asdict(item), results=signed, clearings=tuple(clearings))


def _orders(
    connection: Connection, area: str, period: int, sessions: Sequence[PackagedSession]
) -> tuple[OrderAccepted, ...]:
    """The orders that open the words of these sessions: accepted between a session's opening and its gate."""
    wanted = {
        tag_bytes(OrderWord.unpack(word)) for session in sessions for item in session.clearings for word in item.words
    }
    if not wanted:
        return ()
    opened = next(sources(connection, area=area, period=period, kind=SessionOpened), None)
    found: dict[bytes, OrderAccepted] = {}
    for entry in walk_entries(connection, after=0 if opened is None else opened.sequence, kinds=[OrderAccepted]):
        fact = entry.fact
        if isinstance(fact, OrderAccepted) and fact.tag in wanted:
            found[fact.tag] = fact
        if len(found) == len(wanted):
            break
    return tuple(found[tag] for tag in sorted(found))


def _mandates(
    connection: Connection, orders: Sequence[OrderAccepted], through: int | None
) -> tuple[tuple[MandateGranted, ...], tuple[MandateRevoked, ...]]:
    """The mandates that these orders name, and how they ended, each in order of recording."""
    tags = {order.mandate for order in orders if order.mandate is not None}
    keys = [key for tag in tags for key in (mandate_key(tag), revocation_key(tag))]
    found = sorted(find_entries(connection, keys).values(), key=lambda entry: entry.sequence)
    facts = [entry.fact for entry in found if through is None or entry.sequence <= through]
    return (
        tuple(fact for fact in facts if isinstance(fact, MandateGranted)),
        tuple(fact for fact in facts if isinstance(fact, MandateRevoked)),
    )


def _attestations(
    connection: Connection, area: str, period: int, resolved: Resolution
) -> tuple[PackagedAttestation, ...]:
    last = {item.mtu: item.key for item in resolved.readings if not item.unread}
    shown = set(last.values())
    known: dict[AttestationKey, tuple[Reading, ...] | None] = {}  # readings only of those that show them
    for entry in sources(connection, area=area, period=period, kind=ReadingAttested):
        for item in entry.as_a(ReadingAttested).attestations:
            key = item.mtu, item.revision, item.root
            known[key] = item.readings if key in shown else None
    return tuple(_attestation(item, known) for item in resolved.readings)


def _attestation(
    item: ReadingsOnChain, known: Mapping[AttestationKey, tuple[Reading, ...] | None]
) -> PackagedAttestation:
    if not item.unread and item.key not in known:
        raise FactMissing(fact=f"the attestation of MTU {item.mtu}, revision {item.revision}")
    return PackagedAttestation(
        mtu=item.mtu,
        revision=item.revision,
        unread=item.unread,
        root=item.root,
        count=item.count,
        import_wh=item.import_wh,
        export_wh=item.export_wh,
        readings=None if item.unread else known[item.key],
    )


def proposal_package(connection: Connection, *, area: str, period: int) -> Package:
    """The package of the newest proposed settlement of a period, for attesters. Raises NothingProposed."""
    proposal = latest_proposal(connection, area=area, period=period)
    through = period_state(connection, area=area, period=period).proposal_sequence
    basis = gather(connection, area=area, period=period, revision=proposal.revision, through=through)
    return Package.of(basis, PackagedProposal.of(proposal))
