"""Rules every settlement keeps, on generated days with several retailers, tariff versions, caps and unread MTUs."""

from __future__ import annotations

import random
from dataclasses import replace
from fractions import Fraction
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from domain.hashing import to_hex
from domain.periods import Period
from domain.terms import Agreement, Tariff
from domain.words import Side, unpack_settlement_word
from settling.columns import Columns, exact, line_energies, sum_up
from settling.compute import columns_of, settle
from settling.inputs import Inputs, Limit, Metered, Party, PartyKind, Trade
from settling.kinds import KINDS
from settling.postings import POOL, postings_of
from settling.terms import resolve_terms
from tests.effort import examples

pytestmark = pytest.mark.property

FIRST, COUNT = 500, 5
RETAILERS = (b"\x71" * 20, b"\x72" * 20)
DSO, TAX = b"\x81" * 20, b"\x82" * 20
SIGN = {kind.name: kind.sign for kind in KINDS}


def tariff(draw: Any, name: str, version: int, valid_from_mtu: int) -> Tariff:
    prices = [draw(st.integers(-400_000, 600_000)) for _ in range(9)]
    return Tariff(name, version, valid_from_mtu, *prices, vat_bp=draw(st.sampled_from([0, 700, 1_900, 3_333])))


@st.composite
def days(draw: Any, largest_wh: int = 20_000) -> Inputs:
    """A day of up to 4 households, two retailers, changing terms, random trades that balance."""
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
            agreements.append(Agreement(f"g{n}", version, to_hex(house), *plan, since))
    energy = st.integers(0, largest_wh)
    trades, prices, metered, limits = [], {}, [], []
    for mtu in range(FIRST, FIRST + COUNT):
        if draw(st.booleans()):
            prices[mtu] = draw(st.integers(-300_000, 500_000))
            trades += balanced(draw, mtu, [*houses, RETAILERS[0]], largest_wh)
        for n in range(count):
            if draw(st.booleans()):
                metered.append(Metered(f"p{n}", mtu, draw(energy), draw(energy), (f"0x{mtu}{n}",)))
            if draw(st.booleans()):
                caps = [draw(st.none() | energy) for _ in range(2)]
                limits.append(Limit(f"p{n}", mtu, *caps, scheduled_export_wh=draw(energy)))
    parties = [Party(house, PartyKind.HOUSEHOLD, f"p{n}") for n, house in enumerate(houses)]
    parties += [Party(item, PartyKind.RETAILER, None) for item in RETAILERS]
    parties += [Party(DSO, PartyKind.DSO, None), Party(TAX, PartyKind.TAX, None)]
    return Inputs(
        period=Period("x", 1, FIRST, COUNT),
        revision=0,
        parties=tuple(parties),
        tariffs=tuple(tariffs),
        agreements=tuple(agreements),
        trades=tuple(trades),
        price_neur_per_wh=prices,
        metered=tuple(metered),
        limits=tuple(limits),
    )


def balanced(draw: Any, mtu: int, accounts: list[bytes], largest_wh: int) -> list[Trade]:
    """Trades of one MTU whose sides are equal: each energy is bought by one account and sold by another."""
    trades = []
    for n in range(draw(st.integers(1, 3))):
        energy = draw(st.integers(1, largest_wh))
        for side in Side:
            account = draw(st.sampled_from(accounts))
            trades.append(Trade(account, mtu, side, energy, f"0x{mtu:08x}{n:04x}{int(side):04x}"))
    return trades


def valid(versions: list[Any], mtu: int) -> Any:
    return max((v for v in versions if v.valid_from_mtu <= mtu), key=lambda v: (v.valid_from_mtu, v.version))


