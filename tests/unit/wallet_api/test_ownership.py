"""What one is shown of one's own: amounts, proofs, and a retailer's own customers."""

from __future__ import annotations

from typing import Any

import pytest

from domain.hashing import from_hex, to_hex
from domain.merkle import verify_proof
from domain.readings import Attestation, Quality, Reading, in_leaf_order
from domain.statements import statement_hash, statement_leaf, statements_root
from domain.words import pack_settlement_word
from ledger_service.trading.queries import book_orders
from tests.unit.wallet_api.world import (
    AREA,
    FIRST_MTU,
    GATE,
    MARKET,
    MARKET_SECONDS,
    VALID_FROM_MTU,
    World,
    address,
    meter,
)

pytestmark = pytest.mark.unit

ORDER_ID = "0x" + "01" * 16


def line(mtu: int, kind: str, energy_wh: int, price: int, amount: int) -> dict[str, Any]:
    """A line of a statement."""
    shown = {
        "mtu": mtu,
        "kind": kind,
        "energy_wh": energy_wh,
        "price_neur_per_wh": price,
        "amount_neur": str(amount),
    }
    return shown | ({"market": MARKET, "session": GATE} if kind.startswith("local_") else {})


def statement(number: int, lines: list[dict[str, Any]], *, period: int = 1) -> dict[str, Any]:
    """A household's statement of a period, which is a day."""
    amount = sum(int(one["amount_neur"]) for one in lines)
    opens = [
        {
            "mtu": mtu,
            "bids": [],
            "asks": [],
            "readings": [],
            "agreement": f"agreement {number}",
            "agreement_version": 1,
            "tariff": f"tariff of retailer {number}",
            "version": 1,
        }
        for mtu in sorted({one["mtu"] for one in lines if "mtu" in one})
    ]
    return {
        "account": address(f"household {number}"),
        "area": AREA,
        "period": period,
        "revision": 0,
        "first_mtu": first_mtu_of(period),
        "count": 96,
        "kind": "household",
        "point": f"DE-LV1-P{number}",
        "terms_hash": "0x" + "00" * 32,
        "lines": lines,
        "opens": opens,
        "amount_neur": str(amount),
        "settled_before_neur": "0",
        "due_neur": str(amount),
    }


def first_mtu_of(period: int) -> int:
    """The first MTU of a period of 96."""
    return FIRST_MTU + 96 * (period - 1)


def settled_day(world: World) -> None:
    """A cleared MTU, its readings, and a proposed settlement of two households with different retailers."""
    for number in (1, 2):
        name = f"household {number}"
        body = world.order_body(name, salt="0x" + f"{number:064x}")
        assert world.post(name, "/v1/orders", body).status_code == 201
    words = []
    with world.services.record.read() as connection:
        for order in book_orders(connection, market=MARKET, session=GATE):
            words.append(order.word().with_result(cap_lots=2**24 - 1, accepted_lots=order.quantity_lots))
    cleared = {
        "market": MARKET,
        "mtu": FIRST_MTU,
        "session": GATE,
        "price_neur_per_wh": 150_000,
        "result_hash": "0x" + "00" * 32,
        "words": [f"0x{word.pack():064x}" for word in words],
        "tx_hash": "0x" + "00" * 32,
    }
    world.fact("mtu.cleared", cleared)
    for number in (1, 2):
        public_key = "0x" + f"{number:02x}" * 32
        body = meter(f"M{number}", f"DE-LV1-P{number}", public_key, valid_from_mtu=VALID_FROM_MTU + 1)
        assert world.post("registry office", "/v1/meters", body).status_code == 201
    readings = [
        Reading(f"M{number}", FIRST_MTU, 1_000, 0, 120, 0, 2, Quality.MEASURED, bytes([number]) * 32)
        for number in (1, 2)
    ]
    world.fact("reading.attested", attested(readings))
    world.fact("settlement.proposed", proposed())


def attested(readings: list[Reading], *, mtu: int = FIRST_MTU) -> dict[str, Any]:
    """The fact of one attested MTU."""
    made = Attestation.of(area=bytes(32), mtu=mtu, revision=0, readings=readings)
    attestation = {
        "mtu": mtu,
        "revision": 0,
        "root": to_hex(made.root),
        "count": made.count,
        "import_wh": made.import_wh,
        "export_wh": made.export_wh,
        "signatures": [],
        "readings": [reading.as_json() for reading in in_leaf_order(readings)],
    }
    return {"area": AREA, "period": 1, "attestations": [attestation], "messages": []}


def proposed(*, period: int = 1) -> dict[str, Any]:
    """The fact of a proposed settlement."""
    first = first_mtu_of(period)
    lines = {
        1: [
            line(first, "local_purchase", 100, 150_000, -15_000_000),
            line(first + 1, "residual_supply", 20, 300_000, -6_000_000),
            line(first + 2, "residual_supply", 30, 300_000, -9_000_000),
            {"kind": "vat", "vat_bp": 1_900, "base_neur": "30000000", "amount_neur": "-5700000"},
        ],
        2: [line(first, "local_purchase", 100, 150_000, -15_000_000)],
    }
    statements = [
        {
            "account": address(f"household {number}"),
            "salt": "0x" + f"{number:02x}" * 32,
            "statement": statement(number, lines[number], period=period),
        }
        for number in (1, 2)
    ]
    words = [
        pack_settlement_word(account=from_hex(one["account"]), amount_neur=int(one["statement"]["due_neur"]))
        for one in statements
    ]
    hashes = dict.fromkeys(("words_hash", "clearing_root", "readings_root", "tariff_hash"), "0x" + "00" * 32)
    return {
        "area": AREA,
        "period": period,
        "revision": 0,
        "words": [f"0x{word:064x}" for word in sorted(words)],
        "statements": statements,
        "statements_root": to_hex(root_of(statements, period=period)),
        **hashes,
    }


