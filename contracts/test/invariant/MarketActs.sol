// SPDX-License-Identifier: UNLICENSED
pragma solidity 0.8.37;

import {IMarket, MtuState} from "../../src/interfaces/IMarket.sol";
import {IRoles, Role} from "../../src/interfaces/IRoles.sol";
import {Hashes} from "../../src/libraries/Hashes.sol";
import {Time} from "../../src/libraries/Time.sol";
import {Books} from "../base/Books.sol";
import {Merkle} from "../base/Merkle.sol";
import {Handler, Reach} from "./Handler.sol";
import {ReplayActs} from "./ReplayActs.sol";

/// @notice One program per trading period: opened, closed, signed, cleared, voided; with results that the DSO signed and that must never clear.
abstract contract MarketActs is ReplayActs {
    /// @dev Every program's first book trades. Its last one holds an order that no book may hold.
    uint32 private constant POISONED = TRADING_MTUS - 1;
    uint256 private constant BAD_KINDS = 5;

    struct Trading {
        uint32 number;
        uint64 gate;
        bool closed;
        bytes32 root;
    }

    struct Book {
        uint256[] words;
        int32 price;
        uint256 tradedLots;
    }

    /// @dev A result that the DSO signed by mistake, and the error that keeps it out.
    struct Bad {
        uint256[] words;
        int32 price;
        bytes4 refusal;
    }

    mapping(uint32 p => Trading) internal _trading;
    uint32 public programs;
    mapping(uint32 mtu => MtuState) public stateOf;
    mapping(uint32 mtu => Book) private _books;
    mapping(uint32 p => Bad[]) private _bad;
    mapping(uint32 p => bytes32[]) private _leaves;
    mapping(uint32 p => bytes32) public clearingRoot;
    mapping(uint32 p => uint256) public resolved;

    /* VIEWS FOR THE INVARIANTS */

    function bookOf(uint32 mtu) external view returns (Book memory) {
        return _books[mtu];
    }

    function resultHashOf(uint32 mtu) public view returns (bytes32) {
        Book storage book = _books[mtu];
        return _resultHash(mtu, book.price, book.words);
    }

    function rootOf(uint32 number) external view returns (bytes32 root) {
        for (uint32 p = 1; p <= PERIODS; p += 2) {
            if (_trading[p].number == number) root = _trading[p].root;
        }
    }

    /* OPEN */

    function openProgram(uint256 seed) external {
        _open(_tradingPeriod(seed), _mix(seed, 1));
    }

    function _open(uint32 p, uint256 seed) internal {
        uint64 latest = Time.startOf(firstMtuOf(p)) - CLEAR_WINDOW;
        uint64 time = _now();
        // Mostly the last gate there can be, or one before it; now and then one too late.
        uint64 when = latest;
        if (seed % 8 == 0) ++when;
        if (seed % 4 == 1 && latest > time) when = uint64(bound(seed >> 8, time + 1, latest));
        address by = seed % 16 == 2 ? _anyKey(seed >> 8) : _holder(Role.Operator, seed);
        bytes4 expected = _openFault(p, by, when);
        bytes memory data = abi.encodeCall(IMarket.openProgram, (MARKET_ID, p, firstMtuOf(p), TRADING_MTUS, when));
        if (_act(by, address(market), data, expected, "openProgram")) {
            (_trading[p].number, _trading[p].gate) = (++programs, when);
        }
    }

    function _openFault(uint32 p, address by, uint64 when) private view returns (bytes4) {
        if (held[by].role != Role.Operator) return IRoles.RolesMissing.selector;
        if (pausedNow()) return IRoles.RolesPaused.selector;
        for (uint32 q = p; q <= PERIODS; q += 2) {
            if (_trading[q].number != 0) return IMarket.MarketProgramInvalid.selector;
        }
        bool late = when <= _now() || when + CLEAR_WINDOW > Time.startOf(firstMtuOf(p));
        return late ? IMarket.MarketGateInvalid.selector : bytes4(0);
    }

    /* CLOSE */

    function closeBooks(uint256 seed) external {
        _close(_tradingPeriod(seed), _mix(seed, 1));
    }

    function _close(uint32 p, uint256 seed) internal {
        address by = seed % 16 == 0 ? _anyKey(seed >> 8) : _holder(Role.Operator, seed);
        bytes4 expected = _closeFault(p, by);
        bool first = !_trading[p].closed;
        if (expected == 0) _fillBooks(p, seed);
        bytes32[] memory chains = new bytes32[](TRADING_MTUS);
        uint32[] memory counts = new uint32[](TRADING_MTUS);
        for (uint32 i = 0; i < TRADING_MTUS; ++i) {
            uint256[] memory words = _books[firstMtuOf(p) + i].words;
            (chains[i], counts[i]) = (_maskedChain(words), uint32(words.length));
        }
        bytes memory data = abi.encodeCall(IMarket.closeBooks, (MARKET_ID, _trading[p].number, chains, counts));
        if (!_act(by, address(market), data, expected, "closeBooks")) return;
        assertTrue(first, "closed once");
        _trading[p].closed = true;
        _used(Message.Close, address(market), data);
        for (uint32 i = 0; i < TRADING_MTUS; ++i) {
            _advance(firstMtuOf(p) + i, MtuState.BookClosed);
        }
    }

    function _closeFault(uint32 p, address by) private view returns (bytes4) {
        Trading memory trading = _trading[p];
        if (held[by].role != Role.Operator) return IRoles.RolesMissing.selector;
        if (pausedNow()) return IRoles.RolesPaused.selector;
        if (trading.number == 0) return IMarket.MarketProgramUnknown.selector;
        if (trading.closed) return IMarket.MarketBooksClosed.selector;
        if (_now() < trading.gate) return IMarket.MarketTooEarly.selector;
        return _now() > trading.gate + CLOSE_WINDOW ? IMarket.MarketTooLate.selector : bytes4(0);
    }

    function _fillBooks(uint32 p, uint256 seed) private {
        for (uint32 i = 0; i < TRADING_MTUS; ++i) {
            uint256 size = i == 0 ? 2 + seed % 6 : _mix(seed, 50 + i) % 5;
            if (i == POISONED) size = 2;
            uint256[] memory words = size == 0 ? new uint256[](0) : _book(size, _mix(seed, i), i == 0);
            Books.Solved memory solved = Books.solve(words);
            if (i == POISONED) solved.words[1] = _poison(solved.words, _mix(seed, 60));
            _books[firstMtuOf(p) + i] = Book(solved.words, solved.price, solved.tradedLots);
        }
    }

    /// @dev Orders on few price levels, so that ties and partial fills are frequent, some with caps. The first two cross if asked to.
    function _book(uint256 size, uint256 seed, bool crossing) private pure returns (uint256[] memory words) {
        words = new uint256[](size);
        for (uint256 k = 0; k < size; ++k) {
            uint256 r = _mix(seed, 100 + k);
            uint256 side = crossing && k < 2 ? k : r % 2;
            int32 limit = int32(int256((r >> 8) % 6)) * int24(TICK) - 200;
            if (crossing && k < 2) limit = k == 0 ? int32(900) : -int32(900);
            uint24 cap = (r >> 16) % 3 == 0 && !(crossing && k < 2) ? uint24((r >> 24) % 8) : NO_CAP;
            words[k] = Hashes.orderWord(
                bytes16(uint128(((k + 1) << 120) | uint120(r))), limit, uint24(1 + (r >> 32) % 9), cap, 0, uint24(side)
            );
        }
    }

    /// @dev An order that breaks one rule: off the tick, out of the band, without quantity, with an unknown flag, or not ascending.
    function _poison(uint256[] memory words, uint256 seed) private pure returns (uint256) {
        bytes16 tag = bytes16(uint128(words[1] >> 128));
        uint256 kind = seed % 5;
        if (kind == 0) return Hashes.orderWord(tag, 150, 1, NO_CAP, 0, 0);
        if (kind == 1) return Hashes.orderWord(tag, MAX_LIMIT + int24(TICK), 1, NO_CAP, 0, 0);
        if (kind == 2) return Hashes.orderWord(tag, 100, 0, NO_CAP, 0, 0);
        if (kind == 3) return Hashes.orderWord(tag, 100, 1, NO_CAP, 0, 2);
        return words[0];
    }

    /* SIGN */

    function recordProgram(uint256 seed) external {
        _recordFor(_tradingPeriod(seed), _mix(seed, 1));
    }

    function _recordFor(uint32 p, uint256 seed) internal {
        Trading memory trading = _trading[p];
        bytes4 expected = _recordFault(trading);
        address by = seed % 4 == 0 ? _holder(Role.Operator, seed) : _holder(Role.Dso, seed);
        if (expected == 0 && held[by].role != Role.Dso) expected = IRoles.RolesMissing.selector;
        if (expected == 0) _makeResults(p, seed);
        bytes32 root = _leaves[p].length == 0 ? bytes32("none") : Hashes.merkleRoot(_leaves[p]);
        bytes memory data = _recordCall(trading.number, root, firstMtuOf(p), _secrets[by]);
        if (!_act(address(this), address(market), data, expected, "recordProgram")) return;
        _trading[p].root = root;
        _used(Message.Record, address(market), data);
    }

    function _recordFault(Trading memory trading) private view returns (bytes4) {
        if (pausedNow()) return IRoles.RolesPaused.selector;
        if (trading.number == 0) return IMarket.MarketProgramUnknown.selector;
        if (!trading.closed) return IMarket.MarketBooksOpen.selector;
        if (trading.root != 0) return IMarket.MarketProgramRecorded.selector;
        return _now() > trading.gate + SIGN_WINDOW ? IMarket.MarketTooLate.selector : bytes4(0);
    }

    function _recordCall(uint32 number, bytes32 root, uint32 first, uint256 secret)
        private
        view
        returns (bytes memory)
    {
        uint64 deadline = type(uint64).max;
        Hashes.SignedProgram memory signed =
            Hashes.SignedProgram(MARKET_ID, first, TRADING_MTUS, root, "grid", "report", deadline);
        bytes memory signature = _sign(secret, _digest(market.domainSeparator(), Hashes.program(signed)));
        return abi.encodeCall(IMarket.recordProgram, (MARKET_ID, number, root, "grid", "report", deadline, signature));
    }

    /// @dev Of all MTUs the rightful result; of the first one also wrong ones.
    function _makeResults(uint32 p, uint256 seed) private {
        uint32 first = firstMtuOf(p);
        for (uint32 i = 0; i < TRADING_MTUS; ++i) {
            _leaves[p].push(resultHashOf(first + i));
        }
        for (uint256 kind = 0; kind < BAD_KINDS; ++kind) {
            Bad memory bad = _badResult(_books[first], kind, seed);
            _bad[p].push(bad);
            _leaves[p].push(_resultHash(first, bad.price, bad.words));
        }
    }

    function _badResult(Book memory book, uint256 kind, uint256 seed) private pure returns (Bad memory) {
        uint256[] memory words = book.words;
        if (kind == 0) {
            _take(words, seed % 2 == 0);
            return Bad(words, book.price, IMarket.MarketUnbalanced.selector);
        }
        if (kind == 1) {
            _take(words, true);
            _take(words, false);
            return Bad(words, book.price, IMarket.MarketNotOptimal.selector);
        }
        if (kind == 2) {
            return Bad(words, seed % 2 == 0 ? book.price + 1 : book.price - 1, IMarket.MarketPriceWrong.selector);
        }
        if (kind == 3) {
            words[0] += 1 << 72;
            return Bad(words, book.price, IMarket.MarketBookHashWrong.selector);
        }
        words[0] = Books.withAccepted(words[0], Books.effectiveOf(words[0]) + 1);
        return Bad(words, book.price, IMarket.MarketWordInvalid.selector);
    }

    /// @dev Takes one lot from the first order of the side that has one.
    function _take(uint256[] memory words, bool ask) private pure {
        for (uint256 k = 0; k < words.length; ++k) {
            uint256 accepted = Books.acceptedOf(words[k]);
            if (Books.isAsk(words[k]) != ask || accepted == 0) continue;
            words[k] = Books.withAccepted(words[k], accepted - 1);
            return;
        }
    }

    /* CLEAR */

    function clear(uint256 seed) external {
        _clearOne(_tradingPeriod(seed), uint32(_mix(seed, 1) % TRADING_MTUS), _mix(seed, 2));
    }

    /// @dev Everything but the words: when and what may be cleared.
    function _clearFault(uint32 p, uint32 index) private view returns (bytes4) {
        Trading memory trading = _trading[p];
        MtuState state = stateOf[firstMtuOf(p) + index];
        if (pausedNow()) return IRoles.RolesPaused.selector;
        if (trading.number == 0) return IMarket.MarketProgramUnknown.selector;
        if (trading.root == 0) return IMarket.MarketProgramNotRecorded.selector;
        if (state != MtuState.BookClosed) return IMarket.MarketStateWrong.selector;
        return _now() > trading.gate + CLEAR_WINDOW ? IMarket.MarketTooLate.selector : bytes4(0);
    }

    function _clearOne(uint32 p, uint32 index, uint256 seed) internal {
        bytes4 expected = _clearFault(p, index);
        Book memory book = _books[firstMtuOf(p) + index];
        if (seed % 8 == 0) {
            // A result that nobody signed.
            book.price = book.price == 7 ? int32(8) : int32(7);
            if (expected == 0) expected = IMarket.MarketResultUnsigned.selector;
        }
        if (index == POISONED && expected == 0) expected = IMarket.MarketWordInvalid.selector;
        bytes memory data = _clearCall(p, index, index, book.words, book.price);
        if (!_act(address(this), address(market), data, expected, "clear")) return;
        _used(Message.Clear, address(market), data);
        if (book.tradedLots != 0) ++reached[Reach.Trades];
        _resolve(p, firstMtuOf(p) + index, MtuState.Cleared, resultHashOf(firstMtuOf(p) + index));
    }

    /// @dev What the DSO signed by mistake stays out, each for its own reason.
    function clearBad(uint256 seed) external {
        _clearBad(_tradingPeriod(seed), _mix(seed, 1));
    }

    function _clearBad(uint32 p, uint256 seed) internal {
        if (_bad[p].length == 0) return;
        uint256 kind = seed % BAD_KINDS;
        Bad memory bad = _bad[p][kind];
        bytes4 expected = _clearFault(p, 0);
        if (expected == 0) {
            ++reached[Reach.BadResultsRefused];
            expected = bad.refusal;
        }
        bytes memory data = _clearCall(p, 0, TRADING_MTUS + kind, bad.words, bad.price);
        _act(address(this), address(market), data, expected, "clear a bad result");
    }

    function _clearCall(uint32 p, uint32 index, uint256 leaf, uint256[] memory words, int32 price)
        private
        returns (bytes memory)
    {
        bytes32[] memory proof = _leaves[p].length == 0 ? new bytes32[](0) : Merkle.proof(_leaves[p], leaf);
        program = _trading[p].number;
        return abi.encodeCall(
            IMarket.clear,
            (MARKET_ID, _target(firstMtuOf(p) + index, price, words.length, 0), _pageHashes(words), words, proof)
        );
    }

    /* VOID */

    function voidMtus(uint256 seed) external {
        _void(_tradingPeriod(seed));
    }

    /// @dev Anyone, at any time, also in a pause.
    function _void(uint32 p) internal returns (bool) {
        uint32 first = firstMtuOf(p);
        bytes memory data = abi.encodeCall(IMarket.voidMtus, (MARKET_ID, p, _hint(p), first, TRADING_MTUS));
        if (!_act(address(this), address(market), data, _voidFault(p), "voidMtus")) return false;
        for (uint32 mtu = first; mtu < first + TRADING_MTUS; ++mtu) {
            if (_voidable(p, mtu)) _resolve(p, mtu, MtuState.Void, 0);
        }
        return true;
    }

    /// @dev Market time after which a program's next step has not come.
    function _lapsedAfter(uint32 p) internal view returns (uint64) {
        return _trading[p].gate + (_trading[p].closed ? CLEAR_WINDOW : CLOSE_WINDOW);
    }

    function _voidFault(uint32 p) private view returns (bytes4) {
        bool opened = _trading[p].number != 0;
        if (opened && _now() <= _lapsedAfter(p)) return IMarket.MarketTooEarly.selector;
        for (uint32 i = 0; i < TRADING_MTUS; ++i) {
            if (_voidable(p, firstMtuOf(p) + i)) return 0;
        }
        return IMarket.MarketNothingToVoid.selector;
    }

    function _voidable(uint32 p, uint32 mtu) private view returns (bool) {
        bool started = _trading[p].number != 0 || Time.startOf(mtu) <= _now();
        return started && (stateOf[mtu] == MtuState.Open || stateOf[mtu] == MtuState.BookClosed);
    }

    /// @dev The last program that begins at or before the period.
    function _hint(uint32 p) private view returns (uint32) {
        for (uint32 q = p; q > 1; q -= 2) {
            if (_trading[q].number != 0) return _trading[q].number;
        }
        return _trading[1].number;
    }

    /* GHOSTS */

    function _resolve(uint32 p, uint32 mtu, MtuState to, bytes32 resultHash) private {
        _advance(mtu, to);
        ++resolved[p];
        clearingRoot[p] = Hashes.clearingLink(clearingRoot[p], MARKET_ID, mtu, resultHash);
    }

    function _advance(uint32 mtu, MtuState to) private {
        MtuState from = stateOf[mtu];
        bool forward = from == MtuState.Open || (from == MtuState.BookClosed && to > from);
        assertTrue(forward, "states only go forward");
        stateOf[mtu] = to;
    }
}
