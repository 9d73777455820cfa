"""Nodes that must not be believed: other chains, other contracts, pages that are no JSON-RPC, answers that lie."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from dataclasses import replace
from http.server import BaseHTTPRequestHandler, HTTPServer
from threading import Thread
from typing import Any

import pytest

from contracts.bindings import Accounts, Calendar
from contracts.bindings.base import Reverted
from contracts.bindings.calendar import AreaParams
from contracts.deploy import CodeWrong, ContractMissing, WrongChain, WrongGenesis, check_deployment
from contracts.rpc import NodeAnswerInvalid, NodeUnavailable, Rpc, RpcError
from domain.hashing import text_id, to_hex
from ledger_service.chain.encoding import Codec
from ledger_service.chain.gateway import Gateway
from ledger_service.chain.transaction_receipts import read_mined
from tests.journal import request_fact

pytestmark = pytest.mark.integration


def _open(world: Any, **changes: Any) -> None:
    wrong = replace(world.deployment, **changes)
    Gateway.open(record=world.record, rpc=world.rpc, deployment=wrong, signers={})


def test_open__wrong_chain_id__is_refused(world: Any) -> None:
    with pytest.raises(WrongChain) as caught:
        _open(world, chain_id=1)
    assert (caught.value.expected, caught.value.found) == (1, world.deployment.chain_id)


def test_open__wrong_genesis__is_refused(world: Any) -> None:
    with pytest.raises(WrongGenesis):
        _open(world, genesis_hash=bytes(32))


def test_open__missing_contract__is_refused(world: Any) -> None:
    with pytest.raises(ContractMissing) as caught:
        _open(world, addresses={**world.deployment.addresses, "Market": b"\x01" * 20})
    assert caught.value.contract == "Market"


def test_open__other_code__is_refused(world: Any) -> None:
    world.rpc.call("anvil_setCode", to_hex(world.deployment.addresses["Settlement"]), "0x6000")

    with pytest.raises(CodeWrong) as caught:
        _open(world)

    assert caught.value.contract == "Settlement"


def test_check_deployment__the_deployment_itself__is_accepted(world: Any) -> None:
    check_deployment(rpc=world.rpc, deployment=world.deployment)
    assert type(world.deployment).from_json(json.loads(json.dumps(world.deployment.as_json()))) == world.deployment


@pytest.fixture
def pretender() -> Iterator[Callable[[bytes, int], str]]:
    """A server on loopback that answers every request with the same bytes."""
    servers: list[HTTPServer] = []

    def start(body: bytes, status: int) -> str:
        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                self.rfile.read(int(self.headers["Content-Length"]))
                self.send_response(status)
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, *_: Any) -> None:
                return

        server = HTTPServer(("127.0.0.1", 0), Handler)
        Thread(target=server.serve_forever, daemon=True).start()
        servers.append(server)
        return f"http://127.0.0.1:{server.server_port}"

    yield start
    for server in servers:
        server.shutdown()
        server.server_close()


@pytest.mark.parametrize(
    ("body", "status"),
    [
        (b"<html>Welcome</html>", 200),
        (b'{"jsonrpc": "2.0", "id": 0, "resu', 200),
        (b"", 200),
        (b"\xff\xfe", 200),
        (b"[]", 200),
        (b'"text"', 200),
        (b'{"jsonrpc": "2.0", "id": 0}', 200),
        (b"gateway timeout", 504),
    ],
)
def test_call__answer_that_is_no_json_rpc__is_refused(
    pretender: Callable[[bytes, int], str], body: bytes, status: int
) -> None:
    with pytest.raises(NodeAnswerInvalid):
        Rpc(pretender(body, status)).call("eth_chainId")


def test_call__no_server__is_unavailable_and_may_be_retried() -> None:
    with pytest.raises(NodeUnavailable) as caught:
        Rpc("http://127.0.0.1:9", timeout_s=2).call("eth_chainId")
    assert caught.value.retryable


def test_call__unknown_method__is_the_nodes_refusal(world: Any) -> None:
    with pytest.raises(RpcError) as caught:
        world.rpc.call("eth_nothing")
    assert caught.value.method == "eth_nothing"


class LyingRpc(Rpc):
    """Gives receipts in blocks that the chain does not have."""

    def batch(self, calls: Any) -> list[Any]:
        answers = super().batch(calls)
        return [
            {**answer, "blockHash": to_hex(b"\x07" * 32)} if isinstance(answer, dict) and "logs" in answer else answer
            for answer in answers
        ]


def test_read_mined__receipt_of_a_block_that_is_not_on_the_chain__is_not_believed(
    world: Any, ask: Any, deposit: Any
) -> None:
    gateway = world.gateway()
    ask(world.record, deposit(1))
    gateway.step()
    world.mine()
    waiting = gateway.pending()
    hashes = {item.tx_hash: item.key for item in waiting}
    codec = Codec(world.deployment)

    honest = read_mined(rpc=world.rpc, codec=codec, waiting=waiting, hashes=hashes)
    lied = read_mined(rpc=LyingRpc(world.rpc.url), codec=codec, waiting=waiting, hashes=hashes)

    assert (len(honest), len(lied)) == (1, 0)


def test_bindings__reads__give_dataclasses_and_name_reverts(world: Any) -> None:
    calendar = Calendar(rpc=world.rpc, address=world.deployment.addresses["Calendar"])
    accounts = Accounts(rpc=world.rpc, address=world.deployment.addresses["Accounts"])

    with pytest.raises(Reverted) as caught:
        calendar.area_of(area=text_id("nowhere"))

    assert caught.value.reason == f"CalendarAreaUnknown(area={to_hex(text_id('nowhere'))})"
    assert calendar.speed() == 1
    assert accounts.account_of(account=b"\x01" * 20).balance_neur == 0
    assert accounts.supply(block=1) == 0


def test_bindings__calls__are_what_the_gateway_encodes(world: Any, ask: Any) -> None:
    calendar = Calendar(rpc=world.rpc, address=world.deployment.addresses["Calendar"])
    area, params = text_id("DE/LV1"), AreaParams(attest_seconds=3_600, horizon_seconds=86_400)
    call = calendar.create_area(area=area, params=params)
    gateway = world.gateway()
    ask(world.record, request_fact(key="area", role="registrar", call=call))
    gateway.step()
    world.mine()
    gateway.step()

    assert calendar.area_of(area=area) == params
    assert world.facts("chain.included")[0]["events"][0]["args"]["params"] == {
        "attestSeconds": 3_600,
        "horizonSeconds": 86_400,
    }
