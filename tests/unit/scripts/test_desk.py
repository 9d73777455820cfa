"""What a DSO's desk knows of a program by itself."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from clearing.shown import ProgramDiffers
from domain.eip712 import Domain
from domain.mtu import mtu_of
from scripts.serving.desk import Desk, MarketUnknown
from scripts.serving.settings import DeskMarketSection
from tests.grids import street

pytestmark = pytest.mark.unit

MARKET = "A/DA"
FIRST_MTU = mtu_of(int(datetime(2016, 6, 14, 22, tzinfo=UTC).timestamp()))
"""Midnight in Berlin."""

GATES = [int(datetime(2016, 6, 14, hour, tzinfo=UTC).timestamp()) for hour in (10, 15)]
"""12:00 and 17:00 in Berlin on the day before."""


@pytest.fixture
def desk() -> Desk:
    """A desk that knows one market with two gates."""
    rules = DeskMarketSection(market=MARKET, gates_local=("12:00", "17:00"), sign_seconds=60)
    domain = Domain(chain_id=1, verifying_contract=bytes(20))
    return Desk(zone="Europe/Berlin", markets={MARKET: rules}, domain=domain, grid=street(["P"]))


@pytest.mark.parametrize("gate", GATES)
def test_pinned__session_at_any_gate_of_the_market__is_due(desk: Desk, gate: int) -> None:
    pinned = desk.pinned(MARKET, FIRST_MTU + 5, gate)

    assert (pinned.session, pinned.mtus.first, pinned.mtus.count, pinned.deadline) == (gate, FIRST_MTU, 96, gate + 60)


def test_pinned__session_where_no_gate_is__differs_and_says_which_gates_there_are(desk: Desk) -> None:
    with pytest.raises(ProgramDiffers, match=f"due is {GATES}, shown is {GATES[0] + 1}".replace("[", r"\[")):
        desk.pinned(MARKET, FIRST_MTU, GATES[0] + 1)


def test_pinned__other_market__unknown(desk: Desk) -> None:
    with pytest.raises(MarketUnknown):
        desk.pinned("A/other", FIRST_MTU, GATES[0])
