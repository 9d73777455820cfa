"""Words that the API and the settings spell out for their documents are those of the classes they stand for."""

from __future__ import annotations

from typing import Any, get_args

import pytest

from domain import lines, markets, parties
from domain.roles import ChainRole
from ledger_service.access.roles import Role
from scripts.serving.settings import RoleName
from wallet_api import fields
from wallet_api.schemas import own

pytestmark = pytest.mark.unit


@pytest.mark.parametrize(
    ("words", "due"),
    [
        (fields.ParticipantKind, list(parties.ParticipantKind)),
        (fields.MarketKind, list(markets.MarketKind)),
        (own.TradeLineKind, [kind.name for kind in lines.TRADE_KINDS]),
        (own.PositionLineKind, [kind.name for kind in lines.POSITION_KINDS]),
        (RoleName, set(Role) - {Role.PROSUMER, Role.RETAILER, Role.AGENT}),
    ],
    ids=["participant", "market", "trade line", "position line", "role"],
)
def test_words__spelled_out__are_those_of_their_class(words: Any, due: Any) -> None:
    assert sorted(get_args(words)) == sorted(due)


def test_roles__of_the_contracts__are_roles_of_the_api_too() -> None:
    assert {role.value for role in ChainRole} == {role.value for role in Role} - {
        "prosumer",
        "retailer",
        "agent",
        "auditor",
    }
