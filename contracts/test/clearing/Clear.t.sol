// SPDX-License-Identifier: UNLICENSED
pragma solidity 0.8.37;

import {IClearing, PlaceProofs, ResultPage, WordFault} from "../../src/interfaces/IClearing.sol";
import {IMarket, Session, SessionState} from "../../src/interfaces/IMarket.sol";
import {Hashes} from "../../src/libraries/Hashes.sol";
import {Books} from "../base/Books.sol";
import {LedgerTest} from "../base/LedgerTest.sol";
import {Merkle} from "../base/Merkle.sol";
import {Shapes} from "../base/Shapes.sol";
import {vm} from "../base/Vm.sol";

/// @notice clear, with books of one page.
contract ClearingClearTest is LedgerTest {
    /// @dev Two bids and two asks, in words of tags 1, 2, 3, 4.
    ///        side  limit  lots  accepted
    ///  1     bid   3000   10    10
    ///  2     ask   1000    6     6
    ///  3     ask   2000    8     4        marginal: price 2000
    ///  4     bid   1500    5     0
    function _book() private pure returns (uint256[] memory words) {
        words = new uint256[](4);
        words[0] = _bid(1, 3000, 10, 10);
        words[1] = _ask(2, 1000, 6, 6);
        words[2] = _ask(3, 2000, 8, 4);
        words[3] = _bid(4, 1500, 5, 0);
    }

    /// @dev Two bids of 10 and 6 lots and four asks of one limit that fill half of what they offer, in words of tags 1 to 6.
    function _ties() private pure returns (uint256[] memory words) {
        words = new uint256[](6);
        words[0] = _bid(1, 3000, 10, 10);
        for (uint256 i = 1; i < 5; ++i) {
            words[i] = _ask(i + 1, 2000, 8, 4);
        }
        words[5] = _bid(6, 2500, 6, 6);
    }

    function _faultyTie(uint256 word, WordFault fault) private {
        uint256[] memory words = _ties();
        words[3] = word;
        _refused(2000, words, abi.encodeWithSelector(IClearing.ClearingWordInvalid.selector, 3, fault));
    }

    function test_clear__ordersFilledInPart__clears() public {
        uint256[] memory words = _ties();
        _ready(2000, words);
        _clearFirst(2000, words);
        assertTrue(_state() == SessionState.Done, "cleared");
    }

    function test_clear__tieAcceptedAboveQuantity__reverts(uint24 more) public {
        _faultyTie(_ask(4, 2000, 8, uint24(bound(more, 9, type(uint24).max))), WordFault.AcceptedAboveEffective);
    }

    function test_clear__tieAcceptedAboveCap__reverts() public {
        _faultyTie(Shapes.orderWord(bytes16(uint128(4)), 2000, 8, 3, 4, 1), WordFault.AcceptedAboveEffective);
    }

    function test_clear__tieWithUnknownFlags__reverts(uint24 flags) public {
        flags = uint24(bound(flags, 2, type(uint24).max));
        _faultyTie(Shapes.orderWord(bytes16(uint128(4)), 2000, 8, NO_CAP, 4, flags), WordFault.FlagsUnknown);
    }

    function test_clear__tieOutOfOrder__reverts(uint128 tag) public {
        tag = uint128(bound(tag, 0, 3));
        _faultyTie(_ask(tag, 2000, 8, 4), WordFault.TagNotAscending);
    }

    function test_clear__tieOfNoQuantity__reverts() public {
        _faultyTie(_ask(4, 2000, 0, 4), WordFault.QuantityZero);
    }

    function test_clear__filledInPartAtAnotherLimit__reverts(bool above) public {
        uint256[] memory words = _ties();
        words[3] = _ask(4, above ? int32(2100) : int32(1900), 8, 4);
        _refused(2000, words, abi.encodeWithSelector(IClearing.ClearingNotOptimal.selector));
    }

    function test_clear__filledInPartOnTheOtherSide__countsThere() public {
        // The bid of 6 takes 4 of them: less is bought than sold.
        uint256[] memory words = _ties();
        words[5] = _bid(6, 2500, 6, 4);
        _refused(2000, words, abi.encodeWithSelector(IClearing.ClearingUnbalanced.selector, 14, 16));
    }

    function test_clear__tieWithItsCapFilled__countsWhole() public {
        // Three take half of their quantity, one all that its cap leaves it.
        uint256[] memory words = _ties();
        words[3] = Shapes.orderWord(bytes16(uint128(4)), 2000, 8, 4, 4, 1);
        _ready(2000, words);
        _clearFirst(2000, words);
        assertTrue(_state() == SessionState.Done, "cleared");
    }

    function _refused(int32 price, uint256[] memory words, bytes memory error_) private {
        _ready(price, words);
        _refusedNow(price, words, error_);
    }

    function _refusedNow(int32 price, uint256[] memory words, bytes memory error_) private {
        PlaceProofs memory proof = _proofs(price, words);
        bytes32[] memory hashes = _pageHashes(words);
        ResultPage memory target = _target(FIRST_MTU, price, words.length, 0);
        vm.expectRevert(error_);
        clearing.clear(MARKET_ID, target, hashes, words, proof);
    }

    function _badWord(uint256 index, uint256 word, WordFault fault) private {
        uint256[] memory words = _book();
        words[index] = word;
        _refused(2000, words, abi.encodeWithSelector(IClearing.ClearingWordInvalid.selector, index, fault));
    }

    /* REVERTS: TIME AND PLACE */

    function test_clear__notRecorded__reverts() public {
        _open();
        _close(_book());
        _refusedNow(2000, _book(), _wrongState(SessionState.Closed));
    }

    function test_clear__mtuNotInSession__reverts() public {
        uint256[] memory words = _book();
        _ready(2000, words);
        PlaceProofs memory proof = _proofs(2000, words);
        vm.expectRevert(abi.encodeWithSelector(IMarket.MarketMtuNotClearable.selector, FIRST_MTU + MTUS));
        clearing.clear(MARKET_ID, _target(FIRST_MTU + MTUS, 2000, 4, 0), _pageHashes(words), words, proof);
    }

    function test_clear__afterDeadline__reverts() public {
        _ready(2000, _book());
        _warp(gate + CLEAR + 1);
        _refusedNow(
            2000, _book(), abi.encodeWithSelector(IMarket.MarketTooLate.selector, gate + CLEAR, gate + CLEAR + 1)
        );
    }

    function test_clear__twice__reverts() public {
        _ready(2000, _book());
        _clearFirst(2000, _book());
        _refusedNow(2000, _book(), _wrongState(SessionState.Done));
    }

    function test_clear__twiceWhileAnotherMtuWaits__reverts() public {
        _open();
        _close(_book());
        _recordMasked(Merkle.placesRoot(_results(2000, _book())), 3, 0);
        _clearFirst(2000, _book());
        assertTrue(_state() == SessionState.Signed, "one of two");
        _refusedNow(2000, _book(), abi.encodeWithSelector(IMarket.MarketMtuNotClearable.selector, FIRST_MTU));
    }

    function test_clear__mtuThatTheDsoSignedAsNotTraded__reverts() public {
        _open();
        _close(_book());
        _recordMasked(Merkle.placesRoot(_results(2000, _book())), 2, 1);
        _refusedNow(2000, _book(), abi.encodeWithSelector(IMarket.MarketMtuNotClearable.selector, FIRST_MTU));
    }

    function _wrongState(SessionState state) private view returns (bytes memory) {
        return abi.encodeWithSelector(IMarket.MarketStateWrong.selector, MARKET_ID, gate, state);
    }

    /* REVERTS: BINDING */

    function test_clear__pageShapeWrong__reverts() public {
        uint256[] memory words = _book();
        _ready(2000, words);
        PlaceProofs memory proof = _proofs(2000, words);
        bytes32[] memory hashes = _pageHashes(words);
        ResultPage memory target = _target(FIRST_MTU, 2000, 5, 0);
        vm.expectRevert(IClearing.ClearingPageInvalid.selector);
        clearing.clear(MARKET_ID, target, hashes, words, proof);
        target = _target(FIRST_MTU, 2000, 4, 1);
        vm.expectRevert(IClearing.ClearingPageInvalid.selector);
        clearing.clear(MARKET_ID, target, hashes, words, proof);
        target = _target(FIRST_MTU, 2000, 4, 0);
        vm.expectRevert(IClearing.ClearingPageInvalid.selector);
        clearing.clear(MARKET_ID, target, new bytes32[](2), words, proof);
        target = _target(FIRST_MTU, 2000, 0, 1);
        vm.expectRevert(IClearing.ClearingPageInvalid.selector);
        clearing.clear(MARKET_ID, target, new bytes32[](0), new uint256[](0), proof);
    }

    function test_clear__resultUnsigned__reverts(int32 price) public {
        vm.assume(price != 2000);
        uint256[] memory words = _book();
        _ready(2000, words);
        PlaceProofs memory proof = _proofs(2000, words);
        bytes32[] memory hashes = _pageHashes(words);
        ResultPage memory target = _target(FIRST_MTU, price, 4, 0);
        vm.expectRevert(
            abi.encodeWithSelector(IClearing.ClearingResultUnsigned.selector, _resultHash(FIRST_MTU, price, words))
        );
        clearing.clear(MARKET_ID, target, hashes, words, proof);
    }

    function test_clear__wordsNotOfThePage__reverts() public {
        uint256[] memory words = _book();
        _ready(2000, words);
        PlaceProofs memory proof = _proofs(2000, words);
        bytes32[] memory hashes = _pageHashes(words);
        ResultPage memory target = _target(FIRST_MTU, 2000, 4, 0);
        words[3] = _bid(4, 1400, 5, 0);
        vm.expectRevert(abi.encodeWithSelector(IClearing.ClearingPageHashWrong.selector, 0));
        clearing.clear(MARKET_ID, target, hashes, words, proof);
    }

    function test_clear__bookOtherThanCommitted__reverts() public {
        // The operator closes one book and has another one signed.
        uint256[] memory words = _book();
        _open();
        _close(words);
        words[3] = _bid(4, 1400, 5, 0);
        _record(Merkle.placesRoot(_results(2000, words)));
        _refusedNow(2000, words, abi.encodeWithSelector(IClearing.ClearingBookUncommitted.selector, _books(words)[0]));
    }

    function test_clear__bookOfAnotherPlace__reverts() public {
        // A root that holds a second book for the MTU in the place of another one.
        uint256[] memory words = _book();
        bytes32[] memory books = _books(words);
        (books[0], books[1]) = (books[1], books[0]);
        _open();
        _warp(gate);
        vm.prank(operator);
        market.closeSession(MARKET_ID, gate, Merkle.placesRoot(books));
        _record(Merkle.placesRoot(_results(2000, words)));
        PlaceProofs memory proof = _proofs(2000, words);
        proof.book = Merkle.placesProof(books, 1);
        vm.expectRevert(abi.encodeWithSelector(IClearing.ClearingBookUncommitted.selector, books[1]));
        clearing.clear(MARKET_ID, _target(FIRST_MTU, 2000, 4, 0), _pageHashes(words), words, proof);
    }

    function test_clear__emptyResult__reverts() public {
        // A MTU that the DSO signed as traded with an empty result trades nothing.
        _open();
        _close(_book());
        uint256[] memory none = new uint256[](0);
        _record(Merkle.placesRoot(_results(Hashes.NO_PRICE, none)));
        _refusedNow(Hashes.NO_PRICE, none, abi.encodeWithSelector(IClearing.ClearingPageInvalid.selector));
    }

    /* REVERTS: WORDS */

    function test_clear__tagsNotAscending__reverts() public {
        _badWord(2, _ask(2, 2000, 8, 4), WordFault.TagNotAscending);
    }

    function test_clear__allFlagsAtLimitZero__reverts(uint24 quantity, uint24 cap) public {
        quantity = uint24(bound(quantity, 1, type(uint24).max));
        // No word is passed over, least of all one that looks like its neighbours.
        uint256 word = Shapes.orderWord(bytes16(uint128(4)), 0, quantity, cap, 0, type(uint24).max);
        _badWord(3, word, WordFault.FlagsUnknown);
    }

    function test_clear__noAskButUnknownFlags__sellsNothing() public {
        // Three words that sell nothing, and whose flags are all set, once counted as two lots sold.
        uint256[] memory words = new uint256[](4);
        words[0] = _bid(1, 3000, 2, 2);
        for (uint256 k = 1; k < 4; ++k) {
            words[k] = Shapes.orderWord(bytes16(uint128(k + 1)), 0, 9, NO_CAP, 0, type(uint24).max);
        }
        _refused(3000, words, abi.encodeWithSelector(IClearing.ClearingWordInvalid.selector, 1, WordFault.FlagsUnknown));
    }

    function test_clear__unknownFlag__reverts() public {
        _badWord(2, _ask(3, 2000, 8, 4) | 2, WordFault.FlagsUnknown);
    }

    function test_clear__zeroQuantity__reverts() public {
        _badWord(3, _bid(4, 1500, 0, 0), WordFault.QuantityZero);
    }

    function test_clear__limitOutOfBand__reverts() public {
        _badWord(3, _bid(4, MIN_LIMIT - 100, 5, 0), WordFault.LimitOutOfBand);
    }

    function test_clear__limitAboveBand__reverts() public {
        _badWord(0, _bid(1, MAX_LIMIT + 100, 10, 10), WordFault.LimitOutOfBand);
    }

    function test_clear__limitOffTick__reverts(int32 limit) public {
        limit = int32(boundInt(limit, MIN_LIMIT, MAX_LIMIT));
        vm.assume(limit % int32(int24(TICK)) != 0);
        _badWord(3, _bid(4, limit, 5, 0), WordFault.LimitOffTick);
    }

    function test_clear__acceptedAboveQuantity__reverts() public {
        _badWord(3, _bid(4, 1500, 5, 6), WordFault.AcceptedAboveEffective);
    }

    function test_clear__acceptedAboveCap__reverts() public {
        _badWord(2, Shapes.orderWord(bytes16(uint128(3)), 2000, 8, 3, 4, 1), WordFault.AcceptedAboveEffective);
    }

    /* REVERTS: OPTIMUM */

    function test_clear__unbalanced__reverts() public {
        uint256[] memory words = _book();
        words[2] = _ask(3, 2000, 8, 3);
        _refused(2000, words, abi.encodeWithSelector(IClearing.ClearingUnbalanced.selector, 10, 9));
    }

    function test_clear__somebodyBeyondTheirLimit__reverts() public {
        uint256[] memory words = _book();
        (words[2], words[3]) = (_ask(3, 2000, 8, 5), _bid(4, 1500, 5, 1));
        _refused(2000, words, abi.encodeWithSelector(IClearing.ClearingNotOptimal.selector));
    }

    function test_clear__lessThanCouldTrade__reverts() public {
        uint256[] memory words = _book();
        (words[0], words[2]) = (_bid(1, 3000, 10, 9), _ask(3, 2000, 8, 3));
        _refused(2000, words, abi.encodeWithSelector(IClearing.ClearingNotOptimal.selector));
    }

    function test_clear__equalLimitsLeftOver__reverts() public {
        // Bid and ask at one limit could still trade: same welfare, more volume.
        uint256[] memory words = new uint256[](2);
        (words[0], words[1]) = (_bid(1, 2000, 5, 2), _ask(2, 2000, 5, 2));
        _refused(2000, words, abi.encodeWithSelector(IClearing.ClearingNotOptimal.selector));
    }

    function test_clear__wrongPrice__reverts(int32 price) public {
        vm.assume(price != 2000);
        _refused(price, _book(), abi.encodeWithSelector(IClearing.ClearingPriceWrong.selector, 2000, price));
    }

    function test_clear__priceWithoutTrade__reverts() public {
        uint256[] memory words = new uint256[](1);
        words[0] = _bid(1, 2000, 5, 0);
        _refused(0, words, abi.encodeWithSelector(IClearing.ClearingNothingTraded.selector, FIRST_MTU));
    }

    /* EFFECTS */

    function test_clear__optimum__clears(address sender) public {
        uint256[] memory words = _book();
        _ready(2000, words);
        bytes32 resultHash = _resultHash(FIRST_MTU, 2000, words);
        Session memory done = market.sessionOf(MARKET_ID, gate);
        done.clearedMask = 1;
        bytes32 root = Hashes.clearingLink(0, MARKET_ID, gate, done);
        PlaceProofs memory proof = _proofs(2000, words);

        vm.expectEmit();
        emit IMarket.MtuCleared(MARKET_ID, gate, FIRST_MTU, 2000, 10, resultHash);
        vm.expectEmit();
        emit IMarket.SessionDone(MARKET_ID, gate, 1, root);
        vm.prank(sender);
        clearing.clear(MARKET_ID, _target(FIRST_MTU, 2000, 4, 0), _pageHashes(words), words, proof);

        assertTrue(_state() == SessionState.Done, "state");
        assertEq(market.sessionOf(MARKET_ID, gate).clearedMask, 1, "mask");
        assertEq(market.clearingRoot(AREA, period), root, "root");
        assertEq(market.pendingCount(AREA, period), 0, "nothing pending");
    }

    function test_clear__negativeLimits__clears() public {
        uint256[] memory words = new uint256[](2);
        (words[0], words[1]) = (_bid(1, -100, 5, 5), _ask(2, -400, 5, 5));
        _ready(-250, words);
        _clearFirst(-250, words);
        assertTrue(_state() == SessionState.Done, "cleared");
    }

    function test_clear__bandEdges__clears() public {
        uint256[] memory words = new uint256[](2);
        (words[0], words[1]) = (_bid(1, MAX_LIMIT, 1, 1), _ask(2, MIN_LIMIT, 1, 1));
        int32 price = MIN_LIMIT + (MAX_LIMIT - MIN_LIMIT) / 2;
        _ready(price, words);
        _clearFirst(price, words);
        assertTrue(_state() == SessionState.Done, "cleared");
    }

    function test_clear__cappedToNothing__countsNowhere() public {
        // The better ask may export nothing: it neither trades nor keeps the other one from it.
        uint256[] memory words = new uint256[](3);
        words[0] = Shapes.orderWord(bytes16(uint128(1)), 500, 9, 0, 0, 1);
        (words[1], words[2]) = (_bid(2, 2000, 5, 5), _ask(3, 1000, 5, 5));
        _ready(1500, words);
        _clearFirst(1500, words);
        assertTrue(_state() == SessionState.Done, "cleared");
    }

    function testFuzz_clear__randomBook__acceptsItsOptimum(uint256 seed, uint256 n) public {
        n = bound(n, 8, 40);
        uint256[] memory words = Books.realistic(n, seed);
        for (uint256 k = 0; k < n; ++k) {
            // Some with caps, some on few limits, so that ties and partial fills are common.
            uint256 r = uint256(keccak256(abi.encode("cap", seed, k)));
            uint24 cap = r % 3 == 0 ? uint24((r >> 8) % 300) : NO_CAP;
            words[k] = (words[k] & ~(uint256(type(uint24).max) << 48)) | (uint256(cap) << 48);
            if (seed % 2 == 0) {
                uint256 limit = 100_000 + 100 * ((r >> 40) % 5);
                words[k] = (words[k] & ~(uint256(type(uint32).max) << 96)) | (limit << 96);
            }
        }
        Books.Solved memory solved = Books.solve(words);
        if (solved.tradedLots == 0) {
            bytes memory nothing = abi.encodeWithSelector(IClearing.ClearingNothingTraded.selector, FIRST_MTU);
            _refused(solved.price, solved.words, nothing);
            return;
        }
        _ready(solved.price, solved.words);
        _clearFirst(solved.price, solved.words);
        assertTrue(_state() == SessionState.Done, "cleared");
    }
}
