"""Rules every settlement keeps, on generated days with several retailers, tariff versions, caps and unread MTUs."""

from __future__ import annotations

import random
from dataclasses import replace
from fractions import Fraction
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from domain.hashing import from_hex, to_hex
from domain.lines import KINDS, PositionLine, TradeLine, VatLine
from domain.parties import ParticipantKind
from domain.periods import Period
from domain.signed_terms import UNSIGNED
from domain.statements import Statement
from domain.terms import Agreement, Tariff
from domain.words import Side, unpack_settlement_word
from settling.columns import Columns, exact, line_energies, sum_up
from settling.inputs import CapsInForce, Inputs, Metered, Party, Trade
from settling.positions import own_prices, trade_columns
from settling.postings import POOL, postings_of
from settling.settlement import columns_of, settle
from settling.terms import resolve_terms
from tests.effort import examples

pytestmark = pytest.mark.property

FIRST, COUNT = 500, 5
RETAILERS = (b"\x71" * 20, b"\x72" * 20)
DSO, TAX = b"\x81" * 20, b"\x82" * 20
SIGN = {kind.name: kind.sign for kind in KINDS}

Gate = tuple[str, int]
"""A session: the code of its market, and its gate."""

GATES: tuple[Gate, ...] = (("x/DA", 1), ("x/DA", 2), ("x/ID", 2))
"""Two sessions of one market, and one of another."""


def tariff(draw: Any, name: str, version: int, valid_from_mtu: int) -> Tariff:
    prices = [draw(st.integers(-400_000, 600_000)) for _ in range(9)]
    vat_bp = draw(st.sampled_from([0, 700, 1_900, 3_333]))
    return Tariff(name, version, "x", to_hex(RETAILERS[0]), valid_from_mtu, *prices, vat_bp, *[UNSIGNED] * 3)


@st.composite
def days(draw: Any, largest_wh: int = 20_000, sessions: tuple[Gate, ...] = GATES) -> Inputs:
    """A day of up to 4 households, two retailers, changing terms, random trades of these sessions that balance."""
    count = draw(st.integers(1, 4))
    houses = [bytes([n + 1]) * 20 for n in range(count)]
    tariffs = [tariff(draw, "a", 1, 0), tariff(draw, "b", 1, 0)]
    if draw(st.booleans()):
        tariffs.append(tariff(draw, "a", 2, draw(st.integers(FIRST, FIRST + COUNT))))
    agreements = []
    for n, house in enumerate(houses):
        for version in range(1, draw(st.integers(1, 2)) + 1):
            since = 0 if version == 1 else draw(st.integers(FIRST, FIRST + COUNT))
            plan = (to_hex(draw(st.sampled_from(RETAILERS))), draw(st.sampled_from("ab")))
            agreements.append(Agreement(f"g{n}", version, to_hex(house), *plan, since, UNSIGNED, UNSIGNED))
    energy, made_up = st.integers(0, largest_wh), st.integers(-largest_wh, largest_wh)
    trades, metered, limits = [], [], []
    for mtu in range(FIRST, FIRST + COUNT):
        for session in sessions:
            if draw(st.booleans()):
                trades += balanced(draw, session, mtu, [*houses, RETAILERS[0]], largest_wh)
        for n in range(count):
            if draw(st.booleans()):
                hashes, balancing = (mtu.to_bytes(31, "big") + bytes([n]),), draw(st.just(0) | made_up)
                metered.append(Metered(f"p{n}", mtu, draw(energy), draw(energy), hashes, balancing))
            if draw(st.booleans()):
                caps = [draw(st.none() | energy) for _ in range(2)]
                limits.append(CapsInForce(f"p{n}", mtu, *caps, scheduled_export_wh=draw(energy)))
    parties = [Party(house, ParticipantKind.HOUSEHOLD, f"p{n}") for n, house in enumerate(houses)]
    parties += [Party(item, ParticipantKind.RETAILER, None) for item in RETAILERS]
    parties += [Party(DSO, ParticipantKind.DSO, None), Party(TAX, ParticipantKind.TAX, None)]
    return Inputs(
        period=Period("x", 1, FIRST, COUNT),
        revision=0,
        parties=tuple(parties),
        tariffs=tuple(tariffs),
        agreements=tuple(agreements),
        trades=tuple(trades),
        metered=tuple(metered),
        limits=tuple(limits),
    )


