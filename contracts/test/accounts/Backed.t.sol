// SPDX-License-Identifier: UNLICENSED
pragma solidity 0.8.37;

import {Hashes} from "../../src/libraries/Hashes.sol";
import {MoneyTest} from "../base/MoneyTest.sol";
import {Shapes} from "../base/Shapes.sol";
import {vm} from "../base/Vm.sol";

/// @notice Every debt is backed: after any deposits, lines, trades, covers and redemptions, in any order, everybody gets their free balance.
contract AccountsBackedTest is MoneyTest {
    uint256 private constant HOLDERS = 5;
    uint256 private constant STEPS = 40;
    uint256 private constant KEYS = 0xE0;

    uint32 private _revision;
    uint64 private _nonce;
    uint256 private _refs;

    function setUp() public override {
        super.setUp();
        for (uint256 i = 0; i < HOLDERS; ++i) {
            _bind(_at(i));
        }
        _emptyDay();
        _attestAll();
    }

    function _at(uint256 i) private pure returns (address) {
        return vm.addr(KEYS + i % HOLDERS);
    }

    function _random(uint256 seed, uint256 salt) private pure returns (uint256) {
        return uint256(keccak256(abi.encode(seed, salt)));
    }

    /* STEPS: each rightly signed; what the contracts refuse changes nothing */

    function _step(uint256 seed) private {
        uint256 kind = seed % 8;
        (uint256 one, uint256 other) = (_random(seed, 1) % HOLDERS, _random(seed, 2) % HOLDERS);
        uint96 amount = uint96(1 + _random(seed, 3) % 1000);
        if (kind == 0) return _deposit(_at(one), amount, bytes32(++_refs));
        if (kind < 3) return _tryLine(one, other, _random(seed, 4) % 4 == 0 ? 0 : uint64(amount));
        if (kind < 6) return _trade(seed);
        if (kind == 6) return _tryCover(one, other, amount);
        return _tryRedeem(one, amount);
    }

    function _tryLine(uint256 by, uint256 whom, uint64 credit) private {
        bytes32 structHash = Hashes.guarantee(_at(by), _at(whom), credit, ++_nonce, NEVER);
        (bytes memory given, bytes memory taken) = (_signed(KEYS + by, structHash), _signed(KEYS + whom, structHash));
        try guarantees.guarantee(_at(by), _at(whom), credit, _nonce, NEVER, given, taken) {} catch {}
    }

    function _tryCover(uint256 by, uint256 whom, uint96 amount) private {
        (uint96 debt, bytes32 ref) = (_debtOf(_at(whom)), bytes32(++_refs));
        if (debt != 0) amount = amount % debt + 1;
        bytes memory signature = _signed(KEYS + by, Hashes.cover(_at(by), _at(whom), amount, debt, ref, NEVER));
        try guarantees.cover(_at(by), _at(whom), amount, debt, ref, NEVER, signature) {} catch {}
    }

    function _tryRedeem(uint256 who, uint96 amount) private {
        bytes32 ref = bytes32(++_refs);
        bytes memory signature = _redeems(KEYS + who, Hashes.redemption(_at(who), amount, ref, NEVER));
        try redemptions.requestRedemption(_at(who), amount, ref, NEVER, signature) {
            vm.warp(block.timestamp + 1);
        } catch {}
    }

    /// @dev Two pay, two receive, whatever they have.
    function _trade(uint256 seed) private {
        uint256[] memory order = _ascending(seed);
        (uint256 first, uint256 second) = (_random(seed, 5) % 1000 + 1, _random(seed, 6) % 1000 + 1);
        uint256 third = _random(seed, 7) % (first + second - 1) + 1;
        uint256[] memory words = new uint256[](4);
        words[0] = _word(order[0], -int256(first));
        words[1] = _word(order[1], -int256(second));
        words[2] = _word(order[2], int256(third));
        words[3] = _word(order[3], int256(first + second - third));
        _settle(_revision++, words);
    }

    function _word(uint256 holder, int256 amount) private pure returns (uint256) {
        return Shapes.settlementWord(_at(holder), int96(amount));
    }

    /// @dev Four of the five, in two pairs each ascending by account.
    function _ascending(uint256 seed) private pure returns (uint256[] memory order) {
        order = new uint256[](4);
        uint256 start = _random(seed, 8) % HOLDERS;
        for (uint256 i = 0; i < 4; ++i) {
            order[i] = (start + i) % HOLDERS;
        }
        for (uint256 i = 0; i < 4; i += 2) {
            if (_at(order[i]) > _at(order[i + 1])) (order[i], order[i + 1]) = (order[i + 1], order[i]);
        }
    }

    /* WHAT HOLDS */

    function _checkSums() private view {
        int256 sum = 0;
        int256 free = 0;
        for (uint256 i = 0; i < HOLDERS; ++i) {
            sum += accounts.balanceOf(_at(i)) + accounts.balanceOf(accounts.suspenseOf(_at(i), AREA));
            int256 redeemable = accounts.redeemableOf(_at(i));
            if (redeemable > 0) free += redeemable;
        }
        assertEq(sum, int256(accounts.supply()), "what is there and what waits");
        assertTrue(free <= int256(accounts.supply()), "all that is free can be paid out");
        (int256 uncovered, int256 waiting) = accounts.uncoveredOf(AREA);
        assertTrue(waiting >= uncovered, "uncovered debts are somebody's waiting credit");
    }

    /// @dev Everybody asks for all that is free, and gets it, in an order by chance.
    function _redeemAll(uint256 seed) private {
        uint96[] memory asked = new uint96[](HOLDERS);
        for (uint256 i = 0; i < HOLDERS; ++i) {
            int256 free = accounts.freeBalanceOf(_at(i));
            if (free <= 0) continue;
            asked[i] = uint96(uint256(free));
            _request(KEYS + i, asked[i], "all");
        }
        vm.warp(block.timestamp + CHALLENGE);
        uint256 start = _random(seed, 9) % HOLDERS;
        uint256 before = accounts.supply();
        for (uint256 i = 0; i < HOLDERS; ++i) {
            uint256 who = (start + 2 * i) % HOLDERS;
            if (asked[who] == 0) continue;
            redemptions.completeRedemption(_at(who), "all");
            assertEq(uint256(redemptions.redemptionOf(_at(who), "all").amountNeur), 0, "whole");
            before -= asked[who];
        }
        assertEq(accounts.supply(), before, "paid out");
        _checkSums();
    }

    /// forge-config: default.fuzz.runs = 96
    function test_backed__anyStepsInAnyOrder__everybodyRedeemsTheirFreeBalance(uint256 seed) public {
        for (uint256 i = 0; i < STEPS; ++i) {
            _step(_random(seed, 100 + i));
            _checkSums();
        }
        _redeemAll(seed);
    }

    /// forge-config: default.fuzz.runs = 96
    function test_backed__manyStepsWithLinesFirst__everybodyRedeemsTheirFreeBalance(uint256 seed) public {
        for (uint256 i = 0; i < HOLDERS; ++i) {
            _deposit(_at(i), uint96(1 + _random(seed, i) % 2000), bytes32(++_refs));
            _tryLine(i, _random(seed, 10 + i) % HOLDERS, uint64(_random(seed, 20 + i) % 1500));
        }
        for (uint256 i = 0; i < STEPS; ++i) {
            _step(_random(seed, 200 + i));
            _checkSums();
        }
        _redeemAll(seed);
    }

    function test_backed__theCaseThatBeganIt__isImpossible() public {
        // A paid 1,000 in; H owes R 1,000 within R's line; R redeems 1,000; A gets nothing.
        (uint256 a, uint256 h, uint256 r) = (0, 1, 2);
        _deposit(_at(a), 1000, "a");
        _tryLine(r, h, 1000);
        assertEq(uint256(accounts.lineOf(_at(h))), 0, "R has nothing to give a line from");
        _settle(0, _payment(_at(h), _at(r), 1000));
        assertEq(accounts.freeBalanceOf(_at(r)), 0, "R's credit waits until H's debt is covered");
        _redeemAll(7);
        assertEq(accounts.balanceOf(_at(a)), 0, "A had all of it");

        _deposit(_at(h), 1000, "h pays");
        accounts.bookSuspense(_at(r));
        assertEq(accounts.freeBalanceOf(_at(r)), 1000, "then it is R's");
    }
}
