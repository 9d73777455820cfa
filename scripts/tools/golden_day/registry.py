"""Who takes part in the golden day: area with its grid, market, parties, meters, keys and the terms they signed."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from domain.areas import Area, Attester
from domain.eip712 import GUARANTEE, KEY_REGISTRATION, Shape
from domain.facts import (
    AgreementSigned,
    AreaDefined,
    Fact,
    GuaranteeGiven,
    KeyRegistered,
    MarketDefined,
    MeterRegistered,
    ParticipantRegistered,
    PeriodDeclared,
    PolicyPublished,
    TariffPublished,
    TermEnded,
)
from domain.hashing import ZERO_HASH, from_hex, text_id, to_hex
from domain.markets import Market
from domain.members import JsonDocument
from domain.parties import Guarantee, Meter, OrderKey, Participant, ParticipantKind
from domain.periods import Period
from domain.policies import SigningPolicy, policy_at
from domain.signed_terms import UNSIGNED, Term, parts_of, signed_by
from domain.signing import recover
from domain.terms import Agreement, EndedTerm, Tariff, TermEnd
from grid.model import Bus, GridModel, Line, Point, Transformer
from scripts.tools.golden_day.people import (
    AREA,
    ATTESTERS,
    COUNT,
    FIRST,
    HOUSEHOLDS,
    LEAVES,
    LEFT,
    MARKET,
    THRESHOLD,
    ZONE,
    address,
    domain_of,
    key_of,
    meter_key,
)

CONNECTION_W = 30_000
CREDIT_NEUR = 10**13
DEADLINE = 2**37
VALID_FROM_MTU = FIRST - 200
"""From when terms, keys and meters are valid: before the readings of the day before."""

POLICY_VERSIONS = ((1, VALID_FROM_MTU, 1_000), (2, FIRST + 1, 950))
"""Versions of the DSO's signing policy: number, first MTU, and the loading up to which it signs. The second one begins
within the day, after the first MTU of its sessions."""

GRID = GridModel(
    code="golden street",
    source_bus="mv",
    source_micro_pu=1_000_000,
    buses=(Bus("mv", 20_000), Bus("near", 400), Bus("roof", 400), Bus("far", 400), Bus("shop", 400)),
    lines=(
        Line("to roof", "near", "roof", 20_000_000, 8_000_000, 25_000, 20_000),
        Line("to far", "near", "far", 20_000_000, 8_000_000, 25_000, 200_000),
        Line("to shop", "near", "shop", 20_000_000, 8_000_000, 25_000, 30_000),
    ),
    transformers=(Transformer("trafo", "mv", "near", 20_000, 400, 250_000, 60_000, 2_500_000, 3_000, 200_000, 5),),
    points=tuple(
        Point(code, bus, CONNECTION_W, CONNECTION_W)
        for code, bus in (("p1", "roof"), ("p2", "far"), ("p3", "far"), ("p4", "shop"))
    ),
)
"""A transformer and three cables: p1's bears 20 A, p4's 30 A."""


@dataclass(frozen=True)
class Registered:
    """All that is registered before the first order, each kind in order of registration."""

    area: Area
    market: Market
    period: Period
    tariffs: tuple[Tariff, ...]
    parties: tuple[Participant, ...]
    meters: tuple[Meter, ...]
    keys: tuple[OrderKey, ...]
    agreements: tuple[Agreement, ...]
    guarantees: tuple[Guarantee, ...]
    policies: tuple[SigningPolicy, ...]
    ends: tuple[TermEnd, ...]

    @property
    def policy_hash(self) -> bytes | None:
        """Of the signing policy in force at the day's first MTU, with which all its sessions begin."""
        policy = policy_at(self.policies, FIRST)
        return None if policy is None else policy.policy_hash

    def facts(self) -> Iterator[Fact]:
        """The facts in the order of the journal."""
        yield AreaDefined(self.area)
        yield MarketDefined(self.market)
        yield from self.terms
        period = self.period
        yield PeriodDeclared(period.area, period.number, period.first_mtu, period.count)

    @cached_property
    def terms(self) -> tuple[Fact, ...]:
        """The facts of what parties signed."""
        return (
            *map(TariffPublished, self.tariffs),
            *map(ParticipantRegistered, self.parties),
            *map(MeterRegistered, self.meters),
            *map(KeyRegistered, self.keys),
            *map(AgreementSigned, self.agreements),
            *map(GuaranteeGiven, self.guarantees),
            *map(PolicyPublished, self.policies),
            *map(TermEnded, self.ends),
        )


