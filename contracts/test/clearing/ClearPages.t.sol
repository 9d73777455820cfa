// SPDX-License-Identifier: UNLICENSED
pragma solidity 0.8.37;

import {IClearing, PlaceProofs, ResultPage, WordFault} from "../../src/interfaces/IClearing.sol";
import {SessionState} from "../../src/interfaces/IMarket.sol";
import {Books} from "../base/Books.sol";
import {LedgerTest} from "../base/LedgerTest.sol";
import {vm} from "../base/Vm.sol";

/// @notice clear, with books of two pages.
contract ClearingClearPagesTest is LedgerTest {
    uint256 private constant ORDERS = 2048 + 60;

    Books.Solved private _solved;

    function setUp() public override {
        super.setUp();
        _solved = Books.solve(Books.realistic(ORDERS, 11));
    }

    function _send(uint256[] memory words, int32 price, uint32 page, bytes memory error_) private {
        uint256[][] memory pages = _pages(words);
        bytes32[] memory hashes = _pageHashes(words);
        PlaceProofs memory proof = _proofs(price, words);
        ResultPage memory target = _target(FIRST_MTU, price, words.length, page);
        if (error_.length != 0) vm.expectRevert(error_);
        clearing.clear(MARKET_ID, target, hashes, pages[page], proof);
    }

    function test_clear__secondPageFirst__reverts() public {
        _ready(_solved.price, _solved.words);
        _send(_solved.words, _solved.price, 1, abi.encodeWithSelector(IClearing.ClearingPageOrder.selector, 0));
    }

    function test_clear__samePageTwice__reverts() public {
        _ready(_solved.price, _solved.words);
        _send(_solved.words, _solved.price, 0, "");
        _send(_solved.words, _solved.price, 0, abi.encodeWithSelector(IClearing.ClearingPageOrder.selector, 1));
    }

    function test_clear__tagsFallAcrossPages__reverts() public {
        uint256[] memory words = _solved.words;
        words[2048] = words[2047];
        _ready(_solved.price, words);
        _send(words, _solved.price, 0, "");
        _send(
            words,
            _solved.price,
            1,
            abi.encodeWithSelector(IClearing.ClearingWordInvalid.selector, 0, WordFault.TagNotAscending)
        );
    }

    function test_clear__unknownFlagsOnLastAndFirstWord__reverts() public {
        // All flags at limit 0: on the first page's last word, then on the last page's first and last.
        uint256 bits = 0xffffffff << 96 | 0xffffff;
        uint16[3] memory at = [2047, 2048, uint16(ORDERS - 1)];
        for (uint256 k = 0; k < 3; ++k) {
            uint256 snapshot = vm.snapshotState();
            uint256[] memory words = _solved.words;
            words[at[k]] = (Books.withAccepted(words[at[k]], 0) & ~bits) | 0xffffff;
            _ready(_solved.price, words);
            if (at[k] > 2047) _send(words, _solved.price, 0, "");
            _send(
                words,
                _solved.price,
                at[k] / 2048,
                abi.encodeWithSelector(IClearing.ClearingWordInvalid.selector, at[k] % 2048, WordFault.FlagsUnknown)
            );
            vm.revertToState(snapshot);
        }
    }

    function test_clear__unsignedPages__neverCount() public {
        _ready(_solved.price, _solved.words);
        uint256[] memory words = _solved.words;
        words[3] = Books.withAccepted(words[3], 1);
        bytes32 other = _resultHash(FIRST_MTU, _solved.price, words);
        _send(words, _solved.price, 0, abi.encodeWithSelector(IClearing.ClearingResultUnsigned.selector, other));
        assertEq(uint256(clearing.verifiedPages(other)), 0, "nothing kept");
    }

    function test_clear__allPages__clears() public {
        _ready(_solved.price, _solved.words);
        bytes32 resultHash = _resultHash(FIRST_MTU, _solved.price, _solved.words);

        vm.expectEmit();
        emit IClearing.PageVerified(MARKET_ID, gate, resultHash, FIRST_MTU, 0);
        _send(_solved.words, _solved.price, 0, "");
        assertEq(uint256(clearing.verifiedPages(resultHash)), 1, "first page");
        assertTrue(_state() == SessionState.Signed, "not cleared yet");
        _send(_solved.words, _solved.price, 1, "");

        assertTrue(_state() == SessionState.Done, "cleared");
        assertEq(uint256(clearing.verifiedPages(resultHash)), 0, "tally is gone");
    }

    function test_clear__optimumBrokenOverPages__reverts() public {
        // One lot less on each side: balanced, but better is possible. Each page by itself is fine.
        uint256[] memory words = _solved.words;
        (bool bid, bool ask) = (false, false);
        for (uint256 k = 0; k < words.length && !(bid && ask); ++k) {
            uint256 accepted = Books.acceptedOf(words[k]);
            bool isAsk = Books.isAsk(words[k]);
            if (accepted == 0 || (isAsk ? ask : bid)) continue;
            words[k] = Books.withAccepted(words[k], accepted - 1);
            if (isAsk) ask = true;
            else bid = true;
        }
        _ready(_solved.price, words);
        _send(words, _solved.price, 0, "");
        _send(words, _solved.price, 1, abi.encodeWithSelector(IClearing.ClearingNotOptimal.selector));
    }
}
