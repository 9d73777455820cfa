// SPDX-License-Identifier: UNLICENSED
pragma solidity 0.8.37;

import {AreaParams, ICalendar} from "../../src/interfaces/ICalendar.sol";
import {IRoles, Role} from "../../src/interfaces/IRoles.sol";
import {LedgerTest} from "../base/LedgerTest.sol";
import {vm} from "../base/Vm.sol";

contract CalendarDeclarePeriodTest is LedgerTest {
    uint32 private constant NEXT = FIRST_MTU + MTUS;

    function test_declarePeriod__notOperator__reverts(address sender) public {
        vm.assume(sender != operator);
        vm.expectRevert(abi.encodeWithSelector(IRoles.RolesMissing.selector, sender, Role.Operator, AREA));
        vm.prank(sender);
        calendar.declarePeriod(AREA, NEXT, 1);
    }

    function test_declarePeriod__unknownArea__reverts() public {
        vm.expectRevert(abi.encodeWithSelector(ICalendar.CalendarAreaUnknown.selector, bytes32("new")));
        vm.prank(operator);
        calendar.declarePeriod("new", NEXT, 1);
    }

    function test_declarePeriod__countOutOfBounds__reverts() public {
        vm.startPrank(operator);
        vm.expectRevert(ICalendar.CalendarPeriodInvalid.selector);
        calendar.declarePeriod(AREA, NEXT, 0);
        vm.expectRevert(ICalendar.CalendarPeriodInvalid.selector);
        calendar.declarePeriod(AREA, NEXT, 3201);
        vm.expectRevert(ICalendar.CalendarPeriodInvalid.selector);
        calendar.declarePeriod(AREA, type(uint32).max, 1);
        vm.stopPrank();
    }

    function test_declarePeriod__gapOrOverlap__reverts(uint32 first) public {
        first = uint32(bound(first, 0, type(uint32).max - 4000));
        vm.assume(first != NEXT);
        vm.expectRevert(abi.encodeWithSelector(ICalendar.CalendarPeriodNotContiguous.selector, NEXT));
        vm.prank(operator);
        calendar.declarePeriod(AREA, first, 1);
    }

    function test_declarePeriod__firstFarFromNow__reverts(uint32 first) public {
        uint32 furthest = 366 * 96;
        uint32 present = uint32(T0 / 900);
        first = uint32(bound(first, 0, type(uint32).max - 2));
        vm.assume(first > present + furthest || first < present - furthest);
        vm.prank(registrar);
        calendar.createArea("new", AreaParams(1, 1));
        vm.expectRevert(abi.encodeWithSelector(ICalendar.CalendarPeriodFar.selector, first, T0));
        vm.prank(operator);
        calendar.declarePeriod("new", first, 1);
    }

    function test_declarePeriod__nextFarAhead__reverts() public {
        vm.startPrank(operator);
        uint32 next = NEXT;
        for (; uint256(next) * 900 <= T0 + 366 days; next += 3200) {
            calendar.declarePeriod(AREA, next, 3200);
        }
        vm.expectRevert(abi.encodeWithSelector(ICalendar.CalendarPeriodFar.selector, next, T0));
        calendar.declarePeriod(AREA, next, 1);
        vm.stopPrank();
    }

    function test_declarePeriod__nextLongAfter__stillFollows() public {
        _warp(T0 + 3650 days);
        vm.prank(operator);
        assertEq(uint256(calendar.declarePeriod(AREA, NEXT, 1)), 2, "late, but not lost");
    }

    function test_periodOf__undeclared__reverts() public {
        vm.expectRevert(abi.encodeWithSelector(ICalendar.CalendarPeriodUnknown.selector, AREA, 0));
        calendar.periodOf(AREA, 0);
        vm.expectRevert(abi.encodeWithSelector(ICalendar.CalendarPeriodUnknown.selector, AREA, 2));
        calendar.periodOf(AREA, 2);
    }

    function test_declarePeriod__contiguous__numbersFromOne(uint32 count) public {
        count = uint32(bound(count, 1, 3200));
        vm.expectEmit();
        emit ICalendar.PeriodDeclared(AREA, 2, NEXT, count);
        vm.prank(operator);
        uint32 number = calendar.declarePeriod(AREA, NEXT, count);
        assertEq(uint256(number), 2, "number");
        assertEq(uint256(calendar.periodCount(AREA)), 2, "count of periods");
        assertEq(uint256(calendar.periodOf(AREA, 2).firstMtu), NEXT, "first MTU");
        assertEq(uint256(calendar.periodOf(AREA, 2).count), count, "MTUs");
    }
}