def by_hand(inputs: Inputs, household: Party) -> dict[tuple[int, str], int]:
    """Amounts of one household by (MTU, kind) as docs/protocol.md section 8 says, one MTU after the other."""
    amounts: dict[tuple[int, str], int] = {}
    for mtu in range(FIRST, FIRST + COUNT):
        mine = [trade for trade in inputs.trades if (trade.account, trade.mtu) == (household.account, mtu)]
        bought = sum(trade.energy_wh for trade in mine if trade.side == Side.BID)
        sold = sum(trade.energy_wh for trade in mine if trade.side == Side.ASK)
        drawn, fed = bought, sold
        for item in inputs.metered:
            if (item.point, item.mtu) == (household.point, mtu):
                drawn, fed = item.import_wh, item.export_wh
        cap_in = cap_out = None
        scheduled = 0
        for limit in inputs.limits:
            if (limit.point, limit.mtu) == (household.point, mtu):
                cap_in, cap_out, scheduled = limit.import_cap_wh, limit.export_cap_wh, limit.scheduled_export_wh
        plan = valid([item for item in inputs.agreements if item.account == household.account], mtu)
        rate = valid([item for item in inputs.tariffs if item.tariff == plan.tariff], mtu)
        price = inputs.price_neur_per_wh.get(mtu, 0)
        paid = fed if cap_out is None else min(fed, cap_out)
        row = {
            "local_purchase": -bought * price,
            "local_sale": sold * price,
            "residual_supply": -max(drawn - bought, 0) * rate.supply_neur_per_wh,
            "residual_feed_in": max(paid - sold, 0) * rate.feed_in_neur_per_wh,
            "imbalance_surplus": max(bought - drawn, 0) * rate.imbalance_surplus_neur_per_wh,
            "imbalance_shortfall": -max(sold - fed, 0) * rate.imbalance_shortfall_neur_per_wh,
            "excess_export": 0 if cap_out is None else -max(fed - max(cap_out, sold), 0) * rate.excess_neur_per_wh,
            "excess_import": 0 if cap_in is None else -max(drawn - cap_in, 0) * rate.excess_neur_per_wh,
            "grid_fee_local": -min(bought, drawn) * rate.grid_fee_local_neur_per_wh,
            "grid_fee": -max(drawn - bought, 0) * rate.grid_fee_neur_per_wh,
            "levy": -drawn * rate.levy_neur_per_wh,
            "curtailment_compensation": 0
            if cap_out is None
            else max(scheduled - cap_out, 0) * rate.compensation_neur_per_wh,
        }
        amounts.update({(mtu, kind): amount for kind, amount in row.items() if amount})
    return amounts


@settings(max_examples=examples(60), deadline=None)
@given(days())
def test_settle__any_day__equals_the_rules_applied_one_by_one(inputs: Inputs) -> None:
    settled = settle(inputs)

    for party in inputs.parties:
        if party.kind != PartyKind.HOUSEHOLD:
            continue
        lines = settled.statements[party.account]["lines"]
        found = {(line["mtu"], line["kind"]): int(line["amount_neur"]) for line in lines if "mtu" in line}
        assert {key: amount for key, amount in found.items() if amount} == by_hand(inputs, party)


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
    retailer_of = {(item.agreement, item.version): item.retailer for item in inputs.agreements}

    postings = postings_of(settled.statements, retailer_of=retailer_of)

    totals: dict[bytes, int] = {}
    for posting in postings:
        totals[posting.account] = totals.get(posting.account, 0) + posting.amount_neur
    assert totals.pop(POOL, 0) == 0
    words = dict(unpack_settlement_word(word) for word in settled.words)
    assert {account: amount for account, amount in totals.items() if amount} == words
    assert sum(words.values()) == 0
    assert list(words) == sorted(words)


@settings(max_examples=examples(60), deadline=None)
@given(days())
def test_settle__any_statement__each_line_recomputes(inputs: Inputs) -> None:
    for account, statement in settle(inputs).statements.items():
        sums = 0
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
        assert due + before[account] == int(whole.statements[account]["amount_neur"])


@settings(max_examples=examples(20), deadline=None)
@given(days(largest_wh=2**47))
def test_sum_up__beyond_int64__equals_the_lines(inputs: Inputs) -> None:
    settled = settle(inputs)

    for party in inputs.parties:
        if party.kind == PartyKind.HOUSEHOLD:
            lines = settled.statements[party.account]["lines"]
            amounts = {(line["mtu"], line["kind"]): int(line["amount_neur"]) for line in lines if "mtu" in line}
            assert {key: amount for key, amount in amounts.items() if amount} == by_hand(inputs, party)


@settings(max_examples=examples(30), deadline=None)
@given(days())
def test_sum_up__wide_columns__give_the_same_sums(inputs: Inputs) -> None:
    households = [party for party in inputs.parties if party.kind == PartyKind.HOUSEHOLD]
    terms = resolve_terms(
        accounts=[party.account for party in households],
        agreements=inputs.agreements,
        tariffs=inputs.tariffs,
        period=inputs.period,
    )
    clearing = np.array([inputs.price_neur_per_wh.get(FIRST + n, 0) for n in range(COUNT)], dtype=np.int64)
    columns, prices = columns_of(inputs, households, terms), terms.prices(clearing)
    wide = Columns(*(getattr(columns, name).astype(object) for name in Columns.__slots__[:-1]), columns.terms)

    narrow, other = sum_up(columns, prices), sum_up(wide, prices)

    assert narrow.amount_neur.tolist() == other.amount_neur.tolist()
    assert exact(columns, prices)[0] is columns
    energies = {kind.name: energy for kind, energy in line_energies(columns)}
    for name, mirror in narrow.mirror_wh.items():
        if SIGN[name] and name not in ("local_purchase", "local_sale"):
            assert mirror.sum() == energies[name].sum()
