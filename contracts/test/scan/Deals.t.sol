// SPDX-License-Identifier: UNLICENSED
pragma solidity 0.8.37;

import {IClearing, WordFault} from "../../src/interfaces/IClearing.sol";
import {MarketKind} from "../../src/interfaces/IMarket.sol";
import {BookScan} from "../../src/libraries/BookScan.sol";
import {ScanTest} from "../base/ScanTest.sol";
import {Shapes} from "../base/Shapes.sol";
import {vm} from "../base/Vm.sol";

/// @notice The scan of deals: adjacent pairs of a bid and an ask.
contract ScanDealsTest is ScanTest {
    MarketKind private constant KIND = MarketKind.Bilateral;

    /// @dev Three deals; the first two take from one offer, whose bid has tag 5.
    ///   tags    limit  accepted
    ///   5, 2    300    4
    ///   5, 7    300    2
    ///   6, 1    -100   0
    function _deals() private pure returns (uint256[] memory words) {
        words = new uint256[](6);
        (words[0], words[1]) = (_bid(5, 300, 6, 4), _ask(2, 300, 4, 4));
        (words[2], words[3]) = (_bid(5, 300, 6, 2), _ask(7, 300, 9, 2));
        (words[4], words[5]) = (_bid(6, -100, 1, 0), _ask(1, -100, 1, 0));
    }

    function _refused(uint256[] memory words, uint256 index, WordFault fault) private {
        vm.expectRevert(abi.encodeWithSelector(IClearing.ClearingWordInvalid.selector, index, fault));
        scanner.tally(KIND, _onePage(words), _band());
    }

    function _badWord(uint256 index, uint256 word, WordFault fault) private {
        uint256[] memory words = _deals();
        words[index] = word;
        _refused(words, index, fault);
    }

    /* REVERTS */

    function test_scan__bidWithoutItsAsk__reverts() public {
        uint256[] memory words = new uint256[](1);
        words[0] = _deals()[0];
        _refused(words, 0, WordFault.PairBroken);
    }

    function test_scan__askFirst__reverts() public {
        _badWord(2, _ask(5, 300, 6, 2), WordFault.PairBroken);
    }

    function test_scan__bidSecond__reverts() public {
        _badWord(3, _bid(7, 300, 9, 2), WordFault.PairBroken);
    }

    function test_scan__unknownFlag__reverts(uint24 flags) public {
        flags = uint24(bound(flags, 2, type(uint24).max));
        _badWord(2, Shapes.orderWord(bytes16(uint128(5)), 300, 6, NO_CAP, 2, flags), WordFault.PairBroken);
    }

    function test_scan__limitsDiffer__reverts() public {
        _badWord(3, _ask(7, 200, 9, 2), WordFault.PairUnequal);
    }

    function test_scan__acceptedDiffer__reverts() public {
        _badWord(3, _ask(7, 300, 9, 3), WordFault.PairUnequal);
    }

    function test_scan__pairTwice__reverts() public {
        _badWord(3, _ask(2, 300, 9, 2), WordFault.TagNotAscending);
    }

    function test_scan__bidTagsFall__reverts() public {
        _badWord(4, _bid(4, -100, 1, 0), WordFault.TagNotAscending);
    }

    function test_scan__zeroQuantity__reverts() public {
        _badWord(5, _ask(1, -100, 0, 0), WordFault.QuantityZero);
    }

    function test_scan__acceptedAboveCap__reverts() public {
        _badWord(0, Shapes.orderWord(bytes16(uint128(5)), 300, 6, 3, 4, 0), WordFault.AcceptedAboveEffective);
    }

    function test_scan__limitOutOfBandOrOffTick__reverts() public {
        uint256[] memory words = _deals();
        (words[4], words[5]) = (_bid(6, int32(MAX) + 100, 1, 0), _ask(1, int32(MAX) + 100, 1, 0));
        _refused(words, 4, WordFault.LimitOutOfBand);
        (words[4], words[5]) = (_bid(6, 150, 1, 0), _ask(1, 150, 1, 0));
        _refused(words, 4, WordFault.LimitOffTick);
    }

    function test_scan__pairTwiceOverPages__reverts() public {
        uint256[] memory words = _deals();
        words[3] = _ask(2, 300, 9, 2);
        vm.expectRevert(abi.encodeWithSelector(IClearing.ClearingWordInvalid.selector, 1, WordFault.TagNotAscending));
        scanner.tally(KIND, _twoPages(words, 2), _band());
    }

    function test_scan__bidTagsFallOverPages__reverts() public {
        uint256[] memory words = _deals();
        words[4] = _bid(4, -100, 1, 0);
        vm.expectRevert(abi.encodeWithSelector(IClearing.ClearingWordInvalid.selector, 0, WordFault.TagNotAscending));
        scanner.tally(KIND, _twoPages(words, 4), _band());
    }

    function test_scan__pairCutByPages__reverts() public {
        vm.expectRevert(abi.encodeWithSelector(IClearing.ClearingWordInvalid.selector, 2, WordFault.PairBroken));
        scanner.tally(KIND, _twoPages(_deals(), 3), _band());
    }

    /* EFFECTS */

    function test_scan__deals__countWithoutPrice() public view {
        for (uint256 first = 0; first <= 6; first += 2) {
            (BookScan.Tally memory sums,) = scanner.tally(KIND, _twoPages(_deals(), first), _band());
            assertEq(uint256(sums.boughtLots), 6, "bought");
            assertEq(uint256(sums.soldLots), 6, "sold");
            assertEq(int256(scanner.price(KIND, sums)), type(int32).min, "no price");
        }
    }

    function test_scan__dealsThatNoAuctionWouldMake__count() public view {
        // The dearest ask sells, the cheapest is left over, and its bid too.
        uint256[] memory words = new uint256[](4);
        (words[0], words[1]) = (_bid(1, 900, 3, 3), _ask(2, 900, 3, 3));
        (words[2], words[3]) = (_bid(3, 100, 3, 0), _ask(4, 100, 3, 0));
        assertEq(int256(_price(KIND, words)), type(int32).min, "no optimum asked for");
    }

    function test_scan__highestTags__count() public view {
        uint256[] memory words = new uint256[](2);
        uint256 highest = type(uint128).max;
        (words[0], words[1]) = (_bid(highest, 100, 1, 1), _ask(highest, 100, 1, 1));
        assertEq(int256(_price(KIND, words)), type(int32).min, "taken");
    }
}
