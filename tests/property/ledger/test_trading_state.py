"""Whatever is sent, intake's memory is what the views say, and its sums are what the live orders say."""

from __future__ import annotations

import shutil
import tempfile
from collections import Counter
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from domain.facts import ScheduleNominated
from domain.hashing import to_hex
from domain.mtu import mtu_of
from domain.signing import SigningKey
from domain.words import Side
from ledger_service.record import Record
from ledger_service.trading import Accepted, queries
from ledger_service.trading.state import TradingState, worst_cost_neur
from tests.effort import examples
from tests.integration.ledger.agents import Agent, revocation, signed_mandate
from tests.integration.ledger.town import AREA, CREDIT_NEUR, MARKET, NOW, Town, register_key, signed_key

pytestmark = pytest.mark.property

STEP = st.tuples(
    st.sampled_from(["order", "order", "order", "agent", "agent", "change", "cancel", "schedule", "repeat", "mandate"]),
    st.integers(0, 1),
    st.integers(0, 3),
    st.sampled_from(list(Side)),
    st.sampled_from([-500_000, -100, 0, 100, 250_000, 4_000_000]),
    st.integers(1, 260),
)


MANDATE = {"mtu_buy_wh": 2_000, "mtu_sell_wh": 1_500, "day_buy_wh": 3_000, "day_sell_wh": 2_500}
"""What agents may trade: less than two large orders in an MTU, or in a day."""


ANY_PRICE = {"highest_buy_neur_per_wh": 4_000_000, "lowest_sell_neur_per_wh": -500_000}


def mandate_step(agent: Agent, who: int, nonce: int) -> Any:
    """The first household's mandates are renewed, and ended now and then; the second's, which has none, granted."""
    if who == 0 and nonce % 3 == 0:
        return revocation(agent.mandate, agent.resident.device)
    agent.mandate = replace(agent.mandate, nonce=nonce)
    return signed_mandate(agent.mandate, agent.resident.device)


