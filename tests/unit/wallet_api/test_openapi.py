"""The document of the API: enough for somebody outside to generate a client from, and nothing in it but what holds."""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Iterator
from typing import Any

import pytest
from pydantic import TypeAdapter, ValidationError

from domain import parties
from domain.errors import DominoesError
from domain.lines import POSITION_KINDS, TRADE_KINDS
from domain.units import MAX_LOTS
from edge.policy import api_routes, methods_of
from edge.problems import PROBLEM_MEDIA_TYPE
from ledger_service.trading import SUBMISSIONS, SignedOrder
from scripts.tools.openapi import DOCUMENT, rendered
from tests.unit.wallet_api.contract import resolved
from tests.unit.wallet_api.test_policy import PARTY_OF, call, declared
from tests.unit.wallet_api.world import MARKET_BODY, World, household
from wallet_api.app import routed_api
from wallet_api.fields import ParticipantKind
from wallet_api.schemas.own import PositionLine, TradeLine
from wallet_api.schemas.samples import example_of
from wallet_api.schemas.trading import OrderMessage

pytestmark = pytest.mark.unit

APP = routed_api()
SPEC = APP.openapi()
SCHEMAS: dict[str, Any] = SPEC["components"]["schemas"]
OPERATIONS: dict[str, dict[str, Any]] = {
    f"{method.upper()} {path}": operation
    for path, operations in SPEC["paths"].items()
    for method, operation in operations.items()
}

UNITS = {
    "_wh": "Wh",
    "Wh": "Wh",
    "_neur": "nEUR",
    "_neur_per_wh": "nEUR/Wh",
    "NeurPerWh": "nEUR/Wh",
    "_w": "W",
    "_bp": "basis points",
    "_seconds": "econds",
    "_lots": "lots",
    "Lots": "lots",
    "mtu": "MTU",
    "Mtu": "MTU",
    "_permille": "permille",
}
"""What the description of a member says, by the end of its name."""

WITHOUT_UNIT_OF_ITS_OWN = {"origin_seconds", "start_seconds"}
"""Members explained by the description of the object they are in."""


def successes(operation: dict[str, Any]) -> dict[str, Any]:
    """The answers of an operation that are no problems, by status."""
    return {status: answer for status, answer in operation["responses"].items() if status.startswith("2")}


def problems(operation: dict[str, Any]) -> dict[str, set[str]]:
    """The codes of problems an operation answers with, by status."""
    found = {}
    for status, answer in operation["responses"].items():
        shown = resolved(SPEC, answer)["content"].get(PROBLEM_MEDIA_TYPE)
        if shown is not None:
            found[status] = set(shown.get("examples", ()))
    return found


def references(part: Any) -> Iterator[str]:
    """Every reference in a part of the document."""
    if isinstance(part, dict):
        if isinstance(part.get("$ref"), str):
            yield part["$ref"]
        for item in part.values():
            yield from references(item)
    elif isinstance(part, list):
        for item in part:
            yield from references(item)


def test_document__kept_with_the_sources__is_current() -> None:
    assert DOCUMENT.read_text(encoding="utf-8") == rendered(), "run `make openapi` and commit docs/openapi.json"


def test_document__served__is_the_kept_one(world: World) -> None:
    assert world.get(None, "/v1/openapi.json").json() == json.loads(DOCUMENT.read_text(encoding="utf-8"))


def test_document__every_route__is_an_operation() -> None:
    routes = {f"{method} {route.path_format}" for route in api_routes(APP) for method in methods_of(route)}

    assert set(OPERATIONS) == routes
    assert SPEC["servers"] and SPEC["components"]["securitySchemes"]["login"]["description"]


def test_document__tags__each_described_and_used() -> None:
    described = {tag["name"]: tag["description"] for tag in SPEC["tags"]}

    assert {tag for operation in OPERATIONS.values() for tag in operation["tags"]} == set(described)
    assert all(described.values())


def test_document__names_of_operations__differ() -> None:
    names = Counter(operation["operationId"] for operation in OPERATIONS.values())

    assert [name for name, count in names.items() if count > 1] == []


def test_document__references__all_lead_somewhere_and_all_is_used() -> None:
    used = set(references(SPEC))

    for reference in used:
        resolved(SPEC, {"$ref": reference})
    for kind in ("schemas", "responses", "examples", "headers", "parameters"):
        unused = {name for name in SPEC["components"][kind] if f"#/components/{kind}/{name}" not in used}
        assert unused == set(), kind


