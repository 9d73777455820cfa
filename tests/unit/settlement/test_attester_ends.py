"""What attesters sign of terms that ended, and of terms by keys whose role ended."""

from __future__ import annotations

import copy
from dataclasses import replace
from typing import Any

import pytest

from domain.hashing import to_hex
from domain.members import noun_json
from domain.roles import ChainRole
from domain.signed_terms import UNSIGNED, signed_by
from domain.terms import NOTICE_MTUS, EndedTerm, TermEnd
from tests.unit.settlement.desk import LATE, Desk, Shown, reseal

pytestmark = pytest.mark.unit


LONG_BEFORE = -(10**7)
"""A market time before all notice that is due."""


@pytest.mark.parametrize("role", [ChainRole.DSO, ChainRole.REGISTRAR])
@pytest.mark.parametrize(("after", "reason"), [(3_700, None), (3_701, "tariffs standard 2 was never seen here")])
def test_sign__version_by_a_key_whose_role_ended__only_as_soon_as_it_was_seen(
    desk: Desk, tools: Any, role: ChainRole, after: int, reason: str | None
) -> None:
    desk.look(LONG_BEFORE)
    desk.chain.roles_ended = {role: LONG_BEFORE + 100}
    LATE["tariffs"](desk.service.terms_shown, tools)
    desk.look(LONG_BEFORE + after)
    package = desk.propose()
    package["tariffs"] = copy.deepcopy(desk.service.terms_shown["tariffs"])

    refused = desk.ask(reseal(package))

    assert refused is None if reason is None else reason in str(refused)


def test_sign__terms_of_a_key_replaced_before_the_first_look__count(desk: Desk) -> None:
    desk.chain.roles_ended = {ChainRole.DSO: 0, ChainRole.REGISTRAR: 0}
    desk.look(10_000)

    assert desk.ask(desk.propose()) is None


def ended(tools: Any, *parties: str, end_mtu: int) -> Shown:
    """The end of the first household's agreement, signed by these."""
    accounts = (to_hex(tools.key(name).address) for name in ("house1", "retailer"))
    unsigned = TermEnd(EndedTerm.AGREEMENT, "agreement1", tools.AREA, *accounts, end_mtu, None, None, None)
    signatures = {f"{party}_signature": UNSIGNED for party in parties}
    keys = {"account": tools.key("house1"), "retailer": tools.key("retailer"), "dso": tools.key("dso")}
    named = {party: keys[party] for party in parties}
    return noun_json(signed_by(replace(unsigned, **signatures), named, domain=tools.SETTLEMENT_DOMAIN))


@pytest.mark.parametrize(
    ("parties", "before_mtus", "reason"),
    [
        (["account"], 0, None),
        (["account", "retailer"], 0, None),
        (["retailer"], NOTICE_MTUS, None),
        (["account"], -1, "had begun"),
        (["retailer"], NOTICE_MTUS - 1, "less than 1344 MTUs before the first MTU it decides on had begun"),
        (["dso"], NOTICE_MTUS, "whoever signed it can't end that"),
    ],
)
def test_sign__end_of_an_agreement__by_who_may_and_in_time(
    desk: Desk, tools: Any, parties: list[str], before_mtus: int, reason: str | None
) -> None:
    desk.look(-(10**7))
    end_mtu = tools.FIRST + tools.COUNT - 1
    desk.service.terms_shown["ends"] = [ended(tools, *parties, end_mtu=end_mtu)]
    desk.look((end_mtu - before_mtus) * 900)
    package = desk.propose()
    package["ends"] = copy.deepcopy(desk.service.terms_shown["ends"])

    refused = desk.ask(reseal(package))

    assert refused is None if reason is None else reason in str(refused)


@pytest.mark.parametrize(
    ("agreed_again", "late_s", "reason"),
    [(False, 0, None), (False, 1, "binds 0x"), (True, 1, None)],
    ids=["with notice", "without", "signed after it"],
)
def test_sign__next_version_of_a_tariff__binds_with_notice_or_the_accounts_signature(
    desk: Desk, tools: Any, agreed_again: bool, late_s: int, reason: str | None
) -> None:
    desk.look(LONG_BEFORE)
    shown = desk.service.terms_shown
    LATE["tariffs"](shown, tools)
    desk.look((1002 - NOTICE_MTUS) * 900 + late_s)
    if agreed_again:
        first = [dict(item) for item in shown["agreements"]]
        names = {to_hex(tools.key(name).address): name for name in ("house1", "house2", "house3")}
        for item in first:
            members = {"version": 2, "valid_from_mtu": 1002}
            shown["agreements"].append(tools.agreed(names[item["account"]], item["agreement"], **members))
        desk.look(1000 * 900)
    package = desk.propose()
    package |= {kind: copy.deepcopy(shown[kind]) for kind in ("tariffs", "agreements")}

    refused = desk.ask(reseal(package))

    assert refused is None if reason is None else reason in str(refused)


def test_sign__seen_end_left_out__is_refused(desk: Desk, tools: Any) -> None:
    desk.look(0)
    desk.service.terms_shown["ends"] = [ended(tools, "account", end_mtu=tools.FIRST + 1)]
    desk.look(tools.FIRST * 900)

    assert "ends of agreement agreement1 was seen here and is left out" in str(desk.ask(desk.propose()))
