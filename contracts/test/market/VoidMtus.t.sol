// SPDX-License-Identifier: UNLICENSED
pragma solidity 0.8.37;

import {IMarket, MtuState} from "../../src/interfaces/IMarket.sol";
import {Hashes} from "../../src/libraries/Hashes.sol";
import {Time} from "../../src/libraries/Time.sol";
import {LedgerTest} from "../base/LedgerTest.sol";
import {vm} from "../base/Vm.sol";

contract MarketVoidMtusTest is LedgerTest {
    function _void(uint32 hint, uint32 first, uint32 count) private {
        market.voidMtus(MARKET_ID, period, hint, first, count);
    }

    function test_voidMtus__rangeOutsidePeriod__reverts() public {
        vm.expectRevert(IMarket.MarketRangeInvalid.selector);
        _void(0, FIRST_MTU, 0);
        vm.expectRevert(IMarket.MarketRangeInvalid.selector);
        _void(0, FIRST_MTU - 1, 1);
        vm.expectRevert(IMarket.MarketRangeInvalid.selector);
        _void(0, FIRST_MTU, MTUS + 1);
    }

    function test_voidMtus__marketNotInPeriod__reverts() public {
        vm.prank(registrar);
        market.createMarket("late", _params());
        vm.expectRevert(abi.encodeWithSelector(IMarket.MarketNotInPeriod.selector, bytes32("late"), period));
        market.voidMtus("late", period, 0, FIRST_MTU, 1);
    }

    function test_voidMtus__wrongHint__reverts() public {
        _open();
        _warp(Time.startOf(FIRST_MTU + MTUS));
        vm.expectRevert(abi.encodeWithSelector(IMarket.MarketHintWrong.selector, 0, FIRST_MTU));
        _void(0, FIRST_MTU, 1);
        vm.expectRevert(abi.encodeWithSelector(IMarket.MarketHintWrong.selector, 2, FIRST_MTU));
        _void(2, FIRST_MTU, 1);
    }

    function test_voidMtus__rangeReachesIntoProgram__reverts() public {
        vm.prank(operator);
        market.openProgram(MARKET_ID, period, FIRST_MTU + 2, 1, Time.startOf(FIRST_MTU) - CLEAR);
        _warp(Time.startOf(FIRST_MTU + MTUS));
        vm.expectRevert(abi.encodeWithSelector(IMarket.MarketHintWrong.selector, 0, FIRST_MTU));
        _void(0, FIRST_MTU, 3);
        vm.expectRevert(abi.encodeWithSelector(IMarket.MarketHintWrong.selector, 1, FIRST_MTU + 2));
        _void(1, FIRST_MTU + 2, 2);
    }

    function test_voidMtus__graceRunning__reverts() public {
        _open();
        _warp(gate + GRACE);
        vm.expectRevert(abi.encodeWithSelector(IMarket.MarketTooEarly.selector, gate + GRACE + 1, gate + GRACE));
        _void(program, FIRST_MTU, 1);
    }

    function test_voidMtus__clearingWindowRunning__reverts() public {
        _open();
        _close(new uint256[](0));
        _warp(gate + CLEAR);
        vm.expectRevert(abi.encodeWithSelector(IMarket.MarketTooEarly.selector, gate + CLEAR + 1, gate + CLEAR));
        _void(program, FIRST_MTU, 1);
    }

    function test_voidMtus__neverOpenedButNotStarted__reverts() public {
        _warp(Time.startOf(FIRST_MTU) - 1);
        vm.expectRevert(IMarket.MarketNothingToVoid.selector);
        _void(0, FIRST_MTU, MTUS);
    }

    function test_voidMtus__allResolved__reverts() public {
        _emptyDay();
        _warp(gate + CLEAR + 1);
        vm.expectRevert(IMarket.MarketNothingToVoid.selector);
        _void(program, FIRST_MTU, MTUS);
    }

    function test_voidMtus__bookNeverClosed__voidsAll() public {
        _open();
        _warp(gate + GRACE + 1);
        bytes32 root = 0;
        for (uint32 i = 0; i < MTUS; ++i) {
            root = Hashes.clearingLink(root, MARKET_ID, FIRST_MTU + i, 0);
            vm.expectEmit();
            emit IMarket.MtuVoided(MARKET_ID, FIRST_MTU + i, root);
        }
        _void(program, FIRST_MTU, MTUS);
        assertEq(market.clearingRoot(AREA, period), root, "root");
        assertEq(market.resolvedCount(AREA, period), MTUS, "resolved");
        assertTrue(market.stateOf(MARKET_ID, FIRST_MTU) == MtuState.Void, "void");
        assertEq(int256(market.resultOf(MARKET_ID, FIRST_MTU).priceNeurPerWh), Hashes.NO_PRICE, "no price");
    }

    function test_voidMtus__someCleared__passesThemOver() public {
        uint256[] memory none = new uint256[](0);
        _ready(Hashes.NO_PRICE, none);
        _clearFirst(Hashes.NO_PRICE, none);
        _warp(gate + CLEAR + 1);
        _void(program, FIRST_MTU, MTUS);
        assertTrue(market.stateOf(MARKET_ID, FIRST_MTU) == MtuState.Cleared, "cleared stays");
        assertTrue(market.stateOf(MARKET_ID, FIRST_MTU + 1) == MtuState.Void, "the rest is void");
        assertEq(market.resolvedCount(AREA, period), MTUS, "each counts once");
    }

    function test_voidMtus__neverOpened__voidsWhatHasStarted(uint32 started) public {
        started = uint32(bound(started, 1, MTUS));
        _warp(Time.startOf(FIRST_MTU + started - 1));
        _void(0, FIRST_MTU, MTUS);
        assertEq(market.resolvedCount(AREA, period), started, "started ones");
        assertTrue(market.stateOf(MARKET_ID, FIRST_MTU + started - 1) == MtuState.Void, "last started");
    }

    function test_voidMtus__behindAProgram__voids() public {
        vm.prank(operator);
        market.openProgram(MARKET_ID, period, FIRST_MTU, 2, Time.startOf(FIRST_MTU) - CLEAR);
        _warp(Time.startOf(FIRST_MTU + MTUS));
        _void(1, FIRST_MTU + 2, 2);
        assertEq(market.resolvedCount(AREA, period), 2, "those behind it");
    }
}
