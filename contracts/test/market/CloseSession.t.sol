// SPDX-License-Identifier: UNLICENSED
pragma solidity 0.8.37;

import {Market} from "../../src/Market.sol";
import {IMarket, SessionState} from "../../src/interfaces/IMarket.sol";
import {IRoles} from "../../src/interfaces/IRoles.sol";
import {Time} from "../../src/libraries/Time.sol";
import {Gas} from "../base/Gas.sol";
import {LedgerTest} from "../base/LedgerTest.sol";
import {vm} from "../base/Vm.sol";

contract MarketCloseSessionTest is LedgerTest, Gas {
    bytes32 private constant ROOT = keccak256("books");

    function setUp() public override {
        super.setUp();
        _open();
        _warp(gate);
    }

    function _refused(bytes memory error_, bytes32 root) private {
        vm.expectRevert(error_);
        vm.prank(operator);
        market.closeSession(MARKET_ID, gate, root);
    }

    function test_closeSession__notOperator__reverts(address sender) public {
        vm.assume(sender != operator);
        vm.expectPartialRevert(IRoles.RolesMissing.selector);
        vm.prank(sender);
        market.closeSession(MARKET_ID, gate, ROOT);
    }

    function test_closeSession__unknownSession__reverts() public {
        vm.expectRevert(
            abi.encodeWithSelector(IMarket.MarketStateWrong.selector, MARKET_ID, gate + 1, SessionState.None)
        );
        vm.prank(operator);
        market.closeSession(MARKET_ID, gate + 1, ROOT);
    }

    function test_closeSession__beforeGate__reverts() public {
        _warp(gate - 1);
        _refused(abi.encodeWithSelector(IMarket.MarketTooEarly.selector, gate, gate - 1), ROOT);
    }

    function test_closeSession__afterGrace__reverts() public {
        _warp(gate + GRACE + 1);
        _refused(abi.encodeWithSelector(IMarket.MarketTooLate.selector, gate + GRACE, gate + GRACE + 1), ROOT);
    }

    function test_closeSession__zeroRoot__reverts() public {
        _refused(abi.encodeWithSelector(IMarket.MarketRootInvalid.selector), 0);
    }

    function test_closeSession__twice__reverts() public {
        vm.prank(operator);
        market.closeSession(MARKET_ID, gate, ROOT);
        _refused(
            abi.encodeWithSelector(IMarket.MarketStateWrong.selector, MARKET_ID, gate, SessionState.Closed), ROOT
        );
    }

    function test_closeSession__withinGrace__commits(uint64 late) public {
        _warp(gate + bound(late, 0, GRACE));
        vm.expectEmit();
        emit IMarket.SessionClosed(MARKET_ID, gate, ROOT);
        vm.prank(operator);
        market.closeSession(MARKET_ID, gate, ROOT);
        assertEq(market.sessionOf(MARKET_ID, gate).booksRoot, ROOT, "root");
        assertTrue(_state() == SessionState.Closed, "closed");
        assertEq(market.deadlineOf(MARKET_ID, gate), gate + SIGN, "deadline");
    }

    /* PAUSES */

    function test_closeSession__afterAPauseSinceTheGate__hasItsWholeWindow() public {
        _warp(gate + GRACE - 1);
        vm.prank(security);
        roles.pause();
        _warp(gate + GRACE + 1_000);
        vm.prank(security);
        roles.unpause();
        assertEq(market.deadlineOf(MARKET_ID, gate), gate + GRACE + 1_001, "moved by the pause");
        vm.prank(operator);
        market.closeSession(MARKET_ID, gate, ROOT);
    }

    function test_closeSession__pauseBeforeTheGate__movesNothing() public {
        _warp(gate - 100);
        vm.prank(security);
        roles.pause();
        _warp(gate - 1);
        vm.prank(security);
        roles.unpause();
        assertEq(market.deadlineOf(MARKET_ID, gate), gate + GRACE, "as before");
    }

    function test_endSession__longPause__noDeadlinePassesTheStartOfItsMtus() public {
        vm.prank(security);
        roles.pause();
        _warp(Time.startOf(FIRST_MTU) + 1);
        assertTrue(roles.paused(), "still");
        assertEq(market.deadlineOf(MARKET_ID, gate), Time.startOf(FIRST_MTU), "the start");
        market.endSession(MARKET_ID, gate);
        assertTrue(_state() == SessionState.Done, "over");
    }

    /* GAS */

    function test_closeSession__96Mtus__withinItsLimit() public {
        vm.prank(operator);
        uint32 next = calendar.declarePeriod(AREA, FIRST_MTU + MTUS, 96);
        uint64 other = gate + 60;
        vm.prank(operator);
        market.openSession(MARKET_ID, other, next, FIRST_MTU + MTUS, 96);
        _warp(other);
        bytes memory data = abi.encodeCall(Market.closeSession, (MARKET_ID, other, ROOT));
        uint256 gas = _transactionGas(operator, address(market), data);
        assertLe(gas, 120_000, "gas");
        _snapshot("close-session", "Market.closeSession, 96 MTUs", gas, 1);
    }
}
