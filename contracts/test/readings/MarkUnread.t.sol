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

    function test_markUnread__lateDeclaration__deadlineRunsFromIt() public {
        uint32 mtu = FIRST_MTU + MTUS;
        _warp(Time.startOf(mtu + MTUS) + HORIZON);
        uint64 until = _now() + ATTEST;
        period = calendar.declarePeriod(AREA, mtu, MTUS);
        vm.expectRevert(abi.encodeWithSelector(IReadings.ReadingsTooEarly.selector, until + 1, _now()));
        readings.markUnread(AREA, period, mtu, MTUS);
        _warp(until + 1);
        readings.markUnread(AREA, period, mtu, MTUS);
        assertEq(readings.resolvedCount(AREA, period), MTUS, "all at once");
    }

    function test_markUnread__allAttested__changesNothing() public {
        _attestAll();
        _warp(DEADLINE + 3600);
        bytes32 root = readings.readingsRoot(AREA, period);
        vm.expectEmit();
        emit IReadings.ReadingsPassedOver(AREA, FIRST_MTU, 1, false, _attestation(FIRST_MTU, 0).root);
        readings.markUnread(AREA, period, FIRST_MTU, MTUS);
        assertEq(readings.readingsRoot(AREA, period), root, "as it stood");
        assertEq(readings.resolvedCount(AREA, period), MTUS, "none twice");
    }

    function test_markUnread__partlyMarkedBefore__marksTheRest() public {
        _warp(Time.startOf(FIRST_MTU + MTUS) + ATTEST + 1);
        readings.markUnread(AREA, period, FIRST_MTU + 1, 1);
        readings.markUnread(AREA, period, FIRST_MTU, MTUS);
        assertEq(readings.resolvedCount(AREA, period), MTUS, "each once");
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
