"""Registering through the API."""

from __future__ import annotations

from dataclasses import replace

import pytest

from domain.hashing import to_hex
from domain.mtu import mtu_of
from domain.terms import NOTICE_MTUS
from ledger_service.registry.agreed import AgreedArea, AgreedAreas
from ledger_service.registry.notice import SEEN_MTUS
from tests.grids import document, street
from tests.unit.wallet_api.world import (
    AREA,
    AREA_BODY,
    FIRST_MTU,
    MARKET,
    MARKET_BODY,
    OTHER_AREA,
    World,
    address,
    household,
    party,
)

pytestmark = pytest.mark.unit


def test_register__first_time__created_and_listed(market: World) -> None:
    listed = market.get("registry office", "/v1/participants").json()["items"]

    assert [one["participant"] for one in listed] == [
        "grid account",
        "household 1",
        "household 2",
        "retailer 1",
        "retailer 2",
        "tax office",
    ]
    assert market.get(None, "/v1/areas").json()["items"][0]["area"] == AREA
    assert market.get(None, f"/v1/markets/{MARKET}").json()["lot_wh"] == 10


def test_register__repeated__first_answer_and_nothing_new(market: World) -> None:
    before = market.head()

    answer = market.post("registry office", "/v1/participants", household("household 1", "DE-LV1-P1"))

    assert answer.status_code == 200
    assert market.head() == before


def test_register__same_id_other_body__refused(market: World) -> None:
    before = market.head()

    answer = market.post("registry office", "/v1/markets", MARKET_BODY | {"lot_wh": 20})

    assert answer.status_code == 409
    assert answer.json()["type"] == "/problems/already-registered"
    assert market.head() == before


@pytest.mark.parametrize("field", ["role", "sequence", "owner", "status"])
def test_register__field_nobody_asked_for__refused(market: World, field: str) -> None:
    before = market.head()

    answer = market.post("registry office", "/v1/tariffs", market.tariff_body("retailer 1", version=2) | {field: "x"})

    assert answer.status_code == 422
    assert answer.json()["errors"][0]["pointer"] == f"/{field}"
    assert market.head() == before


def test_list__in_pages__link_leads_through_all(market: World) -> None:
    seen, url, requests = [], "/v1/participants?limit=2", 0
    while url:
        requests += 1
        answer = market.get("registry office", url)
        seen += [one["participant"] for one in answer.json()["items"]]
        link = answer.headers.get("link")
        url = link.partition(">")[0].removeprefix("<") if link else ""

    assert seen == sorted(seen)
    assert len(seen) == 6
    assert requests == 3


@pytest.mark.parametrize("query", ["limit=0", "limit=1000000000", "limit=x", "after=%00"])
def test_list__bad_paging__refused(market: World, query: str) -> None:
    assert market.get("registry office", f"/v1/participants?{query}").status_code in (400, 422)


def test_register__account_that_is_an_organisations_key__refused(market: World) -> None:
    before = market.head()

    body = household("household 9", "DE-LV1-P9", account="audit office", valid_from_mtu=FIRST_MTU)
    answer = market.post("registry office", "/v1/participants", body)

    assert (answer.status_code, answer.json()["type"]) == (409, "/problems/already-registered")
    assert market.head() == before


def test_register__names_and_addresses_nobody_can_tell_or_use__refused_by_member(market: World) -> None:
    before, contract = market.head(), to_hex(next(iter(market.services.deployment.addresses.values())))
    alike = household("Household  1".replace("  ", " "), "DE-LV1-P9", valid_from_mtu=FIRST_MTU)
    spaced = household("household 9 ", "DE-LV1-P9", valid_from_mtu=FIRST_MTU)
    party_of_contract = party("second retailer", "retailer", valid_from_mtu=FIRST_MTU) | {"account": contract}
    refusals = (
        (alike, 409, "name-alike", "household 1"),
        (spaced, 422, "malformed", "participant"),
        (party_of_contract, 409, "address-of-contract", contract),
    )

    for body, status, code, named in refusals:
        answer = market.post("registry office", "/v1/participants", body)
        assert (answer.status_code, answer.json()["type"]) == (status, f"/problems/{code}"), answer.json()
        assert named in answer.json()["detail"]
    assert market.head() == before


@pytest.mark.parametrize("model", [{"buses": 3}, {"points": []}, {"schema": "dominoes-grid-1", "buses": 3}])
def test_register__area_of_an_unusable_grid__refused_by_member(market: World, model: dict[str, object]) -> None:
    before = market.head()

    answer = market.post("registry office", "/v1/areas", AREA_BODY | {"area": OTHER_AREA, "grid_model": model})

    assert (answer.status_code, answer.json()["type"]) == (422, "/problems/bad-grid")
    assert ("schema" if "schema" not in model else "buses") in answer.json()["detail"]
    assert market.head() == before


def agreed_on(world: World, **changes: str) -> None:
    """Let the service know what the organisations agreed on of the area."""
    accounts = {"dso_account": address("grid account"), "tax_account": address("tax office")}
    agreed = AgreedArea(**{"area": AREA, "zone": AREA_BODY["zone"]} | accounts | changes)
    world.app.state.services = replace(world.services, agreed_areas=AgreedAreas.of([agreed]))


