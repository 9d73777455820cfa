// SPDX-License-Identifier: UNLICENSED
pragma solidity 0.8.37;

import {ICalendar} from "../../src/interfaces/ICalendar.sol";
import {Attestation, IReadings} from "../../src/interfaces/IReadings.sol";
import {IRoles} from "../../src/interfaces/IRoles.sol";
import {Hashes} from "../../src/libraries/Hashes.sol";
import {Time} from "../../src/libraries/Time.sol";
import {LedgerTest} from "../base/LedgerTest.sol";
import {vm} from "../base/Vm.sol";

contract ReadingsAttestTest is LedgerTest {
    uint64 private constant END = (uint64(FIRST_MTU) + 1) * 900;

    function setUp() public override {
        super.setUp();
        _warp(END);
    }

    function _refused(Attestation memory attestation, bytes memory error_) private {
        bytes[] memory signatures = _quorum(readings.attestationDigest(attestation));
        vm.expectRevert(error_);
        readings.attest(period, attestation, signatures);
    }

    function test_attest__undeclaredPeriod__reverts() public {
        bytes[] memory none = new bytes[](0);
        vm.expectRevert(abi.encodeWithSelector(ICalendar.CalendarPeriodUnknown.selector, AREA, 2));
        readings.attest(2, _attestation(FIRST_MTU, 0), none);
    }

    function test_attest__mtuNotInPeriod__reverts() public {
        _refused(
            _attestation(FIRST_MTU - 1, 0),
            abi.encodeWithSelector(IReadings.ReadingsMtuNotInPeriod.selector, FIRST_MTU - 1, period)
        );
    }

    function test_attest__revisionNotNext__reverts(uint32 revision) public {
        vm.assume(revision != 0);
        _refused(
            _attestation(FIRST_MTU, revision),
            abi.encodeWithSelector(IReadings.ReadingsRevisionWrong.selector, 0, revision)
        );
    }

    function test_attest__sameRevisionTwice__reverts() public {
        _attest(FIRST_MTU, 0);
        _refused(_attestation(FIRST_MTU, 0), abi.encodeWithSelector(IReadings.ReadingsRevisionWrong.selector, 1, 0));
    }

    function test_attest__rootWithoutCountOrBack__reverts() public {
        Attestation memory attestation = _attestation(FIRST_MTU, 0);
        attestation.count = 0;
        _refused(attestation, abi.encodeWithSelector(IReadings.ReadingsRootInvalid.selector));
        attestation = _attestation(FIRST_MTU, 0);
        attestation.root = 0;
        _refused(attestation, abi.encodeWithSelector(IReadings.ReadingsRootInvalid.selector));
    }

    function test_attest__beforeEnd__reverts() public {
        _warp(END - 1);
        _refused(_attestation(FIRST_MTU, 0), abi.encodeWithSelector(IReadings.ReadingsTooEarly.selector, END, END - 1));
    }

    function test_attest__firstAfterDeadline__reverts() public {
        _warp(END + ATTEST + 1);
        _refused(
            _attestation(FIRST_MTU, 0),
            abi.encodeWithSelector(IReadings.ReadingsTooLate.selector, END + ATTEST, END + ATTEST + 1)
        );
    }

    function test_attest__correctionAfterHorizon__reverts(uint32 late) public {
        _warp(uint256(Time.startOf(FIRST_MTU + MTUS)) + bound(late, 0, ATTEST - 4 * 900));
        for (uint32 i = 0; i < MTUS; ++i) {
            _attest(FIRST_MTU + i, 0);
        }
        uint64 horizon = _now() + HORIZON;
        assertEq(uint256(readings.resolvedAt(AREA, period)) + HORIZON, horizon, "from the last one");
        _warp(horizon + 1);
        _refused(
            _attestation(FIRST_MTU, 1), abi.encodeWithSelector(IReadings.ReadingsTooLate.selector, horizon, horizon + 1)
        );
    }

    /// @dev Nobody sent anything for a year: what attesters hold still comes, once it is marked.
    function test_attest__markedLongAfterTheHorizon__correctsStill(uint32 late) public {
        uint64 ended = Time.startOf(FIRST_MTU + MTUS);
        _warp(uint256(ended) + HORIZON + bound(late, 1, 366 days));
        readings.markUnread(AREA, period, FIRST_MTU, MTUS - 1);
        _attest(FIRST_MTU, 1);
        assertEq(uint256(readings.resolvedAt(AREA, period)), 0, "one is left");
        readings.markUnread(AREA, period, FIRST_MTU, MTUS);
        uint64 horizon = _now() + HORIZON;
        _warp(horizon);
        _attest(FIRST_MTU + 1, 1);
        _warp(horizon + 1);
        _refused(
            _attestation(FIRST_MTU, 2), abi.encodeWithSelector(IReadings.ReadingsTooLate.selector, horizon, horizon + 1)
        );
    }

    function test_attest__afterLateDeclaration__deadlineRunsFromIt(uint32 late) public {
        uint32 mtu = FIRST_MTU + MTUS;
        _warp(uint256(Time.startOf(mtu + MTUS)) + HORIZON + late);
        uint64 until = _now() + ATTEST;
        period = calendar.declarePeriod(AREA, mtu, MTUS);
        _warp(until + 1);
        _refused(_attestation(mtu, 0), abi.encodeWithSelector(IReadings.ReadingsTooLate.selector, until, until + 1));
        _warp(until);
        _attest(mtu, 0);
        _attest(mtu, 1);
        assertEq(uint256(readings.readingOf(AREA, mtu).revisions), 2, "nothing is lost by the delay");
    }

    function test_attest__declaredWithinThePeriod__eachMtuHasItsOwnDeadline() public {
        uint32 mtu = FIRST_MTU + MTUS;
        _warp(Time.startOf(mtu + 2));
        uint64 declaredAt = _now();
        vm.prank(operator);
        period = calendar.declarePeriod(AREA, mtu, MTUS);
        _warp(declaredAt + ATTEST);
        _attest(mtu, 0);
        _warp(uint256(Time.startOf(mtu + MTUS)) + ATTEST);
        _attest(mtu + MTUS - 1, 0);
    }

    function test_attest__tooFewSignatures__reverts() public {
        Attestation memory attestation = _attestation(FIRST_MTU, 0);
        bytes[] memory signatures = new bytes[](1);
        signatures[0] = _sign(attesterKeys[0], readings.attestationDigest(attestation));
        vm.expectRevert(abi.encodeWithSelector(IRoles.RolesQuorumSize.selector, 1, THRESHOLD));
        readings.attest(period, attestation, signatures);
    }

    function test_attest__fieldChangedAfterSigning__reverts(bytes32 root, uint64 importWh, uint64 exportWh) public {
        Attestation memory attestation = _attestation(FIRST_MTU, 0);
        bytes[] memory signatures = _quorum(readings.attestationDigest(attestation));
        vm.assume(root != 0 && (root != attestation.root || importWh != 1500 || exportWh != 700));
        (attestation.root, attestation.importWh, attestation.exportWh) = (root, importWh, exportWh);
        // Recovers to strangers: out of order, or without the role.
        (bool ok, bytes memory reason) =
            address(readings).call(abi.encodeCall(IReadings.attest, (period, attestation, signatures)));
        assertFalse(ok, "refused");
        bytes4 selector = bytes4(reason);
        assertTrue(
            selector == IRoles.RolesMissing.selector || selector == IRoles.RolesSignersUnordered.selector, "reason"
        );
    }

    function test_attest__byAnyone__records(address sender, uint64 late) public {
        _warp(END + bound(late, 0, ATTEST));
        Attestation memory a = _attestation(FIRST_MTU, 0);
        bytes32 structHash = Hashes.attestation(a);
        bytes[] memory signatures = _quorum(_digest(readings.domainSeparator(), structHash));
        bytes32 root = Hashes.readingsLink(0, a.mtu, 0, a.root, a.count, a.importWh, a.exportWh);

        vm.expectEmit();
        emit IReadings.ReadingsAttested(AREA, a.mtu, 0, a.root, a.count, a.importWh, a.exportWh, root, signatures);
        vm.prank(sender);
        readings.attest(period, a, signatures);

        assertEq(readings.readingsRoot(AREA, period), root, "running root");
        assertEq(readings.resolvedCount(AREA, period), 1, "resolved");
        assertEq(uint256(readings.readingOf(AREA, FIRST_MTU).revisions), 1, "revisions");
        assertEq(readings.readingOf(AREA, FIRST_MTU).root, a.root, "root");
        assertEq(uint256(readings.readingOf(AREA, FIRST_MTU).count), uint256(a.count), "count");
    }

    function test_attest__correction__countsOnce() public {
        _attest(FIRST_MTU, 0);
        bytes32 before = readings.readingsRoot(AREA, period);
        _attest(FIRST_MTU, 1);
        assertEq(readings.resolvedCount(AREA, period), 1, "once");
        assertTrue(readings.readingsRoot(AREA, period) != before, "root moved");
        assertEq(uint256(readings.readingOf(AREA, FIRST_MTU).revisions), 2, "revisions");
    }
}
