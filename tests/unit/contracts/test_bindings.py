"""Calls and events as typed values: what a stage asks for and what the chain answered, in and out of facts."""

from __future__ import annotations

import json

import pytest

from contracts.abi import AbiUnknown
from contracts.artifacts import load_artifact
from contracts.bindings import Anchors, Call, Clearing, Settlement, read_events
from contracts.bindings.anchors import HeadAnchored
from contracts.bindings.clearing import PlaceProofs, ResultPage
from contracts.bindings.market import MarketCreated, MarketParams
from contracts.bindings.settlement import SettlementPage
from domain.facts import ChainEvent
from domain.hashing import canonical_json, to_hex
from domain.members import JsonDocument

pytestmark = pytest.mark.unit

AREA, REF = b"\x0a" * 32, b"\x0b" * 32
PAGE = SettlementPage(area=AREA, period=1, revision=0, page=2, statements_root=REF, tariff_hash=AREA)


def settle() -> Call:
    return Settlement.settle(target=PAGE, page_hashes=[REF, AREA], words=[2**200, 7], signatures=[b"\x01" * 65])


def test_call__written_and_read_back__is_the_same_value() -> None:
    written = json.loads(canonical_json(settle().as_json()))

    assert written["args"][2] == [str(2**200), 7]
    assert Call.from_json(written) == settle()


def test_call__argument__is_found_by_its_name_and_read_as_its_struct() -> None:
    assert SettlementPage.read(settle().argument("target")) == PAGE


def test_call__of_a_function_that_is_not_there__names_it() -> None:
    with pytest.raises(AbiUnknown):
        Call(contract="Settlement", function="steal", args=()).argument("target")


def test_call__data__begins_with_the_selector_and_holds_every_argument() -> None:
    abi = load_artifact("Clearing").abi
    target = ResultPage(session=1, mtu=2, price_neur_per_wh=-3, count=0, page=0)
    call = Clearing.clear(
        market=AREA, target=target, page_hashes=[], words=[], proofs=PlaceProofs(result=[REF], book=[AREA, REF])
    )

    by_name = {"session": 1, "mtu": 2, "priceNeurPerWh": -3, "count": 0, "page": 0}
    assert call.data() == abi.encode_call(
        "clear", [to_hex(AREA), by_name, [], [], [[to_hex(REF)], [to_hex(AREA), to_hex(REF)]]]
    )


def test_call__same_arguments__is_equal_and_hashable() -> None:
    assert len({settle(), settle(), Anchors.anchor(sequence=1, head=REF)}) == 2


def test_read_events__members_in_any_order__are_found_by_name() -> None:
    params = MarketParams(AREA, 0, 10, 100, -5, 5, 1, 2, 3)
    members = ("area", "kind", "lotWh", "tickNeurPerWh", "minLimitNeurPerWh", "maxLimitNeurPerWh")
    written = dict(zip((*members, "graceSeconds", "signSeconds", "clearSeconds"), params.as_args(), strict=True))
    args = {"params": dict(sorted(written.items())), "market": to_hex(REF), "area": to_hex(AREA)}

    (found,) = read_events([ChainEvent("Market", "MarketCreated", JsonDocument(args))], MarketCreated)

    assert found == MarketCreated(market=REF, area=AREA, params=params)


def test_read_events__of_other_classes_or_contracts__are_passed_over() -> None:
    args = JsonDocument({"sequence": 3, "head": to_hex(REF), "previousHead": to_hex(AREA)})
    recorded = [ChainEvent(contract, "HeadAnchored", args) for contract in ("Anchors", "Market")]

    assert list(read_events(recorded, MarketCreated)) == []
    assert list(read_events(recorded, HeadAnchored, MarketCreated)) == [HeadAnchored(3, REF, AREA)]


def test_event__by_its_members__is_read_back() -> None:
    event = HeadAnchored(sequence=2**60, head=REF, previous_head=AREA)

    assert HeadAnchored.read(event.as_members()) == event
