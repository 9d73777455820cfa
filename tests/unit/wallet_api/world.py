"""A small world to talk to over the API: a record on SQLite, one area, its parties, and a clock that the test moves."""

from __future__ import annotations

import json
import shutil
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from fastapi import FastAPI
from httpx import Response
from starlette.testclient import TestClient

from domain import parties
from domain.eip712 import AGREEMENT, ATTESTATION, MANDATE, ORDER, SETTLEMENT, SHAPES, Domain
from domain.facts import FACTS, ReadingAttested
from domain.hashing import from_hex, keccak, text_id, to_hex
from domain.members import noun_json
from domain.signed_terms import UNSIGNED, Term, signed_by
from domain.signing import SigningKey, personal_message_digest
from edge.limits import Limiter
from ledger_service.access.challenges import ChallengeBook
from ledger_service.access.directory import Directory, OrganisationKey
from ledger_service.access.roles import Role
from ledger_service.access.tokens import TokenIssuer, load_or_create_key
from ledger_service.clock import ManualClock
from ledger_service.market import views as market_views
from ledger_service.metering import views as metering_views
from ledger_service.metering.intake import AttestationIntake
from ledger_service.money import views as money_views
from ledger_service.programs import Verdicts
from ledger_service.record import Record
from ledger_service.registry import queries
from ledger_service.registry.consents import CREDIT_NEUR_MAX
from ledger_service.settlement import views as settlement_views
from ledger_service.settlement.packages import Packages
from ledger_service.trading import Backing, Intake, ReceiptSigner
from ledger_service.trading import views as trading_views
from tests.grids import document, street
from tests.journal import append_fact
from tests.terms import Makers, signed_agreement
from tests.unit.wallet_api.contract import CheckedClient
from wallet_api.app import create_app
from wallet_api.services import PublicDeployment, Services

ISSUER, AUDIENCE = "https://market.example", "https://market.example/v1"
WALL_SECONDS = 1_800_000_000
MARKET_SECONDS = 1_464_739_200  # 2016-06-01T00:00:00Z
FIRST_MTU = MARKET_SECONDS // 900 + 96
VALID_FROM_MTU = MARKET_SECONDS // 900
"""What is registered is valid from here: the MTU that has just begun when tests begin, and still to come before."""

GATE = MARKET_SECONDS + 36_000
AREA, MARKET = "DE-LV1", "DE-LV1/DA"
CHAIN_ID = 31_337
RETAILER_LINE_NEUR = 100_000 * 10**9
UNLIMITED = 10**9
"""Requests that a test may make at once."""

CONTRACTS = (
    "Roles",
    "Calendar",
    "Market",
    "Clearing",
    "Objections",
    "Readings",
    "Accounts",
    "Settlement",
    "Redemptions",
    "Guarantees",
    "Successions",
    "Handovers",
    "Anchors",
    "Registry",
)


def key_named(name: str) -> SigningKey:
    """The same key for the same name in every test."""
    return SigningKey(keccak(f"test key of {name}".encode()))


def address(name: str) -> str:
    """The 0x address of a named key."""
    return to_hex(key_named(name).address)


ORGANISATIONS = {
    "grid operator": Role.DSO,
    "attester north": Role.ATTESTER,
    "attester south": Role.ATTESTER,
    "audit office": Role.AUDITOR,
    "market operator": Role.OPERATOR,
    "house bank": Role.TREASURER,
    "registry office": Role.REGISTRAR,
    "security office": Role.SECURITY_ADMIN,
}

OTHER_AREA, OTHER_MARKET = "DE-LV2", "DE-LV2/DA"

NEIGHBOURS = {"grid operator next door": Role.DSO, "attester next door": Role.ATTESTER}
"""Organisations that are bound to the other area."""

AREA_BODY: dict[str, Any] = {
    "area": AREA,
    "zone": "Europe/Berlin",
    "attest_seconds": 3_600,
    "horizon_seconds": 86_400,
    "challenge_seconds": 3_600,
    "grid_model": document(street(f"DE-LV1-P{number}" for number in range(1, 10))),
    "attesters": [
        {"name": f"a{number}", "address": address(f"attester {side}"), "organisation": f"organisation {side}"}
        for number, side in enumerate(("north", "south", "west"), start=1)
    ],
    "threshold": 2,
}

