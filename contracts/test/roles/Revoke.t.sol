// SPDX-License-Identifier: MIT
pragma solidity ^0.8.24;

import {IRoles, Role} from "../../src/interfaces/IRoles.sol";
import {LedgerTest} from "../base/LedgerTest.sol";
import {vm} from "../base/Vm.sol";

/// @notice proposeRevocation, revoke, and replacement of keys.
contract RolesRevokeTest is LedgerTest {
    address private constant NEW = address(0xbeef);

    function test_proposeRevocation__lastKeyOfScope__reverts() public {
        address[4] memory keys = [operator, dso, registrar, security];
        for (uint256 i = 0; i < keys.length; ++i) {
            vm.expectPartialRevert(IRoles.RolesLastKey.selector);
            vm.prank(security);
            roles.proposeRevocation(keys[i]);
        }
    }

    function test_proposeRevocation__unknownKey__reverts() public {
        vm.expectRevert(abi.encodeWithSelector(IRoles.RolesKeyUnknown.selector, NEW));
        vm.prank(security);
        roles.proposeRevocation(NEW);
    }

    function test_revoke__beforeDelay__reverts() public {
        vm.prank(security);
        roles.proposeRevocation(treasurer);
        vm.warp(T0 + DELAY - 1);
        vm.expectRevert(abi.encodeWithSelector(IRoles.RolesProposalEarly.selector, T0 + DELAY));
        vm.prank(security);
        roles.revoke(treasurer);
    }

    function test_revoke__notProposed__reverts() public {
        vm.expectRevert(abi.encodeWithSelector(IRoles.RolesProposalUnknown.selector, treasurer));
        vm.prank(security);
        roles.revoke(treasurer);
    }

    function test_revoke__afterDelay__freesKeyAndOrganisation() public {
        vm.prank(security);
        roles.proposeRevocation(treasurer);
        vm.warp(T0 + DELAY);

        vm.expectEmit();
        emit IRoles.RoleRevoked(treasurer, Role.Treasurer, "bank", 0);
        vm.prank(security);
        roles.revoke(treasurer);

        assertFalse(roles.hasRole(treasurer, Role.Treasurer, 0), "revoked");
        assertTrue(roles.organisationRole("bank") == Role.None, "organisation is free");
        assertEq(roles.keyCount(Role.Treasurer, 0), 0, "count");
    }

    function test_replacement__takenKey__reverts() public {
        vm.expectRevert(abi.encodeWithSelector(IRoles.RolesKeyTaken.selector, dso));
        vm.prank(security);
        roles.proposeReplacement(operator, dso);
    }

    function test_replacement__oldKeyRevokedMeanwhile__reverts() public {
        vm.startPrank(security);
        roles.proposeReplacement(treasurer, NEW);
        roles.proposeRevocation(treasurer);
        vm.warp(T0 + DELAY);
        roles.revoke(treasurer);
        vm.stopPrank();
        vm.expectRevert(abi.encodeWithSelector(IRoles.RolesKeyUnknown.selector, treasurer));
        vm.prank(NEW);
        roles.acceptGrant();
    }

    function test_replacement__ofTheLastKey__movesRoleOrganisationAndScope() public {
        vm.prank(security);
        roles.proposeReplacement(dso, NEW);
        vm.warp(T0 + DELAY);
        vm.prank(NEW);
        roles.acceptGrant();

        assertTrue(roles.hasRole(NEW, Role.Dso, AREA), "new key");
        assertFalse(roles.hasRole(dso, Role.Dso, AREA), "old key");
        assertEq(roles.grantOf(NEW).organisation, "dso", "organisation");
        assertEq(roles.keyCount(Role.Dso, AREA), 1, "count");
    }
}
