"""The registrar: areas, markets, participants, meters, agreements, tariffs, ends of terms. Ids are the natural keys."""

from __future__ import annotations

from typing import Annotated, Any, TypeVar

from fastapi import APIRouter, Depends, Request
from pydantic import BaseModel
from starlette.responses import Response

from domain import parties
from domain.areas import Area, Attester
from domain.errors import OutOfRange
from domain.hashing import NotCanonical, from_hex, hash_json, to_hex
from domain.markets import Market, MarketKind
from domain.members import JsonDocument, noun_json
from domain.parties import Meter, Participant
from domain.signed_terms import TermNotSigned
from domain.signing import BadSignature
from domain.terms import Agreement, EndedTerm, Tariff, TermEnd
from edge.answers import model_answer
from edge.paging import INT32, TEXT, UINT32, Paging, page_answer, paging
from edge.policy import allow
from edge.problems import NoSuchThing
from edge.writes import Created, write
from grid.checks import BadGrid
from grid.powerflow import GridUnsolvable
from ledger_service.access.directory import Principal
from ledger_service.access.roles import NotYours, Role
from ledger_service.record.paging import only
from ledger_service.record.spans import Recorded, recorded_in
from ledger_service.registry import lists as listed
from ledger_service.registry import operations
from ledger_service.registry.areas import PreparedArea
from ledger_service.registry.checks import check_no_contract
from ledger_service.registry.errors import (
    AddressOfContract,
    AlreadyBegun,
    AlreadyRegistered,
    EndsTooSoon,
    GatesTooClose,
    Malformed,
    NameAlike,
    NoAgreement,
    NotAgreed,
    NoticeMissing,
    NotRegistered,
    TariffUnsafe,
    TermOver,
    VersionOutOfOrder,
    WrongParty,
)
from wallet_api.declaring import lists, reads, writes
from wallet_api.disclosure import Disclosure, area_asked, everywhere
from wallet_api.fields import AreaFilter, CodeName, EndedTermName, MtuNumber, VersionNumber
from wallet_api.filters import InTime
from wallet_api.lookup import the_one
from wallet_api.recorded import created, receipted
from wallet_api.schemas import registry as shown
from wallet_api.services import API_PREFIX, Services, services_of

AREA_BODY_BYTES_MAX = 8_388_608
"""An area carries its grid model: a large low-voltage grid is about 1 MiB of JSON."""

ENDERS = (Role.REGISTRAR, Role.PROSUMER, Role.RETAILER)
"""Who may hand in an end: its account and its retailer too, whom a registrar that does not record it can't hold."""

READERS = (Role.REGISTRAR, Role.AUDITOR)
"""Who may read the lists of the registry: they name persons, so the operator may not."""

TARIFF_READERS = (*READERS, Role.OPERATOR, Role.RETAILER, Role.PROSUMER, Role.ATTESTER)

VERSIONED = (TEXT, INT32)
"""What versions of terms are ordered by."""

_Noun = TypeVar("_Noun")

router = APIRouter(prefix=API_PREFIX, tags=["registrar"])


def _contracts(services: Services) -> set[str]:
    """The contracts of the deployment, none of which can sign or receive, as 0x hex."""
    return {to_hex(address) for address in services.deployment.addresses.values()}


@router.post(
    "/areas",
    **writes(
        shown.AreaBody,
        shown.AreaFact,
        failing=(
            Malformed,
            OutOfRange,
            NotCanonical,
            AlreadyRegistered,
            NotAgreed,
            NameAlike,
            AddressOfContract,
            BadGrid,
            GridUnsolvable,
        ),
    ),
)
async def define_area(request: Request, who: Annotated[Principal, allow(Role.REGISTRAR)]) -> Response:
    """Define a grid area with its grid model and attesters."""
    services = services_of(request)

    def work(body: shown.AreaBody) -> Created:
        fields = body.model_dump(exclude={"attesters"})
        attesters = tuple(Attester(**item.model_dump()) for item in body.attesters)
        fields["grid_model"] = JsonDocument(body.grid_model)
        area = Area(**fields, grid_model_hash=hash_json(body.grid_model), attesters=attesters)
        for attester in attesters:
            check_no_contract(field="attester", address=attester.address, contracts=_contracts(services))
        services.agreed_areas.check_area(area)
        prepared = PreparedArea.of(area)
        with services.record.begin() as tx:
            entry = operations.define_area(tx, prepared=prepared)
        return created(entry, shown.AreaFact)

    return await write(request, who=who, shape=shown.AreaBody, work=work, limit_bytes=AREA_BODY_BYTES_MAX)