MARKET_BODY: dict[str, Any] = {
    "market": MARKET,
    "area": AREA,
    "lot_wh": 10,
    "tick_neur_per_wh": 100,
    "min_limit_neur_per_wh": -1_000_000,
    "max_limit_neur_per_wh": 5_000_000,
    "grace_seconds": 900,
    "sign_seconds": 7_200,
    "clear_seconds": 10_800,
    "gate_local": "12:00",
}

TARIFF = {
    "imbalance_surplus_neur_per_wh": 60_000,
    "excess_neur_per_wh": 400_000,
    "grid_fee_neur_per_wh": 80_000,
    "grid_fee_local_neur_per_wh": 40_000,
    "compensation_neur_per_wh": 80_000,
}
"""What of tariffs is not as in `tests.terms`."""


TERMS_DOMAIN = Domain(chain_id=CHAIN_ID, verifying_contract=from_hex(address("contract Settlement")))
"""Where signatures of terms count."""

MARKET_DOMAIN = Domain(chain_id=CHAIN_ID, verifying_contract=from_hex(address("contract Market")))
"""Where signatures of orders and mandates count."""

DSOS = {AREA: "grid operator", OTHER_AREA: "grid operator next door"}
"""The DSO of each area."""


def household(
    name: str, point: str, *, area: str = AREA, account: str | None = None, valid_from_mtu: int = VALID_FROM_MTU
) -> dict[str, Any]:
    """A household's registration, signed by itself and by the DSO: 10 kW in, 5 kW out."""
    holder = account or name
    kind, own = parties.ParticipantKind.HOUSEHOLD, address(holder)
    unsigned = parties.Participant(name, kind, area, own, point, 10_000, 5_000, valid_from_mtu, UNSIGNED, UNSIGNED)
    return signed(unsigned, account=holder, dso=DSOS[area])


def party(name: str, kind: str, *, area: str = AREA, valid_from_mtu: int = VALID_FROM_MTU) -> dict[str, Any]:
    """A retailer's, DSO's or tax account's registration, signed by itself and by the DSO."""
    what, own = parties.ParticipantKind(kind), address(name)
    unsigned = parties.Participant(name, what, area, own, None, 0, 0, valid_from_mtu, UNSIGNED, UNSIGNED)
    return signed(unsigned, account=name, dso=DSOS[area])


def meter(code: str, point: str, public_key: str, *, area: str = AREA, valid_from_mtu: int) -> dict[str, Any]:
    """A meter's registration, signed by the DSO."""
    unsigned = parties.Meter(code, point, from_hex(public_key), area, valid_from_mtu, UNSIGNED)
    return signed(unsigned, dso=DSOS[area])


def signed(term: Term, **names: str) -> dict[str, Any]:
    """The body of a term that these named parties signed, by their parts."""
    keys = {part: key_named(name) for part, name in names.items()}
    return noun_json(signed_by(term, keys, domain=TERMS_DOMAIN))


