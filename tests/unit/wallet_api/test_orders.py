"""Orders over the API: receipts, repeats, batches, and everything that is refused and changes nothing."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest

from domain.eip712 import CANCEL, ORDER, RECEIPT, Domain
from domain.hashing import from_hex, text_id, to_hex
from domain.orders import schedule_hash
from domain.signing import recover
from tests.unit.wallet_api.world import CHAIN_ID, FIRST_MTU, GATE, MARKET, World, address, key_named

pytestmark = pytest.mark.unit

ORDERS = "/v1/orders"


def schedule_body(world: World, name: str, point: str, net_wh: list[int]) -> dict[str, Any]:
    """A signed net schedule of a party's point."""
    market = to_hex(text_id(MARKET))
    signed = {
        "market": market,
        "session": GATE,
        "firstMtu": FIRST_MTU,
        "point": text_id(point),
        "valuesHash": schedule_hash(net_wh),
        "revision": 0,
    }
    shown = {**signed, "point": point, "netWh": net_wh}
    del shown["valuesHash"]
    return {"schedule": shown, "signature": world.sign(f"device of {name}", "Schedule", signed)}


def cancel_body(world: World, name: str, **changes: Any) -> dict[str, Any]:
    """A signed cancel of a party's first order."""
    message = {
        "market": to_hex(text_id(MARKET)),
        "session": GATE,
        "mtu": FIRST_MTU,
        "orderId": "0x" + "01" * 16,
        "revision": 1,
    } | changes
    return {"cancel": message, "signature": world.sign(f"device of {name}", "Cancel", message)}


def test_order__accepted__receipt_by_the_operator_over_its_place(trading: World) -> None:
    body = trading.order_body("household 1")

    answer = trading.post("household 1", ORDERS, body)

    assert answer.status_code == 201
    found = answer.json()
    receipt = dict(found["receipt"])
    signature = from_hex(receipt.pop("signature"))
    domain = trading.services.deployment.domain_of(RECEIPT)
    assert recover(domain.digest(RECEIPT, receipt), signature) == key_named("market operator").address
    assert receipt["sequence"] == found["sequence"]
    assert receipt["journalHead"] == to_hex(trading.head()) == found["journal_head"]
    digest = trading.services.deployment.domain_of(ORDER).digest(ORDER, body["order"])
    assert receipt["tag"] == to_hex(digest[:16])


def test_order__repeated__same_receipt_and_nothing_new(trading: World) -> None:
    body = trading.order_body("household 1")
    first = trading.post("household 1", ORDERS, body)
    head = trading.head()

    again = trading.post("household 1", ORDERS, body)

    assert (again.status_code, again.json()["status"]) == (200, "exists")
    assert again.json()["receipt"] == first.json()["receipt"]
    assert trading.head() == head
    assert trading.get("household 1", f"{ORDERS}/{body['order']['orderId']}/receipt").json() == first.json()["receipt"]


def test_order__read_back__as_placed_then_withdrawn(trading: World) -> None:
    body = trading.order_body("household 1")
    trading.post("household 1", ORDERS, body)
    shown = trading.get("household 1", ORDERS).json()["items"]
    cancelled = trading.post("household 1", f"{ORDERS}/cancellations", cancel_body(trading, "household 1"))

    assert [(one["side"], one["quantity_lots"], one["state"]) for one in shown] == [("bid", 10, "in_book")]
    assert (cancelled.status_code, cancelled.json()["receipt"]["kind"]) == (201, 2)
    assert trading.get("household 1", f"{ORDERS}/{body['order']['orderId']}").json()["state"] == "withdrawn"


def test_orders__batch__one_outcome_each_in_order(trading: World) -> None:
    good = [trading.order_body("household 1", orderId="0x" + f"{n:032x}", quantityLots=5) for n in range(40)]
    bad = trading.order_body("household 1", orderId="0x" + "ff" * 16, limitPriceNeurPerWh=50)
    foreign = trading.order_body("household 2")

    answer = trading.post("household 1", ORDERS, [*good, bad, foreign, {"order": {}}])

    items = answer.json()["items"]
    assert answer.status_code == 200
    assert [one["status"] for one in items] == ["accepted"] * 40 + ["refused"] * 3
    assert [one["problem"]["type"] for one in items[40:]] == [
        "/problems/off-tick",
        "/problems/not-allowed",
        "/problems/invalid-fields",
    ]
    listed = trading.get("household 1", ORDERS, limit=25)
    assert len(listed.json()["items"]) == 25
    rest = trading.get("household 1", listed.headers["link"].partition(">")[0].removeprefix("<"))
    assert len(rest.json()["items"]) == 15
    assert "link" not in rest.headers


