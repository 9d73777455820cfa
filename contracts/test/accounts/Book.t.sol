// SPDX-License-Identifier: UNLICENSED
pragma solidity 0.8.37;

import {Cursor, IAccounts} from "../../src/interfaces/IAccounts.sol";
import {MoneyTest} from "../base/MoneyTest.sol";
import {vm} from "../base/Vm.sol";

/// @notice book, between openBatch and closeBatch: the pages of a settlement take effect together, or leave nothing.
contract AccountsBookTest is MoneyTest {
    function setUp() public override {
        super.setUp();
        _deposit(household, 100, "deposit");
        vm.startPrank(address(settlement));
    }

    /// @dev A batch in which the household pays an account, as the Settlement contract would send it.
    function _paid(address to, int96 amount) private {
        Cursor memory cursor;
        uint32 batch = accounts.openBatch(AREA);
        accounts.book(AREA, batch, cursor, _payment(household, to, amount));
    }

    function _waiting() private view returns (int256 waiting) {
        (, waiting) = accounts.uncoveredOf(AREA);
    }

    function test_book__byAnyoneElse__reverts(address sender) public {
        vm.assume(sender != address(settlement));
        vm.stopPrank();
        Cursor memory cursor;
        vm.expectRevert(abi.encodeWithSelector(IAccounts.AccountsCallerWrong.selector, sender));
        vm.prank(sender);
        accounts.book(AREA, 0, cursor, _payment(household, retailer, 1));
    }

    function test_book__batchDropped__leavesNothingWaiting() public {
        _paid(retailer, 40); // not bound, so that it waits
        assertEq(_waiting(), 0, "not before the batch took effect");
        accounts.closeBatch(AREA, false);
        assertEq(_waiting(), 0, "dropped");
        assertEq(accounts.balanceOf(household), 100, "nothing paid");
    }

    function test_book__batchTookEffect__countsWhatWaits() public {
        _paid(retailer, 40);
        accounts.closeBatch(AREA, true);
        assertEq(_waiting(), 40, "waits");
        assertEq(accounts.balanceOf(household), 60, "paid");
    }

    function test_book__moreBatchesThanAWordHolds__eachCountsForItself() public {
        for (uint256 i = 0; i < 256; ++i) {
            accounts.openBatch(AREA);
            accounts.closeBatch(AREA, false);
        }
        _paid(retailer, 40);
        accounts.closeBatch(AREA, true);
        assertEq(accounts.balanceOf(household), 60, "took effect");
        _paid(retailer, 10);
        accounts.closeBatch(AREA, false);
        assertEq(accounts.balanceOf(household), 60, "dropped");
    }
}
