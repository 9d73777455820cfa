// SPDX-License-Identifier: UNLICENSED
pragma solidity 0.8.37;

import {Roles} from "../../src/Roles.sol";
import {Grant, IRoles, Role, RolesConfig} from "../../src/interfaces/IRoles.sol";
import {LedgerTest} from "../base/LedgerTest.sol";
import {vm} from "../base/Vm.sol";

contract RolesConstructorTest is LedgerTest {
    function test_constructor__thresholdOne__reverts() public {
        RolesConfig memory config = _config();
        config.attesterThreshold = 1;
        Grant[] memory grants = _grants();
        vm.expectRevert(IRoles.RolesConfigInvalid.selector);
        new Roles(config, grants);
    }

    function test_constructor__noDelay__reverts() public {
        RolesConfig memory config = _config();
        config.delaySeconds = 0;
        Grant[] memory grants = _grants();
        vm.expectRevert(IRoles.RolesConfigInvalid.selector);
        new Roles(config, grants);
    }

    function test_constructor__coolDownBelowPause__reverts() public {
        RolesConfig memory config = _config();
        config.coolDownSeconds = config.pauseSeconds - 1;
        Grant[] memory grants = _grants();
        vm.expectRevert(IRoles.RolesConfigInvalid.selector);
        new Roles(config, grants);
    }

    function test_constructor__pauseOfMonths__reverts() public {
        RolesConfig memory config = _config();
        (config.pauseSeconds, config.coolDownSeconds) = (30 days + 1, 60 days);
        Grant[] memory grants = _grants();
        vm.expectRevert(IRoles.RolesConfigInvalid.selector);
        new Roles(config, grants);
    }

    function test_constructor__withoutAKeyOfARole__reverts(uint256 which) public {
        // Operator, DSO, registrar and security admin must be there; the treasurer (index 2) may come later.
        which = bound(which, 0, 3);
        Grant[] memory grants = _grants();
        grants[which >= 2 ? which + 1 : which] = Grant(address(0xdead), Role.Treasurer, "other bank", 0);
        vm.expectRevert(IRoles.RolesConfigInvalid.selector);
        new Roles(_config(), grants);
    }

    function test_constructor__securityAdminsOfOneOrganisation__reverts() public {
        Grant[] memory grants = _grants();
        grants[8].organisation = grants[4].organisation;
        vm.expectRevert(IRoles.RolesConfigInvalid.selector);
        new Roles(_config(), grants);
    }

    function test_constructor__attestersOfOneOrganisation__reverts() public {
        Grant[] memory grants = _grants();
        (grants[6].organisation, grants[7].organisation) = (grants[5].organisation, grants[5].organisation);
        vm.expectRevert(IRoles.RolesConfigInvalid.selector);
        new Roles(_config(), grants);
    }

    function test_constructor__organisationWithTwoRoles__reverts() public {
        Grant[] memory grants = _grants();
        grants[1].organisation = "operator";
        vm.expectRevert(
            abi.encodeWithSelector(IRoles.RolesOrganisationTaken.selector, bytes32("operator"), Role.Operator)
        );
        new Roles(_config(), grants);
    }

    function test_constructor__keyTwice__reverts() public {
        Grant[] memory grants = _grants();
        grants[1].key = operator;
        vm.expectRevert(abi.encodeWithSelector(IRoles.RolesKeyTaken.selector, operator));
        new Roles(_config(), grants);
    }

    function test_constructor__areaForSecurityAdmin__reverts() public {
        Grant[] memory grants = _grants();
        grants[4].area = AREA;
        vm.expectRevert(IRoles.RolesGrantInvalid.selector);
        new Roles(_config(), grants);
    }

    function test_constructor__valid__grantsAll() public view {
        assertTrue(roles.hasRole(operator, Role.Operator, 0), "operator for all areas");
        assertTrue(roles.hasRole(operator, Role.Operator, AREA), "operator for this area");
        assertTrue(roles.hasRole(dso, Role.Dso, AREA), "dso of its area");
        assertFalse(roles.hasRole(dso, Role.Dso, "other"), "dso of another area");
        assertFalse(roles.hasRole(address(this), Role.None, 0), "nobody holds None");
        assertEq(roles.keyCount(Role.Attester, AREA), 3, "attesters");
        assertTrue(roles.organisationRole("dso") == Role.Dso, "organisation");
        assertEq(uint256(roles.config().attesterThreshold), THRESHOLD, "m");
        assertEq(roles.grantOf(dso).area, AREA, "grant");
    }
}