@dataclass
class World:
    """The application and whoever talks to it."""

    services: Services
    clock: ManualClock
    app: FastAPI
    client: TestClient
    wall: list[int]
    tokens: dict[str, str] = field(default_factory=dict)

    def log_in(self, name: str) -> Response:
        """Log in with a named key, afresh."""
        asked = self.client.post("/v1/session/challenge", json={"account": address(name)}).json()
        signature = key_named(name).sign(personal_message_digest(asked["text"]))
        return self.client.post("/v1/session", json={"nonce": asked["nonce"], "signature": to_hex(signature)})

    def headers(self, name: str | None) -> dict[str, str]:
        """Headers of a named party, logged in once; none for None."""
        if name is None:
            return {}
        if name not in self.tokens:
            answer = self.log_in(name)
            assert answer.status_code == 201, answer.text
            self.tokens[name] = answer.json()["access_token"]
        return {"Authorization": f"Bearer {self.tokens[name]}"}

    def get(self, name: str | None, path: str, **params: Any) -> Response:
        """GET as a named party; `from_` is sent as `from`."""
        sent = {parameter.rstrip("_"): value for parameter, value in params.items()}
        return self.client.get(path, params=sent or None, headers=self.headers(name))

    def post(self, name: str | None, path: str, body: Any, **headers: str) -> Response:
        """POST JSON as a named party; keyword names become headers with dashes."""
        sent = {key.replace("_", "-"): value for key, value in headers.items()} | self.headers(name)
        sent["Content-Type"] = "application/json"
        return self.client.post(path, content=json.dumps(body), headers=sent)

    def post_raw(self, name: str | None, path: str, body: bytes, content_type: str = "application/json") -> Response:
        """POST bytes as a named party."""
        headers = self.headers(name) | {"Content-Type": content_type}
        return self.client.post(path, content=body, headers=headers)

    def sign(self, name: str, shape: str, values: dict[str, Any]) -> str:
        """A named party's signature over a shape."""
        domain = self.services.deployment.domain_of(SHAPES[shape])
        return to_hex(key_named(name).sign(domain.digest(SHAPES[shape], values)))

    def head(self) -> bytes:
        """The journal's head, to see whether anything was written."""
        return self.services.record.head().hash

    def fact(self, kind: str, payload: dict[str, Any], *, key: str | None = None) -> int:
        """Append a fact as another stage would, and fold it into the views of the stages; returns its sequence."""
        with self.services.record.begin() as tx:
            entry = append_fact(tx, kind, COMPLETED.get(kind, {}) | payload, key=key)
            if FACTS[kind] in market_views.FOLDED_FACTS:
                market_views.fold(tx.connection, [entry])
            if FACTS[kind] in trading_views.TRADING_FACTS:
                trading_views.fold(tx.connection, [entry])
            if FACTS[kind] in settlement_views.KINDS:
                settlement_views.fold(tx.connection, entry, now=self.clock.now())
            if FACTS[kind] in money_views.KINDS:
                money_views.fold(tx.connection, entry, now=self.clock.now())
            if kind == ReadingAttested.KIND:
                metering_views.fold_attested(tx.connection, entry.as_a(ReadingAttested), entry.sequence)
            return entry.sequence

    def populate(self) -> None:
        """Register the area, its market, tariff and parties through the API."""
        for path, body in (
            ("/v1/areas", AREA_BODY),
            ("/v1/markets", MARKET_BODY),
            *(("/v1/tariffs", self.tariff_body(f"retailer {n}")) for n in (1, 2)),
            *(("/v1/participants", household(f"household {n}", f"DE-LV1-P{n}")) for n in (1, 2)),
            *(("/v1/participants", party(f"retailer {n}", "retailer")) for n in (1, 2)),
            ("/v1/participants", party("grid account", "dso")),
            ("/v1/participants", party("tax office", "tax")),
        ):
            answer = self.post("registry office", path, body)
            assert answer.status_code == 201, answer.text
        for number in (1, 2):
            agreement = self.agreement_body(
                f"household {number}", f"retailer {number}", agreement=f"agreement {number}"
            )
            assert self.post("registry office", "/v1/agreements", agreement).status_code == 201

    def open_market(self) -> None:
        """Populate, open one day's program, register order keys and guarantees: then orders can be placed."""
        self.populate()
        self.fact("period.declared", {"area": AREA, "period": 1, "first_mtu": FIRST_MTU, "count": 96})
        program = {"market": MARKET, "area": AREA, "session": GATE, "period": 1}
        self.fact("session.opened", program | {"first_mtu": FIRST_MTU, "count": 96})
        for name, point in (("household 1", "DE-LV1-P1"), ("household 2", "DE-LV1-P2"), ("retailer 1", None)):
            assert self.post(name, "/v1/keys", self.key_body(name, point)).status_code == 201
        for number in (1, 2):
            self.pay_in(f"retailer {number}", 50 * 10**9 + RETAILER_LINE_NEUR)
            body = self.guarantee_body(f"retailer {number}", f"household {number}", credit_neur=50 * 10**9)
            assert self.post(f"retailer {number}", "/v1/guarantees", body).status_code == 201
        own = self.guarantee_body("retailer 1", "retailer 1", credit_neur=RETAILER_LINE_NEUR)
        assert self.post("retailer 1", "/v1/guarantees", own).status_code == 201

    def pay_in(self, name: str, amount_neur: int) -> None:
        """A deposit that the chain has."""
        key = f"deposit of {name}"
        args = {"account": address(name), "amountNeur": str(amount_neur), "ref": to_hex(keccak(key.encode()))}
        events = [{"contract": "Accounts", "event": "Deposited", "args": args}]
        self.fact("chain.included", {"key": key, "events": events})

    def key_body(
        self, name: str, point: str | None, *, device: str | None = None, valid_from_mtu: int = VALID_FROM_MTU
    ) -> dict[str, Any]:
        """A signed registration of a party's device key."""
        device = device or f"device of {name}"
        values = {
            "account": address(name),
            "orderKey": address(device),
            "point": bytes(32) if point is None else text_id(point),
            "validFromMtu": valid_from_mtu,
        }
        return {
            "account": address(name),
            "order_key": address(device),
            "point": point,
            "valid_from_mtu": valid_from_mtu,
            "signature": self.sign(name, "KeyRegistration", values),
        }

    def tariff_body(self, retailer: str, **members: Any) -> dict[str, Any]:
        """The first version of a retailer's tariff, signed by those who make it, unless members say otherwise."""
        dso = "grid operator" if members.get("area", AREA) == AREA else "grid operator next door"
        makers = Makers(*map(key_named, (retailer, dso, "registry office")))
        base = {"tariff": f"tariff of {retailer}", "area": AREA, "valid_from_mtu": VALID_FROM_MTU, **TARIFF}
        domain = self.services.deployment.domain_of(AGREEMENT)
        return noun_json(makers.tariff(domain=domain, **base | members))

    def agreement_body(self, account: str, retailer: str, **members: Any) -> dict[str, Any]:
        """The first version of an agreement of two named parties, signed by both, unless members say otherwise."""
        base = {"tariff": f"tariff of {retailer}", "valid_from_mtu": VALID_FROM_MTU}
        domain = self.services.deployment.domain_of(AGREEMENT)
        keys = (key_named(account), key_named(retailer))
        return noun_json(signed_agreement(*keys, domain=domain, **base | members))

    def guarantee_body(self, guarantor: str, account: str, *, credit_neur: int, nonce: int = 1) -> dict[str, Any]:
        """A signed guarantee."""
        parties = {"guarantor": address(guarantor), "account": address(account)}
        values = parties | {"creditNeur": credit_neur, "nonce": nonce, "deadline": 2**37}
        given = {"credit_neur": str(credit_neur), "nonce": nonce, "deadline": 2**37}
        agreed = {"account_signature": self.sign(account, "Guarantee", values)} if account != guarantor else {}
        return parties | given | {"signature": self.sign(guarantor, "Guarantee", values)} | agreed

    def order_body(self, name: str, signer: str | None = None, **changes: Any) -> dict[str, Any]:
        """A signed bid of a party over 100 Wh at 20 ct/kWh; changes are made before signing."""
        message = {
            "market": to_hex(text_id(MARKET)),
            "session": GATE,
            "mtu": FIRST_MTU,
            "side": 0,
            "limitPriceNeurPerWh": 200_000,
            "quantityLots": 10,
            "account": address(name),
            "orderId": "0x" + "01" * 16,
            "revision": 0,
            "salt": "0x" + "5a" * 32,
        } | changes
        return {"order": message, "signature": self.sign(signer or f"device of {name}", "Order", message)}

    def mandate_body(self, name: str, agent: str, signer: str | None = None, **changes: Any) -> dict[str, Any]:
        """A signed mandate; changes are made before signing."""
        message = mandate_message(name, agent, **changes)
        return {"mandate": message, "signature": self.sign(signer or f"device of {name}", "Mandate", message)}

    def revocation_body(self, name: str, agent: str, signer: str | None = None, **changes: Any) -> dict[str, Any]:
        """The signed end of such a mandate."""
        tag = mandate_tag(mandate_message(name, agent, **changes))
        message = {"account": address(name), "agent": address(agent), "mandate": tag}
        signature = self.sign(signer or f"device of {name}", "MandateRevocation", message)
        return {"revocation": message, "signature": signature}


