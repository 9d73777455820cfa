// SPDX-License-Identifier: UNLICENSED
pragma solidity 0.8.37;

import {IClearing, PlaceProofs, ResultPage, SmallResult} from "./interfaces/IClearing.sol";
import {IMarket, MarketKind, MarketParams, Session} from "./interfaces/IMarket.sol";
import {BookScan} from "./libraries/BookScan.sol";
import {Hashes} from "./libraries/Hashes.sol";

/// @title Clearing (documented on IClearing)
contract Clearing is IClearing {
    /// @notice Orders per book: 64 pages.
    uint32 public constant MAX_BOOK_ORDERS = uint32(64 * Hashes.PAGE_WORDS);

    IMarket private immutable MARKET;

    mapping(bytes32 resultHash => BookScan.Tally) private _pageTallies;

    constructor(IMarket market) {
        if (market.clearing() != address(this)) revert ClearingPartsUnlike();
        MARKET = market;
    }

    /// @inheritdoc IClearing
    function clear(
        bytes32 market,
        ResultPage calldata target,
        bytes32[] calldata pageHashes,
        uint256[] calldata words,
        PlaceProofs calldata proofs
    ) external {
        _clear(market, target, pageHashes, words, proofs);
    }

    /// @inheritdoc IClearing
    function clearMany(bytes32 market, SmallResult[] calldata results) external {
        if (results.length == 0) revert ClearingBatchInvalid();
        uint64 session = results[0].target.session;
        Session memory before = MARKET.sessionOf(market, session);
        for (uint256 i = 0; i < results.length; ++i) {
            SmallResult calldata result = results[i];
            if (result.target.session != session || result.pageHashes.length > 1) revert ClearingBatchInvalid();
            if (_isCleared(before, result.target.mtu)) {
                emit ClearingPassedOver(market, session, result.target.mtu);
            } else {
                _clear(market, result.target, result.pageHashes, result.words, result.proofs);
            }
        }
    }

    /// @inheritdoc IClearing
    function verifiedPages(bytes32 resultHash) external view returns (uint32) {
        return _pageTallies[resultHash].pages;
    }

    /* INTERNAL */

    function _clear(
        bytes32 market,
        ResultPage calldata target,
        bytes32[] calldata pageHashes,
        uint256[] calldata words,
        PlaceProofs calldata proofs
    ) private {
        (MarketParams memory params, Session memory signed) = MARKET.clearable(market, target.session, target.mtu);
        _requirePageShape(target, pageHashes.length, words.length);
        bytes32 resultHash = _boundResult(market, signed, target, pageHashes, proofs.result);

        BookScan.Tally memory tally = _tallyPage(resultHash, target.page, pageHashes, words, params);
        if (uint256(target.page) + 1 < pageHashes.length) {
            _pageTallies[resultHash] = tally;
            emit PageVerified(market, target.session, resultHash, target.mtu, target.page);
            return;
        }
        if (pageHashes.length > 1) delete _pageTallies[resultHash];
        _requireCommitted(market, signed, target, tally.maskedChain, proofs.book);
        _requireRules(params.kind, target, tally);
        MARKET.recordCleared(
            market, target.session, target.mtu, target.priceNeurPerWh, tally.boughtLots, resultHash
        );
    }

    function _isCleared(Session memory session, uint32 mtu) private pure returns (bool) {
        bool inside = mtu >= session.firstMtu && mtu - session.firstMtu < session.count;
        return inside && session.clearedMask >> (mtu - session.firstMtu) & 1 != 0;
    }

    /// @dev All pages but the last are full; a book that trades has at least one.
    function _requirePageShape(ResultPage calldata target, uint256 pages, uint256 words) private pure {
        uint256 before = uint256(target.page) * Hashes.PAGE_WORDS;
        uint256 expectedPages = (uint256(target.count) + Hashes.PAGE_WORDS - 1) / Hashes.PAGE_WORDS;
        if (target.count > MAX_BOOK_ORDERS || pages != expectedPages || target.page >= pages) {
            revert ClearingPageInvalid();
        }
        uint256 left = target.count - before;
        if (words != (left < Hashes.PAGE_WORDS ? left : Hashes.PAGE_WORDS)) revert ClearingPageInvalid();
    }

    /// @dev The hash of the result the pages belong to; reverts unless the DSO signed it for this place.
    function _boundResult(
        bytes32 market,
        Session memory signed,
        ResultPage calldata target,
        bytes32[] calldata pageHashes,
        bytes32[] calldata proof
    ) private pure returns (bytes32 resultHash) {
        bytes32 chain = Hashes.chain(pageHashes);
        resultHash = Hashes.result(market, target.session, target.mtu, target.priceNeurPerWh, chain, target.count);
        uint256 place = target.mtu - signed.firstMtu;
        if (!Hashes.standsAt(proof, signed.resultsRoot, resultHash, place, signed.count)) {
            revert ClearingResultUnsigned(resultHash);
        }
    }

    function _requireCommitted(
        bytes32 market,
        Session memory signed,
        ResultPage calldata target,
        bytes32 maskedChain,
        bytes32[] calldata proof
    ) private pure {
        bytes32 bookHash = Hashes.book(market, target.session, target.mtu, maskedChain, target.count);
        uint256 place = target.mtu - signed.firstMtu;
        if (!Hashes.standsAt(proof, signed.booksRoot, bookHash, place, signed.count)) {
            revert ClearingBookUncommitted(bookHash);
        }
    }

    /// @dev What all words of a book must come to, by the kind of market.
    function _requireRules(MarketKind kind, ResultPage calldata target, BookScan.Tally memory tally) private pure {
        BookScan.requireOptimum(kind, tally);
        if (tally.boughtLots == 0) revert ClearingNothingTraded(target.mtu);
        int32 price = BookScan.price(kind, tally);
        if (price != target.priceNeurPerWh) revert ClearingPriceWrong(price, target.priceNeurPerWh);
    }

    /// @dev Checks one page and adds it to what the pages before it amount to.
    function _tallyPage(
        bytes32 resultHash,
        uint32 page,
        bytes32[] calldata pageHashes,
        uint256[] calldata words,
        MarketParams memory params
    ) private view returns (BookScan.Tally memory tally) {
        tally = BookScan.start();
        if (pageHashes.length > 1) {
            uint32 expected = _pageTallies[resultHash].pages;
            if (page != expected) revert ClearingPageOrder(expected);
            if (page != 0) tally = _pageTallies[resultHash];
        }
        bytes32 pageHash = BookScan.scan(params.kind, words, tally, BookScan.bandOf(params));
        if (pageHash != pageHashes[page]) revert ClearingPageHashWrong(page);
    }
}
