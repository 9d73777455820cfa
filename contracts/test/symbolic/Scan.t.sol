// SPDX-License-Identifier: UNLICENSED
pragma solidity 0.8.37;

import {MarketKind} from "../../src/interfaces/IMarket.sol";
import {BookScan} from "../../src/libraries/BookScan.sol";
import {Truth, choose, same, truth} from "./Truth.sol";

/// @notice The scan of an auction for every value of all 256 bits at once, in four steps: a word is taken exactly where the rules allow it, whatever came
/// before, and changes the tally as they say; so do two words of a page; price and refusal follow from any tally as they say; and for up to three
/// words that comes to the same as asking whether any order wrongs another one.
/// @dev Run by halmos (`make symbolic`); forge passes it over. Rules stand here without a branch, so that each path through the scan is one question to
/// the solver. The tick is a power of two: solvers know no cheap division by 100.
contract ScanSymbolic {
    int256 private constant MIN = -256;
    int256 private constant MAX = 384;
    int256 private constant TICK = 128;

    function check_word(uint256 tags, uint256 lots, uint256 limits, uint256 word) external view {
        BookScan.Tally memory before = _tally(tags, lots, limits);
        uint256[] memory words = new uint256[](1);
        words[0] = word;
        _checkPage(before, words);
    }

    /// @dev Any tally there is: lots with room for some more.
    function _tally(uint256 tags, uint256 lots, uint256 limits) private pure returns (BookScan.Tally memory tally) {
        tally.nextTag = uint136(uint128(tags)) + uint136(tags >> 255);
        (tally.boughtLots, tally.soldLots) = (uint64(lots) >> 1, uint64(lots >> 64) >> 1);
        (tally.highestUnfilledBid, tally.lowestUnfilledAsk) = (_int40(limits), _int40(limits >> 40));
        (tally.highestAcceptedAsk, tally.lowestAcceptedBid) = (_int40(limits >> 80), _int40(limits >> 120));
    }

    function _int40(uint256 bits) private pure returns (int40) {
        return int40(uint40(bits));
    }

    function check_pageOfTwoWords(uint256 x, uint256 y) external view {
        uint256[] memory words = new uint256[](2);
        (words[0], words[1]) = (x, y);
        _checkPage(BookScan.start(), words);
    }

    function _checkPage(BookScan.Tally memory before, uint256[] memory words) private view {
        (bool taken, bytes memory answer) = address(this).staticcall(abi.encodeCall(this.scan, (before, words)));
        Truth valid = truth(true);
        for (uint256 i = 0; i < words.length; ++i) {
            valid = valid & _valid(words[i]) & truth(words[i] >> 128 >= before.nextTag);
            _add(before, words[i]);
        }
        assert(same(taken, valid));
        if (!taken) return;
        BookScan.Tally memory found = abi.decode(answer, (BookScan.Tally));
        assert(found.nextTag == before.nextTag);
        assert(found.boughtLots == before.boughtLots);
        assert(found.soldLots == before.soldLots);
        assert(found.highestUnfilledBid == before.highestUnfilledBid);
        assert(found.lowestUnfilledAsk == before.lowestUnfilledAsk);
        assert(found.highestAcceptedAsk == before.highestAcceptedAsk);
        assert(found.lowestAcceptedBid == before.lowestAcceptedBid);
    }

    /// @notice Scans a page.
    function scan(BookScan.Tally memory tally, uint256[] calldata words) external pure returns (BookScan.Tally memory) {
        BookScan.scan(MarketKind.Auction, words, tally, BookScan.Band({min: MIN, max: MAX, tick: TICK}));
        return tally;
    }

    function check_price(uint256 tags, uint256 lots, uint256 limits) external view {
        BookScan.Tally memory tally = _tally(tags, lots, limits);
        // What was accepted has a limit.
        tally.highestAcceptedAsk = int32(tally.highestAcceptedAsk);
        tally.lowestAcceptedBid = int32(tally.lowestAcceptedBid);
        (bool cleared, bytes memory answer) = address(this).staticcall(abi.encodeCall(this.price, (tally)));
        assert(same(cleared, truth(tally.boughtLots == tally.soldLots) & _isOptimal(tally)));
        if (cleared) assert(abi.decode(answer, (int256)) == _price(tally));
    }

    /// @notice The price of a book that comes to this.
    function price(BookScan.Tally memory tally) external pure returns (int256) {
        BookScan.requireOptimum(MarketKind.Auction, tally);
        return BookScan.price(MarketKind.Auction, tally);
    }

    function check_threeWords(uint256 x, uint256 y, uint256 z) external pure {
        uint256[] memory words = new uint256[](3);
        (words[0], words[1], words[2]) = (x, y, z);
        BookScan.Tally memory tally = BookScan.start();
        Truth valid = truth(true);
        Truth fair = truth(true);
        for (uint256 i = 0; i < 3; ++i) {
            // A word of no quantity stands for none: so books of one and two words are among these.
            valid = valid & (_valid(words[i]) | truth(words[i] == 0));
            _add(tally, words[i]);
            for (uint256 j = 0; j < 3; ++j) {
                fair = fair & ~_wronged(words[i], words[j]);
            }
        }
        Truth balanced = truth(tally.boughtLots == tally.soldLots);
        Truth told = valid & balanced & _isOptimal(tally);
        assert(Truth.unwrap(told) == Truth.unwrap(valid & balanced & fair));
    }

    /* FIELDS */

    function _limit(uint256 word) private pure returns (int256) {
        return int32(uint32(word >> 96));
    }

    function _accepted(uint256 word) private pure returns (uint256) {
        return (word >> 24) & 0xffffff;
    }

    function _isBid(uint256 word) private pure returns (Truth) {
        return truth(word & 0xffffff == 0);
    }

    function _left(uint256 word) private pure returns (Truth) {
        return truth(_accepted(word) < (word >> 72) & 0xffffff) & truth(_accepted(word) < (word >> 48) & 0xffffff);
    }

    function _served(uint256 word) private pure returns (Truth) {
        return truth(_accepted(word) != 0);
    }

    /* RULES */

    function _valid(uint256 word) private pure returns (Truth) {
        Truth fields = truth(word & 0xffffff <= 1) & truth((word >> 72) & 0xffffff != 0) & _allowed(_limit(word));
        Truth within = truth(_accepted(word) <= (word >> 72) & 0xffffff);
        return fields & within & truth(_accepted(word) <= (word >> 48) & 0xffffff);
    }

    /// @dev The limits there are, one by one.
    function _allowed(int256 limit) private pure returns (Truth allowed) {
        for (int256 due = MIN; due <= MAX; due += TICK) {
            allowed = allowed | truth(limit == due);
        }
    }

    /// @dev What a valid word adds to a tally.
    function _add(BookScan.Tally memory tally, uint256 word) private pure {
        (Truth bid, int256 limit) = (_isBid(word), _limit(word));
        unchecked {
            tally.nextTag = uint136(word >> 128) + 1;
            tally.boughtLots += uint64(uint256(choose(bid, int256(_accepted(word)), 0)));
            tally.soldLots += uint64(uint256(choose(~bid, int256(_accepted(word)), 0)));
        }
        tally.highestUnfilledBid = _higher(bid & _left(word), limit, tally.highestUnfilledBid);
        tally.lowestUnfilledAsk = _lower(~bid & _left(word), limit, tally.lowestUnfilledAsk);
        tally.highestAcceptedAsk = _higher(~bid & _served(word), limit, tally.highestAcceptedAsk);
        tally.lowestAcceptedBid = _lower(bid & _served(word), limit, tally.lowestAcceptedBid);
    }

    function _higher(Truth counts, int256 limit, int256 highest) private pure returns (int40) {
        return int40(choose(counts & truth(limit > highest), limit, highest));
    }

    function _lower(Truth counts, int256 limit, int256 lowest) private pure returns (int40) {
        return int40(choose(counts & truth(limit < lowest), limit, lowest));
    }

    /// @dev B* < A*, lo <= hi.
    function _isOptimal(BookScan.Tally memory tally) private pure returns (Truth) {
        (int256 lo, int256 hi) = _bounds(tally);
        return truth(tally.highestUnfilledBid < tally.lowestUnfilledAsk) & truth(lo <= hi);
    }

    function _bounds(BookScan.Tally memory tally) private pure returns (int256 lo, int256 hi) {
        lo = _higher(truth(true), tally.highestAcceptedAsk, tally.highestUnfilledBid);
        hi = _lower(truth(true), tally.lowestAcceptedBid, tally.lowestUnfilledAsk);
    }

    function _price(BookScan.Tally memory tally) private pure returns (int256) {
        (int256 lo, int256 hi) = _bounds(tally);
        unchecked {
            return choose(truth(tally.boughtLots != 0), lo + ((hi - lo) >> 1), type(int32).min);
        }
    }

    /// @dev A bid and an ask that are left and could trade, or that trade and may not; one that is left behind a worse one of its side.
    function _wronged(uint256 x, uint256 y) private pure returns (Truth) {
        Truth higher = truth(_limit(x) > _limit(y));
        Truth lower = truth(_limit(x) < _limit(y));
        Truth meet = _isBid(x) & ~_isBid(y) & ((_left(x) & _left(y) & ~lower) | (_served(x) & _served(y) & lower));
        Truth bids = _isBid(x) & _isBid(y) & _left(x) & _served(y) & higher;
        Truth asks = ~_isBid(x) & ~_isBid(y) & _left(x) & _served(y) & lower;
        return meet | bids | asks;
    }
}
