// SPDX-License-Identifier: UNLICENSED
pragma solidity 0.8.37;

import {Grant, IRoles, Role} from "../../src/interfaces/IRoles.sol";
import {LedgerTest} from "../base/LedgerTest.sol";
import {vm} from "../base/Vm.sol";

contract RolesProposeGrantTest is LedgerTest {
    address private constant NEW = address(0xbeef);

    function _grant() private pure returns (Grant memory) {
        return Grant(NEW, Role.Dso, "dso2", AREA);
    }

    function _propose() private {
        vm.prank(security);
        roles.proposeGrant(_grant());
    }

    function test_proposeGrant__notSecurityAdmin__reverts(address sender) public {
        vm.assume(sender != security && sender != secondSecurity);
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

    function test_proposeGrant__incomplete__reverts() public {
        Grant[3] memory invalid = [
            Grant(address(0), Role.Dso, "dso2", AREA),
            Grant(NEW, Role.None, "dso2", AREA),
            Grant(NEW, Role.Dso, 0, AREA)
        ];
        for (uint256 i = 0; i < 3; ++i) {
            vm.expectRevert(IRoles.RolesGrantInvalid.selector);
            vm.prank(security);
            roles.proposeGrant(invalid[i]);
        }
    }

    function test_proposeGrant__keyHoldsARole__reverts() public {
        vm.expectRevert(abi.encodeWithSelector(IRoles.RolesKeyTaken.selector, operator));
        vm.prank(security);
        roles.proposeGrant(Grant(operator, Role.Operator, "operator", 0));
    }

    function test_proposeGrant__valid__waits() public {
        vm.expectEmit();
        emit IRoles.GrantProposed(NEW, Role.Dso, "dso2", AREA, BLOCK_T0 + DELAY);
        _propose();
        assertEq(uint256(roles.proposalOf(NEW).readyAt), BLOCK_T0 + DELAY, "ready");
        assertEq(roles.proposalOf(NEW).proposer, security, "proposer");
    }

    function test_proposeGrant__expiredOne__isReplaced() public {
        _propose();
        vm.warp(BLOCK_T0 + DELAY + 30 days);
        vm.expectRevert(abi.encodeWithSelector(IRoles.RolesProposalPending.selector, NEW));
        vm.prank(security);
        roles.proposeGrant(_grant());
        vm.warp(BLOCK_T0 + DELAY + 30 days + 1);
        _propose();
        assertEq(uint256(roles.proposalOf(NEW).readyAt), block.timestamp + DELAY, "ready");
    }
}