def balanced(draw: Any, session: Gate, mtu: int, accounts: list[bytes], largest_wh: int) -> list[Trade]:
    """Trades of one session and MTU at one price, whose sides are equal.

    Each account is on one side of them: nobody's own bids and asks can both be accepted in one auction.
    """
    price = draw(st.integers(-300_000, 500_000))
    order = draw(st.permutations(accounts))
    cut = draw(st.integers(1, len(order) - 1))
    trades = []
    for n in range(draw(st.integers(1, 3))):
        energy = draw(st.integers(1, largest_wh))
        for side, group in ((Side.BID, order[:cut]), (Side.ASK, order[cut:])):
            tag = mtu.to_bytes(4, "big") + session[0].encode().rjust(9) + bytes([session[1], n, side])
            trades.append(Trade(draw(st.sampled_from(group)), *session, mtu, side, energy, price, tag))
    return trades


def valid(versions: list[Any], mtu: int) -> Any:
    return max((v for v in versions if v.valid_from_mtu <= mtu), key=lambda v: (v.valid_from_mtu, v.version))


def by_hand(inputs: Inputs, household: Party) -> dict[tuple[int, str], int]:
    """Amounts of one household by (MTU, kind) as docs/protocol.md section 8 says, one MTU after the other."""
    amounts: dict[tuple[int, str], int] = {}
    for mtu in range(FIRST, FIRST + COUNT):
        mine = [trade for trade in inputs.trades if (trade.account, trade.mtu) == (household.account, mtu)]
        bids = [trade for trade in mine if trade.side == Side.BID]
        asks = [trade for trade in mine if trade.side == Side.ASK]
        net = sum(trade.energy_wh for trade in bids) - sum(trade.energy_wh for trade in asks)
        bought, sold = max(net, 0), max(-net, 0)
        drawn, fed, made_up = bought, sold, 0
        for item in inputs.metered:
            if (item.point, item.mtu) == (household.point, mtu):
                drawn, fed, made_up = item.import_wh, item.export_wh, item.balancing_wh
        cap_in = cap_out = None
        scheduled = 0
        for limit in inputs.limits:
            if (limit.point, limit.mtu) == (household.point, mtu):
                cap_in, cap_out, scheduled = limit.import_cap_wh, limit.export_cap_wh, limit.scheduled_export_wh
        plan = valid([item for item in inputs.agreements if item.account == to_hex(household.account)], mtu)
        rate = valid([item for item in inputs.tariffs if item.tariff == plan.tariff], mtu)
        surplus, shortfall = rate.imbalance_surplus_neur_per_wh, rate.imbalance_shortfall_neur_per_wh
        if len({(trade.market, trade.session) for trade in mine}) > 1:
            surplus = min([surplus, *(trade.price_neur_per_wh for trade in bids)])
            shortfall = max([shortfall, *(trade.price_neur_per_wh for trade in asks)])
        paid = fed if cap_out is None else min(fed, cap_out)
        row = {
            "local_purchase": -sum(trade.energy_wh * trade.price_neur_per_wh for trade in bids),
            "local_sale": sum(trade.energy_wh * trade.price_neur_per_wh for trade in asks),
            "residual_supply": -max(drawn - bought, 0) * rate.supply_neur_per_wh,
            "residual_feed_in": max(paid - sold, 0) * rate.feed_in_neur_per_wh,
            "imbalance_surplus": max(bought - drawn, 0) * surplus,
            "imbalance_shortfall": -max(sold - fed, 0) * shortfall,
            "excess_export": 0 if cap_out is None else -max(fed - max(cap_out, sold), 0) * rate.excess_neur_per_wh,
            "excess_import": 0 if cap_in is None else -max(drawn - cap_in, 0) * rate.excess_neur_per_wh,
            "grid_fee_local": -min(bought, drawn) * rate.grid_fee_local_neur_per_wh,
            "grid_fee": -max(drawn - bought, 0) * rate.grid_fee_neur_per_wh,
            "levy": -drawn * rate.levy_neur_per_wh,
            "curtailment_compensation": 0
            if cap_out is None
            else max(scheduled - cap_out, 0) * rate.compensation_neur_per_wh,
            "balancing_shortfall": -max(made_up, 0) * rate.imbalance_shortfall_neur_per_wh,
            "balancing_surplus": max(-made_up, 0) * rate.imbalance_surplus_neur_per_wh,
        }
        amounts.update({(mtu, kind): amount for kind, amount in row.items() if amount})
    return amounts


