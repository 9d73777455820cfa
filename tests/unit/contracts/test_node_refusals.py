"""What clients say when they refuse a transaction, in their own words and under the HTTP statuses they choose."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
import requests
from requests.adapters import BaseAdapter

from contracts.deploy import send_plan
from contracts.node_refusals import refusal_of
from contracts.rpc import NodeAnswerInvalid, Rpc, RpcError
from contracts.transactions import UnsignedTransaction
from domain.signing import SigningKey

pytestmark = pytest.mark.unit

RECORDED: list[dict[str, Any]] = json.loads(Path(__file__).with_name("node_answers.json").read_text())["answers"]

NAMES = [f"{each['client']}: {each['error']['message'][:30]}" for each in RECORDED]


class Node(BaseAdapter):
    """A node that gives the same answer to everything, as bytes under a status."""

    def __init__(self, body: object, status: int) -> None:
        super().__init__()
        self.body, self.status = json.dumps(body).encode(), status

    def send(self, request: requests.PreparedRequest, *_: Any, **__: Any) -> requests.Response:
        response = requests.Response()
        response.status_code, response._content, response.request = self.status, self.body, request
        response.url = str(request.url)
        return response

    def close(self) -> None:
        """Nothing is open."""


def rpc_to(body: object, status: int) -> Rpc:
    rpc = Rpc("http://node")
    rpc._session.mount("http://", Node(body, status))
    return rpc


def answered(each: dict[str, Any], status: int) -> RpcError:
    with pytest.raises(RpcError) as refused:
        rpc_to({"jsonrpc": "2.0", "id": 0, "error": each["error"]}, status).call("eth_sendRawTransaction", "0x00")
    return refused.value


@pytest.mark.parametrize("each", RECORDED, ids=NAMES)
def test_refusal_of__recorded_answer__means_what_its_client_means(each: dict[str, Any]) -> None:
    error = answered(each, each["status"])

    assert refusal_of(error) == each["means"]
    assert error.error_code == each["error"]["code"]


@pytest.mark.parametrize("status", [400, 404, 422, 500])
def test_call__refusal_under_a_status_of_http__is_the_nodes_refusal(status: int) -> None:
    error = answered(RECORDED[0], status)

    assert (error.message, error.error_code) == ("already known", -32000)


@pytest.mark.parametrize("status", [401, 403, 429, 502, 503, 504])
def test_call__status_of_what_stands_before_the_node__says_nothing_of_the_call(status: int) -> None:
    with pytest.raises(NodeAnswerInvalid):
        rpc_to({"jsonrpc": "2.0", "id": 0, "error": {"code": 1, "message": "nonce too low"}}, status).call("x")


@pytest.mark.parametrize("body", [{"error": "no JSON-RPC"}, {"jsonrpc": "2.0", "result": "0x1"}, ["error"], "error"])
def test_call__other_body_under_an_error_status__is_no_answer(body: object) -> None:
    with pytest.raises(NodeAnswerInvalid):
        rpc_to(body, 500).call("eth_chainId")


def test_batch__refused_as_a_whole__is_the_nodes_refusal() -> None:
    error = {"code": -32005, "message": "Number of requests exceeds max batch size"}

    with pytest.raises(RpcError) as refused:
        rpc_to({"jsonrpc": "2.0", "id": None, "error": error}, 200).batch([("a", ()), ("b", ())])

    assert refused.value.message == error["message"]


class Refusing(Rpc):
    """A node that refuses every transaction in the same words."""

    def __init__(self, error: dict[str, Any]) -> None:
        super().__init__("http://node")
        self.error = error

    def batch(self, calls: Sequence[Any]) -> list[Any]:
        code, message = self.error["code"], self.error["message"]
        return [RpcError(method=method, error_code=code, message=message, data=None) for method, _ in calls]


@pytest.mark.parametrize("each", RECORDED, ids=NAMES)
def test_send_plan__again__content_where_the_node_has_it_and_told_else(each: dict[str, Any]) -> None:
    plan = [
        UnsignedTransaction(chain_id=1, nonce=3, to=bytes(20), data=b"", gas=21_000, gas_price_wei=1).sign(
            SigningKey(b"\x01" * 32)
        )
    ]
    if each["means"] in ("known", "wrong nonce"):
        send_plan(rpc=Refusing(each["error"]), transactions=plan)
        return
    with pytest.raises(RpcError):
        send_plan(rpc=Refusing(each["error"]), transactions=plan)
