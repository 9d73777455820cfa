"""A market in which every list of the API has several items, for tests that walk all routes."""

from __future__ import annotations

from typing import Any

from domain.hashing import text_id, to_hex
from domain.orders import schedule_hash
from domain.readings import Quality, Reading
from domain.signed_terms import UNSIGNED
from domain.terms import EndedTerm, TermEnd
from tests.grids import document, street
from tests.unit.wallet_api.test_ownership import attested, first_mtu_of, proposed, settled_day
from tests.unit.wallet_api.world import (
    AREA,
    AREA_BODY,
    FIRST_MTU,
    GATE,
    MARKET,
    MARKET_BODY,
    World,
    address,
    household,
    signed,
)

PERIODS = 4
HOLDER, POINT = "household 1", "DE-LV1-P1"
"""The household that has several of everything."""


def session_of(period: int) -> int:
    """The session of a period, named by its gate."""
    return GATE + 86_400 * (period - 1)


def crowd(world: World) -> None:
    """Fill the market; `HOLDER` has several orders, trades, readings, statements, movements, keys and set-points."""
    world.open_market()
    _register(world)
    _ends(world)
    for number in range(3):
        body = world.order_body(HOLDER, orderId=f"0x{number + 16:032x}", salt=f"0x{number + 16:064x}")
        assert world.post(HOLDER, "/v1/orders", body).status_code == 201
        key = world.key_body(HOLDER, POINT, device=f"later device {number}", valid_from_mtu=FIRST_MTU + 200 + number)
        assert world.post(HOLDER, "/v1/keys", key).status_code == 201
        mandate = world.mandate_body(HOLDER, f"agent {number}")
        assert world.post(HOLDER, "/v1/mandates", mandate).status_code == 201
    settled_day(world)
    _later_periods(world)
    _programs(world)
    _money(world)
    _schedules(world)
    for path in ("/v1/participants", f"/v1/meters?area={AREA}", "/v1/agreements", "/v1/ends"):
        assert world.get("audit office", path).status_code == 200


def _register(world: World) -> None:
    agreement = world.agreement_body("household 3", "retailer 1", agreement="agreement 3")
    for path, body in (
        ("/v1/areas", AREA_BODY | {"area": "DE-LV2", "grid_model": document(street(["DE-LV2-P1"]))}),
        ("/v1/markets", MARKET_BODY | {"market": "DE-LV2/DA", "area": "DE-LV2"}),
        ("/v1/tariffs", world.tariff_body("retailer 1", tariff="night")),
        ("/v1/participants", household("household 3", "DE-LV1-P3")),
        ("/v1/agreements", agreement),
    ):
        answer = world.post("registry office", path, body)
        assert answer.status_code == 201, answer.text


def _ends(world: World) -> None:
    """Two households will leave, long after all else."""
    for name in ("household 2", "household 3"):
        assert world.post(name, "/v1/ends", leaving(name)).status_code == 201


def leaving(name: str) -> dict[str, Any]:
    """The end of a household's part, signed by itself alone."""
    term = TermEnd(EndedTerm.PARTICIPATION, name, AREA, address(name), None, FIRST_MTU + 9_600, UNSIGNED, None, None)
    return signed(term, account=name)


def _later_periods(world: World) -> None:
    second = [Reading("M1", FIRST_MTU + 1, 1_100, 0, 100, 0, 3, Quality.MEASURED, bytes([3]) * 32)]
    world.fact("reading.attested", attested(second, mtu=FIRST_MTU + 1))
    for period in range(2, PERIODS + 1):
        span = {"first_mtu": first_mtu_of(period), "count": 96}
        world.fact("period.declared", {"area": AREA, "period": period, **span})
        world.fact("settlement.proposed", proposed(period=period))