def mandate_message(name: str, agent: str, **changes: Any) -> dict[str, Any]:
    """What a household lets an agent do: 500 Wh an MTU and 1 kWh on the day, at 10 to 25 ct/kWh."""
    base = {"account": address(name), "agent": address(agent), "points": [f"DE-LV1-P{name.rpartition(' ')[2]}"]}
    prices = {"highestBuyNeurPerWh": 250_000, "lowestSellNeurPerWh": 100_000}
    energies = {"mtuBuyWh": 500, "mtuSellWh": 500, "dayBuyWh": 1_000, "daySellWh": 1_000}
    span = {"zone": "Europe/Berlin", "fromMtu": FIRST_MTU, "toMtu": FIRST_MTU + 96, "nonce": 1}
    return base | {"markets": [MARKET]} | prices | energies | span | changes


def mandate_tag(message: dict[str, Any]) -> str:
    """What a mandate is known by."""
    return to_hex(MARKET_DOMAIN.digest(MANDATE, message)[:16])


COMPLETED: dict[str, dict[str, Any]] = {"chain.included": {"block": 7, "block_time": WALL_SECONDS}}
"""Members that tests of the API leave out, where nothing at all would be no answer."""


class NoMoney:
    """Balances of a market in which nothing was settled yet: whoever has a credit line lives from it."""

    def backings(self) -> Callable[[str], Backing]:
        """Households hold nothing, the retailer what it keeps for its trades; the chain has every line given."""
        return self._backing

    def _backing(self, account: str) -> Backing:
        has_neur = RETAILER_LINE_NEUR if account == address("retailer 1") else 0
        return Backing(has_neur=has_neur, line_neur=CREDIT_NEUR_MAX, missing_neur=0)

    def settled_before(self, area: str) -> int:
        """Nothing is settled."""
        return 0