@settings(max_examples=examples(60), deadline=None)
@given(days())
def test_settle__any_day__equals_the_rules_applied_one_by_one(inputs: Inputs) -> None:
    settled = settle(inputs)

    for party in inputs.parties:
        if party.kind != ParticipantKind.HOUSEHOLD:
            continue
        assert amounts_of(settled.statements[party.account]) == by_hand(inputs, party)


@settings(max_examples=examples(40), deadline=None)
@given(days(sessions=GATES[:1]))
def test_settle__one_session__is_as_if_nothing_were_netted(inputs: Inputs) -> None:
    """Gross energies against the meter, deviations at the agreement's prices: the rule before there were several."""
    for account, statement in settle(inputs).statements.items():
        gross: dict[tuple[int, str], int] = {}
        for trade in inputs.trades:
            if trade.account == account:
                kind = "local_purchase" if trade.side == Side.BID else "local_sale"
                gross[trade.mtu, kind] = gross.get((trade.mtu, kind), 0) + trade.energy_wh
        if statement.kind == ParticipantKind.HOUSEHOLD:
            check_deviations(inputs, statement, gross)
        for line in statement.lines:
            if isinstance(line, TradeLine):
                assert gross[line.mtu, line.kind.name] == line.energy_wh


def check_deviations(inputs: Inputs, statement: Statement, gross: dict[tuple[int, str], int]) -> None:
    """Surplus and shortfall of one session's trades, at the tariff's price."""
    metered = {(item.point, item.mtu): item for item in inputs.metered}
    found = {(line.mtu, line.kind.name): line for line in statement.lines if isinstance(line, PositionLine)}
    for (mtu, kind), energy in gross.items():
        reading = metered.get((statement.point, mtu))
        if kind == "local_purchase":
            name, flowed = "imbalance_surplus", energy if reading is None else reading.import_wh
        else:
            name, flowed = "imbalance_shortfall", energy if reading is None else reading.export_wh
        line = found.get((mtu, name))
        assert (0 if line is None else line.energy_wh) == max(energy - flowed, 0)
        if line is not None:
            plan = valid([item for item in inputs.agreements if item.account == to_hex(statement.account)], mtu)
            rate = valid([item for item in inputs.tariffs if item.tariff == plan.tariff], mtu)
            assert line.price_neur_per_wh == getattr(rate, f"{name}_neur_per_wh")


def amounts_of(statement: Statement) -> dict[tuple[int, str], int]:
    """Amounts other than zero by (MTU, kind), over all markets."""
    amounts: dict[tuple[int, str], int] = {}
    for line in statement.lines:
        if not isinstance(line, VatLine):
            key = (line.mtu, line.kind.name)
            amounts[key] = amounts.get(key, 0) + line.amount_neur
    return {key: amount for key, amount in amounts.items() if amount}


@settings(max_examples=examples(60), deadline=None)
@given(days(), st.randoms(use_true_random=False))
def test_settle__facts_in_another_order__gives_the_same_bytes(inputs: Inputs, shuffler: random.Random) -> None:
    def shuffled(items: tuple[Any, ...]) -> tuple[Any, ...]:
        return tuple(shuffler.sample(items, len(items)))

    other = replace(
        inputs,
        parties=shuffled(inputs.parties),
        tariffs=shuffled(inputs.tariffs),
        agreements=shuffled(inputs.agreements),
        trades=shuffled(inputs.trades),
        metered=shuffled(inputs.metered),
        limits=shuffled(inputs.limits),
    )

    assert settle(other) == settle(inputs)


