"""One Python class per contract of the ledger; made by `python -m scripts.tools.make_bindings`."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from contracts.bindings import anchors, calendar, market, readings, registry, roles, settlement
from contracts.bindings.anchors import Anchors
from contracts.bindings.base import Call, Event
from contracts.bindings.calendar import Calendar
from contracts.bindings.market import Market
from contracts.bindings.readings import Readings
from contracts.bindings.registry import Registry
from contracts.bindings.roles import Roles
from contracts.bindings.settlement import Settlement

__all__ = [
    "Anchors",
    "Calendar",
    "Call",
    "EVENTS",
    "Event",
    "Market",
    "Readings",
    "Registry",
    "Roles",
    "Settlement",
    "read_event",
]

EVENTS: Mapping[tuple[str, str], type[Event]] = {
    (kind.CONTRACT, kind.NAME): kind
    for kind in (
        anchors.HeadAnchored,
        calendar.AreaCreated,
        calendar.PeriodDeclared,
        market.BooksClosed,
        market.MarketCreated,
        market.MtuCleared,
        market.MtuVoided,
        market.PageVerified,
        market.ProgramOpened,
        market.ProgramRecorded,
        readings.ReadingsAttested,
        readings.ReadingsUnread,
        registry.ContractRegistered,
        roles.GrantConfirmed,
        roles.GrantProposed,
        roles.Paused,
        roles.ProposalCancelled,
        roles.ReplacementProposed,
        roles.RevocationProposed,
        roles.RoleGranted,
        roles.RoleRevoked,
        roles.Unpaused,
        settlement.AccountBound,
        settlement.AccountReplaced,
        settlement.DebtCovered,
        settlement.Deposited,
        settlement.GuaranteeCalled,
        settlement.GuaranteeSet,
        settlement.PeriodFinalised,
        settlement.PeriodSettled,
        settlement.Redeemed,
        settlement.RedemptionCancelled,
        settlement.RedemptionRequested,
        settlement.SettlementAbandoned,
        settlement.SettlementPageBooked,
        settlement.SettlementSigned,
    )
}
"""Every event by contract and name."""


def read_event(*, contract: str, name: str, args: Mapping[str, Any]) -> Event | None:
    """The event of a `chain.included` fact; None where the contracts have no such event."""
    kind = EVENTS.get((contract, name))
    return None if kind is None else kind.read(args)
