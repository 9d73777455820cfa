// SPDX-License-Identifier: UNLICENSED
pragma solidity 0.8.37;

import {ICalendar} from "../../src/interfaces/ICalendar.sol";
import {IMarket, Session, SessionState} from "../../src/interfaces/IMarket.sol";
import {IRoles} from "../../src/interfaces/IRoles.sol";
import {Time} from "../../src/libraries/Time.sol";
import {LedgerTest} from "../base/LedgerTest.sol";
import {vm} from "../base/Vm.sol";

contract MarketOpenSessionTest is LedgerTest {
    function _refused(bytes memory error_, uint32 first, uint32 count, uint64 gate_) private {
        vm.expectRevert(error_);
        vm.prank(operator);
        market.openSession(MARKET_ID, gate_, period, first, count);
    }

    function test_openSession__unknownMarket__reverts() public {
        vm.expectRevert(abi.encodeWithSelector(IMarket.MarketUnknown.selector, bytes32("new")));
        vm.prank(operator);
        market.openSession("new", _gate(), period, FIRST_MTU, 1);
    }

    function test_openSession__notOperator__reverts(address sender) public {
        vm.assume(sender != operator);
        vm.expectPartialRevert(IRoles.RolesMissing.selector);
        vm.prank(sender);
        market.openSession(MARKET_ID, _gate(), period, FIRST_MTU, 1);
    }

    function test_openSession__undeclaredPeriod__reverts() public {
        vm.expectRevert(abi.encodeWithSelector(ICalendar.CalendarPeriodUnknown.selector, AREA, 2));
        vm.prank(operator);
        market.openSession(MARKET_ID, _gate(), 2, FIRST_MTU, 1);
    }

    function test_openSession__outsidePeriodOrEmpty__reverts() public {
        bytes memory error_ = abi.encodeWithSelector(IMarket.MarketSessionInvalid.selector);
        _refused(error_, FIRST_MTU, 0, _gate());
        _refused(error_, FIRST_MTU - 1, 2, _gate() - 900);
        _refused(error_, FIRST_MTU, MTUS + 1, _gate());
        _refused(error_, FIRST_MTU + MTUS, 1, _gate());
    }

    function test_openSession__over128__reverts() public {
        vm.prank(operator);
        uint32 next = calendar.declarePeriod(AREA, FIRST_MTU + MTUS, 200);
        vm.expectRevert(IMarket.MarketSessionInvalid.selector);
        vm.prank(operator);
        market.openSession(MARKET_ID, _gate(), next, FIRST_MTU + MTUS, 129);
    }

    function test_openSession__sameGateAgain__reverts() public {
        _open();
        _refused(abi.encodeWithSelector(IMarket.MarketSessionExists.selector, MARKET_ID, gate), FIRST_MTU + 1, 1, gate);
    }

    function test_openSession__gateNotInFuture__reverts(uint64 early) public {
        early = uint64(bound(early, 0, T0));
        _refused(abi.encodeWithSelector(IMarket.MarketGateInvalid.selector, early, T0), FIRST_MTU, 1, early);
    }

    function test_openSession__gateTooLateToClear__reverts(uint64 late) public {
        late = uint64(bound(late, uint256(_gate()) + 1, type(uint64).max));
        _refused(abi.encodeWithSelector(IMarket.MarketGateInvalid.selector, late, T0), FIRST_MTU, 1, late);
    }

    function test_openSession__valid__opens(uint32 first, uint32 count, uint64 gate_) public {
        first = uint32(bound(first, FIRST_MTU, FIRST_MTU + MTUS - 1));
        count = uint32(bound(count, 1, FIRST_MTU + MTUS - first));
        gate_ = uint64(bound(gate_, T0 + 1, Time.startOf(first) - CLEAR));

        vm.expectEmit();
        emit IMarket.SessionOpened(MARKET_ID, gate_, period, first, count);
        vm.prank(operator);
        market.openSession(MARKET_ID, gate_, period, first, count);

        Session memory opened = market.sessionOf(MARKET_ID, gate_);
        assertTrue(opened.state == SessionState.Open, "open");
        assertEq(uint256(opened.firstMtu), first, "first");
        assertEq(uint256(opened.count), count, "count");
        assertEq(market.pendingCount(AREA, period), 1, "pending");
        assertEq(market.deadlineOf(MARKET_ID, gate_), gate_ + GRACE, "deadline");
    }

    function test_openSession__twoGatesOverTheSameMtus__bothOpen() public {
        _open();
        vm.prank(operator);
        market.openSession(MARKET_ID, gate - 3600, period, FIRST_MTU, MTUS);
        assertEq(market.pendingCount(AREA, period), 2, "pending");
    }
}