def registered() -> Registered:
    """The registry of the day."""
    return Registered(
        area=_area(),
        market=_market(),
        period=Period(area=AREA, number=1, first_mtu=FIRST, count=COUNT),
        tariffs=(_tariff(),),
        parties=tuple(_parties()),
        meters=tuple(_meter(point) for point in HOUSEHOLDS.values()),
        keys=tuple(_order_key(name, point) for name, point in [*HOUSEHOLDS.items(), ("retail", None)]),
        agreements=tuple(map(_agreement, HOUSEHOLDS)),
        guarantees=tuple(map(_guarantee, HOUSEHOLDS)),
        policies=tuple(_policy(*version) for version in POLICY_VERSIONS),
        ends=tuple(_ends()),
    )


def _area() -> Area:
    return Area(
        area=AREA,
        zone=ZONE,
        attest_seconds=3_600,
        horizon_seconds=172_800,
        challenge_seconds=3_600,
        grid_model=JsonDocument(json.loads(GRID.to_json())),
        grid_model_hash=GRID.grid_model_hash,
        attesters=tuple(Attester(name, address(name), f"org {name}") for name in ATTESTERS),
        threshold=THRESHOLD,
    )


def _market() -> Market:
    return Market(
        market=MARKET,
        area=AREA,
        lot_wh=10,
        tick_neur_per_wh=1_000,
        min_limit_neur_per_wh=-500_000,
        max_limit_neur_per_wh=1_000_000,
        grace_seconds=600,
        sign_seconds=7_200,
        clear_seconds=14_400,
        gate_local="12:00",
        later_gates_local=("18:00",),
    )


def _sign(term: Any, **signers: str) -> Any:
    return signed_by(term, {party: key_of(name) for party, name in signers.items()}, domain=domain_of("Settlement"))


def _tariff() -> Tariff:
    tariff = Tariff(
        tariff="basic",
        version=1,
        area=AREA,
        retailer=address("retail"),
        valid_from_mtu=VALID_FROM_MTU,
        supply_neur_per_wh=300_000,
        feed_in_neur_per_wh=80_000,
        imbalance_surplus_neur_per_wh=50_000,
        imbalance_shortfall_neur_per_wh=350_001,
        excess_neur_per_wh=400_000,
        grid_fee_neur_per_wh=90_000,
        grid_fee_local_neur_per_wh=30_000,
        levy_neur_per_wh=20_503,
        compensation_neur_per_wh=60_000,
        vat_bp=1_900,
        retailer_signature=UNSIGNED,
        dso_signature=UNSIGNED,
        registrar_signature=UNSIGNED,
    )
    signed: Tariff = _sign(tariff, retailer="retail", dso="dso", registrar="registrar")
    return signed


def _parties() -> Iterator[Participant]:
    for name, point in HOUSEHOLDS.items():
        yield _participant(name, ParticipantKind.HOUSEHOLD, point, CONNECTION_W)
    for name, kind in (
        ("retail", ParticipantKind.RETAILER),
        ("net", ParticipantKind.DSO),
        ("tax", ParticipantKind.TAX),
    ):
        yield _participant(name, kind, None, 0)


def _participant(name: str, kind: ParticipantKind, point: str | None, watts: int) -> Participant:
    unsigned = Participant(
        participant=name,
        kind=kind,
        area=AREA,
        account=address(name),
        point=point,
        connection_import_w=watts,
        connection_export_w=watts,
        valid_from_mtu=VALID_FROM_MTU,
        account_signature=UNSIGNED,
        dso_signature=UNSIGNED,
    )
    signed: Participant = _sign(unsigned, account=name, dso="dso")
    return signed


def _meter(point: str) -> Meter:
    code = f"meter-{point}"
    unsigned = Meter(code, point, bytes(meter_key(code).verify_key), AREA, VALID_FROM_MTU, UNSIGNED)
    signed: Meter = _sign(unsigned, dso="dso")
    return signed


def _order_key(name: str, point: str | None) -> OrderKey:
    unsigned = OrderKey(address(name), address(f"{name}-device"), point, VALID_FROM_MTU, UNSIGNED)
    signature = key_of(name).sign(domain_of("Settlement").digest(KEY_REGISTRATION, _key_values(unsigned)))
    return OrderKey(unsigned.account, unsigned.order_key, point, VALID_FROM_MTU, signature)


def _key_values(key: OrderKey) -> dict[str, Any]:
    return {
        "account": key.account,
        "orderKey": key.order_key,
        "point": ZERO_HASH if key.point is None else text_id(key.point),
        "validFromMtu": key.valid_from_mtu,
    }


def _agreement(name: str) -> Agreement:
    unsigned = Agreement(
        f"supply {name}", 1, address(name), address("retail"), "basic", VALID_FROM_MTU, UNSIGNED, UNSIGNED
    )
    signed: Agreement = _sign(unsigned, account=name, retailer="retail")
    return signed


