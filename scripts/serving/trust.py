"""The trust anchors of a running market, from what the organisations agreed on and a node of one's own."""

from __future__ import annotations

import json
from bisect import bisect_left, bisect_right
from collections.abc import Iterable, Mapping
from pathlib import Path

from contracts.bindings import Anchors, Roles
from contracts.deploy import ALL_AREAS, ROLE_NUMBERS, Deployment
from contracts.rpc import BlockHeader, NodeAnswerInvalid, Rpc, as_int
from domain.errors import DominoesError
from domain.hashing import from_hex, hash_json, text_id, to_hex
from ledger_service.evidence.anchors import AreaAnchors, TrustAnchors
from ledger_service.evidence.recorded import Anchor, NothingAnchored
from scripts.serving.deployment_file import market_time
from scripts.serving.settings import AreaSection, OrganisationSection

LEDGER_ROLES = ("operator", "treasurer", "registrar", "security_admin")
"""Roles whose keys count in every area."""


class RoleNotHeld(DominoesError):
    """An organisation is said to have a role that its key does not hold on chain."""

    code = "role-not-held"

    def __init__(self, *, name: str, role: str, address: str) -> None:
        self.name, self.role, self.address = name, role, address
        super().__init__(
            f"{address} of {name} is no {role} on this chain; compare [[organisations]] with the contract signed by all"
        )


class AreaNotAgreed(DominoesError):
    """Nothing says which zone an area has, and where its fees and taxes go."""

    code = "area-not-agreed"

    def __init__(self, *, area: str) -> None:
        self.area = area
        super().__init__(f"no [[areas]] names {area}: give its zone, dso_account and tax_account as all parties agreed")


class GridModelUnusable(DominoesError):
    """A grid model is missing, or no JSON object."""

    code = "grid-model-unusable"

    def __init__(self, *, area: str, reason: str) -> None:
        self.area = area
        super().__init__(f"the grid model of {area}: {reason}; give the file that its DSO published")


def grid_model_hash(area: str, path: Path) -> bytes:
    """The hash of a grid model as its DSO published it. Raises GridModelUnusable."""
    try:
        model = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise GridModelUnusable(area=area, reason=str(error)) from error
    if not isinstance(model, dict):
        raise GridModelUnusable(area=area, reason="is no JSON object")
    return hash_json(model)


def last_anchor(rpc: Rpc, deployment: Deployment) -> Anchor:
    """The newest anchored head of the journal, and the block that holds it. Raises NothingAnchored.

    The contract tells the block's time; nodes give the logs of a whole chain to nobody, but every header.
    """
    address = deployment.addresses["Anchors"]
    sequence, head, time = Anchors(rpc=rpc, address=address).latest()
    if not sequence:
        raise NothingAnchored

    def time_of(number: int) -> int:
        return header_at(rpc, number).timestamp

    blocks = range(deployment.start_block, rpc.block_number() + 1)
    first, end = bisect_left(blocks, time, key=time_of), bisect_right(blocks, time, key=time_of)
    logs = []
    if first < end:
        span = {"fromBlock": hex(blocks[first]), "toBlock": hex(blocks[end - 1])}
        logs = rpc.call("eth_getLogs", {**span, "address": to_hex(address)})
    if not logs:
        raise NodeAnswerInvalid(url=rpc.url, reason="it has not the event of the anchor that it tells")
    return Anchor(sequence=sequence, head=head, block=as_int(logs[-1]["blockNumber"]))


def header_at(rpc: Rpc, number: int) -> BlockHeader:
    """A header that the node must have. Raises NodeAnswerInvalid."""
    header = rpc.header(number)
    if header is None:
        raise NodeAnswerInvalid(url=rpc.url, reason=f"it has no block {number}")
    return header


def trust_anchors(
    rpc: Rpc,
    deployment: Deployment,
    organisations: Iterable[OrganisationSection],
    grid_model_hashes: Mapping[str, bytes],
    areas: Iterable[AreaSection],
    predecessor: Deployment | None = None,
) -> tuple[TrustAnchors, Anchor]:
    """What an outsider holds evidence against, and the journal's head at the checkpoint.

    `organisations` and `areas` are those of the contract signed by all; `deployment` and `predecessor` must have been
    checked against this node;
    `grid_model_hashes` are those of each area's model, as its DSO published it. Raises RoleNotHeld where the chain does
    not bear the organisations out, AreaNotAgreed, NothingAnchored, or what the node's answers raise.
    """
    named = list(organisations)
    roles = Roles(rpc=rpc, address=deployment.addresses["Roles"])
    for item in named:
        _check_role(roles, item)
    agreed = {item.area: item for item in areas}
    anchor, time = last_anchor(rpc, deployment), market_time(deployment, rpc=rpc)
    header = header_at(rpc, anchor.block)
    threshold = roles.config().attester_threshold
    return TrustAnchors(
        chain_id=deployment.chain_id,
        genesis_hash=deployment.genesis_hash,
        speed=time.speed,
        origin_seconds=time.origin,
        start_seconds=time.start,
        contracts=_contracts(deployment),
        predecessor=None if predecessor is None else _contracts(predecessor),
        roles={role: _keys(named, role) for role in LEDGER_ROLES},
        areas={
            area: _area_anchors(area, named, agreed, grid_model_hash=hashed, threshold=threshold)
            for area, hashed in grid_model_hashes.items()
        },
        auditors=_keys(named, "auditor"),
        block=header.number,
        block_hash=header.hash,
    ), anchor


def _area_anchors(
    area: str,
    organisations: Iterable[OrganisationSection],
    agreed: Mapping[str, AreaSection],
    *,
    grid_model_hash: bytes,
    threshold: int,
) -> AreaAnchors:
    if area not in agreed:
        raise AreaNotAgreed(area=area)
    return AreaAnchors(
        grid_model_hash=grid_model_hash,
        zone=agreed[area].zone,
        dso_account=from_hex(agreed[area].dso_account),
        tax_account=from_hex(agreed[area].tax_account),
        dso=_keys(organisations, "dso", area),
        attesters=_keys(organisations, "attester", area),
        threshold=threshold,
    )


def _contracts(deployment: Deployment) -> dict[str, tuple[bytes, bytes]]:
    return {name: (address, deployment.code_hashes[name]) for name, address in deployment.addresses.items()}


def _check_role(roles: Roles, item: OrganisationSection) -> None:
    number = ROLE_NUMBERS.get(item.role)
    if number is None:
        return  # a role of the API alone
    area = ALL_AREAS if item.area is None else text_id(item.area)
    if not roles.has_role(key=from_hex(item.address), role=number, area=area):
        raise RoleNotHeld(name=item.name, role=item.role, address=item.address)


def _keys(organisations: Iterable[OrganisationSection], role: str, area: str | None = None) -> list[bytes]:
    return [from_hex(item.address) for item in organisations if item.role == role and item.area in (None, area)]
