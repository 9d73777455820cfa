// SPDX-License-Identifier: UNLICENSED
pragma solidity 0.8.37;

import {AreaParams, ICalendar, Period} from "../../src/interfaces/ICalendar.sol";
import {IClearing, PlaceProofs, ResultPage, SmallResult} from "../../src/interfaces/IClearing.sol";
import {IMarket, MarketKind, MarketParams, Program, Session, SessionState} from "../../src/interfaces/IMarket.sol";
import {BookPage, Bound, IObjections} from "../../src/interfaces/IObjections.sol";
import {Attestation, IReadings} from "../../src/interfaces/IReadings.sol";
import {Hashes} from "../../src/libraries/Hashes.sol";
import {Time} from "../../src/libraries/Time.sol";
import {Books} from "../base/Books.sol";
import {NaiveScan} from "../base/NaiveScan.sol";
import {vm} from "../base/Vm.sol";
import {Draws} from "./Draws.sol";

/// @notice Operator and DSO together, registrar and one attester: areas, periods, sessions, programs, clearings, evidence and readings.
abstract contract TradeStrikes is Draws {
    /// @dev A session of one MTU: the words that were committed, and the result that was signed.
    struct Deal {
        uint64 gate;
        uint32 period;
        uint32 mtu;
        uint256[] words;
        uint256[] signedWords;
        int32 price;
        Session seen;
    }

    Deal[] private _deals;
    mapping(uint64 gate => bool) private _opened;

    /* AREAS, PERIODS, MARKETS */

    function _createArea() internal {
        AreaParams memory params = AreaParams({attestSeconds: uint32(_number()), horizonSeconds: uint32(_number())});
        if (_one(2) == 0) params = AreaParams({attestSeconds: ATTEST, horizonSeconds: HORIZON});
        bytes32 area = _one(2) == 0 ? OTHER_AREA : bytes32(_number());
        _strike(_by(registrar), address(calendar), abi.encodeCall(ICalendar.createArea, (area, params)));
    }

    /// @dev `ahead`: as far as tomorrow, so that sessions can be opened in it.
    function _declarePeriod(bool ahead) internal {
        Period memory last = calendar.periodOf(AREA, calendar.periodCount(AREA));
        (uint32 first, uint32 count) = (last.firstMtu + last.count, uint32(1 + _one(6)));
        uint256 tomorrow = _now() / 15 minutes + 100;
        if (ahead && first >= tomorrow) return;
        if (ahead) count = tomorrow - first > 3200 ? 3200 : uint32(tomorrow - first);
        else if (_one(2) == 0) (first, count) = (uint32(_number()), uint32(_number()));
        _strike(_by(operator), address(calendar), abi.encodeCall(ICalendar.declarePeriod, (AREA, first, count)));
    }

    function _createMarket() internal {
        MarketParams memory params = _params();
        params.area = _anyArea();
        if (_one(2) == 0) params.kind = MarketKind(_one(3));
        if (_one(3) == 0) (params.lotWh, params.tickNeurPerWh) = (uint24(_number()), uint24(_number()));
        if (_one(3) == 0) params.clearSeconds = uint32(_number());
        bytes32 named = _one(4) == 0 ? MARKET_ID : bytes32(_number());
        _strike(_by(registrar), address(market), abi.encodeCall(IMarket.createMarket, (named, params)));
    }

    /* SESSIONS */

    function _openSession() internal {
        uint32 declared = calendar.periodCount(AREA);
        Period memory last = calendar.periodOf(AREA, declared);
        uint32 mtu = uint32(_now() / 15 minutes + 10 + _one(40));
        if (mtu < last.firstMtu) mtu = last.firstMtu;
        uint64 gate_ = uint64(_now() + 1 + _one(1 hours));
        bool apt = _one(6) != 0;
        if (!apt) (gate_, mtu) = (uint64(_number()), uint32(_number()));
        uint32 count = apt ? 1 : uint32(_number());
        bytes memory data = abi.encodeCall(IMarket.openSession, (MARKET_ID, gate_, declared, mtu, count));
        if (!_strike(_by(operator), address(market), data)) return;
        assertFalse(_opened[gate_], "a gate is opened once");
        _opened[gate_] = true;
        Deal storage deal = _deals.push();
        (deal.gate, deal.period, deal.mtu) = (gate_, declared, mtu);
        _look(deal);
    }

    /// @dev One of the sessions that are not over, mostly the last one.
    function _deal() private returns (Deal storage deal) {
        if (_deals.length == 0) _deals.push();
        return _deals[_one(4) == 0 ? _one(_deals.length) : _deals.length - 1];
    }

    function _closeSession() internal {
        Deal storage deal = _deal();
        if (deal.seen.state == SessionState.Open && _one(8) != 0) _sleepUntil(deal.gate);
        if (deal.seen.state == SessionState.Open) deal.words = _words();
        bytes32 root = _one(8) == 0 ? bytes32(_number()) : Hashes.leaf(_bookHash(deal));
        bytes memory data = abi.encodeCall(IMarket.closeSession, (MARKET_ID, deal.gate, root));
        _strike(_by(operator), address(market), data);
        _look(deal);
    }

    /// @dev Orders that cross, or any words at all; ascending or not.
    function _words() private returns (uint256[] memory words) {
        words = new uint256[](_one(5));
        bool orderly = _one(4) != 0;
        for (uint256 k = 0; k < words.length; ++k) {
            if (!orderly) words[k] = _number();
            else if (k % 2 == 0) words[k] = _bid(k + 1, int32(int256(_one(6))) * 100, uint24(1 + _one(9)), 0);
            else words[k] = _ask(k + 1, int32(int256(_one(6))) * 100 - 200, uint24(1 + _one(9)), 0);
        }
    }

    function _bookHash(Deal storage deal) private view returns (bytes32) {
        uint256[] memory words = deal.words;
        return Hashes.book(MARKET_ID, deal.gate, deal.mtu, _maskedChain(words), uint32(words.length));
    }

    function _resultOf(Deal storage deal) private view returns (bytes32) {
        bytes32 chain = Hashes.chain(_pageHashes(deal.signedWords));
        return Hashes.result(MARKET_ID, deal.gate, deal.mtu, deal.price, chain, uint32(deal.signedWords.length));
    }

    function _recordProgram() internal {
        Deal storage deal = _deal();
        if (deal.seen.state == SessionState.Closed) _decide(deal);
        Program memory program = Program(Hashes.leaf(_resultOf(deal)), 0, 0, "grid", "report", type(uint64).max);
        if (deal.price != Hashes.NO_PRICE) program.tradedMask = 1;
        if (_one(6) == 0) program.emptiedMask = uint128(_number());
        if (_one(8) == 0) program.resultsRoot = bytes32(_number());
        bytes32 digest = market.programDigest(MARKET_ID, deal.gate, program);
        bytes memory signature = _sign(_secretOf(_one(8) == 0 ? OPERATOR_KEY : DSO_KEY), digest);
        bytes memory data = abi.encodeCall(IMarket.recordProgram, (MARKET_ID, deal.gate, program, signature));
        _strike(_by(_ownAccount()), address(market), data);
        _look(deal);
    }

    /// @dev The result of the book, or one that hides it, or any other.
    function _decide(Deal storage deal) private {
        uint256 kind = _one(4);
        (deal.signedWords, deal.price) = (deal.words, Hashes.NO_PRICE);
        if (kind < 2 && _orderly(deal.words)) {
            Books.Solved memory solved = Books.solve(deal.words);
            (deal.signedWords, deal.price) = (solved.words, solved.price);
        } else if (kind == 2) {
            (deal.signedWords, deal.price) = (_words(), int32(uint32(_number())));
        }
    }

    function _orderly(uint256[] memory words) private pure returns (bool) {
        for (uint256 k = 0; k < words.length; ++k) {
            if (words[k] >> 128 != k + 1) return false;
        }
        return words.length != 0;
    }

    function _clear() internal {
        Deal storage deal = _deal();
        uint256[] memory words = deal.signedWords;
        if (_one(4) == 0) words = _words();
        PlaceProofs memory proofs = PlaceProofs({result: new bytes32[](0), book: new bytes32[](0)});
        ResultPage memory target = ResultPage(deal.gate, deal.mtu, deal.price, uint32(words.length), 0);
        bytes memory data = abi.encodeCall(IClearing.clear, (MARKET_ID, target, _pageHashes(words), words, proofs));
        if (_one(2) == 0) {
            SmallResult[] memory results = new SmallResult[](1);
            results[0] = SmallResult(target, _pageHashes(words), words, proofs);
            data = abi.encodeCall(IClearing.clearMany, (MARKET_ID, results));
        }
        uint128 before = market.sessionOf(MARKET_ID, deal.gate).clearedMask;
        bool ok = _strike(_by(_ownAccount()), address(clearing), data);
        // A batch passes over what was cleared before, whatever it says of that.
        if (ok && market.sessionOf(MARKET_ID, deal.gate).clearedMask != before) _requireRight(words, deal.price);
        _look(deal);
    }

    /// @dev C2, C8: whatever cleared is balanced, optimal and at its price, by a scan of another making.
    function _requireRight(uint256[] memory words, int32 price) private pure {
        NaiveScan.Order[] memory orders = NaiveScan.unpackAll(words);
        uint256 bought = NaiveScan.accepted(orders, true);
        assertTrue(bought != 0, "something trades");
        assertEq(bought, NaiveScan.accepted(orders, false), "bought is sold");
        assertTrue(NaiveScan.isOptimal(orders), "nobody is wronged");
        assertEq(int256(price), NaiveScan.price(orders, MarketKind.Auction), "price");
    }

    function _endSession() internal {
        Deal storage deal = _deal();
        _strike(_by(_ownAccount()), address(market), abi.encodeCall(IMarket.endSession, (MARKET_ID, deal.gate)));
        _look(deal);
    }

    function _recordCleared() internal {
        Deal storage deal = _deal();
        _strikeInner(
            address(market),
            abi.encodeCall(
                IMarket.recordCleared, (MARKET_ID, deal.gate, deal.mtu, deal.price, uint64(_number()), bytes32(_number()))
            )
        );
    }

    /// @dev C3, C5: a session goes forward only; what was committed, signed and cleared first, stands.
    function _look(Deal storage deal) private {
        Session memory now_ = market.sessionOf(MARKET_ID, deal.gate);
        Session memory seen = deal.seen;
        assertTrue(now_.state >= seen.state, "a session goes forward");
        assertTrue(seen.booksRoot == 0 || now_.booksRoot == seen.booksRoot, "first books");
        assertTrue(seen.resultsRoot == 0 || now_.resultsRoot == seen.resultsRoot, "first program");
        assertEq(uint256(now_.clearedMask & ~now_.tradedMask), 0, "only what was signed clears");
        assertEq(uint256(seen.clearedMask & ~now_.clearedMask), 0, "cleared stays cleared");
        deal.seen = now_;
    }

    /// @dev Ends the sessions of a period that hold up its settlement, as anyone can once they missed a deadline.
    function _endAll(uint32 period_) internal {
        for (uint256 i = 0; i < _deals.length; ++i) {
            if (_deals[i].gate == 0 || _deals[i].period != period_) continue;
            uint64 until = market.deadlineOf(MARKET_ID, _deals[i].gate);
            if (until == 0 || _now() <= until) continue;
            assertTrue(
                _strike(address(1), address(market), abi.encodeCall(IMarket.endSession, (MARKET_ID, _deals[i].gate))),
                "anyone ends a session"
            );
        }
    }

    /* EVIDENCE */

    function _proveCrossing() internal {
        (Deal storage deal, uint256[] memory words, Bound memory book) = _shownBook();
        BookPage memory target = BookPage({session: deal.gate, mtu: deal.mtu, page: 0});
        bytes memory data = abi.encodeCall(IObjections.proveCrossing, (MARKET_ID, target, book, words));
        _strike(_by(_ownAccount()), address(objections), data);
        _look(deal);
    }

    function _proveInvalidWord() internal {
        (Deal storage deal, uint256[] memory words, Bound memory book) = _shownBook();
        BookPage memory target = BookPage({session: deal.gate, mtu: deal.mtu, page: 0});
        bytes memory data = abi.encodeCall(IObjections.proveInvalidWord, (MARKET_ID, target, book, words));
        _strike(_by(_ownAccount()), address(objections), data);
        _look(deal);
    }

    function _proveMismatch() internal {
        (Deal storage deal,, Bound memory book) = _shownBook();
        uint256[] memory words = deal.signedWords;
        Bound memory result = Bound(uint32(words.length), _pageHashes(words), new bytes32[](0));
        ResultPage memory target = ResultPage(deal.gate, deal.mtu, deal.price, uint32(words.length), 0);
        bytes memory data = abi.encodeCall(IObjections.proveMismatch, (MARKET_ID, target, result, book, words));
        _strike(_by(_ownAccount()), address(objections), data);
        _look(deal);
    }

    function _shownBook() private returns (Deal storage deal, uint256[] memory words, Bound memory book) {
        deal = _deal();
        words = deal.words;
        for (uint256 k = 0; k < words.length; ++k) {
            words[k] = Hashes.masked(words[k]);
        }
        if (_one(6) == 0) words = _words();
        book = Bound({count: uint32(words.length), pageHashes: _pageHashes(words), proof: new bytes32[](0)});
    }

    /* READINGS */

    /// @dev The minority attests what it likes, the others what is due.
    function _attest(bool honest) internal {
        (uint32 period_, Attestation memory told) = _told();
        bytes32 digest = readings.attestationDigest(told);
        bytes[] memory signatures = honest ? _honestQuorum(digest) : _minority(digest);
        bytes memory data = abi.encodeCall(IReadings.attest, (period_, told, signatures));
        if (_strike(_by(_ownAccount()), address(readings), data)) assertTrue(honest, "m attesters attest");
    }

    function _attestMany(bool honest) internal {
        Attestation[] memory told = new Attestation[](1);
        bytes[][] memory signatures = new bytes[][](1);
        uint32 period_;
        (period_, told[0]) = _told();
        bytes32 digest = readings.attestationDigest(told[0]);
        signatures[0] = honest ? _honestQuorum(digest) : _minority(digest);
        uint256 before = readings.resolvedCount(AREA, period_);
        bytes memory data = abi.encodeCall(IReadings.attestMany, (period_, told, signatures));
        _strike(_by(_ownAccount()), address(readings), data);
        assertTrue(honest || readings.resolvedCount(AREA, period_) == before, "m attesters attest");
    }

    /// @dev Of an MTU that has just ended.
    function _told() private returns (uint32 period_, Attestation memory told) {
        uint32 mtu = uint32(_now() / 15 minutes - 1 - _one(20));
        for (period_ = calendar.periodCount(AREA); period_ > 1; --period_) {
            if (calendar.periodOf(AREA, period_).firstMtu <= mtu) break;
        }
        told = _attestation(mtu, readings.readingOf(AREA, mtu).revisions);
        if (_one(6) == 0) told.root = bytes32(_number());
    }

    function _markUnread() internal {
        uint32 declared = calendar.periodCount(AREA);
        uint32 period_ = uint32(1 + _one(declared));
        Period memory bounds = calendar.periodOf(AREA, period_);
        bytes memory data =
            abi.encodeCall(IReadings.markUnread, (AREA, period_, bounds.firstMtu, uint32(1 + _one(bounds.count))));
        _strike(_by(_ownAccount()), address(readings), data);
    }

    /// @dev What nobody attested in time, all of it.
    function _markAll(uint32 period_) internal {
        Period memory bounds = calendar.periodOf(AREA, period_);
        if (readings.resolvedCount(AREA, period_) == bounds.count) return;
        uint256 from = Time.startOf(uint256(bounds.firstMtu) + bounds.count);
        if (bounds.declaredAt > from) from = bounds.declaredAt;
        if (_now() <= from + ATTEST) return;
        bytes memory data = abi.encodeCall(IReadings.markUnread, (AREA, period_, bounds.firstMtu, bounds.count));
        assertTrue(_strike(address(1), address(readings), data), "anyone marks");
    }
}