def _programs(world: World) -> None:
    for number in range(2, PERIODS + 1):
        span = {"first_mtu": FIRST_MTU + 96 * (number - 1), "count": 96}
        world.fact(
            "session.opened", {"market": MARKET, "area": AREA, "session": session_of(number), "period": number, **span}
        )
        verdict = {
            "market": MARKET,
            "session": session_of(number),
            "dso": address("grid operator"),
            "signature": "0x" + "11" * 65,
        }
        world.fact("program.signed", verdict)
    again = {"area": AREA, "period": 1, "first_mtu": FIRST_MTU, "count": 96}
    world.fact("session.opened", {"market": MARKET, "session": GATE + 3_600, **again})
    world.fact(
        "session.done",
        {"market": MARKET, "session": GATE, "cleared_mask": "0x" + "00" * 15 + "01", "clearing_root": "0x" + "00" * 32},
    )
    envelopes = [
        {"point": POINT, "mtu": FIRST_MTU + number, "import_cap_wh": None, "export_cap_wh": 50} for number in range(3)
    ]
    world.fact("setpoints.issued", {"market": MARKET, "session": GATE, "envelopes": envelopes})


def _schedules(world: World) -> None:
    for number, name in ((1, "household 1"), (2, "household 2")):
        for program in (2, 3):
            body = schedule(
                world, name, f"DE-LV1-P{number}", session=session_of(program), first_mtu=FIRST_MTU + 96 * (program - 1)
            )
            assert world.post(name, "/v1/schedules", body).status_code == 201


def schedule(
    world: World, name: str, point: str, *, session: int = GATE, first_mtu: int = FIRST_MTU, revision: int = 0
) -> dict[str, Any]:
    """A signed schedule of a point over one day, nothing in or out."""
    shown = {"market": to_hex(text_id(MARKET)), "session": session, "firstMtu": first_mtu, "point": point}
    shown = shown | {"revision": revision}
    signed = shown | {"point": text_id(point), "valuesHash": schedule_hash([0] * 96)}
    signature = world.sign(f"device of {name}", "Schedule", signed)
    return {"schedule": shown | {"netWh": [0] * 96}, "signature": signature}


def _money(world: World) -> None:
    for number in (1, 2, 3):
        deposit = {"account": address(HOLDER), "amount_neur": "1000", "ref": f"0x{number:064x}"}
        assert world.post("house bank", "/v1/deposits", deposit).status_code == 201
        if number < 3:
            args = {"account": address(HOLDER), "amountNeur": "1000", "ref": f"0x{number:064x}"}
            included(world, f"deposit:0x{number:064x}", "Deposited", args)
        if number == 2:
            continue  # the other retailer's customer
        guarantee = {
            "guarantor": address("retailer 1"),
            "account": address(f"household {number}"),
            "creditNeur": "5",
            "nonce": 1,
        }
        included(world, f"guarantee:{number}", "GuaranteeSet", guarantee, contract="Guarantees")
    for name in (HOLDER, "household 2"):
        proposed = {"account": address(name), "successor": address(f"{name} again"), "by": address("market operator")}
        event = "SuccessorProposed", proposed | {"readyAt": 2**37}
        included(world, f"propose:{name}", *event, contract="Successions")
    for number in (1, 2):
        assert world.post(HOLDER, "/v1/redemptions", redemption(world, HOLDER, f"0x{number:064x}")).status_code == 201


def included(world: World, key: str, event: str, args: dict[str, Any], *, contract: str = "Accounts") -> None:
    """A transaction with one event, as the chain gateway records it."""
    events = [{"contract": contract, "event": event, "args": args}]
    world.fact("chain.included", {"key": key, "events": events})


def redemption(world: World, name: str, ref: str) -> dict[str, Any]:
    """A signed redemption of 5 nEUR."""
    body = {"account": address(name), "amount_neur": "5", "ref": ref, "deadline": 2**37}
    values = {"account": address(name), "amountNeur": 5, "ref": ref, "deadline": 2**37}
    return body | {"signature": world.sign(name, "Redemption", values)}
