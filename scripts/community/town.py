"""The town of a demo: who lives there, with which keys, on which point; registered once through the API."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import httpx
from nacl.signing import SigningKey as MeterKey

from domain.eip712 import GUARANTEE, KEY_REGISTRATION, Domain
from domain.hashing import from_hex, keccak, text_id, to_hex
from domain.members import noun_json
from domain.mtu import mtu_start
from domain.parties import Meter, Participant, ParticipantKind
from domain.signed_terms import UNSIGNED, Term, signed_by
from domain.signing import SigningKey
from domain.terms import Agreement, Tariff
from domain.units import NEUR_PER_EUR
from grid.model import Point
from scripts.community.grids import Community
from scripts.community.households import PriceBand
from scripts.community.run_config import ATTESTER_NAMES, ATTESTER_THRESHOLD, ZONE, RunConfig
from scripts.community.store import DeviceStore
from scripts.community.waiting import wait_for
from scripts.serving.api_client import ApiClient
from scripts.serving.desk import Desk

HOUSEHOLD_DEPOSIT_NEUR = 50 * NEUR_PER_EUR
"""What each household paid in before its first day."""

HOUSEHOLD_CREDIT_NEUR = 5_000 * NEUR_PER_EUR
"""The retailer's guarantee for each household: its worst day of orders at their limits, and then some."""

RETAILER_LINE_NEUR = 100_000 * NEUR_PER_EUR
"""What the retailer keeps of its own funds for its trades; beside it, it pays in what it guarantees."""

SIGNED_FOR_SECONDS = 30 * 86_400
"""How long after the community's first MTU the signatures under a guarantee may be used."""

TARIFF = {
    "supply_neur_per_wh": 300_000,
    "feed_in_neur_per_wh": 80_000,
    "imbalance_surplus_neur_per_wh": 60_000,
    "imbalance_shortfall_neur_per_wh": 320_000,
    "excess_neur_per_wh": 100_000,
    "grid_fee_neur_per_wh": 70_000,
    "grid_fee_local_neur_per_wh": 40_000,
    "levy_neur_per_wh": 20_000,
    "compensation_neur_per_wh": 80_000,
    "vat_bp": 1_900,
}
"""The demo's tariff: 30 ct/kWh supply, 8 ct feed-in, 7 ct grid fee (4 ct for local energy), 2 ct levy, 19 % VAT."""

TARIFF_CODE = "household-flex"
MIN_LIMIT_NEUR_PER_WH = -500_000
MAX_LIMIT_NEUR_PER_WH = 4_000_000
"""Price band of the demo market: −50 to 400 ct/kWh, the harmonised limits of day-ahead coupling in this unit."""


@dataclass(frozen=True)
class Household:
    """One connection point with its settlement account, its device's order key and its meter."""

    at: int
    point: Point
    account: SigningKey
    device: SigningKey
    meter_secret: bytes

    @property
    def meter_code(self) -> str:
        """The meter's code."""
        return f"M-{self.point.code}"


