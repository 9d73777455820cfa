// SPDX-License-Identifier: UNLICENSED
pragma solidity 0.8.37;

import {IAccounts} from "../../src/interfaces/IAccounts.sol";
import {IGuarantees} from "../../src/interfaces/IGuarantees.sol";
import {Hashes} from "../../src/libraries/Hashes.sol";
import {Merkle} from "../base/Merkle.sol";
import {MoneyTest} from "../base/MoneyTest.sol";
import {vm} from "../base/Vm.sol";

/// @notice guarantee: lines come from free balance, with both parties' word, and in time.
contract GuaranteesGuaranteeTest is MoneyTest {
    uint256 private constant OTHER_KEY = 0xC4;

    function setUp() public override {
        super.setUp();
        _deposit(retailer, 100, "retailer");
        _deposit(successor, 100, "another one");
        _bind(household);
    }

    function line(uint256 byKey, uint256 forKey, uint64 credit, uint64 nonce) external {
        _line(byKey, forKey, credit, nonce);
    }

    function _refused(uint256 byKey, uint256 forKey, uint64 credit, uint64 nonce, bytes memory error_) private {
        vm.expectRevert(error_);
        this.line(byKey, forKey, credit, nonce);
    }

    /// @dev Settles the only period that is declared.
    function _settledDay() private {
        _emptyDay();
        _attestAll();
        _settle(0, new uint256[](0));
    }

    /* REVERTS */

    function test_guarantee__afterItsDeadline__reverts() public {
        bytes32 structHash = Hashes.guarantee(retailer, household, 1, 1, T0 - 1);
        bytes memory signature = _signed(RETAILER_KEY, structHash);
        vm.expectRevert(abi.encodeWithSelector(IGuarantees.GuaranteesTooLate.selector, T0 - 1, T0));
        guarantees.guarantee(retailer, household, 1, 1, T0 - 1, signature, "");
    }

    function test_guarantee__replacedKeys__reverts() public {
        _guarantee(5, 1);
        _replace(RETAILER_KEY, OTHER_KEY);
        bytes memory replaced = abi.encodeWithSelector(IAccounts.AccountsReplaced.selector, retailer, vm.addr(OTHER_KEY));
        _refused(RETAILER_KEY, HOUSEHOLD_KEY, 50, 2, replaced);
        _refused(SUCCESSOR_KEY, RETAILER_KEY, 50, 2, replaced);
    }

    function test_guarantee__nonceNotRising__reverts(uint64 last, uint64 next) public {
        last = uint64(bound(last, 1, guarantees.NONCE_STEP_MAX()));
        next = uint64(bound(next, 0, last));
        _guarantee(5, last);
        bytes memory used = abi.encodeWithSelector(IGuarantees.GuaranteesNonceUsed.selector, last, next);
        _refused(RETAILER_KEY, HOUSEHOLD_KEY, 6, next, used);
    }

    function test_guarantee__nonceFarOn__reverts(uint64 nonce) public {
        nonce = uint64(bound(nonce, guarantees.NONCE_STEP_MAX() + 1, type(uint64).max));
        bytes memory far = abi.encodeWithSelector(IGuarantees.GuaranteesNonceFar.selector, 0, nonce);
        _refused(RETAILER_KEY, HOUSEHOLD_KEY, 1, nonce, far);
    }

    function test_guarantee__withoutTheGuarantor__reverts() public {
        bytes memory own = _signed(HOUSEHOLD_KEY, Hashes.guarantee(retailer, household, 1, 1, NEVER));
        vm.expectRevert(abi.encodeWithSelector(IGuarantees.GuaranteesSignerWrong.selector, retailer, household));
        guarantees.guarantee(retailer, household, 1, 1, NEVER, own, own);
    }

    function test_guarantee__firstWithoutTheAccount__reverts(address sender) public {
        bytes memory given = _signed(RETAILER_KEY, Hashes.guarantee(retailer, household, 1, 1, NEVER));
        vm.expectRevert(abi.encodeWithSelector(IGuarantees.GuaranteesSignerWrong.selector, household, retailer));
        vm.prank(sender);
        guarantees.guarantee(retailer, household, 1, 1, NEVER, given, given);
    }

    function test_guarantee__anotherOneWithoutTheAccount__reverts() public {
        _guarantee(10, 1);
        bytes memory given = _signed(SUCCESSOR_KEY, Hashes.guarantee(successor, household, 100, 1, NEVER));
        vm.expectRevert(abi.encodeWithSelector(IGuarantees.GuaranteesSignerWrong.selector, household, successor));
        vm.prank(operator);
        guarantees.guarantee(successor, household, 100, 1, NEVER, given, given);
    }

    function test_guarantee__setLineByOthers__reverts(address sender) public {
        vm.assume(sender != address(guarantees));
        vm.startPrank(sender);
        bytes memory wrong = abi.encodeWithSelector(IAccounts.AccountsCallerWrong.selector, sender);
        vm.expectRevert(wrong);
        accounts.setLine(retailer, household, 1);
        vm.expectRevert(wrong);
        accounts.lowerLine(household, 1, 1);
        vm.expectRevert(wrong);
        accounts.cover(retailer, household, 1, 1);
        vm.expectRevert(wrong);
        accounts.replace(retailer, household);
        vm.stopPrank();
    }

    function test_guarantee__moreThanIsFree__reverts() public {
        _guarantee(60, 1);
        _request(RETAILER_KEY, 10, "out");
        bytes memory low = abi.encodeWithSelector(IAccounts.AccountsBalanceLow.selector, retailer, -1, 0);
        _refused(RETAILER_KEY, OTHER_KEY, 31, 1, low);
        _refused(RETAILER_KEY, HOUSEHOLD_KEY, 91, 2, low);
        _refused(RETAILER_KEY, RETAILER_KEY, 31, 1, low);
    }

    function test_guarantee__lessThanTheDebtThatIsThere__takesTheDebtFromFreeBalance() public {
        _debt(101); // nobody covers it
        _deposit(successor, 0.5e18, "more");
        bytes memory low = abi.encodeWithSelector(IAccounts.AccountsBalanceLow.selector, retailer, -1, 0);
        _refused(RETAILER_KEY, HOUSEHOLD_KEY, 1, 1, low);
        _line(SUCCESSOR_KEY, HOUSEHOLD_KEY, 1, 1);
        assertEq(accounts.accountOf(successor).givenNeur, 101, "the whole debt");
        (int256 uncovered,) = accounts.uncoveredOf(AREA);
        assertEq(uncovered, 0, "covered now");
    }

    function test_guarantee__byOneWhoHasAGuarantor__reverts() public {
        _line(SUCCESSOR_KEY, RETAILER_KEY, 10, 1);
        _refused(RETAILER_KEY, HOUSEHOLD_KEY, 1, 1, abi.encodeWithSelector(IAccounts.AccountsTied.selector, retailer));
    }

    function test_guarantee__forOneWhoGuarantees__reverts() public {
        _guarantee(1, 1);
        bytes memory tied = abi.encodeWithSelector(IAccounts.AccountsTied.selector, successor);
        _refused(SUCCESSOR_KEY, RETAILER_KEY, 1, 1, tied);
    }

    function test_guarantee__anotherOneForLess__reverts() public {
        _guarantee(10, 1);
        bytes memory low = abi.encodeWithSelector(IAccounts.AccountsLineLow.selector, household, 10);
        _refused(SUCCESSOR_KEY, HOUSEHOLD_KEY, 9, 1, low);
    }

    function test_guarantee__anotherOneWhileDebtIsOpen__reverts() public {
        _guarantee(10, 1);
        _debt(25);
        bytes memory open = abi.encodeWithSelector(IAccounts.AccountsDebtOpen.selector, household, 15);
        _refused(SUCCESSOR_KEY, HOUSEHOLD_KEY, 100, 1, open);
    }

    /* EFFECTS */

    function test_guarantee__valid__setsLine(uint64 credit) public {
        credit = uint64(bound(credit, 1, 100));
        vm.expectEmit();
        emit IGuarantees.GuaranteeSet(retailer, household, credit, 1);
        _guarantee(credit, 1);
        assertEq(accounts.accountOf(household).guarantor, retailer, "guarantor");
        assertEq(uint256(accounts.accountOf(household).creditNeur), credit, "credit");
        assertEq(accounts.accountOf(retailer).givenNeur, credit, "given");
        assertEq(accounts.freeBalanceOf(retailer), 100 - int256(uint256(credit)), "free");
        assertEq(uint256(guarantees.nonceOf(retailer, household)), 1, "nonce");
    }

    function test_guarantee__forItself__keepsItsOwnBalanceAside() public {
        _line(RETAILER_KEY, RETAILER_KEY, 60, 1);
        assertEq(accounts.accountOf(retailer).guarantor, retailer, "itself");
        assertEq(uint256(accounts.lineOf(retailer)), 60, "line");
        assertEq(accounts.freeBalanceOf(retailer), 40, "free");
        _guarantee(40, 1);
        assertEq(accounts.freeBalanceOf(retailer), 0, "also for others");
    }

    function test_guarantee__higherLineByAnyone__needsTheGuarantorAlone(address sender) public {
        _guarantee(5, 1);
        bytes memory given = _signed(RETAILER_KEY, Hashes.guarantee(retailer, household, 6, 2, NEVER));
        vm.prank(sender);
        guarantees.guarantee(retailer, household, 6, 2, NEVER, given, "");
        assertEq(uint256(accounts.lineOf(household)), 6, "line");
    }

    function test_guarantee__toZero__leavesNoGuarantor() public {
        _settledDay();
        _guarantee(10, 1);
        _guarantee(0, 2);
        assertEq(accounts.accountOf(household).guarantor, address(0), "none");
        assertEq(accounts.freeBalanceOf(retailer), 100, "free");
        _line(SUCCESSOR_KEY, HOUSEHOLD_KEY, 1, 1);
        assertEq(accounts.accountOf(household).guarantor, successor, "another one");
        _replace(HOUSEHOLD_KEY, OTHER_KEY);
        assertEq(accounts.accountOf(vm.addr(OTHER_KEY)).guarantor, successor, "goes along");
    }

    function test_guarantee__anotherOneForAsMuch__takesOver() public {
        _guarantee(10, 1);
        _line(SUCCESSOR_KEY, HOUSEHOLD_KEY, 10, 1);
        assertEq(accounts.accountOf(household).guarantor, successor, "guarantor");
        assertEq(accounts.freeBalanceOf(retailer), 100, "free again");
        assertEq(accounts.freeBalanceOf(successor), 90, "given");
    }

    function test_guarantee__byTheGuarantorsNewKey__setsLine() public {
        _settledDay();
        _guarantee(10, 1);
        _replace(RETAILER_KEY, OTHER_KEY);
        assertEq(accounts.accountOf(household).guarantor, vm.addr(OTHER_KEY), "followed its guarantor");
        _line(OTHER_KEY, HOUSEHOLD_KEY, 7, 1);
        assertEq(uint256(accounts.lineOf(household)), 7, "line");
        assertEq(accounts.freeBalanceOf(vm.addr(OTHER_KEY)), 93, "free");
    }

    /* LOWERED WHILE TRADES STAND */

    function test_guarantee__loweredWhileAPeriodIsOpen__staysLockedUntilItIsSettled() public {
        _guarantee(100, 1);
        _open();
        _guarantee(30, 2);
        assertEq(uint256(accounts.loweringOf(household).creditNeur), 30, "for new orders");
        assertEq(accounts.freeBalanceOf(retailer), 0, "locked");
        vm.expectRevert(abi.encodeWithSelector(IGuarantees.GuaranteesUnsettled.selector, period, 0));
        guarantees.release(household);

        _close(new uint256[](0));
        _recordMasked(Merkle.placesRoot(_results(Hashes.NO_PRICE, new uint256[](0))), 0, 0);
        _attestAll();
        _settle(0, _pays(80));
        assertEq(accounts.balanceOf(retailer), 180, "whole: it stood under the line");
        vm.expectEmit();
        emit IAccounts.LineSet(household, retailer, 30);
        guarantees.release(household);
        assertEq(uint256(accounts.lineOf(household)), 30, "line");
        assertEq(accounts.accountOf(retailer).givenNeur, 80, "the debt stays backed");
        vm.expectRevert(abi.encodeWithSelector(IGuarantees.GuaranteesNothingLowered.selector, household));
        guarantees.release(household);
    }

    function test_guarantee__loweredBeforeAnySession__staysLockedForWhatIsSupplied() public {
        _guarantee(100, 1);
        _warp(uint256(FIRST_MTU + 1) * 900);
        _guarantee(0, 2);
        assertEq(uint256(accounts.loweringOf(household).untilPeriod), period, "until the period is settled");
        assertEq(accounts.freeBalanceOf(retailer), 0, "locked");
        assertEq(accounts.guarantorOf(household), retailer, "answers still");
    }

    function test_guarantee__raisedAgain__takesWhatIsLockedFirst() public {
        _guarantee(100, 1);
        _open();
        _guarantee(30, 2);
        _guarantee(100, 3);
        assertEq(uint256(accounts.loweringOf(household).untilPeriod), 0, "nothing is lowered");
        assertEq(uint256(accounts.lineOf(household)), 100, "line");
        assertEq(accounts.freeBalanceOf(retailer), 0, "no more than before");
    }
}
