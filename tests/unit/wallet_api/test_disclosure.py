"""What auditors read of persons: each reading is a fact, and those concerned can list it."""

from __future__ import annotations

from typing import Any

import pytest

from domain.facts import AccessLogged
from edge.policy import Allow, api_routes, policy_of, query_names
from ledger_service.access.roles import Role
from tests.journal import content_of
from tests.unit.wallet_api.routes import REQUIRED, filled
from tests.unit.wallet_api.test_duties import anchor
from tests.unit.wallet_api.world import AREA, World, address

pytestmark = pytest.mark.unit

IMPERSONAL = {
    "/v1/session",
    "/v1/tariffs",
    "/v1/tariffs/{tariff:path}/{version}",
    "/v1/journal",
    "/v1/journal/{sequence}",
    "/v1/dso/programs",
    "/v1/dso/verdicts",
    "/v1/dso/verdicts/{market:path}/{session}",
    "/v1/attester/settlements",
    "/v1/audits",
}
"""What an auditor reads or signs that names no person: itself, published prices, hashes, states."""


def accesses(world: World, after: int = 0) -> list[dict[str, Any]]:
    """The facts of readings."""
    return [content_of(entry) for entry in world.services.record.entries(after=after, kinds=(AccessLogged,))]


def test_routes__auditor_let_in__disclosure_declared_or_impersonal(world: World) -> None:
    undeclared = {
        route.path
        for route in api_routes(world.app)
        if isinstance(policy := policy_of(route), Allow) and Role.AUDITOR in policy.roles and policy.before is None
    }

    assert undeclared == IMPERSONAL


def test_routes__read_by_the_auditor__logged_by_whom_what_and_of_which_area(crowded: World) -> None:
    anchor(crowded)
    logged = {}
    for route in api_routes(crowded.app):
        policy = policy_of(route)
        if not isinstance(policy, Allow) or Role.AUDITOR not in policy.roles or "GET" not in (route.methods or ()):
            continue
        before = crowded.services.record.head().sequence
        query = {name: value for name, value in REQUIRED.items() if name in query_names(route)}
        crowded.get("audit office", filled(route.path), **query)
        facts = accesses(crowded, before)
        logged[route.path] = [(fact["auditor"], fact["what"], fact["area"]) for fact in facts]
        assert len(facts) == (route.path not in IMPERSONAL)

    auditor = address("audit office")
    assert logged["/v1/participants"] == [(auditor, "registry.participants", AREA)]
    assert logged["/v1/agreements"] == [(auditor, "registry.agreements", None)]
    assert logged["/v1/dso/programs/{market:path}/{session}"] == [(auditor, "validation.program", AREA)]
    assert logged["/v1/attester/settlements/{area:path}/{period}/{revision}"] == [(auditor, "settlement.package", AREA)]


def test_reading__by_those_whose_duty_it_is__not_logged(crowded: World) -> None:
    before = len(accesses(crowded))

    crowded.get("registry office", "/v1/participants")
    crowded.get("attester north", "/v1/attester/registry", area=AREA)

    assert len(accesses(crowded)) == before


@pytest.mark.parametrize(
    ("path", "status"),
    [
        ("/v1/participants?area=%00", 422),
        ("/v1/attester/settlements/a%00b/1/0", 422),
        ("/v1/dso/programs/none/1", 404),
    ],
)
def test_reading__that_is_refused__neither_shown_nor_logged(market: World, path: str, status: int) -> None:
    head = market.head()

    assert market.get("audit office", path).status_code == status
    assert market.head() == head


def test_reading__that_cannot_be_logged__not_shown(market: World, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken() -> Any:
        raise RuntimeError("disk")

    monkeypatch.setattr(market.services.record, "begin", broken)

    answer = market.get("audit office", "/v1/participants")

    assert answer.status_code == 500
    assert address("household 1") not in answer.text


def test_accesses__of_ones_own_area__listed_for_the_household(market: World) -> None:
    for query in ("", f"?area={AREA}", "?area=DE-LV9"):
        assert market.get("audit office", f"/v1/participants{query}").status_code == 200

    for name in ("household 1", "retailer 1"):
        shown = market.get(name, "/v1/accesses").json()["items"]
        assert [(one["what"], one["area"], one["auditor_name"]) for one in shown] == [
            ("registry.participants", None, "audit office"),
            ("registry.participants", AREA, "audit office"),
        ]
        assert shown[0]["market_time_utc"] == "2016-06-01T00:00:00Z"
