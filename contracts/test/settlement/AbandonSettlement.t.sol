// SPDX-License-Identifier: UNLICENSED
pragma solidity 0.8.37;

import {ISettlement} from "../../src/interfaces/ISettlement.sol";
import {PagesTest} from "../base/PagesTest.sol";
import {vm} from "../base/Vm.sol";

contract SettlementAbandonSettlementTest is PagesTest {
    function test_abandonSettlement__noneOpen__reverts() public {
        vm.expectRevert(ISettlement.SettlementNotOpen.selector);
        settlement.abandonSettlement(AREA);
    }

    function test_abandonSettlement__windowRunning__reverts() public {
        uint64 until = _now() + PAGE_WINDOW;
        _send(0, 0);
        _warp(until);
        vm.expectRevert(abi.encodeWithSelector(ISettlement.SettlementTooEarly.selector, until + 1, until));
        settlement.abandonSettlement(AREA);
    }

    function test_abandonSettlement__afterWindow__nothingHasEffect() public {
        _send(0, 0);
        bytes32 id = settlement.openSettlement(AREA).id;
        vm.warp(block.timestamp + PAGE_WINDOW + 1);
        vm.expectEmit();
        emit ISettlement.SettlementAbandoned(id);
        settlement.abandonSettlement(AREA);
        assertEq(accounts.balanceOf(_account(0)), 0, "no effect");

        // The same one again, wholly: nothing counts twice.
        _send(0, 0);
        _send(0, 1);
        assertEq(accounts.balanceOf(_account(0)), 1, "once");
        assertEq(accounts.balanceOf(_account(ACCOUNTS - 1)), 1 - int256(ACCOUNTS) + int256(uint256(FUNDS)), "payer once");
    }
}
