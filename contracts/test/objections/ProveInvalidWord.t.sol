// SPDX-License-Identifier: UNLICENSED
pragma solidity 0.8.37;

import {MarketKind, MarketParams} from "../../src/interfaces/IMarket.sol";
import {BookPage, Bound, Ground, IObjections} from "../../src/interfaces/IObjections.sol";
import {vm} from "../base/Vm.sol";
import {ObjectionsTest} from "./ObjectionsTest.sol";

contract ObjectionsProveInvalidWordTest is ObjectionsTest {
    function _valid() private pure returns (uint256[] memory words) {
        words = new uint256[](2);
        (words[0], words[1]) = (_masked(_bid(1, 100, 5, 0)), _masked(_ask(2, 200, 5, 0)));
    }

    function _proven(uint256[] memory words, uint32 count) private {
        _sign(_onePage(words), count, 1);
        _expectRefuted(Ground.InvalidWord);
        assertTrue(
            objections.proveInvalidWord(MARKET_ID, _page(0), _bound(_onePage(words), count), words), "proven"
        );
    }

    function test_proveInvalidWord__allValid__notProvenAndNotTwice() public {
        uint256[] memory words = _valid();
        _sign(_onePage(words), 2, 0);
        Bound memory book = _bound(_onePage(words), 2);
        assertFalse(objections.proveInvalidWord(MARKET_ID, _page(0), book, words), "valid");
        BookPage memory target = _page(0);
        vm.expectRevert(IObjections.ObjectionsNothingProven.selector);
        objections.proveInvalidWord(MARKET_ID, target, book, words);
    }

    function test_proveInvalidWord__unboundPage__reverts() public {
        uint256[] memory words = _valid();
        _sign(_onePage(words), 2, 0);
        Bound memory book = _bound(_onePage(words), 3);
        BookPage memory target = _page(0);
        vm.expectRevert(IObjections.ObjectionsNotBound.selector);
        objections.proveInvalidWord(MARKET_ID, target, book, words);
    }

    function test_proveInvalidWord__eachFault__proven(uint8 which) public {
        uint256[] memory words = _valid();
        which = uint8(bound(which, 0, 8));
        if (which == 0) words[1] = _masked(_ask(2, 200, 0, 0));
        if (which == 1) words[1] = _masked(_ask(2, 201, 5, 0));
        if (which == 2) words[1] = _masked(_ask(2, MIN_LIMIT - 100, 5, 0));
        if (which == 3) words[1] = words[1] | 2;
        if (which == 4) words[1] = _masked(_ask(1, 200, 5, 0));
        if (which == 5) words[0] = _masked(_bid(3, 100, 5, 0));
        if (which == 6) words[1] |= 1 << 48; // a cap in a commitment
        if (which == 7) words[1] |= 1 << 24; // accepted lots in a commitment
        if (which == 8) words[1] = _masked(_ask(2, MAX_LIMIT + 100, 5, 0));
        _proven(words, 2);
    }

    function test_proveInvalidWord__countAndPageContradict__proven() public {
        _proven(_valid(), 3);
    }

    function test_proveInvalidWord__tagsFallAcrossPages__provenInAnyOrder(bool secondFirst) public {
        uint256[][] memory pages = _twoPages(_bid(0, 100, 2, 0), _ask(9, 200, 2, 0), 10);
        _sign(pages, 2049, 0);
        Bound memory book = _bound(pages, 2049);
        uint32 first = secondFirst ? 1 : 0;
        assertFalse(objections.proveInvalidWord(MARKET_ID, _page(first), book, pages[first]), "by itself it is fine");
        _expectRefuted(Ground.InvalidWord);
        assertTrue(objections.proveInvalidWord(MARKET_ID, _page(1 - first), book, pages[1 - first]), "proven");
    }

    function test_proveInvalidWord__tagsAscendAcrossPages__notProvenInAnyOrder(bool secondFirst) public {
        uint256[][] memory pages = _twoPages(_bid(0, 100, 2, 0), _ask(1 << 100, 200, 2, 0), 10);
        _sign(pages, 2049, 0);
        Bound memory book = _bound(pages, 2049);
        uint32 first = secondFirst ? 1 : 0;
        assertFalse(objections.proveInvalidWord(MARKET_ID, _page(first), book, pages[first]), "first shown");
        assertFalse(objections.proveInvalidWord(MARKET_ID, _page(1 - first), book, pages[1 - first]), "second shown");
    }
}

contract ObjectionsProveInvalidDealTest is ObjectionsTest {
    function _params() internal pure override returns (MarketParams memory params) {
        params = super._params();
        params.kind = MarketKind.Bilateral;
    }

    function _deals() private pure returns (uint256[] memory words) {
        words = new uint256[](4);
        (words[0], words[1]) = (_masked(_bid(1, 100, 5, 0)), _masked(_ask(8, 100, 5, 0)));
        (words[2], words[3]) = (_masked(_bid(1, 200, 5, 0)), _masked(_ask(9, 200, 5, 0)));
    }

    function test_proveInvalidWord__validDeals__notProven() public {
        _sign(_onePage(_deals()), 4, 0);
        assertFalse(
            objections.proveInvalidWord(MARKET_ID, _page(0), _bound(_onePage(_deals()), 4), _deals()), "valid"
        );
    }

    function test_proveInvalidWord__brokenDeals__proven(uint8 which) public {
        uint256[] memory words = _deals();
        which = uint8(bound(which, 0, 3));
        if (which == 0) words[1] = _masked(_ask(8, 200, 5, 0));
        if (which == 1) words[0] = _masked(_ask(1, 100, 5, 0));
        if (which == 2) words[3] = _masked(_ask(8, 200, 5, 0));
        if (which == 3) words[1] = _masked(_ask(8, 100, 0, 0));
        _sign(_onePage(words), 4, 0);
        _expectRefuted(Ground.InvalidWord);
        assertTrue(objections.proveInvalidWord(MARKET_ID, _page(0), _bound(_onePage(words), 4), words), "proven");
    }
}
