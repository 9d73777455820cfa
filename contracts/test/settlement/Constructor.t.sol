// SPDX-License-Identifier: UNLICENSED
pragma solidity ^0.8.24;

import {Settlement} from "../../src/Settlement.sol";
import {ISettlement} from "../../src/interfaces/ISettlement.sol";
import {LedgerTest} from "../base/LedgerTest.sol";
import {vm} from "../base/Vm.sol";

contract SettlementConstructorTest is LedgerTest {
    function test_constructor__windowZero__reverts() public {
        vm.expectRevert(ISettlement.SettlementConfigInvalid.selector);
        new Settlement(roles, calendar, market, readings, 0, 1);
        vm.expectRevert(ISettlement.SettlementConfigInvalid.selector);
        new Settlement(roles, calendar, market, readings, 1, 0);
    }
}
