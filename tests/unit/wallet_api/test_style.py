"""One style over the whole document (docs/api.md): names, words, times, lists, single items, addresses."""

from __future__ import annotations

import re
from typing import Any

import pytest

from domain.hashing import keccak
from tests.unit.wallet_api.test_openapi import OPERATIONS, SCHEMAS
from tests.unit.wallet_api.world import FIRST_MTU, MARKET, World, address
from wallet_api.fields import checksummed, plain_address

pytestmark = pytest.mark.unit

SIGNED = {
    "OrderMessage",
    "CancelMessage",
    "ScheduleMessage",
    "MandateMessage",
    "OrderMembers",
    "Receipt",
    "SigningDomain",
    "TypedData",
}
"""Shapes whose members are named as in the typed data that is signed."""

STANDARDS = {"JsonWebKey", "AccessToken", "SigningDomain"}
"""Shapes whose words are those of RFC 7517, RFC 6749 and EIP-712."""

FOR_MACHINES = {
    "AcceptedOrder",
    "AgreementTerm",
    "Attestation",
    "AttestationState",
    "ChainedAttestation",
    "Clearing",
    "DoneSession",
    "EarlierPosition",
    "Envelope",
    "GrantedMandate",
    "HouseholdOpening",
    "KeyTerm",
    "MandateMembers",
    "MeterKey",
    "MeterTerm",
    "EndTerm",
    "MirrorLine",
    "ParticipantTerm",
    "ReplacementTerm",
    "RevokedMandate",
    "BookOrder",
    "PeriodSpan",
    "PositionLine",
    "Reading",
    "RecordedProgram",
    "SettlementPackage",
    "Statement",
    "TariffTerm",
    "TradeLine",
    "TradeOpening",
}
"""Facts and what is hashed, as attesters, verifiers and the DSO's own software read them: nothing is added to them."""

TIMELESS = {
    "/v1/retailer/settlements": "the sums of one settlement, whose period is asked for; cut finer they would show "
    "a customer's profile",
    "/v1/successors": "what waits now: what was withdrawn or took over is gone from it",
}
"""Lists that can't be filtered by time, and why."""

PARTS = {"/v1/retailer/settlements"}
"""Lists of the parts of one thing, which have no names of their own."""

LISTS = {
    path.removeprefix("GET "): operation
    for path, operation in OPERATIONS.items()
    if "after" in {parameter.get("name") for parameter in operation.get("parameters", ())}
}
SNAKE = re.compile(r"[a-z][a-z0-9]*(_[a-z0-9]+)*")


def names_of(operation: dict[str, Any]) -> set[str]:
    """The parameters of an operation."""
    return {str(parameter.get("name")) for parameter in operation.get("parameters", ())}


def words_of(schema: Any) -> list[str]:
    """Every word of an enumeration in a schema."""
    if isinstance(schema, list):
        return [word for item in schema for word in words_of(item)]
    if not isinstance(schema, dict):
        return []
    own = [*schema.get("enum", ()), *([schema["const"]] if "const" in schema else [])]
    nested = [word for name, item in schema.items() if name not in ("example", "examples") for word in words_of(item)]
    return [word for word in own if isinstance(word, str)] + nested


@pytest.mark.parametrize("name", sorted(set(SCHEMAS) - SIGNED))
def test_schema__names_and_words__snake_case(name: str) -> None:
    members = SCHEMAS[name].get("properties", {})

    assert [member for member in members if not SNAKE.fullmatch(member)] == []
    if name not in STANDARDS:
        assert [word for word in words_of(SCHEMAS[name]) if not SNAKE.fullmatch(word)] == []


@pytest.mark.parametrize("name", OPERATIONS)
def test_operation__parameters_and_path__one_case(name: str) -> None:
    operation = OPERATIONS[name]
    path = name.partition(" ")[2]

    assert [one for one in names_of(operation) - {"None"} if not SNAKE.fullmatch(one)] == []
    assert re.fullmatch(r"(/([a-z0-9.-]+|\{[a-z_]+\}))+", path)


