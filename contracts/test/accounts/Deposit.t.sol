// SPDX-License-Identifier: UNLICENSED
pragma solidity 0.8.37;

import {IRoles} from "../../src/interfaces/IRoles.sol";
import {IAccounts} from "../../src/interfaces/IAccounts.sol";
import {MoneyTest} from "../base/MoneyTest.sol";
import {vm} from "../base/Vm.sol";

contract AccountsDepositTest is MoneyTest {
    function test_deposit__notTreasurer__reverts(address sender) public {
        vm.assume(sender != treasurer);
        vm.expectPartialRevert(IRoles.RolesMissing.selector);
        vm.prank(sender);
        accounts.deposit(household, 1, "ref");
    }

    function test_deposit__nothingOrNobody__reverts() public {
        vm.startPrank(treasurer);
        vm.expectRevert(abi.encodeWithSelector(IAccounts.AccountsAddressInvalid.selector, address(0)));
        accounts.deposit(address(0), 1, "ref");
        vm.expectRevert(IAccounts.AccountsAmountInvalid.selector);
        accounts.deposit(household, 0, "ref");
        vm.stopPrank();
    }

    function test_deposit__toSuspense__reverts() public {
        _debt(1000); // what the retailer is owed waits
        address suspense = accounts.suspenseOf(retailer, AREA);
        vm.expectRevert(abi.encodeWithSelector(IAccounts.AccountsAddressInvalid.selector, suspense));
        vm.prank(treasurer);
        accounts.deposit(suspense, 1, "ref");
    }

    function test_deposit__toWhatBecomesSuspense__waitsWithIt() public {
        _deposit(accounts.suspenseOf(retailer, AREA), 7, "before");
        _debt(1000);
        (, int256 waiting) = accounts.uncoveredOf(AREA);
        assertEq(waiting, 1007, "all of it");
        _deposit(household, 1000, "debt paid");
        accounts.bookSuspense(retailer);
        assertEq(accounts.freeBalanceOf(retailer), 1007, "booked");
        (, waiting) = accounts.uncoveredOf(AREA);
        assertEq(waiting, 0, "nothing waits");
    }

    function test_deposit__refTwice__reverts() public {
        _deposit(household, 1, "ref");
        vm.expectRevert(abi.encodeWithSelector(IAccounts.AccountsRefUsed.selector, bytes32("ref")));
        vm.prank(treasurer);
        accounts.deposit(retailer, 1, "ref");
        _deposit(retailer, 1, "ref, booked anew");
    }

    function test_deposit__aboveTheBoundOfADay__reverts(uint96 first, uint96 second, uint32 later) public {
        first = uint96(bound(first, 1, 1e18));
        second = uint96(bound(second, 1e18 - first + 1, type(uint96).max));
        _deposit(household, first, "first");
        vm.warp(block.timestamp + later % (1 days - block.timestamp % 1 days));
        uint256 sum = uint256(first) + second;
        vm.expectRevert(abi.encodeWithSelector(IAccounts.AccountsDepositsHigh.selector, treasurer, sum));
        vm.prank(treasurer);
        accounts.deposit(household, second, "second");
        vm.warp((block.timestamp / 1 days + 1) * 1 days);
        _deposit(household, 1e18, "next day");
    }

    function test_deposit__oneKeyAsMuchAsItCan__leavesRoomForTheNextKey() public {
        address next = address(0xbeef);
        vm.prank(security);
        roles.proposeReplacement(treasurer, next);
        _confirmGrant(next);
        for (uint256 day = 0; day <= DELAY / 1 days; ++day) {
            _deposit(household, 1e18, bytes32(day));
            vm.warp(block.timestamp + 1 days);
        }
        vm.prank(next);
        roles.acceptGrant();
        assertTrue(accounts.supply() <= accounts.MAX_SUPPLY_NEUR() / 20, "there is room");
        vm.expectPartialRevert(IRoles.RolesMissing.selector);
        vm.prank(treasurer);
        accounts.deposit(household, 1, "gone");
        vm.prank(next);
        accounts.deposit(household, 1e18, "next");
    }

    /// @dev All there can be, sent ahead to where something will wait, keeps no settlement from waiting there.
    function test_deposit__allThereCanBeToWhatBecomesSuspense__holdsUpNobody() public {
        address suspense = accounts.suspenseOf(retailer, AREA);
        _bind(household);
        _bind(retailer);
        _emptyDay();
        _attestAll();
        for (uint256 i = 0; i < 100; ++i) {
            _deposit(suspense, 1e18, bytes32(i));
            vm.warp(block.timestamp + 1 days);
        }
        _settle(0, _pays(type(uint64).max));
        assertEq(accounts.balanceOf(suspense), 1e20 + int256(uint256(type(uint64).max)), "waits");
    }

    function test_deposit__supplyAboveItsBound__reverts() public {
        for (uint256 i = 0; i < 100; ++i) {
            _deposit(household, 1e18, bytes32(i));
            vm.warp(block.timestamp + 1 days);
        }
        vm.expectRevert(abi.encodeWithSelector(IAccounts.AccountsSupplyHigh.selector, 1e20 + 1));
        vm.prank(treasurer);
        accounts.deposit(retailer, 1, "above");
    }

    function test_deposit__valid__raisesBalanceAndSupply(uint96 amount) public {
        amount = uint96(bound(amount, 1, 1e18));
        _bind(household);
        vm.expectEmit();
        emit IAccounts.Deposited(household, amount, "ref");
        _deposit(household, amount, "ref");
        assertEq(accounts.balanceOf(household), int256(uint256(amount)), "balance");
        assertEq(accounts.supply(), amount, "supply");
    }
}
