// SPDX-License-Identifier: UNLICENSED
pragma solidity ^0.8.24;

import {Grant, IRoles, Role} from "../../src/interfaces/IRoles.sol";
import {LedgerTest} from "../base/LedgerTest.sol";
import {vm} from "../base/Vm.sol";

contract RolesConfirmGrantTest is LedgerTest {
    address private constant NEW = address(0xbeef);

    function _propose() private {
        vm.prank(security);
        roles.proposeGrant(Grant(NEW, Role.Dso, "dso2", AREA));
    }

    function test_confirmGrant__notSecurityAdmin__reverts(address sender) public {
        vm.assume(sender != security && sender != secondSecurity);
        _propose();
        vm.expectRevert(abi.encodeWithSelector(IRoles.RolesMissing.selector, sender, Role.SecurityAdmin, bytes32(0)));
        vm.prank(sender);
        roles.confirmGrant(NEW);
    }

    function test_confirmGrant__nothingProposed__reverts() public {
        vm.expectRevert(abi.encodeWithSelector(IRoles.RolesProposalUnknown.selector, NEW));
        vm.prank(secondSecurity);
        roles.confirmGrant(NEW);
    }

    function test_confirmGrant__revocation__reverts() public {
        vm.prank(security);
        roles.proposeRevocation(treasurer);
        vm.expectRevert(abi.encodeWithSelector(IRoles.RolesProposalUnknown.selector, treasurer));
        vm.prank(secondSecurity);
        roles.confirmGrant(treasurer);
    }

    function test_confirmGrant__byTheProposer__reverts() public {
        _propose();
        vm.expectRevert(abi.encodeWithSelector(IRoles.RolesSameOrganisation.selector, security));
        vm.prank(security);
        roles.confirmGrant(NEW);
    }

    function test_confirmGrant__byTheProposersOrganisation__reverts() public {
        address colleague = address(0x5EC);
        _grantRole(Grant(colleague, Role.SecurityAdmin, "security", 0));
        _propose();
        vm.expectRevert(abi.encodeWithSelector(IRoles.RolesSameOrganisation.selector, security));
        vm.prank(colleague);
        roles.confirmGrant(NEW);
    }

    function test_confirmGrant__byTheKeyThatIsReplaced__reverts() public {
        vm.prank(security);
        roles.proposeReplacement(secondSecurity, NEW);
        vm.expectRevert(abi.encodeWithSelector(IRoles.RolesOwnProposal.selector, secondSecurity));
        vm.prank(secondSecurity);
        roles.confirmGrant(NEW);
    }

    function test_confirmGrant__bySecondOrganisation__confirms() public {
        _propose();
        vm.expectEmit();
        emit IRoles.GrantConfirmed(NEW, secondSecurity);
        vm.prank(secondSecurity);
        roles.confirmGrant(NEW);
        assertTrue(roles.proposalOf(NEW).confirmed, "confirmed");
    }
}
