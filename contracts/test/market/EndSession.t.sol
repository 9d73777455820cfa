// SPDX-License-Identifier: UNLICENSED
pragma solidity 0.8.37;

import {IMarket, Session, SessionState} from "../../src/interfaces/IMarket.sol";
import {Hashes} from "../../src/libraries/Hashes.sol";
import {LedgerTest} from "../base/LedgerTest.sol";
import {Merkle} from "../base/Merkle.sol";
import {vm} from "../base/Vm.sol";

contract MarketEndSessionTest is LedgerTest {
    function _traded() private pure returns (uint256[] memory words) {
        words = new uint256[](2);
        (words[0], words[1]) = (_bid(1, 3000, 5, 5), _ask(2, 1000, 5, 5));
    }

    function _tooEarly(uint64 until) private {
        _warp(until);
        vm.expectRevert(abi.encodeWithSelector(IMarket.MarketTooEarly.selector, until + 1, until));
        market.endSession(MARKET_ID, gate);
    }

    function test_endSession__unknown__reverts() public {
        vm.expectRevert(abi.encodeWithSelector(IMarket.MarketStateWrong.selector, MARKET_ID, 7, SessionState.None));
        market.endSession(MARKET_ID, 7);
    }

    function test_endSession__graceRunning__reverts() public {
        _open();
        _tooEarly(gate + GRACE);
    }

    function test_endSession__signingWindowRunning__reverts() public {
        _open();
        _close(_traded());
        _tooEarly(gate + SIGN);
    }

    function test_endSession__clearingWindowRunning__reverts() public {
        _ready(2000, _traded());
        _tooEarly(gate + CLEAR);
    }

    function test_endSession__done__reverts() public {
        _emptyDay();
        _warp(gate + CLEAR + 1);
        vm.expectRevert(abi.encodeWithSelector(IMarket.MarketStateWrong.selector, MARKET_ID, gate, SessionState.Done));
        market.endSession(MARKET_ID, gate);
    }

    function test_endSession__neverClosed__linksZeros(address sender) public {
        _open();
        _warp(gate + GRACE + 1);
        Session memory expected = market.sessionOf(MARKET_ID, gate);
        bytes32 root = Hashes.clearingLink(0, MARKET_ID, gate, expected);
        vm.expectEmit();
        emit IMarket.SessionDone(MARKET_ID, gate, 0, root);
        vm.prank(sender);
        market.endSession(MARKET_ID, gate);
        assertEq(market.clearingRoot(AREA, period), root, "root");
        assertEq(market.pendingCount(AREA, period), 0, "nothing pending");
        assertEq(market.deadlineOf(MARKET_ID, gate), 0, "no deadline");
    }

    function test_endSession__neverSigned__ends() public {
        _open();
        _close(_traded());
        _warp(gate + SIGN + 1);
        market.endSession(MARKET_ID, gate);
        assertTrue(_state() == SessionState.Done, "over");
        vm.expectRevert(abi.encodeWithSelector(IMarket.MarketStateWrong.selector, MARKET_ID, gate, SessionState.Done));
        market.recordProgram(MARKET_ID, gate, _program("root", 1, 0), "");
    }

    function test_endSession__oneOfTwoCleared__keepsIt() public {
        _open();
        _close(_traded());
        _recordMasked(Merkle.placesRoot(_results(2000, _traded())), 3, 0);
        _clearFirst(2000, _traded());
        _warp(gate + CLEAR + 1);
        market.endSession(MARKET_ID, gate);
        assertEq(market.sessionOf(MARKET_ID, gate).clearedMask, 1, "what was cleared stands");
        assertTrue(_state() == SessionState.Done, "over");
    }

    function test_endSession__operatorLeftManyOpen__anyoneEndsThemAll(address sender) public {
        _open();
        for (uint64 i = 1; i <= 40; ++i) {
            vm.prank(operator);
            market.openSession(MARKET_ID, gate - i, period, FIRST_MTU, 1);
        }
        assertEq(market.pendingCount(AREA, period), 41, "pending");
        _warp(gate + CLEAR);
        vm.startPrank(sender);
        for (uint64 i = 0; i <= 40; ++i) {
            market.endSession(MARKET_ID, gate - i);
        }
        vm.stopPrank();
        assertEq(market.pendingCount(AREA, period), 0, "nothing pending");
    }
}
