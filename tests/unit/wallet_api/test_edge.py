"""What holds for every request: problems, idempotency keys, headers, logs, metrics, the document of the API."""

from __future__ import annotations

import json
import threading
from concurrent.futures import ThreadPoolExecutor
from itertools import pairwise
from typing import Any

import pytest
from structlog.testing import capture_logs

from edge.policy import Public, api_routes, methods_of, policy_of
from edge.problems import findings_of, pointer
from ledger_service.access.directory import Directory, OrganisationKey, RolesNotExclusive
from ledger_service.access.idempotency import AnswerBook, RequestInFlight
from ledger_service.access.roles import Role
from ledger_service.chain.stored_transactions import StoredTransaction
from ledger_service.record import StorageUnavailable
from tests.unit.wallet_api.world import FIRST_MTU, GATE, MARKET, MARKET_SECONDS, World, address, key_named
from wallet_api.fields import SECONDS_LAST
from wallet_api.health import NODE_LAG_SECONDS_MAX
from wallet_api.routers.operator import CLOCK_STEP_SECONDS_MAX

pytestmark = pytest.mark.unit

DEPOSIT = "/v1/deposits"


def deposit_body(number: int = 1, amount_neur: str = "1000") -> dict[str, Any]:
    """A deposit for a household."""
    return {"account": address("household 1"), "amount_neur": amount_neur, "ref": "0x" + f"{number:064x}"}


@pytest.mark.parametrize(
    ("method", "path", "status", "code"),
    [
        ("GET", "/v1/nothing", 404, "not-found"),
        ("GET", "/v1/../etc/passwd", 404, "not-found"),
        ("DELETE", "/v1/areas", 405, "method-not-allowed"),
        ("PUT", "/v1/orders", 405, "method-not-allowed"),
        ("GET", "/v1/balance", 401, "token-refused"),
        ("GET", "/v1/markets/none/programs", 404, "not-found"),
        ("GET", "/v1/markets/none/prices", 404, "not-found"),
        ("GET", "/v1/markets/none/prices?from=tomorrow", 422, "invalid-fields"),
        ("GET", "/v1/evidence/public", 409, "nothing-anchored"),
    ],
)
def test_problem__every_failure__one_shape(world: World, method: str, path: str, status: int, code: str) -> None:
    answer = world.client.request(method, path)

    problem = answer.json()
    assert (answer.status_code, problem["type"], problem["status"]) == (status, f"/problems/{code}", status)
    assert answer.headers["content-type"] == "application/problem+json"
    assert problem["title"] and problem["detail"]


