"""Reading the record once for the personal bundles of all accounts."""

from __future__ import annotations

import base64
import json
from collections.abc import Sequence

from sqlalchemy import Connection

from contracts.bindings.market import ProgramRecorded
from domain.facts import (
    AccountReplaced,
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
    OrderCancelled,
    ParticipantRegistered,
    PeriodDeclared,
    PointEnvelope,
    ProgramSigned,
    ProgramValidated,
    ReadingAttested,
    ReadingRules,
    SettlementProposed,
    SettlementSigned,
    TariffPublished,
    TermEnded,
)
from domain.hashing import canonical_json, from_hex, hash_json, text_id, to_hex
from domain.members import noun_json
from domain.merkle import merkle_proofs
from domain.orders import schedule_hash
from domain.readings import Reading
from domain.statements import statement_hash, statement_leaf
from domain.words import OrderWord, settlement_page_hashes, settlement_pages_of, unpack_settlement_word
from ledger_service.evidence.contents import (
    AttestedLeaves,
    ClearedLine,
    Openings,
    ProgramContent,
    RecordedMessage,
    SettlementContent,
    Signed,
)
from ledger_service.evidence.public import Attestations, SignedPrograms, SignedProposals
from ledger_service.evidence.recorded import chain_events, facts_of, walk
from ledger_service.evidence.shown import AttestationShown, ResultShown
from ledger_service.record import Entry

_REGISTRY: tuple[type[Fact], ...] = (
    AreaDefined,
    MarketDefined,
    PeriodDeclared,
    ParticipantRegistered,
    MeterRegistered,
    KeyRegistered,
    AgreementSigned,
    TariffPublished,
    AccountReplaced,
    TermEnded,
)

_SIGNED: tuple[type[Signed], ...] = (MandateGranted, MandateRevoked, OrderAccepted, OrderCancelled)


def read_openings(connection: Connection, *, through: int) -> Openings:
    """Read everything up to an entry; erased payloads are left out."""
    found = Openings()
    for fact in facts_of(connection, *_REGISTRY, through=through):
        _add_registry(found, fact)
    for entry, signed in walk(connection, *_SIGNED, through=through):
        _add_signed(found, entry, signed)
    _add_programs(found, connection, through)
    results = [_cleared_line(found, cleared) for cleared in facts_of(connection, MtuCleared, through=through)]
    found.results = sorted(results, key=lambda result: (result.mtu, result.session, result.market))
    _add_readings(found, connection, through)
    found.settlements = [_settlement_content(*pair) for pair in SignedProposals().read(connection, through=through)]
    return found


def _add_registry(found: Openings, fact: Fact) -> None:
    match fact:
        case AreaDefined(area=area):
            found.areas[area.area] = area
        case MarketDefined(market=market):
            found.markets[market.market] = market
        case PeriodDeclared():
            found.periods[fact.area, fact.period] = fact.span
        case ParticipantRegistered(participant=participant):
            found.parties[participant.account] = participant
        case MeterRegistered(meter=meter):
            found.meters.append(meter)
        case KeyRegistered(order_key=key):
            found.keys[key.order_key] = key  # there is one, as a key serves one account
        case AgreementSigned(agreement=agreement):
            found.agreements.append(agreement)
        case TariffPublished(tariff=tariff):
            found.tariffs.append(tariff)
        case TermEnded(end=end):
            found.ends.append(end)
        case AccountReplaced(replacement=replacement):
            found.give_way(replacement)


def _add_signed(found: Openings, entry: Entry, fact: Signed) -> None:
    account: str | None
    match fact:
        case OrderAccepted():
            account = found.account_of[fact.tag] = to_hex(fact.order.account)
        case OrderCancelled():
            account = found.account_of.get(fact.tag)
        case MandateGranted():
            account = fact.mandate.account
            found.granted_by[fact.tag] = fact.order_key
        case MandateRevoked():
            account = fact.account
    if account is not None:
        found.orders.setdefault(account, []).append((entry, fact))


def _add_programs(found: Openings, connection: Connection, through: int) -> None:
    events = chain_events(connection, ProgramRecorded, through=through)
    recorded = {(event.market, event.session) for event in events}
    for program, signed in SignedPrograms().read(connection, through=through):
        if (text_id(program.market), program.session) in recorded:
            found.programs.append(_program_content(found, program, signed))
    found.programs.sort(key=_place_of)


