"""The organisations of the settings, as the API and the contracts are told of them."""

from __future__ import annotations

from collections.abc import Sequence

from contracts.deploy import ALL_AREAS, NO_PREDECESSOR, ROLE_NUMBERS, DeploymentConfig, RoleGrant
from domain.hashing import from_hex, text_id
from ledger_service.access.directory import OrganisationKey
from ledger_service.access.roles import Role
from scripts.serving.deployment_file import read_deployment_file
from scripts.serving.settings import OrganisationSection, Settings


def organisation_keys(organisations: Sequence[OrganisationSection]) -> list[OrganisationKey]:
    """Who may log in as what, beside the registered participants."""
    return [
        OrganisationKey(address=from_hex(item.address), role=Role(item.role), name=item.name, area=item.area)
        for item in organisations
    ]


def deployment_config(settings: Settings, *, block_time: int) -> DeploymentConfig:
    """What the constructors get; market time begins at `block_time` (unix seconds), the newest block's.

    Raises DeploymentFileUnusable for the predecessor's.
    """
    fixed, clock = settings.deployment, settings.clock
    before = fixed.predecessor
    return DeploymentConfig(
        grants=tuple(_grant(item) for item in settings.organisations if item.role in ROLE_NUMBERS),
        origin=block_time if clock.origin_seconds is None else clock.origin_seconds,
        start=block_time,
        speed=clock.speed,
        attester_threshold=fixed.attester_threshold,
        delay_seconds=fixed.delay_seconds,
        pause_seconds=fixed.pause_seconds,
        cool_down_seconds=fixed.cool_down_seconds,
        challenge_seconds=fixed.challenge_seconds,
        page_seconds=fixed.page_seconds,
        change_seconds=fixed.change_seconds,
        predecessor=NO_PREDECESSOR if before is None else read_deployment_file(before).addresses["Handovers"],
    )


def _grant(item: OrganisationSection) -> RoleGrant:
    return RoleGrant(
        address=from_hex(item.address),
        role=item.role,
        organisation=text_id(item.name),
        area=ALL_AREAS if item.area is None else text_id(item.area),
    )
