// SPDX-License-Identifier: UNLICENSED
pragma solidity 0.8.37;

import {Attestation, IReadings} from "../../src/interfaces/IReadings.sol";
import {LedgerTest} from "../base/LedgerTest.sol";
import {vm} from "../base/Vm.sol";

contract ReadingsAttestManyTest is LedgerTest {
    uint64 private constant END = (uint64(FIRST_MTU) + 1) * 900;

    function test_attestMany__lengthsDiffer__reverts() public {
        vm.expectRevert(IReadings.ReadingsBatchInvalid.selector);
        readings.attestMany(period, new Attestation[](1), new bytes[][](2));
        vm.expectRevert(IReadings.ReadingsBatchInvalid.selector);
        readings.attestMany(period, new Attestation[](0), new bytes[][](0));
    }

    /// @dev Revision 0 of the first two MTUs, signed.
    function _batch() private view returns (Attestation[] memory batch, bytes[][] memory signatures) {
        batch = new Attestation[](2);
        signatures = new bytes[][](2);
        for (uint32 i = 0; i < 2; ++i) {
            batch[i] = _attestation(FIRST_MTU + i, 0);
            signatures[i] = _quorum(readings.attestationDigest(batch[i]));
        }
    }

    function test_attestMany__revisionBeyondTheNext__reverts() public {
        _warp(END + 900);
        (Attestation[] memory batch, bytes[][] memory signatures) = _batch();
        batch[1].revision = 1;
        signatures[1] = _quorum(readings.attestationDigest(batch[1]));
        vm.expectRevert(abi.encodeWithSelector(IReadings.ReadingsRevisionWrong.selector, 0, 1));
        readings.attestMany(period, batch, signatures);
    }

    function test_attestMany__mtuNotInPeriod__reverts() public {
        _warp(END + 900);
        (Attestation[] memory batch, bytes[][] memory signatures) = _batch();
        batch[1].mtu = FIRST_MTU + MTUS;
        vm.expectRevert(
            abi.encodeWithSelector(IReadings.ReadingsMtuNotInPeriod.selector, FIRST_MTU + MTUS, period)
        );
        readings.attestMany(period, batch, signatures);
    }

    function test_attestMany__oneSentBefore__recordsTheOther(uint8 which) public {
        uint32 first = which % 2;
        _warp(END + 900);
        _attest(FIRST_MTU + first, 0);
        (Attestation[] memory batch, bytes[][] memory signatures) = _batch();
        vm.expectEmit();
        emit IReadings.ReadingsPassedOver(AREA, FIRST_MTU + first, 1, false, batch[first].root);
        readings.attestMany(period, batch, signatures);
        assertEq(readings.resolvedCount(AREA, period), 2, "both stand");
        assertEq(uint256(readings.readingOf(AREA, FIRST_MTU + first).revisions), 1, "once");
        assertEq(readings.readingOf(AREA, FIRST_MTU + 1 - first).root, batch[1 - first].root, "the other one");
    }

    function test_attestMany__allSentBefore__changesNothing() public {
        _warp(END + 900);
        (Attestation[] memory batch, bytes[][] memory signatures) = _batch();
        readings.attestMany(period, batch, signatures);
        bytes32 root = readings.readingsRoot(AREA, period);
        readings.attestMany(period, batch, signatures);
        assertEq(readings.readingsRoot(AREA, period), root, "as it stood");
    }

    function test_attestMany__oneTooLateOrMarked__recordsTheOther(bool marked) public {
        _warp(END + ATTEST + 1);
        if (marked) readings.markUnread(AREA, period, FIRST_MTU, 1);
        (Attestation[] memory batch, bytes[][] memory signatures) = _batch();
        vm.expectEmit();
        emit IReadings.ReadingsPassedOver(AREA, FIRST_MTU, marked ? 1 : 0, marked, 0);
        readings.attestMany(period, batch, signatures);
        assertEq(uint256(readings.readingOf(AREA, FIRST_MTU).revisions), marked ? 1 : 0, "left alone");
        assertEq(readings.readingOf(AREA, FIRST_MTU + 1).root, batch[1].root, "in time");
    }

    function test_attestMany__wrongSignature__recordsNone() public {
        _warp(END + 900);
        (Attestation[] memory batch, bytes[][] memory signatures) = _batch();
        (batch[1].count, batch[0].count) = (4, 3);
        (bool ok,) = address(readings).call(abi.encodeCall(IReadings.attestMany, (period, batch, signatures)));
        assertFalse(ok, "the second one is not what was signed");
        assertEq(readings.resolvedCount(AREA, period), 0, "none");
        batch[1].count = 3;
        readings.attestMany(period, batch, signatures);
        assertEq(readings.resolvedCount(AREA, period), 2, "all");
    }
}