@pytest.mark.parametrize("count", [0, 501])
def test_orders__batch_of_wrong_size__refused(trading: World, count: int) -> None:
    head = trading.head()

    assert trading.post("household 1", ORDERS, [{}] * count).status_code == 422
    assert trading.head() == head


def test_ask__covered_by_schedule__accepted_only_then(trading: World) -> None:
    ask = trading.order_body("household 1", side=1)
    uncovered = trading.post("household 1", ORDERS, ask)
    nominated = trading.post(
        "household 1", "/v1/schedules", schedule_body(trading, "household 1", "DE-LV1-P1", [-100] + [50] * 95)
    )

    assert (uncovered.status_code, uncovered.json()["type"]) == (422, "/problems/beyond-schedule")
    assert nominated.status_code == 201
    assert trading.post("household 1", ORDERS, ask).status_code == 201


def _elsewhere(world: World, body: dict[str, Any], domain: Domain) -> dict[str, Any]:
    signature = key_named("device of household 1").sign(domain.digest(ORDER, body["order"]))
    return body | {"signature": to_hex(signature)}


def _other_chain(world: World) -> Any:
    contract = world.services.deployment.addresses["Market"]
    return _elsewhere(world, world.order_body("household 1"), Domain(chain_id=1, verifying_contract=contract))


def _other_contract(world: World) -> Any:
    contract = world.services.deployment.addresses["Settlement"]
    return _elsewhere(world, world.order_body("household 1"), Domain(chain_id=CHAIN_ID, verifying_contract=contract))


def _moved(world: World, **changes: Any) -> Any:
    """An order whose signature was made for other members."""
    body = world.order_body("household 1")
    return body | {"order": body["order"] | changes}


def _changed(**changes: Any) -> Callable[[World], Any]:
    return lambda world: world.order_body("household 1", **changes)


def _unsigned(**changes: Any) -> Callable[[World], Any]:
    """Members that can't be signed at all, sent with a signature of the plain order."""
    return lambda world: _moved(world, **changes)


def _signature(text: str) -> Callable[[World], Any]:
    return lambda world: world.order_body("household 1") | {"signature": text}


def _high_s(world: World) -> Any:
    body = world.order_body("household 1")
    raw = from_hex(body["signature"])
    order = 0xFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFEBAAEDCE6AF48A03BBFD25E8CD0364141
    s = order - int.from_bytes(raw[32:64], "big")
    return body | {"signature": to_hex(raw[:32] + s.to_bytes(32, "big") + bytes([55 - raw[64]]))}


