// SPDX-License-Identifier: UNLICENSED
pragma solidity 0.8.37;

import {Calendar} from "../../src/Calendar.sol";
import {AreaParams, ICalendar} from "../../src/interfaces/ICalendar.sol";
import {IHandovers} from "../../src/interfaces/IHandovers.sol";
import {IRoles, Role} from "../../src/interfaces/IRoles.sol";
import {LedgerTest} from "../base/LedgerTest.sol";
import {staying} from "../base/Staying.sol";
import {vm} from "../base/Vm.sol";

/// @notice createArea, and market time.
contract CalendarCreateAreaTest is LedgerTest {
    function test_createArea__notRegistrar__reverts(address sender) public {
        vm.assume(sender != registrar);
        vm.expectRevert(abi.encodeWithSelector(IRoles.RolesMissing.selector, sender, Role.Registrar, bytes32(0)));
        vm.prank(sender);
        calendar.createArea("new", AreaParams(1, 1));
    }

    function test_createArea__invalid__reverts() public {
        AreaParams[4] memory invalid =
            [AreaParams(0, 900), AreaParams(899, 900), AreaParams(1000, 999), AreaParams(900, 366 days + 1)];
        for (uint256 i = 0; i < invalid.length; ++i) {
            vm.expectRevert(ICalendar.CalendarAreaInvalid.selector);
            vm.prank(registrar);
            calendar.createArea("new", invalid[i]);
        }
        vm.expectRevert(ICalendar.CalendarAreaInvalid.selector);
        vm.prank(registrar);
        calendar.createArea(0, AreaParams(900, 900));
    }

    function test_createArea__twice__reverts() public {
        vm.expectRevert(abi.encodeWithSelector(ICalendar.CalendarAreaExists.selector, AREA));
        vm.prank(registrar);
        calendar.createArea(AREA, AreaParams(900, 900));
        vm.prank(registrar);
        calendar.createArea("another id", AreaParams(900, 900));
    }

    function test_createArea__moreThanTwentyADay__reverts() public {
        vm.warp((block.timestamp / 1 days + 1) * 1 days);
        for (uint256 i = 1; i <= 20; ++i) {
            vm.prank(registrar);
            calendar.createArea(bytes32(i), AreaParams(900, 900));
        }
        vm.warp(block.timestamp + 1 days - 1);
        vm.expectRevert(abi.encodeWithSelector(ICalendar.CalendarAreasMany.selector, registrar, 21));
        vm.prank(registrar);
        calendar.createArea("new", AreaParams(900, 900));
        vm.warp(block.timestamp + 1);
        vm.prank(registrar);
        calendar.createArea("new", AreaParams(900, 900));
    }

    function test_areaOf__unknown__reverts() public {
        vm.expectRevert(abi.encodeWithSelector(ICalendar.CalendarAreaUnknown.selector, bytes32("new")));
        calendar.areaOf("new");
    }

    function test_createArea__valid__keepsDeadlines(uint32 attest, uint32 horizon) public {
        attest = uint32(bound(attest, 900, 366 days));
        horizon = uint32(bound(horizon, attest, 366 days));
        vm.expectEmit();
        emit ICalendar.AreaCreated("new", AreaParams(attest, horizon));
        vm.prank(registrar);
        calendar.createArea("new", AreaParams(attest, horizon));
        assertEq(uint256(calendar.areaOf("new").attestSeconds), attest, "attest");
        assertEq(uint256(calendar.areaOf("new").horizonSeconds), horizon, "horizon");
    }

    function test_constructor__speedOrStartInvalid__reverts() public {
        IHandovers none = staying();
        vm.expectRevert(ICalendar.CalendarConfigInvalid.selector);
        new Calendar(roles, none, BLOCK_T0, BLOCK_T0, 0);
        vm.expectRevert(ICalendar.CalendarConfigInvalid.selector);
        new Calendar(roles, none, BLOCK_T0, BLOCK_T0, 86_401);
        vm.expectRevert(ICalendar.CalendarConfigInvalid.selector);
        new Calendar(roles, none, BLOCK_T0, BLOCK_T0 + 1, 1);
    }

    function test_marketTime__anySpeed__runsFromOrigin(uint64 origin, uint32 speed, uint32 passed) public {
        origin = uint64(bound(origin, 0, 1 << 40));
        speed = uint32(bound(speed, 1, 86_400));
        Calendar fast = new Calendar(roles, staying(), origin, BLOCK_T0, speed);
        vm.warp(BLOCK_T0 + uint256(passed));
        assertEq(uint256(fast.marketTime()), origin + uint256(passed) * speed, "market time");
    }
}
