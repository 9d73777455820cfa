"""Where things stand: one's schedules and deposits, and for everyone each MTU and period."""

from __future__ import annotations

import pytest
from sqlalchemy import insert, update

from domain.hashing import from_hex
from ledger_service.chain.tables import chain_transaction
from ledger_service.settlement.tables import settlement_period
from tests.unit.wallet_api.crowd import schedule
from tests.unit.wallet_api.test_ownership import settled_day
from tests.unit.wallet_api.world import AREA, FIRST_MTU, GATE, MARKET, World, address

pytestmark = pytest.mark.unit


def booked(world: World, number: int, *, account: str, status: str | None) -> None:
    """A deposit, and where its transaction stands."""
    ref = f"0x{number:064x}"
    body = {"account": address(account), "amount_neur": "1000", "ref": ref}
    assert world.post("house bank", "/v1/deposits", body).status_code == 201
    if status is None:
        return
    values = {"key": f"deposit:{ref}", "request": 1, "role": "treasurer", "sender": from_hex(address("house bank"))}
    values |= {"nonce": number, "contract": "Settlement", "function": "deposit", "tx_hash": bytes(32)}
    values |= {"gas_price_wei": 1, "status": status, "is_final": False}
    with world.services.record.begin() as tx:
        tx.connection.execute(insert(chain_transaction).values(**values))


def test_deposits__of_the_holder_and_to_the_treasurer__booked_on_chain_or_failed(market: World) -> None:
    for number, status in enumerate((None, "signed", "included", "failed"), start=1):
        booked(market, number, account="household 1", status=status)
    booked(market, 5, account="household 2", status=None)

    own = market.get("household 1", "/v1/deposits").json()["items"]
    everyone = market.get("house bank", "/v1/deposits").json()["items"]

    assert [one["state"] for one in own] == ["booked", "booked", "on_chain", "failed"]
    assert {one["account"] for one in own} == {address("household 1")}
    assert [one["account"] for one in everyone] == [address("household 1")] * 4 + [address("household 2")]
    assert market.get("retailer 1", "/v1/deposits").json()["items"] == []


def test_schedules__nominated_again__last_revision(trading: World) -> None:
    for revision in (0, 1):
        body = schedule(trading, "household 1", "DE-LV1-P1", revision=revision)
        assert trading.post("household 1", "/v1/schedules", body).status_code == 201

    shown = trading.get("household 1", "/v1/schedules").json()["items"]

    assert [(one["market"], one["first_mtu"], one["revision"]) for one in shown] == [(MARKET, FIRST_MTU, 1)]
    assert shown[0]["net_wh"] == [0] * 96
    assert trading.get("household 2", "/v1/schedules").json()["items"] == []


def test_mtus__of_a_program__as_the_program_until_each_has_ended(trading: World) -> None:
    path = f"/v1/markets/{MARKET}/mtus"
    before = trading.get(None, path, from_=FIRST_MTU - 4, to=FIRST_MTU + 2).json()["items"]
    settled_day(trading)
    trading.clock.advance_to(GATE)

    after = trading.get(None, path, from_=FIRST_MTU, to=FIRST_MTU + 2).json()["items"]

    assert [(one["mtu"], one["session"], one["state"]) for one in before] == [
        (FIRST_MTU, GATE, "open"),
        (FIRST_MTU + 1, GATE, "open"),
    ]
    assert [one["state"] for one in after] == ["cleared", "gate_closed"]


def test_periods__of_an_area__open_then_proposed_then_settled_then_final(trading: World) -> None:
    def state() -> list[tuple[int, str, int]]:
        shown = trading.get(None, f"/v1/areas/{AREA}/periods").json()["items"]
        return [(one["period"], one["state"], one["settled_revisions"]) for one in shown]

    assert state() == [(1, "open", 0)]
    settled_day(trading)

    assert state() == [(1, "proposed", 0)]
    for is_final, word in ((False, "settled"), (True, "final")):
        with trading.services.record.begin() as tx:
            tx.connection.execute(update(settlement_period).values(settled=1, is_final=is_final))
        assert state() == [(1, word, 1)]
    assert trading.get(None, "/v1/areas/none/periods").status_code == 404
