// SPDX-License-Identifier: UNLICENSED
pragma solidity 0.8.37;

import {IAccounts} from "../../src/interfaces/IAccounts.sol";
import {IGuarantees} from "../../src/interfaces/IGuarantees.sol";
import {Hashes} from "../../src/libraries/Hashes.sol";
import {MoneyTest} from "../base/MoneyTest.sol";
import {vm} from "../base/Vm.sol";

/// @notice cover: the guarantor pays debt that it names, from what is called and what is free.
contract GuaranteesCoverTest is MoneyTest {
    function _refused(uint96 amount, uint96 debt, bytes memory error_) private {
        bytes memory signature = _signed(RETAILER_KEY, Hashes.cover(retailer, household, amount, debt, "ref", NEVER));
        vm.expectRevert(error_);
        guarantees.cover(retailer, household, amount, debt, "ref", NEVER, signature);
    }

    /// @dev The household owes 60, which another one received; the retailer has 100 and gave a line of as much.
    function _indebted() private {
        _fundedGuarantee(100);
        _emptyDay();
        _attestAll();
        _bind(successor);
        _settle(0, _payment(household, successor, 60));
    }

    function test_cover__nothing__reverts() public {
        vm.expectRevert(IGuarantees.GuaranteesAmountInvalid.selector);
        guarantees.cover(retailer, household, 0, 0, "ref", NEVER, "");
    }

    function test_cover__afterItsDeadline__reverts() public {
        vm.expectRevert(abi.encodeWithSelector(IGuarantees.GuaranteesTooLate.selector, T0 - 1, T0));
        guarantees.cover(retailer, household, 1, 1, "ref", T0 - 1, "");
    }

    function test_cover__unsigned__reverts() public {
        bytes memory signature = _signed(HOUSEHOLD_KEY, Hashes.cover(retailer, household, 1, 1, "ref", NEVER));
        vm.expectRevert(abi.encodeWithSelector(IGuarantees.GuaranteesSignerWrong.selector, retailer, household));
        guarantees.cover(retailer, household, 1, 1, "ref", NEVER, signature);
    }

    function test_cover__nothingOwed__reverts(uint96 named) public {
        named = uint96(bound(named, 1, type(uint96).max));
        _fundedGuarantee(100);
        _refused(1, named, abi.encodeWithSelector(IAccounts.AccountsDebtOther.selector, household, 0, named));
    }

    function test_cover__noGuarantor__reverts() public {
        _deposit(retailer, 100, "deposit");
        _debt(60);
        bytes memory wrong =
            abi.encodeWithSelector(IAccounts.AccountsGuarantorWrong.selector, household, address(0), retailer);
        _refused(1, 60, wrong);
    }

    function test_cover__itself__reverts() public {
        _deposit(retailer, 100, "deposit");
        _line(RETAILER_KEY, RETAILER_KEY, 50, 1);
        bytes memory signature = _signed(RETAILER_KEY, Hashes.cover(retailer, retailer, 1, 0, "ref", NEVER));
        vm.expectPartialRevert(IAccounts.AccountsGuarantorWrong.selector);
        guarantees.cover(retailer, retailer, 1, 0, "ref", NEVER, signature);
    }

    function test_cover__anotherDebt__reverts(uint96 named) public {
        vm.assume(named != 60);
        _indebted();
        _refused(1, named, abi.encodeWithSelector(IAccounts.AccountsDebtOther.selector, household, 60, named));
    }

    function test_cover__moreThanTheDebt__reverts(uint96 more) public {
        more = uint96(bound(more, 1, 1e19));
        _indebted();
        _refused(60 + more, 60, abi.encodeWithSelector(IAccounts.AccountsDebtLow.selector, household, 60, 60 + more));
    }

    function test_cover__moreThanIsFree__reverts() public {
        _indebted();
        _deposit(retailer, 30, "more");
        _request(RETAILER_KEY, 20, "out");
        // Within its line the debt is locked already, but the line stays when it is paid.
        _refused(11, 60, abi.encodeWithSelector(IAccounts.AccountsBalanceLow.selector, retailer, 10, 11));
    }

    function test_cover__refTwice__reverts() public {
        _indebted();
        _deposit(retailer, 30, "more");
        _cover(4, "ref");
        _refused(4, 56, abi.encodeWithSelector(IGuarantees.GuaranteesRefUsed.selector, bytes32("ref")));
    }

    function test_cover__alsoInPause__paysDebt(uint96 amount) public {
        amount = uint96(bound(amount, 1, 60));
        _indebted();
        _deposit(retailer, 60, "more");
        vm.prank(security);
        roles.pause();

        vm.expectEmit();
        emit IGuarantees.DebtCovered(retailer, household, amount, "ref");
        _cover(amount, "ref");

        assertEq(accounts.balanceOf(retailer), 160 - int256(uint256(amount)), "retailer");
        assertEq(accounts.balanceOf(household), int256(uint256(amount)) - 60, "household");
    }

    function test_cover__whatWasCalled__needsNothingFree() public {
        _fundedGuarantee(40);
        _deposit(retailer, 20, "more");
        _bind(successor);
        _emptyDay();
        _attestAll();
        vm.expectEmit();
        emit IAccounts.GuaranteeCalled(household, retailer, 20);
        _settle(0, _payment(household, successor, 60));
        assertEq(accounts.freeBalanceOf(retailer), 0, "all is locked");
        _cover(20, "called");
        assertEq(accounts.balanceOf(household), -40, "within its line");
        assertEq(accounts.freeBalanceOf(retailer), 0, "as before");
        bytes memory low = abi.encodeWithSelector(IAccounts.AccountsBalanceLow.selector, retailer, 0, 1);
        _refused(1, 40, low);
    }

    function test_cover__byTheGuarantorsNewKey__paysDebt() public {
        _indebted();
        _deposit(retailer, 60, "more");
        _replace(RETAILER_KEY, 0xC4);
        address present = vm.addr(0xC4);
        _refused(4, 60, abi.encodeWithSelector(IAccounts.AccountsReplaced.selector, retailer, present));
        bytes memory signature = _signed(0xC4, Hashes.cover(present, household, 4, 60, "ref", NEVER));
        guarantees.cover(present, household, 4, 60, "ref", NEVER, signature);
        assertEq(accounts.balanceOf(household), -56, "household");
        assertEq(accounts.balanceOf(present), 156, "present key of the retailer");
    }
}
