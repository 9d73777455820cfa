// SPDX-License-Identifier: UNLICENSED
pragma solidity 0.8.37;

import {IAccounts} from "../../src/interfaces/IAccounts.sol";
import {ISuccessions} from "../../src/interfaces/ISuccessions.sol";
import {Hashes} from "../../src/libraries/Hashes.sol";
import {MoneyTest} from "../base/MoneyTest.sol";
import {PagesTest} from "../base/PagesTest.sol";
import {vm} from "../base/Vm.sol";

contract SuccessionsReplaceAccountTest is MoneyTest {
    uint256 private constant OTHER_KEY = 0xC4;

    function setUp() public override {
        super.setUp();
        _bind(household);
    }

    function _signatures(address to, uint256 toKey) private view returns (bytes memory, bytes memory) {
        bytes32 structHash = Hashes.accountReplacement(household, to, NEVER);
        return (_yields(HOUSEHOLD_KEY, structHash), _yields(toKey, structHash));
    }

    function _replace() private {
        _replace(HOUSEHOLD_KEY, SUCCESSOR_KEY);
    }

    function test_replaceAccount__byItself__reverts() public {
        vm.expectRevert(abi.encodeWithSelector(ISuccessions.SuccessionsAddressInvalid.selector, household));
        successions.replaceAccount(household, household, NEVER, "", "");
    }

    function test_replaceAccount__oneSignatureMissing__reverts() public {
        (bytes memory from, bytes memory to) = _signatures(successor, SUCCESSOR_KEY);
        vm.expectRevert(abi.encodeWithSelector(ISuccessions.SuccessionsSignerWrong.selector, household, successor));
        successions.replaceAccount(household, successor, NEVER, to, to);
        vm.expectRevert(abi.encodeWithSelector(ISuccessions.SuccessionsSignerWrong.selector, successor, household));
        successions.replaceAccount(household, successor, NEVER, from, from);
    }

    function _notFresh() private {
        (bytes memory from, bytes memory to) = _signatures(successor, SUCCESSOR_KEY);
        vm.expectRevert(abi.encodeWithSelector(IAccounts.AccountsSuccessorInvalid.selector, household, successor));
        successions.replaceAccount(household, successor, NEVER, from, to);
    }

    function test_replaceAccount__successorInDebt__reverts() public {
        _bind(successor);
        _bind(retailer);
        _emptyDay();
        _attestAll();
        _settle(0, _payment(successor, retailer, 5));
        _notFresh();
    }

    function test_replaceAccount__successorHasALine__reverts() public {
        _deposit(retailer, 1, "retailer");
        _line(RETAILER_KEY, SUCCESSOR_KEY, 1, 1);
        _notFresh();
    }

    function test_replaceAccount__successorIsGuarantor__reverts() public {
        _deposit(successor, 1, "successor");
        _line(SUCCESSOR_KEY, RETAILER_KEY, 1, 1);
        _notFresh();
    }

    function test_replaceAccount__successorWasReplaced__reverts() public {
        _replace(SUCCESSOR_KEY, OTHER_KEY);
        _notFresh();
    }

    function test_replaceAccount__successorOfAnother__reverts() public {
        _replace(OTHER_KEY, SUCCESSOR_KEY);
        _notFresh();
    }

    function test_replaceAccount__strayCredit__doesNotBlock() public {
        _deposit(household, 7, "own");
        _deposit(successor, 1, "stray");
        _replace();
        assertEq(accounts.balanceOf(successor), 8, "both");
    }

    function test_replaceAccount__strayLineOfZero__doesNotBlock() public {
        _line(RETAILER_KEY, SUCCESSOR_KEY, 0, 1);
        _replace();
        assertEq(accounts.accountOf(household).successor, successor, "replaced");
        assertEq(accounts.accountOf(successor).guarantor, address(0), "the line of nobody");
    }

    function test_replaceAccount__replacedByAnother__reverts() public {
        _replace();
        (bytes memory from, bytes memory to) = _signatures(retailer, RETAILER_KEY);
        vm.expectRevert(abi.encodeWithSelector(IAccounts.AccountsReplaced.selector, household, successor));
        successions.replaceAccount(household, retailer, NEVER, from, to);
    }

    function test_replaceAccount__valid__movesAll(uint96 amount, uint64 credit) public {
        amount = uint96(bound(amount, 1, 1e18 - 1));
        credit = uint64(bound(credit, 1, 1e18 - amount));
        _deposit(household, amount, "deposit");
        _fundedGuarantee(credit);
        (bytes memory from, bytes memory to) = _signatures(successor, SUCCESSOR_KEY);
        vm.expectEmit();
        emit IAccounts.AccountReplaced(household, successor, int256(uint256(amount)));
        successions.replaceAccount(household, successor, NEVER, from, to);

        assertEq(accounts.balanceOf(household), 0, "old balance");
        assertEq(accounts.accountOf(household).successor, successor, "successor");
        assertEq(accounts.accountOf(household).guarantor, address(0), "old guarantor");
        assertEq(accounts.balanceOf(successor), int256(uint256(amount)), "balance");
        assertEq(uint256(accounts.accountOf(successor).creditNeur), credit, "credit");
        assertEq(accounts.accountOf(successor).guarantor, retailer, "guarantor");
    }

    function test_replaceAccount__again__reverts() public {
        _replace();
        (bytes memory from, bytes memory to) = _signatures(successor, SUCCESSOR_KEY);
        vm.expectRevert(abi.encodeWithSelector(IAccounts.AccountsReplaced.selector, household, successor));
        successions.replaceAccount(household, successor, NEVER, from, to);
    }

    function test_replaceAccount__afterItsDeadline__reverts() public {
        vm.expectRevert(abi.encodeWithSelector(ISuccessions.SuccessionsTooLate.selector, T0 - 1, T0));
        successions.replaceAccount(household, successor, T0 - 1, "", "");
    }

    function test_collect__whatCameLater__isMoved() public {
        _replace();
        _deposit(household, 7, "late");
        successions.collect(household);
        assertEq(accounts.balanceOf(successor), 7, "moved");
        assertEq(accounts.balanceOf(household), 0, "old");
    }

    function test_replaceAccount__debt__movesToo() public {
        _fundedGuarantee(100);
        _debt(60);
        _replace();
        assertEq(accounts.balanceOf(successor), -60, "debt");
    }

    function test_replaceAccount__debtBeyondTheLine__callsTheGuarantorEachTime() public {
        _fundedGuarantee(10);
        _deposit(retailer, 50, "more");
        _replace();
        _debt(60); // on the old account: nobody covers it until it is collected
        (int256 uncovered, int256 waiting) = accounts.uncoveredOf(AREA);
        assertEq(uncovered, 60, "uncovered");
        assertEq(waiting, 60, "the retailer's credit waits");
        vm.expectEmit();
        emit IAccounts.GuaranteeCalled(successor, retailer, 50);
        successions.collect(household);
        assertEq(accounts.balanceOf(successor), -60, "debt");
        accounts.bookSuspense(retailer);
        assertEq(accounts.balanceOf(retailer), 120, "paid");
        assertEq(accounts.freeBalanceOf(retailer), 60, "but what it answers for");
    }

    function test_replaceAccount__guarantorTwice__accountsFollow() public {
        _fundedGuarantee(10);
        _replace(RETAILER_KEY, SUCCESSOR_KEY);
        _replace(SUCCESSOR_KEY, OTHER_KEY);
        assertEq(accounts.accountOf(household).guarantor, vm.addr(OTHER_KEY), "guarantor");
        assertEq(accounts.accountOf(vm.addr(OTHER_KEY)).givenNeur, 10, "what it gives");
        _emptyDay();
        _attestAll();
        uint256[] memory words = _pays(60);
        bytes32[] memory hashes = _pageHashes(words);
        bytes[] memory signatures = _settlementSignatures(0, hashes);
        vm.expectEmit();
        emit IAccounts.GuaranteeCalled(household, vm.addr(OTHER_KEY), 50);
        settlement.settle(_settlementTarget(0, 0), hashes, words, signatures);
    }
}

/// @notice replaceAccount while pages are missing.
contract SuccessionsReplaceAccountBusyTest is PagesTest {
    function test_replaceAccount__settlementOpen__reverts() public {
        (uint256 fromKey, uint256 toKey, uint64 never) = (0xC1, 0xC3, type(uint64).max);
        (address from, address to) = (vm.addr(fromKey), vm.addr(toKey));
        _bind(from);
        _send(0, 0);
        bytes32 digest = _digest(successions.domainSeparator(), Hashes.accountReplacement(from, to, never));
        (bytes memory given, bytes memory taken) = (_sign(fromKey, digest), _sign(toKey, digest));
        vm.expectRevert(abi.encodeWithSelector(IAccounts.AccountsBusy.selector, AREA));
        successions.replaceAccount(from, to, never, given, taken);
    }
}
