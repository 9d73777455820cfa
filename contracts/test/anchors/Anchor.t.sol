// SPDX-License-Identifier: UNLICENSED
pragma solidity 0.8.37;

import {Anchors} from "../../src/Anchors.sol";
import {IAnchors} from "../../src/interfaces/IAnchors.sol";
import {IRoles} from "../../src/interfaces/IRoles.sol";
import {LedgerTest} from "../base/LedgerTest.sol";
import {vm} from "../base/Vm.sol";

contract AnchorsAnchorTest is LedgerTest {
    uint64 private constant STEP = 100_000;

    function test_anchor__notOperator__reverts(address sender) public {
        vm.assume(sender != operator);
        vm.expectPartialRevert(IRoles.RolesMissing.selector);
        vm.prank(sender);
        anchors.anchor(1, "head");
    }

    function test_anchor__zeroHead__reverts() public {
        vm.expectRevert(IAnchors.AnchorsHeadInvalid.selector);
        vm.prank(operator);
        anchors.anchor(1, 0);
    }

    function test_anchor__sequenceNotRising__reverts(uint64 last, uint64 next) public {
        last = uint64(bound(last, 1, STEP));
        next = uint64(bound(next, 0, last));
        vm.startPrank(operator);
        anchors.anchor(last, "head");
        vm.expectRevert(abi.encodeWithSelector(IAnchors.AnchorsSequenceNotRising.selector, last, next));
        anchors.anchor(next, "other");
        vm.stopPrank();
    }

    function test_anchor__longStep__reverts(uint64 first, uint64 second) public {
        first = uint64(bound(first, 1, STEP));
        second = uint64(bound(second, first + STEP + 1, type(uint64).max));
        vm.startPrank(operator);
        vm.expectRevert(abi.encodeWithSelector(IAnchors.AnchorsStepTooLong.selector, 0, second));
        anchors.anchor(second, "head");
        anchors.anchor(first, "head");
        vm.expectRevert(abi.encodeWithSelector(IAnchors.AnchorsStepTooLong.selector, first, second));
        anchors.anchor(second, "head");
        vm.stopPrank();
    }

    function test_anchor__rising__keepsLatest(uint64 first, uint64 second) public {
        first = uint64(bound(first, 1, STEP));
        second = uint64(bound(second, first + 1, first + STEP));
        vm.startPrank(operator);
        anchors.anchor(first, "head");
        vm.warp(BLOCK_T0 + 60);
        vm.expectEmit();
        emit IAnchors.HeadAnchored(second, "next", "head");
        anchors.anchor(second, "next");
        vm.stopPrank();
        (uint64 sequence, bytes32 head, uint64 blockTime) = anchors.latest();
        assertEq(uint256(sequence), second, "sequence");
        assertEq(head, "next", "head");
        assertEq(uint256(blockTime), BLOCK_T0 + 60, "block time");
    }

    /// @dev A key may run ahead of every journal in many steps: the registrar lists a contract where anchors begin anew.
    function test_anchor__keyRanAhead__anotherContractBeginsAnew() public {
        vm.startPrank(operator);
        for (uint64 i = 1; i <= 50; ++i) {
            anchors.anchor(i * STEP, "nowhere");
        }
        vm.stopPrank();
        Anchors next = new Anchors(roles);
        vm.prank(registrar);
        registry.register("Anchors", address(next), address(next).codehash);
        vm.prank(operator);
        next.anchor(7, "head");
        (uint64 sequence,,) = IAnchors(registry.latestOf("Anchors").location).latest();
        assertEq(uint256(sequence), 7, "the journal's own");
    }
}