REFUSED: dict[str, tuple[Callable[[World], Any], int, str]] = {
    "unsigned": (lambda world: {"order": world.order_body("household 1")["order"]}, 422, "invalid-fields"),
    "signature of zeros": (_signature("0x" + "00" * 65), 422, "bad-signature"),
    "signature too short": (_signature("0x" + "11" * 64), 422, "invalid-fields"),
    "signature no hex": (_signature("0x" + "zz" * 65), 422, "invalid-fields"),
    "signature with high s": (_high_s, 422, "bad-signature"),
    "signed by another device": (
        lambda world: world.order_body("household 1", signer="device of household 2"),
        403,
        "key-not-valid",
    ),
    "signed by the settlement account": (
        lambda world: world.order_body("household 1", signer="household 1"),
        403,
        "key-not-valid",
    ),
    "replayed from another chain": (_other_chain, 403, "key-not-valid"),
    "replayed from another contract": (_other_contract, 403, "key-not-valid"),
    "replayed to another market": (lambda world: _moved(world, market="0x" + "07" * 32), 404, "unknown-market"),
    "replayed to another MTU": (lambda world: _moved(world, mtu=FIRST_MTU + 1), 403, "key-not-valid"),
    "market unknown": (_changed(market="0x" + "07" * 32), 404, "unknown-market"),
    "MTU not open": (_changed(mtu=FIRST_MTU + 96), 409, "session-not-open"),
    "another account's order": (
        lambda world: world.order_body("household 2"),
        403,
        "not-allowed",
    ),
    "beyond connection power": (_changed(quantityLots=251), 422, "beyond-connection"),
    "off tick": (_changed(limitPriceNeurPerWh=200_050), 422, "off-tick"),
    "out of band": (_changed(limitPriceNeurPerWh=5_000_100), 422, "out-of-band"),
    "ask without schedule": (_changed(side=1), 422, "beyond-schedule"),
    "zero quantity": (_changed(quantityLots=0), 422, "invalid-fields"),
    "negative quantity": (_unsigned(quantityLots=-1), 422, "invalid-fields"),
    "huge quantity": (_unsigned(quantityLots=2**40), 422, "invalid-fields"),
    "negative MTU": (_unsigned(mtu=-1), 422, "invalid-fields"),
    "third side": (_changed(side=2), 422, "invalid-fields"),
    "quantity as text": (_unsigned(quantityLots="10"), 422, "invalid-fields"),
    "quantity as boolean": (_unsigned(quantityLots=True), 422, "invalid-fields"),
    "quantity null": (_unsigned(quantityLots=None), 422, "invalid-fields"),
    "salt too short": (_unsigned(salt="0x00"), 422, "invalid-fields"),
    "salt with a space": (_unsigned(salt="0x " + "5a" * 31 + "5"), 422, "invalid-fields"),
    "field missing": (
        lambda world: {"order": {"mtu": 1}, "signature": "0x" + "00" * 65},
        422,
        "invalid-fields",
    ),
    "field too many": (_unsigned(role="operator"), 422, "invalid-fields"),
    "member too many": (lambda world: world.order_body("household 1") | {"owner": "x"}, 422, "invalid-fields"),
    "revision from nowhere": (_changed(revision=3), 404, "order-unknown"),
    "no object": (lambda world: "order", 422, "invalid-fields"),
    "null": (lambda world: None, 422, "invalid-fields"),
}


@pytest.mark.parametrize("case", REFUSED)
def test_order__refused__says_why_and_changes_nothing(trading: World, case: str) -> None:
    make, status, code = REFUSED[case]
    body = make(trading)
    head = trading.head()

    answer = trading.post("household 1", ORDERS, body)

    assert (answer.status_code, answer.json()["type"]) == (status, f"/problems/{code}")
    assert answer.headers["content-type"] == "application/problem+json"
    assert trading.head() == head


def test_order__beyond_credit__refused(trading: World) -> None:
    """2,500 Wh at 5,000,000 nEUR/Wh are 12.5 EUR; the credit line is 50 EUR."""
    orders = [
        trading.order_body(
            "household 1",
            orderId="0x" + f"{number:032x}",
            mtu=FIRST_MTU + number,
            quantityLots=250,
            limitPriceNeurPerWh=5_000_000,
        )
        for number in range(5)
    ]

    outcomes = [trading.post("household 1", ORDERS, order) for order in orders]

    assert [answer.status_code for answer in outcomes] == [201] * 4 + [422]
    assert outcomes[4].json()["type"] == "/problems/beyond-credit"
    balance = trading.get("household 1", "/v1/balance").json()
    assert balance["reserved_neur"] == str(50 * 10**9)


def test_order__late__refused(trading: World) -> None:
    trading.clock.advance_to(GATE)
    head = trading.head()

    answer = trading.post("household 1", ORDERS, trading.order_body("household 1"))

    assert (answer.status_code, answer.json()["type"]) == (409, "/problems/gate-closed")
    assert trading.head() == head


def test_order__same_id_other_body__refused(trading: World) -> None:
    trading.post("household 1", ORDERS, trading.order_body("household 1"))
    head = trading.head()

    answer = trading.post("household 1", ORDERS, trading.order_body("household 1", quantityLots=11))

    assert (answer.status_code, answer.json()["type"]) == (409, "/problems/order-conflict")
    assert trading.head() == head


def test_order__account_without_guarantor__refused(market: World) -> None:
    market.fact("period.declared", {"area": "DE-LV1", "period": 1, "first_mtu": FIRST_MTU, "count": 96})
    program = {"market": MARKET, "area": "DE-LV1", "session": GATE, "period": 1}
    market.fact("session.opened", program | {"first_mtu": FIRST_MTU, "count": 96})
    market.post("household 1", "/v1/keys", market.key_body("household 1", "DE-LV1-P1"))

    answer = market.post("household 1", ORDERS, market.order_body("household 1"))

    assert (answer.status_code, answer.json()["type"]) == (403, "/problems/no-guarantor")


