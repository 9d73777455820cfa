// SPDX-License-Identifier: UNLICENSED
pragma solidity 0.8.37;

import {PlaceProofs} from "../../src/interfaces/IClearing.sol";
import {IRoles, Role} from "../../src/interfaces/IRoles.sol";
import {LedgerTest} from "../base/LedgerTest.sol";
import {vm} from "../base/Vm.sol";

contract RolesPauseTest is LedgerTest {
    function _pause() private {
        vm.prank(security);
        roles.pause();
    }

    function test_pause__notSecurityAdmin__reverts(address sender) public {
        vm.assume(sender != security && sender != secondSecurity);
        vm.expectPartialRevert(IRoles.RolesMissing.selector);
        vm.prank(sender);
        roles.pause();
    }

    function test_pause__running__reverts(bool another) public {
        _pause();
        vm.warp(BLOCK_T0 + PAUSE - 1);
        vm.expectRevert(abi.encodeWithSelector(IRoles.RolesPaused.selector, BLOCK_T0 + PAUSE));
        vm.prank(another ? secondSecurity : security);
        roles.pause();
    }

    function test_pause__anotherEndedItsOwnAtOnce__runs() public {
        // One who pauses for nothing would take the brake from all others for a cool-down.
        _pause();
        vm.prank(security);
        roles.unpause();
        vm.prank(secondSecurity);
        roles.pause();
        assertTrue(roles.paused(), "the other one's");
    }

    function test_unpause__byAnother__coolsDownWhosePauseItWas() public {
        _pause();
        vm.warp(BLOCK_T0 + 60);
        vm.prank(secondSecurity);
        roles.unpause();
        vm.expectRevert(abi.encodeWithSelector(IRoles.RolesCoolDown.selector, BLOCK_T0 + 60 + COOL_DOWN));
        _pause();
        vm.prank(secondSecurity);
        roles.pause();
        assertTrue(roles.paused(), "the other one has not paused yet");
    }

    function test_pause__withinCoolDown__reverts(uint256 wait) public {
        _pause();
        vm.warp(BLOCK_T0 + bound(wait, PAUSE, uint256(PAUSE) + COOL_DOWN - 1));
        vm.expectRevert(abi.encodeWithSelector(IRoles.RolesCoolDown.selector, BLOCK_T0 + PAUSE + COOL_DOWN));
        _pause();
    }

    function test_unpause__notSecurityAdmin__reverts(address sender) public {
        vm.assume(sender != security && sender != secondSecurity);
        _pause();
        vm.expectRevert(abi.encodeWithSelector(IRoles.RolesMissing.selector, sender, Role.SecurityAdmin, bytes32(0)));
        vm.prank(sender);
        roles.unpause();
    }

    function test_unpause__notPaused__reverts() public {
        vm.expectRevert(IRoles.RolesNotPaused.selector);
        vm.prank(security);
        roles.unpause();
    }

    function test_pause__running__stopsUntilItExpires() public {
        vm.expectEmit();
        emit IRoles.Paused(security, BLOCK_T0 + PAUSE);
        _pause();
        assertTrue(roles.paused(), "at once");
        vm.expectRevert(abi.encodeWithSelector(IRoles.RolesPaused.selector, BLOCK_T0 + PAUSE));
        roles.requireNotPaused();
        vm.warp(BLOCK_T0 + PAUSE - 1);
        assertTrue(roles.paused(), "last second");
        vm.warp(BLOCK_T0 + PAUSE);
        assertFalse(roles.paused(), "expired by itself");
        roles.requireNotPaused();
    }

    function test_pause__afterCoolDown__runsAgain() public {
        _pause();
        vm.warp(BLOCK_T0 + PAUSE + COOL_DOWN);
        _pause();
        assertTrue(roles.paused(), "again");
    }

    function test_unpause__early__coolsDownFromThen() public {
        _pause();
        vm.warp(BLOCK_T0 + 60);
        vm.prank(security);
        roles.unpause();
        assertFalse(roles.paused(), "over");
        vm.expectRevert(abi.encodeWithSelector(IRoles.RolesCoolDown.selector, BLOCK_T0 + 60 + COOL_DOWN));
        _pause();
    }

    function test_pausedSecondsSince__twoPauses__countsWhatLiesBehind() public {
        assertEq(uint256(roles.pausedSecondsSince(BLOCK_T0)), 0, "none");
        _pause();
        vm.warp(BLOCK_T0 + 60);
        assertEq(uint256(roles.pausedSecondsSince(BLOCK_T0)), 60, "running");
        assertEq(uint256(roles.pausedSecondsSince(BLOCK_T0 + 20)), 40, "from within");
        vm.prank(security);
        roles.unpause();
        vm.warp(BLOCK_T0 + 60 + COOL_DOWN);
        assertEq(uint256(roles.pausedSecondsSince(BLOCK_T0)), 60, "over");
        _pause();
        vm.warp(BLOCK_T0 + 60 + COOL_DOWN + 2 * PAUSE);
        assertEq(uint256(roles.pausedSecondsSince(BLOCK_T0)), 60 + PAUSE, "both");
        assertEq(uint256(roles.pausedSecondsSince(BLOCK_T0 + 60)), PAUSE, "the second only");
        assertEq(uint256(roles.pausedSecondsSince(uint64(block.timestamp))), 0, "from now");
    }

    function test_pause__running__stopsBooksAndClearingsOnly() public {
        _open();
        _warp(gate);
        _pause();
        bytes memory refusal = abi.encodeWithSelector(IRoles.RolesPaused.selector, _blockTime(gate) + PAUSE);
        vm.expectRevert(refusal);
        vm.prank(operator);
        market.closeSession(MARKET_ID, gate, "root");
        vm.expectRevert(refusal);
        vm.prank(operator);
        market.openSession(MARKET_ID, gate + 60, period, FIRST_MTU, 1);
        vm.expectRevert(refusal);
        market.recordProgram(MARKET_ID, gate, _program("root", 1, 0), "");
        uint256[] memory none = new uint256[](0);
        PlaceProofs memory proofs;
        vm.expectRevert(refusal);
        clearing.clear(MARKET_ID, _target(FIRST_MTU, 0, 0, 0), new bytes32[](0), none, proofs);

        _warp(uint256(FIRST_MTU) * 900 + 1);
        market.endSession(MARKET_ID, gate);
        _deposit(address(0xa), 5, "deposit");
        _warp(_firstMtuEnd());
        _attest(FIRST_MTU, 0);
        _warp(gate + PAUSE - 1);
        readings.markUnread(AREA, period, FIRST_MTU, MTUS);
        _settle(0, _payment(address(0xa), address(0xb), 5));
        _settle(1, _payment(address(0xa), address(0xb), -5));
        assertTrue(roles.paused(), "all this in the pause");
        assertTrue(roles.hasRole(operator, Role.Operator, AREA), "roles stay");
    }

    function _firstMtuEnd() private pure returns (uint256) {
        return (uint256(FIRST_MTU) + 1) * 900;
    }
}
