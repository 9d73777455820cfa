// SPDX-License-Identifier: UNLICENSED
pragma solidity 0.8.37;

import {Clearing} from "../../src/Clearing.sol";
import {IClearing, PlaceProofs, ResultPage} from "../../src/interfaces/IClearing.sol";
import {IMarket, Program, Session, SessionState} from "../../src/interfaces/IMarket.sol";
import {BookPage, Bound, IObjections} from "../../src/interfaces/IObjections.sol";
import {IRoles, Role} from "../../src/interfaces/IRoles.sol";
import {Hashes} from "../../src/libraries/Hashes.sol";
import {Time} from "../../src/libraries/Time.sol";
import {Books} from "../base/Books.sol";
import {Merkle} from "../base/Merkle.sol";
import {Shapes} from "../base/Shapes.sol";
import {Reach} from "./Handler.sol";
import {ReplayActs} from "./ReplayActs.sol";
import {vm} from "../base/Vm.sol";

/// @notice Up to two sessions over the same MTUs of each trading period: opened, closed, signed, cleared, ended. Every second one has a DSO and an operator
/// that do wrong: a result that must never clear, a crossing book that the masks hide, and a book with an order that no book may hold.
abstract contract MarketActs is ReplayActs {
    uint32 public constant SLOTS = 2;

    /// @dev Of every session the first book trades. In a dishonest one these three are wrong.
    uint32 public constant BAD = 1;
    uint32 public constant HIDDEN = 2;
    uint32 public constant POISONED = 3;

    uint256 private constant BAD_KINDS = 5;

    /// @dev Slot 1 has its gate mostly this long before slot 0.
    uint32 private constant BETWEEN_GATES = 10 minutes;

    /// @dev The committed book and what the DSO signed of it; `refusal` is the error that keeps a wrong result out.
    struct Book {
        uint256[] words;
        int32 price;
        uint256 tradedLots;
        uint256[] signedWords;
        int32 signedPrice;
        bytes4 refusal;
    }

    /// @notice Gate of a session; 0 where it was never opened.
    mapping(uint32 p => mapping(uint32 slot => uint64)) public gateOf;
    mapping(uint32 p => mapping(uint32 slot => Session)) internal _sessions;
    mapping(uint32 p => mapping(uint32 slot => bool)) public dishonest;
    mapping(uint32 p => mapping(uint32 slot => mapping(uint32 place => Book))) private _bookAt;
    mapping(uint32 p => mapping(uint32 slot => bytes32[])) private _signedHashes;
    mapping(uint32 p => bytes32) public clearingRoot;
    mapping(uint32 p => uint256) public pending;

    /// @dev Books shown to `Objections` that do not cross.
    mapping(bytes32 bookHash => bool) private _shown;

    /* VIEWS FOR THE INVARIANTS */

    function sessionAt(uint32 p, uint32 slot) external view returns (Session memory) {
        return _sessions[p][slot];
    }

    function bookOf(uint32 p, uint32 slot, uint32 place) external view returns (Book memory) {
        return _bookAt[p][slot][place];
    }

    function _slot(uint256 seed) private pure returns (uint32) {
        return uint32(_mix(seed, 90) % SLOTS);
    }

    function _stateIs(uint32 p, uint32 slot, SessionState state) internal view returns (bool) {
        return _sessions[p][slot].state == state;
    }

    function _traded(uint32 p, uint32 slot, uint32 place) internal view returns (bool) {
        Session storage session = _sessions[p][slot];
        return session.tradedMask & ~session.clearedMask & (uint128(1) << place) != 0;
    }

    /// @dev Market time until which a session's next step may come.
    function _deadline(uint32 p, uint32 slot) internal view returns (uint64) {
        uint32 window = CLEAR_WINDOW;
        if (_stateIs(p, slot, SessionState.Open)) window = CLOSE_WINDOW;
        if (_stateIs(p, slot, SessionState.Closed)) window = SIGN_WINDOW;
        uint64 session = gateOf[p][slot];
        uint64 until = session + window + _pausedSince(session);
        uint64 start = Time.startOf(firstMtuOf(p));
        return until < start ? until : start;
    }

    /* OPEN */

    function openSession(uint256 seed) external {
        _openFor(_tradingPeriod(seed), _slot(seed), _mix(seed, 1));
    }

    function _openFor(uint32 p, uint32 slot, uint256 seed) internal {
        uint64 latest = Time.startOf(firstMtuOf(p)) - CLEAR_WINDOW;
        // Mostly the last gate there can be, or one before it; now and then one too late, or the other session's.
        uint64 when = latest - slot * BETWEEN_GATES;
        if (seed % 8 == 0) when = latest + 1;
        if (seed % 4 == 1 && latest > _now()) when = uint64(bound(seed >> 8, _now() + 1, latest));
        if (seed % 16 == 3 && gateOf[p][1 - slot] != 0) when = gateOf[p][1 - slot];
        // A session that stands is opened once more, as it is.
        if (gateOf[p][slot] != 0) when = gateOf[p][slot];
        address by = seed % 16 == 2 ? _anyKey(seed >> 8) : _holder(Role.Operator, seed);
        bytes4 expected = _openFault(p, by, when);
        bytes memory data = abi.encodeCall(IMarket.openSession, (MARKET_ID, when, p, firstMtuOf(p), TRADING_MTUS));
        if (!_act(by, address(market), data, expected, "openSession")) return;
        gateOf[p][slot] = when;
        Session storage session = _sessions[p][slot];
        (session.firstMtu, session.period, session.count) = (firstMtuOf(p), p, uint8(TRADING_MTUS));
        session.state = SessionState.Open;
        ++pending[p];
    }

    function _openFault(uint32 p, address by, uint64 when) private view returns (bytes4) {
        if (held[by].role != Role.Operator) return IRoles.RolesMissing.selector;
        if (pausedNow()) return IRoles.RolesPaused.selector;
        if (_isGate(when)) return IMarket.MarketSessionExists.selector;
        bool late = when <= _now() || when + CLEAR_WINDOW > Time.startOf(firstMtuOf(p));
        return late ? IMarket.MarketGateInvalid.selector : bytes4(0);
    }

    function _isGate(uint64 time) private view returns (bool) {
        for (uint32 p = 1; p <= PERIODS; p += 2) {
            if (time == gateOf[p][0] || time == gateOf[p][1]) return true;
        }
        return false;
    }

    /* CLOSE */

    function closeSession(uint256 seed) external {
        _closeFor(_tradingPeriod(seed), _slot(seed), _mix(seed, 1));
    }

    function _closeFor(uint32 p, uint32 slot, uint256 seed) internal {
        address by = seed % 16 == 0 ? _anyKey(seed >> 8) : _holder(Role.Operator, seed);
        bytes4 expected = _closeFault(p, slot, by);
        if (expected == 0) _fillBooks(p, slot, seed);
        bytes32 root = Merkle.placesRoot(_bookHashes(p, slot));
        bytes memory data = abi.encodeCall(IMarket.closeSession, (MARKET_ID, gateOf[p][slot], root));
        if (!_act(by, address(market), data, expected, "closeSession")) return;
        (_sessions[p][slot].state, _sessions[p][slot].booksRoot) = (SessionState.Closed, root);
        _used(Message.Close, address(market), data);
    }

    function _closeFault(uint32 p, uint32 slot, address by) private view returns (bytes4) {
        if (held[by].role != Role.Operator) return IRoles.RolesMissing.selector;
        if (pausedNow()) return IRoles.RolesPaused.selector;
        if (!_stateIs(p, slot, SessionState.Open)) return IMarket.MarketStateWrong.selector;
        if (_now() < gateOf[p][slot]) return IMarket.MarketTooEarly.selector;
        return _now() > _deadline(p, slot) ? IMarket.MarketTooLate.selector : bytes4(0);
    }

    function _fillBooks(uint32 p, uint32 slot, uint256 seed) private {
        bool wrong = _mix(seed, 40) % 2 == 0;
        dishonest[p][slot] = wrong;
        for (uint32 i = 0; i < TRADING_MTUS; ++i) {
            bool crossing = i == 0 || (wrong && i != POISONED);
            uint256 size = crossing ? 2 + _mix(seed, 50 + i) % 6 : _mix(seed, 50 + i) % 5;
            if (wrong && i == POISONED) size = 2;
            uint256[] memory words = size == 0 ? new uint256[](0) : _book(size, _mix(seed, i), crossing);
            Books.Solved memory solved = Books.solve(words);
            Book memory book =
                Book(solved.words, solved.price, solved.tradedLots, solved.words, solved.price, bytes4(0));
            if (wrong && i == BAD) _makeBad(book, seed);
            if (wrong && i == HIDDEN) _hide(book, words);
            if (wrong && i == POISONED) _poison(book, _mix(seed, 60));
            _bookAt[p][slot][i] = book;
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
            words[k] = Shapes.orderWord(
                bytes16(uint128(((k + 1) << 120) | uint120(r))), limit, uint24(1 + (r >> 32) % 9), cap, 0, uint24(side)
            );
        }
    }

    function _bookHashes(uint32 p, uint32 slot) private view returns (bytes32[] memory hashes) {
        hashes = new bytes32[](TRADING_MTUS);
        for (uint32 i = 0; i < TRADING_MTUS; ++i) {
            uint256[] memory words = _bookAt[p][slot][i].words;
            uint32 mtu = firstMtuOf(p) + i;
            hashes[i] = Hashes.book(MARKET_ID, gateOf[p][slot], mtu, _maskedChain(words), uint32(words.length));
        }
    }

    /* WHAT DOES NOT BELONG */

    /// @dev A result that is not the one of its book.
    function _makeBad(Book memory book, uint256 seed) private pure {
        uint256[] memory words = _copy(book.words);
        uint256 kind = seed % BAD_KINDS;
        (book.signedWords, book.signedPrice) = (words, book.price);
        if (kind == 0) {
            _take(words, _mix(seed, 1) % 2 == 0);
            book.refusal = IClearing.ClearingUnbalanced.selector;
        } else if (kind == 1) {
            _take(words, true);
            _take(words, false);
            book.refusal = IClearing.ClearingNotOptimal.selector;
        } else if (kind == 2) {
            book.signedPrice = _mix(seed, 2) % 2 == 0 ? book.price + 1 : book.price - 1;
            book.refusal = IClearing.ClearingPriceWrong.selector;
        } else if (kind == 3) {
            words[0] += 1 << Hashes.QUANTITY_AT;
            book.refusal = IClearing.ClearingBookUncommitted.selector;
        } else {
            words[0] = Books.withAccepted(words[0], Books.effectiveOf(words[0]) + 1);
            book.refusal = IClearing.ClearingWordInvalid.selector;
        }
    }

    function _copy(uint256[] memory words) private pure returns (uint256[] memory copied) {
        copied = new uint256[](words.length);
        for (uint256 k = 0; k < words.length; ++k) {
            copied[k] = words[k];
        }
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

    /// @dev A book that crosses, signed as if nothing traded.
    function _hide(Book memory book, uint256[] memory words) private pure {
        (book.words, book.price, book.tradedLots) = (words, Hashes.NO_PRICE, 0);
        (book.signedWords, book.signedPrice) = (words, Hashes.NO_PRICE);
    }

    /// @dev An order that breaks one rule: off the tick, out of the band, without quantity, with an unknown flag, or not ascending.
    function _poison(Book memory book, uint256 seed) private pure {
        uint256[] memory words = book.words;
        bytes16 tag = bytes16(uint128(words[1] >> 128));
        uint256 kind = seed % 5;
        if (kind == 0) words[1] = Shapes.orderWord(tag, 150, 1, NO_CAP, 0, 0);
        else if (kind == 1) words[1] = Shapes.orderWord(tag, MAX_LIMIT + int24(TICK), 1, NO_CAP, 0, 0);
        else if (kind == 2) words[1] = Shapes.orderWord(tag, 100, 0, NO_CAP, 0, 0);
        else if (kind == 3) words[1] = Shapes.orderWord(tag, 100, 1, NO_CAP, 0, 2);
        else words[1] = words[0];
        book.signedWords = words;
        book.refusal = IClearing.ClearingWordInvalid.selector;
    }

    /* SIGN */

    function recordProgram(uint256 seed) external {
        _recordFor(_tradingPeriod(seed), _slot(seed), _mix(seed, 1));
    }

    function _recordFor(uint32 p, uint32 slot, uint256 seed) internal {
        bytes4 expected = _recordFault(p, slot);
        Program memory program = _programOf(p, slot);
        if (seed % 16 == 5) {
            program.emptiedMask = program.tradedMask == 0 ? uint128(1) << TRADING_MTUS : program.tradedMask;
            if (expected == 0) expected = IMarket.MarketMasksInvalid.selector;
        }
        address by = seed % 4 == 0 ? _holder(Role.Operator, seed) : _holder(Role.Dso, seed);
        if (expected == 0 && held[by].role != Role.Dso) expected = IRoles.RolesMissing.selector;
        bytes memory data = _recordCall(p, slot, program, _secrets[by]);
        if (!_act(address(this), address(market), data, expected, "recordProgram")) return;
        _used(Message.Record, address(market), data);
        Session storage session = _sessions[p][slot];
        (session.state, session.resultsRoot) = (SessionState.Signed, program.resultsRoot);
        (session.tradedMask, session.emptiedMask) = (program.tradedMask, program.emptiedMask);
        _signedHashes[p][slot] = _resultHashes(p, slot);
        if (program.tradedMask == 0) _done(p, slot);
    }

    function _recordFault(uint32 p, uint32 slot) private view returns (bytes4) {
        if (pausedNow()) return IRoles.RolesPaused.selector;
        if (!_stateIs(p, slot, SessionState.Closed)) return IMarket.MarketStateWrong.selector;
        return _now() > _deadline(p, slot) ? IMarket.MarketTooLate.selector : bytes4(0);
    }

    function _programOf(uint32 p, uint32 slot) private view returns (Program memory program) {
        program = Program(Merkle.placesRoot(_resultHashes(p, slot)), 0, 0, "grid", "report", type(uint64).max);
        for (uint32 i = 0; i < TRADING_MTUS; ++i) {
            Book storage book = _bookAt[p][slot][i];
            if (book.tradedLots != 0 || book.refusal != 0) program.tradedMask |= uint128(1) << i;
            else if (_crosses(book.words) && !(dishonest[p][slot] && i == HIDDEN)) {
                program.emptiedMask |= uint128(1) << i;
            }
        }
    }

    /// @dev Whether some bid reaches some ask, caps left aside.
    function _crosses(uint256[] memory words) private pure returns (bool) {
        for (uint256 i = 0; i < words.length; ++i) {
            for (uint256 j = 0; j < words.length; ++j) {
                bool meet = !Books.isAsk(words[i]) && Books.isAsk(words[j]);
                if (meet && Books.limitOf(words[i]) >= Books.limitOf(words[j])) return true;
            }
        }
        return false;
    }

    function _resultHashes(uint32 p, uint32 slot) private view returns (bytes32[] memory hashes) {
        hashes = new bytes32[](TRADING_MTUS);
        for (uint32 i = 0; i < TRADING_MTUS; ++i) {
            Book memory book = _bookAt[p][slot][i];
            hashes[i] = _hashOf(p, slot, i, book.signedWords, book.signedPrice);
        }
    }

    function _hashOf(uint32 p, uint32 slot, uint32 place, uint256[] memory words, int32 price)
        private
        view
        returns (bytes32)
    {
        bytes32 chain = Hashes.chain(_pageHashes(words));
        uint32 count = uint32(words.length);
        return Hashes.result(MARKET_ID, gateOf[p][slot], firstMtuOf(p) + place, price, chain, count);
    }

    function _recordCall(uint32 p, uint32 slot, Program memory program, uint256 secret)
        private
        view
        returns (bytes memory)
    {
        Hashes.SignedProgram memory signed = Hashes.SignedProgram({
            market: MARKET_ID,
            session: gateOf[p][slot],
            firstMtu: firstMtuOf(p),
            count: TRADING_MTUS,
            booksRoot: market.sessionOf(MARKET_ID, gateOf[p][slot]).booksRoot,
            resultsRoot: program.resultsRoot,
            tradedMask: program.tradedMask,
            emptiedMask: program.emptiedMask,
            gridModelHash: program.gridModelHash,
            reportHash: program.reportHash,
            deadline: program.deadline
        });
        bytes memory signature = _sign(secret, _digest(market.domainSeparator(), Hashes.program(signed)));
        return abi.encodeCall(IMarket.recordProgram, (MARKET_ID, gateOf[p][slot], program, signature));
    }

    /* CLEAR */

    function clear(uint256 seed) external {
        _clearOne(_tradingPeriod(seed), _slot(seed), uint32(_mix(seed, 1) % TRADING_MTUS), _mix(seed, 2));
    }

    /// @dev Everything but the words: when and what may be cleared.
    function _clearFault(uint32 p, uint32 slot, uint32 place) private view returns (bytes4) {
        if (pausedNow()) return IRoles.RolesPaused.selector;
        if (!_stateIs(p, slot, SessionState.Signed)) return IMarket.MarketStateWrong.selector;
        if (!_traded(p, slot, place)) return IMarket.MarketMtuNotClearable.selector;
        return _now() > _deadline(p, slot) ? IMarket.MarketTooLate.selector : bytes4(0);
    }

    /// @dev What was signed of an MTU, or now and then what nobody signed. Of a dishonest session what is wrong stays out, each for its own reason.
    function _clearOne(uint32 p, uint32 slot, uint32 place, uint256 seed) internal {
        Book memory book = _bookAt[p][slot][place];
        bytes4 expected = _clearFault(p, slot, place);
        if (seed % 8 == 0) {
            book.signedPrice = book.signedPrice == 7 ? int32(8) : int32(7);
            if (expected == 0) expected = IClearing.ClearingResultUnsigned.selector;
        }
        if (expected == 0 && book.refusal != 0) {
            expected = book.refusal;
            ++reached[Reach.BadResultsRefused];
        }
        bytes memory data = _clearCall(p, slot, place, book);
        if (expected == 0) {
            bytes32 hash = _hashOf(p, slot, place, book.words, book.price);
            uint32 mtu = firstMtuOf(p) + place;
            vm.expectEmit();
            emit IMarket.MtuCleared(MARKET_ID, gateOf[p][slot], mtu, book.price, uint64(book.tradedLots), hash);
        }
        if (!_act(address(this), address(clearing), data, expected, "clear")) return;
        _used(Message.Clear, address(clearing), data);
        ++reached[Reach.Trades];
        Session storage session = _sessions[p][slot];
        session.clearedMask |= uint128(1) << place;
        if (session.clearedMask == session.tradedMask) _done(p, slot);
    }

    function _clearCall(uint32 p, uint32 slot, uint32 place, Book memory book) private view returns (bytes memory) {
        bytes32[] memory results = _signedHashes[p][slot];
        PlaceProofs memory proofs = PlaceProofs(new bytes32[](0), new bytes32[](0));
        if (results.length != 0) {
            proofs = PlaceProofs(
                Merkle.placesProof(results, place), Merkle.placesProof(_bookHashes(p, slot), place)
            );
        }
        uint256[] memory words = book.signedWords;
        ResultPage memory target = ResultPage({
            session: gateOf[p][slot],
            mtu: firstMtuOf(p) + place,
            priceNeurPerWh: book.signedPrice,
            count: uint32(words.length),
            page: 0
        });
        return abi.encodeCall(Clearing.clear, (MARKET_ID, target, _pageHashes(words), words, proofs));
    }

    /// @dev Nobody but the clearing contract says what cleared.
    function recordCleared(uint256 seed) external {
        (uint32 p, uint32 slot) = (_tradingPeriod(seed), _slot(seed));
        uint32 mtu = firstMtuOf(p) + uint32(_mix(seed, 1) % TRADING_MTUS);
        bytes memory data = abi.encodeCall(IMarket.recordCleared, (MARKET_ID, gateOf[p][slot], mtu, 100, 1, "result"));
        _act(_anyKey(seed), address(market), data, IMarket.MarketClearingOnly.selector, "recordCleared");
    }

    /* END */

    function endSession(uint256 seed) external {
        _end(_tradingPeriod(seed), _slot(seed));
    }

    /// @dev Anyone, at any time, also in a pause.
    function _end(uint32 p, uint32 slot) internal {
        bytes4 expected = 0;
        bool over = _stateIs(p, slot, SessionState.None) || _stateIs(p, slot, SessionState.Done);
        if (over) expected = IMarket.MarketStateWrong.selector;
        else if (_now() <= _deadline(p, slot)) expected = IMarket.MarketTooEarly.selector;
        bytes memory data = abi.encodeCall(IMarket.endSession, (MARKET_ID, gateOf[p][slot]));
        if (_act(address(this), address(market), data, expected, "endSession")) _done(p, slot);
    }

    function _done(uint32 p, uint32 slot) private {
        Session storage session = _sessions[p][slot];
        session.state = SessionState.Done;
        --pending[p];
        clearingRoot[p] = Hashes.clearingLink(clearingRoot[p], MARKET_ID, gateOf[p][slot], session);
    }

    /* OBJECT */

    /// @dev Anyone, at any time: a program is refuted exactly where its masks hide a book that crosses.
    function objectTo(uint256 seed) external {
        _objectTo(_tradingPeriod(seed), _slot(seed), uint32(_mix(seed, 1) % TRADING_MTUS));
    }

    function _objectTo(uint32 p, uint32 slot, uint32 place) internal {
        uint256[] memory words = _copy(_bookAt[p][slot][place].words);
        for (uint256 k = 0; k < words.length; ++k) {
            words[k] = Hashes.masked(words[k]);
        }
        (bool ok, bytes memory answer) = address(objections).call(_crossingCall(p, slot, place, words));
        bytes4 found = ok ? bytes4(0) : bytes4(answer);
        bytes4 expected = _objectFault(p, slot, place, words);
        if (found != expected) revert WrongOutcome("proveCrossing", expected, found);
        if (!ok) return;
        bool hidden = _crosses(words);
        assertTrue(abi.decode(answer, (bool)) == hidden, "refuted exactly if it crosses");
        if (hidden) ++reached[Reach.Refuted];
        else _shown[_bookHashes(p, slot)[place]] = true;
    }

    function _objectFault(uint32 p, uint32 slot, uint32 place, uint256[] memory words) private view returns (bytes4) {
        Session storage session = _sessions[p][slot];
        if (session.resultsRoot == 0) return IObjections.ObjectionsNotSigned.selector;
        uint128 both = session.tradedMask | session.emptiedMask;
        if (both >> place & 1 != 0) return IObjections.ObjectionsNoClaim.selector;
        if (words.length == 0) return IObjections.ObjectionsPageWrong.selector;
        return _shown[_bookHashes(p, slot)[place]] ? IObjections.ObjectionsNothingProven.selector : bytes4(0);
    }

    function _crossingCall(uint32 p, uint32 slot, uint32 place, uint256[] memory words)
        private
        view
        returns (bytes memory)
    {
        BookPage memory target = BookPage({session: gateOf[p][slot], mtu: firstMtuOf(p) + place, page: 0});
        bytes32[] memory proof = Merkle.placesProof(_bookHashes(p, slot), place);
        Bound memory book = Bound({count: uint32(words.length), pageHashes: _pageHashes(words), proof: proof});
        return abi.encodeCall(IObjections.proveCrossing, (MARKET_ID, target, book, words));
    }
}
