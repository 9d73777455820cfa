"""The registrar: areas, markets, participants, meters, agreements and tariffs. Ids are the natural keys of repeats."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import APIRouter, Depends, Request
from pydantic import Field
from starlette.responses import Response

from domain import parties
from domain.areas import Area, Attester
from domain.errors import OutOfRange
from domain.hashing import NotCanonical, from_hex, hash_json
from domain.markets import Market, MarketKind
from domain.members import JsonDocument, noun_json
from domain.parties import Meter, Participant
from domain.terms import Agreement, Tariff
from edge.answers import Paging, number_key, page_answer, paging
from edge.models import Body
from edge.policy import allow
from edge.writes import Created, write
from grid.checks import BadGrid
from grid.powerflow import GridUnsolvable
from ledger_service.access.directory import Principal
from ledger_service.access.roles import Role
from ledger_service.record import Entry
from ledger_service.registry import operations, queries
from ledger_service.registry.errors import (
    AlreadyBegun,
    AlreadyRegistered,
    GatesTooClose,
    Malformed,
    NoAgreement,
    NotRegistered,
    VersionOutOfOrder,
    WrongParty,
)
from ledger_service.registry.grids import solvable_grid
from wallet_api import fields
from wallet_api.declaring import lists, writes
from wallet_api.disclosure import Disclosure, area_asked, everywhere
from wallet_api.fields import (
    Address,
    AreaFilter,
    BasisPoints,
    Bytes32,
    Code,
    GateLocal,
    LotWh,
    Mtu,
    NeurPerWh,
    ParticipantKind,
    PositiveInt,
    Seconds,
    TickNeurPerWh,
    Version,
    Watt,
)
from wallet_api.schemas import registry as shown
from wallet_api.services import API_PREFIX, services_of

AREA_BODY_BYTES_MAX = 8_388_608
"""An area carries its grid model: a large low-voltage grid is about 1 MiB of JSON."""

READERS = (Role.REGISTRAR, Role.AUDITOR)
"""Who may read the lists of the registry: they name persons, so the operator may not."""

router = APIRouter(prefix=API_PREFIX, tags=["registrar"])


class AttesterBody(Body):
    """One attester of an area: its name in topics, signing address, organisation."""

    name: Code
    address: Address
    organisation: Code


class AreaBody(Body):
    """A grid area. Deadlines in seconds of market time; the grid model's numbers are whole."""

    area: Code
    zone: Code
    attest_seconds: Seconds
    horizon_seconds: Seconds
    challenge_seconds: Seconds
    grid_model: dict[str, Any] = Field(
        description="Buses, lines, transformers and connection points; whole numbers only (docs/protocol.md)"
    )
    attesters: list[AttesterBody]
    threshold: PositiveInt = Field(description="How many attesters of distinct organisations must agree")


class MarketBody(Body):
    """A market of an area. Lot in Wh, prices in nEUR/Wh, `gate_local` "HH:MM" on the day before delivery.

    Its code is the area's and a name of its own; gates of an area's markets lie further apart than the earlier one's
    time to clear.
    """

    market: Code
    area: Code
    lot_wh: LotWh
    tick_neur_per_wh: TickNeurPerWh
    min_limit_neur_per_wh: NeurPerWh
    max_limit_neur_per_wh: NeurPerWh
    grace_seconds: Seconds
    sign_seconds: Seconds
    clear_seconds: Seconds
    gate_local: GateLocal
    kind: fields.MarketKind = "auction"


class TariffBody(Body):
    """One version of a tariff, prices in nEUR/Wh, VAT in basis points, valid from an MTU on."""

    tariff: Code
    version: Version
    valid_from_mtu: Mtu
    supply_neur_per_wh: NeurPerWh
    feed_in_neur_per_wh: NeurPerWh
    imbalance_surplus_neur_per_wh: NeurPerWh
    imbalance_shortfall_neur_per_wh: NeurPerWh
    excess_neur_per_wh: NeurPerWh
    grid_fee_neur_per_wh: NeurPerWh
    grid_fee_local_neur_per_wh: NeurPerWh
    levy_neur_per_wh: NeurPerWh
    compensation_neur_per_wh: NeurPerWh
    vat_bp: BasisPoints


