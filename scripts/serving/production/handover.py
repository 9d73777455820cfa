"""An area goes to another deployment: what its roles sign, and the calls by which it comes about.

Each organisation signs with a key, a node and both deployment files of its own; the service is not asked.
"""

from __future__ import annotations

from collections.abc import Sequence

from contracts.bindings import Calendar, Call, Handovers
from contracts.bindings.handovers import Handover, HandoverSignatures
from contracts.deploy import Deployment
from contracts.rpc import Rpc
from domain.eip712 import HANDOVER
from domain.hashing import text_id
from domain.signing import recover


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
