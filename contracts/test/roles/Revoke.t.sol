// SPDX-License-Identifier: UNLICENSED
pragma solidity 0.8.37;

import {Grant, IRoles, Role} from "../../src/interfaces/IRoles.sol";
import {LedgerTest} from "../base/LedgerTest.sol";
import {vm} from "../base/Vm.sol";

contract RolesRevokeTest is LedgerTest {
    function _propose() private {
        vm.prank(security);
        roles.proposeRevocation(treasurer);
    }

    function _refused(address sender, bytes memory error_) private {
        vm.expectRevert(error_);
        vm.prank(sender);
        roles.revoke(treasurer);
    }

    function test_revoke__notSecurityAdmin__reverts(address sender) public {
        vm.assume(sender != security && sender != secondSecurity);
        _propose();
        vm.warp(BLOCK_T0 + DELAY);
        _refused(sender, abi.encodeWithSelector(IRoles.RolesMissing.selector, sender, Role.SecurityAdmin, bytes32(0)));
    }

    function test_revoke__notProposed__reverts() public {
        _refused(secondSecurity, abi.encodeWithSelector(IRoles.RolesProposalUnknown.selector, treasurer));
    }

    function test_revoke__beforeDelay__reverts(uint256 wait) public {
        _propose();
        vm.warp(BLOCK_T0 + bound(wait, 0, DELAY - 1));
        _refused(secondSecurity, abi.encodeWithSelector(IRoles.RolesProposalEarly.selector, BLOCK_T0 + DELAY));
    }

    function test_revoke__expired__reverts() public {
        _propose();
        vm.warp(BLOCK_T0 + DELAY + 30 days + 1);
        _refused(
            secondSecurity, abi.encodeWithSelector(IRoles.RolesProposalExpired.selector, BLOCK_T0 + DELAY + 30 days)
        );
    }

    function test_revoke__byTheProposer__reverts() public {
        _propose();
        vm.warp(BLOCK_T0 + DELAY);
        _refused(security, abi.encodeWithSelector(IRoles.RolesSameOrganisation.selector, security));
    }

    function test_revoke__byItself__reverts() public {
        address third = address(0x5EC);
        _grantRole(Grant(third, Role.SecurityAdmin, "third security", 0));
        vm.prank(security);
        roles.proposeRevocation(secondSecurity);
        vm.warp(block.timestamp + DELAY);
        vm.expectRevert(abi.encodeWithSelector(IRoles.RolesOwnProposal.selector, secondSecurity));
        vm.prank(secondSecurity);
        roles.revoke(secondSecurity);
    }

    function test_revoke__othersWentMeanwhile__keepsTheLastKey() public {
        address other = address(0xbeef);
        _grantRole(Grant(other, Role.Registrar, "registrar", 0));
        vm.startPrank(security);
        roles.proposeRevocation(other);
        roles.proposeRevocation(registrar);
        vm.stopPrank();
        vm.warp(block.timestamp + DELAY);
        vm.startPrank(secondSecurity);
        roles.revoke(other);
        vm.expectRevert(abi.encodeWithSelector(IRoles.RolesLastKey.selector, Role.Registrar, bytes32(0)));
        roles.revoke(registrar);
        vm.stopPrank();
    }

    function test_revoke__bySecondOrganisation__freesKeyAndOrganisation() public {
        _propose();
        vm.warp(BLOCK_T0 + DELAY);

        vm.expectEmit();
        emit IRoles.RoleRevoked(treasurer, Role.Treasurer, "bank", 0);
        vm.prank(secondSecurity);
        roles.revoke(treasurer);

        assertFalse(roles.hasRole(treasurer, Role.Treasurer, 0), "revoked");
        assertTrue(roles.organisationRole("bank") == Role.None, "organisation is free");
        assertEq(roles.keyCount(Role.Treasurer, 0), 0, "count");
    }
}