@pytest.mark.parametrize("name", OPERATIONS)
def test_operation__success__described_with_schema_and_example(name: str) -> None:
    found = successes(OPERATIONS[name])

    assert found
    for answer in found.values():
        assert answer["description"] and answer["content"]
        for media_type, shown in answer["content"].items():
            assert shown["schema"]
            assert "example" in shown or "examples" in shown or shown["schema"].get("format") == "binary", media_type


@pytest.mark.parametrize("name", OPERATIONS)
def test_operation__problems__described_with_their_codes(name: str) -> None:
    operation = OPERATIONS[name]
    found = problems(operation)

    assert operation["description"]
    assert {"500", "503", "default"} <= set(found)
    assert ({"401", "403"} <= set(found)) == ("security" in operation)
    assert ({"400", "413", "415", "422"} <= set(found)) == ("requestBody" in operation)
    for status, codes in found.items():
        assert codes or status == "default"
        for code in codes:
            example = SPEC["components"]["examples"][code]
            assert (example["value"]["type"], str(example["value"]["status"])) == (f"/problems/{code}", status)
            assert example["summary"] in resolved(SPEC, operation["responses"][status])["description"]


@pytest.mark.parametrize("name", OPERATIONS)
def test_operation__parameters__described(name: str) -> None:
    for parameter in OPERATIONS[name].get("parameters", ()):
        assert resolved(SPEC, parameter)["description"], parameter


@pytest.mark.parametrize("name", OPERATIONS)
def test_operation__pages__lead_on_by_link(name: str) -> None:
    operation = OPERATIONS[name]
    paged = "limit" in {parameter.get("name") for parameter in operation.get("parameters", ())}

    assert paged == ("Link" in successes(operation).get("200", {}).get("headers", {}))


def test_operation__idempotency_key__documented_where_it_is_honoured(market: World) -> None:
    wrong = []
    for (method, path), roles in declared().items():
        if method == "POST":
            headers = market.headers(PARTY_OF[next(role for role in PARTY_OF if role in roles)]) if roles else {}
            answer = call(market, method, path, headers | {"Idempotency-Key": "not visible"})
            operation = OPERATIONS[f"POST {path.replace(':path', '')}"]
            honoured = answer.json().get("type") == "/problems/bad-idempotency-key"
            documented = {"$ref": "#/components/parameters/IdempotencyKey"} in operation.get("parameters", ())
            hit = all("Idempotency-Hit" in one.get("headers", {}) for one in successes(operation).values())
            if not honoured == documented == hit:
                wrong.append(path)

    assert wrong == []


@pytest.mark.parametrize("name", SCHEMAS)
def test_schema__members_with_a_unit__say_it(name: str) -> None:
    silent = [
        member
        for member, schema in SCHEMAS[name].get("properties", {}).items()
        for ending, unit in UNITS.items()
        if member.endswith(ending) and member not in WITHOUT_UNIT_OF_ITS_OWN
        if unit not in schema.get("description", "")
    ]

    assert SCHEMAS[name]["description"]
    assert silent == []


def models() -> dict[str, Any]:
    """The models of answers by operation and status."""
    return {
        f"{method} {route.path_format} {status}": answer["model"]
        for route in api_routes(APP)
        for method in methods_of(route)
        for status, answer in route.responses.items()
        if "model" in answer
    }


@pytest.mark.parametrize("name", MODELS := models())
def test_example__of_an_answer__is_of_its_schema(name: str) -> None:
    method, path, status = name.split(" ")
    shown = OPERATIONS[f"{method} {path}"]["responses"][status]["content"]["application/json"]
    examples = [one["value"] for one in shown["examples"].values()] if "examples" in shown else [shown["example"]]

    adapter = TypeAdapter(MODELS[name])
    for example in examples:
        found = adapter.validate_json(json.dumps(example), strict=True, extra="ignore")
        assert json.loads(adapter.dump_json(found, by_alias=True, exclude_unset=True)) == example