class Town:
    """Everything the demo's clients know: keys of all parties, connections to the API."""

    def __init__(
        self,
        *,
        config: RunConfig,
        community: Community,
        store: DeviceStore,
        organisations: dict[str, SigningKey],
        http: httpx.Client,
        desk: Desk,
    ) -> None:
        self.config, self.community, self.store, self.organisations = config, community, store, organisations
        self.desk = desk
        points = community.grid.points
        accounts = store.signing_keys([f"account/{point.code}" for point in points])
        devices = store.signing_keys([f"device/{point.code}" for point in points])
        meters = store.secrets([f"meter/{point.code}" for point in points])
        self.households = [
            Household(
                at=at,
                point=point,
                account=accounts[f"account/{point.code}"],
                device=devices[f"device/{point.code}"],
                meter_secret=meters[f"meter/{point.code}"],
            )
            for at, point in enumerate(points)
        ]
        self.public = ApiClient(http=http)
        self.clients = {name: ApiClient(http=http, key=key) for name, key in organisations.items()}
        self.clients |= {house.point.code: ApiClient(http=http, key=house.account) for house in self.households}
        self._ledger: dict[str, Any] | None = None

    @property
    def band(self) -> PriceBand:
        """Prices between which neighbours gain on trading with each other."""
        return PriceBand(TARIFF["feed_in_neur_per_wh"], TARIFF["supply_neur_per_wh"], self.config.tick_neur_per_wh)

    def client_of(self, house: Household) -> ApiClient:
        """The household's own client."""
        return self.clients[house.point.code]

    def domain(self, contract: str) -> Domain:
        """EIP-712 domain of a contract, as the service publishes it."""
        if self._ledger is None:
            self._ledger = self.public.get("/v1/ledger")
        found = self._ledger
        return Domain(chain_id=found["chain_id"], verifying_contract=from_hex(found["contracts"][contract]))

    def register(self, *, valid_from_mtu: int, tick: Callable[[int, int], None]) -> None:
        """Register everybody; what is there already is answered as it is. `tick(done, of)` tells how far it is."""
        self._define_market(valid_from_mtu)
        self._register_parties(valid_from_mtu, tick)
        self._fund_and_guarantee(valid_from_mtu)

    def _define_market(self, valid_from_mtu: int) -> None:
        config, registrar = self.config, self.clients["registrar"]
        attesters = [
            {"name": name, "address": to_hex(self.organisations[name].address), "organisation": name}
            for name in ATTESTER_NAMES
        ]
        area = {
            "area": config.area,
            "zone": ZONE,
            "attest_seconds": config.attest_seconds,
            "horizon_seconds": config.horizon_seconds,
            "challenge_seconds": config.challenge_seconds,
            "grid_model": grid_json(self.community),
            "attesters": attesters,
            "threshold": ATTESTER_THRESHOLD,
        }
        registrar.post("/v1/areas", area)
        for code, gates in config.gates_local.items():
            market = {
                "market": code,
                "area": config.area,
                "lot_wh": config.lot_wh,
                "tick_neur_per_wh": config.tick_neur_per_wh,
                "min_limit_neur_per_wh": MIN_LIMIT_NEUR_PER_WH,
                "max_limit_neur_per_wh": MAX_LIMIT_NEUR_PER_WH,
                "grace_seconds": config.grace_seconds,
                "sign_seconds": config.sign_seconds,
                "clear_seconds": config.clear_seconds,
                "gate_local": gates[0],
                "later_gates_local": list(gates[1:]),
                "kind": "auction",
            }
            registrar.post("/v1/markets", market)
        self._publish_tariff(valid_from_mtu)
        self._publish_policy()

    def _publish_tariff(self, valid_from_mtu: int) -> None:
        """Retailer, DSO and registrar sign each its prices; the registrar publishes them."""
        unsigned = Tariff(
            tariff=TARIFF_CODE,
            version=1,
            area=self.config.area,
            retailer=to_hex(self.organisations["retailer"].address),
            valid_from_mtu=valid_from_mtu,
            **TARIFF,
            retailer_signature=UNSIGNED,
            dso_signature=UNSIGNED,
            registrar_signature=UNSIGNED,
        )
        tariff = signed_by(unsigned, self.organisations, domain=self.domain("Settlement"))
        self.clients["registrar"].post("/v1/tariffs", noun_json(tariff))

    def _publish_policy(self) -> None:
        """The DSO signs and publishes what its desk goes by."""
        keys = {"dso": self.organisations["dso"]}
        for policy in self.desk.policies:
            signed = signed_by(policy, keys, domain=self.domain("Settlement"))
            self.clients["dso"].post("/v1/dso/policies", noun_json(signed))

    def _register_parties(self, valid_from_mtu: int, tick: Callable[[int, int], None]) -> None:
        config = self.config
        for kind, name in (
            (ParticipantKind.RETAILER, "retailer"), (ParticipantKind.DSO, "dso-account"), (ParticipantKind.TAX, "tax"),
        ):  # fmt: skip
            key = self.organisations[name]
            account = to_hex(key.address)
            party = Participant(name, kind, config.area, account, None, 0, 0, valid_from_mtu, UNSIGNED, UNSIGNED)
            self._register_signed("/v1/participants", party, account=key, dso=self.organisations["dso"])
        self._register_key(
            self.clients["retailer"], account=self.organisations["retailer"],
            device=self.organisations["retailer-orders"], point=None, valid_from_mtu=valid_from_mtu,
        )  # fmt: skip
        for done, house in enumerate(self.households):
            self._register_household(house, valid_from_mtu)
            tick(done + 1, len(self.households))

    def _register_household(self, house: Household, valid_from_mtu: int) -> None:
        point, dso = house.point, self.organisations["dso"]
        party = Participant(
            participant=f"household-{house.at + 1:03d}",
            kind=ParticipantKind.HOUSEHOLD,
            area=self.config.area,
            account=to_hex(house.account.address),
            point=point.code,
            connection_import_w=point.import_w,
            connection_export_w=point.export_w,
            valid_from_mtu=valid_from_mtu,
            account_signature=UNSIGNED,
            dso_signature=UNSIGNED,
        )
        self._register_signed("/v1/participants", party, account=house.account, dso=dso)
        self._agree(house, valid_from_mtu)
        public_key = _public_key(house.meter_secret)
        meter = Meter(house.meter_code, point.code, public_key, self.config.area, valid_from_mtu, UNSIGNED)
        self._register_signed("/v1/meters", meter, dso=dso)
        self._register_key(
            self.client_of(house),
            account=house.account,
            device=house.device,
            point=point.code,
            valid_from_mtu=valid_from_mtu,
        )

    def _agree(self, house: Household, valid_from_mtu: int) -> None:
        """Household and retailer sign their agreement."""
        retailer = self.organisations["retailer"]
        agreement = Agreement(
            agreement=f"supply-{house.at + 1:03d}",
            version=1,
            account=to_hex(house.account.address),
            retailer=to_hex(retailer.address),
            tariff=TARIFF_CODE,
            valid_from_mtu=valid_from_mtu,
            account_signature=UNSIGNED,
            retailer_signature=UNSIGNED,
        )
        self._register_signed("/v1/agreements", agreement, account=house.account, retailer=retailer)

    def _register_signed(self, path: str, term: Term, **keys: SigningKey) -> None:
        """Each party signs its part with its own key; the registrar hands the signed term in."""
        signed = signed_by(term, keys, domain=self.domain("Settlement"))
        self.clients["registrar"].post(path, noun_json(signed))

    def _register_key(
        self, client: ApiClient, *, account: SigningKey, device: SigningKey, point: str | None, valid_from_mtu: int
    ) -> None:
        values = {
            "account": account.address,
            "orderKey": device.address,
            "point": bytes(32) if point is None else text_id(point),
            "validFromMtu": valid_from_mtu,
        }
        signature = account.sign(self.domain("Settlement").digest(KEY_REGISTRATION, values))
        client.post(
            "/v1/keys",
            {
                "account": to_hex(account.address),
                "order_key": to_hex(device.address),
                "point": point,
                "valid_from_mtu": valid_from_mtu,
                "signature": to_hex(signature),
            },
        )

    def _fund_and_guarantee(self, valid_from_mtu: int) -> None:
        retailer = self.organisations["retailer"]
        for house in self.households:
            self._deposit(house.account.address, HOUSEHOLD_DEPOSIT_NEUR)
        self._deposit(retailer.address, RETAILER_LINE_NEUR + len(self.households) * HOUSEHOLD_CREDIT_NEUR)
        wait_for("the treasurer's signer to bring the retailer's deposit on chain", self._is_paid_in)
        deadline = mtu_start(valid_from_mtu) + SIGNED_FOR_SECONDS
        self._guarantee(retailer, RETAILER_LINE_NEUR, deadline=deadline)
        for house in self.households:
            self._guarantee(house.account, HOUSEHOLD_CREDIT_NEUR, deadline=deadline)

    def _is_paid_in(self) -> bool:
        """Whether the retailer's deposit is in its balance: lines are given from what is there."""
        return int(self.clients["retailer"].get("/v1/balance")["balance_neur"]) > 0

    def _guarantee(self, account: SigningKey, credit_neur: int, *, deadline: int) -> None:
        """The retailer guarantees for a household, which agrees, or for itself."""
        retailer = self.organisations["retailer"]
        values = {
            "guarantor": retailer.address,
            "account": account.address,
            "creditNeur": credit_neur,
            "nonce": 1,
            "deadline": deadline,
        }
        digest = self.domain("Guarantees").digest(GUARANTEE, values)
        body = {
            "guarantor": to_hex(retailer.address),
            "account": to_hex(account.address),
            "credit_neur": str(credit_neur),
            "nonce": 1,
            "deadline": deadline,
            "signature": to_hex(retailer.sign(digest)),
        }
        if account is not retailer:
            body["account_signature"] = to_hex(account.sign(digest))
        self.clients["retailer"].post("/v1/guarantees", body)

    def _deposit(self, account: bytes, amount_neur: int) -> None:
        body = {
            "account": to_hex(account),
            "amount_neur": str(amount_neur),
            "ref": to_hex(keccak(b"opening deposit" + account)),
        }
        self.clients["treasurer"].post("/v1/deposits", body)


def grid_json(community: Community) -> dict[str, Any]:
    """The grid model as the registrar hands it in and the DSO publishes it."""
    found: dict[str, Any] = json.loads(community.grid.to_json())
    return found


def _public_key(secret: bytes) -> bytes:
    return bytes(MeterKey(secret).verify_key)
