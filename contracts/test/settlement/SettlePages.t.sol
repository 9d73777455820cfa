// SPDX-License-Identifier: UNLICENSED
pragma solidity 0.8.37;

import {AreaParams} from "../../src/interfaces/ICalendar.sol";
import {IAccounts} from "../../src/interfaces/IAccounts.sol";
import {ISettlement, SettlementPage} from "../../src/interfaces/ISettlement.sol";
import {PagesTest} from "../base/PagesTest.sol";
import {Shapes} from "../base/Shapes.sol";
import {vm} from "../base/Vm.sol";

/// @notice settle with two pages.
contract SettlementSettlePagesTest is PagesTest {
    function _refused(uint32 revision, uint32 page, bytes memory error_) private {
        SettlementPage memory target = _settlementTarget(revision, page);
        uint256[] memory words = _pages(_words)[page];
        vm.expectRevert(error_);
        settlement.settle(target, _hashes, words, _signatures);
    }

    function test_settle__secondPageFirst__reverts() public {
        _refused(0, 1, abi.encodeWithSelector(ISettlement.SettlementPageOrder.selector, 0));
    }

    function test_settle__firstPageTwice__reverts() public {
        _send(0, 0);
        _refused(0, 0, abi.encodeWithSelector(ISettlement.SettlementBusy.selector, settlement.openSettlement(AREA).id));
    }

    function test_settle__pageOfAnother__reverts() public {
        _send(0, 0);
        SettlementPage memory target = _settlementTarget(0, 1);
        target.tariffHash = "other tariffs";
        uint256[] memory words = _pages(_words)[1];
        vm.expectRevert(abi.encodeWithSelector(ISettlement.SettlementPageOrder.selector, 0));
        settlement.settle(target, _hashes, words, _signatures);
    }

    function test_settle__unbalancedOverPages__reverts() public {
        _words[0] = Shapes.settlementWord(_account(ACCOUNTS - 1), -1);
        _hashes = _pageHashes(_words);
        _signatures = _settlementSignatures(0, _hashes);
        _send(0, 0);
        _refused(0, 1, abi.encodeWithSelector(ISettlement.SettlementUnbalanced.selector, int256(ACCOUNTS) - 2));
    }

    function test_settle__accountOnBothPages__reverts() public {
        _words[2048] = Shapes.settlementWord(_account(2046), 1);
        _hashes = _pageHashes(_words);
        _signatures = _settlementSignatures(0, _hashes);
        _send(0, 0);
        _refused(0, 1, abi.encodeWithSelector(IAccounts.AccountsWordInvalid.selector, 0));
    }

    /// @dev Everything as prepared, but for the first account, whose amount another one takes that is bound to no area.
    function _withStranger() private returns (address stranger, address suspense) {
        stranger = address(7);
        suspense = accounts.suspenseOf(stranger, AREA);
        _words[1] = Shapes.settlementWord(stranger, 1);
        _hashes = _pageHashes(_words);
        _signatures = _settlementSignatures(0, _hashes);
    }

    function test_settle__strangerOnAPage__waitsOnceAllTookEffect() public {
        (address stranger, address suspense) = _withStranger();
        _send(0, 0);
        assertEq(accounts.balanceOf(suspense), 0, "not yet");
        _bind(stranger);
        assertEq(accounts.balanceOf(stranger), 0, "nothing waits yet");
        vm.expectRevert(abi.encodeWithSelector(IAccounts.AccountsBusy.selector, AREA));
        accounts.bookSuspense(stranger);
        _send(0, 1);
        assertEq(accounts.balanceOf(suspense), 1, "waits");
        accounts.bookSuspense(stranger);
        assertEq(accounts.balanceOf(stranger), 1, "booked");
    }

    function test_settle__strangerOnAPageThatIsAbandoned__hasNothing() public {
        (, address suspense) = _withStranger();
        _send(0, 0);
        vm.warp(block.timestamp + PAGE_WINDOW + 1);
        settlement.abandonSettlement(AREA);
        assertEq(accounts.balanceOf(suspense), 0, "nothing");
    }

    function test_settle__otherAreaMeanwhile__isNotHeldUp() public {
        _send(0, 0);
        bytes32 other = "other area";
        vm.prank(registrar);
        calendar.createArea(other, AreaParams(900, 100 days));
        assertEq(settlement.openSettlement(other).id, 0, "none open there");
        assertTrue(settlement.openSettlement(AREA).id != 0, "one open here");
        vm.expectRevert(ISettlement.SettlementNotOpen.selector);
        settlement.abandonSettlement(other);
        _send(0, 1);
        assertEq(settlement.openSettlement(AREA).id, 0, "none left");
    }

    function test_settle__allPages__takeEffectTogether() public {
        _deposit(_account(0), 100, "deposit");
        _send(0, 0);
        assertEq(accounts.balanceOf(_account(0)), 100, "not yet");
        assertEq(accounts.balanceOf(_account(1)), 0, "not yet");
        assertEq(uint256(settlement.settlementOf(AREA, period).revisions), 0, "not settled");
        _deposit(_account(1), 10, "between pages");

        _send(0, 1);

        assertEq(accounts.balanceOf(_account(0)), 101, "with the deposit before");
        assertEq(accounts.balanceOf(_account(1)), 11, "with the deposit between");
        assertEq(accounts.balanceOf(_account(ACCOUNTS - 1)), 1 - int256(ACCOUNTS) + int256(uint256(FUNDS)), "payer");
        assertEq(settlement.openSettlement(AREA).id, 0, "none open");
        _deposit(_account(1), 5, "after");
        assertEq(accounts.balanceOf(_account(1)), 16, "folded once");
    }

    function test_settle__nextOneAfterPages__addsUp() public {
        _send(0, 0);
        _send(0, 1);
        _prepare(1, -3);
        _send(1, 0);
        assertEq(accounts.balanceOf(_account(5)), 1, "the first counts, the second not yet");
        _send(1, 1);
        assertEq(accounts.balanceOf(_account(5)), -2, "both");
    }

    function test_changeArea__debtPaidInPagesButNotRecounted__reverts() public {
        vm.prank(registrar);
        calendar.createArea("other area", AreaParams(900, 100 days));
        address debtor = _account(0);
        _settle(0, _payment(debtor, _account(1), 100));
        _prepare(1, 200);
        _send(1, 0);
        _send(1, 1);
        vm.prank(registrar);
        successions.proposeAreaChange(debtor, "other area");
        vm.warp(block.timestamp + CHALLENGE + 1 days);
        vm.expectRevert(abi.encodeWithSelector(IAccounts.AccountsTied.selector, debtor));
        successions.changeArea(debtor);
        accounts.recount(debtor);
        successions.changeArea(debtor);
        accounts.bookSuspense(_account(1));
        (int256 uncovered, int256 waiting) = accounts.uncoveredOf(AREA);
        assertEq(uncovered, 0, "nobody owes");
        assertEq(waiting, 0, "nothing waits");
    }
}
