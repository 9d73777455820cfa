// SPDX-License-Identifier: MIT
pragma solidity ^0.8.24;

import {Settlement} from "../../src/Settlement.sol";
import {IRoles} from "../../src/interfaces/IRoles.sol";
import {ISettlement} from "../../src/interfaces/ISettlement.sol";
import {Hashes} from "../../src/libraries/Hashes.sol";
import {LedgerTest} from "../base/LedgerTest.sol";
import {vm} from "../base/Vm.sol";

/// @notice What the tests of money share: a household and a retailer, with keys.
abstract contract MoneyTest is LedgerTest {
    uint256 internal constant HOUSEHOLD_KEY = 0xC1;
    uint256 internal constant RETAILER_KEY = 0xC2;
    uint256 internal constant SUCCESSOR_KEY = 0xC3;

    address internal household = vm.addr(HOUSEHOLD_KEY);
    address internal retailer = vm.addr(RETAILER_KEY);
    address internal successor = vm.addr(SUCCESSOR_KEY);

    function _signed(uint256 key, bytes32 structHash) internal view returns (bytes memory) {
        return _sign(key, _digest(settlement.domainSeparator(), structHash));
    }

    function _guarantee(uint64 credit, uint64 nonce) internal {
        bytes memory signature = _signed(RETAILER_KEY, Hashes.guarantee(retailer, household, credit, nonce));
        vm.prank(operator);
        settlement.guarantee(retailer, household, credit, nonce, signature);
    }

    /// @dev Puts the household into debt of `amount`, which the retailer receives, by settling a day.
    function _debt(uint96 amount) internal {
        _emptyDay();
        _attestAll();
        int96 signedAmount = int96(amount);
        _settle(
            0,
            household < retailer
                ? _payment(household, retailer, signedAmount)
                : _payment(retailer, household, -signedAmount)
        );
    }
}

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
        settlement.deposit(household, 1 << 78, "ref");
        vm.stopPrank();
    }

    function test_deposit__refTwice__reverts() public {
        _deposit(household, 1, "ref");
        vm.expectRevert(abi.encodeWithSelector(ISettlement.SettlementRefUsed.selector, bytes32("ref")));
        vm.prank(treasurer);
        settlement.deposit(retailer, 1, "ref");
    }

    function test_deposit__valid__raisesBalanceAndSupply(uint96 amount) public {
        amount = uint96(bound(amount, 1, (1 << 78) - 1));
        vm.expectEmit();
        emit ISettlement.Deposited(household, amount, "ref");
        _deposit(household, amount, "ref");
        assertEq(settlement.balanceOf(household), int256(uint256(amount)), "balance");
        assertEq(settlement.supply(), amount, "supply");
    }

    function test_constructor__windowZero__reverts() public {
        vm.expectRevert(ISettlement.SettlementConfigInvalid.selector);
        new Settlement(roles, calendar, market, readings, 0, 1);
        vm.expectRevert(ISettlement.SettlementConfigInvalid.selector);
        new Settlement(roles, calendar, market, readings, 1, 0);
    }
}

