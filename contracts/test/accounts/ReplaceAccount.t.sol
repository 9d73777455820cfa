// SPDX-License-Identifier: UNLICENSED
pragma solidity 0.8.37;

import {IAccounts} from "../../src/interfaces/IAccounts.sol";
import {Hashes} from "../../src/libraries/Hashes.sol";
import {MoneyTest} from "../base/MoneyTest.sol";
import {PagesTest} from "../base/PagesTest.sol";
import {vm} from "../base/Vm.sol";

contract AccountsReplaceAccountTest is MoneyTest {
    uint256 private constant OTHER_KEY = 0xC4;

    function setUp() public override {
        super.setUp();
        _bind(household);
    }

    function _signatures(address to, uint256 toKey) private view returns (bytes memory, bytes memory) {
        bytes32 structHash = Hashes.accountReplacement(household, to);
        return (_signed(HOUSEHOLD_KEY, structHash), _signed(toKey, structHash));
    }

    function _replace() private {
        _replace(HOUSEHOLD_KEY, SUCCESSOR_KEY);
    }

    function test_replaceAccount__byItself__reverts() public {
        vm.expectRevert(abi.encodeWithSelector(IAccounts.AccountsAddressInvalid.selector, household));
        accounts.replaceAccount(household, household, "", "");
    }

    function test_replaceAccount__oneSignatureMissing__reverts() public {
        (bytes memory from, bytes memory to) = _signatures(successor, SUCCESSOR_KEY);
        vm.expectRevert(abi.encodeWithSelector(IAccounts.AccountsSignerWrong.selector, household, successor));
        accounts.replaceAccount(household, successor, to, to);
        vm.expectRevert(abi.encodeWithSelector(IAccounts.AccountsSignerWrong.selector, successor, household));
        accounts.replaceAccount(household, successor, from, from);
    }

    function _notFresh() private {
        (bytes memory from, bytes memory to) = _signatures(successor, SUCCESSOR_KEY);
        vm.expectRevert(abi.encodeWithSelector(IAccounts.AccountsSuccessorInvalid.selector, household, successor));
        accounts.replaceAccount(household, successor, from, to);
    }

    function _line(uint256 guarantorKey, address account) private {
        address guarantor = vm.addr(guarantorKey);
        bytes memory signature = _signed(guarantorKey, Hashes.guarantee(guarantor, account, 1, 1));
        vm.prank(operator);
        accounts.guarantee(guarantor, account, 1, 1, signature);
    }

    function test_replaceAccount__successorInDebt__reverts() public {
        _bind(successor);
        _bind(retailer);
        _emptyDay();
        _attestAll();
        _settle(0, successor < retailer ? _payment(successor, retailer, 5) : _payment(retailer, successor, -5));
        _notFresh();
    }

    function test_replaceAccount__successorHasGuarantor__reverts() public {
        _line(RETAILER_KEY, successor);
        _notFresh();
    }

    function test_replaceAccount__successorIsGuarantor__reverts() public {
        _line(SUCCESSOR_KEY, retailer);
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

    function test_replaceAccount__replacedByAnother__reverts() public {
        _replace();
        (bytes memory from, bytes memory to) = _signatures(retailer, RETAILER_KEY);
        vm.expectRevert(abi.encodeWithSelector(IAccounts.AccountsSuccessorInvalid.selector, household, retailer));
        accounts.replaceAccount(household, retailer, from, to);
    }

    function test_replaceAccount__valid__movesAll(uint96 amount, uint64 credit) public {
        amount = uint96(bound(amount, 1, 1e18));
        _deposit(household, amount, "deposit");
        _guarantee(credit, 1);
        (bytes memory from, bytes memory to) = _signatures(successor, SUCCESSOR_KEY);
        vm.expectEmit();
        emit IAccounts.AccountReplaced(household, successor, int256(uint256(amount)));
        accounts.replaceAccount(household, successor, from, to);

        assertEq(accounts.balanceOf(household), 0, "old balance");
        assertEq(accounts.accountOf(household).successor, successor, "successor");
        assertEq(accounts.accountOf(household).guarantor, address(0), "old guarantor");
        assertEq(accounts.balanceOf(successor), int256(uint256(amount)), "balance");
        assertEq(uint256(accounts.accountOf(successor).creditNeur), credit, "credit");
        assertEq(accounts.accountOf(successor).guarantor, retailer, "guarantor");
    }

    function test_replaceAccount__again__movesWhatCameLater() public {
        _replace();
        _deposit(household, 7, "late");
        _replace();
        assertEq(accounts.balanceOf(successor), 7, "moved");
        assertEq(accounts.balanceOf(household), 0, "old");
    }

    function test_replaceAccount__debt__movesToo() public {
        _guarantee(100, 1);
        _debt(60);
        _replace();
        assertEq(accounts.balanceOf(successor), -60, "debt");
    }

    function test_replaceAccount__debtBeyondTheLine__callsTheGuarantorEachTime() public {
        _guarantee(10, 1);
        _replace();
        _debt(60); // on the old account
        vm.expectEmit();
        emit IAccounts.GuaranteeCalled(successor, retailer, 50);
        _replace();
        assertEq(accounts.balanceOf(successor), -60, "debt");
    }

    function test_replaceAccount__guarantorTwice__accountsFollow() public {
        _guarantee(10, 1);
        _replace(RETAILER_KEY, SUCCESSOR_KEY);
        _replace(SUCCESSOR_KEY, OTHER_KEY);
        assertEq(accounts.accountOf(household).guarantor, vm.addr(OTHER_KEY), "guarantor");
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
contract AccountsReplaceAccountBusyTest is PagesTest {
    function test_replaceAccount__settlementOpen__reverts() public {
        _send(0, 0);
        vm.expectRevert(abi.encodeWithSelector(IAccounts.AccountsBusy.selector, AREA));
        accounts.replaceAccount(_account(0), address(7), "", "");
    }
}