def test_problem__bug_inside__says_nothing_of_it(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken() -> int:
        raise RuntimeError("secret in /var/lib/dominoes")

    monkeypatch.setattr(world.clock, "now", broken)

    answer = world.get(None, "/v1/clock")

    assert (answer.status_code, answer.json()["type"]) == (500, "/problems/internal")
    assert "secret" not in answer.text
    assert "x-content-type-options" in answer.headers


def test_problem__record_away__retryable_and_silent_on_paths(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    def away() -> Any:
        raise StorageUnavailable(reason="disk full on /var/lib/dominoes")

    monkeypatch.setattr(world.services.record, "head", away)

    answer = world.get(None, "/health")

    assert (answer.status_code, answer.json()["retryable"]) == (503, True)
    assert answer.headers["retry-after"] == "1"
    assert "/var" not in answer.text


@pytest.mark.parametrize(
    ("behind", "failure", "status"),
    [
        (0, None, "ok"),
        (NODE_LAG_SECONDS_MAX, None, "ok"),
        (NODE_LAG_SECONDS_MAX + 1, None, "degraded"),
        (None, None, "degraded"),
        (0, "node-unavailable", "degraded"),
    ],
)
def test_health__node_and_stages__degraded_where_work_waits(
    world: World, behind: int | None, failure: str | None, status: str
) -> None:
    def block_time() -> int:
        if behind is None:
            raise StorageUnavailable(reason="the node at http://10.0.0.1 is away")
        return world.services.deployment.chain_time(world.clock.now()) - behind

    object.__setattr__(world.services, "node_block_time", block_time)
    object.__setattr__(world.services, "stage_failure", lambda: failure)

    answer = world.get(None, "/health")

    shown = answer.json()
    assert (answer.status_code, shown["status"]) == (200, status)
    assert shown["node"] == {"reachable": behind is not None, "lag_seconds": behind}
    assert shown["stages"] == ("ok" if failure is None else "failing")
    assert "10.0.0.1" not in answer.text


def test_health__no_node_to_look_at__says_so(world: World) -> None:
    shown = world.get(None, "/health").json()

    assert (shown["status"], shown["node"], shown["stages"]) == ("ok", None, None)


@pytest.mark.parametrize("path", ["/v1/orders/", "/v1/markets/", "/health/", "/docs/"])
def test_path__slash_at_its_end__no_redirect_to_the_host_named(world: World, path: str) -> None:
    answer = world.client.get(path, headers={"Host": "evil.example"}, follow_redirects=False)

    assert answer.status_code in (404, 422)
    assert "location" not in answer.headers


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({"Content-Type": "application/json; charset=utf-8"}, 201),
        ({"Content-Type": 'application/json;charset="UTF-8"'}, 201),
        ({"Content-Type": "application/json; charset=utf-16"}, 415),
        ({"Content-Type": "application/json; charset = latin-1"}, 415),
        ({"Content-Type": "application/json; charset=utf-8; charset=utf-7"}, 415),
        ({"Content-Type": "application/json", "Content-Encoding": "identity"}, 201),
        ({"Content-Type": "application/json", "Content-Encoding": "gzip"}, 415),
        ({"Content-Type": "application/json", "Content-Encoding": "identity, br"}, 415),
    ],
)
def test_body__charset_or_encoding__utf_8_as_it_is_or_refused(
    market: World, headers: dict[str, str], status: int
) -> None:
    content = json.dumps(deposit_body())

    answer = market.client.post(DEPOSIT, content=content, headers=market.headers("house bank") | headers)

    assert answer.status_code == status


def test_token__sent_and_refused__named_in_the_challenge(world: World) -> None:
    sent = world.client.get("/v1/balance", headers={"Authorization": "Bearer nonsense"})
    none = world.client.get("/v1/balance")

    assert sent.headers["www-authenticate"] == 'Bearer error="invalid_token"'
    assert none.headers["www-authenticate"] == "Bearer"


def test_problem__field_named__not_its_content(market: World) -> None:
    answer = market.post("house bank", DEPOSIT, deposit_body(amount_neur="<script>"))

    assert answer.json()["errors"][0]["pointer"] == "/amount_neur"
    assert "script" not in answer.text


def test_pointer__odd_names__escaped() -> None:
    assert pointer(["a/b", "c~d", 0]) == "/a~1b/c~0d/0"
    assert findings_of([{"loc": ("x",), "msg": "bad"}]) == [{"pointer": "/x", "detail": "bad"}]


@pytest.mark.parametrize("amount", ["0", "-1", "01", "1.5", "1e3", " 1", "NaN", "", "9" * 29, 5, None, True])
def test_deposit__amount_of_wrong_form__refused(market: World, amount: Any) -> None:
    head = market.head()

    assert market.post("house bank", DEPOSIT, deposit_body() | {"amount_neur": amount}).status_code == 422
    assert market.head() == head


def test_deposit__same_reference_other_amount__refused(market: World) -> None:
    assert market.post("house bank", DEPOSIT, deposit_body()).status_code == 201
    assert market.post("house bank", DEPOSIT, deposit_body()).status_code == 200
    head = market.head()

    refused = market.post("house bank", DEPOSIT, deposit_body(amount_neur="1001"))
    assert (refused.status_code, refused.json()["type"]) == (422, "/problems/reference-used")
    assert "deposit:" not in refused.text
    assert market.head() == head


def test_deposit__for_nobody__refused(market: World) -> None:
    answer = market.post("house bank", DEPOSIT, deposit_body() | {"account": address("nobody")})

    assert (answer.status_code, answer.json()["type"]) == (404, "/problems/not-registered")


