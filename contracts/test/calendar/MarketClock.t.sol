// SPDX-License-Identifier: UNLICENSED
pragma solidity 0.8.37;

import {Calendar} from "../../src/Calendar.sol";
import {Readings} from "../../src/Readings.sol";
import {AreaParams} from "../../src/interfaces/ICalendar.sol";
import {IMarket} from "../../src/interfaces/IMarket.sol";
import {Attestation, IReadings} from "../../src/interfaces/IReadings.sol";
import {IRedemptions} from "../../src/interfaces/IRedemptions.sol";
import {ISettlement} from "../../src/interfaces/ISettlement.sol";
import {Time} from "../../src/libraries/Time.sol";
import {MoneyTest} from "../base/MoneyTest.sol";
import {staying} from "../base/Staying.sol";
import {vm} from "../base/Vm.sol";

/// @notice Every contract reads market time, here 60 times as fast as block time: one second after a deadline is far too late.
contract MarketClockTest is MoneyTest {
    uint32 private constant SPEED = 60;

    /// @dev Outlasts a change of roles, which takes block time.
    uint32 private constant LONG_CHALLENGE = DELAY * SPEED + 1 days;

    function setUp() public override {
        super.setUp();
        calendar = new Calendar(roles, staying(), T0, BLOCK_T0, SPEED);
        _deployMarket();
        readings = new Readings(roles, calendar);
        _deployMoney(LONG_CHALLENGE, PAGE_WINDOW);
        vm.startPrank(registrar);
        calendar.createArea(AREA, AreaParams({attestSeconds: ATTEST, horizonSeconds: HORIZON}));
        market.createMarket(MARKET_ID, _params());
        vm.stopPrank();
        vm.prank(operator);
        period = calendar.declarePeriod(AREA, FIRST_MTU, MTUS);
    }

    /// @dev The last block at or before a market time.
    function _to(uint256 marketTime) private returns (uint64) {
        vm.warp(BLOCK_T0 + (marketTime - T0) / SPEED);
        return _now();
    }

    function test_market__gateAndGrace__inMarketTime(uint32 late) public {
        _open();
        uint64 early = _to(gate - 1);
        vm.startPrank(operator);
        vm.expectRevert(abi.encodeWithSelector(IMarket.MarketTooEarly.selector, gate, early));
        market.closeSession(MARKET_ID, gate, "root");
        uint64 over = _to(gate + GRACE + bound(late, SPEED, 1 days));
        vm.expectRevert(abi.encodeWithSelector(IMarket.MarketTooLate.selector, gate + GRACE, over));
        market.closeSession(MARKET_ID, gate, "root");
        vm.stopPrank();
        market.endSession(MARKET_ID, gate);
    }

    function test_readings__endAndDeadline__inMarketTime(uint32 late) public {
        uint64 end = Time.startOf(FIRST_MTU + 1);
        Attestation memory attestation = _attestation(FIRST_MTU, 0);
        bytes[] memory signatures = _quorum(readings.attestationDigest(attestation));
        uint64 early = _to(end - 1);
        vm.expectRevert(abi.encodeWithSelector(IReadings.ReadingsTooEarly.selector, end, early));
        readings.attest(period, attestation, signatures);
        uint64 over = _to(end + ATTEST + bound(late, SPEED, 1 days));
        vm.expectRevert(abi.encodeWithSelector(IReadings.ReadingsTooLate.selector, end + ATTEST, over));
        readings.attest(period, attestation, signatures);
        readings.markUnread(AREA, period, FIRST_MTU, 1);
    }

    function test_settlement__challengeAndExpiry__inMarketTime(uint32 late) public {
        _deposit(household, 5, "deposit");
        _request(HOUSEHOLD_KEY, 5, "ref");
        uint64 ready = redemptions.redemptionOf(household, "ref").readyAt;
        assertEq(uint256(ready), T0 + LONG_CHALLENGE, "ready");
        uint64 early = _to(ready - 1);
        vm.expectRevert(abi.encodeWithSelector(IRedemptions.RedemptionsTooEarly.selector, ready, early));
        redemptions.completeRedemption(household, "ref");
        uint64 over = _to(ready + 7 days + bound(late, SPEED, 1 days));
        vm.expectRevert(abi.encodeWithSelector(IRedemptions.RedemptionsTooLate.selector, ready + 7 days, over));
        redemptions.completeRedemption(household, "ref");
    }

    function test_settlement__endOfPeriod__inMarketTime() public {
        uint64 end = Time.startOf(FIRST_MTU + MTUS);
        uint64 early = _to(end - 1);
        uint256[] memory words = _pays(5);
        bytes32[] memory hashes = _pageHashes(words);
        bytes[] memory signatures = _settlementSignatures(0, hashes);
        vm.expectRevert(abi.encodeWithSelector(ISettlement.SettlementTooEarly.selector, end, early));
        settlement.settle(_settlementTarget(0, 0), hashes, words, signatures);
    }
}
