// SPDX-License-Identifier: UNLICENSED
pragma solidity 0.8.37;

import {IAccounts} from "../../src/interfaces/IAccounts.sol";
import {IRedemptions} from "../../src/interfaces/IRedemptions.sol";
import {MoneyTest} from "../base/MoneyTest.sol";
import {Vm, vm} from "../base/Vm.sol";

contract RedemptionsCompleteRedemptionTest is MoneyTest {
    uint64 private constant READY = T0 + CHALLENGE;

    function test_completeRedemption__notRequested__reverts() public {
        vm.expectRevert(abi.encodeWithSelector(IRedemptions.RedemptionsUnknown.selector, household, bytes32("ref")));
        redemptions.completeRedemption(household, "ref");
    }

    function test_completeRedemption__challengeRunning__reverts(uint64 time) public {
        time = uint64(bound(time, T0, READY - 1));
        _deposit(household, 5, "deposit");
        _request(HOUSEHOLD_KEY, 5, "ref");
        _warp(time);
        vm.expectRevert(abi.encodeWithSelector(IRedemptions.RedemptionsTooEarly.selector, READY, time));
        redemptions.completeRedemption(household, "ref");
    }

    function test_completeRedemption__expired__reverts() public {
        _deposit(household, 5, "deposit");
        _request(HOUSEHOLD_KEY, 5, "ref");
        _warp(READY + 7 days + 1);
        vm.expectRevert(
            abi.encodeWithSelector(IRedemptions.RedemptionsTooLate.selector, READY + 7 days, READY + 7 days + 1)
        );
        redemptions.completeRedemption(household, "ref");
    }

    function test_completeRedemption__accountReplaced__reverts() public {
        _deposit(household, 5, "deposit");
        _request(HOUSEHOLD_KEY, 5, "ref");
        _replace(HOUSEHOLD_KEY, SUCCESSOR_KEY);
        _deposit(household, 5, "late");
        _warp(READY);
        vm.expectRevert(abi.encodeWithSelector(IAccounts.AccountsReplaced.selector, household, successor));
        redemptions.completeRedemption(household, "ref");
    }

    function test_completeRedemption__moneySpentMeanwhile__endsWithoutIt() public {
        _fundedGuarantee(100);
        _deposit(household, 60, "deposit");
        _request(HOUSEHOLD_KEY, 60, "ref");
        _debt(60);
        _deposit(household, 3, "more");
        vm.warp(block.timestamp + CHALLENGE);
        vm.expectEmit();
        emit IRedemptions.RedemptionCancelled(household, 60, "ref");
        vm.recordLogs();
        redemptions.completeRedemption(household, "ref");
        assertEq(vm.getRecordedLogs().length, 1, "nothing was paid, and nothing says so");
        assertEq(accounts.balanceOf(household), 3, "what came later stays");
        assertEq(uint256(redemptions.redemptionOf(household, "ref").amountNeur), 0, "done");
        _request(HOUSEHOLD_KEY, 3, "again");
    }

    function test_completeRedemption__debitedAndCreditedMeanwhile__paysWhatWasThereAllTheTime(uint96 debit, uint96 credit)
        public
    {
        debit = uint96(bound(debit, 0, 100));
        credit = uint96(bound(credit, 1, 1e15));
        _deposit(household, 100, "deposit");
        _request(HOUSEHOLD_KEY, 70, "ref");
        if (debit != 0) _debt(debit);
        _deposit(household, credit, "later");
        uint256 left = debit <= 30 ? 70 : 100 - debit;
        (, uint256 reserved) = accounts.reservationOf(household);
        assertEq(reserved, left, "for good");
        vm.warp(block.timestamp + CHALLENGE);
        redemptions.completeRedemption(household, "ref");
        assertEq(accounts.supply(), 100 + uint256(credit) - left, "paid");
        assertEq(accounts.freeBalanceOf(household), int256(accounts.balanceOf(household)), "nothing reserved");
    }

    function test_completeRedemption__debitLeavesJustWhatWasAsked__cutsNothing() public {
        _deposit(household, 100, "deposit");
        _request(HOUSEHOLD_KEY, 70, "ref");
        vm.recordLogs();
        _debt(30);
        Vm.Log[] memory logs = vm.getRecordedLogs();
        for (uint256 i = 0; i < logs.length; ++i) {
            assertTrue(logs[i].topics[0] != IAccounts.ReservationCut.selector, "nothing is said to be cut");
        }
        (, uint256 reserved) = accounts.reservationOf(household);
        assertEq(reserved, 70, "all of it");
    }

    function test_completeRedemption__twoRequestsCut__shareWhatIsLeftInTheOrderOfAsking() public {
        _deposit(household, 100, "deposit");
        _request(HOUSEHOLD_KEY, 40, "first");
        _request(HOUSEHOLD_KEY, 60, "second");
        _debt(50);
        _deposit(household, 1000, "later");
        vm.warp(block.timestamp + CHALLENGE);
        redemptions.completeRedemption(household, "second");
        redemptions.completeRedemption(household, "first");
        assertEq(accounts.balanceOf(household), 1000, "fifty in all");
    }

    function test_completeRedemption__pagesOpen__debitsCountAtOnce() public {
        _deposit(household, 100, "deposit");
        _request(HOUSEHOLD_KEY, 100, "ref");
        _bind(household);
        _bind(retailer);
        _emptyDay();
        _attestAll();
        uint256[] memory words = _payment(household, retailer, 30);
        bytes32[] memory hashes = new bytes32[](2);
        (hashes[0], hashes[1]) = (keccak256(abi.encodePacked(words[0])), keccak256(abi.encodePacked(words[1])));
        settlement.settle(_settlementTarget(0, 0), hashes, _alone(words[0]), _settlementSignatures(0, hashes));
        vm.warp(block.timestamp + CHALLENGE);
        settlement.abandonSettlement(AREA);
        redemptions.completeRedemption(household, "ref");
        assertEq(accounts.balanceOf(household), 30, "the rest asks again, its own window runs");
    }

    function _alone(uint256 word) private pure returns (uint256[] memory words) {
        words = new uint256[](1);
        words[0] = word;
    }

    function test_completeRedemption__twice__reverts() public {
        _deposit(household, 10, "deposit");
        _request(HOUSEHOLD_KEY, 5, "ref");
        _warp(READY);
        redemptions.completeRedemption(household, "ref");
        vm.expectPartialRevert(IRedemptions.RedemptionsUnknown.selector);
        redemptions.completeRedemption(household, "ref");
    }

    function test_completeRedemption__inThePauseByAnyone__burns(address sender, uint96 balance, uint96 asked) public {
        balance = uint96(bound(balance, 1, 1e18));
        asked = uint96(bound(asked, 1, balance));
        _deposit(household, balance, "deposit");
        _request(HOUSEHOLD_KEY, asked, "ref");
        _warp(READY);
        vm.prank(security);
        roles.pause();
        vm.expectEmit();
        emit IRedemptions.Redeemed(household, asked, "ref");
        vm.prank(sender);
        redemptions.completeRedemption(household, "ref");
        assertEq(accounts.balanceOf(household), int256(uint256(balance)) - int256(uint256(asked)), "balance");
        assertEq(accounts.freeBalanceOf(household), accounts.balanceOf(household), "nothing reserved");
        assertEq(accounts.supply(), balance - asked, "supply");
        assertEq(uint256(redemptions.redemptionOf(household, "ref").amountNeur), 0, "done");
    }

    function test_completeRedemption__calledMeanwhile__burnsWhatIsNotGiven() public {
        _fundedGuarantee(40);
        _deposit(retailer, 60, "more");
        _request(RETAILER_KEY, 60, "ref");
        _bind(successor);
        _emptyDay();
        _attestAll();
        _settle(0, _payment(household, successor, 70)); // 30 beyond the line
        vm.warp(block.timestamp + CHALLENGE);
        redemptions.completeRedemption(retailer, "ref");
        assertEq(accounts.balanceOf(retailer), 70, "what it answers for stays");
        assertEq(uint256(redemptions.redemptionOf(retailer, "ref").amountNeur), 0, "done");
        _deposit(household, 40, "debt paid");
        assertEq(accounts.freeBalanceOf(retailer), 30, "to be asked for again");
    }

    function test_completeRedemption__wrongCredit__neverInTheSameBlock() public {
        // Asked for early or late: between a credit and its burning there is always the whole challenge window.
        _deposit(household, 100, "deposit");
        _debt(60);
        _request(RETAILER_KEY, 60, "ref");
        vm.expectPartialRevert(IRedemptions.RedemptionsTooEarly.selector);
        redemptions.completeRedemption(retailer, "ref");
        _settle(1, _payment(retailer, household, 60));
        vm.warp(block.timestamp + CHALLENGE);
        redemptions.completeRedemption(retailer, "ref");
        assertEq(accounts.supply(), 100, "nothing left");
    }
}