class AgreementBody(Body):
    """One version of a household's agreement with its retailer, under a tariff, from an MTU on."""

    agreement: Code
    version: Version
    account: Address
    retailer: Address
    tariff: Code
    valid_from_mtu: Mtu


class ParticipantBody(Body):
    """A party: kind household, retailer, dso or tax; a household has a point; connection powers in W."""

    participant: Code
    kind: ParticipantKind
    area: Code
    account: Address
    point: Code | None = None
    connection_import_w: Watt = 0
    connection_export_w: Watt = 0


class MeterBody(Body):
    """A meter at a point with its Ed25519 public key, from an MTU on."""

    meter: Code
    point: Code
    public_key: Bytes32
    area: Code
    valid_from_mtu: Mtu


def created(entry: Entry) -> Created:
    """What is answered for a fact of the registry: its content and its place in the journal."""
    return Created({"sequence": entry.sequence, **entry.content()}, repeated=entry.repeated)


@router.post(
    "/areas",
    **writes(
        AreaBody,
        shown.AreaFact,
        failing=(Malformed, OutOfRange, NotCanonical, AlreadyRegistered, BadGrid, GridUnsolvable),
    ),
)
async def define_area(request: Request, who: Annotated[Principal, allow(Role.REGISTRAR)]) -> Response:
    """Define a grid area with its grid model and attesters."""

    services = services_of(request)

    def work(body: AreaBody) -> Created:
        fields = body.model_dump(exclude={"attesters"})
        attesters = tuple(Attester(**item.model_dump()) for item in body.attesters)
        fields["grid_model"] = JsonDocument(body.grid_model)
        area = Area(**fields, grid_model_hash=hash_json(body.grid_model), attesters=attesters)
        power_flow = solvable_grid(body.grid_model)
        with services.record.begin() as tx:
            entry = operations.define_area(tx, area=area, power_flow=power_flow)
        rules = {name: value for name, value in entry.content().items() if name != "grid_model"}
        return Created({"sequence": entry.sequence, **rules}, repeated=entry.repeated)

    return await write(request, who=who, shape=AreaBody, work=work, limit_bytes=AREA_BODY_BYTES_MAX)


@router.post(
    "/markets",
    **writes(
        MarketBody, shown.MarketFact, failing=(Malformed, OutOfRange, NotRegistered, GatesTooClose, AlreadyRegistered)
    ),
)
async def define_market(request: Request, who: Annotated[Principal, allow(Role.REGISTRAR)]) -> Response:
    """Define a market of an area."""

    services = services_of(request)

    def work(body: MarketBody) -> Created:
        market = Market(**body.model_dump() | {"kind": MarketKind(body.kind)})
        with services.record.begin() as tx:
            return created(operations.define_market(tx, market=market))

    return await write(request, who=who, shape=MarketBody, work=work)


@router.post(
    "/tariffs",
    **writes(
        TariffBody,
        shown.TariffFact,
        failing=(Malformed, OutOfRange, AlreadyBegun, VersionOutOfOrder, AlreadyRegistered),
    ),
)
async def publish_tariff(request: Request, who: Annotated[Principal, allow(Role.REGISTRAR)]) -> Response:
    """Publish the next version of a tariff; versions already in force never change."""

    services = services_of(request)

    def work(body: TariffBody) -> Created:
        with services.record.begin() as tx:
            return created(operations.publish_tariff(tx, tariff=Tariff(**body.model_dump()), now=services.clock.now()))

    return await write(request, who=who, shape=TariffBody, work=work)


@router.post(
    "/agreements",
    **writes(
        AgreementBody,
        shown.AgreementFact,
        failing=(
            Malformed,
            OutOfRange,
            NotRegistered,
            WrongParty,
            NoAgreement,
            AlreadyBegun,
            VersionOutOfOrder,
            AlreadyRegistered,
            GatesTooClose,
        ),
    ),
)
async def sign_agreement(request: Request, who: Annotated[Principal, allow(Role.REGISTRAR)]) -> Response:
    """Record the next version of an agreement between a household and a retailer."""

    services = services_of(request)

    def work(body: AgreementBody) -> Created:
        with services.record.begin() as tx:
            agreement = Agreement(**body.model_dump())
            return created(operations.sign_agreement(tx, agreement=agreement, now=services.clock.now()))

    return await write(request, who=who, shape=AgreementBody, work=work)