@pytest.mark.parametrize("name", sorted(set(SCHEMAS) - FOR_MACHINES - SIGNED))
def test_schema__number_of_an_mtu_or_a_time__beside_it_in_utc(name: str) -> None:
    members = SCHEMAS[name].get("properties", {})
    if SCHEMAS[name].get("additionalProperties") is False:
        return  # a body: its sender knows what it means
    missing = []
    for member, schema in members.items():
        if member in ("mtu", "first_mtu"):
            missing += [member] * ("starts" not in members)
        elif member.endswith("_mtu"):
            missing += [member] * (member.removesuffix("_mtu") + "_utc" not in members)
        elif "Unix seconds of market time" in str(schema.get("description")):
            missing += [member] * (f"{member}_utc" not in members)

    assert missing == []


@pytest.mark.parametrize("path", sorted(LISTS))
def test_list__any__in_both_orders_by_time_and_item_by_item(path: str) -> None:
    names = names_of(LISTS[path])
    singles = [one for one in OPERATIONS if re.fullmatch(rf"GET {re.escape(path)}(/\{{[a-z_]+\}})+", one)]

    assert {"limit", "after", "order"} <= names
    assert ({"from", "to"} <= names) != (path in TIMELESS)
    assert bool(singles) != (path in PARTS)


def test_time__number_or_iso_with_any_zone__the_same_mtus(trading: World) -> None:
    path = f"/v1/markets/{MARKET}/mtus"
    spellings = ((str(FIRST_MTU), str(FIRST_MTU + 2)), ("2016-06-02T00:00:00Z", "2016-06-02T02:30+02:00"))

    first, second = (trading.get(None, path, from_=begin, to=end).json()["items"] for begin, end in spellings)

    assert [one["mtu"] for one in first] == [FIRST_MTU, FIRST_MTU + 1]
    assert second == first
    assert first[0]["starts"] == "2016-06-02T00:00:00Z"


@pytest.mark.parametrize("given", ["tomorrow", "2016-06-02", "2016-06-02T00:00:00", "2016-02-31T00:00:00Z", "-1"])
def test_time__no_such__refused_by_name(trading: World, given: str) -> None:
    answer = trading.get(None, f"/v1/markets/{MARKET}/prices", from_=given)

    assert (answer.status_code, answer.json()["type"]) == (422, "/problems/invalid-fields")
    assert answer.json()["errors"][0]["pointer"] == "/query/from"


def test_address__eip_55__vectors_of_the_standard() -> None:
    for vector in (
        "0x5aAeb6053F3E94C9b9A09f33669435E7Ef1BeAed",
        "0xfB6916095ca1df60bB79Ce92cE3Ea74c37c5d359",
        "0xdbF03B407c01E7cD3CBea99509d93f8DDDC8C6FB",
        "0xD1220A0cf47c7B9Be7A2E6BA89F429762e7b9aDb",
    ):
        assert checksummed(vector.lower()) == vector
        assert plain_address(vector) == vector.lower()
    assert keccak(b"")[:2].hex() == "c5d2"


def test_address__checksummed__taken_where_its_checksum_is_right(trading: World) -> None:
    right = checksummed(address("household 1"))
    wrong = right.swapcase().replace("0X", "0x")

    taken = trading.post(None, "/v1/session/challenge", {"account": right})
    refused = trading.post(None, "/v1/session/challenge", {"account": wrong})
    body = trading.order_body("household 1")
    order = trading.post("household 1", "/v1/orders", body | {"order": body["order"] | {"account": right}})

    assert (taken.status_code, refused.status_code) == (201, 422)
    assert refused.json()["errors"][0]["pointer"] == "/account"
    assert order.status_code == 201, order.text


def test_order__member_that_is_wrong__named_as_it_was_sent(trading: World) -> None:
    body = trading.order_body("household 1")

    answer = trading.post("household 1", "/v1/orders", body | {"order": body["order"] | {"quantityLots": "10"}})

    assert (answer.status_code, answer.json()["type"]) == (422, "/problems/invalid-fields")
    assert answer.json()["errors"][0]["pointer"] == "/order/quantityLots"
