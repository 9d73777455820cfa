"""A market of a few fast MTUs on four geth sealers, one of which is killed and comes back meanwhile."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from contracts.bindings import Calendar, Call, Clearing, Market
from contracts.bindings.calendar import AreaParams
from contracts.bindings.clearing import PlaceProofs, ResultPage
from contracts.bindings.market import MarketParams, Program
from contracts.deploy import Deployment, DeploymentConfig, RoleGrant, plan_deployment, read_deployment, send_plan
from contracts.rpc import NodeUnavailable, Rpc, as_int
from domain.facts import ChainFailed, ChainIncluded, Subject
from domain.hashing import keccak, text_id, to_hex
from domain.markets import MarketKind
from domain.merkle import places_proofs, places_root
from domain.roles import ChainRole
from domain.signing import SigningKey
from domain.words import OrderWord, Side, book_hash, page_hashes, result_hash
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
DONE = 4
"""The state of a session that is over."""


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
        kind=MarketKind.AUCTION.number,
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


@dataclass(frozen=True)
class Trading:
    """A session of three MTUs: one that trades, one with an empty book, one that trades but is never cleared."""

    gate: int
    first_mtu: int

    def words(self, at: int) -> list[int]:
        return [] if at == 1 else _words()

    def hashes(self, at: int) -> tuple[bytes, bytes]:
        """Of book and result."""
        mtu = {"market": MARKET, "session": self.gate, "mtu": self.first_mtu + at}
        price = None if at == 1 else PRICE
        words = self.words(at)
        return book_hash(**mtu, words=words), result_hash(**mtu, price_neur_per_wh=price, words=words)

    @property
    def books(self) -> list[bytes]:
        return [self.hashes(at)[0] for at in range(3)]

    @property
    def results(self) -> list[bytes]:
        return [self.hashes(at)[1] for at in range(3)]

    def program(self) -> Program:
        """What the DSO signs."""
        return Program(
            results_root=places_root(self.results),
            traded_mask=0b101,
            emptied_mask=0,
            grid_model_hash=keccak(b"grid"),
            report_hash=keccak(b"report"),
            deadline=self.gate + SIGN_S,
        )

    def clear(self, at: int) -> Call:
        words = self.words(at)
        (result,), (book,) = places_proofs(self.results, [at]), places_proofs(self.books, [at])
        return Clearing.clear(
            market=MARKET,
            target=ResultPage(
                session=self.gate, mtu=self.first_mtu + at, price_neur_per_wh=PRICE, count=len(words), page=0
            ),
            page_hashes=page_hashes(words),
            words=words,
            proofs=PlaceProofs(result=result, book=book),
        )


def _restart_own_node(network: CliqueNetwork, gateway: Gateway) -> None:
    """Kill the node the gateway talks to in the middle of its work: the work waits, and goes on with the node."""
    head = gateway.head()
    network.kill(0)
    with pytest.raises(NodeUnavailable):
        gateway.step()
    network.start_one(0)
    _until(lambda: gateway.head() >= head)


def _trade(operator: Operator, network: CliqueNetwork, trading: Trading) -> None:
    """From the session's opening to the one clearing that comes, without the fourth sealer."""
    market, gate = operator.market, trading.gate
    call = market.open_session(market=MARKET, session=gate, period=1, first_mtu=trading.first_mtu, count=3)
    operator.ask("session", ChainRole.OPERATOR, call)
    operator.wait_for("session")
    network.kill(3)

    operator.wait_for_market_time(gate)
    call = market.close_session(market=MARKET, session=gate, books_root=places_root(trading.books))
    operator.ask("books", ChainRole.OPERATOR, call)
    operator.wait_for("books")
    program = trading.program()
    signature = KEYS["dso"].sign(market.program_digest(market=MARKET, session=gate, program=program))
    call = market.record_program(market=MARKET, session=gate, program=program, signature=signature)
    operator.ask("signed", ChainRole.OPERATOR, call)
    operator.wait_for("signed")
    operator.ask("clear", ChainRole.OPERATOR, trading.clear(0))
    operator.wait_for("clear")
    network.start_one(3)


def test_market__one_of_four_sealers_killed_and_restarted__is_cleared_ended_and_final(
    network: CliqueNetwork, tmp_path: Path
) -> None:
    rpc = network.rpc(0)
    deployment = _deploy(rpc, origin=1_630_000 * 900)
    record = Record.open(f"sqlite:///{tmp_path}/record.db")
    senders = {name: KEYS[name] for name in ("operator", "registrar")}
    gateway = Gateway.open(record=record, rpc=rpc, deployment=deployment, signers=senders, profile=CLIQUE)
    operator = Operator(record=record, gateway=gateway)
    gate = operator.calendar.market_time() + 15 * SPEED
    trading = Trading(gate=gate, first_mtu=(gate + CLEAR_S) // 900 + 2)
    _set_up(operator, first_mtu=trading.first_mtu)
    _trade(operator, network, trading)

    operator.wait_for_market_time(gate + CLEAR_S + 2 * SPEED)
    operator.ask("end", ChainRole.OPERATOR, operator.market.end_session(market=MARKET, session=gate))
    _restart_own_node(network, gateway)
    operator.wait_for("end")

    block = max(content_of(entry)["block"] for entry in record.entries(kinds=[ChainIncluded]))
    assert final(gateway) < gateway.head(), "three distinct sealers have not sealed the newest block"
    _until(lambda: final(gateway) >= block)
    session = operator.market.session_of(market=MARKET, session=gate)
    assert (session.state, session.traded_mask, session.cleared_mask) == (DONE, 0b101, 0b001)
    assert operator.market.pending_count(area=AREA, period=1) == 0
    _until(lambda: network.rpc(3).block_number() >= block)
    restarted = network.rpc(3).header(block)
    assert restarted is not None
    assert restarted == rpc.header(block)
    signers = rpc.call("clique_getSigners", "latest")
    assert len(signers) == 4
    assert as_int(rpc.call("eth_getBlockByNumber", "latest", False)["gasLimit"]) >= 100_000_000
    record.close()
