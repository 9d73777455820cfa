// SPDX-License-Identifier: UNLICENSED
pragma solidity 0.8.37;

import {Hashes} from "../../src/libraries/Hashes.sol";
import {Shapes} from "./Shapes.sol";

/// @notice Solves books in the plainest way there is: sort, then match the best bid with the best ask. Caps count, ties go by place in the book.
library Books {
    struct Solved {
        uint256[] words;
        int32 price;
        uint256 tradedLots;
    }

    function isAsk(uint256 word) internal pure returns (bool) {
        return word & 1 == 1;
    }

    function limitOf(uint256 word) internal pure returns (int256) {
        return int32(uint32(word >> 96));
    }

    function quantityOf(uint256 word) internal pure returns (uint256) {
        return uint24(word >> 72);
    }

    function acceptedOf(uint256 word) internal pure returns (uint256) {
        return uint24(word >> 24);
    }

    function effectiveOf(uint256 word) internal pure returns (uint256) {
        uint256 cap = uint24(word >> 48);
        return quantityOf(word) < cap ? quantityOf(word) : cap;
    }

    function withAccepted(uint256 word, uint256 accepted) internal pure returns (uint256) {
        return (word & ~(uint256(type(uint24).max) << 24)) | (accepted << 24);
    }

    /// @notice Allocation number `index`: accepted lots as digits to the base `lots` + 1, without regard to any rule.
    function allocation(uint256[] memory book, uint256 index, uint256 lots)
        internal
        pure
        returns (uint256[] memory words)
    {
        words = new uint256[](book.length);
        for (uint256 k = 0; k < book.length; ++k) {
            words[k] = withAccepted(book[k], index % (lots + 1));
            index /= lots + 1;
        }
    }

    /// @notice Welfare and volume in one number, volume below; the least number where the allocation is not feasible.
    function worth(uint256[] memory words) internal pure returns (int256) {
        (int256 welfare, int256 bought, int256 sold) = (0, 0, 0);
        for (uint256 k = 0; k < words.length; ++k) {
            int256 accepted = int256(acceptedOf(words[k]));
            if (uint256(accepted) > effectiveOf(words[k])) return type(int256).min;
            welfare += accepted * limitOf(words[k]) * (isAsk(words[k]) ? -1 : int256(1));
            if (isAsk(words[k])) sold += accepted;
            else bought += accepted;
        }
        return bought == sold ? welfare * 1000 + bought : type(int256).min;
    }

    /// @notice The book with its optimum filled in.
    function solve(uint256[] memory book) internal pure returns (Solved memory solved) {
        uint256 n = book.length;
        uint256[] memory accepted = new uint256[](n);
        uint256[] memory bids = _ranked(book, false);
        uint256[] memory asks = _ranked(book, true);
        (uint256 i, uint256 j) = (0, 0);
        while (i < bids.length && j < asks.length) {
            (uint256 bid, uint256 ask) = (bids[i], asks[j]);
            uint256 bidLeft = effectiveOf(book[bid]) - accepted[bid];
            uint256 askLeft = effectiveOf(book[ask]) - accepted[ask];
            if (bidLeft == 0) {
                ++i;
            } else if (askLeft == 0) {
                ++j;
            } else if (limitOf(book[bid]) < limitOf(book[ask])) {
                break;
            } else {
                uint256 lots = bidLeft < askLeft ? bidLeft : askLeft;
                accepted[bid] += lots;
                accepted[ask] += lots;
                solved.tradedLots += lots;
            }
        }
        solved.words = new uint256[](n);
        for (uint256 k = 0; k < n; ++k) {
            solved.words[k] = withAccepted(book[k], accepted[k]);
        }
        solved.price = price(solved.words);
    }

    /// @notice The price of an allocation, straight from the rule; NO_PRICE without a trade, 0 where only one side trades (which no rule covers).
    function price(uint256[] memory words) internal pure returns (int32) {
        (int256 lo, int256 hi, bool traded) = (type(int256).min, type(int256).max, false);
        for (uint256 k = 0; k < words.length; ++k) {
            int256 limit = limitOf(words[k]);
            bool took = acceptedOf(words[k]) != 0;
            bool couldTake = acceptedOf(words[k]) < effectiveOf(words[k]);
            if (took) traded = true;
            bool raisesLo = isAsk(words[k]) ? took : couldTake;
            bool lowersHi = isAsk(words[k]) ? couldTake : took;
            if (raisesLo && limit > lo) lo = limit;
            if (lowersHi && limit < hi) hi = limit;
        }
        if (!traded) return Hashes.NO_PRICE;
        return lo == type(int256).min || hi == type(int256).max ? int32(0) : int32(lo + (hi - lo) / 2);
    }

    /// @dev Indices of one side, best limit first (heap sort: books of thousands stay cheap).
    function _ranked(uint256[] memory book, bool ask) private pure returns (uint256[] memory ranked) {
        uint256 n = 0;
        uint256[] memory heap = new uint256[](book.length);
        for (uint256 k = 0; k < book.length; ++k) {
            if (isAsk(book[k]) != ask) continue;
            // Rank in the upper bits, index in the lower: least first.
            int256 limit = limitOf(book[k]);
            uint256 rank = uint256((ask ? limit : -limit) + (1 << 40));
            heap[n] = (rank << 64) | k;
            for (uint256 c = n++; c != 0 && heap[(c - 1) / 2] > heap[c]; c = (c - 1) / 2) {
                (heap[c], heap[(c - 1) / 2]) = (heap[(c - 1) / 2], heap[c]);
            }
        }
        ranked = new uint256[](n);
        for (uint256 r = 0; r < ranked.length; ++r) {
            ranked[r] = uint64(heap[0]);
            heap[0] = heap[--n];
            uint256 p = 0;
            while (2 * p + 1 < n) {
                uint256 c = 2 * p + 1;
                if (c + 1 < n && heap[c + 1] < heap[c]) ++c;
                if (heap[p] <= heap[c]) break;
                (heap[p], heap[c]) = (heap[c], heap[p]);
                p = c;
            }
        }
    }

    /// @notice A book of `n` orders as real ones look: random tags, limits 50,000 to 400,000 nEUR/Wh on a tick of 100, 1 to 500 lots, half of them asks, no caps.
    function realistic(uint256 n, uint256 seed) internal pure returns (uint256[] memory words) {
        words = new uint256[](n);
        uint256 step = type(uint128).max / n;
        for (uint256 k = 0; k < n; ++k) {
            uint256 r = uint256(keccak256(abi.encode(seed, k)));
            uint256 tag = k * step + uint128(r) % step;
            int32 limit = int32(int256(500 + (r >> 128) % 3501)) * 100;
            uint24 quantity = uint24(1 + (r >> 160) % 500);
            words[k] =
                Shapes.orderWord(bytes16(uint128(tag)), limit, quantity, type(uint24).max, 0, uint24((r >> 200) & 1));
        }
    }
}