@router.post(
    "/markets",
    **writes(
        shown.MarketBody,
        shown.MarketFact,
        failing=(Malformed, OutOfRange, NotRegistered, GatesTooClose, AlreadyRegistered, NameAlike),
    ),
)
async def define_market(request: Request, who: Annotated[Principal, allow(Role.REGISTRAR)]) -> Response:
    """Define a market of an area."""
    services = services_of(request)

    def work(body: shown.MarketBody) -> Created:
        market = Market(**body.model_dump() | {"kind": MarketKind(body.kind)})
        with services.record.begin() as tx:
            return created(operations.define_market(tx, market=market), shown.MarketFact)

    return await write(request, who=who, shape=shown.MarketBody, work=work)


@router.post(
    "/tariffs",
    **writes(
        shown.TariffBody,
        shown.TariffFact,
        failing=(
            Malformed,
            OutOfRange,
            BadSignature,
            TermNotSigned,
            TariffUnsafe,
            AlreadyBegun,
            VersionOutOfOrder,
            NoticeMissing,
            AlreadyRegistered,
            NameAlike,
        ),
    ),
)
async def publish_tariff(request: Request, who: Annotated[Principal, allow(Role.REGISTRAR)]) -> Response:
    """Publish the next version of a tariff; versions already in force never change."""
    services = services_of(request)

    def work(body: shown.TariffBody) -> Created:
        signed = services.term_signing.check(_noun(Tariff, body))
        with services.record.begin() as tx:
            entry = operations.publish_tariff(tx, signed=signed, now=services.clock.now())
        return receipted(entry, shown.TariffFact, services)

    return await write(request, who=who, shape=shown.TariffBody, work=work)


@router.post(
    "/agreements",
    **writes(
        shown.AgreementBody,
        shown.AgreementFact,
        failing=(
            Malformed,
            OutOfRange,
            NotRegistered,
            WrongParty,
            NoAgreement,
            AlreadyBegun,
            VersionOutOfOrder,
            TermOver,
            BadSignature,
            TermNotSigned,
            AlreadyRegistered,
            NameAlike,
        ),
    ),
)
async def sign_agreement(request: Request, who: Annotated[Principal, allow(Role.REGISTRAR)]) -> Response:
    """Record the next version of an agreement between a household and a retailer."""
    services = services_of(request)

    def work(body: shown.AgreementBody) -> Created:
        signed = services.term_signing.check(_noun(Agreement, body))
        with services.record.begin() as tx:
            entry = operations.sign_agreement(tx, signed=signed, now=services.clock.now())
        return receipted(entry, shown.AgreementFact, services)

    return await write(request, who=who, shape=shown.AgreementBody, work=work)


@router.post(
    "/participants",
    **writes(
        shown.ParticipantBody,
        shown.ParticipantFact,
        failing=(
            Malformed,
            OutOfRange,
            NotRegistered,
            NotAgreed,
            AlreadyBegun,
            AlreadyRegistered,
            NameAlike,
            AddressOfContract,
            BadSignature,
            TermNotSigned,
        ),
    ),
)
async def register_participant(request: Request, who: Annotated[Principal, allow(Role.REGISTRAR)]) -> Response:
    """Register a party with its settlement account, which signed it, and a household's point, as the DSO signed it."""
    services = services_of(request)

    def work(body: shown.ParticipantBody) -> Created:
        participant = _noun(Participant, body, kind=parties.ParticipantKind(body.kind))
        check_no_contract(field="account", address=participant.account, contracts=_contracts(services))
        services.agreed_areas.check_participant(participant)
        services.term_signing.check(participant)
        with services.record.begin() as tx:
            taken, now = services.directory.organisation_accounts, services.clock.now()
            entry = operations.register_participant(tx, participant=participant, organisations=taken, now=now)
        return receipted(entry, shown.ParticipantFact, services)

    return await write(request, who=who, shape=shown.ParticipantBody, work=work)


