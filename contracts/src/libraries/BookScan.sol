// SPDX-License-Identifier: UNLICENSED
pragma solidity 0.8.37;

import {SafeCast} from "@openzeppelin/contracts/utils/math/SafeCast.sol";

import {IClearing, WordFault} from "../interfaces/IClearing.sol";
import {MarketKind, MarketParams} from "../interfaces/IMarket.sol";
import {Hashes} from "./Hashes.sol";

/// @title BookScan: one pass over the order words of a book, page by page
/// @notice What docs/protocol.md, section 3, asks of words, optimum and price, in its words: B*, A*, a, b, lo, hi.
library BookScan {
    /// @notice What the words scanned so far amount to; quantities in lots, limits in nEUR/Wh.
    /// @dev Stored between the pages of a result just as it is, so the fields are as wide as what a book can come to.
    /// @param nextTag lowest tag the next word may have; of deals, the next ask beside the bid `bidTag`
    /// @param pages pages scanned
    /// @param highestUnfilledBid B*; NONE_LOW where there is none
    /// @param lowestUnfilledAsk A*; NONE_HIGH where there is none
    /// @param boughtLots Σ accepted of bids
    /// @param soldLots Σ accepted of asks
    /// @param highestAcceptedAsk a; NONE_LOW where there is none
    /// @param lowestAcceptedBid b; NONE_HIGH where there is none
    /// @param maskedChain chain of the masked page hashes
    /// @param bidTag of deals: tag of the last bid
    struct Tally {
        uint136 nextTag;
        uint32 pages;
        int40 highestUnfilledBid;
        int40 lowestUnfilledAsk;
        uint64 boughtLots;
        uint64 soldLots;
        int40 highestAcceptedAsk;
        int40 lowestAcceptedBid;
        bytes32 maskedChain;
        uint128 bidTag;
    }

    /// @notice The limits an order may have, in nEUR/Wh: from `min` to `max`, multiples of `tick`.
    struct Band {
        int256 min;
        int256 max;
        int256 tick;
    }

    /// @notice Below every limit.
    int40 internal constant NONE_LOW = type(int40).min;

    /// @notice Above every limit.
    int40 internal constant NONE_HIGH = type(int40).max;

    /// @notice The limits that orders of a market may have.
    function bandOf(MarketParams memory params) internal pure returns (Band memory) {
        return Band({
            min: params.minLimitNeurPerWh,
            max: params.maxLimitNeurPerWh,
            tick: int256(uint256(params.tickNeurPerWh))
        });
    }

    /// @notice A tally before the first word.
    function start() internal pure returns (Tally memory tally) {
        (tally.highestUnfilledBid, tally.lowestUnfilledAsk) = (NONE_LOW, NONE_HIGH);
        (tally.highestAcceptedAsk, tally.lowestAcceptedBid) = (NONE_LOW, NONE_HIGH);
    }

    /* WORDS */

    /// @notice Scans one page and adds it to `tally`. Reverts with IClearing.ClearingWordInvalid where a word breaks a rule.
    /// @param page complete words
    /// @return completeHash hash of the words as they are
    function scan(MarketKind kind, uint256[] calldata page, Tally memory tally, Band memory band)
        internal
        pure
        returns (bytes32 completeHash)
    {
        uint256[] memory words = page;
        completeHash = Hashes.page(words);
        if (kind == MarketKind.Bilateral) _requirePairs(words, tally);
        _count(kind, words, tally, band);
        tally.maskedChain = Hashes.link(tally.maskedChain, Hashes.page(words));
        ++tally.pages;
    }

    /// @dev Deals are pairs of a bid and an ask with one limit and one accepted quantity, and ascend strictly by (tag of bid, tag of ask).
    function _requirePairs(uint256[] memory words, Tally memory tally) private pure {
        uint256 bidTag = tally.bidTag;
        uint256 nextTag = tally.nextTag;
        for (uint256 i = 0; i < words.length; i += 2) {
            if (i + 1 == words.length) _refuse(i, WordFault.PairBroken);
            (uint256 bid, uint256 ask) = (words[i], words[i + 1]);
            if (uint24(bid) != Hashes.BID) _refuse(i, WordFault.PairBroken);
            if (uint24(ask) != Hashes.ASK) _refuse(i + 1, WordFault.PairBroken);
            if (uint32(bid >> Hashes.LIMIT_AT) != uint32(ask >> Hashes.LIMIT_AT)) _refuse(i + 1, WordFault.PairUnequal);
            if (uint24(bid >> Hashes.ACCEPTED_AT) != uint24(ask >> Hashes.ACCEPTED_AT)) {
                _refuse(i + 1, WordFault.PairUnequal);
            }

            uint256 tag = bid >> Hashes.TAG_AT;
            if (tag < bidTag) _refuse(i, WordFault.TagNotAscending);
            if (tag == bidTag && ask >> Hashes.TAG_AT < nextTag) _refuse(i + 1, WordFault.TagNotAscending);
            bidTag = tag;
            nextTag = (ask >> Hashes.TAG_AT) + 1;
        }
        tally.bidTag = SafeCast.toUint128(bidTag);
    }

    /// @dev Checks, counts and masks each word. One condition in an `if`: `&&` and `||` cost more than they say.
    function _count(MarketKind kind, uint256[] memory words, Tally memory tally, Band memory band) private pure {
        uint256 nextTag = tally.nextTag;
        uint256 boughtLots = tally.boughtLots;
        uint256 soldLots = tally.soldLots;
        // Nothing here can leave 256 bits: a tag has 128, a limit 32, a quantity 24, and a page has 2,048 words.
        unchecked {
            for (uint256 i = 0; i < words.length; ++i) {
                uint256 word = words[i];
                words[i] = Hashes.masked(word);

                if (word >> Hashes.TAG_AT < nextTag) {
                    if (kind != MarketKind.Bilateral) _refuse(i, WordFault.TagNotAscending);
                }
                nextTag = (word >> Hashes.TAG_AT) + 1;
                int256 limit = int32(uint32(word >> Hashes.LIMIT_AT));
                if (limit < band.min) _refuse(i, WordFault.LimitOutOfBand);
                if (limit > band.max) _refuse(i, WordFault.LimitOutOfBand);
                if (limit % band.tick != 0) _refuse(i, WordFault.LimitOffTick);
                uint256 effective = uint24(word >> Hashes.QUANTITY_AT);
                if (effective == 0) _refuse(i, WordFault.QuantityZero);
                if (effective > uint24(word >> Hashes.CAP_AT)) effective = uint24(word >> Hashes.CAP_AT);
                uint256 accepted = uint24(word >> Hashes.ACCEPTED_AT);
                if (accepted > effective) _refuse(i, WordFault.AcceptedAboveEffective);

                if (uint24(word) == Hashes.BID) {
                    boughtLots += accepted;
                    if (accepted < effective) {
                        if (limit > tally.highestUnfilledBid) tally.highestUnfilledBid = SafeCast.toInt40(limit);
                    }
                    if (accepted > 0) {
                        if (limit < tally.lowestAcceptedBid) tally.lowestAcceptedBid = SafeCast.toInt40(limit);
                    }
                } else if (uint24(word) == Hashes.ASK) {
                    soldLots += accepted;
                    if (accepted < effective) {
                        if (limit < tally.lowestUnfilledAsk) tally.lowestUnfilledAsk = SafeCast.toInt40(limit);
                    }
                    if (accepted > 0) {
                        if (limit > tally.highestAcceptedAsk) tally.highestAcceptedAsk = SafeCast.toInt40(limit);
                    }
                } else {
                    _refuse(i, WordFault.FlagsUnknown);
                }
            }
        }
        tally.nextTag = SafeCast.toUint136(nextTag);
        tally.boughtLots = SafeCast.toUint64(boughtLots);
        tally.soldLots = SafeCast.toUint64(soldLots);
    }

    function _refuse(uint256 index, WordFault fault) private pure {
        revert IClearing.ClearingWordInvalid(index, fault);
    }

    /* SINGLE WORDS */

    /// @notice Whether a word is valid by itself, whatever stands before it.
    function isValid(uint256 word, Band memory band) internal pure returns (bool) {
        int256 limit = limitOf(word);
        uint256 quantity = uint24(word >> Hashes.QUANTITY_AT);
        uint256 cap = uint24(word >> Hashes.CAP_AT);
        uint256 effective = quantity < cap ? quantity : cap;
        bool limited = limit >= band.min && limit <= band.max && limit % band.tick == 0;
        bool sided = uint24(word) == Hashes.BID || uint24(word) == Hashes.ASK;
        return limited && sided && quantity != 0 && acceptedOf(word) <= effective;
    }

    /// @notice Whether a bid and an ask can be a deal: one limit.
    function isPair(uint256 bid, uint256 ask) internal pure returns (bool) {
        return uint24(bid) == Hashes.BID && uint24(ask) == Hashes.ASK && limitOf(bid) == limitOf(ask);
    }

    /// @notice The limit of a word, nEUR/Wh.
    function limitOf(uint256 word) internal pure returns (int256) {
        return int32(uint32(word >> Hashes.LIMIT_AT));
    }

    /// @notice Accepted quantity of a word, lots.
    function acceptedOf(uint256 word) internal pure returns (uint256) {
        return uint24(word >> Hashes.ACCEPTED_AT);
    }

    /* OPTIMUM AND PRICE, OF A WHOLE BOOK */

    /// @notice Reverts with IClearing.ClearingUnbalanced or IClearing.ClearingNotOptimal unless as much was bought as sold and, but for deals, no
    /// allocation is better.
    function requireOptimum(MarketKind kind, Tally memory tally) internal pure {
        if (tally.boughtLots != tally.soldLots) revert IClearing.ClearingUnbalanced(tally.boughtLots, tally.soldLots);
        if (kind == MarketKind.Bilateral) return;
        if (tally.highestUnfilledBid >= tally.lowestUnfilledAsk) revert IClearing.ClearingNotOptimal();
        (int256 lo, int256 hi) = _bounds(tally);
        if (lo > hi) revert IClearing.ClearingNotOptimal();
    }

    /// @notice The price of a book that passed `requireOptimum`: NO_PRICE without a trade and for deals, each of which has its limit as price.
    function price(MarketKind kind, Tally memory tally) internal pure returns (int32) {
        if (kind == MarketKind.Bilateral || tally.boughtLots == 0) return Hashes.NO_PRICE;
        if (kind == MarketKind.Flexibility) return SafeCast.toInt32(tally.highestAcceptedAsk);
        (int256 lo, int256 hi) = _bounds(tally);
        return SafeCast.toInt32(lo + (hi - lo) / 2);
    }

    /// @dev lo = max(a, B*) and hi = min(b, A*).
    function _bounds(Tally memory tally) private pure returns (int256 lo, int256 hi) {
        (lo, hi) = (tally.highestUnfilledBid, tally.lowestUnfilledAsk);
        if (tally.highestAcceptedAsk > lo) lo = tally.highestAcceptedAsk;
        if (tally.lowestAcceptedBid < hi) hi = tally.lowestAcceptedBid;
    }
}
