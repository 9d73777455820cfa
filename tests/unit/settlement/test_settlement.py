"""What stops a settlement, and the terms that apply at delivery."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from domain.errors import OutOfRange
from domain.hashing import keccak, to_hex
from domain.parties import ParticipantKind
from domain.periods import Period
from domain.signed_terms import UNSIGNED
from domain.terms import Agreement, EndedTerm, Tariff
from domain.words import Side
from settling.inputs import Inputs, Metered, Party, Trade
from settling.postings import MoneyMade
from settling.settlement import AccountTakesNoPart, NoAgreementAtMtu, PoolUnbalanced, commit, settle
from settling.terms import MissingParty

pytestmark = pytest.mark.unit

HOUSE, RETAILER, DSO, TAX = (bytes([n]) * 20 for n in (1, 2, 3, 4))
PRICES = (300_000, 80_000, 60_000, 350_000, 500_000, 70_000, 30_000, 20_000, 40_000)
TARIFF = Tariff("home", 1, "x", to_hex(RETAILER), 0, *PRICES, 1_900, *[UNSIGNED] * 3)
AGREEMENT = Agreement("one", 1, to_hex(HOUSE), to_hex(RETAILER), "home", 0, UNSIGNED, UNSIGNED)
PARTIES = (
    Party(HOUSE, ParticipantKind.HOUSEHOLD, "point"),
    Party(RETAILER, ParticipantKind.RETAILER, None),
    Party(DSO, ParticipantKind.DSO, None),
    Party(TAX, ParticipantKind.TAX, None),
)


def day(**changes: Any) -> Inputs:
    """Two MTUs in which the house draws 100 Wh each."""
    base = Inputs(
        period=Period("area", 1, 10, 2),
        revision=0,
        parties=PARTIES,
        tariffs=(TARIFF,),
        agreements=(AGREEMENT,),
        metered=tuple(Metered("point", mtu, 100, 0, (b"\x01",)) for mtu in (10, 11)),
    )
    return replace(base, **changes)


def prices(inputs: Inputs, kind: str) -> dict[int, int]:
    lines = settle(inputs).statements[HOUSE].as_json()["lines"]
    return {line["mtu"]: line["price_neur_per_wh"] for line in lines if line["kind"] == kind}


def test_settle__tariff_changes_within_the_day__each_mtu_has_its_version() -> None:
    later = replace(TARIFF, version=2, valid_from_mtu=11, supply_neur_per_wh=1, vat_bp=700)
    inputs = day(tariffs=(TARIFF, later))

    assert prices(inputs, "residual_supply") == {10: 300_000, 11: 1}
    statement = settle(inputs).statements[HOUSE].as_json()
    assert [item["version"] for item in statement["opens"]] == [1, 2]
    assert [line["vat_bp"] for line in statement["lines"] if line["kind"] == "vat"] == [700, 1_900]


def test_settle__retailer_changes_within_the_day__each_gets_its_own_mtu() -> None:
    other = b"\x05" * 20
    moved = replace(AGREEMENT, agreement="two", retailer=to_hex(other), valid_from_mtu=11)
    inputs = day(parties=(*PARTIES, Party(other, ParticipantKind.RETAILER, None)), agreements=(AGREEMENT, moved))

    settled = settle(inputs)

    for retailer, mtu in ((RETAILER, 10), (other, 11)):
        assert [line.mtu for line in settled.statements[retailer].lines] == [mtu]


def test_settle__version_not_valid_yet__is_not_used() -> None:
    later = replace(TARIFF, version=2, valid_from_mtu=12, supply_neur_per_wh=1)

    assert settle(day(tariffs=(TARIFF, later))) == settle(day())


def test_settle__nobody_does_anything__gives_empty_statements_and_no_words() -> None:
    settled = settle(day(metered=()))

    assert settled.words == ()
    assert set(settled.statements) == {HOUSE, RETAILER, DSO, TAX}
    assert all(statement.lines == () for statement in settled.statements.values())


def trade(account: bytes, side: Side) -> Trade:
    """A side of a trade in the first MTU."""
    return Trade(account, "area/DA", 5, 10, side, 100, 1, bytes([side]))


def test_settle__trade_without_agreement__is_refused() -> None:
    trades = (trade(HOUSE, Side.BID), trade(RETAILER, Side.ASK))
    with pytest.raises(NoAgreementAtMtu) as caught:
        settle(day(agreements=(replace(AGREEMENT, valid_from_mtu=11),), trades=trades))

    assert caught.value.mtu == 10


def test_settle__energy_without_agreement__is_settled_with_nobody() -> None:
    ended = {(EndedTerm.AGREEMENT, AGREEMENT.agreement): 11}
    gone = (replace(PARTIES[0], end_mtu=11), *PARTIES[1:])

    assert prices(day(agreements=(replace(AGREEMENT, valid_from_mtu=11),)), "levy") == {11: 20_000}
    for inputs in (day(ends=ended), day(parties=gone)):
        assert prices(inputs, "levy") == {10: 20_000}


def test_settle__agreement_that_ended__a_later_version_takes_nobody_back() -> None:
    later = replace(AGREEMENT, version=2, valid_from_mtu=11)
    ends = {(EndedTerm.AGREEMENT, AGREEMENT.agreement): 11}

    assert prices(day(agreements=(AGREEMENT, later), ends=ends), "levy") == {10: 20_000}


def test_settle__point_of_two_households__is_each_ones_in_its_time() -> None:
    next_one = Party(b"\x08" * 20, ParticipantKind.HOUSEHOLD, PARTIES[0].point, first_mtu=11)
    agreed = replace(AGREEMENT, agreement="next", account=to_hex(next_one.account))
    parties = (replace(PARTIES[0], end_mtu=11), *PARTIES[1:], next_one)

    settled = settle(day(parties=parties, agreements=(AGREEMENT, agreed)))

    opened = {
        account: [item.mtu for item in settled.statements[account].opens] for account in (HOUSE, next_one.account)
    }
    assert opened == {HOUSE: [10], next_one.account: [11]}


def test_settle__agreement_begins_later_and_no_energy_before__settles_what_is_there() -> None:
    inputs = day(agreements=(replace(AGREEMENT, valid_from_mtu=11),), metered=day().metered[1:])

    assert prices(inputs, "levy") == {11: 20_000}


@pytest.mark.parametrize("missing", [ParticipantKind.RETAILER, ParticipantKind.DSO, ParticipantKind.TAX])
def test_settle__party_missing__is_refused(missing: ParticipantKind) -> None:
    with pytest.raises(MissingParty):
        settle(day(parties=tuple(party for party in PARTIES if party.kind != missing)))


def test_settle__trade_of_a_stranger_or_the_dso__is_refused() -> None:
    for account in (b"\x09" * 20, DSO):
        with pytest.raises(AccountTakesNoPart):
            settle(day(trades=(Trade(account, "area/DA", 5, 10, Side.BID, 100, 1, b"\x01"),)))


def test_settle__more_bought_than_sold__is_refused() -> None:
    with pytest.raises(PoolUnbalanced):
        settle(day(trades=(Trade(HOUSE, "area/DA", 5, 10, Side.BID, 100, 1, b"\x01"),)))


def test_settle__earlier_words_that_do_not_balance__are_refused() -> None:
    with pytest.raises(MoneyMade):
        settle(day(settled_before_neur={HOUSE: 5}))


def test_settle__amount_beyond_the_words_field__is_refused() -> None:
    # int96 holds 39.6e9 EUR x 1e9; only impossible energies at impossible prices reach it
    energy, price = 2**53 - 1, 2**52
    with pytest.raises(OutOfRange):
        settle(
            day(metered=(Metered("point", 10, energy, 0, ()),), tariffs=(replace(TARIFF, supply_neur_per_wh=price),))
        )


def test_commit__other_salt__gives_another_root_and_the_same_words() -> None:
    settled = settle(day())
    salts = {account: keccak(account) for account in settled.statements}

    first = commit(settled, period=1, revision=0, salts=salts)
    second = commit(settled, period=1, revision=0, salts={**salts, HOUSE: keccak(b"other")})

    assert first.statements_root != second.statements_root
    assert (first.words_hash, first.tariff_hash) == (second.words_hash, second.tariff_hash)
