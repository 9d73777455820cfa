// SPDX-License-Identifier: UNLICENSED
pragma solidity 0.8.37;

import {Grant, IRoles, Role} from "../../src/interfaces/IRoles.sol";
import {LedgerTest} from "../base/LedgerTest.sol";
import {vm} from "../base/Vm.sol";

contract RolesAcceptGrantTest is LedgerTest {
    address private constant NEW = address(0xbeef);

    function _grant() private pure returns (Grant memory) {
        return Grant(NEW, Role.Dso, "dso2", AREA);
    }

    function _propose() private {
        vm.prank(security);
        roles.proposeGrant(_grant());
        _confirmGrant(NEW);
    }

    function test_acceptGrant__nothingProposed__reverts() public {
        vm.expectRevert(abi.encodeWithSelector(IRoles.RolesProposalUnknown.selector, NEW));
        vm.prank(NEW);
        roles.acceptGrant();
    }

    function test_acceptGrant__beforeDelay__reverts(uint256 wait) public {
        wait = bound(wait, 0, DELAY - 1);
        _propose();
        vm.warp(BLOCK_T0 + wait);
        vm.expectRevert(abi.encodeWithSelector(IRoles.RolesProposalEarly.selector, BLOCK_T0 + DELAY));
        vm.prank(NEW);
        roles.acceptGrant();
    }

    function test_acceptGrant__bySecurityAdmin__reverts() public {
        _propose();
        vm.warp(BLOCK_T0 + DELAY);
        vm.expectRevert(abi.encodeWithSelector(IRoles.RolesProposalUnknown.selector, security));
        vm.prank(security);
        roles.acceptGrant();
    }

    function test_acceptGrant__organisationTakenMeanwhile__reverts() public {
        _propose();
        vm.prank(security);
        roles.proposeGrant(Grant(address(0xcafe), Role.Operator, "dso2", 0));
        _confirmGrant(address(0xcafe));
        vm.warp(BLOCK_T0 + DELAY);
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
        vm.warp(BLOCK_T0 + DELAY);
        vm.expectRevert(abi.encodeWithSelector(IRoles.RolesProposalUnknown.selector, NEW));
        vm.prank(NEW);
        roles.acceptGrant();
    }

    function test_acceptGrant__byAnyoneElse__reverts(address sender) public {
        vm.assume(sender != NEW);
        _propose();
        vm.warp(BLOCK_T0 + DELAY);
        vm.expectRevert(abi.encodeWithSelector(IRoles.RolesProposalUnknown.selector, sender));
        vm.prank(sender);
        roles.acceptGrant();
    }

    function test_acceptGrant__expired__reverts() public {
        _propose();
        vm.warp(BLOCK_T0 + DELAY + 30 days + 1);
        vm.expectRevert(abi.encodeWithSelector(IRoles.RolesProposalExpired.selector, BLOCK_T0 + DELAY + 30 days));
        vm.prank(NEW);
        roles.acceptGrant();
    }

    function test_acceptGrant__unconfirmed__reverts() public {
        vm.prank(security);
        roles.proposeGrant(_grant());
        vm.warp(BLOCK_T0 + DELAY);
        vm.expectRevert(abi.encodeWithSelector(IRoles.RolesProposalUnconfirmed.selector, NEW));
        vm.prank(NEW);
        roles.acceptGrant();
    }

    function test_acceptGrant__afterDelay__grants() public {
        _propose();
        assertEq(uint256(roles.proposalOf(NEW).readyAt), BLOCK_T0 + DELAY, "ready");
        vm.warp(BLOCK_T0 + DELAY);

        vm.expectEmit();
        emit IRoles.RoleGranted(NEW, Role.Dso, "dso2", AREA);
        vm.prank(NEW);
        roles.acceptGrant();

        assertTrue(roles.hasRole(NEW, Role.Dso, AREA), "granted");
        assertEq(roles.keyCount(Role.Dso, AREA), 2, "count");
        assertEq(uint256(roles.proposalOf(NEW).readyAt), 0, "proposal used up");
    }

    /* REPLACEMENTS */

    function _proposeReplacement(address key) private {
        vm.prank(security);
        roles.proposeReplacement(key, NEW);
        _confirmGrant(NEW);
    }

    function test_acceptGrant__replacedKeyRevokedMeanwhile__reverts() public {
        _proposeReplacement(treasurer);
        _revokeRole(treasurer);
        vm.expectRevert(abi.encodeWithSelector(IRoles.RolesKeyUnknown.selector, treasurer));
        vm.prank(NEW);
        roles.acceptGrant();
    }

    function test_acceptGrant__replacedKeyHoldsSomethingElse__reverts() public {
        // Or the replacement of an attester would take the role of an operator, maybe the last one's.
        address key = vm.addr(attesterKeys[0]);
        _proposeReplacement(key);
        _revokeRole(key);
        _grantRole(Grant(key, Role.Operator, "new operator", 0));
        vm.expectRevert(abi.encodeWithSelector(IRoles.RolesProposalStale.selector, key));
        vm.prank(NEW);
        roles.acceptGrant();
        assertTrue(roles.hasRole(key, Role.Operator, 0), "still operator");
    }

    function test_acceptGrant__replacedKeyInAnotherArea__reverts() public {
        address key = vm.addr(attesterKeys[0]);
        Grant memory before = roles.grantOf(key);
        _proposeReplacement(key);
        _revokeRole(key);
        before.area = "other area";
        _grantRole(before);
        vm.expectRevert(abi.encodeWithSelector(IRoles.RolesProposalStale.selector, key));
        vm.prank(NEW);
        roles.acceptGrant();
    }

    function test_acceptGrant__replacementOfTheLastKey__movesRoleOrganisationAndScope() public {
        _proposeReplacement(dso);
        vm.warp(BLOCK_T0 + DELAY);
        vm.prank(NEW);
        roles.acceptGrant();

        assertTrue(roles.hasRole(NEW, Role.Dso, AREA), "new key");
        assertFalse(roles.hasRole(dso, Role.Dso, AREA), "old key");
        assertEq(roles.grantOf(NEW).organisation, "dso", "organisation");
        assertEq(roles.keyCount(Role.Dso, AREA), 1, "count");
    }

    function test_acceptGrant__replacementOfASecurityAdmin__keepsTwoOrganisations() public {
        _proposeReplacement(security);
        vm.warp(BLOCK_T0 + DELAY);
        vm.prank(NEW);
        roles.acceptGrant();
        vm.expectRevert(abi.encodeWithSelector(IRoles.RolesLastKey.selector, Role.SecurityAdmin, bytes32(0)));
        vm.prank(NEW);
        roles.proposeRevocation(secondSecurity);
    }
}
