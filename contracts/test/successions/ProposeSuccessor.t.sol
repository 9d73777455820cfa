// SPDX-License-Identifier: UNLICENSED
pragma solidity 0.8.37;

import {IAccounts} from "../../src/interfaces/IAccounts.sol";
import {IRoles, Role} from "../../src/interfaces/IRoles.sol";
import {ISuccessions} from "../../src/interfaces/ISuccessions.sol";
import {Hashes} from "../../src/libraries/Hashes.sol";
import {MoneyTest} from "../base/MoneyTest.sol";
import {vm} from "../base/Vm.sol";

/// @notice proposeSuccessor, cancelSuccessor, succeed and collect: a lost key does not lose the account, and nobody takes it from a key that is there.
contract SuccessionsProposeSuccessorTest is MoneyTest {
    uint64 private constant READY = T0 + CHALLENGE + 1 days;

    function setUp() public override {
        super.setUp();
        _fundedGuarantee(10);
        _deposit(household, 7, "deposit");
    }

    function _signatures(uint256 guarantorKey, uint256 toKey) private view returns (bytes memory, bytes memory) {
        bytes32 structHash = Hashes.accountReplacement(household, vm.addr(toKey), NEVER);
        return (_yields(guarantorKey, structHash), _yields(toKey, structHash));
    }

    function _propose() private {
        (bytes memory agreed, bytes memory taken) = _signatures(RETAILER_KEY, SUCCESSOR_KEY);
        vm.prank(registrar);
        successions.proposeSuccessor(household, successor, NEVER, agreed, taken);
    }

    function test_proposeSuccessor__notRegistrar__reverts(address sender) public {
        vm.assume(sender != registrar);
        (bytes memory agreed, bytes memory taken) = _signatures(RETAILER_KEY, SUCCESSOR_KEY);
        vm.expectRevert(abi.encodeWithSelector(IRoles.RolesMissing.selector, sender, Role.Registrar, bytes32(0)));
        vm.prank(sender);
        successions.proposeSuccessor(household, successor, NEVER, agreed, taken);
    }

    function test_proposeSuccessor__guarantorDidNotAgree__reverts() public {
        (bytes memory own, bytes memory taken) = _signatures(SUCCESSOR_KEY, SUCCESSOR_KEY);
        vm.expectRevert(abi.encodeWithSelector(ISuccessions.SuccessionsSignerWrong.selector, retailer, successor));
        vm.prank(registrar);
        successions.proposeSuccessor(household, successor, NEVER, own, taken);
    }

    function test_proposeSuccessor__successorDidNotSign__reverts() public {
        (bytes memory agreed,) = _signatures(RETAILER_KEY, SUCCESSOR_KEY);
        vm.expectRevert(abi.encodeWithSelector(ISuccessions.SuccessionsSignerWrong.selector, successor, retailer));
        vm.prank(registrar);
        successions.proposeSuccessor(household, successor, NEVER, agreed, agreed);
    }

    function test_proposeSuccessor__afterItsDeadline__reverts() public {
        vm.expectRevert(abi.encodeWithSelector(ISuccessions.SuccessionsTooLate.selector, T0 - 1, T0));
        vm.prank(registrar);
        successions.proposeSuccessor(household, successor, T0 - 1, "", "");
    }

    function test_proposeSuccessor__alreadyReplaced__reverts() public {
        _replace(HOUSEHOLD_KEY, 0xC4);
        vm.expectRevert(abi.encodeWithSelector(IAccounts.AccountsReplaced.selector, household, vm.addr(0xC4)));
        vm.prank(registrar);
        successions.proposeSuccessor(household, successor, NEVER, "", "");
    }

    /// @dev A holder that guarantees for itself, or has no line: nobody else answers for it.
    function _proposeFor(uint256 key, uint256 agreeing) private {
        bytes32 structHash = Hashes.accountReplacement(vm.addr(key), successor, NEVER);
        (bytes memory agreed, bytes memory taken) = (_yields(agreeing, structHash), _yields(SUCCESSOR_KEY, structHash));
        vm.prank(registrar);
        successions.proposeSuccessor(vm.addr(key), successor, NEVER, agreed, taken);
    }

    function proposeFor(uint256 key, uint256 agreeing) external {
        _proposeFor(key, agreeing);
    }

    function test_proposeSuccessor__nobodyGuaranteesAndNoOperatorAgrees__reverts() public {
        vm.expectPartialRevert(IRoles.RolesMissing.selector);
        this.proposeFor(RETAILER_KEY, HOUSEHOLD_KEY);
        _deposit(retailer, 5, "more");
        _line(RETAILER_KEY, RETAILER_KEY, 5, 1);
        vm.expectPartialRevert(IRoles.RolesMissing.selector);
        this.proposeFor(RETAILER_KEY, RETAILER_KEY);
    }

    function test_proposeSuccessor__nobodyGuarantees__operatorAgrees() public {
        _proposeFor(RETAILER_KEY, OPERATOR_KEY);
        _warp(READY);
        successions.succeed(retailer);
        assertEq(accounts.accountOf(household).guarantor, successor, "guarantees go along");
        assertEq(accounts.accountOf(successor).givenNeur, 10, "with what is given");
        assertEq(accounts.freeBalanceOf(successor), 0, "locked");
    }

    function test_succeed__nothingProposed__reverts() public {
        vm.expectRevert(abi.encodeWithSelector(ISuccessions.SuccessionsNoneProposed.selector, household));
        successions.succeed(household);
    }

    function test_succeed__early__reverts(uint64 time) public {
        _propose();
        time = uint64(bound(time, T0, READY - 1));
        _warp(time);
        vm.expectRevert(abi.encodeWithSelector(ISuccessions.SuccessionsTooEarly.selector, READY, time));
        successions.succeed(household);
    }

    function test_succeed__expired__reverts() public {
        _propose();
        _warp(READY + 30 days + 1);
        vm.expectRevert(
            abi.encodeWithSelector(ISuccessions.SuccessionsTooLate.selector, READY + 30 days, READY + 30 days + 1)
        );
        successions.succeed(household);
    }

    function test_succeed__cancelledByTheOldKey__reverts() public {
        _propose();
        vm.expectEmit();
        emit ISuccessions.SuccessorCancelled(household);
        vm.prank(household);
        successions.cancelSuccessor(household);
        _warp(READY);
        vm.expectRevert(abi.encodeWithSelector(ISuccessions.SuccessionsNoneProposed.selector, household));
        successions.succeed(household);
    }

    function test_succeed__oldKeyNamedAnotherMeanwhile__reverts() public {
        _propose();
        _replace(HOUSEHOLD_KEY, 0xC4);
        _warp(READY);
        vm.expectRevert(abi.encodeWithSelector(ISuccessions.SuccessionsNoneProposed.selector, household));
        successions.succeed(household);
    }

    function test_cancelSuccessor__byOthers__reverts(address sender) public {
        vm.assume(sender != registrar && sender != household);
        vm.expectRevert(abi.encodeWithSelector(ISuccessions.SuccessionsNoneProposed.selector, household));
        vm.prank(sender);
        successions.cancelSuccessor(household);
        _propose();
        vm.expectPartialRevert(IRoles.RolesMissing.selector);
        vm.prank(sender);
        successions.cancelSuccessor(household);
    }

    function test_collect__notReplaced__reverts() public {
        vm.expectRevert(abi.encodeWithSelector(ISuccessions.SuccessionsNotReplaced.selector, household));
        successions.collect(household);
    }

    function test_succeed__byAnyoneWhenDue__takesOver(address sender) public {
        vm.expectEmit();
        emit ISuccessions.SuccessorProposed(household, successor, retailer, READY);
        _propose();
        assertEq(uint256(successions.successionOf(household).readyAt), READY, "waits");
        _warp(READY);
        vm.expectEmit();
        emit IAccounts.AccountReplaced(household, successor, 7);
        vm.prank(sender);
        successions.succeed(household);
        assertEq(accounts.balanceOf(successor), 7, "balance");
        assertEq(uint256(accounts.accountOf(successor).creditNeur), 10, "line");
        assertEq(accounts.accountOf(successor).guarantor, retailer, "guarantor");
        assertEq(uint256(successions.successionOf(household).readyAt), 0, "done");

        // What reaches the lost key's account later needs no signature of it.
        _deposit(household, 5, "late");
        vm.prank(sender);
        successions.collect(household);
        assertEq(accounts.balanceOf(successor), 12, "late money too");
    }
}
