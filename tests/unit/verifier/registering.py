"""Who takes part in a small day: contracts and roles, area and market, parties with their terms, keys and meters."""

from __future__ import annotations

from typing import Any

from nacl.signing import SigningKey as MeterKey

from domain.eip712 import GUARANTEE, KEY_REGISTRATION, METER_REGISTRATION, PARTICIPATION
from domain.hashing import ZERO_HASH, hash_json, text_id, to_hex
from domain.members import noun_json
from domain.policies import SigningPolicy
from domain.terms import Agreement, Tariff
from tests.terms import Makers, signed_agreement, signed_policy
from tests.unit.verifier.fake_chain import (
    AREA,
    ATTEST_SECONDS,
    CONTRACTS,
    HORIZON_SECONDS,
    LOT,
    MARKET,
    NAMES,
    POINTS,
    ROLE,
    TICK,
    address,
    domain_of,
    key_of,
    noise,
    sign,
)
from tests.unit.verifier.journal import Emits, Journal, Payload

ATTESTERS = ("a1", "a2", "a3")
CHALLENGE_SECONDS = 60
THRESHOLD = 2

HOUSEHOLDS = {"h1": "p1", "h2": "p2", "h3": "p3"}
"""Households and their points."""

OTHERS = {"retail": "retailer", "net": "dso", "tax": "tax"}
"""Other parties and what they are."""

DEADLINE = 2**37
CREDIT_NEUR = 10**13
CONNECTION_W = 20_000

TARIFF = {
    "tariff": "basic",
    "imbalance_surplus_neur_per_wh": 20_000,
    "excess_neur_per_wh": 400_000,
    "grid_fee_neur_per_wh": 90_000,
    "levy_neur_per_wh": 20_500,
}
"""What of the tariff is not as in `tests.terms`."""

POLICY: dict[str, Any] = {
    "area": AREA,
    "markets": (MARKET,),
    "count_most": 5,
    "given_up_most": 1,
    "fallbacks_most": 0,
    "voltage_lowest_micro_pu": 990_000,
    "voltage_highest_micro_pu": 1_010_000,
    "loading_highest_permille": 900,
    "capped_points_most": 1,
    "capped_import_wh_most": 0,
    "capped_export_wh_most": 1_000,
    "rounds_most": 1,
}
"""What the DSO signs, beside what is as in `tests.terms`."""

LIMITS = {
    "min_limit_neur_per_wh": -500_000,
    "max_limit_neur_per_wh": 900_000,
    "grace_seconds": 600,
    "sign_seconds": 7_200,
    "clear_seconds": 14_400,
}
"""Rules of the market beside lot and tick, in the order of the contract's struct."""


