// SPDX-License-Identifier: UNLICENSED
pragma solidity 0.8.37;

import {IReadings} from "../../src/interfaces/IReadings.sol";
import {Hashes} from "../../src/libraries/Hashes.sol";
import {Time} from "../../src/libraries/Time.sol";
import {LedgerTest} from "../base/LedgerTest.sol";
import {vm} from "../base/Vm.sol";

contract ReadingsMarkUnreadTest is LedgerTest {
    uint64 private constant DEADLINE = (uint64(FIRST_MTU) + 1) * 900 + ATTEST;

    function test_markUnread__rangeOutsidePeriod__reverts() public {
        vm.expectRevert(abi.encodeWithSelector(IReadings.ReadingsMtuNotInPeriod.selector, FIRST_MTU, period));
        readings.markUnread(AREA, period, FIRST_MTU, 0);
        vm.expectRevert(abi.encodeWithSelector(IReadings.ReadingsMtuNotInPeriod.selector, FIRST_MTU, period));
        readings.markUnread(AREA, period, FIRST_MTU, MTUS + 1);
    }

    function test_markUnread__deadlineRunning__reverts() public {
        _warp(DEADLINE);
        vm.expectRevert(abi.encodeWithSelector(IReadings.ReadingsTooEarly.selector, DEADLINE + 1, DEADLINE));
        readings.markUnread(AREA, period, FIRST_MTU, 1);
    }

    function test_markUnread__allAttested__reverts() public {
        _attestAll();
        _warp(DEADLINE + 3600);
        vm.expectRevert(IReadings.ReadingsNothingToMark.selector);
        readings.markUnread(AREA, period, FIRST_MTU, MTUS);
    }

    function test_markUnread__someAttested__marksTheOthersThatAreDue(uint32 due) public {
        due = uint32(bound(due, 1, MTUS));
        _warp(Time.startOf(FIRST_MTU + 2));
        _attest(FIRST_MTU + 1, 0);
        bytes32 root = Hashes.readingsLink(readings.readingsRoot(AREA, period), FIRST_MTU, 0, 0, 0, 0, 0);
        _warp(DEADLINE + 900 * (due - 1) + 1);

        vm.expectEmit();
        emit IReadings.ReadingsUnread(AREA, FIRST_MTU, root);
        readings.markUnread(AREA, period, FIRST_MTU, MTUS);

        assertEq(readings.resolvedCount(AREA, period), due < 2 ? 2 : due, "resolved");
        assertTrue(readings.readingOf(AREA, FIRST_MTU).unread, "unread");
        assertFalse(readings.readingOf(AREA, FIRST_MTU + 1).unread, "attested");
    }

    function test_markUnread__thenLateReadings__comeAsRevisionOne() public {
        _warp(DEADLINE + 1);
        readings.markUnread(AREA, period, FIRST_MTU, 1);
        _attest(FIRST_MTU, 1);
        assertEq(readings.resolvedCount(AREA, period), 1, "counts once");
        assertEq(uint256(readings.readingOf(AREA, FIRST_MTU).revisions), 2, "next is 2");
    }
}
