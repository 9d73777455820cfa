"""Two areas with the same happening in each: programs, metering, settlement and money, list by list and one by one."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from domain.hashing import from_hex, text_id, to_hex
from domain.orders import schedule_hash
from domain.readings import Quality, Reading
from domain.words import pack_settlement_word
from ledger_service.metering import queries as metering
from ledger_service.money import queries as money
from ledger_service.overview import holdings, queries
from tests.unit.wallet_api.crowd import HOLDER, included, redemption
from tests.unit.wallet_api.routes import filled
from tests.unit.wallet_api.test_area_isolation import INSIDERS
from tests.unit.wallet_api.test_openapi import OPERATIONS
from tests.unit.wallet_api.test_ownership import attested, line, root_of, statement
from tests.unit.wallet_api.test_paging import LISTS
from tests.unit.wallet_api.test_style import PARTS
from tests.unit.wallet_api.world import (
    AREA,
    FIRST_MTU,
    GATE,
    MARKET,
    OTHER_AREA,
    OTHER_MARKET,
    World,
    address,
    household,
    key_named,
    meter,
    open_world,
    party,
)

pytestmark = pytest.mark.unit

NEIGHBOUR, RETAILER, POINT, METER = "neighbour", "retailer next door", "DE-LV2-P1", "N1"


@dataclass(frozen=True)
class Side:
    """One area, as its own people see it."""

    area: str
    market: str
    callers: dict[str, str]
    """Who reads a list here, by who reads it in the first area."""
    names: frozenset[str]
    """What names somebody or something of it."""


def _names(area: str, market: str, parties: tuple[str, ...], *others: str) -> frozenset[str]:
    ids = {to_hex(text_id(area)), to_hex(text_id(market))}
    return frozenset({area, *parties, *map(address, parties), *ids, *others})


HERE = Side(
    area=AREA,
    market=MARKET,
    callers={name: name for name in (HOLDER, "retailer 1", "attester north", "grid operator")},
    names=_names(AREA, MARKET, INSIDERS, '"M1"', '"M2"'),
)
THERE = Side(
    area=OTHER_AREA,
    market=OTHER_MARKET,
    callers={
        HOLDER: NEIGHBOUR,
        "retailer 1": RETAILER,
        "attester north": "attester next door",
        "grid operator": "grid operator next door",
    },
    names=_names(OTHER_AREA, OTHER_MARKET, (NEIGHBOUR, RETAILER), f'"{METER}"'),
)
BOTH = [(HERE, THERE), (THERE, HERE)]
OWN = {path: asked for path, asked in LISTS.items() if asked[0] in HERE.callers}
"""Lists that are read by somebody who belongs to one area."""


OF_ALL = {"/v1/accesses"}
"""Lists that may show readings of all areas at once."""

TO_BE_VALIDATED = {"/v1/dso/programs"}
"""Lists whose items are shown in full only once they are validated, as none here is."""


@pytest.fixture(scope="module")
def twins(tmp_path_factory: pytest.TempPathFactory, crowded_folder: Path) -> Iterator[World]:
    """The crowded market, and a second area in which as much happened under the same numbers; it is only read."""
    for world in open_world(tmp_path_factory.mktemp("twins"), template=crowded_folder):
        _register(world)
        _deliver(world)
        _settle(world)
        yield world


def _register(world: World) -> None:
    agreement = world.agreement_body(NEIGHBOUR, RETAILER, agreement="agreement there", valid_from_mtu=FIRST_MTU)
    read = meter(METER, POINT, "0x" + "77" * 32, area=OTHER_AREA, valid_from_mtu=FIRST_MTU)
    for path, body in (
        ("/v1/participants", household(NEIGHBOUR, POINT, area=OTHER_AREA, valid_from_mtu=FIRST_MTU)),
        ("/v1/participants", party(RETAILER, "retailer", area=OTHER_AREA, valid_from_mtu=FIRST_MTU)),
        ("/v1/tariffs", world.tariff_body(RETAILER, area=OTHER_AREA, valid_from_mtu=FIRST_MTU)),
        ("/v1/agreements", agreement),
        ("/v1/meters", read),
    ):
        answer = world.post("registry office", path, body)
        assert answer.status_code == 201, answer.text
    assert (
        world.post(NEIGHBOUR, "/v1/keys", world.key_body(NEIGHBOUR, POINT, valid_from_mtu=FIRST_MTU)).status_code == 201
    )
    world.pay_in(RETAILER, 50 * 10**9)
    guarantee = world.guarantee_body(RETAILER, NEIGHBOUR, credit_neur=50 * 10**9)
    assert world.post(RETAILER, "/v1/guarantees", guarantee).status_code == 201


def _deliver(world: World) -> None:
    world.fact("period.declared", {"area": OTHER_AREA, "period": 1, "first_mtu": FIRST_MTU, "count": 96})
    program = {"market": OTHER_MARKET, "area": OTHER_AREA, "session": GATE, "period": 1}
    world.fact("session.opened", program | {"first_mtu": FIRST_MTU, "count": 96})
    signed = {"market": to_hex(text_id(OTHER_MARKET)), "orderId": "0x" + "ab" * 16}
    assert world.post(NEIGHBOUR, "/v1/orders", world.order_body(NEIGHBOUR, **signed)).status_code == 201
    nominated = {
        "market": to_hex(text_id(OTHER_MARKET)),
        "session": GATE,
        "firstMtu": FIRST_MTU,
        "point": POINT,
        "revision": 0,
    }
    assert world.post(NEIGHBOUR, "/v1/schedules", _schedule(world, nominated)).status_code == 201
    with world.services.record.read() as connection:
        (order,) = holdings.orders(connection, account=address(NEIGHBOUR))
    word = order.word().with_result(cap_lots=2**24 - 1, accepted_lots=order.quantity_lots)
    hashes = dict.fromkeys(("result_hash", "tx_hash"), "0x" + "00" * 32)
    cleared = {"market": OTHER_MARKET, "mtu": FIRST_MTU, "session": GATE, "price_neur_per_wh": 150_000, **hashes}
    world.fact("mtu.cleared", cleared | {"words": [f"0x{word.pack():064x}"]})
    verdict = {"market": OTHER_MARKET, "session": GATE, "dso": address("grid operator next door")}
    world.fact("program.signed", verdict | {"signature": "0x" + "11" * 65})
    cap = {"point": POINT, "mtu": FIRST_MTU, "import_cap_wh": None, "export_cap_wh": 70}
    world.fact("setpoints.issued", {"market": OTHER_MARKET, "session": GATE, "envelopes": [cap]})
    reading = Reading(METER, FIRST_MTU, 2_000, 0, 150, 0, 2, Quality.MEASURED, bytes([7]) * 32)
    world.fact("reading.attested", attested([reading]) | {"area": OTHER_AREA})


def _schedule(world: World, shown: dict[str, Any]) -> dict[str, Any]:
    signed = shown | {"point": text_id(POINT), "valuesHash": schedule_hash([0] * 96)}
    signature = world.sign(f"device of {NEIGHBOUR}", "Schedule", signed)
    return {"schedule": shown | {"netWh": [0] * 96}, "signature": signature}


def _settle(world: World) -> None:
    bought = line(FIRST_MTU, "local_purchase", 100, 150_000, -15_000_000) | {"market": OTHER_MARKET, "session": GATE}
    billed = statement(1, [bought]) | {"account": address(NEIGHBOUR), "area": OTHER_AREA, "point": POINT}
    billed["opens"][0] |= {"agreement": "agreement there", "tariff": f"tariff of {RETAILER}"}
    statements = [{"account": address(NEIGHBOUR), "salt": "0x" + "09" * 32, "statement": billed}]
    word = pack_settlement_word(account=key_named(NEIGHBOUR).address, amount_neur=-15_000_000)
    hashes = dict.fromkeys(("words_hash", "clearing_root", "readings_root", "tariff_hash"), "0x" + "00" * 32)
    proposal = {"area": OTHER_AREA, "period": 1, "revision": 0, "words": [f"0x{word:064x}"], **hashes}
    world.fact(
        "settlement.proposed", proposal | {"statements": statements, "statements_root": to_hex(root_of(statements))}
    )
    ref = f"0x{77:064x}"
    deposit = {"account": address(NEIGHBOUR), "amount_neur": "1000", "ref": ref}
    assert world.post("house bank", "/v1/deposits", deposit).status_code == 201
    included(world, f"deposit:{ref}", "Deposited", {"account": address(NEIGHBOUR), "amountNeur": "1000", "ref": ref})
    parties = {"guarantor": address(RETAILER), "account": address(NEIGHBOUR)}
    given = parties | {"creditNeur": "5", "nonce": 1}
    included(world, "guarantee:there", "GuaranteeSet", given, contract="Guarantees")
    assert world.post(NEIGHBOUR, "/v1/redemptions", redemption(world, NEIGHBOUR, ref)).status_code == 201


def _list(world: World, path: str, side: Side) -> Any:
    name, query = OWN[path]
    assert name is not None
    return world.get(side.callers[name], f"{filled(path)}?limit=500{query.replace(f'={AREA}', f'={side.area}')}")


@pytest.mark.parametrize(("mine", "other"), BOTH, ids=["here", "there"])
@pytest.mark.parametrize("path", OWN)
def test_list__in_either_area__holds_ones_own_and_nothing_of_the_other(
    twins: World, path: str, mine: Side, other: Side
) -> None:
    answer = _list(twins, path, mine)

    assert answer.status_code == 200, answer.text
    assert [name for name in other.names if name.encode() in answer.content] == []


def test_lists__of_both_areas__are_there_to_be_mixed_up(twins: World) -> None:
    empty = {
        (side.area, path) for side in (HERE, THERE) for path in OWN if not _list(twins, path, side).json()["items"]
    }

    assert len(empty) <= 2


def _singles() -> dict[str, str]:
    """The path of one item, by the path of its list."""
    found = {}
    for path in OWN:
        if path not in PARTS:
            shape = re.escape(path) + r"(/\{[a-z_]+\})+"
            (found[path],) = (name[4:] for name in OPERATIONS if re.fullmatch(f"GET {shape}", name))
    return found


@pytest.mark.parametrize(("mine", "other"), BOTH, ids=["here", "there"])
@pytest.mark.parametrize(("path", "single"), _singles().items(), ids=list(_singles()))
def test_single__of_the_other_areas_list__not_shown(
    twins: World, path: str, single: str, mine: Side, other: Side
) -> None:
    name = OWN[path][0]
    assert name is not None
    for item in _list(twins, path, other).json()["items"][:3]:
        members = item.get("reading", {}) | {"mtu": item.get("first_mtu"), "mandate": item.get("tag")} | item
        members["area"] = other.area
        places = {place: str(members[place]) for place in re.findall(r"{(\w+)}", single)}
        address_of_it = filled(single, **places)
        own, foreign = (twins.get(side.callers[name], address_of_it) for side in (other, mine))

        assert own.status_code == (404 if path in TO_BE_VALIDATED else 200), (address_of_it, own.text)
        assert foreign.status_code in (200, 403, 404)
        assert [name for name in other.names if name.encode() in foreign.content] == []
        if foreign.status_code == 200 and path not in OF_ALL:  # one's own of the same number
            assert [name for name in mine.names if name.encode() in foreign.content] != []


@pytest.mark.parametrize(("mine", "other"), BOTH, ids=["here", "there"])
def test_views__asked_for_one_area__hold_nothing_of_the_other(twins: World, mine: Side, other: Side) -> None:
    caller, foreign = mine.callers[HOLDER], other.callers[HOLDER]
    now = twins.clock.now()
    with twins.services.record.read() as connection:
        programs = queries.programs(connection, now=now, area=mine.area)
        ended = queries.ended_mtus(connection, market=mine.market)
        states = metering.attestation_states(connection, area=mine.area, first_mtu=FIRST_MTU, count=1)
        periods = holdings.periods(connection, area=mine.area)
        proposals = holdings.proposed_periods(connection, area=mine.area, state=None)
        lines = money.guarantees(connection, guarantor=from_hex(address(mine.callers["retailer 1"])))
        trades = queries.trades(connection, account=address(caller))
        moved = money.postings(connection, account=from_hex(address(caller)))

    assert {one.area for one in programs} == {one.area for one in periods} == {mine.area}
    assert {one.area for one in proposals} == {mine.area}
    assert {one.market for one in ended} == {one.market for one in trades} == {mine.market}
    attestation = str(states[0].as_json())
    assert [name for name in ("M1", "M2", METER) if f"'{name}'" in attestation] == (
        ["M1", "M2"] if mine is HERE else [METER]
    )
    assert {to_hex(one.account) for one in lines} & {address(foreign)} == set()
    assert moved and {to_hex(one.other) for one in moved} & set(map(address, other.callers.values())) == set()


@pytest.mark.parametrize(("mine", "other"), BOTH, ids=["here", "there"])
def test_area_that_is_not_ones_own__asked_for_by_name__refused(twins: World, mine: Side, other: Side) -> None:
    attester, retailer = mine.callers["attester north"], mine.callers["retailer 1"]
    answers = [
        twins.get(attester, "/v1/attestations", area=other.area, from_=FIRST_MTU, to=FIRST_MTU + 1),
        twins.get(attester, "/v1/attester/registry", area=other.area),
        twins.get(attester, "/v1/attester/settlements", area=other.area),
        twins.get(attester, f"/v1/attester/settlements/{other.area}/1/0"),
        twins.get(retailer, "/v1/retailer/settlements", area=other.area, period=1),
        twins.get(mine.callers["grid operator"], f"/v1/dso/programs/{other.market}/{GATE}"),
    ]

    assert [answer.status_code for answer in answers] == [404] * len(answers)