def test_register__as_the_organisations_agreed__taken(market: World) -> None:
    agreed_on(market)

    for name, kind in (("grid account", "dso"), ("tax office", "tax")):
        assert market.post("registry office", "/v1/participants", party(name, kind)).status_code == 200
    assert market.post("registry office", "/v1/areas", AREA_BODY).status_code == 200


@pytest.mark.parametrize(
    ("field", "name", "kind"), [("dso_account", "grid account", "dso"), ("tax_account", "tax office", "tax")]
)
def test_register__account_that_was_not_agreed_on__refused_whoever_signed_it(
    market: World, field: str, name: str, kind: str
) -> None:
    agreed_on(market, **{field: address("somebody")})
    before = market.head()

    answer = market.post("registry office", "/v1/participants", party(name, kind))

    assert (answer.status_code, answer.json()["type"]) == (409, "/problems/not-agreed")
    assert address("somebody") in answer.json()["detail"]
    assert market.head() == before


@pytest.mark.parametrize("agreed", [{"zone": "Europe/Lisbon"}, {"area": "ELSEWHERE"}])
def test_register__area_that_was_not_agreed_on__refused(market: World, agreed: dict[str, str]) -> None:
    agreed_on(market, **agreed)

    answer = market.post("registry office", "/v1/areas", AREA_BODY)

    assert (answer.status_code, answer.json()["type"]) == (409, "/problems/not-agreed")


def test_register__tariff_that_has_begun__refused(market: World) -> None:
    before = market.head()

    body = market.tariff_body("retailer 1", tariff="other")
    answer = market.post("registry office", "/v1/tariffs", body)

    assert (answer.status_code, answer.json()["type"]) == (409, "/problems/already-begun")
    assert market.head() == before


def test_register__terms_that_a_party_did_not_sign__refused(market: World) -> None:
    before, first = market.head(), FIRST_MTU + 96
    members = {"agreement": "agreement 1", "version": 2, "valid_from_mtu": first}
    agreement = market.agreement_body("household 1", "retailer 1", **members)
    other = market.agreement_body("household 2", "retailer 1", **members)
    tariff = market.tariff_body("retailer 1", version=2, valid_from_mtu=first)
    refusals = {
        "account": ("/v1/agreements", agreement | {"account_signature": other["account_signature"]}),
        "retailer": (
            "/v1/tariffs",
            tariff | {"supply_neur_per_wh": 10_000_000, "imbalance_shortfall_neur_per_wh": 10**7},
        ),
        "dso": ("/v1/tariffs", tariff | {"grid_fee_neur_per_wh": 900_000}),
        "registrar": ("/v1/tariffs", tariff | {"registrar_signature": tariff["dso_signature"]}),
    }

    for signer, (path, body) in refusals.items():
        answer = market.post("registry office", path, body)
        assert (answer.status_code, answer.json()["type"]) == (403, "/problems/term-not-signed"), signer
        assert f"for its {signer}" in answer.json()["detail"]
    void = market.post("registry office", "/v1/agreements", agreement | {"account_signature": "0x" + "00" * 65})
    assert (void.status_code, void.json()["type"]) == (422, "/problems/bad-signature")
    unsafe = market.tariff_body("retailer 1", version=2, valid_from_mtu=first, feed_in_neur_per_wh=300_001)
    assert market.post("registry office", "/v1/tariffs", unsafe).json()["type"] == "/problems/tariff-unsafe"
    assert market.head() == before


def test_register__next_version_of_a_tariff__takes_notice_where_somebody_is_under_it(market: World) -> None:
    soon = market.tariff_body("retailer 1", version=2, valid_from_mtu=FIRST_MTU + 96)

    refused = market.post("registry office", "/v1/tariffs", soon)

    assert (refused.status_code, refused.json()["type"]) == (409, "/problems/notice-missing")
    earliest_mtu = mtu_of(market.clock.now()) + 1 + NOTICE_MTUS + SEEN_MTUS
    assert f"let it begin at MTU {earliest_mtu} or later" in refused.json()["detail"]
    body = market.tariff_body("retailer 1", version=2, valid_from_mtu=earliest_mtu)
    assert market.post("registry office", "/v1/tariffs", body).status_code == 201
    nobodys = market.tariff_body("retailer 1", tariff="other", valid_from_mtu=FIRST_MTU)
    assert market.post("registry office", "/v1/tariffs", nobodys).status_code == 201
    again = market.tariff_body("retailer 1", tariff="other", version=2, valid_from_mtu=FIRST_MTU + 96)
    assert market.post("registry office", "/v1/tariffs", again).status_code == 201


def test_register__account_for_fees_or_taxes_of_ones_own__refused(market: World) -> None:
    before, area = market.head(), AREA_BODY | {"area": OTHER_AREA, "grid_model": document(street(["DE-LV2-P1"]))}
    assert market.post("registry office", "/v1/areas", area).status_code == 201
    registered = market.head()
    for kind in ("dso", "tax"):
        second = market.post(
            "registry office", "/v1/participants", party(f"second {kind}", kind, valid_from_mtu=FIRST_MTU)
        )
        assert (second.status_code, second.json()["type"]) == (409, "/problems/already-registered")
        mine = party("own account", kind, area=OTHER_AREA, valid_from_mtu=FIRST_MTU)
        forged = mine | {"dso_signature": mine["account_signature"]}
        refused = market.post("registry office", "/v1/participants", forged)
        assert (refused.status_code, refused.json()["type"]) == (403, "/problems/term-not-signed")
    assert market.head() == registered != before
