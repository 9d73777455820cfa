// SPDX-License-Identifier: UNLICENSED
pragma solidity ^0.8.24;

import {IRoles} from "../../src/interfaces/IRoles.sol";
import {ISettlement} from "../../src/interfaces/ISettlement.sol";
import {MoneyTest} from "../base/MoneyTest.sol";
import {vm} from "../base/Vm.sol";

contract SettlementDepositTest is MoneyTest {
    function test_deposit__notTreasurer__reverts(address sender) public {
        vm.assume(sender != treasurer);
        vm.expectPartialRevert(IRoles.RolesMissing.selector);
        vm.prank(sender);
        settlement.deposit(household, 1, "ref");
    }

    function test_deposit__nothingOrNobody__reverts() public {
        vm.startPrank(treasurer);
        vm.expectRevert(abi.encodeWithSelector(ISettlement.SettlementAccountInvalid.selector, address(0)));
        settlement.deposit(address(0), 1, "ref");
        vm.expectRevert(ISettlement.SettlementAmountInvalid.selector);
        settlement.deposit(household, 0, "ref");
        vm.expectRevert(ISettlement.SettlementAmountInvalid.selector);
        settlement.deposit(household, 1 << 70, "ref");
        vm.stopPrank();
    }

    function test_deposit__refTwice__reverts() public {
        _deposit(household, 1, "ref");
        vm.expectRevert(abi.encodeWithSelector(ISettlement.SettlementRefUsed.selector, bytes32("ref")));
        vm.prank(treasurer);
        settlement.deposit(retailer, 1, "ref");
    }

    function test_deposit__balanceBeyondRange__reverts() public {
        _deposit(household, (1 << 70) - 1, "first");
        vm.expectRevert(ISettlement.SettlementAmountInvalid.selector);
        vm.prank(treasurer);
        settlement.deposit(household, 1, "second");
    }

    function test_deposit__valid__raisesBalanceAndSupply(uint96 amount) public {
        amount = uint96(bound(amount, 1, (1 << 70) - 1));
        _bind(household);
        vm.expectEmit();
        emit ISettlement.Deposited(household, amount, "ref");
        _deposit(household, amount, "ref");
        assertEq(settlement.balanceOf(household), int256(uint256(amount)), "balance");
        assertEq(settlement.supply(), amount, "supply");
    }
}
