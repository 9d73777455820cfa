// SPDX-License-Identifier: UNLICENSED
pragma solidity 0.8.37;

import {Accounts} from "../../src/Accounts.sol";
import {Handovers} from "../../src/Handovers.sol";
import {HandoverTest, NextLedger} from "../base/HandoverTest.sol";
import {Shapes} from "../base/Shapes.sol";
import {vm} from "../base/Vm.sol";

/// @notice An area that goes on twice: from the first deployment to the second, and from there to a third.
contract HandoversTwiceTest is HandoverTest {
    /// @dev Owes without a guarantor.
    uint256 private constant DEBTOR_KEY = 0xC4;

    address private _debtor = vm.addr(DEBTOR_KEY);
    NextLedger private _thirdLedger;
    Accounts private _thirdAccounts;
    Handovers private _third;

    function setUp() public override {
        super.setUp();
        _thirdLedger = new NextLedger();
        (, _thirdAccounts, _third) = _thirdLedger.deploy(next);
    }

    /// @dev The household pays 120, of which it has 50, and the debtor 40, of which it has nothing.
    function _firstPeriod() private view returns (uint256[] memory words) {
        words = new uint256[](3);
        (words[0], words[1]) = (Shapes.settlementWord(household, -120), Shapes.settlementWord(_debtor, -40));
        if (_debtor < household) (words[0], words[1]) = (words[1], words[0]);
        words[2] = Shapes.settlementWord(successor, 160);
    }

    function _supplies() private view returns (uint256) {
        return accounts.supply() + nextAccounts.supply() + _thirdAccounts.supply();
    }

    /// @dev Whoever entered the second one goes on; what is asked for in the first two is paid there.
    function _goTwice() private {
        _fundedGuarantee(100);
        _deposit(household, 50, "household");
        _deposit(successor, 200, "successor");
        _bind(_debtor);
        _end(_firstPeriod());
        _request(SUCCESSOR_KEY, 30, "first");
        next.takeOver(household);
        next.takeOver(successor);
        assertEq(nextAccounts.balanceOf(household), -70, "debt");
        assertEq(nextAccounts.balanceOf(successor), 290, "less what is asked for and what waits");
        nextLedger.endTo(_third, _thirdLedger.parts(), FIRST_MTU + MTUS, _payment(household, successor, 20));
        nextLedger.request(SUCCESSOR_KEY, 10, "second");
        _third.takeOver(household);
        _third.takeOver(successor);
    }

    function test_takeOver__twice__debtsLinesAndBalancesGoOn() public {
        _goTwice();
        assertEq(_thirdAccounts.balanceOf(household), -90, "debt");
        assertEq(uint256(_thirdAccounts.lineOf(household)), 100, "line");
        assertEq(_thirdAccounts.guarantorOf(household), retailer, "guarantor");
        assertEq(_thirdAccounts.balanceOf(retailer), 100, "and what backs it");
        assertEq(_thirdAccounts.balanceOf(successor), 300, "balance");
        assertEq(_supplies(), 350, "as much as was paid in");
    }

    function test_takeOver__twice__redemptionsArePaidWhereTheyWereAskedFor() public {
        _goTwice();
        vm.warp(block.timestamp + CHALLENGE);
        // The first one's request expired while the second one settled its period: it is free there again.
        vm.expectPartialRevert(bytes4(keccak256("RedemptionsTooLate(uint64,uint64)")));
        redemptions.completeRedemption(successor, "first");
        redemptions.cancelRedemption(successor, "first");
        nextLedger.complete(successor, "second");
        assertEq(_supplies(), 340, "paid");
        next.takeOver(successor);
        _third.takeOver(successor);
        assertEq(_thirdAccounts.balanceOf(successor), 330, "comes after");
    }

    function test_takeOver__twice__whatWaitsInTheFirstComesOnceItIsCovered() public {
        _goTwice();
        (int256 uncovered, int256 waiting) = accounts.uncoveredOf(AREA);
        assertEq(uncovered, 40, "stays");
        assertEq(waiting, 40, "where it is owed");
        _deposit(_debtor, 40, "debt paid");
        accounts.bookSuspense(successor);
        next.takeOver(successor);
        _third.takeOver(successor);
        assertEq(_thirdAccounts.balanceOf(successor), 340, "all the way");
        assertEq(_supplies(), 390, "as much as was paid in");
    }
}
