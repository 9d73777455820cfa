// SPDX-License-Identifier: UNLICENSED
pragma solidity 0.8.37;

import {Clearing} from "../../src/Clearing.sol";
import {IClearing} from "../../src/interfaces/IClearing.sol";
import {LedgerTest} from "../base/LedgerTest.sol";
import {vm} from "../base/Vm.sol";

contract ClearingConstructorTest is LedgerTest {
    function test_constructor__marketOfAnother__reverts() public {
        vm.expectRevert(IClearing.ClearingPartsUnlike.selector);
        new Clearing(market);
    }
}
