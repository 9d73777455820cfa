"""A market of a few fast MTUs on four geth sealers, one of which is killed and comes back meanwhile."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from contracts.bindings import Calendar, Call, Market
from contracts.bindings.calendar import AreaParams
from contracts.bindings.market import MarketParams, ResultPage
from contracts.deploy import Deployment, DeploymentConfig, RoleGrant, plan_deployment, read_deployment, send_plan
from contracts.rpc import NodeUnavailable, Rpc, as_int
from domain.eip712 import PROGRAM
from domain.facts import ChainFailed, ChainIncluded, Subject
from domain.hashing import keccak, text_id, to_hex
from domain.merkle import merkle_proof, merkle_root
from domain.roles import ChainRole
from domain.signing import SigningKey
from domain.units import NO_PRICE
from domain.words import OrderWord, Side, mask_word, page_hashes, result_hash, words_hash
from ledger_service.chain.gateway import Gateway
from ledger_service.chain.profile import CLIQUE
from ledger_service.outbox import request
from ledger_service.record import Record
from scripts.tools.chain_nodes.clique import CliqueNetwork
from tests.finality import final
from tests.integration.chain.conftest import NAMES
from tests.journal import content_of

pytestmark = [pytest.mark.integration, pytest.mark.host, pytest.mark.timeout(600)]

CHAIN_ID, SPEED = 2016, 120
AREA, MARKET = text_id("DE/CLIQUE"), text_id("DE/CLIQUE/DA")
KEYS = {name: SigningKey(keccak(b"clique " + name.encode())) for name in NAMES}
DEPLOYER = SigningKey(keccak(b"clique deployer"))

DELAY_SECONDS = 1_800
"""Wall seconds of a change of roles: in market time less than the challenge window, as the contracts ask."""
PRICE = 200_000
GRACE_S, SIGN_S, CLEAR_S = 1_200, 3_600, 4_800
CLEARED, VOID = 2, 3


def _words() -> list[int]:
    sides = ((Side.BID, 300_000), (Side.ASK, 100_000))
    tags = sorted(int.from_bytes(keccak(b"tag %d" % at)[:16], "big") for at in range(2))
    return [
        OrderWord(tag=tag, side=side, limit_neur_per_wh=limit, quantity_lots=100, accepted_lots=100).pack()
        for tag, (side, limit) in zip(tags, sides, strict=True)
    ]


@pytest.fixture
def network(tmp_path: Path) -> Iterator[CliqueNetwork]:
    funded = [DEPLOYER.address, *(key.address for key in KEYS.values())]
    running = CliqueNetwork(folder=tmp_path / "clique", chain_id=CHAIN_ID, funded=funded)
    try:
        running.start()
        yield running
    finally:
        running.stop()


def _deploy(rpc: Rpc, *, origin: int) -> Deployment:
    header = rpc.header()
    assert header is not None
    grants = tuple(
        RoleGrant(address=key.address, role=name.rstrip("12"), organisation=text_id(f"organisation {name}"))
        for name, key in KEYS.items()
    )
    config = DeploymentConfig(
        grants=grants, origin=origin, start=header.timestamp, speed=SPEED, delay_seconds=DELAY_SECONDS
    )
    plan = plan_deployment(config=config, key=DEPLOYER, chain_id=CHAIN_ID, gas_price_wei=CLIQUE.gas_price_wei)
    send_plan(rpc=rpc, transactions=list(plan.transactions.values()))
    last = list(plan.transactions.values())[-1]
    _until(lambda: rpc.call("eth_getTransactionReceipt", to_hex(last.hash)) is not None)
    return read_deployment(rpc=rpc, plan=plan)


def _until(condition: Callable[[], bool], *, timeout_s: float = 90) -> None:
    deadline = time.monotonic() + timeout_s
    while not condition():
        assert time.monotonic() < deadline, "the chain did not get there in time"
        time.sleep(0.2)


class Operator:
    """What the service's stages do, reduced to requests and waiting."""

    def __init__(self, *, record: Record, gateway: Gateway) -> None:
        self.record, self.gateway = record, gateway
        addresses = gateway.deployment.addresses
        self.calendar = Calendar(rpc=gateway.rpc, address=addresses["Calendar"])
        self.market = Market(rpc=gateway.rpc, address=addresses["Market"])

    def ask(self, key: str, role: ChainRole, call: Call) -> None:
        with self.record.begin() as tx:
            request(tx, call, key=key, role=role, about=Subject())

    def included(self) -> set[str]:
        self.gateway.step()
        assert [content_of(entry) for entry in self.record.entries(kinds=[ChainFailed])] == []
        return {content_of(entry)["key"] for entry in self.record.entries(kinds=[ChainIncluded])}

    def wait_for(self, *keys: str) -> None:
        _until(lambda: set(keys) <= self.included())

    def wait_for_market_time(self, seconds: int) -> None:
        _until(lambda: self.calendar.market_time() >= seconds)


def _set_up(operator: Operator, *, first_mtu: int) -> None:
    params = MarketParams(
        area=AREA,
        lot_wh=10,
        tick_neur_per_wh=100,
        min_limit_neur_per_wh=-1_000_000,
        max_limit_neur_per_wh=1_000_000,
        grace_seconds=GRACE_S,
        sign_seconds=SIGN_S,
        clear_seconds=CLEAR_S,
    )
    deadlines = AreaParams(attest_seconds=3_600, horizon_seconds=86_400)
    operator.ask("area", ChainRole.REGISTRAR, operator.calendar.create_area(area=AREA, params=deadlines))
    operator.ask("market", ChainRole.REGISTRAR, operator.market.create_market(market=MARKET, params=params))
    operator.wait_for("area", "market")
    operator.ask(
        "period", ChainRole.OPERATOR, operator.calendar.declare_period(area=AREA, first_mtu=first_mtu, count=96)
    )
    operator.wait_for("period")


