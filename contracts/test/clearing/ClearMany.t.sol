// SPDX-License-Identifier: UNLICENSED
pragma solidity 0.8.37;

import {IClearing, PlaceProofs, SmallResult} from "../../src/interfaces/IClearing.sol";
import {IMarket, SessionState} from "../../src/interfaces/IMarket.sol";
import {Hashes} from "../../src/libraries/Hashes.sol";
import {LedgerTest} from "../base/LedgerTest.sol";
import {Merkle} from "../base/Merkle.sol";
import {vm} from "../base/Vm.sol";

/// @notice clearMany: several MTUs of one session in one transaction.
contract ClearingClearManyTest is LedgerTest {
    int32 private constant PRICE = 2000;

    bytes32[] private _booksOf;
    bytes32[] private _resultsOf;

    /// @dev A session in which every MTU trades the same words at the same price, recorded.
    function _recorded() private {
        uint256[] memory words = _words();
        for (uint32 mtu = FIRST_MTU; mtu < FIRST_MTU + MTUS; ++mtu) {
            _booksOf.push(Hashes.book(MARKET_ID, _gate(), mtu, _maskedChain(words), uint32(words.length)));
            _resultsOf.push(_resultHash(mtu, PRICE, words));
        }
        _open();
        _warp(gate);
        vm.prank(operator);
        market.closeSession(MARKET_ID, gate, Merkle.placesRoot(_booksOf));
        _recordMasked(Merkle.placesRoot(_resultsOf), uint128((1 << MTUS) - 1), 0);
    }

    function _words() private pure returns (uint256[] memory words) {
        words = new uint256[](2);
        words[0] = _bid(1, PRICE, 10, 8); // could take more at its limit, which is the price therefore
        words[1] = _ask(2, 1000, 8, 8);
    }

    function _result(uint32 place) private view returns (SmallResult memory) {
        uint256[] memory words = _words();
        return SmallResult({
            target: _target(FIRST_MTU + place, PRICE, words.length, 0),
            pageHashes: _pageHashes(words),
            words: words,
            proofs: PlaceProofs({
                result: Merkle.placesProof(_resultsOf, place),
                book: Merkle.placesProof(_booksOf, place)
            })
        });
    }

    function _all() private view returns (SmallResult[] memory results) {
        results = new SmallResult[](MTUS);
        for (uint32 i = 0; i < MTUS; ++i) {
            results[i] = _result(i);
        }
    }

    function _clearOne(uint32 place) private {
        SmallResult memory result = _result(place);
        clearing.clear(MARKET_ID, result.target, result.pageHashes, result.words, result.proofs);
    }

    /* REVERTS */

    function test_clearMany__noResult__reverts() public {
        vm.expectRevert(IClearing.ClearingBatchInvalid.selector);
        clearing.clearMany(MARKET_ID, new SmallResult[](0));
    }

    function test_clearMany__ofTwoSessions__reverts() public {
        _recorded();
        SmallResult[] memory results = _all();
        results[MTUS - 1].target.session = gate + 1;
        vm.expectRevert(IClearing.ClearingBatchInvalid.selector);
        clearing.clearMany(MARKET_ID, results);
    }

    function test_clearMany__bookOfTwoPages__reverts() public {
        _recorded();
        SmallResult[] memory results = _all();
        results[1].pageHashes = new bytes32[](2);
        vm.expectRevert(IClearing.ClearingBatchInvalid.selector);
        clearing.clearMany(MARKET_ID, results);
    }

    function test_clearMany__oneThatIsNotSigned__revertsWholeAndTheOthersClearAlone() public {
        _recorded();
        SmallResult[] memory results = _all();
        results[1].target.priceNeurPerWh = PRICE - 1;
        bytes32 unsigned = _resultHash(FIRST_MTU + 1, PRICE - 1, _words());
        vm.expectRevert(abi.encodeWithSelector(IClearing.ClearingResultUnsigned.selector, unsigned));
        clearing.clearMany(MARKET_ID, results);
        _clearOne(0);
        assertEq(uint256(market.sessionOf(MARKET_ID, gate).clearedMask), 1, "the first");
    }

    function test_clearMany__twiceTheSameInOneBatch__reverts() public {
        _recorded();
        SmallResult[] memory results = new SmallResult[](2);
        (results[0], results[1]) = (_result(0), _result(0));
        vm.expectRevert(abi.encodeWithSelector(IMarket.MarketMtuNotClearable.selector, FIRST_MTU));
        clearing.clearMany(MARKET_ID, results);
    }

    function test_clearMany__mtuOutsideTheSession__reverts(uint32 mtu) public {
        _recorded();
        vm.assume(mtu < FIRST_MTU || mtu >= FIRST_MTU + MTUS);
        SmallResult[] memory results = _all();
        results[0].target.mtu = mtu;
        vm.expectRevert(abi.encodeWithSelector(IMarket.MarketMtuNotClearable.selector, mtu));
        clearing.clearMany(MARKET_ID, results);
    }

    /* EFFECTS */

    function test_clearMany__all__endsTheSession() public {
        _recorded();
        for (uint32 mtu = FIRST_MTU; mtu < FIRST_MTU + MTUS; ++mtu) {
            vm.expectEmit();
            emit IMarket.MtuCleared(MARKET_ID, gate, mtu, PRICE, 8, _resultsOf[mtu - FIRST_MTU]);
        }
        clearing.clearMany(MARKET_ID, _all());
        assertTrue(_state() == SessionState.Done, "done");
        assertEq(market.pendingCount(AREA, period), 0, "nothing waits");
    }

    function test_clearMany__someClearedBefore__passesOverThem(uint8 mask) public {
        _recorded();
        for (uint32 i = 0; i < MTUS; ++i) {
            if (mask >> i & 1 != 0) _clearOne(i);
        }
        for (uint32 i = 0; i < MTUS; ++i) {
            if (mask >> i & 1 == 0) continue;
            vm.expectEmit();
            emit IClearing.ClearingPassedOver(MARKET_ID, gate, FIRST_MTU + i);
        }
        clearing.clearMany(MARKET_ID, _all());
        assertTrue(_state() == SessionState.Done, "done");
    }

    function test_clearMany__sameRootAsOneByOne() public {
        _recorded();
        uint256 before = vm.snapshotState();
        clearing.clearMany(MARKET_ID, _all());
        bytes32 root = market.clearingRoot(AREA, period);
        vm.revertToState(before);
        for (uint32 i = 0; i < MTUS; ++i) {
            _clearOne(i);
        }
        assertEq(market.clearingRoot(AREA, period), root, "one root");
    }
}
