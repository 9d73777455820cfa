// SPDX-License-Identifier: UNLICENSED
pragma solidity 0.8.37;

import {ISettlement} from "../../src/interfaces/ISettlement.sol";
import {PagesTest} from "../base/PagesTest.sol";
import {vm} from "../base/Vm.sol";

contract SettlementFinaliseTest is PagesTest {
    uint64 private constant HORIZON_END = uint64(FIRST_MTU + MTUS) * 900 + HORIZON;

    function _settleFirst() private {
        _settle(0, _payment(address(1), address(2), 40));
    }

    function test_finalise__neverSettled__reverts() public {
        vm.expectRevert(abi.encodeWithSelector(ISettlement.SettlementNone.selector, AREA, period));
        settlement.finalise(AREA, period);
    }

    function test_finalise__twice__reverts() public {
        _settleFirst();
        _warp(HORIZON_END + 1);
        settlement.finalise(AREA, period);
        vm.expectRevert(abi.encodeWithSelector(ISettlement.SettlementFinal.selector, AREA, period));
        settlement.finalise(AREA, period);
    }

    function test_finalise__correctionOpenBetweenItsPages__reverts() public {
        _settleFirst();
        _warp(HORIZON_END);
        _prepare(1, 1);
        _send(1, 0);
        _warp(HORIZON_END + 1);
        vm.expectRevert(abi.encodeWithSelector(ISettlement.SettlementBusy.selector, settlement.openSettlement(AREA).id));
        settlement.finalise(AREA, period);
        _send(1, 1);
        settlement.finalise(AREA, period);
        assertEq(uint256(settlement.settlementOf(AREA, period).revisions), 2, "the correction counts");
    }

    function test_finalise__horizonRunning__reverts(uint64 time) public {
        _settleFirst();
        time = uint64(bound(time, _now(), HORIZON_END));
        _warp(time);
        vm.expectRevert(abi.encodeWithSelector(ISettlement.SettlementTooEarly.selector, HORIZON_END + 1, time));
        settlement.finalise(AREA, period);
    }

    /// @dev Each settlement counts on 16 periods; what is left would wait for ever in an area that settles no more.
    function test_finalise__manyPeriodsSettledBeforeALateOne__countsThemOn() public {
        for (uint32 p = 2; p <= 20; ++p) {
            vm.prank(operator);
            calendar.declarePeriod(AREA, FIRST_MTU + MTUS + p - 2, 1);
        }
        _warp(uint64(FIRST_MTU + MTUS + 20) * 900 + ATTEST + 1);
        for (period = 2; period <= 20; ++period) {
            readings.markUnread(AREA, period, FIRST_MTU + MTUS + period - 2, 1);
            _settle(0, new uint256[](0));
        }
        period = 1;
        _settleFirst();
        assertEq(uint256(settlement.settledThrough(AREA)), 16, "a few at a time");
        _warp(_now() + HORIZON + 1);
        settlement.finalise(AREA, 1);
        assertEq(uint256(settlement.settledThrough(AREA)), 20, "all");
    }

    function test_finalise__byAnyone__endsCorrections(address sender) public {
        _settleFirst();
        _warp(HORIZON_END + 1);
        vm.expectEmit();
        emit ISettlement.PeriodFinalised(AREA, period);
        vm.prank(sender);
        settlement.finalise(AREA, period);
        assertTrue(settlement.settlementOf(AREA, period).isFinal, "final");
    }
}