@router.post(
    "/meters",
    **writes(
        shown.MeterBody,
        shown.MeterFact,
        failing=(
            Malformed,
            OutOfRange,
            NotRegistered,
            NoAgreement,
            AlreadyBegun,
            TermOver,
            AlreadyRegistered,
            NameAlike,
            BadSignature,
            TermNotSigned,
        ),
    ),
)
async def register_meter(request: Request, who: Annotated[Principal, allow(Role.REGISTRAR)]) -> Response:
    """Register a meter, or a meter's next key, as the area's DSO signed it."""
    services = services_of(request)

    def work(body: shown.MeterBody) -> Created:
        meter = _noun(Meter, body, public_key=from_hex(body.public_key))
        services.term_signing.check(meter)
        with services.record.begin() as tx:
            entry = operations.register_meter(tx, meter=meter, now=services.clock.now())
        return receipted(entry, shown.MeterFact, services)

    return await write(request, who=who, shape=shown.MeterBody, work=work)


@router.post(
    "/ends",
    **writes(
        shown.TermEndBody,
        shown.TermEndFact,
        failing=(
            Malformed,
            OutOfRange,
            NotRegistered,
            WrongParty,
            EndsTooSoon,
            NotYours,
            AlreadyRegistered,
            BadSignature,
            TermNotSigned,
        ),
    ),
)
async def end_term(request: Request, who: Annotated[Principal, allow(*ENDERS)]) -> Response:
    """End an agreement, a household's part at its point, or a meter, as its parties signed; with notice where the
    account did not sign."""
    services = services_of(request)

    def work(body: shown.TermEndBody) -> Created:
        if who.role is not Role.REGISTRAR and who.account not in (body.account, body.retailer):
            raise NotYours(what="end of a term")
        signed = services.term_signing.check(_noun(TermEnd, body, term=EndedTerm(body.term)))
        with services.record.begin() as tx:
            entry = operations.end_term(tx, signed=signed, now=services.clock.now())
        return receipted(entry, shown.TermEndFact, services)

    return await write(request, who=who, shape=shown.TermEndBody, work=work)


@router.get("/participants", **lists(shown.RegisteredParticipant))
def list_participants(
    request: Request,
    page: Annotated[Paging, Depends(paging)],
    when: InTime,
    _: Annotated[Principal, allow(*READERS, before=Disclosure("registry.participants", area_asked))],
    area: AreaFilter = None,
) -> Response:
    """Registered parties, by id; the filter by time is for when they were registered."""
    with services_of(request).record.read() as connection:
        within = recorded_in(connection, when)
        found = listed.participants(connection, area=area, within=within, part=page.part((TEXT,)))
    return page_answer(request, page=page, items=found, key=lambda one: (one.item.participant,), shape=_participant)


@router.get("/participants/{participant:path}", **reads(shown.RegisteredParticipant, failing=(NoSuchThing,)))
def one_participant(
    request: Request,
    participant: CodeName,
    _: Annotated[Principal, allow(*READERS, before=Disclosure("registry.participants", everywhere))],
) -> Response:
    """One party, by its id."""
    with services_of(request).record.read() as connection:
        found = listed.participants(connection, part=only(participant))
    return model_answer(_participant(the_one(found, "participant")))


@router.get("/meters", **lists(shown.Meter))
def list_meters(
    request: Request,
    page: Annotated[Paging, Depends(paging)],
    when: InTime,
    _: Annotated[Principal, allow(*READERS, before=Disclosure("registry.meters", area_asked))],
    area: AreaFilter = None,
) -> Response:
    """Registered meters and their keys; the filter by time is for when a key begins."""
    with services_of(request).record.read() as connection:
        found = listed.meters(connection, area=area, begins=when, part=page.part((TEXT, UINT32)))
    return page_answer(request, page=page, items=found, key=lambda one: (one.meter, one.valid_from_mtu), shape=_meter)


@router.get("/meters/{meter:path}/{valid_from_mtu}", **reads(shown.Meter, failing=(NoSuchThing,)))
def one_meter(
    request: Request,
    meter: CodeName,
    valid_from_mtu: MtuNumber,
    _: Annotated[Principal, allow(*READERS, before=Disclosure("registry.meters", everywhere))],
) -> Response:
    """One key of a meter, by the MTU it begins with."""
    with services_of(request).record.read() as connection:
        found = listed.meters(connection, part=only(meter, valid_from_mtu))
    return model_answer(_meter(the_one(found, "meter key")))