def root_of(statements: list[dict[str, Any]], *, period: int = 1) -> bytes:
    """The root over statements."""
    hashes = {
        from_hex(one["account"]): statement_hash(salt=from_hex(one["salt"]), statement=one["statement"])
        for one in statements
    }
    return statements_root(period=period, revision=0, hashes=hashes)


@pytest.fixture
def day(trading: World) -> World:
    """A market with a settled day."""
    settled_day(trading)
    return trading


def test_trades__own__accepted_at_the_clearing_price(day: World) -> None:
    trades = day.get("household 1", "/v1/trades", from_=FIRST_MTU).json()["items"]

    assert [(one["energy_wh"], one["price_neur_per_wh"], one["amount_neur"]) for one in trades] == [
        (100, 150_000, "-15000000")
    ]
    assert trades[0]["amount_eur"] == "-0.015000000"
    assert day.get("household 1", f"/v1/orders/{ORDER_ID}").json()["accepted_lots"] == 10
    prices = day.get(None, f"/v1/markets/{MARKET}/prices", from_=FIRST_MTU).json()["items"]
    assert [(one["price_ct_per_kwh"], one["volume_wh"], one["state"]) for one in prices] == [
        ("15.0000", 200, "cleared")
    ]


def test_readings__own__proof_leads_to_the_attested_root(day: World) -> None:
    shown = day.get("household 2", "/v1/readings").json()["items"]

    assert [one["reading"]["meter"] for one in shown] == ["M2"]
    proof = [from_hex(node) for node in shown[0]["proof"]]
    root = from_hex(shown[0]["attestation"]["root"])
    assert verify_proof(value=from_hex(shown[0]["reading_hash"]), proof=proof, root=root)


def test_statement__own__proof_leads_to_the_signed_root(day: World) -> None:
    shown = day.get("household 1", "/v1/statements/1/0").json()

    leaf = statement_leaf(
        account=from_hex(address("household 1")), period=1, revision=0, hashed=from_hex(shown["statement_hash"])
    )
    proof = [from_hex(node) for node in shown["proof"]]
    assert verify_proof(value=leaf, proof=proof, root=from_hex(shown["statements_root"]))
    assert len(shown["words"]) == 1
    assert day.get("household 1", "/v1/statements/1/1").status_code == 404
    assert day.get("retailer 1", "/v1/statements/1/0").status_code == 404


def test_retailer__own_customer__totals_by_kind_never_by_mtu(day: World) -> None:
    answer = day.get("retailer 1", "/v1/retailer/settlements", period=1)

    items = answer.json()["items"]
    assert {one["account"] for one in items} == {address("household 1")}
    assert {one["kind"]: (one["energy_wh"], one["amount_neur"]) for one in items} == {
        "local_purchase": (100, "-15000000"),
        "residual_supply": (50, "-15000000"),
        "vat": (0, "-5700000"),
    }
    assert "mtu" not in answer.text.replace("first_mtu", "")


def test_retailer__foreign_customer__refused_like_an_unknown_one(day: World) -> None:
    path = "/v1/retailer/settlements"
    foreign = day.get("retailer 1", path, period=1, account=address("household 2"))
    unknown = day.get("retailer 1", path, period=1, account=address("nobody"))

    assert (foreign.status_code, foreign.json()) == (404, unknown.json())
    assert day.get("retailer 1", path, period=1, area="other").status_code == 404
    assert day.get("retailer 1", path, period=7).status_code == 404
    assert day.get("retailer 1", path, period=1, revision=3).status_code == 404


def test_retailer__export__own_customers_only(day: World) -> None:
    answer = day.get("retailer 2", "/v1/retailer/settlements/1/export.csv")

    rows = answer.text.strip().splitlines()
    assert answer.headers["content-type"].startswith("text/csv")
    assert rows[0].startswith("account,area,period")
    assert len(rows) == 2
    assert rows[1].startswith(address("household 2"))


def test_retailer__customers__own_only(day: World) -> None:
    for number in (1, 2):
        shown = day.get(f"retailer {number}", "/v1/retailer/customers").json()["items"]
        assert [one["account"] for one in shown] == [address(f"household {number}")]


def test_retailer__customer_left__no_longer_among_customers(day: World) -> None:
    members = {"agreement": "agreement 1", "version": 2, "valid_from_mtu": VALID_FROM_MTU + 1}
    moved = day.agreement_body("household 1", "retailer 2", **members)
    assert day.post("registry office", "/v1/agreements", moved).status_code == 201
    day.clock.advance_to(MARKET_SECONDS + 900)

    assert day.get("retailer 1", "/v1/retailer/customers").json()["items"] == []
    assert len(day.get("retailer 2", "/v1/retailer/customers").json()["items"]) == 2