def test_redemption__more_than_held_late_or_by_another__refused(market: World) -> None:
    ref, head = "0x" + "cd" * 32, market.head()
    for deadline, signer, code in (
        (market.clock.now() + 100, "household 1", "balance-too-low"),
        (market.clock.now(), "household 1", "deadline-passed"),
        (market.clock.now() + 100, "household 2", "wrong-holder"),
    ):
        values = {"account": address("household 1"), "amountNeur": 7, "ref": ref, "deadline": deadline}
        body = {"account": address("household 1"), "amount_neur": "7", "ref": ref, "deadline": deadline}
        answer = market.post(
            "household 1", "/v1/redemptions", body | {"signature": market.sign(signer, "Redemption", values)}
        )
        assert answer.json()["type"] == f"/problems/{code}"
    assert market.head() == head


def test_idempotency_key__repeated__first_answer(market: World) -> None:
    first = market.post("house bank", DEPOSIT, deposit_body(), Idempotency_Key="k1")
    head = market.head()

    again = market.post("house bank", DEPOSIT, deposit_body(), Idempotency_Key="k1")

    assert (again.status_code, again.content) == (201, first.content)
    assert again.headers["idempotency-hit"] == "true"
    assert "idempotency-hit" not in first.headers
    assert market.head() == head


def test_idempotency_key__other_body_or_route__refused(market: World) -> None:
    market.post("house bank", DEPOSIT, deposit_body(1), Idempotency_Key="k1")
    head = market.head()

    answer = market.post("house bank", DEPOSIT, deposit_body(2), Idempotency_Key="k1")

    assert (answer.status_code, answer.json()["type"]) == (422, "/problems/idempotency-key-reused")
    assert market.head() == head


def test_idempotency_key__of_another_principal__does_not_meet(market: World) -> None:
    market.post("house bank", DEPOSIT, deposit_body(1), Idempotency_Key="k1")

    answer = market.post(
        "registry office",
        "/v1/tariffs",
        market.tariff_body("retailer 1", tariff="other", valid_from_mtu=FIRST_MTU),
        Idempotency_Key="k1",
    )

    assert answer.status_code == 201


@pytest.mark.parametrize("key", ["", "a b", "x" * 65])
def test_idempotency_key__of_wrong_form__refused(market: World, key: str) -> None:
    answer = market.post("house bank", DEPOSIT, deposit_body(), Idempotency_Key=key)

    assert (answer.status_code, answer.json()["type"]) == (400, "/problems/bad-idempotency-key")


def test_idempotency_key__refused_request__may_be_corrected(market: World) -> None:
    wrong = market.post("house bank", DEPOSIT, deposit_body() | {"account": address("nobody")}, Idempotency_Key="k1")
    right = market.post("house bank", DEPOSIT, deposit_body(), Idempotency_Key="k1")

    assert (wrong.status_code, right.status_code) == (404, 201)


def test_idempotency_key__fifty_at_once__one_effect(market: World) -> None:
    market.headers("house bank")
    before = market.services.record.head().sequence

    with ThreadPoolExecutor(16) as pool:
        answers = list(
            pool.map(lambda _: market.post("house bank", DEPOSIT, deposit_body(), Idempotency_Key="k1"), range(50))
        )

    assert {answer.status_code for answer in answers} <= {201, 409}
    assert 201 in {answer.status_code for answer in answers}
    assert market.services.record.head().sequence == before + 2  # the deposit and what is asked of the chain


def test_answer_book__key_in_use__second_told_to_wait(world: World) -> None:
    book = AnswerBook(record=world.services.record)
    entered, leave = threading.Event(), threading.Event()

    def hold() -> None:
        with book.hold(principal=b"p", key="k"):
            entered.set()
            leave.wait(5)

    holder = threading.Thread(target=hold)
    holder.start()
    entered.wait(5)
    with pytest.raises(RequestInFlight), book.hold(principal=b"p", key="k"):
        pass
    with book.hold(principal=b"q", key="k"):
        pass
    leave.set()
    holder.join()
    with book.hold(principal=b"p", key="k"):
        pass


