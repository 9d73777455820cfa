// SPDX-License-Identifier: UNLICENSED
pragma solidity 0.8.37;

import {Account, Cursor, IAccounts, Standing} from "../../src/interfaces/IAccounts.sol";
import {IHandovers} from "../../src/interfaces/IHandovers.sol";
import {HandoverTest} from "../base/HandoverTest.sol";
import {vm} from "../base/Vm.sol";

/// @notice moveOut and takeOver: what is burnt here is minted there, and nothing goes without what backs it.
contract HandoversTakeOverTest is HandoverTest {
    function _refused(bytes memory reason) private {
        vm.expectRevert(reason);
        next.takeOver(household);
    }

    function _standing(int256 balance) private pure returns (Standing memory) {
        return Standing({area: AREA, guarantor: address(0), creditNeur: 0, balanceNeur: balance, backingNeur: 0});
    }

    function test_takeOver__firstOfItsKind__reverts() public {
        vm.expectRevert(
            abi.encodeWithSelector(IHandovers.HandoversSuccessorInvalid.selector, address(handovers))
        );
        handovers.takeOver(household);
    }

    function test_takeOver__notAgreed__reverts() public {
        _deposit(household, 10, "money");
        _refused(abi.encodeWithSelector(IHandovers.HandoversElsewhere.selector, AREA, address(0)));
    }

    function test_moveOut__byAnyoneElse__reverts(address sender) public {
        vm.assume(sender != address(next));
        _deposit(household, 10, "money");
        _end();
        vm.expectRevert(abi.encodeWithSelector(IHandovers.HandoversElsewhere.selector, AREA, address(next)));
        vm.prank(sender);
        handovers.moveOut(household);
    }

    function test_takeOver__beforeEffect__reverts() public {
        _deposit(household, 10, "money");
        _agree();
        uint64 effectiveAt = handovers.agreementOf(AREA).effectiveAt;
        _warp(effectiveAt - 1);
        _refused(abi.encodeWithSelector(IHandovers.HandoversTooEarly.selector, effectiveAt, effectiveAt - 1));
    }

    function test_takeOver__notFinal__reverts() public {
        _deposit(household, 10, "money");
        _agree();
        _emptyDay();
        _attestAll();
        _settle(0, new uint256[](0));
        vm.warp(block.timestamp + HORIZON + 1);
        _refused(abi.encodeWithSelector(IHandovers.HandoversNotFinal.selector, uint32(0), uint32(1)));
    }

    function test_takeOver__notBound__reverts() public {
        _end();
        _refused(abi.encodeWithSelector(IHandovers.HandoversElsewhere.selector, bytes32(0), address(0)));
    }

    function test_takeOver__nothingThere__reverts() public {
        _bind(household);
        _end();
        _refused(abi.encodeWithSelector(IHandovers.HandoversNothing.selector, household));
    }

    function test_takeOver__replaced__reverts() public {
        _deposit(household, 10, "money");
        _replace(HOUSEHOLD_KEY, SUCCESSOR_KEY);
        _end();
        _refused(abi.encodeWithSelector(IAccounts.AccountsReplaced.selector, household, successor));
        next.takeOver(successor);
        assertEq(nextAccounts.balanceOf(successor), 10, "with the successor");
    }

    function test_takeOver__lineFalling__waitsForItsRelease() public {
        _fundedGuarantee(100);
        _guarantee(40, 2);
        _end();
        _refused(abi.encodeWithSelector(IHandovers.HandoversLineFalling.selector, household));
        guarantees.release(household);
        next.takeOver(household);
        assertEq(uint256(nextAccounts.lineOf(household)), 40, "the lower line");
    }

    function test_takeOver__debtNobodyBacks__staysUntilItIsPaid() public {
        _end_debt(70);
        _refused(
            abi.encodeWithSelector(IHandovers.HandoversBackingMissing.selector, household, int256(70))
        );
        _deposit(household, 70, "paid");
        accounts.bookSuspense(retailer);
        next.takeOver(retailer);
        assertEq(nextAccounts.balanceOf(retailer), 70, "what waited goes, too");
    }

    function test_takeOver__guarantorCalled__staysUntilItPays() public {
        _fundedGuarantee(100);
        _bind(successor);
        _end(_payment(household, successor, 150));
        _refused(abi.encodeWithSelector(IHandovers.HandoversBackingMissing.selector, retailer, int256(50)));
        _deposit(retailer, 50, "pays");
        next.takeOver(household);
        assertEq(nextAccounts.balanceOf(household), -150, "debt");
        assertEq(nextAccounts.balanceOf(retailer), 150, "and what backs it");
        assertEq(nextAccounts.accountOf(retailer).givenNeur, 150, "given");
        assertEq(uint256(nextAccounts.lackingOf(household)), 50, "called");
        assertEq(nextAccounts.guarantorOf(household), retailer, "guarantor");
        assertEq(accounts.guarantorOf(household), address(0), "none here");
        assertEq(accounts.accountOf(retailer).givenNeur, 0, "nothing given here");
    }

    function test_takeOver__creditWaitedForItsLastPage__guarantorBacksNoMoreThanIsOwed() public {
        _fundedGuarantee(100);
        _bind(successor);
        _end(_payment(household, successor, 150));
        _deposit(retailer, 50, "pays");
        _correct(_payment(successor, household, 30));
        assertEq(uint256(accounts.lackingOf(household)), 50, "as counted when the batch was open");
        next.takeOver(household);
        assertEq(nextAccounts.balanceOf(household), -120, "debt");
        assertEq(nextAccounts.balanceOf(retailer), 120, "and what backs it");
        assertEq(accounts.freeBalanceOf(retailer), 30, "free here");
    }

    /// @dev What the pages of a correction do, all of them at once.
    function _correct(uint256[] memory words) private {
        Cursor memory cursor;
        vm.startPrank(address(settlement));
        uint32 batch = accounts.openBatch(AREA);
        accounts.book(AREA, batch, cursor, words);
        accounts.closeBatch(AREA, true);
        vm.stopPrank();
    }

    function test_takeOver__otherAreaThere__reverts() public {
        _deposit(household, 10, "money");
        vm.startPrank(registrar);
        nextCalendar.createArea("other", calendar.areaOf(AREA));
        nextAccounts.bindAccount(household, "other");
        vm.stopPrank();
        _end();
        _refused(abi.encodeWithSelector(IHandovers.HandoversAreaWrong.selector, household, bytes32("other")));
        _request(HOUSEHOLD_KEY, 10, "redeems here");
    }

    function test_takeOver__otherGuarantorThere__reverts() public {
        _fundedGuarantee(100);
        vm.startPrank(registrar);
        nextAccounts.bindAccount(household, AREA);
        nextAccounts.bindAccount(successor, AREA);
        vm.stopPrank();
        vm.prank(treasurer);
        nextAccounts.deposit(successor, 5, "there");
        nextLedger.line(SUCCESSOR_KEY, HOUSEHOLD_KEY, 5, 1);
        _end();
        _refused(abi.encodeWithSelector(IHandovers.HandoversTied.selector, household, successor));
    }

    function test_takeOver__guarantorBecameTheHolder__losesNothing() public {
        _fundedGuarantee(100);
        _deposit(retailer, 200, "more");
        _end();
        next.takeOver(retailer);
        nextLedger.replace(RETAILER_KEY, HOUSEHOLD_KEY);
        int256 before = nextAccounts.balanceOf(household);
        next.takeOver(household);
        assertEq(nextAccounts.balanceOf(household), before + 100, "what backed the line");
        assertEq(nextAccounts.balanceOf(household), int256(nextAccounts.supply()), "all there is");
        assertEq(nextAccounts.guarantorOf(household), household, "its own line");
        assertEq(uint256(nextAccounts.lineOf(household)), 100, "line");
    }

    function _end_debt(uint96 amount) private {
        _bind(household);
        _bind(retailer);
        _end(_pays(amount));
    }

    function test_takeOver__balance__burntHereMintedThere(address sender, uint96 amount) public {
        amount = uint96(bound(amount, 1, 1e18));
        _deposit(household, amount, "money");
        _end();
        vm.expectEmit();
        emit IHandovers.AccountLeft(household, AREA, address(next), _standing(int256(uint256(amount))));
        vm.expectEmit();
        emit IHandovers.AccountTakenOver(household, household, address(handovers), _standing(int256(uint256(amount))));
        vm.prank(sender);
        next.takeOver(household);
        assertEq(accounts.balanceOf(household), 0, "nothing here");
        assertEq(nextAccounts.balanceOf(household), int256(uint256(amount)), "there");
        assertEq(nextAccounts.areaOf(household), AREA, "bound");
        assertEq(accounts.supply(), 0, "burnt");
        assertEq(nextAccounts.supply(), amount, "minted");
        _refused(abi.encodeWithSelector(IHandovers.HandoversNothing.selector, household));
    }

    function test_takeOver__lineAndGuarantor__goWithTheirBacking() public {
        _deposit(retailer, 500, "retailer");
        _guarantee(100, 1);
        _bind(household);
        _end(_pays(30));
        next.takeOver(household);
        Account memory there = nextAccounts.accountOf(household);
        assertEq(there.balanceNeur, -30, "debt");
        assertEq(uint256(there.creditNeur), 100, "line");
        assertEq(there.guarantor, retailer, "guarantor");
        assertEq(nextAccounts.balanceOf(retailer), 100, "backing");
        assertEq(nextAccounts.freeBalanceOf(retailer), 0, "all of it given");
        assertEq(accounts.freeBalanceOf(retailer), 430, "free here as before");
        assertEq(accounts.accountOf(household).guarantor, address(0), "nobody's line here");
        next.takeOver(retailer);
        assertEq(nextAccounts.balanceOf(retailer), 530, "the rest");
        assertEq(nextAccounts.freeBalanceOf(retailer), 430, "free there");
        assertEq(accounts.supply(), 0, "nothing left");
    }

    function test_takeOver__guarantorFirst__leavesWhatItGives() public {
        _deposit(retailer, 500, "retailer");
        _guarantee(100, 1);
        _end();
        next.takeOver(retailer);
        assertEq(accounts.balanceOf(retailer), 100, "what it gives stays");
        assertEq(accounts.freeBalanceOf(retailer), 0, "and is not free");
        next.takeOver(household);
        assertEq(nextAccounts.balanceOf(retailer), 500, "all");
        assertEq(nextAccounts.freeBalanceOf(retailer), 400, "free");
    }

    function test_takeOver__ownLine__goesAlong() public {
        _deposit(household, 100, "money");
        _line(HOUSEHOLD_KEY, HOUSEHOLD_KEY, 60, 1);
        _end();
        next.takeOver(household);
        assertEq(uint256(nextAccounts.lineOf(household)), 60, "line");
        assertEq(nextAccounts.guarantorOf(household), household, "its own");
        assertEq(nextAccounts.freeBalanceOf(household), 40, "free");
        assertEq(uint256(accounts.lineOf(household)), 0, "none here");
    }

    function test_takeOver__ownLineUsedUp__goesAsFarAsItsBalance() public {
        _deposit(household, 100, "money");
        _line(HOUSEHOLD_KEY, HOUSEHOLD_KEY, 60, 1);
        _bind(retailer);
        _end(_pays(70));
        next.takeOver(household);
        assertEq(uint256(nextAccounts.lineOf(household)), 30, "line");
        assertEq(nextAccounts.balanceOf(household), 30, "balance");
    }

    function test_takeOver__openRedemption__staysAndIsPaidHere() public {
        _deposit(household, 100, "money");
        _end();
        _request(HOUSEHOLD_KEY, 30, "cash");
        next.takeOver(household);
        assertEq(nextAccounts.balanceOf(household), 70, "the rest");
        vm.warp(block.timestamp + CHALLENGE);
        redemptions.completeRedemption(household, "cash");
        assertEq(accounts.supply(), 0, "paid here");
        assertEq(nextAccounts.supply(), 70, "untouched there");
    }

    function test_takeOver__redemptionCancelled__followsLater() public {
        _deposit(household, 100, "money");
        _end();
        _request(HOUSEHOLD_KEY, 30, "cash");
        next.takeOver(household);
        vm.prank(household);
        redemptions.cancelRedemption(household, "cash");
        next.takeOver(household);
        assertEq(nextAccounts.balanceOf(household), 100, "all");
    }

    function test_takeOver__replacedThereMeanwhile__goesToTheSuccessor() public {
        _deposit(household, 100, "money");
        _end();
        next.takeOver(household);
        _deposit(household, 7, "later");
        nextLedger.replace(HOUSEHOLD_KEY, SUCCESSOR_KEY);
        next.takeOver(household);
        assertEq(nextAccounts.balanceOf(successor), 107, "both");
        assertEq(nextAccounts.balanceOf(household), 0, "none at the old key");
    }

    function test_takeOver__debitWaits__isBookedFirst() public {
        _deposit(household, 100, "money");
        _end();
        address suspense = accounts.suspenseOf(household, AREA);
        vm.mockCall(
            address(accounts), abi.encodeWithSelector(accounts.balanceOf.selector, suspense), abi.encode(int256(-1))
        );
        _refused(abi.encodeWithSelector(IHandovers.HandoversDebitWaits.selector, household, int256(-1)));
    }
}
