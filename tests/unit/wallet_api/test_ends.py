"""Terms that end, over the API: signed by who may end them, handed in by whoever may, and what follows from it."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from domain.roles import ChainRole
from domain.signed_terms import UNSIGNED
from domain.terms import EndedTerm, TermEnd
from tests.unit.wallet_api.world import AREA, FIRST_MTU, World, address, household, meter, signed

pytestmark = pytest.mark.unit

AT = FIRST_MTU + 96
"""The first MTU that no session was opened for."""


def end(term: EndedTerm, number: int = 1, *, end_mtu: int = AT, **by: str) -> dict[str, Any]:
    """The end of a term of a household, signed by these named parties."""
    name = {EndedTerm.AGREEMENT: f"agreement {number}", EndedTerm.PARTICIPATION: f"household {number}"}.get(term, "M1")
    account = None if term is EndedTerm.METER else address(f"household {number}")
    retailer = address("retailer 1") if term is EndedTerm.AGREEMENT else None
    unsigned = TermEnd(term, name, AREA, account, retailer, end_mtu, None, None, None)
    return signed(replace(unsigned, **{f"{party}_signature": UNSIGNED for party in by}), **by)


@pytest.mark.parametrize(
    ("sender", "term", "by"),
    [
        ("household 1", EndedTerm.AGREEMENT, {"account": "household 1"}),
        ("registry office", EndedTerm.AGREEMENT, {"account": "household 1", "retailer": "retailer 1"}),
        ("household 1", EndedTerm.PARTICIPATION, {"account": "household 1", "dso": "grid operator"}),
        ("registry office", EndedTerm.METER, {"dso": "grid operator"}),
    ],
)
def test_end__by_who_may__is_recorded_listed_and_repeated(
    trading: World, sender: str, term: EndedTerm, by: dict[str, str]
) -> None:
    if term is EndedTerm.METER:
        body = meter("M1", "DE-LV1-P1", "0x" + "01" * 32, valid_from_mtu=FIRST_MTU)
        assert trading.post("registry office", "/v1/meters", body).status_code in (200, 201, 409)
    body = end(term, **by)

    first, again = (trading.post(sender, "/v1/ends", body) for _ in range(2))

    assert (first.status_code, again.status_code) == (201, 200), first.text
    listed = trading.get("registry office", "/v1/ends").json()["items"]
    assert [(one["term"], one["name"], one["end_mtu"]) for one in listed] == [(term.value, body["name"], AT)]
    shown = trading.get("registry office", f"/v1/ends/{term.value}/{body['name']}").json()
    assert {name: shown[name] for name in body} == body


REFUSED: dict[str, tuple[dict[str, Any], int, str]] = {
    "signed by another household": (end(EndedTerm.AGREEMENT, account="household 2"), 403, "term-not-signed"),
    "signed by nobody": (end(EndedTerm.AGREEMENT), 422, "bad-signature"),
    "changed afterwards": (
        end(EndedTerm.AGREEMENT, account="household 1") | {"end_mtu": AT + 1},
        403,
        "term-not-signed",
    ),
    "by the retailer without notice": (end(EndedTerm.AGREEMENT, retailer="retailer 1"), 409, "ends-too-soon"),
    "by the DSO without notice": (end(EndedTerm.PARTICIPATION, dso="grid operator"), 409, "ends-too-soon"),
    "by the neighbours' DSO": (
        end(EndedTerm.PARTICIPATION, account="household 1", dso="grid operator next door"),
        403,
        "term-not-signed",
    ),
    "in an open session": (end(EndedTerm.AGREEMENT, end_mtu=AT - 1, account="household 1"), 409, "ends-too-soon"),
    "agreement by the DSO": (end(EndedTerm.AGREEMENT, dso="grid operator"), 422, "malformed"),
    "of an agreement that is not there": (end(EndedTerm.AGREEMENT, 3, account="household 3"), 404, "not-registered"),
}  # fmt: skip
"""Ends that are refused: how, and by which problem."""


@pytest.mark.parametrize("name", REFUSED)
def test_end__not_by_whom_it_binds_or_too_soon__is_refused_and_nothing_written(trading: World, name: str) -> None:
    body, status, problem = REFUSED[name]
    before = trading.head()

    answer = trading.post("registry office", "/v1/ends", body)

    assert (answer.status_code, answer.json()["type"]) == (status, f"/problems/{problem}")
    assert trading.head() == before


def test_end__of_a_part__the_point_is_the_next_ones_and_the_agreement_over(trading: World) -> None:
    newcomer = household("household 9", "DE-LV1-P1", valid_from_mtu=AT)
    assert trading.post("registry office", "/v1/participants", newcomer).status_code == 409

    body = end(EndedTerm.PARTICIPATION, account="household 1")
    assert trading.post("household 1", "/v1/ends", body).status_code == 201
    assert trading.post("registry office", "/v1/participants", newcomer).status_code == 201

    own = [trading.get("household 1", "/v1/agreement", mtu=mtu) for mtu in (AT - 1, AT)]
    assert [answer.status_code for answer in own] == [200, 409]
    assert own[1].json()["type"] == "/problems/no-agreement"
    later = trading.agreement_body("household 1", "retailer 1", agreement="agreement 1", version=2, valid_from_mtu=AT)
    answer = trading.post("registry office", "/v1/agreements", later)
    assert (answer.status_code, answer.json()["type"]) == (409, "/problems/term-over")


@pytest.mark.parametrize(("role", "path"), [(ChainRole.DSO, "/v1/participants"), (ChainRole.REGISTRAR, "/v1/tariffs")])
def test_register__signed_by_a_key_whose_role_has_ended__is_refused(market: World, role: ChainRole, path: str) -> None:
    body = household("household 9", "DE-LV1-P9", valid_from_mtu=FIRST_MTU)
    if path == "/v1/tariffs":
        body = market.tariff_body("retailer 1", tariff="other", valid_from_mtu=FIRST_MTU)
    ended = {role}
    market.app.state.services = replace(
        market.app.state.services, holds_on_chain=lambda address, asked, area: asked not in ended
    )

    refused = market.post("registry office", path, body)
    assert (refused.status_code, refused.json()["type"]) == (403, "/problems/term-not-signed")
    assert f"a key that has the role {role.value} now" in refused.json()["detail"]
    ended.clear()
    assert market.post("registry office", path, body).status_code == 201
