"""What every composition of the service shares: the stages in their order, and how parts read the record."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date

from sqlalchemy import Connection

from contracts.bindings import Registry
from contracts.deploy import Deployment
from contracts.rpc import Rpc
from domain.hashing import from_hex, to_hex
from ledger_service.access.directory import KnownParticipant
from ledger_service.evidence.stage import AnchorStage
from ledger_service.market import CalendarStage
from ledger_service.metering.queries import point_readings
from ledger_service.metering.stage import MeteringStage
from ledger_service.money import queries as money
from ledger_service.money.stage import MoneyStage
from ledger_service.outbox import request
from ledger_service.programs import ClearingStage, PositionStage, ValidationStage, VoidStage
from ledger_service.programs.forecast import LOOK_BACK_MTUS_MAX
from ledger_service.record import Record
from ledger_service.registry import queries as registry
from ledger_service.settlement.queries import period_states
from ledger_service.settlement.stage import SettlementStage
from ledger_service.stage import Stage
from ledger_service.trading import GateStage

AUDIENCE = "dominoes-wallet-api"
"""`aud` of access tokens and name shown in login texts."""

NODE_LOOK_SECONDS = 1.0
"""Longest that a look at the node's health waits for it: below the patience of whoever asks for ours."""


@dataclass(frozen=True)
class Stages:
    """The stages of one service in their order, and the one that others ask about periods it can't settle."""

    ordered: Sequence[Stage]
    settlement: SettlementStage


def build_stages(record: Record, *, first_day: date, last_day: date | None) -> Stages:
    """All stages over this record, in the order in which a fact passes them; `last_day` None: the market goes on."""
    settlement = SettlementStage(record)
    ordered: list[Stage] = [
        CalendarStage(record, first_day=first_day, last_day=last_day),
        GateStage(record),
        ValidationStage(record, metered=net_metered),
        ClearingStage(record),
        PositionStage(record),
        VoidStage(record),
        MeteringStage(record),
        settlement,
        MoneyStage(record),
        AnchorStage(record),
    ]
    return Stages(ordered=ordered, settlement=settlement)


@dataclass(frozen=True)
class RecordFunds:
    """What intake asks about money, read from the views."""

    record: Record

    def balance_neur(self, account: str) -> int:
        """The account's balance as last settled, nEUR."""
        with self.record.read() as connection:
            return money.balance_neur(connection, account=from_hex(account))

    def settled_before(self, area: str) -> int:
        """The first MTU of the area that is not in the balances yet: what is settled counts up to the first gap."""
        with self.record.read() as connection:
            states = period_states(connection, area=area)
        unsettled = [state.first_mtu for state in states if not state.settled]
        return min(unsettled) if unsettled else max((state.first_mtu + state.count for state in states), default=0)


def list_in_registry(record: Record, deployment: Deployment) -> None:
    """Ask for each contract to be listed on chain, so that an outsider finds the deployment; once."""
    with record.begin() as tx:
        for name, address in sorted(deployment.addresses.items()):
            call = Registry.register(name=name, location=address, code_hash=deployment.code_hashes[name])
            request(tx, call, key=f"register:{name}:{to_hex(address)}", role="registrar")


def known_participant(record: Record, account: str) -> KnownParticipant | None:
    """The registered participant with this account (0x hex); None where there is none."""
    with record.read() as connection:
        return registry.participant_of(connection, account)


def node_block_time(url: str) -> int:
    """Block time of the node's newest block (0: it has none), asked of the node itself. Raises NodeUnavailable."""
    rpc = Rpc(url, timeout_s=NODE_LOOK_SECONDS)
    try:
        head = rpc.header()
    finally:
        rpc.close()
    return 0 if head is None else head.timestamp


def net_metered(connection: Connection, point: str, mtus: Sequence[int]) -> Mapping[int, int]:
    """Net metered energy of a point by MTU, Wh, + = import, as far back as the forecast looks."""
    first = mtus[0] - LOOK_BACK_MTUS_MAX
    found = point_readings(connection, point=point, first_mtu=first, count=mtus[-1] + 1 - first)
    return {item.mtu: item.import_wh - item.export_wh for item in found}