def _policy(version: int, valid_from_mtu: int, loading_highest_permille: int) -> SigningPolicy:
    unsigned = SigningPolicy(
        area=AREA,
        version=version,
        valid_from_mtu=valid_from_mtu,
        markets=(MARKET,),
        count_most=96,
        given_up_most=1,
        fallbacks_most=0,
        voltage_lowest_micro_pu=900_000,
        voltage_highest_micro_pu=1_100_000,
        loading_highest_permille=loading_highest_permille,
        capped_points_most=4,
        capped_import_wh_most=10_000,
        capped_export_wh_most=10_000,
        rounds_most=8,
        ties_rules=(1,),
        forecast_rules=(1,),
        dso_signature=UNSIGNED,
    )
    signed: SigningPolicy = _sign(unsigned, dso="dso")
    return signed


def _ends() -> Iterator[TermEnd]:
    """A household moves out: its supply, its part, and its meter end, each signed by another set of those who may."""
    account, retailer = address(LEAVES), address("retail")
    supply = TermEnd(EndedTerm.AGREEMENT, f"supply {LEAVES}", AREA, account, retailer, LEFT, UNSIGNED, UNSIGNED, None)
    part = TermEnd(EndedTerm.PARTICIPATION, LEAVES, AREA, account, None, LEFT, UNSIGNED, None, None)
    meter = TermEnd(EndedTerm.METER, f"meter-{HOUSEHOLDS[LEAVES]}", AREA, None, None, LEFT, None, None, UNSIGNED)
    yield _sign(supply, account=LEAVES, retailer="retail")
    yield _sign(part, account=LEAVES)
    yield _sign(meter, dso="dso")


def _guarantee(name: str) -> Guarantee:
    terms: tuple[str, str, int, int, int] = (address("retail"), address(name), CREDIT_NEUR, 1, DEADLINE)
    digest = domain_of("Guarantees").digest(GUARANTEE, _guarantee_values(Guarantee(*terms, UNSIGNED)))
    return Guarantee(*terms, key_of("retail").sign(digest), key_of(name).sign(digest))


def _guarantee_values(given: Guarantee) -> dict[str, Any]:
    return {
        "guarantor": given.guarantor,
        "account": given.account,
        "creditNeur": given.credit_neur,
        "nonce": given.nonce,
        "deadline": given.deadline,
    }


# ---- values


def terms_values(registry: Registered) -> dict[str, Any]:
    """Ids, the grid model's hash, and of each signature under a term what it is over and whose it is."""
    return {
        "area_id": to_hex(text_id(registry.area.area)),
        "market_id": to_hex(text_id(registry.market.market)),
        "point_ids": {point: to_hex(text_id(point)) for point in HOUSEHOLDS.values()},
        "meter_ids": {meter.meter: to_hex(text_id(meter.meter)) for meter in registry.meters},
        "domain_separators": {
            name: to_hex(domain_of(name).separator) for name in ("Guarantees", "Market", "Readings", "Settlement")
        },
        "grid_model_hash": to_hex(registry.area.grid_model_hash),
        "policy_hashes": [to_hex(policy.policy_hash) for policy in registry.policies],
        "signatures": [row for fact in registry.terms for row in _signatures(fact)],
    }


def _signatures(fact: Fact) -> Iterator[dict[str, str]]:
    match fact:
        case KeyRegistered(order_key=key):
            yield _signature(fact, KEY_REGISTRATION, _key_values(key), "signature", key.signature)
        case GuaranteeGiven(guarantee=given):
            for member in ("signature", "account_signature"):
                yield _signature(fact, GUARANTEE, _guarantee_values(given), member, getattr(given, member))
        case TariffPublished(tariff=term) | AgreementSigned(agreement=term):
            yield from _parts(fact, term)
        case ParticipantRegistered(participant=term) | MeterRegistered(meter=term):
            yield from _parts(fact, term)
        case PolicyPublished(policy=term) | TermEnded(end=term):
            yield from _parts(fact, term)


def _parts(fact: Fact, term: Term) -> Iterator[dict[str, str]]:
    for part in parts_of(term):
        yield _signature(fact, part.shape, dict(part.values), f"{part.party}_signature", part.signature)


def _signature(fact: Fact, shape: Shape, values: dict[str, Any], member: str, signature: bytes) -> dict[str, str]:
    digest = domain_of("Guarantees" if shape is GUARANTEE else "Settlement").digest(shape, values)
    return {
        "kind": fact.KIND,
        "member": member,
        "shape": shape.name,
        "digest": to_hex(digest),
        "signer": to_hex(recover(digest, signature)),
    }


def account_of(name: str) -> bytes:
    """A party's account."""
    return from_hex(address(name))