contract SettlementGuaranteeTest is MoneyTest {
    function test_guarantee__notOperator__reverts(address sender) public {
        vm.assume(sender != operator);
        vm.expectPartialRevert(IRoles.RolesMissing.selector);
        vm.prank(sender);
        settlement.guarantee(retailer, household, 1, 1, "");
    }

    function test_guarantee__withoutConsent__reverts() public {
        bytes memory signature = _signed(HOUSEHOLD_KEY, Hashes.guarantee(retailer, household, 1, 1));
        vm.expectRevert(abi.encodeWithSelector(ISettlement.SettlementSignerWrong.selector, retailer, household));
        vm.prank(operator);
        settlement.guarantee(retailer, household, 1, 1, signature);
    }

    function test_guarantee__forItself__reverts() public {
        vm.expectRevert(abi.encodeWithSelector(ISettlement.SettlementAccountInvalid.selector, retailer));
        vm.prank(operator);
        settlement.guarantee(retailer, retailer, 1, 1, "");
    }

    function test_guarantee__nonceNotRising__reverts(uint64 last, uint64 next) public {
        last = uint64(bound(last, 1, type(uint64).max));
        next = uint64(bound(next, 0, last));
        _guarantee(5, last);
        bytes memory signature = _signed(RETAILER_KEY, Hashes.guarantee(retailer, household, 6, next));
        vm.expectRevert(abi.encodeWithSelector(ISettlement.SettlementNonceUsed.selector, last, next));
        vm.prank(operator);
        settlement.guarantee(retailer, household, 6, next, signature);
    }

    function test_guarantee__newGuarantorWhileDebtIsOpen__reverts() public {
        _guarantee(10, 1);
        _debt(25);
        bytes memory signature = _signed(SUCCESSOR_KEY, Hashes.guarantee(successor, household, 100, 1));
        vm.expectRevert(abi.encodeWithSelector(ISettlement.SettlementDebtOpen.selector, household, 15));
        vm.prank(operator);
        settlement.guarantee(successor, household, 100, 1, signature);
    }

    function test_guarantee__valid__setsLine(uint64 credit) public {
        vm.expectEmit();
        emit ISettlement.GuaranteeSet(retailer, household, credit, 1);
        _guarantee(credit, 1);
        assertEq(settlement.accountOf(household).guarantor, retailer, "guarantor");
        assertEq(uint256(settlement.accountOf(household).creditNeur), credit, "credit");
        assertEq(uint256(settlement.guaranteeNonceOf(retailer, household)), 1, "nonce");
    }

    function test_guarantee__loweredBelowDebt__callsTheExcess() public {
        _guarantee(100, 1);
        _debt(60);
        bytes memory signature = _signed(RETAILER_KEY, Hashes.guarantee(retailer, household, 50, 2));
        vm.expectEmit();
        emit ISettlement.GuaranteeSet(retailer, household, 50, 2);
        vm.expectEmit();
        emit ISettlement.GuaranteeCalled(household, retailer, 10);
        vm.prank(operator);
        settlement.guarantee(retailer, household, 50, 2, signature);
    }

    function test_guarantee__otherGuarantorWithoutDebt__takesOver() public {
        _guarantee(10, 1);
        bytes memory signature = _signed(SUCCESSOR_KEY, Hashes.guarantee(successor, household, 100, 1));
        vm.prank(operator);
        settlement.guarantee(successor, household, 100, 1, signature);
        assertEq(settlement.accountOf(household).guarantor, successor, "guarantor");
    }
}

contract SettlementCoverTest is MoneyTest {
    function _cover(uint96 amount, bytes32 ref) private {
        settlement.cover(
            retailer, household, amount, ref, _signed(RETAILER_KEY, Hashes.cover(retailer, household, amount, ref))
        );
    }

    function test_cover__unsigned__reverts() public {
        bytes memory signature = _signed(HOUSEHOLD_KEY, Hashes.cover(retailer, household, 1, "ref"));
        vm.expectRevert(abi.encodeWithSelector(ISettlement.SettlementSignerWrong.selector, retailer, household));
        settlement.cover(retailer, household, 1, "ref", signature);
    }

    function test_cover__nothingOrItself__reverts() public {
        vm.expectRevert(ISettlement.SettlementAmountInvalid.selector);
        settlement.cover(retailer, household, 0, "ref", "");
        vm.expectRevert(abi.encodeWithSelector(ISettlement.SettlementAccountInvalid.selector, retailer));
        settlement.cover(retailer, retailer, 1, "ref", "");
    }

    function test_cover__moreThanThereIs__reverts() public {
        _deposit(retailer, 9, "deposit");
        bytes memory signature = _signed(RETAILER_KEY, Hashes.cover(retailer, household, 10, "ref"));
        vm.expectRevert(abi.encodeWithSelector(ISettlement.SettlementBalanceLow.selector, retailer, 9, 10));
        settlement.cover(retailer, household, 10, "ref", signature);
    }

    function test_cover__twice__reverts() public {
        _deposit(retailer, 9, "deposit");
        _cover(4, "ref");
        bytes memory signature = _signed(RETAILER_KEY, Hashes.cover(retailer, household, 4, "ref"));
        vm.expectRevert(abi.encodeWithSelector(ISettlement.SettlementRefUsed.selector, bytes32("ref")));
        settlement.cover(retailer, household, 4, "ref", signature);
    }

    function test_cover__valid__movesMoney(uint96 amount) public {
        amount = uint96(bound(amount, 1, 1e20));
        _deposit(retailer, amount, "deposit");
        bytes memory signature = _signed(RETAILER_KEY, Hashes.cover(retailer, household, amount, "ref"));
        vm.expectEmit();
        emit ISettlement.DebtCovered(retailer, household, amount, "ref");
        settlement.cover(retailer, household, amount, "ref", signature);
        assertEq(settlement.balanceOf(retailer), 0, "retailer");
        assertEq(settlement.balanceOf(household), int256(uint256(amount)), "household");
    }
}