def _place_of(program: ProgramContent) -> tuple[int, int, str]:
    """The order of programs in a personal bundle (docs/evidence.md section 6)."""
    validated = program.validated
    return validated.first_mtu, validated.session, validated.market


def _program_content(found: Openings, program: ProgramValidated, signed: ProgramSigned) -> ProgramContent:
    area = found.areas[found.markets[program.market].area]
    points = [str(point["code"]) for point in area.grid_model["points"]]
    envelopes: dict[str, list[PointEnvelope]] = {point: [] for point in points}
    for envelope in program.envelopes:
        envelopes[envelope.point].append(envelope)
    schedules = {item.point: item.net_wh for item in program.schedules}
    return ProgramContent(
        area=area.area,
        validated=program,
        signed=signed,
        envelopes={point: tuple(items) for point, items in envelopes.items()},
        schedules=schedules,
        envelope_hashes=tuple(hash_json([noun_json(item) for item in envelopes[point]]) for point in points),
        schedule_hashes=tuple(schedule_hash(schedules[point]) for point in points),
    )


def _cleared_line(found: Openings, fact: MtuCleared) -> ClearedLine:
    shown = ResultShown(
        market=fact.market,
        session=fact.session,
        mtu=fact.mtu,
        lot_wh=found.markets[fact.market].lot_wh,
        price_neur_per_wh=fact.price_neur_per_wh,
        words=fact.words,
        rules=fact.rules,
    )
    tags = (OrderWord.unpack(word).tag.to_bytes(16, "big") for word in fact.words)
    return ClearedLine(
        mtu=fact.mtu,
        session=fact.session,
        market=fact.market,
        line=canonical_json(noun_json(shown)),
        accounts=frozenset(found.account_of[tag] for tag in tags if tag in found.account_of),
    )


def _settlement_content(proposal: SettlementProposed, signed: SettlementSigned) -> SettlementContent:
    items = sorted(proposal.statements, key=lambda item: item.account)
    leaves = [
        statement_leaf(
            account=from_hex(item.account),
            period=proposal.period,
            revision=proposal.revision,
            hashed=statement_hash(salt=item.salt, statement=item.statement.as_json()),
        )
        for item in items
    ]
    proofs = merkle_proofs(leaves, range(len(leaves)))
    pages: dict[bytes, tuple[int, ...]] = {}
    for page in settlement_pages_of(list(proposal.words)):
        pages |= {unpack_settlement_word(word)[0]: tuple(page) for word in page}
    return SettlementContent(
        proposal=proposal,
        signatures=signed.signatures,
        page_hashes=tuple(settlement_page_hashes(list(proposal.words))),
        statements={item.account: item for item in items},
        proofs={item.account: tuple(proof) for item, proof in zip(items, proofs, strict=True)},
        pages=pages,
    )


def _add_readings(found: Openings, connection: Connection, through: int) -> None:
    known: dict[tuple[str, int, int, bytes], tuple[Sequence[Reading], ReadingRules]] = {}
    for fact in facts_of(connection, ReadingAttested, through=through):
        for item in fact.attestations:
            known[fact.area, item.mtu, item.revision, item.root] = item.readings, fact.rules
        found.messages += map(_message, fact.messages)
    for shown in Attestations().read(connection, through=through):
        if not isinstance(shown, AttestationShown):
            continue  # unread
        attested = known.get((shown.area, shown.mtu, shown.revision, shown.root))
        if attested is None:
            continue  # erased
        readings, rules = attested
        leaves = [reading.hash() for reading in readings]
        proofs = merkle_proofs(leaves, range(len(leaves)))
        found.attestations.append(AttestedLeaves(attestation=shown, rules=rules, readings=readings, proofs=proofs))


def _message(jws: str) -> RecordedMessage:
    """A message with what its payload says; it was verified before it was recorded."""
    part = jws.split(".")[1]
    told = json.loads(base64.urlsafe_b64decode(part + "=" * (-len(part) % 4)))
    return RecordedMessage(str(told["meter"]), frozenset(int(item["mtu"]) for item in told["readings"]), jws)
