// SPDX-License-Identifier: UNLICENSED
pragma solidity 0.8.37;

import {IRoles, Role} from "../../src/interfaces/IRoles.sol";
import {IAccounts} from "../../src/interfaces/IAccounts.sol";
import {Hashes} from "../../src/libraries/Hashes.sol";
import {MoneyTest} from "../base/MoneyTest.sol";
import {vm} from "../base/Vm.sol";

contract AccountsGuaranteeTest is MoneyTest {
    function test_guarantee__notOperator__reverts(address sender) public {
        vm.assume(sender != operator && sender != household);
        bytes memory signature = _signed(RETAILER_KEY, Hashes.guarantee(retailer, household, 1, 1));
        vm.expectRevert(abi.encodeWithSelector(IRoles.RolesMissing.selector, sender, Role.Operator, bytes32(0)));
        vm.prank(sender);
        accounts.guarantee(retailer, household, 1, 1, signature);
    }

    function test_guarantee__higherLineByAnyone__reverts(address sender, uint64 more) public {
        vm.assume(sender != operator && sender != household);
        more = uint64(bound(more, 1, 1e18));
        _guarantee(5, 1);
        bytes memory signature = _signed(RETAILER_KEY, Hashes.guarantee(retailer, household, 5 + more, 2));
        vm.expectPartialRevert(IRoles.RolesMissing.selector);
        vm.prank(sender);
        accounts.guarantee(retailer, household, 5 + more, 2, signature);
    }

    function test_guarantee__replacedKeys__reverts() public {
        _guarantee(5, 1);
        _replace(RETAILER_KEY, SUCCESSOR_KEY);
        bytes memory signature = _signed(RETAILER_KEY, Hashes.guarantee(retailer, household, 50, 2));
        vm.startPrank(operator);
        vm.expectRevert(abi.encodeWithSelector(IAccounts.AccountsReplaced.selector, retailer, successor));
        accounts.guarantee(retailer, household, 50, 2, signature);
        vm.expectRevert(abi.encodeWithSelector(IAccounts.AccountsReplaced.selector, retailer, successor));
        accounts.guarantee(household, retailer, 50, 2, "");
        vm.stopPrank();
    }

    function test_guarantee__otherGuarantorWhileALineStands__reverts() public {
        _guarantee(10, 1);
        bytes memory signature = _signed(SUCCESSOR_KEY, Hashes.guarantee(successor, household, 100, 1));
        vm.expectRevert(abi.encodeWithSelector(IAccounts.AccountsGuaranteed.selector, household, retailer));
        vm.prank(operator);
        accounts.guarantee(successor, household, 100, 1, signature);
    }

    function test_guarantee__withoutConsent__reverts() public {
        bytes memory signature = _signed(HOUSEHOLD_KEY, Hashes.guarantee(retailer, household, 1, 1));
        vm.expectRevert(abi.encodeWithSelector(IAccounts.AccountsSignerWrong.selector, retailer, household));
        vm.prank(operator);
        accounts.guarantee(retailer, household, 1, 1, signature);
    }

    function test_guarantee__forItself__reverts() public {
        vm.expectRevert(abi.encodeWithSelector(IAccounts.AccountsAddressInvalid.selector, retailer));
        vm.prank(operator);
        accounts.guarantee(retailer, retailer, 1, 1, "");
    }

    function test_guarantee__nonceNotRising__reverts(uint64 last, uint64 next) public {
        last = uint64(bound(last, 1, type(uint64).max));
        next = uint64(bound(next, 0, last));
        _guarantee(5, last);
        bytes memory signature = _signed(RETAILER_KEY, Hashes.guarantee(retailer, household, 6, next));
        vm.expectRevert(abi.encodeWithSelector(IAccounts.AccountsNonceUsed.selector, last, next));
        vm.prank(operator);
        accounts.guarantee(retailer, household, 6, next, signature);
    }

    function test_guarantee__newGuarantorWhileDebtIsOpen__reverts() public {
        _guarantee(10, 1);
        _debt(25);
        bytes memory signature = _signed(SUCCESSOR_KEY, Hashes.guarantee(successor, household, 100, 1));
        vm.expectRevert(abi.encodeWithSelector(IAccounts.AccountsDebtOpen.selector, household, 15));
        vm.prank(operator);
        accounts.guarantee(successor, household, 100, 1, signature);
    }

    function test_guarantee__valid__setsLine(uint64 credit) public {
        _bind(household);
        _bind(retailer);
        vm.expectEmit();
        emit IAccounts.GuaranteeSet(retailer, household, credit, 1);
        _guarantee(credit, 1);
        assertEq(accounts.accountOf(household).guarantor, retailer, "guarantor");
        assertEq(uint256(accounts.accountOf(household).creditNeur), credit, "credit");
        assertEq(uint256(accounts.guaranteeNonceOf(retailer, household)), 1, "nonce");
    }

    function test_guarantee__loweredBelowDebt__callsTheExcess() public {
        _guarantee(100, 1);
        _debt(60);
        bytes memory signature = _signed(RETAILER_KEY, Hashes.guarantee(retailer, household, 50, 2));
        vm.expectEmit();
        emit IAccounts.GuaranteeSet(retailer, household, 50, 2);
        vm.expectEmit();
        emit IAccounts.GuaranteeCalled(household, retailer, 10);
        vm.prank(operator);
        accounts.guarantee(retailer, household, 50, 2, signature);
    }

    function test_guarantee__loweredByAnyone__setsLine(address sender, uint64 line, uint64 less) public {
        less = uint64(bound(less, 0, line));
        _guarantee(line, 1);
        bytes memory signature = _signed(RETAILER_KEY, Hashes.guarantee(retailer, household, less, 2));
        vm.prank(sender);
        accounts.guarantee(retailer, household, less, 2, signature);
        assertEq(uint256(accounts.accountOf(household).creditNeur), less, "line");
    }

    function test_guarantee__otherGuarantorAfterTheLineWentToZero__takesOver() public {
        _guarantee(10, 1);
        _guarantee(0, 2);
        bytes memory signature = _signed(SUCCESSOR_KEY, Hashes.guarantee(successor, household, 100, 1));
        vm.prank(operator);
        accounts.guarantee(successor, household, 100, 1, signature);
        assertEq(accounts.accountOf(household).guarantor, successor, "guarantor");
    }

    function test_guarantee__otherGuarantorSentByTheAccount__takesOver() public {
        _guarantee(10, 1);
        bytes memory signature = _signed(SUCCESSOR_KEY, Hashes.guarantee(successor, household, 100, 1));
        vm.prank(household);
        accounts.guarantee(successor, household, 100, 1, signature);
        assertEq(accounts.accountOf(household).guarantor, successor, "guarantor");
    }

    function test_guarantee__byTheGuarantorsNewKey__setsLine() public {
        _guarantee(10, 1);
        _replace(RETAILER_KEY, SUCCESSOR_KEY);
        assertEq(accounts.accountOf(household).guarantor, successor, "followed its guarantor");
        bytes memory signature = _signed(SUCCESSOR_KEY, Hashes.guarantee(successor, household, 7, 1));
        accounts.guarantee(successor, household, 7, 1, signature);
        assertEq(uint256(accounts.accountOf(household).creditNeur), 7, "line");
        assertEq(accounts.accountOf(household).guarantor, successor, "the same holder");
    }
}
