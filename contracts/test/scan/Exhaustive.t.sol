// SPDX-License-Identifier: UNLICENSED
pragma solidity 0.8.37;

import {IClearing} from "../../src/interfaces/IClearing.sol";
import {MarketKind} from "../../src/interfaces/IMarket.sol";
import {BookScan} from "../../src/libraries/BookScan.sol";
import {Hashes} from "../../src/libraries/Hashes.sol";
import {Books} from "../base/Books.sol";
import {ScanTest} from "../base/ScanTest.sol";
import {Shapes} from "../base/Shapes.sol";

/// @notice Every allocation of every small book, under the price rules of auction and flexibility: exactly those of most welfare, then most volume
/// pass, and all of a book at one price, which is the middle of what is left or that of the dearest ask accepted.
contract ScanExhaustiveTest is ScanTest {
    int32 private constant LIMITS = 3;
    uint256 private constant LOTS = 2;

    /// @dev Kinds of orders: side × limit × quantity × cap (none, 0, 1).
    uint256 private constant ORDERS = 2 * uint256(uint32(LIMITS)) * LOTS * 3;
    uint256 private constant ORDERS_WITHOUT_CAP = ORDERS / 3;

    struct Best {
        int256 worth;
        int32 price;
        bool seen;
    }

    function test_scan__allBooksOfTwoOrders__onlyTheBestPass() public view {
        for (uint256 number = 0; number < ORDERS ** 2; ++number) {
            _hold(_book(2, number, ORDERS));
        }
    }

    function testFuzz_scan__booksOfThreeOrders__onlyTheBestPass(uint256 number) public view {
        _hold(_book(3, number % ORDERS ** 3, ORDERS));
    }

    function testFuzz_scan__booksOfFourOrders__onlyTheBestPass(uint256 number) public view {
        _hold(_book(4, number % ORDERS_WITHOUT_CAP ** 4, ORDERS_WITHOUT_CAP));
    }

    /// @dev Book number `number` of `n` orders, each one of `orders` kinds.
    function _book(uint256 n, uint256 number, uint256 orders) private pure returns (uint256[] memory words) {
        words = new uint256[](n);
        for (uint256 k = 0; k < n; ++k) {
            uint256 order = number % orders;
            number /= orders;
            int32 limit = int32(int256(order / 2)) % LIMITS * int32(TICK) - int32(TICK);
            uint256 rest = order / 2 / uint256(uint32(LIMITS));
            uint256 cap = rest / LOTS == 0 ? NO_CAP : rest / LOTS - 1;
            words[k] =
                Shapes.orderWord(bytes16(uint128(k)), limit, uint24(1 + rest % LOTS), uint24(cap), 0, uint24(order % 2));
        }
    }

    function _hold(uint256[] memory book) private view {
        Best memory best = Best({worth: type(int256).min, price: 0, seen: false});
        uint256 n = (LOTS + 1) ** book.length;
        for (uint256 i = 0; i < n; ++i) {
            int256 worth = Books.worth(Books.allocation(book, i, LOTS));
            if (worth > best.worth) best.worth = worth;
        }
        for (uint256 i = 0; i < n; ++i) {
            uint256[] memory words = Books.allocation(book, i, LOTS);
            bool passed = _passes(words);
            assertTrue(passed == (Books.worth(words) == best.worth), "passes exactly if best");
            if (!passed) continue;
            int32 price = _price(MarketKind.Auction, words);
            assertEq(int256(price), Books.price(words), "price of the auction");
            assertTrue(!best.seen || price == best.price, "one price per book");
            (best.price, best.seen) = (price, true);
            assertEq(int256(_price(MarketKind.Flexibility, words)), _dearestAsk(words), "price of flexibility");
        }
        assertTrue(best.seen, "some allocation passes");
    }

    function _dearestAsk(uint256[] memory words) private pure returns (int256 limit) {
        limit = Hashes.NO_PRICE;
        for (uint256 k = 0; k < words.length; ++k) {
            bool sells = Books.isAsk(words[k]) && Books.acceptedOf(words[k]) != 0;
            if (sells && Books.limitOf(words[k]) > limit) limit = Books.limitOf(words[k]);
        }
    }

    /// @dev Whether both kinds of auction take it; they agree on everything but the price.
    function _passes(uint256[] memory words) private view returns (bool auction) {
        auction = _taken(MarketKind.Auction, words);
        assertTrue(auction == _taken(MarketKind.Flexibility, words), "the kinds agree");
    }

    function _taken(MarketKind kind, uint256[] memory words) private view returns (bool) {
        try scanner.tally(kind, _onePage(words), _band()) returns (BookScan.Tally memory sums, bytes32) {
            try scanner.price(kind, sums) returns (int32) {
                return true;
            } catch (bytes memory reason) {
                bytes4 why = bytes4(reason);
                bool known = why == IClearing.ClearingNotOptimal.selector || why == IClearing.ClearingUnbalanced.selector;
                assertTrue(known, "why it is refused");
            }
        } catch (bytes memory reason) {
            assertTrue(bytes4(reason) == IClearing.ClearingWordInvalid.selector, "why its words are refused");
        }
        return false;
    }
}