class Registering(Journal):
    """Registers everybody."""

    def __init__(self) -> None:
        super().__init__()
        self.devices: dict[str, str] = {}  # the key that a party signs orders with
        self.area: Payload = {}
        self.agreements: list[Agreement] = []
        self.tariff = self.priced()
        self.policies = [self.allowed()]

    def register(self) -> None:
        """An auditor looks; then area, market, tariff and parties."""
        looked = {"auditor": address("auditor"), "what": "registry.parties", "area": AREA}
        self.fact("access.logged", {**looked, "market_time": self.chain.now})
        self.chain.views = {"speed": 1, "origin": 5, "start": 5, "config": THRESHOLD, "predecessor": 0}
        self.chain.views["challengeSeconds"] = CHALLENGE_SECONDS
        self._deploy()
        self._define_area()
        self._define_market()
        self.fact("tariff.published", noun_json(self.tariff))
        self.publish_policies()
        for name, point in HOUSEHOLDS.items():
            self._register_household(name, point)
        for name, kind in OTHERS.items():
            self.register_participant(name, kind, None)
            if kind == "retailer":
                self.register_key(name, None, f"{name}-key", 0)

    # ---- contracts and roles

    def _deploy(self) -> None:
        """Roles with its grants; the registry lists the deployment."""
        made = self.chain.mine("deployer", to=None, data=b"code")
        for role, number in ROLE.items():
            for key in ATTESTERS if role == "attester" else (role,):
                organisation = f"org{key[1:]}" if role == "attester" else key
                values = [address(key), number, to_hex(text_id(organisation)), to_hex(ZERO_HASH)]
                types = "address*,uint8*,bytes32*,bytes32"
                self.chain.emit("Roles", "RoleGranted", types, values, made["tx_hash"])
        head = {"key": "deploy:Roles", "role": "deployer", "contract": "Roles", "function": "constructor", "about": {}}
        self.tell_signed(head, made)
        self.tell_block()
        for name in NAMES:
            listed = [name, 1, CONTRACTS[name], to_hex(ZERO_HASH)]
            event = Emits("ContractRegistered", "string,uint32*,address*,bytes32", listed)
            self.send("registrar", "Registry", "register", [name, CONTRACTS[name], to_hex(ZERO_HASH)], event)

    # ---- area and market

    def _define_area(self) -> None:
        grid = {
            "code": "grid",
            "buses": [{"code": "b", "nominal_v": 400}],
            "lines": [{"code": "l", "from_bus": "b", "to_bus": "b"}],
            "transformers": [],
            "points": [{"code": point, "bus": "b"} for point in POINTS],
        }
        attesters = [{"name": a, "address": address(a), "organisation": f"org{a[1:]}"} for a in ATTESTERS]
        self.area = {
            "area": AREA,
            "zone": "Europe/Berlin",
            "attest_seconds": ATTEST_SECONDS,
            "horizon_seconds": HORIZON_SECONDS,
            "challenge_seconds": CHALLENGE_SECONDS,
            "grid_model": grid,
            "grid_model_hash": to_hex(hash_json(grid)),
            "attesters": attesters,
            "threshold": THRESHOLD,
        }
        self.fact("area.defined", self.area)
        seconds = (ATTEST_SECONDS, HORIZON_SECONDS)
        event = Emits("AreaCreated", "bytes32*,(uint32,uint32)", [text_id(AREA), seconds])
        self.send("registrar", "Calendar", "createArea", [to_hex(text_id(AREA)), list(seconds)], event)

    def _define_market(self) -> None:
        market, area, limits = text_id(MARKET), text_id(AREA), list(LIMITS.values())
        rules = {
            "gate_local": "12:00",
            "later_gates_local": [],
            "lot_wh": LOT,
            "tick_neur_per_wh": TICK,
            "kind": "auction",
            **LIMITS,
        }
        self.fact("market.defined", {"market": MARKET, "area": AREA, **rules})
        types = "bytes32*,bytes32*,(bytes32,uint8,uint24,uint24,int32,int32,uint32,uint32,uint32)"
        event = Emits("MarketCreated", types, [market, area, (area, 0, LOT, TICK, *limits)])
        args = [to_hex(market), [to_hex(area), 0, LOT, TICK, *limits]]
        self.send("registrar", "Market", "createMarket", args, event)

    # ---- parties

    def _register_household(self, name: str, point: str) -> None:
        """With a key, an agreement, a meter and a credit line."""
        self.register_participant(name, "household", point)
        self.register_key(name, point, f"{name}-key", 0)
        self._sign_agreement(name)
        public_key = to_hex(bytes(MeterKey(noise(f"meter-{point}")).verify_key))
        self.register_meter(f"meter-{point}", point, public_key, 0)
        self._guarantee(name)

    def register_participant(
        self, name: str, kind: str, point: str | None, valid_from_mtu: int = 0, **powers: int
    ) -> None:
        """A party, as itself and the DSO sign it."""
        watts = {"connection_import_w": CONNECTION_W, "connection_export_w": CONNECTION_W} | powers
        base = {"participant": name, "kind": kind, "area": AREA, "account": address(name), "point": point}
        signed = {"participant": name, "kind": kind, "area": AREA, "account": address(name), "point": point or ""}
        signed |= {"connectionImportW": watts["connection_import_w"], "connectionExportW": watts["connection_export_w"]}
        signed |= {"validFromMtu": valid_from_mtu}
        own = sign(name, PARTICIPATION, signed, "Settlement")
        placed = sign("dso", PARTICIPATION, signed, "Settlement")
        payload = {**base, **watts, "valid_from_mtu": valid_from_mtu}
        self.fact("participant.registered", {**payload, "account_signature": own, "dso_signature": placed})

    def register_meter(self, meter: str, point: str, public_key: str, valid_from_mtu: int) -> None:
        """A meter, or its next key, as the DSO signs it."""
        signed = {"meter": meter, "point": point, "area": AREA, "publicKey": public_key, "validFromMtu": valid_from_mtu}
        signature = sign("dso", METER_REGISTRATION, signed, "Settlement")
        payload = {"meter": meter, "point": point, "public_key": public_key, "area": AREA}
        payload |= {"valid_from_mtu": valid_from_mtu, "dso_signature": signature}
        self.fact("meter.registered", payload)

    def _sign_agreement(self, name: str) -> None:
        agreement = self.agreed(name, agreement=f"agr-{name}")
        self.fact("agreement.signed", noun_json(agreement))
        self.agreements.append(agreement)

    def priced(self, **members: Any) -> Tariff:
        """The retailer's tariff, signed by those who make it."""
        makers = Makers(key_of("retail"), key_of("dso"), key_of("registrar"))
        return makers.tariff(domain=domain_of("Settlement"), **{"area": AREA} | TARIFF | members)

    def publish_policies(self) -> None:
        """The DSO publishes what it signs."""
        for policy in self.policies:
            self.fact("policy.published", noun_json(policy))

    def allowed(self, by: str = "dso", **members: Any) -> SigningPolicy:
        """The first version of what the DSO signs: just what the day needs, from MTU 0 on; signed."""
        return signed_policy(key_of(by), domain=domain_of("Settlement"), **POLICY | members)

    def agreed(self, name: str, **members: Any) -> Agreement:
        """A household's agreement with the retailer, signed by both."""
        members = {"tariff": self.tariff.tariff} | members
        return signed_agreement(key_of(name), key_of("retail"), domain=domain_of("Settlement"), **members)

    def _guarantee(self, name: str) -> None:
        nonce, pair = 1, {"guarantor": address("retail"), "account": address(name)}
        signed: dict[str, Any] = {"guarantor": key_of("retail").address, "account": key_of(name).address}
        signed |= {"creditNeur": CREDIT_NEUR, "nonce": nonce, "deadline": DEADLINE}
        signature, agreed = (sign(party, GUARANTEE, signed, "Guarantees") for party in ("retail", name))
        given = {**pair, "credit_neur": str(CREDIT_NEUR), "nonce": nonce, "deadline": DEADLINE}
        self.fact("guarantee.given", {**given, "signature": signature, "account_signature": agreed})
        values = [*pair.values(), CREDIT_NEUR, nonce]
        event = Emits("GuaranteeSet", "address*,address*,uint64,uint64", values)
        args = [*pair.values(), str(CREDIT_NEUR), nonce, DEADLINE, signature, agreed]
        self.send("operator", "Guarantees", "guarantee", args, event)

    def register_key(self, name: str, point: str | None, device: str, valid_from_mtu: int) -> None:
        """A device's key; from then on the party signs with it."""
        self.devices[name] = device
        point_id = ZERO_HASH if point is None else text_id(point)
        signed = {"account": address(name), "orderKey": address(device), "point": point_id}
        signature = sign(name, KEY_REGISTRATION, {**signed, "validFromMtu": valid_from_mtu}, "Settlement")
        key = {"account": address(name), "order_key": address(device), "point": point}
        self.fact("key.registered", {**key, "valid_from_mtu": valid_from_mtu, "signature": signature})