contract SettlementRedemptionTest is MoneyTest {
    function _request(uint96 amount, bytes32 ref) private {
        uint64 deadline = uint64(block.timestamp);
        settlement.requestRedemption(
            household,
            amount,
            ref,
            deadline,
            _signed(HOUSEHOLD_KEY, Hashes.redemption(household, amount, ref, deadline))
        );
    }

    function test_requestRedemption__unsigned__reverts() public {
        bytes memory signature = _signed(RETAILER_KEY, Hashes.redemption(household, 5, "ref", T0));
        vm.expectRevert(abi.encodeWithSelector(ISettlement.SettlementSignerWrong.selector, household, retailer));
        settlement.requestRedemption(household, 5, "ref", T0, signature);
    }

    function test_requestRedemption__afterItsDeadline__reverts() public {
        bytes memory signature = _signed(HOUSEHOLD_KEY, Hashes.redemption(household, 5, "ref", T0 - 1));
        vm.expectRevert(abi.encodeWithSelector(ISettlement.SettlementTooLate.selector, T0 - 1, T0));
        settlement.requestRedemption(household, 5, "ref", T0 - 1, signature);
    }

    function test_requestRedemption__nothing__reverts() public {
        vm.expectRevert(ISettlement.SettlementAmountInvalid.selector);
        settlement.requestRedemption(household, 0, "ref", T0, "");
    }

    function test_requestRedemption__refTwice__reverts() public {
        _request(5, "ref");
        bytes memory signature = _signed(HOUSEHOLD_KEY, Hashes.redemption(household, 5, "ref", T0));
        vm.expectRevert(abi.encodeWithSelector(ISettlement.SettlementRefUsed.selector, bytes32("ref")));
        settlement.requestRedemption(household, 5, "ref", T0, signature);
    }

    function test_completeRedemption__notRequested__reverts() public {
        vm.expectRevert(
            abi.encodeWithSelector(ISettlement.SettlementRedemptionUnknown.selector, household, bytes32("ref"))
        );
        settlement.completeRedemption(household, "ref");
    }

    function test_completeRedemption__challengeRunning__reverts() public {
        _deposit(household, 5, "deposit");
        _request(5, "ref");
        vm.warp(T0 + CHALLENGE - 1);
        vm.expectRevert(
            abi.encodeWithSelector(ISettlement.SettlementTooEarly.selector, T0 + CHALLENGE, T0 + CHALLENGE - 1)
        );
        settlement.completeRedemption(household, "ref");
    }

    function test_completeRedemption__nothingThere__reverts() public {
        _request(5, "ref");
        vm.warp(T0 + CHALLENGE);
        vm.expectRevert(abi.encodeWithSelector(ISettlement.SettlementNothingToRedeem.selector, household));
        settlement.completeRedemption(household, "ref");
        // It can still be completed when money has come.
        _deposit(household, 3, "deposit");
        settlement.completeRedemption(household, "ref");
        assertEq(settlement.balanceOf(household), 0, "burned what is there");
    }

    function test_completeRedemption__twice__reverts() public {
        _deposit(household, 10, "deposit");
        _request(5, "ref");
        vm.warp(T0 + CHALLENGE);
        settlement.completeRedemption(household, "ref");
        vm.expectPartialRevert(ISettlement.SettlementRedemptionUnknown.selector);
        settlement.completeRedemption(household, "ref");
    }

    function test_completeRedemption__alsoInPause__burnsTheLeast(uint96 balance, uint96 requested) public {
        balance = uint96(bound(balance, 1, 1e20));
        requested = uint96(bound(requested, 1, 1e20));
        _deposit(household, balance, "deposit");
        _request(requested, "ref");
        vm.warp(T0 + CHALLENGE);
        vm.prank(security);
        roles.pause();
        uint256 least = balance < requested ? balance : requested;
        vm.expectEmit();
        emit ISettlement.Redeemed(household, least, "ref");
        settlement.completeRedemption(household, "ref");
        assertEq(settlement.balanceOf(household), int256(uint256(balance)) - int256(least), "balance");
        assertEq(settlement.supply(), balance - least, "supply");
        assertEq(uint256(settlement.redemptionOf(household, "ref").amountNeur), 0, "done");
    }

    function test_completeRedemption__othersInDebt__burnsAtMostTheSupply() public {
        _guarantee(100, 1);
        _debt(60); // retailer +60, household -60, no money in the system
        _deposit(household, 25, "deposit"); // supply 25
        uint64 deadline = uint64(block.timestamp);
        bytes memory signature = _signed(RETAILER_KEY, Hashes.redemption(retailer, 60, "ref", deadline));
        settlement.requestRedemption(retailer, 60, "ref", deadline, signature);
        vm.warp(deadline + CHALLENGE);
        settlement.completeRedemption(retailer, "ref");
        assertEq(settlement.balanceOf(retailer), 35, "what is covered by money");
        assertEq(settlement.supply(), 0, "supply");
    }
}

