// SPDX-License-Identifier: UNLICENSED
pragma solidity 0.8.37;

import {Grant, IRoles, Role} from "../../src/interfaces/IRoles.sol";
import {LedgerTest} from "../base/LedgerTest.sol";
import {vm} from "../base/Vm.sol";

contract RolesConfirmGrantTest is LedgerTest {
    address private constant NEW = address(0xbeef);

    function _propose() private {
        vm.prank(security);
        roles.proposeGrant(_grant());
    }

    function _grant() private pure returns (Grant memory) {
        return Grant(NEW, Role.Dso, "dso2", AREA);
    }

    function _otherRefused(Grant memory grant, address replaces) private {
        vm.expectRevert(abi.encodeWithSelector(IRoles.RolesProposalOther.selector, NEW));
        vm.prank(secondSecurity);
        roles.confirmGrant(grant, replaces);
    }

    function test_confirmGrant__notSecurityAdmin__reverts(address sender) public {
        vm.assume(sender != security && sender != secondSecurity);
        _propose();
        vm.expectRevert(abi.encodeWithSelector(IRoles.RolesMissing.selector, sender, Role.SecurityAdmin, bytes32(0)));
        vm.prank(sender);
        roles.confirmGrant(_grant(), address(0));
    }

    function test_confirmGrant__nothingProposed__reverts() public {
        vm.expectRevert(abi.encodeWithSelector(IRoles.RolesProposalUnknown.selector, NEW));
        vm.prank(secondSecurity);
        roles.confirmGrant(_grant(), address(0));
    }

    function test_confirmGrant__revocation__reverts() public {
        vm.prank(security);
        roles.proposeRevocation(treasurer);
        vm.expectRevert(abi.encodeWithSelector(IRoles.RolesProposalUnknown.selector, treasurer));
        vm.prank(secondSecurity);
        roles.confirmGrant(Grant(treasurer, Role.Dso, "dso2", AREA), address(0));
    }

    function test_confirmGrant__byTheProposer__reverts() public {
        _propose();
        vm.expectRevert(abi.encodeWithSelector(IRoles.RolesSameOrganisation.selector, security));
        vm.prank(security);
        roles.confirmGrant(_grant(), address(0));
    }

    function test_confirmGrant__byTheProposersOrganisation__reverts() public {
        address colleague = address(0x5EC);
        _grantRole(Grant(colleague, Role.SecurityAdmin, "security", 0));
        _propose();
        vm.expectRevert(abi.encodeWithSelector(IRoles.RolesSameOrganisation.selector, security));
        vm.prank(colleague);
        roles.confirmGrant(_grant(), address(0));
    }

    function test_confirmGrant__byTheKeyThatIsReplaced__reverts() public {
        vm.prank(security);
        roles.proposeReplacement(secondSecurity, NEW);
        Grant memory inherited = roles.proposalOf(NEW).grant;
        vm.expectRevert(abi.encodeWithSelector(IRoles.RolesOwnProposal.selector, secondSecurity));
        vm.prank(secondSecurity);
        roles.confirmGrant(inherited, secondSecurity);
    }

    function test_confirmGrant__otherThanProposed__reverts() public {
        _propose();
        _otherRefused(Grant(NEW, Role.Attester, "dso2", AREA), address(0));
        _otherRefused(Grant(NEW, Role.Dso, "dso", AREA), address(0));
        _otherRefused(Grant(NEW, Role.Dso, "dso2", 0), address(0));
        _otherRefused(_grant(), dso);
    }

    function test_confirmGrant__proposalExchangedBeforeItArrives__reverts() public {
        _propose();
        vm.startPrank(security);
        roles.cancelProposal(NEW);
        roles.proposeGrant(Grant(NEW, Role.Attester, "security's own", AREA));
        vm.stopPrank();
        _otherRefused(_grant(), address(0));
        assertFalse(roles.proposalOf(NEW).confirmed, "not confirmed unseen");
    }

    function test_confirmGrant__bySecondOrganisation__confirms() public {
        _propose();
        vm.expectEmit();
        emit IRoles.GrantConfirmed(NEW, secondSecurity);
        vm.prank(secondSecurity);
        roles.confirmGrant(_grant(), address(0));
        assertTrue(roles.proposalOf(NEW).confirmed, "confirmed");
    }
}
