// SPDX-License-Identifier: UNLICENSED
pragma solidity 0.8.37;

import {ICalendar} from "../../src/interfaces/ICalendar.sol";
import {IMarket, MtuState} from "../../src/interfaces/IMarket.sol";
import {IRoles} from "../../src/interfaces/IRoles.sol";
import {Time} from "../../src/libraries/Time.sol";
import {LedgerTest} from "../base/LedgerTest.sol";
import {vm} from "../base/Vm.sol";

contract MarketOpenProgramTest is LedgerTest {
    uint64 private constant GATE = uint64(FIRST_MTU) * 900 - CLEAR;

    function _refused(bytes memory error_, uint32 first, uint32 count, uint64 gate_) private {
        vm.expectRevert(error_);
        vm.prank(operator);
        market.openProgram(MARKET_ID, period, first, count, gate_);
    }

    function test_openProgram__unknownMarket__reverts() public {
        vm.expectRevert(abi.encodeWithSelector(IMarket.MarketUnknown.selector, bytes32("new")));
        vm.prank(operator);
        market.openProgram("new", period, FIRST_MTU, 1, GATE);
    }

    function test_openProgram__notOperator__reverts(address sender) public {
        vm.assume(sender != operator);
        vm.expectPartialRevert(IRoles.RolesMissing.selector);
        vm.prank(sender);
        market.openProgram(MARKET_ID, period, FIRST_MTU, 1, GATE);
    }

    function test_openProgram__undeclaredPeriod__reverts() public {
        vm.expectRevert(abi.encodeWithSelector(ICalendar.CalendarPeriodUnknown.selector, AREA, 2));
        vm.prank(operator);
        market.openProgram(MARKET_ID, 2, FIRST_MTU, 1, GATE);
    }

    function test_openProgram__periodBeforeTheMarket__reverts() public {
        vm.prank(registrar);
        market.createMarket("late", _params());
        vm.expectRevert(abi.encodeWithSelector(IMarket.MarketNotInPeriod.selector, bytes32("late"), period));
        vm.prank(operator);
        market.openProgram("late", period, FIRST_MTU, 1, GATE);
    }

    function test_openProgram__outsidePeriodOrEmpty__reverts() public {
        bytes memory error_ = abi.encodeWithSelector(IMarket.MarketProgramInvalid.selector);
        _refused(error_, FIRST_MTU, 0, GATE);
        _refused(error_, FIRST_MTU - 1, 2, GATE - 900);
        _refused(error_, FIRST_MTU, MTUS + 1, GATE);
        _refused(error_, FIRST_MTU + MTUS, 1, GATE);
    }

    function test_openProgram__over128__reverts() public {
        vm.prank(operator);
        uint32 next = calendar.declarePeriod(AREA, FIRST_MTU + MTUS, 200);
        vm.expectRevert(IMarket.MarketProgramInvalid.selector);
        vm.prank(operator);
        market.openProgram(MARKET_ID, next, FIRST_MTU + MTUS, 129, GATE);
    }

    function test_openProgram__overlap__reverts() public {
        vm.prank(operator);
        market.openProgram(MARKET_ID, period, FIRST_MTU, 2, GATE);
        _refused(abi.encodeWithSelector(IMarket.MarketProgramInvalid.selector), FIRST_MTU + 1, 1, GATE);
    }

    function test_openProgram__gateNotInFuture__reverts(uint64 early) public {
        early = uint64(bound(early, 0, T0));
        _refused(abi.encodeWithSelector(IMarket.MarketGateInvalid.selector, early, T0), FIRST_MTU, 1, early);
    }

    function test_openProgram__gateTooLateToClear__reverts(uint64 late) public {
        late = uint64(bound(late, uint256(GATE) + 1, type(uint64).max));
        _refused(abi.encodeWithSelector(IMarket.MarketGateInvalid.selector, late, T0), FIRST_MTU, 1, late);
    }

    function test_programOf__unknown__reverts() public {
        vm.expectRevert(abi.encodeWithSelector(IMarket.MarketProgramUnknown.selector, MARKET_ID, 1));
        market.programOf(MARKET_ID, 1);
    }

    function test_openProgram__valid__opens(uint32 first, uint32 count, uint64 gate_) public {
        first = uint32(bound(first, FIRST_MTU, FIRST_MTU + MTUS - 1));
        count = uint32(bound(count, 1, FIRST_MTU + MTUS - first));
        gate_ = uint64(bound(gate_, T0 + 1, Time.startOf(first) - CLEAR));

        vm.expectEmit();
        emit IMarket.ProgramOpened(MARKET_ID, 1, period, first, count, gate_);
        vm.prank(operator);
        uint32 number = market.openProgram(MARKET_ID, period, first, count, gate_);

        assertEq(uint256(number), 1, "number");
        assertEq(uint256(market.programCount(MARKET_ID)), 1, "count");
        assertEq(uint256(market.programOf(MARKET_ID, 1).gate), gate_, "gate");
        assertTrue(market.stateOf(MARKET_ID, first) == MtuState.Open, "open");
    }
}
