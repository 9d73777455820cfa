"""Every route against every role: what is allowed is declared here once, everything else is refused."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import time
from typing import Any

import jwt
import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec
from fastapi import FastAPI

from domain.hashing import to_hex
from domain.signing import personal_message_digest
from edge.login import PRINCIPAL_SECONDS
from edge.policy import (
    Allow,
    PolicyMissing,
    Public,
    allow,
    api_routes,
    methods_of,
    policy_of,
    require_policies,
)
from ledger_service.access.challenges import CHALLENGE_SECONDS
from ledger_service.access.roles import Role
from ledger_service.access.tokens import CLOCK_SKEW_SECONDS, TOKEN_SECONDS
from tests.unit.wallet_api.routes import filled
from tests.unit.wallet_api.world import AUDIENCE, ISSUER, ORGANISATIONS, WALL_SECONDS, World, address, key_named

pytestmark = pytest.mark.unit

PARTY_OF = {role: name for name, role in ORGANISATIONS.items()} | {
    Role.PROSUMER: "household 1",
    Role.RETAILER: "retailer 1",
    Role.AGENT: "agent 1",
}

POLICY = """
GET  /health                                                        public
GET  /metrics                                                       public
POST /v1/session/challenge                                          public
POST /v1/session                                                    public
GET  /v1/session                                                    everybody
GET  /problems/{code}                                               public
GET  /v1/jwks                                                       public
GET  /v1/typed-data                                                 public
POST /v1/typed-data/{shape}                                         public
GET  /v1/clock                                                      public
POST /v1/clock                                                      operator
GET  /v1/areas                                                      public
GET  /v1/areas/{area:path}                                          public
POST /v1/areas                                                      registrar
GET  /v1/markets                                                    public
POST /v1/markets                                                    registrar
GET  /v1/markets/{market:path}                                      public
GET  /v1/markets/{market:path}/programs                             public
GET  /v1/markets/{market:path}/prices                               public
GET  /v1/markets/{market:path}/programs/{session}                   public
GET  /v1/markets/{market:path}/prices/{session}/{mtu}               public
GET  /v1/markets/{market:path}/mtus/{session}/{mtu}                 public
GET  /v1/areas/{area:path}/periods/{period}                         public
GET  /v1/markets/{market:path}/mtus                                 public
GET  /v1/areas/{area:path}/periods                                  public
GET  /v1/areas/{area:path}/signing-policy                           public
GET  /v1/areas/{area:path}/signing-policies/{version}               public
GET  /v1/ledger                                                     public
GET  /v1/evidence/public                                            public
GET  /v1/evidence/personal                                          prosumer retailer
GET  /v1/evidence/auditor                                           auditor
POST /v1/keys                                                       prosumer retailer
GET  /v1/keys                                                       prosumer retailer
GET  /v1/keys/{order_key}                                           prosumer retailer
POST /v1/orders                                                     prosumer retailer agent
POST /v1/orders/cancellations                                       prosumer retailer agent
GET  /v1/orders                                                     prosumer retailer agent
GET  /v1/orders/{order_id}                                          prosumer retailer agent
GET  /v1/orders/{order_id}/receipt                                  prosumer retailer agent
POST /v1/mandates                                                   prosumer retailer
POST /v1/mandates/revocations                                       prosumer retailer
GET  /v1/mandates                                                   prosumer retailer agent
GET  /v1/mandates/{mandate}                                         prosumer retailer agent
POST /v1/schedules                                                  prosumer retailer
GET  /v1/schedules                                                  prosumer
GET  /v1/schedules/{market:path}/{session}                          prosumer
GET  /v1/trades                                                     prosumer retailer
GET  /v1/trades/{mtu}/{order_id}                                    prosumer retailer
GET  /v1/readings                                                   prosumer
GET  /v1/readings/{meter:path}/{mtu}                                prosumer
GET  /v1/agreement                                                  prosumer
GET  /v1/set-points                                                 prosumer
GET  /v1/set-points/{market:path}/{session}/{mtu}                   prosumer
GET  /v1/statements                                                 prosumer retailer
GET  /v1/statements/{period}/{revision}                             prosumer retailer
POST /v1/audits                                                     auditor
POST /v1/erasures                                                   prosumer retailer
GET  /v1/accesses                                                   prosumer retailer
GET  /v1/accesses/{sequence}                                        prosumer retailer
GET  /v1/balance                                                    prosumer retailer
GET  /v1/postings                                                   prosumer retailer
GET  /v1/postings/{sequence}/{position}                             prosumer retailer
POST /v1/redemptions                                                prosumer retailer
GET  /v1/redemptions                                                prosumer retailer
GET  /v1/redemptions/{ref}                                          prosumer retailer
POST /v1/replacements                                               prosumer retailer
POST /v1/successors                                                 registrar
GET  /v1/successors                                                 operator prosumer registrar retailer
GET  /v1/successors/{account}                                       operator prosumer registrar retailer
POST /v1/successors/{account}/cancellation                          registrar
POST /v1/deposits                                                   treasurer
GET  /v1/deposits                                                   prosumer retailer treasurer
GET  /v1/deposits/{ref}                                             prosumer retailer treasurer
POST /v1/participants                                               registrar
GET  /v1/participants                                               registrar auditor
GET  /v1/participants/{participant:path}                            registrar auditor
POST /v1/meters                                                     registrar
GET  /v1/meters                                                     registrar auditor
GET  /v1/meters/{meter:path}/{valid_from_mtu}                       registrar auditor
POST /v1/ends                                                       registrar retailer prosumer
GET  /v1/ends                                                       registrar auditor
GET  /v1/ends/{term}/{name:path}                                    registrar auditor
POST /v1/agreements                                                 registrar
GET  /v1/agreements                                                 registrar auditor
GET  /v1/agreements/{agreement:path}/{version}                      registrar auditor
POST /v1/tariffs                                                    registrar
GET  /v1/tariffs                                                attester auditor operator prosumer registrar retailer
GET  /v1/tariffs/{tariff:path}/{version}            attester auditor operator prosumer registrar retailer
POST /v1/guarantees                                                 prosumer retailer
GET  /v1/guarantees                                                 prosumer retailer
GET  /v1/guarantees/{account}                                       prosumer retailer
POST /v1/cover                                                      prosumer retailer
GET  /v1/retailer/customers                                         retailer
GET  /v1/retailer/customers/{account}                               retailer
GET  /v1/retailer/settlements                                       retailer
GET  /v1/retailer/settlements/{period}/export.csv                   retailer
GET  /v1/dso/programs                                               dso auditor
GET  /v1/dso/verdicts                                               dso auditor
GET  /v1/dso/verdicts/{market:path}/{session}                       dso auditor
GET  /v1/dso/programs/{market:path}/{session}/orders                dso auditor
GET  /v1/dso/programs/{market:path}/{session}                       dso auditor
POST /v1/dso/programs/{market:path}/{session}/signature             dso
POST /v1/dso/policies                                               dso
POST /v1/dso/programs/{market:path}/{session}/refusal               dso
GET  /v1/attester/registry                                          attester auditor
GET  /v1/attester/terms                                             attester auditor
GET  /v1/attestations                                               attester auditor
GET  /v1/attestations/{area:path}/{mtu}                             attester auditor
POST /v1/attestations                                               attester
GET  /v1/attester/settlements                                       attester auditor
GET  /v1/attester/settlements/{area:path}/{period}/{revision}       attester auditor
POST /v1/attester/settlements/{area:path}/{period}/{revision}/signature  attester
GET  /v1/status                                                     operator security_admin
GET  /v1/journal                                                    auditor operator
GET  /v1/chain/calls                                                registrar security_admin treasurer
GET  /v1/chain/calls/{call}                                         registrar security_admin treasurer
POST /v1/chain/calls/{call}                                         registrar security_admin treasurer
GET  /v1/journal/{sequence}                                         auditor operator
"""


def declared() -> dict[tuple[str, str], frozenset[str]]:
    """The table above: (method, path) -> roles, none for public."""
    rows = (line.split() for line in POLICY.strip().splitlines())
    everybody = frozenset(role.value for role in Role)
    return {(row[0], row[1]): everybody if row[2] == "everybody" else frozenset(row[2:]) - {"public"} for row in rows}


def call(world: World, method: str, path: str, headers: dict[str, str], content: bytes = b"{}") -> Any:
    """The request of one route, with an empty body where it has one and none is given."""
    body = {"content": content} if method == "POST" else {}
    kind = {"Content-Type": "application/json"} if method == "POST" else {}
    return world.client.request(method, filled(path), headers=headers | kind, **body)


def test_policy__every_route__as_declared(world: World) -> None:
    found = {}
    for route in api_routes(world.app):
        policy = policy_of(route)
        roles = frozenset() if isinstance(policy, Public) else frozenset(str(role) for role in policy.roles)
        found |= {(method, route.path): roles for method in methods_of(route)}

    assert found == declared()


def test_matrix__each_role_on_each_route__only_the_declared_get_in(trading: World) -> None:
    assert trading.post("household 1", "/v1/mandates", trading.mandate_body("household 1", "agent 1")).is_success
    wrong = []
    head = None
    for (method, path), roles in declared().items():
        for role, name in PARTY_OF.items():
            headers = trading.headers(name)
            head = head or trading.head()
            status = call(trading, method, path, headers).status_code
            allowed = not roles or role.value in roles
            if (status == 403) == allowed or status == 401 or status >= 500:
                wrong.append((method, path, role.value, status))

    assert wrong == []


def test_matrix__nobody_logged_in__public_routes_only(market: World) -> None:
    wrong = []
    for (method, path), roles in declared().items():
        answer = call(market, method, path, {})
        if (answer.status_code == 401) != bool(roles):
            wrong.append((method, path, answer.status_code))
        if roles:
            assert answer.headers["www-authenticate"] == "Bearer"
            assert answer.headers["content-type"] == "application/problem+json"

    assert wrong == []


def _claims(**changes: Any) -> dict[str, Any]:
    plain = {
        "iss": ISSUER,
        "aud": AUDIENCE,
        "sub": address("market operator"),
        "role": "operator",
        "iat": WALL_SECONDS,
        "nbf": WALL_SECONDS,
        "exp": WALL_SECONDS + 60,
        "jti": "1",
    }
    return {name: value for name, value in (plain | changes).items() if value is not None}


def _forged(world: World, kind: str) -> str:
    """A token that must be refused, by what is wrong with it."""
    tokens = world.services.tokens
    ours = tokens._key
    header = {"typ": "at+jwt", "kid": tokens.key_id}
    public = tokens._public.public_bytes(serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo)

    def signed(claims: dict[str, Any], headers: dict[str, Any] = header, key: Any = ours) -> str:
        return jwt.encode(claims, key, "ES256", headers=headers)

    def raw(head: dict[str, Any], claims: dict[str, Any], signature: bytes = b"") -> str:
        parts = [json.dumps(part).encode() for part in (head, claims)]
        return ".".join(base64.urlsafe_b64encode(part).rstrip(b"=").decode() for part in (*parts, signature))

    def hs256() -> str:
        unsigned = raw({"alg": "HS256", **header}, _claims()).rsplit(".", 1)[0]
        mac = hmac.new(public, unsigned.encode(), hashlib.sha256).digest()
        return unsigned + "." + base64.urlsafe_b64encode(mac).rstrip(b"=").decode()

    good = signed(_claims())
    other_key = ec.generate_private_key(ec.SECP256R1())
    makers = {
        "not a token": lambda: "not.a.token",
        "empty": lambda: "",
        "too long": lambda: good + "A" * 4_000,
        "algorithm none": lambda: raw({"alg": "none", **header}, _claims()),
        "algorithm None": lambda: raw({"alg": "None", **header}, _claims()),
        "HS256 over the public key": hs256,
        "another key": lambda: signed(_claims(), key=other_key),
        "unknown kid": lambda: signed(_claims(), {**header, "kid": "other"}),
        "no kid": lambda: signed(_claims(), {"typ": "at+jwt"}),
        "type JWT": lambda: signed(_claims(), {**header, "typ": "JWT"}),
        "ID token": lambda: signed(_claims(), {**header, "typ": "id+jwt"}),
        "jku": lambda: signed(_claims(), {**header, "jku": "https://evil.example/jwks"}),
        "jwk": lambda: signed(_claims(), {**header, "jwk": {"kty": "EC"}}),
        "wrong issuer": lambda: signed(_claims(iss="https://evil.example")),
        "wrong audience": lambda: signed(_claims(aud="https://other.example")),
        "audience list": lambda: signed(_claims(aud=[AUDIENCE, "x"])),
        "expired": lambda: signed(_claims(exp=WALL_SECONDS - CLOCK_SKEW_SECONDS)),
        "not yet": lambda: signed(_claims(nbf=WALL_SECONDS + CLOCK_SKEW_SECONDS + 1)),
        "no expiry": lambda: signed(_claims(exp=None)),
        "no subject": lambda: signed(_claims(sub=None)),
        "no role": lambda: signed(_claims(role=None)),
        "unknown role": lambda: signed(_claims(role="root")),
        "infinite expiry": lambda: signed(_claims(exp=float("inf"))),
        "expiry that is no number": lambda: signed(_claims(exp=float("nan"))),
        "expiry as text": lambda: signed(_claims(exp=str(WALL_SECONDS + 60))),
        "expiry with a fraction": lambda: signed(_claims(exp=WALL_SECONDS + 60.5)),
        "truth for a time": lambda: signed(_claims(nbf=True)),
        "issued at no time": lambda: signed(_claims(iat="now")),
        "subject in upper case": lambda: signed(_claims(sub=address("registry office").upper().replace("0X", "0x"))),
        "subject too short": lambda: signed(_claims(sub="0x12")),
        "role as a list": lambda: signed(_claims(role=["registrar"])),
        "role it does not have": lambda: signed(_claims(role="treasurer")),
        "account that is gone": lambda: signed(_claims(sub=address("nobody"))),
        "payload exchanged": lambda: (
            good.split(".")[0] + raw({}, _claims(role="treasurer"))[3:-1] + "." + good.split(".")[2]
        ),
        "signature cut": lambda: good[:-4],
    }
    return makers[kind]() if kind in makers else good


FORGERIES = (
    "not a token",
    "empty",
    "too long",
    "algorithm none",
    "algorithm None",
    "HS256 over the public key",
    "another key",
    "unknown kid",
    "no kid",
    "type JWT",
    "ID token",
    "jku",
    "jwk",
    "wrong issuer",
    "wrong audience",
    "audience list",
    "expired",
    "not yet",
    "no expiry",
    "no subject",
    "no role",
    "unknown role",
    "infinite expiry",
    "expiry that is no number",
    "expiry as text",
    "expiry with a fraction",
    "truth for a time",
    "issued at no time",
    "subject in upper case",
    "subject too short",
    "role as a list",
    "role it does not have",
    "account that is gone",
    "payload exchanged",
    "signature cut",
)


def test_token__made_like_the_forgeries_but_right__gets_in(world: World) -> None:
    headers = {"Authorization": f"Bearer {_forged(world, 'nothing wrong')}"}

    assert world.client.get("/v1/status", headers=headers).status_code == 200


@pytest.mark.parametrize("kind", FORGERIES)
def test_token__forged_or_stale__refused(world: World, kind: str) -> None:
    headers = {"Authorization": f"Bearer {_forged(world, kind)}"}

    answer = world.client.get("/v1/status", headers=headers)

    assert answer.status_code == 401
    assert answer.json()["type"] == "/problems/token-refused"


def test_token__after_its_life__refused(world: World) -> None:
    headers = world.headers("market operator")
    assert world.client.get("/v1/status", headers=headers).status_code == 200

    world.wall[0] += TOKEN_SECONDS + CLOCK_SKEW_SECONDS

    assert world.client.get("/v1/status", headers=headers).status_code == 401


def test_login__challenge_used_twice__refused(world: World) -> None:
    asked = world.client.post("/v1/session/challenge", json={"account": address("market operator")}).json()
    signature = to_hex(key_named("market operator").sign(personal_message_digest(asked["text"])))
    body = {"nonce": asked["nonce"], "signature": signature}

    assert world.client.post("/v1/session", json=body).status_code == 201
    assert world.client.post("/v1/session", json=body).status_code == 401


def test_login__signed_by_another_key_or_late__refused(world: World) -> None:
    for signer, late in (("house bank", 0), ("market operator", CHALLENGE_SECONDS)):
        asked = world.client.post("/v1/session/challenge", json={"account": address("market operator")}).json()
        world.wall[0] += late
        signature = to_hex(key_named(signer).sign(personal_message_digest(asked["text"])))
        answer = world.client.post("/v1/session", json={"nonce": asked["nonce"], "signature": signature})
        assert answer.status_code == 401


def test_login__address_without_account__refused(world: World) -> None:
    answer = world.log_in("somebody unknown")

    assert answer.status_code == 401
    assert answer.json()["type"] == "/problems/unknown-account"


def test_build__route_without_policy__refused() -> None:
    app = FastAPI()
    app.add_api_route("/open", lambda: None)

    with pytest.raises(PolicyMissing):
        require_policies(app)


def test_allow__no_role_named__refused() -> None:
    with pytest.raises(ValueError, match="name at least one role"):
        allow()
    assert Allow(Role.DSO).roles == {Role.DSO}


def test_role__taken_away__ends_within_a_second_in_spite_of_the_token(
    trading: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    headers = trading.headers("household 1")
    assert trading.client.get("/v1/balance", headers=headers).status_code == 200
    monkeypatch.setattr(trading.services.directory, "_participant_of", lambda _: None)
    moment = time.monotonic()
    monkeypatch.setattr("edge.login.time.monotonic", lambda: moment + PRINCIPAL_SECONDS + 0.01)

    answer = trading.client.get("/v1/balance", headers=headers)

    assert (answer.status_code, answer.json()["type"]) == (401, "/problems/token-refused")
