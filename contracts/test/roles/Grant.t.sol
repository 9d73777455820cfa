// SPDX-License-Identifier: MIT
pragma solidity ^0.8.24;

import {Grant, IRoles, Role} from "../../src/interfaces/IRoles.sol";
import {LedgerTest} from "../base/LedgerTest.sol";
import {vm} from "../base/Vm.sol";

/// @notice proposeGrant, cancelProposal, acceptGrant.
contract RolesGrantTest is LedgerTest {
    address private constant NEW = address(0xbeef);

    function _grant() private pure returns (Grant memory) {
        return Grant(NEW, Role.Dso, "dso2", AREA);
    }

    function _propose() private {
        vm.prank(security);
        roles.proposeGrant(_grant());
    }

    function test_proposeGrant__notSecurityAdmin__reverts(address sender) public {
        vm.assume(sender != security);
        vm.expectRevert(abi.encodeWithSelector(IRoles.RolesMissing.selector, sender, Role.SecurityAdmin, bytes32(0)));
        vm.prank(sender);
        roles.proposeGrant(_grant());
    }

    function test_proposeGrant__organisationHoldsOther__reverts() public {
        Grant memory grant = _grant();
        grant.organisation = "operator";
        vm.expectRevert(
            abi.encodeWithSelector(IRoles.RolesOrganisationTaken.selector, bytes32("operator"), Role.Operator)
        );
        vm.prank(security);
        roles.proposeGrant(grant);
    }

    function test_proposeGrant__pending__reverts() public {
        _propose();
        vm.expectRevert(abi.encodeWithSelector(IRoles.RolesProposalPending.selector, NEW));
        vm.prank(security);
        roles.proposeGrant(_grant());
    }

    function test_acceptGrant__nothingProposed__reverts() public {
        vm.expectRevert(abi.encodeWithSelector(IRoles.RolesProposalUnknown.selector, NEW));
        vm.prank(NEW);
        roles.acceptGrant();
    }

    function test_acceptGrant__beforeDelay__reverts(uint256 wait) public {
        wait = bound(wait, 0, DELAY - 1);
        _propose();
        vm.warp(T0 + wait);
        vm.expectRevert(abi.encodeWithSelector(IRoles.RolesProposalEarly.selector, T0 + DELAY));
        vm.prank(NEW);
        roles.acceptGrant();
    }

    function test_acceptGrant__bySecurityAdmin__reverts() public {
        _propose();
        vm.warp(T0 + DELAY);
        vm.expectRevert(abi.encodeWithSelector(IRoles.RolesProposalUnknown.selector, security));
        vm.prank(security);
        roles.acceptGrant();
    }

    function test_acceptGrant__organisationTakenMeanwhile__reverts() public {
        _propose();
        vm.prank(security);
        roles.proposeGrant(Grant(address(0xcafe), Role.Operator, "dso2", 0));
        vm.warp(T0 + DELAY);
        vm.prank(address(0xcafe));
        roles.acceptGrant();
        vm.expectRevert(abi.encodeWithSelector(IRoles.RolesOrganisationTaken.selector, bytes32("dso2"), Role.Operator));
        vm.prank(NEW);
        roles.acceptGrant();
    }

    function test_acceptGrant__cancelled__reverts() public {
        _propose();
        vm.prank(security);
        roles.cancelProposal(NEW);
        vm.warp(T0 + DELAY);
        vm.expectRevert(abi.encodeWithSelector(IRoles.RolesProposalUnknown.selector, NEW));
        vm.prank(NEW);
        roles.acceptGrant();
    }

    function test_acceptGrant__afterDelay__grants() public {
        _propose();
        assertEq(uint256(roles.proposalOf(NEW).readyAt), T0 + DELAY, "ready");
        vm.warp(T0 + DELAY);

        vm.expectEmit();
        emit IRoles.RoleGranted(NEW, Role.Dso, "dso2", AREA);
        vm.prank(NEW);
        roles.acceptGrant();

        assertTrue(roles.hasRole(NEW, Role.Dso, AREA), "granted");
        assertEq(roles.keyCount(Role.Dso, AREA), 2, "count");
        assertEq(uint256(roles.proposalOf(NEW).readyAt), 0, "proposal used up");
    }
}
