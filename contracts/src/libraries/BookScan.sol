// SPDX-License-Identifier: MIT
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
    /// @param words complete words of the page
    /// @return completeHash hash of the words as they are
    function scan(uint256[] calldata words, Tally memory tally, Band memory band)
        internal
        pure
        returns (bytes32 completeHash)
    {
        uint256 floorBefore = tally.floor;
        bytes32 maskedHash;
        uint256 stoppedAt;
        assembly ("memory-safe") {
            // The page is copied behind the free memory pointer, hashed, then masked in place while it is scanned. The pointer does not
            // move: nothing keeps a reference.
            let page := mload(0x40)
            let size := shl(5, words.length)
            calldatacopy(page, words.offset, size)
            completeHash := keccak256(page, size)

            // Sums live in the scratch space (0x00 bought, 0x20 sold, both shifted by 24 bits like the accepted field they are read from).
            mstore(0x00, 0)
            mstore(0x20, 0)
            let max := mload(add(band, 0x20))
            let range := sub(max, mload(band))
            let tick := mload(add(band, 0x40))
            let floor := mload(tally)
            let maxLower := mload(add(tally, 0x60))
            let minUpper := mload(add(tally, 0x80))
            let end := add(page, size)
            let at := page

            for {} lt(at, end) {
                at := add(at, 0x20)
            } {
                let w := mload(at)
                // Difference modulo 2^32: exact whenever the limit is in the band, above the range whenever it is not.
                let x := and(sub(max, shr(96, w)), 0xffffffff)
                // quantity << 24, and accepted << 24 where cap is the maximum and no unknown flag is set (else something larger or odd).
                let q := and(shr(48, w), 0xffffff000000)
                let d := xor(and(w, 0xfffffffffffffffffe), 0xffffff000000000000)
                let bad := or(or(iszero(gt(w, floor)), iszero(q)), or(gt(x, range), mod(x, tick)))
                floor := or(w, 0xffffffffffffffffffffffffffffffff)
                mstore(at, and(w, 0xffffffffffffffffffffffffffffffffffffffffffffff000000000000ffffff))
                let side := and(w, 1)

                // The common case is an order without a cap, filled wholly or not at all.
                if or(bad, mul(d, xor(d, q))) {
                    let effective := and(shr(48, w), 0xffffff)
                    if gt(effective, shr(24, q)) { effective := shr(24, q) }
                    let accepted := and(shr(24, w), 0xffffff)
                    if or(or(bad, and(w, 0xfffffe)), gt(accepted, effective)) { break }
                    let key := or(add(x, x), side)
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
                    }
                    continue
                }

                switch eq(side, iszero(d))
                case 0 {
                    // Accepted ask, or bid that could take more (which adds nothing).
                    mstore(0x20, add(mload(0x20), d))
                    if lt(or(add(x, x), side), minUpper) { minUpper := or(add(x, x), side) }
                }
                default {
                    // Accepted bid, or ask that could take more (which adds nothing).
                    mstore(0x00, add(mload(0x00), d))
                    if gt(or(add(x, x), side), maxLower) { maxLower := or(add(x, x), side) }
                }
            }

            stoppedAt := shr(5, sub(at, page))
            maskedHash := keccak256(page, size)
            mstore(tally, floor)
            mstore(add(tally, 0x20), add(mload(add(tally, 0x20)), shr(24, mload(0x00))))
            mstore(add(tally, 0x40), add(mload(add(tally, 0x40)), shr(24, mload(0x20))))
            mstore(add(tally, 0x60), maxLower)
            mstore(add(tally, 0x80), minUpper)
        }
        tally.maskedChain = Hashes.link(tally.maskedChain, maskedHash);
        if (stoppedAt != words.length) _explain(words, stoppedAt, floorBefore, band);
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
