// SPDX-License-Identifier: UNLICENSED
pragma solidity 0.8.37;

import {IRoles, Role} from "../../src/interfaces/IRoles.sol";
import {LedgerTest} from "../base/LedgerTest.sol";
import {vm} from "../base/Vm.sol";

contract RolesProposeReplacementTest is LedgerTest {
    address private constant NEW = address(0xbeef);

    function test_proposeReplacement__notSecurityAdmin__reverts(address sender) public {
        vm.assume(sender != security && sender != secondSecurity);
        vm.expectRevert(abi.encodeWithSelector(IRoles.RolesMissing.selector, sender, Role.SecurityAdmin, bytes32(0)));
        vm.prank(sender);
        roles.proposeReplacement(dso, NEW);
    }

    function test_proposeReplacement__unknownKey__reverts() public {
        vm.expectRevert(abi.encodeWithSelector(IRoles.RolesKeyUnknown.selector, NEW));
        vm.prank(security);
        roles.proposeReplacement(NEW, address(1));
    }

    function test_proposeReplacement__byNobody__reverts() public {
        vm.expectRevert(IRoles.RolesGrantInvalid.selector);
        vm.prank(security);
        roles.proposeReplacement(dso, address(0));
    }

    function test_proposeReplacement__takenKey__reverts() public {
        vm.expectRevert(abi.encodeWithSelector(IRoles.RolesKeyTaken.selector, dso));
        vm.prank(security);
        roles.proposeReplacement(operator, dso);
    }

    function test_proposeReplacement__valid__waits() public {
        vm.expectEmit();
        emit IRoles.ReplacementProposed(dso, NEW, BLOCK_T0 + DELAY);
        vm.prank(security);
        roles.proposeReplacement(dso, NEW);
        assertTrue(roles.proposalOf(NEW).grant.role == Role.Dso, "role");
        assertEq(roles.proposalOf(NEW).replaces, dso, "replaces");
    }
}
