"""UC3: the contracts are paused until a gate has passed: its session never opens, a later gate of the day does.

People's orders of the first auction are told to have lapsed, the second one trades the same MTUs, and nothing looks
wrong to the outsider. In one MTU at night a household consumes 30 Wh that it bought nowhere: its table is by hand.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any, ClassVar

import pytest

from contracts.bindings import Call, Roles
from contracts.rpc import Rpc
from domain.signing import SigningKey
from scripts.community.day import DayDriver, wait_for
from scripts.community.households import Wish, later_wishes
from scripts.community.town import Town
from scripts.community.trading import TradingDay
from scripts.serving.embedded.demo_day import STATE_FOLDER, DayResult
from scripts.serving.embedded.evidence import chain_info
from scripts.serving.embedded.keys import load_key
from scripts.serving.embedded.run_folder import KEYS_FOLDER, SECURITY_ADMINS, node_url
from tests.functional.later_gates import LATER_GATE, facts, later_day, statements
from tests.strangers import Stranger

pytestmark = pytest.mark.functional

HOUSE, POSITION = 0, 8
"""The household of the table, and its MTU: 02:00."""

CONSUMED_WH = 30

MTU_SECONDS = 900


class TableDay(TradingDay):
    """A day in which the household consumes what the table says."""

    def __init__(self, **known: Any) -> None:
        super().__init__(**known)
        self.net_wh = self.net_wh.copy()
        self.net_wh[HOUSE, POSITION] = CONSUMED_WH


def not_in_the_table(usual: Callable[..., list[Wish]]) -> Callable[..., list[Wish]]:
    """Wishes as they would be, but none of the household in its MTU."""

    def found(*, at: int, **known: Any) -> list[Wish]:
        return [item for item in usual(at=at, **known) if (at, item.position) != (HOUSE, POSITION)]

    return found


def send(town: Town, state: Path, call: Call) -> None:
    """A call of the security admin, straight to the node."""
    key: SigningKey = load_key(state / KEYS_FOLDER, SECURITY_ADMINS[0])
    chain = chain_info(town)
    admin = Stranger(rpc=Rpc(node_url(state)), addresses=chain.contracts, chain_id=chain.chain_id, key=key)
    (sent,) = admin.send(call)
    wait_for("the security admin's call", lambda: admin.succeeded(sent) is not None)
    assert admin.succeeded(sent)


class PausedTown(Town):
    """A community whose contracts are paused before there is a market."""

    state: ClassVar[Path]

    def _define_market(self, valid_from_mtu: int) -> None:
        registrar = self.clients["registrar"]
        usual, paused = registrar.post, []

        def post(path: str, body: Any) -> Any:
            if path == "/v1/markets" and not paused:
                send(self, self.state, Roles.pause())
                paused.append(path)
            return usual(path, body)

        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(registrar, "post", post)
            super()._define_market(valid_from_mtu)


class PausedDay(DayDriver):
    """A day whose first gate passes while the contracts are paused."""

    orders: ClassVar[list[dict[str, Any]]] = []

    def close_and_clear(self) -> None:
        """The first session lapses; then the pause ends, and the other one is asked for again before its gate."""
        self.advance(self.plan.gate)
        wait_for("the session to lapse", lambda: self._state(self._market, self.plan.gate) == "lapsed")
        house = self._town.households[HOUSE]
        self.orders[:] = self._town.client_of(house).items("/v1/orders")
        send(self._town, PausedTown.state, Roles.unpause())
        for _ in range(19):
            self.advance(self.market_time() + MTU_SECONDS)

    def void_rest(self) -> None:
        """It is over."""


@pytest.fixture(scope="module")
def day(tmp_path_factory: pytest.TempPathFactory) -> tuple[DayResult, Path]:
    """A summer day of the smallest grid."""
    out = tmp_path_factory.mktemp("paused") / "out"
    PausedTown.state = out / STATE_FOLDER
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("scripts.serving.embedded.system.Town", PausedTown)
        patch.setattr("scripts.serving.embedded.demo_day.DayDriver", PausedDay)
        patch.setattr("scripts.community.day.TradingDay", TableDay)
        patch.setattr("scripts.community.trading.later_wishes", not_in_the_table(later_wishes))
        result = later_day(out, second_auction_gate_local=LATER_GATE)
    return result, out


def test_lapsed__whole_day__every_bundle_is_clean_and_the_verdict_says_it(day: tuple[DayResult, Path]) -> None:
    result, _ = day

    assert result.clean, {name: verdict.report for name, verdict in result.verdicts.items() if verdict.exit_code}
    told = "MTUs in which nobody traded, for the chain refused to open their session"
    assert [result.verdicts[name].report["counts"][told] for name in ("auditor", "public")] == [96, 96]


def test_lapsed__first_session__was_never_on_chain_and_nothing_more_was_asked_of_it(
    day: tuple[DayResult, Path],
) -> None:
    _, out = day
    first, second = facts(out, "session.opened")
    asked = [item for item in facts(out, "chain.requested") if item["about"].get("session") == first["session"]]

    (lapsed,) = facts(out, "session.lapsed")
    assert (lapsed["market"], lapsed["session"]) == (first["market"], first["session"])
    assert "RolesPaused" in lapsed["reason"]
    assert {item["function"] for item in asked} == {"openSession"}
    assert {item["session"] for item in facts(out, "book.closed")} == {second["session"]}
    assert {item["session"] for item in facts(out, "mtu.cleared")} == {second["session"]}


def test_lapsed__its_orders__are_void_with_what_the_chain_said(day: tuple[DayResult, Path]) -> None:
    lapsed = Counter((item["state"], "RolesPaused" in item["lapsed_reason"]) for item in PausedDay.orders)

    assert lapsed.keys() == {("void", True)}


def test_lapsed__consumed_30_bought_nothing__all_of_it_is_supplied_at_the_tariff(day: tuple[DayResult, Path]) -> None:
    _, out = day
    mtu = facts(out, "session.opened")[0]["first_mtu"] + POSITION
    account = next(item["order"]["account"] for item in facts(out, "order.accepted") if item["tag"] in own_tags())
    (statement,) = (item for item in statements(out) if item["account"] == account)

    lines = [
        (line["kind"], line["energy_wh"], line["price_neur_per_wh"], int(line["amount_neur"]))
        for line in statement["lines"]
        if line.get("mtu") == mtu
    ]

    # 30 Wh at 30 ct of supply, 7 ct of grid fee and 2 ct of levy; VAT stands apart.
    assert sorted(lines) == [
        ("grid_fee", 30, 70_000, -2_100_000),
        ("levy", 30, 20_000, -600_000),
        ("residual_supply", 30, 300_000, -9_000_000),
    ]


def own_tags() -> set[str]:
    """Tags of the household's orders."""
    return {item["tag"] for item in PausedDay.orders}
