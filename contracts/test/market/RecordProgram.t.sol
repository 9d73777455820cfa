// SPDX-License-Identifier: UNLICENSED
pragma solidity 0.8.37;

import {IMarket} from "../../src/interfaces/IMarket.sol";
import {IRoles, Role} from "../../src/interfaces/IRoles.sol";
import {Market} from "../../src/Market.sol";
import {Hashes} from "../../src/libraries/Hashes.sol";
import {LedgerTest} from "../base/LedgerTest.sol";
import {vm} from "../base/Vm.sol";

contract MarketRecordProgramTest is LedgerTest {
    bytes32 private constant ROOT = keccak256("root");

    function setUp() public override {
        super.setUp();
        _open();
        _close(new uint256[](0));
    }

    function _signature(uint256 key, bytes32 root, uint64 deadline) private view returns (bytes memory) {
        bytes32 structHash =
            Hashes.program(Hashes.SignedProgram(MARKET_ID, FIRST_MTU, MTUS, root, "grid", "report", deadline));
        return _sign(key, _digest(market.domainSeparator(), structHash));
    }

    function _recordWith(bytes memory signature, bytes32 root, uint64 deadline) private {
        market.recordProgram(MARKET_ID, program, root, "grid", "report", deadline, signature);
    }

    function test_recordProgram__booksOpen__reverts() public {
        vm.prank(operator);
        calendar.declarePeriod(AREA, FIRST_MTU + MTUS, 1);
        vm.prank(operator);
        uint32 second = market.openProgram(MARKET_ID, 2, FIRST_MTU + MTUS, 1, gate + 60);
        vm.expectRevert(abi.encodeWithSelector(IMarket.MarketBooksOpen.selector, MARKET_ID, second));
        market.recordProgram(MARKET_ID, second, ROOT, "grid", "report", gate + 60, "");
    }

    function test_recordProgram__zeroRoot__reverts() public {
        bytes memory signature = _signature(DSO_KEY, 0, gate + SIGN);
        vm.expectRevert(IMarket.MarketRootInvalid.selector);
        _recordWith(signature, 0, gate + SIGN);
    }

    function test_recordProgram__afterSignWindow__reverts() public {
        bytes memory signature = _signature(DSO_KEY, ROOT, type(uint64).max);
        _warp(gate + SIGN + 1);
        vm.expectRevert(abi.encodeWithSelector(IMarket.MarketTooLate.selector, gate + SIGN, gate + SIGN + 1));
        _recordWith(signature, ROOT, type(uint64).max);
    }

    function test_recordProgram__afterItsDeadline__reverts() public {
        bytes memory signature = _signature(DSO_KEY, ROOT, gate + 5);
        _warp(gate + 6);
        vm.expectRevert(abi.encodeWithSelector(IMarket.MarketTooLate.selector, gate + 5, gate + 6));
        _recordWith(signature, ROOT, gate + 5);
    }

    function test_recordProgram__notTheDso__reverts(uint256 key) public {
        key = bound(key, 1, type(uint128).max);
        vm.assume(vm.addr(key) != dso);
        bytes memory signature = _signature(key, ROOT, gate + SIGN);
        vm.expectRevert(abi.encodeWithSelector(IRoles.RolesMissing.selector, vm.addr(key), Role.Dso, AREA));
        _recordWith(signature, ROOT, gate + SIGN);
    }

    function test_recordProgram__anyFieldChanged__reverts(bytes32 root, bytes32 grid, bytes32 report) public {
        vm.assume(root != 0 && (root != ROOT || grid != "grid" || report != "report"));
        bytes memory signature = _signature(DSO_KEY, ROOT, gate + SIGN);
        vm.expectPartialRevert(IRoles.RolesMissing.selector);
        market.recordProgram(MARKET_ID, program, root, grid, report, gate + SIGN, signature);
    }

    function test_recordProgram__otherChainOrContract__reverts() public {
        bytes memory signature = _signature(DSO_KEY, ROOT, gate + SIGN);
        Market other = new Market(roles, calendar);
        bytes32 structHash =
            Hashes.program(Hashes.SignedProgram(MARKET_ID, FIRST_MTU, MTUS, ROOT, "grid", "report", gate + SIGN));
        bytes memory elsewhere = _sign(DSO_KEY, _digest(other.domainSeparator(), structHash));
        vm.expectPartialRevert(IRoles.RolesMissing.selector);
        _recordWith(elsewhere, ROOT, gate + SIGN);

        vm.chainId(4711);
        vm.expectPartialRevert(IRoles.RolesMissing.selector);
        _recordWith(signature, ROOT, gate + SIGN);
    }

    function test_recordProgram__second__reverts() public {
        _recordWith(_signature(DSO_KEY, ROOT, gate + SIGN), ROOT, gate + SIGN);
        bytes memory signature = _signature(DSO_KEY, "other", gate + SIGN);
        vm.expectRevert(abi.encodeWithSelector(IMarket.MarketProgramRecorded.selector, MARKET_ID, program));
        _recordWith(signature, "other", gate + SIGN);
    }

    function test_recordProgram__byAnyone__keepsTheRoot(address sender, uint64 late) public {
        _warp(gate + bound(late, 0, SIGN));
        bytes memory signature = _signature(DSO_KEY, ROOT, gate + SIGN);
        vm.expectEmit();
        emit IMarket.ProgramRecorded(MARKET_ID, program, ROOT, "grid", "report", gate + SIGN, dso, signature);
        vm.prank(sender);
        _recordWith(signature, ROOT, gate + SIGN);
        assertEq(market.programOf(MARKET_ID, program).resultsRoot, ROOT, "root");
    }
}