def test_headers__every_answer__nosniff_no_store_and_an_id(world: World) -> None:
    for path in ("/v1/clock", "/v1/nothing", "/v1/balance"):
        headers = world.client.get(path, headers={"X-Request-Id": "abc-12345678"}).headers
        assert headers["x-content-type-options"] == "nosniff"
        assert headers["cache-control"] == "no-store"
        assert headers["content-security-policy"].startswith("default-src 'none'")
        assert headers["x-request-id"] == "abc-12345678"
    assert world.client.get("/v1/clock", headers={"X-Request-Id": "a\tb<c>"}).headers["x-request-id"] != "a\tb<c>"


def test_log__request__route_and_status_but_nobodys_name(trading: World) -> None:
    body = trading.order_body("household 1")
    trading.post("household 1", "/v1/orders", body)
    trading.headers("household 2")

    with capture_logs() as logs:
        trading.get("household 1", f"/v1/orders/{body['order']['orderId']}")
        trading.get("household 2", f"/v1/orders/{body['order']['orderId']}")

    text = json.dumps(logs)
    assert [(log["route"], log["status"]) for log in logs] == [
        ("/v1/orders/{order_id}", 200),
        ("/v1/orders/{order_id}", 404),
    ]
    for private in (body["order"]["orderId"], address("household 1"), "household 1", "Bearer"):
        assert private not in text


def test_metrics__requests_and_orders__counted_by_route(trading: World) -> None:
    trading.post("household 1", "/v1/orders", trading.order_body("household 1"))
    trading.post(
        "household 1", "/v1/orders", trading.order_body("household 1", mtu=FIRST_MTU + 200, orderId="0x" + "0a" * 16)
    )

    text = trading.get(None, "/metrics").text

    assert 'dominoes_orders_total{outcome="accepted"} 1.0' in text
    assert 'dominoes_orders_total{outcome="session-not-open"} 1.0' in text
    assert 'route="/v1/orders",status="201"' in text
    assert address("household 1") not in text


def test_openapi__document__every_route_with_roles_and_problems(world: World) -> None:
    document = world.get(None, "/v1/openapi.json").json()

    assert document["openapi"].startswith("3.1")
    for route in api_routes(world.app):
        policy = policy_of(route)
        for method in methods_of(route):
            operation = document["paths"][route.path_format][method.lower()]
            assert operation["summary"] and operation["description"]
            assert "default" in operation["responses"]
            assert ("security" in operation) != isinstance(policy, Public)
            assert ("requestBody" in operation) == (method == "POST")
    text = json.dumps(document)
    for name in {part.split('"')[0] for part in text.split("#/components/schemas/")[1:]}:
        assert name in document["components"]["schemas"]
    assert world.get(None, "/docs").status_code == 200


def test_clock__operator_of_an_embedded_node__steps_it(world: World) -> None:
    now = world.get(None, "/v1/clock").json()["market_time"]

    answer = world.post("market operator", "/v1/clock", {"advance_to": now + 60})

    assert (answer.status_code, answer.json()["market_time"]) == (200, now + 60)
    shown = world.get(None, "/v1/clock").json()
    assert (shown["market_time"], shown["speed"]) == (now + 60, 60)
    assert shown["chain_time"] == world.services.deployment.start_seconds + 1
    back = world.post("market operator", "/v1/clock", {"advance_to": now})
    assert (back.status_code, back.json()["market_time"]) == (200, now + 60)


@pytest.mark.parametrize("beyond", [1, SECONDS_LAST - MARKET_SECONDS - CLOCK_STEP_SECONDS_MAX])
def test_clock__step_of_more_than_four_weeks__refused_and_time_stays(world: World, beyond: int) -> None:
    now = world.get(None, "/v1/clock").json()["market_time"]

    answer = world.post("market operator", "/v1/clock", {"advance_to": now + CLOCK_STEP_SECONDS_MAX + beyond})

    assert (answer.status_code, answer.json()["type"]) == (422, "/problems/clock-step-too-long")
    assert world.get(None, "/v1/clock").json()["market_time"] == now
    furthest = world.post("market operator", "/v1/clock", {"advance_to": now + CLOCK_STEP_SECONDS_MAX})
    assert furthest.json()["market_time"] == now + CLOCK_STEP_SECONDS_MAX


