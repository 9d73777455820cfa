// SPDX-License-Identifier: UNLICENSED
pragma solidity ^0.8.24;

import {IMarket, WordFault} from "../interfaces/IMarket.sol";
import {Hashes} from "./Hashes.sol";

/// @title BookScan: one pass over a page of order words
/// @notice Checks each word and gathers what decides whether the allocation is the optimum: docs/protocol.md, section 3.
///
/// The optimum in two numbers. For each order let x = maxLimit − limit (so that a better bid has a smaller x) and key = 2x + side.
/// Let L be the accepted bids and the asks that could take more, U the accepted asks and the bids that could take more (an
/// order filled in part is in both, one with nothing effective in neither). With B*, A*, a, b as in the protocol, B* < A*, a ≤ A*, B* ≤ b and
/// a ≤ b hold together exactly when max key(L) ≤ min key(U): between a bid and an ask of one limit the side bit makes
/// "B* ≥ A*" fail and "a ≤ b" pass. And hi = min(b, A*) = maxLimit − ⌊max key(L) / 2⌋, lo = max(a, B*) = maxLimit − ⌊min key(U) / 2⌋.
library BookScan {
    /// @notice What the words scanned so far amount to.
    /// @param floor the last word with its lower half all ones: the next one must be above it; 0 at the start
    /// @param boughtLots Σ accepted of bids
    /// @param soldLots Σ accepted of asks
    /// @param maxLower greatest key in L; 0 where L is empty
    /// @param minUpper least key in U; NO_KEY where U is empty
    /// @param maskedChain chain of the masked page hashes
    struct Tally {
        uint256 floor;
        uint256 boughtLots;
        uint256 soldLots;
        uint256 maxLower;
        uint256 minUpper;
        bytes32 maskedChain;
    }

    /// @notice The limits an order may have.
    struct Band {
        int256 min;
        int256 max;
        uint256 tick;
    }

    /// @notice Above every key (keys have 33 bits).
    uint256 internal constant NO_KEY = type(uint64).max;

    /// @notice A tally before the first word.
    function start() internal pure returns (Tally memory) {
        return Tally({floor: 0, boughtLots: 0, soldLots: 0, maxLower: 0, minUpper: NO_KEY, maskedChain: 0});
    }

    /// @notice Scans one page, updates `tally`, and returns the page's hash. Reverts with IMarket.MarketWordInvalid on the first bad word.
    /// @dev One test tells whether a limit is in the band and on the tick: let C = ⌊2^160 / tick⌋ + 2 and e = tick·C − 2^160, 0 < e ≤ 2·tick.
    /// Modulo 2^160, x·C is (x / tick)·e where x is a multiple of the tick, and at least 2^160 / tick (far above any bound) where it is not.
    /// So x·C ≤ (range / tick)·e exactly for the limits allowed, and x·C orders them as x does: it serves as the key, 96 bits up, with the side below.
    /// @param words complete words of the page
    /// @return completeHash hash of the words as they are
    function scan(uint256[] calldata words, Tally memory tally, Band memory band)
        internal
        pure
        returns (bytes32 completeHash)
    {
        uint256 floorBefore = tally.floor;
        uint256 unit = band.tick * (2 ** 160 / band.tick + 2) - 2 ** 160;
        tally.maxLower = _scaled(tally.maxLower, unit, band.tick);
        tally.minUpper = tally.minUpper == NO_KEY ? type(uint256).max : _scaled(tally.minUpper, unit, band.tick);
        uint256 stoppedAt;
        (completeHash, stoppedAt) = _pass(words, tally, band, unit);
        uint256 size = words.length * 32;
        bytes32 maskedHash;
        assembly ("memory-safe") {
            // The pass has left the masked page behind the free memory pointer.
            maskedHash := keccak256(mload(0x40), size)
        }
        if (stoppedAt != words.length) _explain(words, stoppedAt, floorBefore, band);
        tally.maskedChain = Hashes.link(tally.maskedChain, maskedHash);
        tally.maxLower = _plain(tally.maxLower, unit, band.tick);
        tally.minUpper = tally.minUpper == type(uint256).max ? NO_KEY : _plain(tally.minUpper, unit, band.tick);
    }

    /// @dev Copies the page behind the free memory pointer, checks and tallies it word by word and masks it in place. The tally's keys are scaled.
    /// @return completeHash hash of the page before it is masked
    /// @return stoppedAt index of the first bad word; the number of words if there is none
    function _pass(uint256[] calldata words, Tally memory tally, Band memory band, uint256 unit)
        private
        pure
        returns (bytes32 completeHash, uint256 stoppedAt)
    {
        uint256 multiplier = 2 ** 160 / band.tick + 2;
        uint256 bound = (uint256(band.max - band.min) / band.tick * unit) << 96;
        uint256 top = (uint256(band.max) << 96) | type(uint96).max;
        assembly ("memory-safe") {
            let end := add(mload(0x40), shl(5, words.length))
            calldatacopy(mload(0x40), words.offset, shl(5, words.length))
            completeHash := keccak256(mload(0x40), shl(5, words.length))
            // A word that is never plain stands behind the last one, so that the fast loop needs no test for its end.
            mstore(end, 0)
            // Sums live in the scratch space (0x00 bought, 0x20 sold), shifted by 24 bits like the accepted field they are read from.
            mstore(0x00, 0)
            mstore(0x20, 0)
            let floor := mload(tally)
            let maxLower := mload(add(tally, 0x60))
            let minUpper := mload(add(tally, 0x80))
            let at := mload(0x40)
            // The first word filled in part. In an optimum all such words have its limit and side. Until there is one: unknown flags.
            let part := 0xffffff
            let partLots := 0

            for {} 1 {} {
                // Fast: orders that take nothing or all they can, and after the first one filled in part those like it. Any other word ends this
                // loop before it has left a trace.
                for {} 1 {} {
                    let w := mload(at)
                    // accepted << 24, with unknown flags below it.
                    let taken := and(w, 0xfffffffffffe)
                    if iszero(taken) {
                        // x << 96, x = max − limit modulo 2^32: `top` ends in ones, so nothing below the limit borrows from it.
                        let key := mul(and(sub(top, w), 0xffffffff000000000000000000000000), multiplier)
                        // (A word equal to `floor` has unknown flags, so "below" is "not above" for the words that stay here.)
                        if or(or(gt(key, bound), lt(w, floor)), iszero(and(w, 0xffffff000000000000000000))) {
                            break
                        }
                        floor := or(w, 0xffffffffffffffffffffffffffffffff)
                        mstore(at, and(w, 0xffffffffffffffffffffffffffffffffffffffffffffff000000000000ffffff))
                        // An order with cap 0 can take nothing and counts nowhere: that is asked only where it would matter.
                        if iszero(and(w, 1)) {
                            if lt(key, minUpper) { if and(w, 0xffffff000000000000) { minUpper := key } }
                            at := add(at, 0x20)
                            continue
                        }
                        if iszero(lt(key, maxLower)) {
                            if and(w, 0xffffff000000000000) { maxLower := or(key, 1) }
                        }
                        at := add(at, 0x20)
                        continue
                    }
                    let quantity := and(shr(48, w), 0xffffff000000)
                    if xor(taken, quantity) {
                        let cap := and(shr(24, w), 0xffffff000000)
                        // In part: limit, side and flags as those of `part`.
                        let other := and(xor(w, part), 0xffffffff000000000000000000ffffff)
                        other := or(or(other, lt(w, floor)), iszero(and(lt(taken, quantity), lt(taken, cap))))
                        if iszero(other) {
                            floor := or(w, 0xffffffffffffffffffffffffffffffff)
                            mstore(at, and(w, 0xffffffffffffffffffffffffffffffffffffffffffffff000000000000ffffff))
                            partLots := add(partLots, taken)
                            at := add(at, 0x20)
                            continue
                        }
                        // All that its cap leaves: equal to the cap it has no unknown flags.
                        let key := mul(and(sub(top, w), 0xffffffff000000000000000000000000), multiplier)
                        if or(or(gt(key, bound), lt(w, floor)), or(xor(taken, cap), gt(taken, quantity))) {
                            break
                        }
                        floor := or(w, 0xffffffffffffffffffffffffffffffff)
                        mstore(at, and(w, 0xffffffffffffffffffffffffffffffffffffffffffffff000000000000ffffff))
                        if iszero(and(w, 1)) {
                            mstore(0x00, add(mload(0x00), taken))
                            if iszero(lt(key, maxLower)) { maxLower := key }
                            at := add(at, 0x20)
                            continue
                        }
                        mstore(0x20, add(mload(0x20), taken))
                        if lt(key, minUpper) { minUpper := or(key, 1) }
                        at := add(at, 0x20)
                        continue
                    }
                    // The whole quantity: equal to it, it has no unknown flags.
                    let key := mul(and(sub(top, w), 0xffffffff000000000000000000000000), multiplier)
                    if or(or(gt(key, bound), lt(w, floor)), gt(taken, and(shr(24, w), 0xffffff000000))) { break }
                    floor := or(w, 0xffffffffffffffffffffffffffffffff)
                    mstore(at, and(w, 0xffffffffffffffffffffffffffffffffffffffffffffff000000000000ffffff))
                    if iszero(and(w, 1)) {
                        mstore(0x00, add(mload(0x00), taken))
                        if iszero(lt(key, maxLower)) { maxLower := key }
                        at := add(at, 0x20)
                        continue
                    }
                    mstore(0x20, add(mload(0x20), taken))
                    if lt(key, minUpper) { minUpper := or(key, 1) }
                    at := add(at, 0x20)
                    continue
                }

                // Slow: the first order filled in part and those unlike it, a bad word, or the end.
                if eq(at, end) { break }
                let w := mload(at)
                let side := and(w, 1)
                let key := mul(and(sub(top, w), 0xffffffff000000000000000000000000), multiplier)
                let effective := and(shr(72, w), 0xffffff)
                if or(or(gt(key, bound), iszero(gt(w, floor))), or(iszero(effective), and(w, 0xfffffe))) {
                    break
                }
                if gt(effective, and(shr(48, w), 0xffffff)) { effective := and(shr(48, w), 0xffffff) }
                let accepted := and(shr(24, w), 0xffffff)
                if gt(accepted, effective) { break }
                key := or(key, side)
                if accepted {
                    mstore(shl(5, side), add(mload(shl(5, side)), shl(24, accepted)))
                    switch side
                    case 0 { if gt(key, maxLower) { maxLower := key } }
                    default { if lt(key, minUpper) { minUpper := key } }
                }
                if lt(accepted, effective) {
                    switch side
                    case 0 { if lt(key, minUpper) { minUpper := key } }
                    default { if gt(key, maxLower) { maxLower := key } }
                    if and(gt(accepted, 0), eq(part, 0xffffff)) { part := w }
                }
                floor := or(w, 0xffffffffffffffffffffffffffffffff)
                mstore(at, and(w, 0xffffffffffffffffffffffffffffffffffffffffffffff000000000000ffffff))
                at := add(at, 0x20)
            }

            stoppedAt := shr(5, sub(at, mload(0x40)))
            // What the orders like `part` took belongs to its side.
            mstore(shl(5, and(part, 1)), add(mload(shl(5, and(part, 1))), partLots))
            mstore(tally, floor)
            mstore(add(tally, 0x20), add(mload(add(tally, 0x20)), shr(24, mload(0x00))))
            mstore(add(tally, 0x40), add(mload(add(tally, 0x40)), shr(24, mload(0x20))))
            mstore(add(tally, 0x60), maxLower)
            mstore(add(tally, 0x80), minUpper)
        }
    }

    /// @dev A key as the pass compares it.
    function _scaled(uint256 key, uint256 unit, uint256 tick) private pure returns (uint256) {
        return (((key >> 1) / tick * unit) << 96) | (key & 1);
    }

    /// @dev The key 2x + side again.
    function _plain(uint256 scaled, uint256 unit, uint256 tick) private pure returns (uint256) {
        return (((scaled >> 96) / unit * tick) << 1) | (scaled & 1);
    }

    /// @dev Finds out what is wrong with the word at which the scan stopped, and reverts with it.
    function _explain(uint256[] calldata words, uint256 index, uint256 floor, Band memory band) private pure {
        uint256 word = words[index];
        if (index != 0) floor = words[index - 1] | type(uint128).max;
        int256 limit = int32(uint32(word >> 96));
        uint256 quantity = uint24(word >> 72);
        WordFault fault;
        if (word <= floor) {
            fault = WordFault.TagNotAscending;
        } else if (word & 0xfffffe != 0) {
            fault = WordFault.FlagsUnknown;
        } else if (quantity == 0) {
            fault = WordFault.QuantityZero;
        } else if (limit < band.min || limit > band.max) {
            fault = WordFault.LimitOutOfBand;
        } else if (uint256(band.max - limit) % band.tick != 0) {
            fault = WordFault.LimitOffTick;
        } else {
            fault = WordFault.AcceptedAboveEffective;
        }
        revert IMarket.MarketWordInvalid(index, fault);
    }

    /// @notice Whether no allocation is better than the one tallied, and nobody trades beyond their limit.
    function isOptimal(Tally memory tally) internal pure returns (bool) {
        return tally.maxLower <= tally.minUpper;
    }

    /// @notice The price the rule gives: lo + ⌊(hi − lo) / 2⌋. Only for a tally that is optimal and balanced and has a trade.
    function price(Tally memory tally, Band memory band) internal pure returns (int256) {
        int256 hi = band.max - int256(tally.maxLower >> 1);
        int256 lo = band.max - int256(tally.minUpper >> 1);
        return lo + (hi - lo) / 2;
    }
}