def directory_of(record: Record, organisations: list[OrganisationKey]) -> Directory:
    """Who is known: these organisations, and participants and agents in the record."""

    def participant_of(account: str) -> Any:
        with record.read() as connection:
            return queries.participant_of(connection, account)

    def is_agent(address: str) -> bool:
        with record.read() as connection:
            return queries.is_agent(connection, address)

    return Directory(organisations=organisations, participant_of=participant_of, is_agent=is_agent)


def make_services(
    tmp_path: Path, *, wall: list[int], market_seconds: int, record_url: str | None = None
) -> tuple[Services, ManualClock]:
    """The API's services on a SQLite record in `tmp_path`, or on the database given."""
    record = Record.open(record_url or f"sqlite:///{tmp_path / 'record.db'}")

    organisations = [
        OrganisationKey(
            address=key_named(name).address,
            role=role,
            name=name,
            area=AREA if role in (Role.DSO, Role.ATTESTER) else None,
        )
        for name, role in ORGANISATIONS.items()
    ]
    organisations += [
        OrganisationKey(address=key_named(name).address, role=role, name=name, area=OTHER_AREA)
        for name, role in NEIGHBOURS.items()
    ]
    clock = ManualClock(market_seconds)
    record.timed_by(clock.now)
    deployment = PublicDeployment(
        chain_id=CHAIN_ID,
        addresses={name: from_hex(address(f"contract {name}")) for name in CONTRACTS},
        origin_seconds=MARKET_SECONDS,
        start_seconds=WALL_SECONDS,
        speed=60,
    )
    domain = deployment.domain_of(ORDER)
    intake = Intake(
        record=record,
        domain=domain,
        clock=clock,
        funds=NoMoney(),
        signer=ReceiptSigner(key=key_named("market operator"), domain=domain),
    )

    def advance(market_time: int) -> int:
        clock.advance_to(market_time)
        return clock.now()

    services = Services(
        record=record,
        clock=clock,
        wall_clock=lambda: wall[0],
        directory=directory_of(record, organisations),
        tokens=TokenIssuer(key=load_or_create_key(tmp_path / "token.pem"), issuer=ISSUER, audience=AUDIENCE),
        challenges=ChallengeBook(audience=AUDIENCE),
        deployment=deployment,
        intake=intake,
        attestations=AttestationIntake(
            record, readings=deployment.domain_of(ATTESTATION), settlement=deployment.domain_of(SETTLEMENT)
        ),
        verdicts=Verdicts(
            record,
            clock=clock,
            domain=domain,
            is_dso=lambda signer, area: (signer, area) == (key_named("grid operator").address, AREA),
        ),
        packages=Packages(record),
        evidence_folder=tmp_path / "evidence",
        clock_control=advance,
    )
    return services, clock


def open_world(tmp_path: Path, *, template: Path | None = None, record_url: str | None = None) -> Iterator[World]:
    """A world for the length of a test, in a copy of the folder `template`; without one it is an MTU earlier."""
    if template is not None:
        shutil.copytree(template, tmp_path, dirs_exist_ok=True)
    wall = [WALL_SECONDS]
    market_seconds = MARKET_SECONDS - (900 if template is None else 0)
    services, clock = make_services(tmp_path, wall=wall, market_seconds=market_seconds, record_url=record_url)
    services.intake.start()
    app = create_app(services)
    app.state.edge.limiter = Limiter(monotonic=time.monotonic, at_once=UNLIMITED)
    with CheckedClient(app, raise_server_exceptions=False) as client:
        yield World(services=services, clock=clock, app=app, client=client, wall=wall)
    services.intake.close()
    services.attestations.close()
    services.record.close()
