// SPDX-License-Identifier: UNLICENSED
pragma solidity 0.8.37;

import {Grant, IRoles, Role} from "../../src/interfaces/IRoles.sol";
import {LedgerTest} from "../base/LedgerTest.sol";
import {vm} from "../base/Vm.sol";

contract RolesCancelProposalTest is LedgerTest {
    address private constant NEW = address(0xbeef);

    function _proposeRevocation(address by, address key) private {
        vm.prank(by);
        roles.proposeRevocation(key);
    }

    function test_cancelProposal__notSecurityAdmin__reverts(address sender) public {
        vm.assume(sender != security && sender != secondSecurity);
        _proposeRevocation(security, treasurer);
        vm.expectRevert(abi.encodeWithSelector(IRoles.RolesMissing.selector, sender, Role.SecurityAdmin, bytes32(0)));
        vm.prank(sender);
        roles.cancelProposal(treasurer);
    }

    function test_cancelProposal__nothingProposed__reverts() public {
        vm.expectRevert(abi.encodeWithSelector(IRoles.RolesProposalUnknown.selector, treasurer));
        vm.prank(security);
        roles.cancelProposal(treasurer);
    }

    function test_cancelProposal__byTheKeyItTakesTheRoleFrom__reverts() public {
        _grantRole(Grant(NEW, Role.SecurityAdmin, "third security", 0));
        _proposeRevocation(secondSecurity, security);
        vm.expectRevert(abi.encodeWithSelector(IRoles.RolesOwnProposal.selector, security));
        vm.prank(security);
        roles.cancelProposal(security);
        vm.warp(block.timestamp + DELAY);
        vm.prank(NEW);
        roles.revoke(security);
        assertFalse(roles.hasRole(security, Role.SecurityAdmin, 0), "gone");
    }

    function test_cancelProposal__byAnotherKeyOfTheOrganisationItTakesFrom__reverts() public {
        _grantRole(Grant(NEW, Role.SecurityAdmin, roles.grantOf(security).organisation, 0));
        _proposeRevocation(secondSecurity, security);
        vm.expectRevert(abi.encodeWithSelector(IRoles.RolesOwnProposal.selector, NEW));
        vm.prank(NEW);
        roles.cancelProposal(security);
    }

    function test_cancelProposal__ofItsOwnKeyByTheOrganisationThatProposedIt__withdraws() public {
        _grantRole(Grant(NEW, Role.SecurityAdmin, roles.grantOf(security).organisation, 0));
        _proposeRevocation(NEW, security);
        vm.prank(security);
        roles.cancelProposal(security);
        assertEq(uint256(roles.proposalOf(security).readyAt), 0, "withdrawn");
    }

    function test_cancelProposal__byAnotherAdmin__withdraws() public {
        _proposeRevocation(security, treasurer);
        vm.expectEmit();
        emit IRoles.ProposalCancelled(treasurer);
        vm.prank(secondSecurity);
        roles.cancelProposal(treasurer);
        assertEq(uint256(roles.proposalOf(treasurer).readyAt), 0, "withdrawn");
    }
}
