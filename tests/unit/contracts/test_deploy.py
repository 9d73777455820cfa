"""What a deployment plan refuses before anything is sent."""

from __future__ import annotations

import pytest

from contracts.deploy import AdminsOfOneOrganisation, DeploymentConfig, RoleGrant, plan_deployment
from domain.hashing import keccak, text_id
from domain.signing import SigningKey

pytestmark = pytest.mark.unit


def test_plan_deployment__security_admins_of_one_organisation__is_refused() -> None:
    grants = tuple(
        RoleGrant(address=bytes([number]) * 20, role="security_admin", organisation=text_id("security"))
        for number in (1, 2)
    )
    config = DeploymentConfig(grants=grants, origin=0, start=0)

    with pytest.raises(AdminsOfOneOrganisation) as caught:
        plan_deployment(config=config, key=SigningKey(keccak(b"deployer")), chain_id=1)

    assert caught.value.organisations == 1