MALFORMED: dict[str, Callable[[bytes], bytes]] = {
    "empty": lambda body: b"",
    "cut": lambda body: body[:-2],
    "two values": lambda body: body + body,
    "byte order mark": lambda body: b"\xef\xbb\xbf" + body,
    "UTF-16": lambda body: body.decode().encode("utf-16"),
    "not UTF-8": lambda body: body[:-1] + b',"x":"\xff"}',
    "NaN": lambda body: body.replace(b'"quantityLots": 10', b'"quantityLots": NaN'),
    "Infinity": lambda body: body.replace(b'"quantityLots": 10', b'"quantityLots": Infinity'),
    "-Infinity": lambda body: body.replace(b'"quantityLots": 10', b'"quantityLots": -Infinity'),
    "1e400": lambda body: body.replace(b'"quantityLots": 10', b'"quantityLots": 1e400'),
    "fraction": lambda body: body.replace(b'"quantityLots": 10', b'"quantityLots": 10.0'),
    "exponent": lambda body: body.replace(b'"quantityLots": 10', b'"quantityLots": 1e1'),
    "duplicate key": lambda body: body.replace(b'"quantityLots": 10', b'"quantityLots": 10, "quantityLots": 11'),
    "integer of 10,000 digits": lambda body: body.replace(b'"quantityLots": 10', b'"quantityLots": ' + b"9" * 10_000),
    "10,000 levels deep": lambda body: b"[" * 10_000 + b"]" * 10_000,
    "10,000 objects deep": lambda body: b'{"a":' * 10_000 + b"1" + b"}" * 10_000,
    "leading zero": lambda body: body.replace(b'"quantityLots": 10', b'"quantityLots": 010'),
    "lone surrogate": lambda body: body[:-1] + b',"x":"\\ud800"}',
    "NUL in text": lambda body: body[:-1] + b',"x":"\\u0000"}',
    "right-to-left override": lambda body: body[:-1] + b',"x":"\\u202e"}',
}


@pytest.mark.parametrize("case", MALFORMED)
def test_order__malformed_body__refused(trading: World, case: str) -> None:
    plain = json.dumps(trading.order_body("household 1")).encode()
    body = MALFORMED[case](plain)
    head = trading.head()
    assert body != plain

    answer = trading.post_raw("household 1", ORDERS, body)

    assert (answer.status_code, answer.json()["type"]) == (400, "/problems/malformed-body")
    assert trading.head() == head


@pytest.mark.parametrize(
    ("content_type", "body", "status"),
    [
        ("text/plain", b"{}", 415),
        ("application/x-www-form-urlencoded", b"a=b", 415),
        ("multipart/form-data; boundary=x", b"--x--", 415),
        ("", b"{}", 415),
        ("application/json", b" " * 1_048_577, 413),
    ],
)
def test_order__wrong_type_or_size__refused(trading: World, content_type: str, body: bytes, status: int) -> None:
    head = trading.head()

    assert trading.post_raw("household 1", ORDERS, body, content_type).status_code == status
    assert trading.head() == head


def test_cancel__by_another_party__refused(trading: World) -> None:
    trading.post("household 1", ORDERS, trading.order_body("household 1"))
    head = trading.head()

    answer = trading.post("household 2", f"{ORDERS}/cancellations", cancel_body(trading, "household 2"))

    assert (answer.status_code, answer.json()["type"]) == (404, "/problems/order-unknown")
    assert trading.head() == head


def test_cancel__stolen_with_its_signature__refused(trading: World) -> None:
    trading.post("household 1", ORDERS, trading.order_body("household 1"))
    stolen = cancel_body(trading, "household 1")
    head = trading.head()

    for thief in ("household 2", "retailer 1"):
        assert trading.post(thief, f"{ORDERS}/cancellations", stolen).status_code == 404
    assert trading.head() == head


def test_schedule__of_another_point__refused(trading: World) -> None:
    stolen = schedule_body(trading, "household 1", "DE-LV1-P1", [0] * 96)
    head = trading.head()

    for thief in ("household 2", "retailer 1"):
        answer = trading.post(thief, "/v1/schedules", stolen)
        assert (answer.status_code, answer.json()["type"]) == (403, "/problems/wrong-point")
    assert trading.head() == head


