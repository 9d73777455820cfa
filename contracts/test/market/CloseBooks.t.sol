// SPDX-License-Identifier: UNLICENSED
pragma solidity 0.8.37;

import {IMarket, MtuState} from "../../src/interfaces/IMarket.sol";
import {IRoles} from "../../src/interfaces/IRoles.sol";
import {Hashes} from "../../src/libraries/Hashes.sol";
import {LedgerTest} from "../base/LedgerTest.sol";
import {vm} from "../base/Vm.sol";

contract MarketCloseBooksTest is LedgerTest {
    bytes32[] private _chains = new bytes32[](MTUS);
    uint32[] private _counts = new uint32[](MTUS);

    function setUp() public override {
        super.setUp();
        _open();
        _warp(gate);
        (_chains[1], _counts[1]) = ("chain", 7);
    }

    function _refused(bytes memory error_) private {
        vm.expectRevert(error_);
        vm.prank(operator);
        market.closeBooks(MARKET_ID, program, _chains, _counts);
    }

    function test_closeBooks__notOperator__reverts(address sender) public {
        vm.assume(sender != operator);
        vm.expectPartialRevert(IRoles.RolesMissing.selector);
        vm.prank(sender);
        market.closeBooks(MARKET_ID, program, _chains, _counts);
    }

    function test_closeBooks__unknownProgram__reverts() public {
        vm.expectRevert(abi.encodeWithSelector(IMarket.MarketProgramUnknown.selector, MARKET_ID, 2));
        vm.prank(operator);
        market.closeBooks(MARKET_ID, 2, _chains, _counts);
    }

    function test_closeBooks__beforeGate__reverts() public {
        _warp(gate - 1);
        _refused(abi.encodeWithSelector(IMarket.MarketTooEarly.selector, gate, gate - 1));
    }

    function test_closeBooks__afterGrace__reverts() public {
        _warp(gate + GRACE + 1);
        _refused(abi.encodeWithSelector(IMarket.MarketTooLate.selector, gate + GRACE, gate + GRACE + 1));
    }

    function test_closeBooks__wrongLength__reverts() public {
        _chains.pop();
        _refused(abi.encodeWithSelector(IMarket.MarketBooksInvalid.selector));
        _counts.pop();
        _refused(abi.encodeWithSelector(IMarket.MarketBooksInvalid.selector));
    }

    function test_closeBooks__chainWithoutCountOrBack__reverts() public {
        _chains[0] = "chain";
        _refused(abi.encodeWithSelector(IMarket.MarketBooksInvalid.selector));
        (_chains[0], _counts[0]) = (0, 1);
        _refused(abi.encodeWithSelector(IMarket.MarketBooksInvalid.selector));
    }

    function test_closeBooks__tooManyOrders__reverts() public {
        _counts[1] = 64 * 2048 + 1;
        _refused(abi.encodeWithSelector(IMarket.MarketBooksInvalid.selector));
    }

    function test_closeBooks__twice__reverts() public {
        vm.prank(operator);
        market.closeBooks(MARKET_ID, program, _chains, _counts);
        _refused(abi.encodeWithSelector(IMarket.MarketBooksClosed.selector, MARKET_ID, program));
    }

    function test_closeBooks__withinGrace__commitsEachBook(uint64 late) public {
        _warp(gate + bound(late, 0, GRACE));
        vm.expectEmit();
        emit IMarket.BooksClosed(MARKET_ID, program, FIRST_MTU, _chains, _counts);
        vm.prank(operator);
        market.closeBooks(MARKET_ID, program, _chains, _counts);
        for (uint32 i = 0; i < MTUS; ++i) {
            assertEq(market.bookHashOf(MARKET_ID, FIRST_MTU + i), Hashes.book(_chains[i], _counts[i]), "book hash");
            assertTrue(market.stateOf(MARKET_ID, FIRST_MTU + i) == MtuState.BookClosed, "closed");
        }
        assertTrue(market.programOf(MARKET_ID, program).closed, "program");
    }
}
