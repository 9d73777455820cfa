// SPDX-License-Identifier: UNLICENSED
pragma solidity 0.8.37;

import {MarketKind} from "../../src/interfaces/IMarket.sol";
import {BookScan} from "../../src/libraries/BookScan.sol";
import {Hashes} from "../../src/libraries/Hashes.sol";
import {Assert} from "./Assert.sol";
import {Shapes} from "./Shapes.sol";

/// @notice The scan as a contract, for it reads calldata.
contract Scanner {
    /// @notice What a book of these pages amounts to, and the chain of its complete page hashes.
    function tally(MarketKind kind, uint256[][] calldata pages, BookScan.Band calldata band)
        external
        pure
        returns (BookScan.Tally memory sums, bytes32 completeChain)
    {
        BookScan.Band memory limits = band;
        sums = BookScan.start();
        for (uint256 p = 0; p < pages.length; ++p) {
            completeChain = Hashes.link(completeChain, BookScan.scan(kind, pages[p], sums, limits));
        }
    }

    /// @notice Price of a book; reverts unless its allocation is the optimum.
    function price(MarketKind kind, BookScan.Tally calldata sums) external pure returns (int32) {
        BookScan.Tally memory copy = sums;
        BookScan.requireOptimum(kind, copy);
        return BookScan.price(kind, copy);
    }
}

/// @notice Books for the scan alone, without a market.
abstract contract ScanTest is Assert {
    int256 internal constant MIN = -500_000;
    int256 internal constant MAX = 4_000_000;
    int256 internal constant TICK = 100;
    uint24 internal constant NO_CAP = type(uint24).max;

    Scanner internal scanner = new Scanner();

    function _band() internal pure returns (BookScan.Band memory) {
        return BookScan.Band({min: MIN, max: MAX, tick: TICK});
    }

    function _bid(uint256 tag, int32 limit, uint24 quantity, uint24 accepted) internal pure returns (uint256) {
        return Shapes.orderWord(bytes16(uint128(tag)), limit, quantity, NO_CAP, accepted, 0);
    }

    function _ask(uint256 tag, int32 limit, uint24 quantity, uint24 accepted) internal pure returns (uint256) {
        return Shapes.orderWord(bytes16(uint128(tag)), limit, quantity, NO_CAP, accepted, 1);
    }

    function _onePage(uint256[] memory words) internal pure returns (uint256[][] memory pages) {
        pages = new uint256[][](1);
        pages[0] = words;
    }

    /// @dev The words on two pages, the first of which holds `first`.
    function _twoPages(uint256[] memory words, uint256 first) internal pure returns (uint256[][] memory pages) {
        pages = new uint256[][](2);
        pages[0] = new uint256[](first);
        pages[1] = new uint256[](words.length - first);
        for (uint256 i = 0; i < words.length; ++i) {
            if (i < first) pages[0][i] = words[i];
            else pages[1][i - first] = words[i];
        }
    }

    function _price(MarketKind kind, uint256[] memory words) internal view returns (int32) {
        (BookScan.Tally memory sums,) = scanner.tally(kind, _onePage(words), _band());
        return scanner.price(kind, sums);
    }
}