def _clear(operator: Operator, *, mtu: int, price: int, words: list[int], proof: list[bytes]) -> None:
    target = ResultPage(program=1, mtu=mtu, price_neur_per_wh=price, count=len(words), page=0)
    call = operator.market.clear(market=MARKET, target=target, page_hashes=page_hashes(words), words=words, proof=proof)
    operator.ask(f"clear-{mtu}", ChainRole.OPERATOR, call)


def _record_program(operator: Operator, deployment: Deployment, *, first_mtu: int, gate: int, root: bytes) -> None:
    """Have the DSO sign the program of three MTUs, and the chain record it."""
    program = {
        "market": MARKET,
        "firstMtu": first_mtu,
        "count": 3,
        "resultsRoot": root,
        "gridModelHash": keccak(b"grid"),
        "reportHash": keccak(b"report"),
        "deadline": gate + SIGN_S,
    }
    signature = KEYS["dso"].sign(deployment.domain("Market").digest(PROGRAM, program))
    call = operator.market.record_program(
        market=MARKET,
        program=1,
        results_root=program["resultsRoot"],
        grid_model_hash=program["gridModelHash"],
        report_hash=program["reportHash"],
        deadline=program["deadline"],
        signature=signature,
    )
    operator.ask("signed", ChainRole.OPERATOR, call)
    operator.wait_for("signed")


def _restart_own_node(network: CliqueNetwork, gateway: Gateway) -> None:
    """Kill the node the gateway talks to in the middle of its work: the work waits, and goes on with the node."""
    head = gateway.head()
    network.kill(0)
    with pytest.raises(NodeUnavailable):
        gateway.step()
    network.start_one(0)
    _until(lambda: gateway.head() >= head)


def test_market__one_of_four_sealers_killed_and_restarted__is_cleared_voided_and_final(
    network: CliqueNetwork, tmp_path: Path
) -> None:
    rpc = network.rpc(0)
    origin = 1_630_000 * 900
    deployment = _deploy(rpc, origin=origin)
    record = Record.open(f"sqlite:///{tmp_path}/record.db")
    senders = {name: KEYS[name] for name in ("operator", "registrar")}
    gateway = Gateway.open(record=record, rpc=rpc, deployment=deployment, signers=senders, profile=CLIQUE)
    operator = Operator(record=record, gateway=gateway)
    gate = operator.calendar.market_time() + 15 * SPEED
    first_mtu = (gate + CLEAR_S) // 900 + 2
    _set_up(operator, first_mtu=first_mtu)

    call = operator.market.open_program(market=MARKET, period=1, first_mtu=first_mtu, count=3, gate=gate)
    operator.ask("program", ChainRole.OPERATOR, call)
    operator.wait_for("program")
    network.kill(3)

    # Books of three MTUs: one with a trade, one empty, one that will never be cleared.
    words = _words()
    masked = words_hash([mask_word(word) for word in words])
    operator.wait_for_market_time(gate)
    call = operator.market.close_books(market=MARKET, program=1, chains=[masked, bytes(32), masked], counts=[2, 0, 2])
    operator.ask("books", ChainRole.OPERATOR, call)
    operator.wait_for("books")

    results = [
        result_hash(market=MARKET, mtu=first_mtu, price_neur_per_wh=PRICE, words=words),
        result_hash(market=MARKET, mtu=first_mtu + 1, price_neur_per_wh=None, words=[]),
        result_hash(market=MARKET, mtu=first_mtu + 2, price_neur_per_wh=PRICE, words=words),
    ]
    _record_program(operator, deployment, first_mtu=first_mtu, gate=gate, root=merkle_root(results))
    _clear(operator, mtu=first_mtu, price=PRICE, words=words, proof=merkle_proof(results, 0))
    _clear(operator, mtu=first_mtu + 1, price=NO_PRICE, words=[], proof=merkle_proof(results, 1))
    operator.wait_for(f"clear-{first_mtu}", f"clear-{first_mtu + 1}")
    network.start_one(3)

    operator.wait_for_market_time(gate + CLEAR_S + 2 * SPEED)
    call = operator.market.void_mtus(market=MARKET, period=1, program=1, first_mtu=first_mtu, count=3)
    operator.ask("void", ChainRole.OPERATOR, call)
    _restart_own_node(network, gateway)
    operator.wait_for("void")

    block = max(content_of(entry)["block"] for entry in record.entries(kinds=[ChainIncluded]))
    assert final(gateway) < gateway.head(), "three distinct sealers have not sealed the newest block"
    _until(lambda: final(gateway) >= block)
    states = [operator.market.state_of(market=MARKET, mtu=first_mtu + at) for at in range(3)]
    assert states == [CLEARED, CLEARED, VOID]
    assert operator.market.result_of(market=MARKET, mtu=first_mtu).price_neur_per_wh == PRICE
    _until(lambda: network.rpc(3).block_number() >= block)
    restarted = network.rpc(3).header(block)
    assert restarted is not None
    assert restarted == rpc.header(block)
    signers = rpc.call("clique_getSigners", "latest")
    assert len(signers) == 4
    assert as_int(rpc.call("eth_getBlockByNumber", "latest", False)["gasLimit"]) >= 100_000_000
    record.close()