def test_clock__chain_with_its_own_time__refused(world: World) -> None:
    object.__setattr__(world.services, "clock_control", None)

    answer = world.post("market operator", "/v1/clock", {"advance_to": 2**33})

    assert (answer.status_code, answer.json()["type"]) == (409, "/problems/clock-not-controlled")


def test_journal__headers__lead_from_hash_to_hash(market: World) -> None:
    first = market.get("audit office", "/v1/journal", limit=3)
    second = market.get("audit office", first.headers["link"].partition(">")[0].removeprefix("<"))

    headers = first.json()["items"] + second.json()["items"]
    assert [one["sequence"] for one in headers] == [1, 2, 3, 4, 5, 6]
    assert all(one["previous"] == before["hash"] for before, one in pairwise(headers))
    assert "payload" not in headers[0]
    assert address("household 1") not in first.text + second.text


def test_ledger__public__domains_and_head(world: World) -> None:
    shown = world.get(None, "/v1/ledger").json()

    order = shown["signing"]["Order"]["domain"]
    assert order["verifyingContract"] == shown["contracts"]["Market"]
    assert shown["journal"]["sequence"] == world.services.record.head().sequence
    assert shown["last_anchor"] is None


def test_status__operator__sees_stages_and_pending_transactions(market: World) -> None:
    shown = market.get("market operator", "/v1/status").json()

    assert shown["journal"]["sequence"] == market.services.record.head().sequence
    assert shown["pending_transactions"] == 0


def test_status__pending_transaction__its_kind_but_nobodys_account(
    market: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    waiting = StoredTransaction(
        key=f"requestRedemption:{address('household 1')}:0x00",
        role="operator",
        sender=bytes(20),
        nonce=0,
        contract="Settlement",
        function="requestRedemption",
        tx_hash=bytes(32),
        raw=b"",
        gas_price_wei=1,
        status="signed",
        block_number=None,
        block_hash=None,
    )
    monkeypatch.setattr("wallet_api.routers.operator.pending", lambda _: [waiting])

    answer = market.get("market operator", "/v1/status")

    assert answer.json()["pending"][0]["kind"] == "requestRedemption"
    assert address("household 1") not in answer.text


@pytest.mark.parametrize("path", ["/v1/participants", "/v1/meters", "/v1/agreements"])
def test_operator__lists_that_name_persons__refused(market: World, path: str) -> None:
    assert market.get("market operator", path).status_code == 403


def test_markets__next_opening__is_the_local_midnight_before_the_next_day(trading: World) -> None:
    empty = trading.get(None, "/v1/markets").json()["items"][0]
    one = trading.get(None, f"/v1/markets/{MARKET}").json()

    assert empty["next_opening"] == one["next_opening"] == GATE // 86_400 * 86_400 + 22 * 3_600
    assert one["next_opening_utc"] == "2016-06-01T22:00:00Z"


def test_programs__by_state__gates_and_deadlines(trading: World) -> None:
    shown = trading.get(None, f"/v1/markets/{MARKET}/programs", state="open").json()["items"]

    assert [(one["session"], one["state"], one["first_mtu"]) for one in shown] == [(GATE, "open", FIRST_MTU)]
    assert shown[0]["book_deadline"] == GATE + 900
    trading.clock.advance_to(GATE)
    assert trading.get(None, f"/v1/markets/{MARKET}/programs", state="open").json()["items"] == []
    by_id = trading.get(None, "/v1/markets").json()["items"][0]["market_id"]
    assert trading.get(None, f"/v1/markets/{by_id}/programs").json()["items"][0]["state"] == "gate_closed"


def test_directory__one_address_for_two_roles__refused() -> None:
    key = key_named("x").address
    both = [OrganisationKey(address=key, role=role, name="x") for role in (Role.DSO, Role.OPERATOR)]

    with pytest.raises(RolesNotExclusive):
        Directory(organisations=both, participant_of=lambda _: None, is_agent=lambda _: False)
    with pytest.raises(ValueError, match="known by what the record says"):
        OrganisationKey(address=key, role=Role.PROSUMER, name="x")
