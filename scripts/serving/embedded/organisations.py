"""Who the organisations of an embedded run are: one key each, in a role of their own."""

from __future__ import annotations

from collections.abc import Mapping

from domain.hashing import to_hex
from scripts.community.run_config import ATTESTER_NAMES, ZONE, RunConfig
from scripts.serving.embedded.run_folder import SECURITY_ADMINS
from scripts.serving.needs import AREA_ROLES
from scripts.serving.settings import AreaSection, OrganisationSection, RoleName

ROLES: Mapping[str, RoleName] = {
    "operator": "operator",
    "treasurer": "treasurer",
    "registrar": "registrar",
    "dso": "dso",
    **dict.fromkeys(SECURITY_ADMINS, "security_admin"),
    **dict.fromkeys(ATTESTER_NAMES, "attester"),
    "auditor": "auditor",
}
"""The organisations of a run by the names of their keys, one key each."""


def organisations_of(config: RunConfig, addresses: Mapping[str, bytes]) -> tuple[OrganisationSection, ...]:
    """The organisations as settings name them; `addresses` by the names of their keys."""
    return tuple(
        OrganisationSection(
            name=name,
            role=role,
            address=to_hex(addresses[name]),
            area=config.area if role in AREA_ROLES else None,
        )
        for name, role in ROLES.items()
    )


def area_of(config: RunConfig, addresses: Mapping[str, bytes]) -> AreaSection:
    """What the organisations of a run agreed on of its area; `addresses` by the names of their keys."""
    accounts = {"dso_account": to_hex(addresses["dso-account"]), "tax_account": to_hex(addresses["tax"])}
    return AreaSection(area=config.area, zone=ZONE, **accounts)
