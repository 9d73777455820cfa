// SPDX-License-Identifier: UNLICENSED
pragma solidity 0.8.37;

import {ResultPage} from "./interfaces/IClearing.sol";
import {IMarket, MarketKind, MarketParams, Session} from "./interfaces/IMarket.sol";
import {BookPage, Bound, Ground, IObjections} from "./interfaces/IObjections.sol";
import {BookScan} from "./libraries/BookScan.sol";
import {Hashes} from "./libraries/Hashes.sol";

/// @title Objections (documented on IObjections)
contract Objections is IObjections {
    /// @dev The best limits shown of a book: 1 + limit − lowest limit of the market; 0 where none was shown.
    struct Best {
        uint64 bid;
        uint64 ask;
    }

    /// @dev What the first and the last word (of deals: pair) of a page ascend by, once it was shown.
    struct Edges {
        bool shown;
        uint256 first;
        uint256 last;
    }

    IMarket private immutable MARKET;

    mapping(bytes32 bookHash => Best) private _best;
    mapping(bytes32 bookHash => mapping(uint256 page => Edges)) private _edges;

    constructor(IMarket market) {
        MARKET = market;
    }

    /// @inheritdoc IObjections
    function proveCrossing(
        bytes32 market,
        BookPage calldata target,
        Bound calldata book,
        uint256[] calldata words
    ) external returns (bool proven) {
        MarketParams memory params = MARKET.paramsOf(market);
        Session memory session = _signed(market, target.session, target.mtu);
        uint128 both = session.tradedMask | session.emptiedMask;
        if (params.kind == MarketKind.Bilateral || both >> (target.mtu - session.firstMtu) & 1 != 0) {
            revert ObjectionsNoClaim(target.mtu);
        }
        bytes32 bookHash = _boundPage(market, session, target, book, words);

        Best memory before = _best[bookHash];
        Best memory best = _bestOf(words, BookScan.bandOf(params), before);
        if (best.bid != 0 && best.ask != 0 && best.bid >= best.ask) {
            emit ProgramRefuted(market, target.session, target.mtu, Ground.Crossing);
            return true;
        }
        if (best.bid == before.bid && best.ask == before.ask) revert ObjectionsNothingProven();
        _best[bookHash] = best;
    }

    /// @inheritdoc IObjections
    function proveInvalidWord(
        bytes32 market,
        BookPage calldata target,
        Bound calldata book,
        uint256[] calldata words
    ) external returns (bool proven) {
        MarketParams memory params = MARKET.paramsOf(market);
        Session memory session = _signed(market, target.session, target.mtu);
        bytes32 bookHash = _boundPage(market, session, target, book, words);
        proven = words.length != _wordsOf(target.page, book) || !_ascend(words, params)
            || !_joins(bookHash, target.page, words, params.kind);
        if (proven) emit ProgramRefuted(market, target.session, target.mtu, Ground.InvalidWord);
    }

    /// @inheritdoc IObjections
    function proveMismatch(
        bytes32 market,
        ResultPage calldata target,
        Bound calldata result,
        Bound calldata book,
        uint256[] calldata words
    ) external {
        Session memory session = _signed(market, target.session, target.mtu);
        _requireResult(market, session, target, result);
        _boundBook(market, session, target.session, target.mtu, book);
        uint256 place = target.mtu - session.firstMtu;
        bool traded = session.tradedMask >> place & 1 != 0;
        bool empty = result.count == 0 && result.pageHashes.length == 0;
        bool givenUp = empty && session.emptiedMask >> place & 1 != 0;
        bool priced = !traded && target.priceNeurPerWh != Hashes.NO_PRICE;
        bool otherBook = !givenUp && (result.count != book.count || result.pageHashes.length != book.pageHashes.length);
        if (!priced && !otherBook && !_pageDiffers(target.page, traded, result, book, words)) {
            revert ObjectionsNothingProven();
        }
        emit ProgramRefuted(market, target.session, target.mtu, Ground.Mismatch);
    }

    /* INTERNAL: BINDING */

    function _signed(bytes32 market, uint64 gate, uint32 mtu) private view returns (Session memory session) {
        session = MARKET.sessionOf(market, gate);
        bool inside = mtu >= session.firstMtu && mtu - session.firstMtu < session.count;
        if (session.resultsRoot == 0 || !inside) revert ObjectionsNotSigned(market, gate, mtu);
    }

    function _boundPage(
        bytes32 market,
        Session memory session,
        BookPage calldata target,
        Bound calldata book,
        uint256[] calldata words
    ) private pure returns (bytes32 bookHash) {
        bookHash = _boundBook(market, session, target.session, target.mtu, book);
        if (target.page >= book.pageHashes.length || Hashes.page(words) != book.pageHashes[target.page]) {
            revert ObjectionsPageWrong(target.page);
        }
    }

    function _boundBook(bytes32 market, Session memory session, uint64 gate, uint32 mtu, Bound calldata book)
        private
        pure
        returns (bytes32 bookHash)
    {
        bookHash = Hashes.book(market, gate, mtu, Hashes.chain(book.pageHashes), book.count);
        if (!Hashes.standsAt(book.proof, session.booksRoot, bookHash, mtu - session.firstMtu, session.count)) {
            revert ObjectionsNotBound();
        }
    }

    function _requireResult(
        bytes32 market,
        Session memory session,
        ResultPage calldata target,
        Bound calldata result
    ) private pure {
        bytes32 chain = Hashes.chain(result.pageHashes);
        bytes32 resultHash =
            Hashes.result(market, target.session, target.mtu, target.priceNeurPerWh, chain, result.count);
        uint256 place = target.mtu - session.firstMtu;
        if (!Hashes.standsAt(result.proof, session.resultsRoot, resultHash, place, session.count)) {
            revert ObjectionsNotBound();
        }
    }

    /* INTERNAL: WHAT PAGES SHOW */

    function _bestOf(uint256[] calldata words, BookScan.Band memory band, Best memory before)
        private
        pure
        returns (Best memory best)
    {
        best = Best({bid: before.bid, ask: before.ask});
        for (uint256 i = 0; i < words.length; ++i) {
            if (!_isValid(words[i], band)) continue;
            uint64 limit = uint64(uint256(BookScan.limitOf(words[i]) - band.min)) + 1;
            if (uint24(words[i]) == Hashes.ASK) {
                if (best.ask == 0 || limit < best.ask) best.ask = limit;
            } else if (limit > best.bid) {
                best.bid = limit;
            }
        }
    }

    /// @dev A word of a commitment: valid, and masked.
    function _isValid(uint256 word, BookScan.Band memory band) private pure returns (bool) {
        return word & Hashes.CAP_AND_ACCEPTED == 0 && BookScan.isValid(word, band);
    }

    /// @dev How many words a page must have; page and number of pages may contradict the count, then none is right.
    function _wordsOf(uint256 page, Bound calldata book) private pure returns (uint256) {
        uint256 pages = (uint256(book.count) + Hashes.PAGE_WORDS - 1) / Hashes.PAGE_WORDS;
        if (book.pageHashes.length != pages) return type(uint256).max;
        uint256 left = book.count - page * Hashes.PAGE_WORDS;
        return left < Hashes.PAGE_WORDS ? left : Hashes.PAGE_WORDS;
    }

    /// @dev Whether all words of a page are valid and follow each other as the kind of market demands.
    function _ascend(uint256[] calldata words, MarketParams memory params) private pure returns (bool) {
        BookScan.Band memory band = BookScan.bandOf(params);
        bool deals = params.kind == MarketKind.Bilateral;
        if (deals && words.length % 2 != 0) return false;
        uint256 last = 0;
        for (uint256 i = 0; i < words.length; ++i) {
            if (!_isValid(words[i], band)) return false;
            if (deals && i % 2 == 1) continue;
            if (deals && !BookScan.isPair(words[i], words[i + 1])) return false;
            uint256 key = _keyAt(words, i, params.kind);
            if (i != 0 && key <= last) return false;
            last = key;
        }
        return true;
    }

    /// @dev What words ascend by: the tag; of deals, tag of the bid, then tag of the ask.
    function _keyAt(uint256[] calldata words, uint256 i, MarketKind kind) private pure returns (uint256) {
        uint256 tag = words[i] >> Hashes.TAG_AT;
        return kind == MarketKind.Bilateral ? (tag << Hashes.TAG_AT) | (words[i + 1] >> Hashes.TAG_AT) : tag;
    }

    /// @dev Keeps the edges of a page that is fine by itself; whether it follows the pages beside it, as far as they were shown.
    function _joins(bytes32 bookHash, uint256 page, uint256[] calldata words, MarketKind kind) private returns (bool) {
        uint256 step = kind == MarketKind.Bilateral ? 2 : 1;
        mapping(uint256 => Edges) storage shown = _edges[bookHash];
        if (shown[page].shown) revert ObjectionsNothingProven();
        uint256 first = _keyAt(words, 0, kind);
        uint256 last = _keyAt(words, words.length - step, kind);
        shown[page] = Edges({shown: true, first: first, last: last});
        if (page != 0 && shown[page - 1].shown && shown[page - 1].last >= first) return false;
        return !shown[page + 1].shown || shown[page + 1].first > last;
    }

    function _pageDiffers(
        uint256 page,
        bool traded,
        Bound calldata result,
        Bound calldata book,
        uint256[] calldata words
    ) private pure returns (bool) {
        if (page >= result.pageHashes.length || Hashes.page(words) != result.pageHashes[page]) {
            revert ObjectionsPageWrong(uint32(page));
        }
        uint256[] memory masked = new uint256[](words.length);
        bool accepts = false;
        for (uint256 i = 0; i < words.length; ++i) {
            masked[i] = Hashes.masked(words[i]);
            accepts = accepts || BookScan.acceptedOf(words[i]) != 0;
        }
        return Hashes.page(masked) != book.pageHashes[page] || (accepts && !traded);
    }
}