def submission(town: Town, agents: list[Agent], sent: list[Any], step: tuple[Any, ...]) -> Any:
    """What a step sends; changes, cancels and repeats refer to what was sent before, by whoever may sign."""
    action, who, offset, side, limit, lots = step
    resident, program = town.residents[who], town.session
    if action == "mandate":
        return mandate_step(agents[who], who, lots)
    if action == "agent":
        terms = {"side": side, "limit_neur_per_wh": limit, "quantity_lots": lots}
        return agents[who].order(mtu=program.first_mtu + offset, **terms)
    mine = [item for item in sent if item.order.account == resident.account.address]
    terms = {"side": side, "limit_neur_per_wh": limit, "quantity_lots": lots}
    if action == "schedule":
        revision = sum(1 for _ in town.record.entries(kinds=[ScheduleNominated], limit=10_000))
        return resident.schedule(program, [-10 * lots] * program.count, revision=revision if who else revision // 2)
    if action == "order" or not mine:
        return resident.order(mtu=program.first_mtu + offset, **terms)
    last = mine[offset % len(mine)]
    if action == "repeat":
        return last
    if action == "change":
        return resident.sign_order(replace(last.order, revision=last.order.revision + 1, **terms))
    return resident.cancel(last.order, revision=last.order.revision + 1)


def comparable(state: TradingState) -> dict[str, Any]:
    """The state without what only says when it was last looked at."""
    return {name: value for name, value in vars(state).items() if name != "settled_before"}


@given(batches=st.lists(st.lists(STEP, min_size=1, max_size=6), min_size=1, max_size=6), closes=st.booleans())
@example(batches=[[("order", 0, 0, Side.BID, -500_000, 1)], [("cancel", 0, 0, Side.BID, -500_000, 1)]], closes=False)
@example(batches=[[("mandate", 0, 0, Side.BID, -500_000, 2)]], closes=False)
@settings(max_examples=examples(25), deadline=None, suppress_health_check=[HealthCheck.too_slow])
def test_state__any_submissions__equals_a_fresh_load_and_keeps_the_limits(
    empty_record: Path, batches: list[list[tuple[Any, ...]]], closes: bool
) -> None:
    with tempfile.TemporaryDirectory() as folder:
        shutil.copy(empty_record, folder)
        record = Record.open(f"sqlite:///{folder}/{empty_record.name}")
        town = Town(record, households=2)
        town.open_session()
        agents = [Agent(town, resident, **MANDATE, **ANY_PRICE) for resident in town.residents]
        agents[0].grant(town)
        sent: list[Any] = []
        for batch in batches:
            items = [submission(town, agents, sent, step) for step in batch]
            outcomes = town.send(*items)
            sent += [
                item
                for item, outcome in zip(items, outcomes, strict=True)
                if isinstance(outcome, Accepted) and hasattr(item, "order")
            ]
        if closes:
            town.gate.run(town.session.session)
            town.send(town.residents[0].order(mtu=town.session.first_mtu))
        state = town.intake._state
        assert state is not None

        with record.read() as connection:
            fresh = TradingState.load(connection, settled_before=lambda area: 0)
            live = queries.book_orders(connection, market=MARKET, session=town.session.session)
        assert comparable(state) == comparable(fresh)
        used_wh: Counter[tuple[bytes, Side, int]] = Counter()
        for order in live:
            if order.mandate is not None:
                used_wh[order.mandate, order.side, order.mtu] += order.quantity_lots * 10
        for (tag, side, _), energy_wh in used_wh.items():
            mandate = state.mandates.by_tag[tag].mandate
            day_wh = sum(wh for (of, on, _), wh in used_wh.items() if (of, on) == (tag, side))
            assert energy_wh <= mandate.mtu_limit_wh(side) and day_wh <= mandate.day_limit_wh(side)

        costs: Counter[str] = Counter()
        bids: dict[tuple[str, int], int] = {}
        asks: dict[tuple[str, int], int] = {}
        asked_wh: Counter[tuple[str, int]] = Counter()
        market = state.by_code[MARKET].market
        for order in live:
            costs[order.account] += worst_cost_neur(
                market=market,
                side=order.side,
                limit_neur_per_wh=order.limit_neur_per_wh,
                quantity_lots=order.quantity_lots,
            )
            place, limit = (order.account, order.mtu), order.limit_neur_per_wh
            if order.side is Side.BID:
                bids[place] = max(bids.get(place, limit), limit)
            else:
                asks[place] = min(asks.get(place, limit), limit)
            if order.side is Side.ASK:
                asked_wh[order.account, order.mtu] += order.quantity_lots * market.lot_wh
        assert all(cost <= CREDIT_NEUR for cost in costs.values())
        assert all(bids[place] < asks[place] for place in bids.keys() & asks.keys())
        assert {account: holder.exposure_neur for account, holder in state.holders.items()} == {
            account: costs[account] for account in state.holders
        }
        if not closes:
            for (account, mtu), energy_wh in asked_wh.items():
                point = state.holders[account].participant.point or ""
                export_wh = state.areas[AREA].export_wh(gate=town.session.session, point=point, mtu=mtu)
                assert energy_wh <= export_wh
        record.close()


@given(begins=st.lists(st.integers(0, 8), min_size=1, max_size=6))
@settings(max_examples=examples(25), deadline=None, suppress_health_check=[HealthCheck.too_slow])
def test_keys__registered_in_any_order__the_last_one_that_begins_by_then_counts(
    empty_record: Path, begins: list[int]
) -> None:
    """Intake's memory, whether kept or loaded afresh, and the queries agree on whose signature counts when."""
    with tempfile.TemporaryDirectory() as folder:
        shutil.copy(empty_record, folder)
        record = Record.open(f"sqlite:///{folder}/{empty_record.name}")
        town = Town(record, households=1)
        town.open_session()
        resident, now_mtu = town.residents[0], mtu_of(NOW)
        town.send(resident.order(mtu=town.session.first_mtu))
        registered = [(0, to_hex(resident.device.address))]
        for begin in begins:
            device = SigningKey.generate().address
            key = signed_key(resident.account, device, point=resident.point, valid_from_mtu=now_mtu + begin)
            with record.begin() as tx:
                register_key(tx, key, now=NOW)
            registered.append((now_mtu + begin, to_hex(device)))
        town.send(resident.order(mtu=town.session.first_mtu))
        state = town.intake._state
        assert state is not None

        with record.read() as connection:
            fresh = TradingState.load(connection, settled_before=lambda area: 0)
            for mtu in range(now_mtu - 1, now_mtu + 10):
                expected = [key for begin, key in registered if begin <= mtu][-1]
                for memory in (state, fresh):
                    assert memory.holders[resident.account_hex].key_at(mtu) == expected
        record.close()
