// SPDX-License-Identifier: UNLICENSED
pragma solidity 0.8.37;

import {IAccounts} from "../../src/interfaces/IAccounts.sol";
import {Hashes} from "../../src/libraries/Hashes.sol";
import {MoneyTest} from "../base/MoneyTest.sol";
import {vm} from "../base/Vm.sol";

contract AccountsCoverTest is MoneyTest {
    function _refused(uint96 amount, bytes memory error_) private {
        bytes memory signature = _signed(RETAILER_KEY, Hashes.cover(retailer, household, amount, "ref"));
        vm.expectRevert(error_);
        accounts.cover(retailer, household, amount, "ref", signature);
    }

    function test_cover__nothingOrItself__reverts() public {
        vm.expectRevert(IAccounts.AccountsAmountInvalid.selector);
        accounts.cover(retailer, household, 0, "ref", "");
        vm.expectRevert(abi.encodeWithSelector(IAccounts.AccountsAddressInvalid.selector, retailer));
        accounts.cover(retailer, retailer, 1, "ref", "");
    }

    function test_cover__unsigned__reverts() public {
        bytes memory signature = _signed(HOUSEHOLD_KEY, Hashes.cover(retailer, household, 1, "ref"));
        vm.expectRevert(abi.encodeWithSelector(IAccounts.AccountsSignerWrong.selector, retailer, household));
        accounts.cover(retailer, household, 1, "ref", signature);
    }

    function test_cover__noGuarantor__reverts() public {
        _deposit(retailer, 100, "deposit");
        _refused(1, abi.encodeWithSelector(IAccounts.AccountsGuarantorWrong.selector, household, address(0), retailer));
    }

    function test_cover__notTheGuarantor__reverts(uint256 key) public {
        key = bound(key, 0x1000, type(uint128).max);
        _guarantee(100, 1);
        _debt(60);
        address other = vm.addr(key);
        bytes memory signature = _signed(key, Hashes.cover(other, household, 1, "ref"));
        vm.expectRevert(abi.encodeWithSelector(IAccounts.AccountsGuarantorWrong.selector, household, retailer, other));
        accounts.cover(other, household, 1, "ref", signature);
    }

    function test_cover__moreThanTheDebt__reverts(uint96 more) public {
        more = uint96(bound(more, 1, 1e19));
        _guarantee(100, 1);
        _debt(60);
        for (uint256 i = 0; i < 100; ++i) {
            _deposit(retailer, 1e18, bytes32(i + 1));
        }
        _refused(60 + more, abi.encodeWithSelector(IAccounts.AccountsDebtLow.selector, household, 60, 60 + more));
    }

    function test_cover__creditNoDebt__reverts() public {
        _guarantee(100, 1);
        _deposit(household, 5, "in");
        _deposit(retailer, 100, "deposit");
        _refused(1, abi.encodeWithSelector(IAccounts.AccountsDebtLow.selector, household, -5, 1));
    }

    function test_cover__moreThanIsFree__reverts() public {
        _guarantee(100, 1);
        _debt(60); // the retailer received it
        _request(RETAILER_KEY, 20, "out");
        _refused(41, abi.encodeWithSelector(IAccounts.AccountsBalanceLow.selector, retailer, 40, 41));
    }

    function test_cover__twice__reverts() public {
        _guarantee(100, 1);
        _debt(60);
        _cover(4, "ref");
        _refused(4, abi.encodeWithSelector(IAccounts.AccountsRefUsed.selector, bytes32("ref")));
    }

    function test_cover__alsoInPause__paysDebt(uint96 amount) public {
        amount = uint96(bound(amount, 1, 60));
        _guarantee(100, 1);
        _debt(60);
        vm.prank(security);
        roles.pause();

        vm.expectEmit();
        emit IAccounts.DebtCovered(retailer, household, amount, "ref");
        _cover(amount, "ref");

        assertEq(accounts.balanceOf(retailer), 60 - int256(uint256(amount)), "retailer");
        assertEq(accounts.balanceOf(household), int256(uint256(amount)) - 60, "household");
    }

    function test_cover__byTheGuarantorsNewKey__paysDebt() public {
        _guarantee(100, 1);
        _debt(60);
        _replace(RETAILER_KEY, SUCCESSOR_KEY);
        _refused(4, abi.encodeWithSelector(IAccounts.AccountsGuarantorWrong.selector, household, successor, retailer));
        accounts.cover(
            successor, household, 4, "ref", _signed(SUCCESSOR_KEY, Hashes.cover(successor, household, 4, "ref"))
        );
        assertEq(accounts.balanceOf(household), -56, "household");
        assertEq(accounts.balanceOf(successor), 56, "present key of the retailer");
    }
}