@settings(max_examples=examples(60), deadline=None)
@given(days())
def test_settle__any_day__moves_money_and_makes_none(inputs: Inputs) -> None:
    settled = settle(inputs)
    retailer_of = {(item.agreement, item.version): from_hex(item.retailer) for item in inputs.agreements}

    postings = postings_of(settled.statements, retailer_of=retailer_of)

    totals: dict[bytes, int] = {}
    for posting in postings:
        totals[posting.account] = totals.get(posting.account, 0) + posting.amount_neur
    assert totals.pop(POOL, 0) == 0
    words = dict(unpack_settlement_word(word) for word in settled.words)
    assert {account: amount for account, amount in totals.items() if amount} == words
    assert sum(words.values()) == 0
    assert list(words) == sorted(words, key=lambda account: (words[account] > 0, account)), "debits first"


@settings(max_examples=examples(60), deadline=None)
@given(days())
def test_settle__any_statement__each_line_recomputes(inputs: Inputs) -> None:
    for account, typed in settle(inputs).statements.items():
        statement, sums = typed.as_json(), 0
        assert Statement.from_json(statement) == typed
        for line in statement["lines"]:
            amount = int(line["amount_neur"])
            sums += amount
            if "vat_bp" not in line:
                mirrored = -1 if "tariff" in line else 1
                assert amount == mirrored * SIGN[line["kind"]] * line["energy_wh"] * line["price_neur_per_wh"]
            elif account != TAX:
                exactly = Fraction(int(line["base_neur"]) * line["vat_bp"], 10_000)
                assert amount == -round(exactly)  # Python rounds a Fraction half to even
        assert sums == int(statement["amount_neur"]) == int(statement["due_neur"])
        assert [item["mtu"] for item in statement["opens"]] == sorted({item["mtu"] for item in statement["opens"]})


@settings(max_examples=examples(30), deadline=None)
@given(days(), st.randoms(use_true_random=False))
def test_settle__correction__carries_the_difference(inputs: Inputs, chooser: random.Random) -> None:
    first = settle(inputs)
    late = tuple(reading for reading in inputs.metered if chooser.random() < 0.5)
    before = first.due_neur()

    second = settle(replace(inputs, metered=late, revision=1, settled_before_neur=before))
    whole = settle(replace(inputs, metered=late))

    for account, due in second.due_neur().items():
        assert due + before[account] == whole.statements[account].amount_neur


@settings(max_examples=examples(20), deadline=None)
@given(days(largest_wh=2**47))
def test_sum_up__beyond_int64__equals_the_lines(inputs: Inputs) -> None:
    settled = settle(inputs)

    for party in inputs.parties:
        if party.kind == ParticipantKind.HOUSEHOLD:
            assert amounts_of(settled.statements[party.account]) == by_hand(inputs, party)


@settings(max_examples=examples(30), deadline=None)
@given(days())
def test_sum_up__wide_columns__give_the_same_sums(inputs: Inputs) -> None:
    households = [party for party in inputs.parties if party.kind == ParticipantKind.HOUSEHOLD]
    terms = resolve_terms(
        households=households,
        agreements=inputs.agreements,
        tariffs=inputs.tariffs,
        period=inputs.period,
        successors=inputs.successors,
        ends=inputs.ends,
    )
    row_of = {party.account: row for row, party in enumerate(households)}
    trades = trade_columns(inputs.trades, row_of, first_mtu=FIRST)
    columns = columns_of(inputs, households, terms, trades)
    prices = terms.prices(own_prices(inputs.trades, row_of, first_mtu=FIRST))
    wide = Columns(*(getattr(columns, name).astype(object) for name in Columns.__slots__[:-1]), columns.terms)

    narrow, other = sum_up(columns, trades, prices), sum_up(wide, trades.wide(), prices)

    assert narrow.amount_neur.tolist() == other.amount_neur.tolist()
    assert exact(columns, trades, prices)[0] is columns
    energies = {kind.name: energy for kind, energy in line_energies(columns)}
    for name, mirror in narrow.mirror_wh.items():
        own = sum(energy for (kind, *_), energy in narrow.own_wh.items() if kind == name)
        assert mirror.sum() + own == energies[name].sum()
