// SPDX-License-Identifier: UNLICENSED
pragma solidity 0.8.37;

import {MarketKind, MarketParams} from "../../src/interfaces/IMarket.sol";
import {BookPage, Bound, Ground, IObjections} from "../../src/interfaces/IObjections.sol";
import {Hashes} from "../../src/libraries/Hashes.sol";
import {vm} from "../base/Vm.sol";
import {ObjectionsTest} from "./ObjectionsTest.sol";

contract ObjectionsProveCrossingTest is ObjectionsTest {
    function _pair(int32 bid, int32 ask) private pure returns (uint256[][] memory) {
        uint256[] memory words = new uint256[](2);
        (words[0], words[1]) = (_masked(_bid(1, bid, 5, 0)), _masked(_ask(2, ask, 5, 0)));
        return _onePage(words);
    }

    function _refused(uint256[][] memory pages, bytes memory error_) private {
        Bound memory book = _bound(pages, uint32(pages[0].length));
        BookPage memory target = _page(0);
        vm.expectRevert(error_);
        objections.proveCrossing(MARKET_ID, target, book, pages[0]);
    }

    function test_proveCrossing__notSigned__reverts() public {
        uint256[][] memory pages = _pair(200, 100);
        _open();
        _refused(
            pages, abi.encodeWithSelector(IObjections.ObjectionsNotSigned.selector, MARKET_ID, gate, FIRST_MTU)
        );
    }

    function test_proveCrossing__mtuInAMask__reverts() public {
        uint256[][] memory pages = _pair(200, 100);
        _sign(pages, 2, 1);
        _refused(pages, abi.encodeWithSelector(IObjections.ObjectionsNoClaim.selector, FIRST_MTU));
    }

    function test_proveCrossing__otherBook__reverts() public {
        _sign(_pair(100, 200), 2, 0);
        _refused(_pair(200, 100), abi.encodeWithSelector(IObjections.ObjectionsNotBound.selector));
    }

    function test_proveCrossing__otherWords__reverts() public {
        uint256[][] memory pages = _pair(100, 200);
        _sign(pages, 2, 0);
        Bound memory book = _bound(pages, 2);
        BookPage memory target = _page(0);
        vm.expectRevert(abi.encodeWithSelector(IObjections.ObjectionsPageWrong.selector, 0));
        objections.proveCrossing(MARKET_ID, target, book, _pair(200, 100)[0]);
    }

    function test_proveCrossing__pageTwice__reverts() public {
        uint256[][] memory pages = _pair(100, 200);
        _sign(pages, 2, 0);
        assertFalse(objections.proveCrossing(MARKET_ID, _page(0), _bound(pages, 2), pages[0]), "does not cross");
        _refused(pages, abi.encodeWithSelector(IObjections.ObjectionsNothingProven.selector));
    }

    function test_proveCrossing__equalLimits__proven(address sender) public {
        uint256[][] memory pages = _pair(100, 100);
        _sign(pages, 2, 0);
        _expectRefuted(Ground.Crossing);
        vm.prank(sender);
        assertTrue(objections.proveCrossing(MARKET_ID, _page(0), _bound(pages, 2), pages[0]), "crosses");
    }

    function test_proveCrossing__onDifferentPages__provenInAnyOrder(bool secondFirst) public {
        uint256[][] memory pages = _twoPages(_bid(0, 300, 2, 0), _ask(1 << 100, 200, 2, 0), 1);
        _sign(pages, 2049, 0);
        Bound memory book = _bound(pages, 2049);
        uint32 first = secondFirst ? 1 : 0;
        assertFalse(objections.proveCrossing(MARKET_ID, _page(first), book, pages[first]), "one side only");
        _expectRefuted(Ground.Crossing);
        assertTrue(objections.proveCrossing(MARKET_ID, _page(1 - first), book, pages[1 - first]), "crosses");
    }

    function test_proveCrossing__invalidWordOnEachPage__doesNotShield(bool secondFirst) public {
        uint256[][] memory pages = _twoPages(_bid(0, 300, 2, 0), 0, 1);
        pages[1] = new uint256[](2);
        (pages[0][9], pages[1][0]) = (type(uint256).max, 0);
        pages[1][1] = _masked(_ask(1 << 100, 200, 2, 0));
        _sign(pages, 2050, 0);
        Bound memory book = _bound(pages, 2050);
        uint32 first = secondFirst ? 1 : 0;
        assertFalse(objections.proveCrossing(MARKET_ID, _page(first), book, pages[first]), "one side only");
        _expectRefuted(Ground.Crossing);
        assertTrue(objections.proveCrossing(MARKET_ID, _page(1 - first), book, pages[1 - first]), "crosses");
    }

    function test_proveCrossing__invalidWords__neitherCountNorShield(uint8 which) public {
        uint256[] memory words = new uint256[](3);
        words[0] = _masked(_bid(1, 300, 5, 0));
        words[2] = _masked(_ask(3, 200, 5, 0));
        which = uint8(bound(which, 0, 4));
        if (which == 0) words[1] = _masked(_bid(2, 100, 0, 0));
        if (which == 1) words[1] = _masked(_bid(2, 150, 1, 0));
        if (which == 2) words[1] = _masked(_bid(2, MAX_LIMIT + 100, 1, 0));
        if (which == 3) words[1] = _masked(_bid(2, 100, 1, 0)) | 0xfffffe;
        if (which == 4) words[1] = words[0];
        _sign(_onePage(words), 3, 0);
        _expectRefuted(Ground.Crossing);
        assertTrue(
            objections.proveCrossing(MARKET_ID, _page(0), _bound(_onePage(words), 3), words), "crosses all the same"
        );
    }

    function test_proveCrossing__onlyAnInvalidBidCrosses__notProven() public {
        uint256[] memory words = new uint256[](2);
        (words[0], words[1]) = (_masked(_bid(1, MAX_LIMIT + 100, 5, 0)), _masked(_ask(2, 200, 5, 0)));
        _sign(_onePage(words), 2, 0);
        assertFalse(objections.proveCrossing(MARKET_ID, _page(0), _bound(_onePage(words), 2), words), "one ask");
    }

    function test_proveCrossing__lowestLimits__count() public {
        uint256[][] memory pages = _pair(MIN_LIMIT, MIN_LIMIT);
        _sign(pages, 2, 0);
        _expectRefuted(Ground.Crossing);
        assertTrue(objections.proveCrossing(MARKET_ID, _page(0), _bound(pages, 2), pages[0]), "crosses");
    }

    function test_proveCrossing__moreThanADayLater__stillProven() public {
        uint256[][] memory pages = _pair(300, 200);
        _sign(pages, 2, 0);
        vm.warp(block.timestamp + 400 days);
        _expectRefuted(Ground.Crossing);
        objections.proveCrossing(MARKET_ID, _page(0), _bound(pages, 2), pages[0]);
    }
}

contract ObjectionsProveCrossingOfDealsTest is ObjectionsTest {
    function _params() internal pure override returns (MarketParams memory params) {
        params = super._params();
        params.kind = MarketKind.Bilateral;
    }

    function test_proveCrossing__bilateralMarket__reverts() public {
        uint256[] memory words = new uint256[](2);
        (words[0], words[1]) = (_masked(_bid(1, 100, 5, 0)), _masked(_ask(2, 100, 5, 0)));
        _sign(_onePage(words), 2, 0);
        Bound memory book = _bound(_onePage(words), 2);
        BookPage memory target = _page(0);
        vm.expectRevert(abi.encodeWithSelector(IObjections.ObjectionsNoClaim.selector, FIRST_MTU));
        objections.proveCrossing(MARKET_ID, target, book, words);
    }
}
