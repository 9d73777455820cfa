// SPDX-License-Identifier: UNLICENSED
pragma solidity 0.8.37;

import {IAccounts} from "../../src/interfaces/IAccounts.sol";
import {ISettlement, SettlementPage} from "../../src/interfaces/ISettlement.sol";
import {IRoles} from "../../src/interfaces/IRoles.sol";
import {Hashes} from "../../src/libraries/Hashes.sol";
import {Time} from "../../src/libraries/Time.sol";
import {LedgerTest} from "../base/LedgerTest.sol";
import {Shapes} from "../base/Shapes.sol";
import {vm} from "../base/Vm.sol";

/// @notice settle with one page.
contract SettlementSettleTest is LedgerTest {
    address private constant ANNA = address(0xA11A);
    address private constant BERT = address(0xBE27);
    address private constant CARL = address(0xCA21);
    uint96 private constant FUNDS = 100;

    function setUp() public override {
        super.setUp();
        _emptyDay();
        _deposit(ANNA, FUNDS, "anna's own");
        _bind(BERT);
    }

    function _refused(uint32 revision, uint256[] memory words, bytes memory error_) private {
        bytes32[] memory hashes = _pageHashes(words);
        bytes[] memory signatures = _settlementSignatures(revision, hashes);
        SettlementPage memory target = _settlementTarget(revision, 0);
        vm.expectRevert(error_);
        settlement.settle(target, hashes, words, signatures);
    }

    function _paid() private pure returns (uint256[] memory) {
        return _payment(ANNA, BERT, 40);
    }

    function _balances(int256 anna, int256 bert) private view {
        assertEq(accounts.balanceOf(ANNA) - int256(uint256(FUNDS)), anna, "anna");
        assertEq(accounts.balanceOf(BERT), bert, "bert");
    }

    /* REVERTS */

    function test_settle__periodRunning__reverts() public {
        uint64 end = Time.startOf(FIRST_MTU + MTUS);
        _warp(end - 1);
        _refused(0, _paid(), abi.encodeWithSelector(ISettlement.SettlementTooEarly.selector, end, end - 1));
    }

    function test_settle__readingsMissing__reverts() public {
        _warp(Time.startOf(FIRST_MTU + MTUS));
        _attest(FIRST_MTU, 0);
        _refused(0, _paid(), abi.encodeWithSelector(ISettlement.SettlementUnread.selector, 1, MTUS));
    }

    function test_settle__pendingSession__reverts() public {
        vm.startPrank(operator);
        period = calendar.declarePeriod(AREA, FIRST_MTU + MTUS, 2);
        market.openSession(MARKET_ID, gate + 60, period, FIRST_MTU + MTUS, 2);
        vm.stopPrank();
        _warp(Time.startOf(FIRST_MTU + MTUS + 2));
        _refused(0, _paid(), abi.encodeWithSelector(ISettlement.SettlementPending.selector, 1));
    }

    function test_settle__wrongRevision__reverts(uint32 revision) public {
        vm.assume(revision != 0);
        _attestAll();
        _refused(revision, _paid(), abi.encodeWithSelector(ISettlement.SettlementRevisionWrong.selector, 0, revision));
    }

    function test_settle__twice__reverts() public {
        _attestAll();
        _settle(0, _paid());
        _refused(0, _paid(), abi.encodeWithSelector(ISettlement.SettlementRevisionWrong.selector, 1, 0));
    }

    function test_settle__unbalanced__reverts(int96 left, int96 right) public {
        left = int96(boundInt(left, -1e20, 1e20));
        right = int96(boundInt(right, -1e20, 1e20));
        vm.assume(left != 0 && right != 0 && left + right != 0);
        _attestAll();
        if (right < 0) (left, right) = (right, left);
        uint256[] memory words = new uint256[](2);
        (words[0], words[1]) = (Shapes.settlementWord(ANNA, left), Shapes.settlementWord(BERT, right));
        _refused(0, words, abi.encodeWithSelector(ISettlement.SettlementUnbalanced.selector, int256(left) + right));
    }

    function test_settle__wordsInvalid__reverts() public {
        _attestAll();
        uint256[] memory words = _payment(ANNA, BERT, 40);
        (words[0], words[1]) = (words[1], words[0]); // the credit first
        _refused(0, words, abi.encodeWithSelector(IAccounts.AccountsWordInvalid.selector, 1));
        (words[0], words[1]) = (Shapes.settlementWord(BERT, -1), Shapes.settlementWord(ANNA, -1)); // descending
        _refused(0, words, abi.encodeWithSelector(IAccounts.AccountsWordInvalid.selector, 1));
        (words[0], words[1]) = (Shapes.settlementWord(BERT, 1), Shapes.settlementWord(BERT, 1)); // twice
        _refused(0, words, abi.encodeWithSelector(IAccounts.AccountsWordInvalid.selector, 1));
        words = _payment(ANNA, BERT, 0); // nothing
        _refused(0, words, abi.encodeWithSelector(IAccounts.AccountsWordInvalid.selector, 0));
        words = _payment(address(0), BERT, 1); // nobody
        _refused(0, words, abi.encodeWithSelector(IAccounts.AccountsWordInvalid.selector, 0));
    }

    function test_settle__amountBeyondRange__reverts() public {
        _attestAll();
        _refused(0, _payment(ANNA, BERT, 1 << 72), abi.encodeWithSelector(IAccounts.AccountsAmountInvalid.selector));
    }

    function test_settle__wordsOtherThanHashed__reverts() public {
        _attestAll();
        bytes32[] memory hashes = _pageHashes(_paid());
        bytes[] memory signatures = _settlementSignatures(0, hashes);
        uint256[] memory words = _payment(ANNA, BERT, 41);
        vm.expectRevert(abi.encodeWithSelector(ISettlement.SettlementPageHashWrong.selector, 0));
        settlement.settle(_settlementTarget(0, 0), hashes, words, signatures);
    }

    function test_settle__pageShapeWrong__reverts() public {
        _attestAll();
        bytes32[] memory none = new bytes32[](0);
        vm.expectRevert(ISettlement.SettlementPageInvalid.selector);
        settlement.settle(_settlementTarget(0, 0), none, _paid(), new bytes[](0));
        vm.expectRevert(ISettlement.SettlementPageInvalid.selector);
        settlement.settle(_settlementTarget(0, 1), none, new uint256[](0), new bytes[](0));
        vm.expectRevert(ISettlement.SettlementPageInvalid.selector);
        settlement.settle(_settlementTarget(0, 0), new bytes32[](513), _paid(), new bytes[](0));
        vm.expectRevert(ISettlement.SettlementPageInvalid.selector);
        settlement.settle(_settlementTarget(0, 0), new bytes32[](1), new uint256[](2049), new bytes[](0));
    }

    function test_settle__signedOverOtherRoots__reverts() public {
        // Readings change after the attesters signed: they must sign again.
        _attestAll();
        bytes32[] memory hashes = _pageHashes(_paid());
        bytes[] memory signatures = _settlementSignatures(0, hashes);
        _attest(FIRST_MTU, 1);
        (bool ok, bytes memory reason) = address(settlement)
            .call(abi.encodeCall(ISettlement.settle, (_settlementTarget(0, 0), hashes, _paid(), signatures)));
        assertFalse(ok, "refused");
        bytes4 selector = bytes4(reason);
        assertTrue(
            selector == IRoles.RolesMissing.selector || selector == IRoles.RolesSignersUnordered.selector, "reason"
        );
    }

    function test_settle__correctionAfterHorizon__reverts() public {
        _attestAll();
        _settle(0, _paid());
        uint64 horizon = Time.startOf(FIRST_MTU + MTUS) + HORIZON;
        _warp(horizon + 1);
        _refused(1, _paid(), abi.encodeWithSelector(ISettlement.SettlementTooLate.selector, horizon, horizon + 1));
    }

    function test_settle__final__reverts() public {
        _attestAll();
        _settle(0, _paid());
        _warp(Time.startOf(FIRST_MTU + MTUS) + HORIZON + 1);
        settlement.finalise(AREA, period);
        _refused(1, _paid(), abi.encodeWithSelector(ISettlement.SettlementFinal.selector, AREA, period));
        vm.expectRevert(abi.encodeWithSelector(ISettlement.SettlementFinal.selector, AREA, period));
        settlement.finalise(AREA, period);
    }

    /* NOBODY HOLDS UP THE OTHERS */

    function _suspended(address account) private view returns (int256) {
        return accounts.balanceOf(accounts.suspenseOf(account, AREA));
    }

    function test_settle__balanceBeyondRange__waitsAndIsBookedLater(uint64 more) public {
        more = uint64(bound(more, 1, type(uint64).max));
        int96 most = (1 << 70) - 1;
        int96 rest = int96(int256(uint256(more)));
        _attestAll();
        _settle(0, _payment(ANNA, BERT, most + int96(FUNDS)));
        assertEq(_suspended(BERT), most, "what nobody covers waits");
        _bind(CARL);
        vm.expectEmit();
        emit IAccounts.AmountSuspended(ANNA, accounts.suspenseOf(ANNA, AREA), -rest);
        vm.expectEmit();
        emit IAccounts.AmountSuspended(CARL, accounts.suspenseOf(CARL, AREA), rest);
        _settle(1, _payment(ANNA, CARL, rest));
        assertEq(accounts.balanceOf(ANNA), -most, "not further");
        assertEq(_suspended(ANNA), -rest, "debit without a guarantor waits");
        vm.expectRevert(abi.encodeWithSelector(IAccounts.AccountsUncovered.selector, AREA, 0));
        accounts.bookSuspense(CARL);

        _deposit(ANNA, 1e17, "paid");
        accounts.bookSuspense(BERT);
        assertEq(_suspended(BERT), most - 1e17, "as much came as was paid");
    }

    function test_settle__debitBeyondRange__isItsGuarantors() public {
        (int96 most, address guarantor) = ((1 << 70) - 1, address(0x6A));
        _deposit(guarantor, 40, "guarantor");
        vm.prank(address(guarantees));
        accounts.setLine(guarantor, ANNA, 40);
        _attestAll();
        _settle(0, _payment(ANNA, BERT, most + int96(FUNDS)));
        _settle(1, _payment(ANNA, BERT, 40));
        assertEq(accounts.balanceOf(ANNA), -most, "not further");
        assertEq(accounts.balanceOf(guarantor), 0, "the guarantor's");
    }

    function test_settle__uncoveredDebit__waitsOnEachCreditByItsShare() public {
        _bind(CARL);
        _attestAll();
        uint256[] memory words = new uint256[](3);
        words[0] = Shapes.settlementWord(ANNA, -int96(FUNDS) - 50);
        words[1] = Shapes.settlementWord(BERT, int96(FUNDS) / 2);
        words[2] = Shapes.settlementWord(CARL, int96(FUNDS) / 2 + 50);
        vm.expectEmit();
        emit IAccounts.DebtUncovered(ANNA, 50);
        vm.expectEmit();
        emit IAccounts.AmountSuspended(BERT, accounts.suspenseOf(BERT, AREA), 17);
        vm.expectEmit();
        emit IAccounts.AmountSuspended(CARL, accounts.suspenseOf(CARL, AREA), 34);
        _settle(0, words);
        assertEq(accounts.freeBalanceOf(BERT) + accounts.freeBalanceOf(CARL), int256(uint256(FUNDS)) - 1, "what is there");

        accounts.bookSuspense(CARL);
        assertEq(accounts.balanceOf(CARL), 67, "what was rounded up");
        vm.expectRevert(abi.encodeWithSelector(IAccounts.AccountsUncovered.selector, AREA, 0));
        accounts.bookSuspense(BERT);
        _deposit(ANNA, 50, "paid");
        accounts.bookSuspense(BERT);
        accounts.bookSuspense(CARL);
        _balances(-int256(uint256(FUNDS)), 50);
        assertEq(accounts.balanceOf(CARL), 100, "all of it");
    }

    function test_settle__creditorRedeemsWhatOnlyAGuarantorHas__neverTakesAnothersMoney() public {
        // The case that began it: H owes R 1,000 within R's line, R redeems 1,000, and A, who paid in, gets nothing.
        _bind(CARL);
        vm.expectPartialRevert(IAccounts.AccountsBalanceLow.selector);
        vm.prank(address(guarantees));
        accounts.setLine(BERT, CARL, 50);
        _attestAll();
        _settle(0, _payment(CARL, BERT, int96(FUNDS)));
        assertEq(accounts.freeBalanceOf(BERT), 0, "nothing to redeem");
        assertEq(accounts.freeBalanceOf(ANNA), int256(uint256(FUNDS)), "all of anna's");
    }

    function test_settle__accountNotBound__waitsUntilItIs() public {
        _attestAll();
        _settle(0, _payment(ANNA, CARL, 40));
        _balances(-40, 0);
        assertEq(accounts.balanceOf(CARL), 0, "not bound by its first booking");
        assertEq(_suspended(CARL), 40, "waits");
        _bind(CARL);
        assertEq(accounts.balanceOf(CARL), 40, "came with the binding");
    }

    function test_bookSuspense__nothingWaits__changesNothing() public {
        accounts.bookSuspense(ANNA);
        _balances(0, 0);
    }

    /* EFFECTS */

    function test_settle__byAnyone__movesMoney(address sender, uint80 amount) public {
        amount = uint80(bound(amount, 1, FUNDS));
        _attestAll();
        uint256[] memory words = _payment(ANNA, BERT, int96(int256(uint256(amount))));
        bytes32[] memory hashes = _pageHashes(words);
        bytes[] memory signatures = _settlementSignatures(0, hashes);
        SettlementPage memory target = _settlementTarget(0, 0);
        bytes32 clearingRoot = market.clearingRoot(AREA, period);
        bytes32 readingsRoot = readings.readingsRoot(AREA, period);

        vm.expectEmit();
        emit ISettlement.PeriodSettled(
            AREA, period, 0, Hashes.chain(hashes), clearingRoot, readingsRoot, "statements", "tariffs"
        );
        vm.prank(sender);
        settlement.settle(target, hashes, words, signatures);

        _balances(-int256(uint256(amount)), int256(uint256(amount)));
        assertEq(accounts.supply(), FUNDS, "no money came or went");
        assertEq(uint256(settlement.settlementOf(AREA, period).revisions), 1, "revisions");
        assertEq(uint256(settlement.settledThrough(AREA)), 1, "settled through");
        assertEq(settlement.statementsRootOf(AREA, period, 0), "statements", "statements");
    }

    function test_settle__withinCredit__callsNobody() public {
        _attestAll();
        _deposit(CARL, 40, "guarantor");
        vm.prank(address(guarantees));
        accounts.setLine(CARL, ANNA, 40);
        vm.recordLogs();
        _settle(0, _payment(ANNA, BERT, int96(FUNDS) + 40));
        assertEq(vm.getRecordedLogs().length, 2, "signed and settled, nothing else");
    }

    function test_settle__guarantorBelowItsLines__isCalled() public {
        _attestAll();
        _bind(CARL);
        vm.prank(address(guarantees));
        accounts.setLine(ANNA, CARL, 60);
        vm.expectEmit();
        emit IAccounts.GuarantorCalled(ANNA, 10);
        _settle(0, _payment(ANNA, BERT, 50));
        assertEq(_suspended(BERT), 10, "what the lines need waits");
        assertEq(accounts.freeBalanceOf(ANNA), -10, "missing");
    }

    function test_settle__withoutAmounts__settles() public {
        _attestAll();
        _settle(0, new uint256[](0));
        assertEq(uint256(settlement.settlementOf(AREA, period).revisions), 1, "settled");
    }

    function test_settle__unreadPeriod__settles() public {
        _warp(Time.startOf(FIRST_MTU + MTUS) + ATTEST + 1);
        readings.markUnread(AREA, period, FIRST_MTU, MTUS);
        _settle(0, _paid());
        _balances(-40, 40);
    }

    function test_settle__correction__addsDifferences() public {
        _attestAll();
        _settle(0, _paid());
        _attest(FIRST_MTU, 1);
        _warp(Time.startOf(FIRST_MTU + MTUS) + HORIZON);
        _settle(1, _payment(ANNA, BERT, -15));
        _balances(-25, 25);
        assertEq(uint256(settlement.settlementOf(AREA, period).revisions), 2, "revisions");
        _warp(Time.startOf(FIRST_MTU + MTUS) + HORIZON + 1);
        vm.expectEmit();
        emit ISettlement.PeriodFinalised(AREA, period);
        settlement.finalise(AREA, period);
        assertTrue(settlement.settlementOf(AREA, period).isFinal, "final");
    }
}
