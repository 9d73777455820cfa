"""An area goes to another deployment: what its roles sign, and the calls by which it comes about.

Each organisation signs with a key, a node and both deployment files of its own; the service is not asked.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Literal

from contracts.artifacts import load_artifact
from contracts.bindings import Accounts, Calendar, Call, Handovers, Settlement
from contracts.bindings.accounts import AccountBound, AccountReplaced
from contracts.bindings.handovers import Handover, HandoverSignatures
from contracts.deploy import Deployment
from contracts.rpc import Rpc, as_bytes
from domain.eip712 import HANDOVER
from domain.hashing import from_hex, text_id, to_hex
from domain.signing import recover
from scripts.serving.production.roles import ChangeRefused, RolesDesk

NOBODY = bytes(20)

LOG_BLOCKS = 10_000
"""Blocks asked for in one eth_getLogs, below the limits of usual nodes."""

Outcome = Literal["taken over", "nothing there", "refused"]
"""Of an account that was to go over: what it had went; it had nothing (any more); the contracts said no."""


def handover_to(successor: Deployment, *, rpc: Rpc, deployment: Deployment, area: str, deadline: int) -> Handover:
    """What is signed until `deadline` (market time): the area leaves after the last period that is declared by now.

    Both deployments must have been checked against this node.
    """
    calendar = Calendar(rpc=rpc, address=deployment.addresses["Calendar"])
    return Handover(
        area=text_id(area),
        period=calendar.period_count(area=text_id(area)),
        successor=successor.addresses["Handovers"],
        codes_hash=successor.codes_hash(),
        deadline=deadline,
    )


def handover_digest(handover: Handover, *, deployment: Deployment) -> bytes:
    """The digest that operator, DSO and attesters sign."""
    values = {
        "area": handover.area,
        "period": handover.period,
        "successor": handover.successor,
        "codesHash": handover.codes_hash,
        "deadline": handover.deadline,
    }
    return deployment.domain("Handovers").digest(HANDOVER, values)


def agreement(
    handover: Handover,
    *,
    deployment: Deployment,
    successor: Deployment,
    operator: bytes,
    dso: bytes,
    attesters: Sequence[bytes],
) -> Call:
    """The registrar's call, with the signatures of the others. Raises BadSignature."""
    digest = handover_digest(handover, deployment=deployment)
    ascending = sorted(attesters, key=lambda signature: recover(digest, signature))
    return Handovers.agree(
        handover=handover,
        parts=[successor.addresses[name] for name in sorted(successor.addresses)],
        signatures=HandoverSignatures(operator=operator, dso=dso, attesters=ascending),
    )


@dataclass(frozen=True)
class HandoverState:
    """Where an area stands on its way. Periods by number, `effective_at` and `market_time` unix seconds."""

    successor: bytes
    period: int
    effective_at: int
    market_time: int
    declared: int
    final: int

    @property
    def agreed(self) -> bool:
        """Whether the roles agreed that the area goes somewhere, and nobody withdrew it."""
        return self.successor != NOBODY

    @property
    def in_effect(self) -> bool:
        """Whether the next deployment declares the area's periods."""
        return self.agreed and self.market_time >= self.effective_at

    @property
    def ended(self) -> bool:
        """Whether accounts may be taken over: nothing of the area's last period can change any more."""
        return self.in_effect and self.final == self.declared


def standing(*, area: str, rpc: Rpc, deployment: Deployment) -> HandoverState:
    """Where an area of the deployment stands, as this node has it."""
    at, code = deployment.addresses, text_id(area)
    agreement = Handovers(rpc=rpc, address=at["Handovers"]).agreement_of(area=code)
    calendar = Calendar(rpc=rpc, address=at["Calendar"])
    return HandoverState(
        successor=agreement.successor,
        period=agreement.period,
        effective_at=agreement.effective_at,
        market_time=calendar.market_time(),
        declared=calendar.period_count(area=code),
        final=Settlement(rpc=rpc, address=at["Settlement"]).final_count(area=code),
    )


def accounts_to_take_over(*, area: str, rpc: Rpc, deployment: Deployment) -> list[bytes]:
    """Present accounts of an area of the deployment, as its logs tell, those that another one guarantees for first.

    Whoever guarantees keeps what it gives until those leave.
    """
    accounts = Accounts(rpc=rpc, address=deployment.addresses["Accounts"])
    present = [
        account
        for account in dict.fromkeys(_told(rpc, deployment))
        if accounts.area_of(account=account) == text_id(area) and accounts.successor_of(account=account) == NOBODY
    ]
    return sorted(present, key=lambda account: accounts.guarantor_of(account=account) in (NOBODY, account))


def _told(rpc: Rpc, deployment: Deployment) -> Iterator[bytes]:
    """Every account that was bound or took another's place, in that order."""
    abi, address = load_artifact("Accounts").abi, to_hex(deployment.addresses["Accounts"])
    topics = [to_hex(abi.topic_of(event.NAME)) for event in (AccountBound, AccountReplaced)]
    for first in range(deployment.start_block, rpc.block_number() + 1, LOG_BLOCKS):
        span = {"fromBlock": hex(first), "toBlock": hex(first + LOG_BLOCKS - 1)}
        for log in rpc.call("eth_getLogs", {**span, "address": address, "topics": [topics]}):
            event = abi.decode_event([as_bytes(topic) for topic in log["topics"]], as_bytes(log["data"]))
            if event is not None:
                yield from_hex(event.args["account" if event.name == AccountBound.NAME else "successor"])


@dataclass(frozen=True)
class TakenOver:
    """What became of an account; `reason` where it was refused."""

    account: bytes
    outcome: Outcome
    reason: str = ""


def take_over(account: bytes, *, desk: RolesDesk) -> TakenOver:
    """Take an account over into the deployment of the desk. What went before does not go again.

    Raises ChangeNotIncluded or NodeUnavailable.
    """
    try:
        desk.send(Handovers.take_over(account=account))
    except ChangeRefused as refused:
        if refused.reason.startswith("HandoversNothing("):
            return TakenOver(account, "nothing there")
        return TakenOver(account, "refused", refused.reason)
    return TakenOver(account, "taken over")