@pytest.mark.parametrize("values", [[], [0] * 95, [0] * 129, [2**31] * 96, [0.5] * 96, ["0"] * 96, [-1_300] * 96])
def test_schedule__of_wrong_form_or_beyond_the_connection__refused(trading: World, values: list[Any]) -> None:
    body = schedule_body(trading, "household 1", "DE-LV1-P1", [0] * 96)
    body["schedule"]["netWh"] = values
    if values and isinstance(values[0], int) and abs(values[0]) < 2**31:
        body = schedule_body(trading, "household 1", "DE-LV1-P1", values)
    head = trading.head()

    assert 400 <= trading.post("household 1", "/v1/schedules", body).status_code < 500
    assert trading.head() == head


def test_cancel__digest_shown_by_typed_data__is_the_one_signed(trading: World) -> None:
    message = cancel_body(trading, "household 1")["cancel"]

    shown = trading.post(None, "/v1/typed-data/Cancel", message).json()

    domain = trading.services.deployment.domain_of(CANCEL)
    assert shown["digest"] == to_hex(domain.digest(CANCEL, message))
    assert shown["typed_data"]["message"] == message
    assert shown["typed_data"]["domain"]["chainId"] == CHAIN_ID


def test_key__of_another_account__refused(trading: World) -> None:
    body = trading.key_body("household 2", "DE-LV1-P2", valid_from_mtu=FIRST_MTU)
    head = trading.head()

    assert trading.post("household 1", "/v1/keys", body).status_code == 403
    assert trading.head() == head
    assert [key["account"] for key in trading.get("household 1", "/v1/keys").json()["items"]] == [
        address("household 1")
    ]


def submissions(world: World) -> dict[str, Any]:
    """A body for each route that takes submissions."""
    return {
        ORDERS: world.order_body("household 1", orderId="0x" + "0a" * 16),
        f"{ORDERS}/cancellations": cancel_body(world, "household 1"),
        "/v1/schedules": schedule_body(world, "household 1", "DE-LV1-P1", [0] * 96),
    }


@pytest.mark.parametrize("path", [ORDERS, f"{ORDERS}/cancellations", "/v1/schedules"])
def test_submission__repeated_under_its_key__first_answer_and_no_other_body(trading: World, path: str) -> None:
    trading.post("household 1", ORDERS, trading.order_body("household 1"))
    body = submissions(trading)[path]
    first = trading.post("household 1", path, body, Idempotency_Key="k1")
    head = trading.head()

    again = trading.post("household 1", path, body, Idempotency_Key="k1")
    other = trading.post("household 1", path, [body], Idempotency_Key="k1")

    assert (first.status_code, "idempotency-hit" in first.headers) == (201, False)
    assert (again.status_code, again.content, again.headers["idempotency-hit"]) == (201, first.content, "true")
    assert (other.status_code, other.json()["type"]) == (422, "/problems/idempotency-key-reused")
    assert trading.head() == head


def test_submission__refused_under_its_key__may_be_corrected(trading: World) -> None:
    wrong = trading.post("household 1", ORDERS, trading.order_body("household 2"), Idempotency_Key="k1")
    right = trading.post("household 1", ORDERS, trading.order_body("household 1"), Idempotency_Key="k1")

    assert (wrong.status_code, right.status_code) == (403, 201)


def test_submission__list_repeated_under_its_key__refusals_in_it_too(trading: World) -> None:
    bodies = [trading.order_body("household 1"), trading.order_body("household 2")]
    first = trading.post("household 1", ORDERS, bodies, Idempotency_Key="k1")

    again = trading.post("household 1", ORDERS, bodies, Idempotency_Key="k1")

    assert [one["status"] for one in first.json()["items"]] == ["accepted", "refused"]
    assert (again.status_code, again.content) == (200, first.content)


def test_submission__key_of_wrong_form__refused_and_nothing_written(trading: World) -> None:
    head = trading.head()

    answer = trading.post("household 1", ORDERS, trading.order_body("household 1"), Idempotency_Key="a b")

    assert (answer.status_code, answer.json()["type"]) == (400, "/problems/bad-idempotency-key")
    assert trading.head() == head
