// SPDX-License-Identifier: UNLICENSED
pragma solidity 0.8.37;

import {Grant, IRoles, Role} from "../../src/interfaces/IRoles.sol";
import {LedgerTest} from "../base/LedgerTest.sol";
import {vm} from "../base/Vm.sol";

contract RolesProposeRevocationTest is LedgerTest {
    address private constant NEW = address(0xbeef);

    function test_proposeRevocation__notSecurityAdmin__reverts(address sender) public {
        vm.assume(sender != security && sender != secondSecurity);
        vm.expectRevert(abi.encodeWithSelector(IRoles.RolesMissing.selector, sender, Role.SecurityAdmin, bytes32(0)));
        vm.prank(sender);
        roles.proposeRevocation(treasurer);
    }

    function test_proposeRevocation__unknownKey__reverts() public {
        vm.expectRevert(abi.encodeWithSelector(IRoles.RolesKeyUnknown.selector, NEW));
        vm.prank(security);
        roles.proposeRevocation(NEW);
    }

    function test_proposeRevocation__lastKeyOfScope__reverts() public {
        address[4] memory keys = [operator, dso, registrar, security];
        for (uint256 i = 0; i < keys.length; ++i) {
            vm.expectPartialRevert(IRoles.RolesLastKey.selector);
            vm.prank(security);
            roles.proposeRevocation(keys[i]);
        }
    }

    function test_proposeRevocation__lastButOneOrganisationOfAdmins__reverts() public {
        _grantRole(Grant(NEW, Role.SecurityAdmin, "security", 0));
        vm.startPrank(secondSecurity);
        roles.proposeRevocation(NEW); // its organisation keeps a key
        vm.expectRevert(abi.encodeWithSelector(IRoles.RolesLastKey.selector, Role.SecurityAdmin, bytes32(0)));
        roles.proposeRevocation(secondSecurity);
        vm.stopPrank();
    }

    function test_proposeRevocation__valid__waits() public {
        vm.expectEmit();
        emit IRoles.RevocationProposed(treasurer, BLOCK_T0 + DELAY);
        vm.prank(security);
        roles.proposeRevocation(treasurer);
        assertEq(roles.proposalOf(treasurer).replaces, treasurer, "whom");
    }
}
