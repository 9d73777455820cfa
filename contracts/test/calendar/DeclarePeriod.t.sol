// SPDX-License-Identifier: UNLICENSED
pragma solidity 0.8.37;

import {AreaParams, ICalendar} from "../../src/interfaces/ICalendar.sol";
import {IRoles, Role} from "../../src/interfaces/IRoles.sol";
import {Time} from "../../src/libraries/Time.sol";
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

    function test_declarePeriod__byAnyoneBeforeItsEnd__reverts(address sender, uint64 early) public {
        vm.assume(sender != operator);
        _warp(Time.startOf(NEXT + MTUS) - bound(early, 1, 1 days));
        vm.expectRevert(abi.encodeWithSelector(IRoles.RolesMissing.selector, sender, Role.Operator, AREA));
        vm.prank(sender);
        calendar.declarePeriod(AREA, NEXT, MTUS);
    }

    function test_declarePeriod__byAnyoneOfOtherLength__reverts(address sender, uint32 count) public {
        count = uint32(bound(count, 1, 3200));
        vm.assume(sender != operator && count != MTUS);
        _warp(Time.startOf(NEXT + count));
        vm.expectRevert(abi.encodeWithSelector(IRoles.RolesMissing.selector, sender, Role.Operator, AREA));
        vm.prank(sender);
        calendar.declarePeriod(AREA, NEXT, count);
    }

    function test_declarePeriod__firstByAnyone__reverts(address sender) public {
        vm.assume(sender != operator);
        vm.prank(registrar);
        calendar.createArea("new", AreaParams(900, 900));
        _warp(Time.startOf(NEXT + MTUS));
        vm.expectRevert(
            abi.encodeWithSelector(IRoles.RolesMissing.selector, sender, Role.Operator, bytes32("new"))
        );
        vm.prank(sender);
        calendar.declarePeriod("new", NEXT, MTUS);
        vm.expectPartialRevert(IRoles.RolesMissing.selector);
        vm.prank(sender);
        calendar.declarePeriod("new", NEXT, 0);
    }

    function test_declarePeriod__byAnyoneOnceEnded__follows(address sender, uint32 late) public {
        _warp(uint256(Time.startOf(NEXT + MTUS)) + late);
        vm.prank(sender);
        assertEq(uint256(calendar.declarePeriod(AREA, NEXT, MTUS)), 2, "number");
        assertEq(uint256(calendar.periodOf(AREA, 2).declaredAt), _now(), "from then");
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
        uint32 furthest = 35 * 96;
        uint32 present = uint32(T0 / 900);
        first = uint32(bound(first, 0, type(uint32).max - 2));
        vm.assume(first > present + furthest || first < present - furthest);
        vm.prank(registrar);
        calendar.createArea("new", AreaParams(900, 900));
        vm.expectRevert(abi.encodeWithSelector(ICalendar.CalendarPeriodFar.selector, first, T0));
        vm.prank(operator);
        calendar.declarePeriod("new", first, 1);
    }

    function test_declarePeriod__nextFarAhead__reverts() public {
        vm.startPrank(operator);
        uint32 next = NEXT;
        for (; uint256(next) * 900 <= T0 + 35 days; next += 3200) {
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
        emit ICalendar.PeriodDeclared(AREA, 2, NEXT, count, T0);
        vm.prank(operator);
        uint32 number = calendar.declarePeriod(AREA, NEXT, count);
        assertEq(uint256(number), 2, "number");
        assertEq(uint256(calendar.periodCount(AREA)), 2, "count of periods");
        assertEq(uint256(calendar.periodOf(AREA, 2).firstMtu), NEXT, "first MTU");
        assertEq(uint256(calendar.periodOf(AREA, 2).count), count, "MTUs");
    }

    function test_declarePeriod__operatorDeclaredTheShortestThereAre__theNextIsWholeAgain() public {
        vm.startPrank(operator);
        uint32 next = NEXT;
        for (; uint256(next) * 900 <= T0 + 35 days; ++next) {
            calendar.declarePeriod(AREA, next, 1);
        }
        vm.expectPartialRevert(ICalendar.CalendarPeriodFar.selector);
        calendar.declarePeriod(AREA, next, 1);
        vm.stopPrank();
        vm.warp(block.timestamp + 1 days);
        vm.prank(operator);
        calendar.declarePeriod(AREA, next, 2976);
    }
}
