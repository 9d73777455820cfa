// SPDX-License-Identifier: UNLICENSED
pragma solidity 0.8.37;

import {IRedemptions} from "../../src/interfaces/IRedemptions.sol";
import {MoneyTest} from "../base/MoneyTest.sol";
import {vm} from "../base/Vm.sol";

contract RedemptionsCancelRedemptionTest is MoneyTest {
    uint64 private constant UNTIL = T0 + CHALLENGE + 7 days;

    function setUp() public override {
        super.setUp();
        _deposit(household, 10, "deposit");
        _request(HOUSEHOLD_KEY, 6, "ref");
    }

    function test_cancelRedemption__unknown__reverts() public {
        vm.expectRevert(abi.encodeWithSelector(IRedemptions.RedemptionsUnknown.selector, household, bytes32("other")));
        redemptions.cancelRedemption(household, "other");
    }

    function test_cancelRedemption__byAnyoneBeforeItExpires__reverts(address sender, uint64 time) public {
        vm.assume(sender != household);
        time = uint64(bound(time, T0, UNTIL));
        _warp(time);
        vm.expectRevert(abi.encodeWithSelector(IRedemptions.RedemptionsTooEarly.selector, UNTIL + 1, time));
        vm.prank(sender);
        redemptions.cancelRedemption(household, "ref");
    }

    function test_cancelRedemption__byItsAccount__freesTheMoney() public {
        vm.expectEmit();
        emit IRedemptions.RedemptionCancelled(household, 6, "ref");
        vm.prank(household);
        redemptions.cancelRedemption(household, "ref");
        assertEq(accounts.freeBalanceOf(household), 10, "free");
        _warp(T0 + CHALLENGE);
        vm.expectPartialRevert(IRedemptions.RedemptionsUnknown.selector);
        redemptions.completeRedemption(household, "ref");
        vm.expectRevert(abi.encodeWithSelector(IRedemptions.RedemptionsRefUsed.selector, bytes32("ref")));
        this.request(5, "ref");
    }

    function request(uint96 amount, bytes32 ref) external {
        _request(HOUSEHOLD_KEY, amount, ref);
    }

    function test_cancelRedemption__expired__byAnyone(address sender) public {
        _warp(UNTIL + 1);
        vm.prank(sender);
        redemptions.cancelRedemption(household, "ref");
        assertEq(accounts.freeBalanceOf(household), 10, "free");
    }
}