@router.get("/agreements", **lists(shown.Agreement))
def list_agreements(
    request: Request,
    page: Annotated[Paging, Depends(paging)],
    when: InTime,
    _: Annotated[Principal, allow(*READERS, before=Disclosure("registry.agreements", everywhere))],
) -> Response:
    """Agreements, all versions; the filter by time is for when a version begins."""
    with services_of(request).record.read() as connection:
        found = listed.agreements(connection, begins=when, part=page.part(VERSIONED))
    return page_answer(request, page=page, items=found, key=lambda one: (one.agreement, one.version), shape=_agreement)


@router.get("/agreements/{agreement:path}/{version}", **reads(shown.Agreement, failing=(NoSuchThing,)))
def one_agreement(
    request: Request,
    agreement: CodeName,
    version: VersionNumber,
    _: Annotated[Principal, allow(*READERS, before=Disclosure("registry.agreements", everywhere))],
) -> Response:
    """One version of an agreement."""
    with services_of(request).record.read() as connection:
        found = listed.agreements(connection, part=only(agreement, version))
    return model_answer(_agreement(the_one(found, "version of an agreement")))


@router.get("/ends", **lists(shown.TermEnd))
def list_ends(
    request: Request,
    page: Annotated[Paging, Depends(paging)],
    when: InTime,
    _: Annotated[Principal, allow(*READERS, before=Disclosure("registry.ends", area_asked))],
    area: AreaFilter = None,
) -> Response:
    """Ends of terms; the filter by time is for when a term ends."""
    with services_of(request).record.read() as connection:
        found = listed.ends(connection, area=area, begins=when, part=page.part((TEXT, TEXT)))
    return page_answer(request, page=page, items=found, key=lambda one: (one.term, one.name), shape=_end)


@router.get("/ends/{term}/{name:path}", **reads(shown.TermEnd, failing=(NoSuchThing,)))
def one_end(
    request: Request,
    term: EndedTermName,
    name: CodeName,
    _: Annotated[Principal, allow(*READERS, before=Disclosure("registry.ends", everywhere))],
) -> Response:
    """The end of one term."""
    with services_of(request).record.read() as connection:
        found = listed.ends(connection, part=only(term, name))
    return model_answer(_end(the_one(found, "end of a term")))


@router.get("/tariffs", **lists(shown.Tariff))
def list_tariffs(
    request: Request,
    page: Annotated[Paging, Depends(paging)],
    when: InTime,
    _: Annotated[Principal, allow(*TARIFF_READERS)],
) -> Response:
    """Tariffs, all versions: published prices, so every party may read them; by time of when a version begins."""
    with services_of(request).record.read() as connection:
        found = listed.tariffs(connection, begins=when, part=page.part(VERSIONED))
    return page_answer(request, page=page, items=found, key=lambda one: (one.tariff, one.version), shape=_tariff)


@router.get("/tariffs/{tariff:path}/{version}", **reads(shown.Tariff, failing=(NoSuchThing,)))
def one_tariff(
    request: Request, tariff: CodeName, version: VersionNumber, _: Annotated[Principal, allow(*TARIFF_READERS)]
) -> Response:
    """One version of a tariff."""
    with services_of(request).record.read() as connection:
        found = listed.tariffs(connection, part=only(tariff, version))
    return model_answer(_tariff(the_one(found, "version of a tariff")))


def _noun(noun: type[_Noun], body: BaseModel, /, **read: Any) -> _Noun:
    """A term as its body says it: signatures as bytes, and members that were read before."""
    members = body.model_dump()
    signatures = {name: from_hex(text) for name, text in members.items() if name.endswith("_signature") and text}
    return noun(**members | signatures | read)


def _participant(one: Recorded[Participant]) -> shown.RegisteredParticipant:
    return shown.RegisteredParticipant(**noun_json(one.item), recorded_at=one.recorded_at)


def _meter(one: Meter) -> shown.Meter:
    return shown.Meter(**noun_json(one))


def _agreement(one: Agreement) -> shown.Agreement:
    return shown.Agreement(**noun_json(one))


def _end(one: TermEnd) -> shown.TermEnd:
    return shown.TermEnd(**noun_json(one))


def _tariff(one: Tariff) -> shown.Tariff:
    return shown.Tariff(**noun_json(one))
