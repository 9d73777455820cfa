// SPDX-License-Identifier: UNLICENSED
pragma solidity 0.8.37;

import {Handovers} from "../../src/Handovers.sol";
import {AreaParams, ICalendar} from "../../src/interfaces/ICalendar.sol";
import {IHandovers} from "../../src/interfaces/IHandovers.sol";
import {Time} from "../../src/libraries/Time.sol";
import {HandoverTest, NextLedger} from "../base/HandoverTest.sol";
import {vm} from "../base/Vm.sol";

/// @notice Every MTU of an area is in one of the two deployments: the next one begins where the one before ends.
contract HandoversPeriodsTest is HandoverTest {
    uint32 private constant END = FIRST_MTU + MTUS;

    function _declare(uint32 firstMtu) private returns (uint32) {
        vm.prank(operator);
        return nextCalendar.declarePeriod(AREA, firstMtu, MTUS);
    }

    function test_declarePeriod__onceAgreed__reverts(bool late) public {
        _agree();
        if (late) _warp(Time.startOf(END + MTUS));
        vm.expectRevert(abi.encodeWithSelector(IHandovers.HandoversAgreed.selector, AREA, address(next)));
        vm.prank(operator);
        calendar.declarePeriod(AREA, END, MTUS);
    }

    function test_declarePeriod__thereBeforeItIsAgreed__reverts() public {
        vm.expectRevert(abi.encodeWithSelector(IHandovers.HandoversElsewhere.selector, AREA, address(0)));
        _declare(END);
    }

    function test_declarePeriod__thereBeforeEffect__reverts() public {
        _agree();
        uint64 effectiveAt = handovers.agreementOf(AREA).effectiveAt;
        vm.expectRevert(abi.encodeWithSelector(IHandovers.HandoversTooEarly.selector, effectiveAt, _now()));
        _declare(END);
    }

    function test_declarePeriod__thereWithAGap__reverts(uint32 firstMtu) public {
        vm.assume(firstMtu != END && firstMtu < type(uint32).max - MTUS);
        _agree();
        _warp(handovers.agreementOf(AREA).effectiveAt);
        vm.expectRevert(abi.encodeWithSelector(ICalendar.CalendarPeriodNotContiguous.selector, END));
        _declare(firstMtu);
    }

    function test_declarePeriod__there__followsHoweverLate(uint32 late) public {
        _agree();
        _warp(uint256(handovers.agreementOf(AREA).effectiveAt) + late);
        assertEq(uint256(_declare(END)), 1, "its first");
        assertEq(uint256(_declare(END + MTUS)), 2, "and its second");
    }

    function test_declarePeriod__newArea__isFree() public {
        AreaParams memory params = calendar.areaOf(AREA);
        vm.prank(registrar);
        nextCalendar.createArea("new", params);
        vm.prank(operator);
        nextCalendar.declarePeriod("new", FIRST_MTU + 7, 1);
    }

    function test_constructor__partsUnlike__reverts() public {
        vm.expectRevert(IHandovers.HandoversPartsUnlike.selector);
        new Handovers(roles, calendar, settlement, accounts, IHandovers(address(0)));
    }

    function test_constructor__otherMarketTime__reverts() public {
        NextLedger late = new NextLedger();
        vm.mockCall(address(calendar), abi.encodeWithSelector(calendar.marketTime.selector), abi.encode(_now() + 1));
        vm.expectRevert(IHandovers.HandoversPartsUnlike.selector);
        late.deploy(handovers);
    }
}