@router.post(
    "/participants",
    **writes(
        ParticipantBody,
        shown.ParticipantFact,
        failing=(Malformed, OutOfRange, NotRegistered, AlreadyRegistered, WrongParty),
    ),
)
async def register_participant(request: Request, who: Annotated[Principal, allow(Role.REGISTRAR)]) -> Response:
    """Register a party with its settlement account and, for a household, its connection point."""

    services = services_of(request)

    def work(body: ParticipantBody) -> Created:
        fields = body.model_dump(exclude={"kind"})
        with services.record.begin() as tx:
            participant = Participant(**fields, kind=parties.ParticipantKind(body.kind))
            taken = services.directory.organisation_accounts
            return created(operations.register_participant(tx, participant=participant, organisations=taken))

    return await write(request, who=who, shape=ParticipantBody, work=work)


@router.post(
    "/meters",
    **writes(
        MeterBody,
        shown.MeterFact,
        failing=(Malformed, OutOfRange, NotRegistered, NoAgreement, AlreadyBegun, AlreadyRegistered),
    ),
)
async def register_meter(request: Request, who: Annotated[Principal, allow(Role.REGISTRAR)]) -> Response:
    """Register a meter, or a meter's next key."""

    services = services_of(request)

    def work(body: MeterBody) -> Created:
        meter = Meter(**body.model_dump(exclude={"public_key"}), public_key=from_hex(body.public_key))
        with services.record.begin() as tx:
            return created(operations.register_meter(tx, meter=meter, now=services.clock.now()))

    return await write(request, who=who, shape=MeterBody, work=work)


@router.get("/participants", **lists(shown.Participant))
def list_participants(
    request: Request,
    page: Annotated[Paging, Depends(paging)],
    _: Annotated[Principal, allow(*READERS, before=Disclosure("registry.participants", area_asked))],
    area: AreaFilter = None,
) -> Response:
    """Registered parties, by id."""
    with services_of(request).record.read() as connection:
        found = queries.participants(connection, area=area)
    return page_answer(request, items=found, key=lambda one: one.participant, page=page, shape=noun_json)


@router.get("/meters", **lists(shown.Meter))
def list_meters(
    request: Request,
    page: Annotated[Paging, Depends(paging)],
    _: Annotated[Principal, allow(*READERS, before=Disclosure("registry.meters", area_asked))],
    area: AreaFilter = None,
) -> Response:
    """Registered meters and their keys."""
    with services_of(request).record.read() as connection:
        found = queries.meters(connection, area=area)
    return page_answer(
        request,
        items=found,
        key=lambda one: f"{one.meter} {number_key(one.valid_from_mtu)}",
        page=page,
        shape=noun_json,
    )


@router.get("/agreements", **lists(shown.Agreement))
def list_agreements(
    request: Request,
    page: Annotated[Paging, Depends(paging)],
    _: Annotated[Principal, allow(*READERS, before=Disclosure("registry.agreements", everywhere))],
) -> Response:
    """Agreements, all versions."""
    with services_of(request).record.read() as connection:
        found = queries.agreements(connection)
    return page_answer(
        request, items=found, key=lambda one: f"{one.agreement} {number_key(one.version)}", page=page, shape=noun_json
    )


@router.get("/tariffs", **lists(shown.Tariff))
def list_tariffs(
    request: Request,
    page: Annotated[Paging, Depends(paging)],
    _: Annotated[Principal, allow(*READERS, Role.OPERATOR, Role.RETAILER, Role.PROSUMER, Role.ATTESTER)],
) -> Response:
    """Tariffs, all versions: published prices, so every party may read them."""
    with services_of(request).record.read() as connection:
        found = queries.tariff_versions(connection)
    return page_answer(
        request, items=found, key=lambda one: f"{one.tariff} {number_key(one.version)}", page=page, shape=noun_json
    )
