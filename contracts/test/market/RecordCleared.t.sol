// SPDX-License-Identifier: UNLICENSED
pragma solidity 0.8.37;

import {IMarket, SessionState} from "../../src/interfaces/IMarket.sol";
import {IRoles} from "../../src/interfaces/IRoles.sol";
import {LedgerTest} from "../base/LedgerTest.sol";
import {Merkle} from "../base/Merkle.sol";
import {vm} from "../base/Vm.sol";

/// @notice recordCleared: of the clearing contract alone, and even of it only what may clear now.
contract MarketRecordClearedTest is LedgerTest {
    uint128 private constant TWO_TRADE = 3;

    function _signed() private {
        _open();
        _close(new uint256[](0));
        _recordMasked(Merkle.placesRoot(_results(200, new uint256[](0))), TWO_TRADE, 0);
    }

    function _refused(uint32 mtu, bytes memory error_) private {
        vm.expectRevert(error_);
        vm.prank(address(clearing));
        market.recordCleared(MARKET_ID, gate, mtu, 200, 5, "result");
    }

    function test_recordCleared__anyoneElse__reverts(address caller) public {
        vm.assume(caller != address(clearing));
        _signed();
        vm.expectRevert(abi.encodeWithSelector(IMarket.MarketClearingOnly.selector, caller));
        vm.prank(caller);
        market.recordCleared(MARKET_ID, gate, FIRST_MTU, 200, 5, "result");
    }

    function test_recordCleared__paused__reverts() public {
        _signed();
        vm.prank(security);
        roles.pause();
        _refused(FIRST_MTU, abi.encodeWithSelector(IRoles.RolesPaused.selector, block.timestamp + PAUSE));
    }

    function test_recordCleared__notSigned__reverts() public {
        _open();
        bytes4 wrong = IMarket.MarketStateWrong.selector;
        _refused(FIRST_MTU, abi.encodeWithSelector(wrong, MARKET_ID, gate, SessionState.Open));
    }

    function test_recordCleared__outsideTheMask__reverts() public {
        _signed();
        _refused(FIRST_MTU + 2, abi.encodeWithSelector(IMarket.MarketMtuNotClearable.selector, FIRST_MTU + 2));
        _refused(FIRST_MTU - 1, abi.encodeWithSelector(IMarket.MarketMtuNotClearable.selector, FIRST_MTU - 1));
        _refused(FIRST_MTU + MTUS, abi.encodeWithSelector(IMarket.MarketMtuNotClearable.selector, FIRST_MTU + MTUS));
    }

    function test_recordCleared__tooLate__reverts() public {
        _signed();
        _warp(gate + CLEAR + 1);
        bytes4 late = IMarket.MarketTooLate.selector;
        _refused(FIRST_MTU, abi.encodeWithSelector(late, gate + CLEAR, gate + CLEAR + 1));
    }

    function test_recordCleared__twice__reverts() public {
        _signed();
        vm.prank(address(clearing));
        market.recordCleared(MARKET_ID, gate, FIRST_MTU, 200, 5, "result");
        _refused(FIRST_MTU, abi.encodeWithSelector(IMarket.MarketMtuNotClearable.selector, FIRST_MTU));
        assertTrue(_state() == SessionState.Signed, "one is left");
    }

    function test_recordCleared__theLastOne__endsTheSession() public {
        _signed();
        vm.startPrank(address(clearing));
        market.recordCleared(MARKET_ID, gate, FIRST_MTU + 1, 200, 5, "result");
        vm.expectEmit();
        emit IMarket.MtuCleared(MARKET_ID, gate, FIRST_MTU, 200, 5, "result");
        market.recordCleared(MARKET_ID, gate, FIRST_MTU, 200, 5, "result");
        vm.stopPrank();
        assertTrue(_state() == SessionState.Done, "done");
        assertEq(uint256(market.sessionOf(MARKET_ID, gate).clearedMask), TWO_TRADE, "both");
        assertEq(market.pendingCount(AREA, period), 0, "nothing pending");
    }
}
