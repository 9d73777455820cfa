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

    function test_attestMany__batch__recordsAllOrNone() public {
        _warp(END + 900);
        Attestation[] memory batch = new Attestation[](2);
        bytes[][] memory signatures = new bytes[][](2);
        for (uint32 i = 0; i < 2; ++i) {
            batch[i] = _attestation(FIRST_MTU + i, 0);
            signatures[i] = _quorum(readings.attestationDigest(batch[i]));
        }
        (batch[1].count, batch[0].count) = (4, 3);
        (bool ok,) = address(readings).call(abi.encodeCall(IReadings.attestMany, (period, batch, signatures)));
        assertFalse(ok, "the second one is not what was signed");
        assertEq(readings.resolvedCount(AREA, period), 0, "none");
        batch[1].count = 3;
        readings.attestMany(period, batch, signatures);
        assertEq(readings.resolvedCount(AREA, period), 2, "all");
    }
}
