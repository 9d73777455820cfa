// SPDX-License-Identifier: UNLICENSED
pragma solidity 0.8.37;

import {Hashes} from "../../src/libraries/Hashes.sol";
import {MoneyTest} from "../base/MoneyTest.sol";
import {Shapes} from "../base/Shapes.sol";
import {vm} from "../base/Vm.sol";

/// @notice Every debt is backed: after any deposits, lines, trades, covers and redemptions, in any order, everybody gets their free balance; and
/// what a redemption pays was there from its request on.
contract AccountsBackedTest is MoneyTest {
    uint256 private constant HOLDERS = 5;
    uint256 private constant STEPS = 40;
    uint256 private constant KEYS = 0xE0;

    /// @dev Some days before corrections end.
    uint256 private constant DAYS = 20 days;

    /// @param leastNeur the least that the account could have redeemed since it asked
    struct Claim {
        uint256 who;
        bytes32 ref;
        uint256 leastNeur;
    }

    Claim[] private _claims;
    /// @dev What an account's open requests may still be paid from: it falls to what there is, and rises by requests alone.
    mapping(uint256 who => uint256) private _there;
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
        if (_claims.length == 0 || _random(seed, 10) % 2 == 0) return _tryRedeem(one, amount);
        _end(_random(seed, 11) % _claims.length, _random(seed, 12));
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
            _claims.push(Claim(who, ref, type(uint256).max));
            _there[who] += amount;
        } catch {}
    }

    /// @dev Completes a redemption once it is ready; one in four is withdrawn.
    function _end(uint256 place, uint256 seed) private {
        Claim memory claim = _claims[place];
        uint256 readyAt = redemptions.redemptionOf(_at(claim.who), claim.ref).readyAt;
        bool ready = _now() >= readyAt;
        if (!ready && block.timestamp < BLOCK_T0 + DAYS) vm.warp(block.timestamp + CHALLENGE);
        else if (!ready) return;
        if (seed % 4 == 0 || _now() > readyAt + 7 days) {
            vm.prank(_at(claim.who));
            redemptions.cancelRedemption(_at(claim.who), claim.ref);
            (uint256 asked,) = accounts.reservationOf(_at(claim.who));
            if (_there[claim.who] > asked) _there[claim.who] = asked;
        } else {
            uint256 before = accounts.supply();
            redemptions.completeRedemption(_at(claim.who), claim.ref);
            uint256 paid = before - accounts.supply();
            assertLe(paid, claim.leastNeur, "each was there since it was asked for");
            assertLe(paid, _there[claim.who], "and all of them together");
            _there[claim.who] -= paid;
        }
        _claims[place] = _claims[_claims.length - 1];
        _claims.pop();
    }

    function _note() private {
        for (uint256 i = 0; i < _claims.length; ++i) {
            uint256 least = _redeemable(_claims[i].who);
            if (_claims[i].leastNeur > least) _claims[i].leastNeur = least;
            if (_there[_claims[i].who] > least) _there[_claims[i].who] = least;
        }
    }

    function _redeemable(uint256 who) private view returns (uint256) {
        int256 most = accounts.redeemableOf(_at(who));
        return most > 0 ? uint256(most) : 0;
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
        // What debits cut ends before more is asked for.
        while (_claims.length != 0) {
            Claim memory claim = _claims[_claims.length - 1];
            vm.prank(_at(claim.who));
            redemptions.cancelRedemption(_at(claim.who), claim.ref);
            _claims.pop();
        }
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
            _note();
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
            _note();
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
