"""Amounts that a settlement could not book on their accounts, as the verifier follows them."""

from __future__ import annotations

from typing import Any

import pytest

from verifier.chain import Event
from verifier.money import Suspended

pytestmark = pytest.mark.unit


def event(name: str, tx: str, **args: Any) -> Event:
    return Event(name=name, args=args, block=1, tx=tx, contract="Accounts")


def suspended(tx: str, amount: int) -> Event:
    return event("AmountSuspended", tx, account="a", suspense="s", amountNeur=amount)


def test_follow__one_page__counts_with_its_settlement() -> None:
    following = Suspended()

    assert following.follow(suspended("t1", 5)) == []
    assert following.follow(event("DebitPassedOn", "t1", account="b", guarantor="g", amountNeur=-3)) == []
    assert following.follow(event("PeriodSettled", "t1", area="A")) == [("a", "s", 5), ("b", "g", -3)]
    assert following.follow(event("PeriodSettled", "t2", area="A")) == []


def test_follow__pages_of_two_areas__each_counts_with_its_own() -> None:
    following = Suspended()
    following.follow(suspended("t1", 5))
    following.follow(event("SettlementPageBooked", "t1", area="A", id="1"))
    following.follow(suspended("t2", 7))

    assert following.follow(event("PeriodSettled", "t2", area="B")) == [("a", "s", 7)]
    assert following.follow(event("SettlementPageBooked", "t3", area="A", id="1")) == []
    assert following.follow(event("PeriodSettled", "t3", area="A")) == [("a", "s", 5)]


def test_follow__abandoned__never_counts() -> None:
    following = Suspended()
    following.follow(suspended("t1", 5))
    following.follow(event("SettlementPageBooked", "t1", area="A", id="1"))

    assert following.follow(event("SettlementAbandoned", "t2", id="1")) == []
    assert following.follow(event("PeriodSettled", "t3", area="A")) == []