@pytest.mark.parametrize("name", [name for name, operation in OPERATIONS.items() if "requestBody" in operation])
def test_example__of_a_body__is_taken_as_one(market: World, name: str) -> None:
    method, path = name.split(" ")
    roles = declared()[method, path_as_routed(path)]
    headers = market.headers(PARTY_OF[next(role for role in PARTY_OF if role in roles)]) if roles else {}
    shown = OPERATIONS[name]["requestBody"]["content"]["application/json"]
    examples = [one["value"] for one in shown["examples"].values()] if "examples" in shown else [shown["example"]]

    for example in examples:
        answer = call(market, method, path_as_routed(path), headers, json.dumps(example).encode())
        assert answer.json().get("type") not in ("/problems/invalid-fields", "/problems/malformed"), answer.text
        assert answer.json().get("type") != "/problems/out-of-range", answer.text


def path_as_routed(path: str) -> str:
    """The path of an operation as its route is declared."""
    return path.replace("{market}", "{market:path}").replace("{area}", "{area:path}")


@pytest.mark.parametrize(
    ("changes", "taken"),
    [
        ({}, True),
        ({"side": 1}, True),
        ({"side": 2}, False),
        ({"side": -1}, False),
        ({"quantityLots": 0}, False),
        ({"quantityLots": MAX_LOTS}, True),
        ({"quantityLots": MAX_LOTS + 1}, False),
        ({"quantityLots": 2**32 - 1}, False),
        ({"limitPriceNeurPerWh": -(2**31)}, False),
        ({"limitPriceNeurPerWh": -(2**31) + 1}, True),
        ({"mtu": 2**32}, False),
        ({"revision": -1}, False),
    ],
)
def test_order__bounds_of_the_document__are_those_of_intake(changes: dict[str, Any], taken: bool) -> None:
    message = example_of(OrderMessage) | changes

    assert _passes(lambda: OrderMessage.model_validate(message), ValidationError) is taken
    assert _passes(lambda: SignedOrder.parse(message, signature="0x" + "11" * 65), DominoesError) is taken


@pytest.mark.parametrize("member", [kind.MEMBER for kind in SUBMISSIONS])
def test_submission__each_that_intake_takes__has_one_endpoint(member: str) -> None:
    bodies = [
        operation["requestBody"]["content"]["application/json"]["schema"]
        for operation in OPERATIONS.values()
        if "requestBody" in operation
    ]

    names = [ref.rsplit("/", 1)[1] for body in bodies for ref in re.findall(r"#/components/schemas/\w+", str(body))]
    holding = [name for name in names if set(SCHEMAS[name].get("properties", ())) == {member, "signature"}]
    assert len(set(holding)) == 1


def _passes(action: Any, refusal: type[Exception]) -> bool:
    try:
        action()
    except refusal:
        return False
    return True


@pytest.mark.parametrize(
    ("path", "body", "field"),
    [
        ("/v1/participants", household("household 9", "DE-LV1-P9") | {"kind": "bank"}, "kind"),
        ("/v1/markets", MARKET_BODY | {"gate_local": "25:00"}, "gate_local"),
        ("/v1/markets", MARKET_BODY | {"gate_local": "noon"}, "gate_local"),
        ("/v1/markets", MARKET_BODY | {"lot_wh": 2**24}, "lot_wh"),
    ],
)
def test_register__value_out_of_its_kind__refused_by_name(
    market: World, path: str, body: dict[str, Any], field: str
) -> None:
    head = market.head()

    answer = market.post("registry office", path, body)

    assert (answer.status_code, answer.json()["type"]) == (422, "/problems/invalid-fields")
    assert answer.json()["errors"][0]["pointer"] == f"/{field}"
    assert market.head() == head


@pytest.mark.parametrize("path", ["/v1/statements/{}/0", "/v1/statements/1/{}", "/v1/statements/-1/{}"])
def test_path__number_beyond_any__refused(market: World, path: str) -> None:
    answer = market.get("household 1", path.format(10**30))

    assert (answer.status_code, answer.json()["type"]) == (422, "/problems/invalid-fields")


def test_kinds__of_the_document__are_those_of_the_record() -> None:
    assert ParticipantKind.__args__ == tuple(parties.ParticipantKind)
    for shape, kinds in ((TradeLine, TRADE_KINDS), (PositionLine, POSITION_KINDS)):
        assert set(shape.model_fields["kind"].annotation.__args__) == {kind.name for kind in kinds}
