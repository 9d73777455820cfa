// SPDX-License-Identifier: UNLICENSED
pragma solidity 0.8.37;

import {IAccounts} from "../../src/interfaces/IAccounts.sol";
import {IRedemptions} from "../../src/interfaces/IRedemptions.sol";
import {Hashes} from "../../src/libraries/Hashes.sol";
import {MoneyTest} from "../base/MoneyTest.sol";
import {vm} from "../base/Vm.sol";

contract RedemptionsRequestRedemptionTest is MoneyTest {
    function test_requestRedemption__nothing__reverts() public {
        vm.expectRevert(IRedemptions.RedemptionsAmountInvalid.selector);
        redemptions.requestRedemption(household, 0, "ref", T0, "");
    }

    function test_requestRedemption__unsigned__reverts() public {
        bytes memory signature = _redeems(RETAILER_KEY, Hashes.redemption(household, 5, "ref", T0));
        vm.expectRevert(abi.encodeWithSelector(IRedemptions.RedemptionsSignerWrong.selector, household, retailer));
        redemptions.requestRedemption(household, 5, "ref", T0, signature);
    }

    function test_requestRedemption__afterItsDeadline__reverts() public {
        bytes memory signature = _redeems(HOUSEHOLD_KEY, Hashes.redemption(household, 5, "ref", T0 - 1));
        vm.expectRevert(abi.encodeWithSelector(IRedemptions.RedemptionsTooLate.selector, T0 - 1, T0));
        redemptions.requestRedemption(household, 5, "ref", T0 - 1, signature);
    }

    function test_requestRedemption__refTwice__reverts() public {
        _deposit(household, 10, "deposit");
        _request(HOUSEHOLD_KEY, 5, "ref");
        bytes memory signature = _redeems(HOUSEHOLD_KEY, Hashes.redemption(household, 5, "ref", T0));
        vm.expectRevert(abi.encodeWithSelector(IRedemptions.RedemptionsRefUsed.selector, bytes32("ref")));
        redemptions.requestRedemption(household, 5, "ref", T0, signature);
    }

    function test_requestRedemption__beforeTheMoneyIsThere__reverts(uint96 held, uint96 more) public {
        held = uint96(bound(held, 1, 1e18));
        more = uint96(bound(more, 1, 1e18));
        _deposit(household, held, "deposit");
        bytes memory signature = _redeems(HOUSEHOLD_KEY, Hashes.redemption(household, held + more, "ref", T0));
        vm.expectRevert(
            abi.encodeWithSelector(IAccounts.AccountsBalanceLow.selector, household, int256(uint256(held)), held + more)
        );
        redemptions.requestRedemption(household, held + more, "ref", T0, signature);
    }

    function test_requestRedemption__reservedByAnother__reverts() public {
        _deposit(household, 10, "deposit");
        _request(HOUSEHOLD_KEY, 6, "first");
        assertEq(accounts.freeBalanceOf(household), 4, "free");
        bytes memory signature = _redeems(HOUSEHOLD_KEY, Hashes.redemption(household, 5, "ref", T0));
        vm.expectRevert(abi.encodeWithSelector(IAccounts.AccountsBalanceLow.selector, household, 4, 5));
        redemptions.requestRedemption(household, 5, "ref", T0, signature);
    }

    function test_requestRedemption__oneBeforeWasCut__waitsForItsEnd() public {
        _deposit(household, 10, "deposit");
        _request(HOUSEHOLD_KEY, 10, "first");
        _debt(4);
        _deposit(household, 10, "later");
        bytes memory signature = _redeems(HOUSEHOLD_KEY, Hashes.redemption(household, 5, "ref", NEVER));
        vm.expectRevert(abi.encodeWithSelector(IAccounts.AccountsReservationCut.selector, household, 10, 6));
        redemptions.requestRedemption(household, 5, "ref", NEVER, signature);
        vm.prank(household);
        redemptions.cancelRedemption(household, "first");
        redemptions.requestRedemption(household, 5, "ref", NEVER, signature);
        assertEq(accounts.freeBalanceOf(household), 11, "sixteen but five");
    }

    function test_requestRedemption__replacedKey__reverts() public {
        _replace(HOUSEHOLD_KEY, SUCCESSOR_KEY);
        _deposit(household, 10, "deposit");
        bytes memory signature = _redeems(HOUSEHOLD_KEY, Hashes.redemption(household, 5, "ref", T0));
        vm.expectRevert(abi.encodeWithSelector(IAccounts.AccountsReplaced.selector, household, successor));
        redemptions.requestRedemption(household, 5, "ref", T0, signature);
    }

    function test_requestRedemption__valid__waits(uint96 amount) public {
        amount = uint96(bound(amount, 1, 1e18));
        _deposit(household, amount, "deposit");
        vm.expectEmit();
        emit IRedemptions.RedemptionRequested(household, amount, "ref", T0 + CHALLENGE);
        _request(HOUSEHOLD_KEY, amount, "ref");
        assertEq(uint256(redemptions.redemptionOf(household, "ref").amountNeur), amount, "amount");
        assertEq(uint256(redemptions.redemptionOf(household, "ref").readyAt), T0 + CHALLENGE, "ready");
        assertEq(accounts.freeBalanceOf(household), 0, "reserved");
        assertEq(accounts.balanceOf(household), int256(uint256(amount)), "still there");
    }
}