contract SettlementReplaceAccountTest is MoneyTest {
    function _signatures(address to, uint256 toKey) private view returns (bytes memory, bytes memory) {
        bytes32 structHash = Hashes.accountReplacement(household, to);
        return (_signed(HOUSEHOLD_KEY, structHash), _signed(toKey, structHash));
    }

    function _replace() private {
        (bytes memory from, bytes memory to) = _signatures(successor, SUCCESSOR_KEY);
        settlement.replaceAccount(household, successor, from, to);
    }

    function test_replaceAccount__byItself__reverts() public {
        vm.expectRevert(abi.encodeWithSelector(ISettlement.SettlementAccountInvalid.selector, household));
        settlement.replaceAccount(household, household, "", "");
    }

    function test_replaceAccount__oneSignatureMissing__reverts() public {
        (bytes memory from, bytes memory to) = _signatures(successor, SUCCESSOR_KEY);
        vm.expectRevert(abi.encodeWithSelector(ISettlement.SettlementSignerWrong.selector, household, successor));
        settlement.replaceAccount(household, successor, to, to);
        vm.expectRevert(abi.encodeWithSelector(ISettlement.SettlementSignerWrong.selector, successor, household));
        settlement.replaceAccount(household, successor, from, from);
    }

    function test_replaceAccount__successorNotFresh__reverts() public {
        _deposit(successor, 1, "deposit");
        (bytes memory from, bytes memory to) = _signatures(successor, SUCCESSOR_KEY);
        vm.expectRevert(abi.encodeWithSelector(ISettlement.SettlementSuccessorInvalid.selector, household, successor));
        settlement.replaceAccount(household, successor, from, to);
    }

    function test_replaceAccount__replacedByAnother__reverts() public {
        _replace();
        (bytes memory from, bytes memory to) = _signatures(retailer, RETAILER_KEY);
        vm.expectRevert(abi.encodeWithSelector(ISettlement.SettlementSuccessorInvalid.selector, household, retailer));
        settlement.replaceAccount(household, retailer, from, to);
    }

    function test_replaceAccount__valid__movesAll(uint96 amount, uint64 credit) public {
        amount = uint96(bound(amount, 1, 1e20));
        _deposit(household, amount, "deposit");
        _guarantee(credit, 1);
        (bytes memory from, bytes memory to) = _signatures(successor, SUCCESSOR_KEY);
        vm.expectEmit();
        emit ISettlement.AccountReplaced(household, successor, int256(uint256(amount)));
        settlement.replaceAccount(household, successor, from, to);

        assertEq(settlement.balanceOf(household), 0, "old balance");
        assertEq(settlement.accountOf(household).successor, successor, "successor");
        assertEq(settlement.accountOf(household).guarantor, address(0), "old guarantor");
        assertEq(settlement.balanceOf(successor), int256(uint256(amount)), "balance");
        assertEq(uint256(settlement.accountOf(successor).creditNeur), credit, "credit");
        assertEq(settlement.accountOf(successor).guarantor, retailer, "guarantor");
    }

    function test_replaceAccount__again__movesWhatCameLater() public {
        _replace();
        _deposit(household, 7, "late");
        _replace();
        assertEq(settlement.balanceOf(successor), 7, "moved");
        assertEq(settlement.balanceOf(household), 0, "old");
    }

    function test_replaceAccount__debt__movesToo() public {
        _guarantee(100, 1);
        _debt(60);
        _replace();
        assertEq(settlement.balanceOf(successor), -60, "debt");
    }
}
