// SPDX-License-Identifier: UNLICENSED
pragma solidity 0.8.37;

import {IClearing, WordFault} from "../../src/interfaces/IClearing.sol";
import {MarketKind} from "../../src/interfaces/IMarket.sol";
import {BookScan} from "../../src/libraries/BookScan.sol";
import {Books} from "../base/Books.sol";
import {NaiveScan} from "../base/NaiveScan.sol";
import {ScanTest} from "../base/ScanTest.sol";
import {Shapes} from "../base/Shapes.sol";

/// @notice The scan and the naive one say the same of any words, all 256 bits of them, on any pages, in every kind of market.
contract ScanDifferentialTest is ScanTest {
    uint256 private constant WORDS_MAX = 12;

    /// @dev Arbitrary numbers as words. Few survive the first check, so they are what the other books are spoilt with too.
    function testFuzz_scan__arbitraryWords__asNaive(uint8 kind, uint256[] memory words, uint256 cut) public view {
        uint256[] memory page = new uint256[](words.length < WORDS_MAX ? words.length : WORDS_MAX);
        for (uint256 i = 0; i < page.length; ++i) {
            page[i] = words[i];
        }
        _same(_kind(kind), page, cut);
    }

    /// @dev Books near the valid ones: sorted, with their optimum, some lots moved and some bits flipped.
    function testFuzz_scan__nearlyValidBook__asNaive(uint8 kind, uint256 seed, uint256 cut) public view {
        _same(_kind(kind), _spoilt(_book(_kind(kind), seed), seed), cut);
    }

    /// @dev One field of one word takes any value, the rest stays as it is: first and last words of pages too.
    function testFuzz_scan__anyFieldOfAnyWord__asNaive(uint8 kind, uint256 seed, uint256 at, uint256 bits, uint256 cut)
        public
        view
    {
        uint256[] memory words = _book(_kind(kind), seed);
        uint256 field = uint256(keccak256(abi.encode(bits))) % 6;
        (uint256 from, uint256 width) = field < 4 ? (field * 24, 24) : field == 4 ? (96, 32) : (128, 128);
        uint256 mask = (2 ** width - 1) << from;
        at = bound(at, 0, words.length - 1);
        words[at] = (words[at] & ~mask) | (bits & mask);
        _same(_kind(kind), words, cut);
    }

    /// @dev What is said of a word by itself is what the scan says of a page that holds it alone.
    function testFuzz_isValid__anyFieldOfAWord__asTheScanOfItAlone(uint256 seed, uint256 at, uint256 field, uint256 bits)
        public
        view
    {
        uint256[] memory words = new uint256[](1);
        words[0] = _book(MarketKind.Auction, seed)[0];
        (uint256 from, uint256 width) = field % 7 < 4 ? (field % 7 * 24, 24) : (96, 32);
        uint256 mask = field % 7 == 6 ? type(uint256).max : (2 ** width - 1) << from;
        if (at % 2 == 0) words[0] = (words[0] & ~mask) | (bits << from & mask);
        bool valid = BookScan.isValid(words[0], _band());
        try scanner.tally(MarketKind.Auction, _onePage(words), _band()) returns (BookScan.Tally memory, bytes32) {
            assertTrue(valid, "taken");
        } catch (bytes memory) {
            assertFalse(valid, "refused");
        }
    }

    function _kind(uint8 number) private pure returns (MarketKind) {
        return MarketKind(number % 3);
    }

    /* THE COMPARISON */

    function _same(MarketKind kind, uint256[] memory words, uint256 cut) private view {
        NaiveScan.Order[] memory orders = NaiveScan.unpackAll(words);
        NaiveScan.Rules memory rules = NaiveScan.Rules({kind: kind, min: MIN, max: MAX, tick: TICK});
        cut = bound(cut, 0, words.length);
        if (kind == MarketKind.Bilateral) cut -= cut % 2;
        try scanner.tally(kind, _twoPages(words, cut), _band()) returns (BookScan.Tally memory sums, bytes32 chain) {
            for (uint256 i = 0; i < words.length; ++i) {
                assertEq(NaiveScan.faults(orders, i, rules), 0, "taken although a word is invalid");
            }
            assertEq(chain, _chain(words, cut, type(uint256).max), "complete pages");
            assertEq(sums.maskedChain, _chain(words, cut, ~uint256(0xffffffffffff000000)), "masked pages");
            assertEq(uint256(sums.pages), 2, "pages");
            assertEq(sums.boughtLots, NaiveScan.accepted(orders, true), "bought");
            assertEq(sums.soldLots, NaiveScan.accepted(orders, false), "sold");
            _samePrice(kind, sums, orders);
        } catch (bytes memory reason) {
            _sameFault(kind, orders, rules, reason, cut);
        }
    }

    function _samePrice(MarketKind kind, BookScan.Tally memory sums, NaiveScan.Order[] memory orders) private view {
        uint256 bought = NaiveScan.accepted(orders, true);
        bool balanced = bought == NaiveScan.accepted(orders, false);
        bool optimal = kind == MarketKind.Bilateral || NaiveScan.isOptimal(orders);
        try scanner.price(kind, sums) returns (int32 price) {
            assertTrue(balanced && optimal, "taken although not the optimum");
            bool priced = bought != 0 && kind != MarketKind.Bilateral;
            assertEq(int256(price), priced ? NaiveScan.price(orders, kind) : type(int32).min, "price");
        } catch (bytes memory reason) {
            bytes4 due = balanced ? IClearing.ClearingNotOptimal.selector : IClearing.ClearingUnbalanced.selector;
            assertFalse(balanced && optimal, "refused although the optimum");
            assertTrue(bytes4(reason) == due, "why it is refused");
        }
    }

    /// @dev The fault that was named is one that the word has; of a book's orders the first faulty word is named.
    function _sameFault(
        MarketKind kind,
        NaiveScan.Order[] memory orders,
        NaiveScan.Rules memory rules,
        bytes memory reason,
        uint256 cut
    ) private pure {
        assertTrue(bytes4(reason) == IClearing.ClearingWordInvalid.selector, "refused for a word");
        (uint256 index, WordFault fault) = _decoded(reason);
        bool named = index < orders.length && _has(orders, index, rules, fault);
        // The index is that on its page.
        if (cut + index < orders.length) named = named || _has(orders, cut + index, rules, fault);
        assertTrue(named, "the word has no such fault");
        if (kind == MarketKind.Bilateral) return;
        uint256 first = 0;
        while (NaiveScan.faults(orders, first, rules) == 0) {
            ++first;
        }
        assertEq(index, first < cut ? first : first - cut, "first faulty word");
    }

    function _has(NaiveScan.Order[] memory orders, uint256 i, NaiveScan.Rules memory rules, WordFault fault)
        private
        pure
        returns (bool)
    {
        return NaiveScan.faults(orders, i, rules) & (1 << uint256(fault)) != 0;
    }

    function _decoded(bytes memory reason) private pure returns (uint256 index, WordFault fault) {
        bytes memory values = new bytes(reason.length - 4);
        for (uint256 i = 4; i < reason.length; ++i) {
            values[i - 4] = reason[i];
        }
        return abi.decode(values, (uint256, WordFault));
    }

    /// @dev Chain over the two pages, words under a mask.
    function _chain(uint256[] memory words, uint256 cut, uint256 mask) private pure returns (bytes32) {
        bytes memory first;
        bytes memory second;
        for (uint256 i = 0; i < words.length; ++i) {
            if (i < cut) first = abi.encodePacked(first, words[i] & mask);
            else second = abi.encodePacked(second, words[i] & mask);
        }
        bytes32 c = keccak256(abi.encodePacked(bytes32(0), keccak256(first)));
        return keccak256(abi.encodePacked(c, keccak256(second)));
    }

    /* BOOKS */

    /// @dev A valid book: few limits and lots so that ties are common, a third of the orders capped, its optimum filled in. Of deals: pairs.
    function _book(MarketKind kind, uint256 seed) private pure returns (uint256[] memory words) {
        words = new uint256[](2 + 2 * (seed % (WORDS_MAX / 2)));
        for (uint256 k = 0; k < words.length; ++k) {
            uint256 r = uint256(keccak256(abi.encode("order", seed, k)));
            uint24 cap = r % 3 == 0 ? uint24((r >> 8) % 5) : NO_CAP;
            int32 limit = int32(int256((r >> 16) % 4)) * 100 - 200;
            words[k] = Shapes.orderWord(
                bytes16(uint128(k == 0 ? 0 : k << 100)), limit, uint24(1 + (r >> 32) % 4), cap, 0, uint24((r >> 48) & 1)
            );
        }
        if (kind == MarketKind.Bilateral) _pair(words, seed);
        else words = Books.solve(words).words;
    }

    /// @dev Makes pairs of the words; some follow a pair of the same bid tag.
    function _pair(uint256[] memory words, uint256 seed) private pure {
        for (uint256 k = 0; k < words.length; k += 2) {
            uint256 r = uint256(keccak256(abi.encode("pair", seed, k)));
            uint256 limit = uint32(words[k] >> 96);
            uint24 lots = uint24(r % 3);
            uint128 tag = uint128(k != 0 && (r >> 8) % 2 == 0 ? words[k - 2] >> 128 : words[k] >> 128);
            words[k] = Shapes.orderWord(bytes16(tag), int32(uint32(limit)), 3 + lots, NO_CAP, lots, 0);
            tag = uint128(words[k + 1] >> 128);
            words[k + 1] = Shapes.orderWord(bytes16(tag), int32(uint32(limit)), 2 + lots, 2, lots, 1);
        }
    }

    /// @dev Moves a lot, flips bits, repeats or swaps words: often one thing, sometimes nothing.
    function _spoilt(uint256[] memory words, uint256 seed) private pure returns (uint256[] memory) {
        for (uint256 k = 0; k < seed % 3; ++k) {
            uint256 r = uint256(keccak256(abi.encode("spoil", seed, k)));
            uint256 i = (r >> 8) % words.length;
            uint256 j = (r >> 32) % words.length;
            uint256 what = r % 5;
            if (what == 0) words[i] ^= 1 << ((r >> 64) % 256);
            if (what == 1) words[i] ^= 0xffffff << ((r >> 64) % 232);
            if (what == 2) (words[i], words[j]) = (words[j], words[i]);
            if (what == 3) words[i] = words[j];
            if (what == 4) {
                words[i] = Books.withAccepted(words[i], (Books.acceptedOf(words[i]) + 1) % 2 ** 24);
                words[j] = Books.withAccepted(words[j], (Books.acceptedOf(words[j]) + 1) % 2 ** 24);
            }
        }
        return words;
    }
}
