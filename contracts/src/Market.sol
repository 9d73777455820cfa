// SPDX-License-Identifier: UNLICENSED
pragma solidity 0.8.37;

import {ECDSA} from "@openzeppelin/contracts/utils/cryptography/ECDSA.sol";
import {EIP712} from "@openzeppelin/contracts/utils/cryptography/EIP712.sol";
import {MerkleProof} from "@openzeppelin/contracts/utils/cryptography/MerkleProof.sol";

import {ICalendar, Period} from "./interfaces/ICalendar.sol";
import {IMarket, MarketKind, MarketParams, MtuState, Program, Result, ResultPage} from "./interfaces/IMarket.sol";
import {IRoles, Role} from "./interfaces/IRoles.sol";
import {BookScan} from "./libraries/BookScan.sol";
import {Hashes} from "./libraries/Hashes.sol";
import {MarketClock} from "./libraries/MarketClock.sol";
import {Time} from "./libraries/Time.sol";

/// @title Market (documented on IMarket)
contract Market is IMarket, EIP712, MarketClock {
    /// @dev How orders of its markets find each other.
    MarketKind private constant KIND = MarketKind.Auction;

    /// @notice Markets per area, so that what a settlement must wait for is counted in bounded work.
    uint256 public constant MAX_MARKETS_PER_AREA = 16;

    /// @notice MTUs per program: a local day has up to 100.
    uint32 public constant MAX_PROGRAM_MTUS = 128;

    /// @notice Orders per book: 64 pages.
    uint32 public constant MAX_BOOK_ORDERS = uint32(64 * Hashes.PAGE_WORDS);

    /// @notice MTUs one call may void.
    uint32 public constant MAX_VOID_MTUS = 3200;

    struct Stored {
        MarketParams params;
        uint32 firstPeriod;
        /// @dev First MTU that no program has reached yet.
        uint32 nextMtu;
        uint32 programCount;
        mapping(uint32 program => Program) programs;
    }

    /// @dev `commitment` is the book hash from its closing on (never 0) and, once Cleared, the result hash in its place.
    /// `state` is written only when the MTU is resolved: that a book is closed is seen from its hash.
    struct Mtu {
        bytes32 commitment;
        int32 priceNeurPerWh;
        uint64 tradedLots;
        MtuState state;
    }

    struct Running {
        bytes32 root;
        uint256 resolved;
    }

    IRoles private immutable ROLES;
    ICalendar private immutable CALENDAR;

    mapping(bytes32 market => Stored) private _markets;
    mapping(bytes32 area => uint32[] firstPeriods) private _areaMarkets;
    mapping(bytes32 area => uint32) private _lastPeriods;
    mapping(bytes32 market => mapping(uint32 mtu => Mtu)) private _mtus;
    mapping(bytes32 area => mapping(uint32 period => Running)) private _running;
    mapping(bytes32 resultHash => BookScan.Tally) private _pageTallies;

    constructor(IRoles roles_, ICalendar calendar_) EIP712("DOMINOES", "1") MarketClock(calendar_) {
        ROLES = roles_;
        CALENDAR = calendar_;
    }

    /* MARKETS AND PROGRAMS */

    /// @inheritdoc IMarket
    function createMarket(bytes32 market, MarketParams calldata params) external {
        ROLES.requireRole(msg.sender, Role.Registrar, 0);
        if (market == 0 || !_validParams(params)) revert MarketParamsInvalid();
        Stored storage stored = _markets[market];
        if (stored.firstPeriod != 0) revert MarketExists(market);
        CALENDAR.areaOf(params.area); // reverts where there is no such area
        uint32[] storage firstPeriods = _areaMarkets[params.area];
        if (firstPeriods.length == MAX_MARKETS_PER_AREA) revert MarketTooMany(params.area);

        uint32 firstPeriod = CALENDAR.periodCount(params.area) + 1;
        stored.params = params;
        stored.firstPeriod = firstPeriod;
        firstPeriods.push(firstPeriod);
        emit MarketCreated(market, params.area, firstPeriod, params);
    }

    /// @inheritdoc IMarket
    function openProgram(bytes32 market, uint32 period, uint32 firstMtu, uint32 count, uint64 gate)
        external
        returns (uint32 program)
    {
        Stored storage stored = _market(market);
        bytes32 area = stored.params.area;
        ROLES.requireRole(msg.sender, Role.Operator, area);
        ROLES.requireNotPaused();
        if (period < stored.firstPeriod) revert MarketNotInPeriod(market, period);
        Period memory bounds = CALENDAR.periodOf(area, period);
        if (count == 0 || count > MAX_PROGRAM_MTUS || firstMtu < stored.nextMtu || !_inside(bounds, firstMtu, count)) {
            revert MarketProgramInvalid();
        }
        uint64 time = _marketTime();
        // The first comparison bounds the gate, so the sum in the second cannot overflow.
        if (gate <= time || gate > Time.startOf(firstMtu) || gate + stored.params.clearSeconds > Time.startOf(firstMtu))
        {
            revert MarketGateInvalid(gate, time);
        }
        stored.nextMtu = firstMtu + count;
        if (period > _lastPeriods[area]) _lastPeriods[area] = period;
        program = ++stored.programCount;
        stored.programs[program] =
            Program({firstMtu: firstMtu, count: count, period: period, gate: gate, closed: false, resultsRoot: 0});
        emit ProgramOpened(market, program, period, firstMtu, count, gate);
    }

    /// @inheritdoc IMarket
    function closeBooks(bytes32 market, uint32 program, bytes32[] calldata chains, uint32[] calldata counts) external {
        Stored storage stored = _market(market);
        ROLES.requireRole(msg.sender, Role.Operator, stored.params.area);
        ROLES.requireNotPaused();
        Program storage opened = _program(market, program);
        if (opened.closed) revert MarketBooksClosed(market, program);
        uint64 time = _marketTime();
        if (time < opened.gate) revert MarketTooEarly(opened.gate, time);
        _requireUntil(opened.gate + stored.params.graceSeconds, time);
        if (chains.length != opened.count || counts.length != opened.count) revert MarketBooksInvalid();

        opened.closed = true;
        uint32 firstMtu = opened.firstMtu;
        for (uint32 i = 0; i < chains.length; ++i) {
            if ((chains[i] == 0) != (counts[i] == 0) || counts[i] > MAX_BOOK_ORDERS) revert MarketBooksInvalid();
            _mtus[market][firstMtu + i].commitment = Hashes.book(chains[i], counts[i]);
        }
        emit BooksClosed(market, program, firstMtu, chains, counts);
    }

    /// @inheritdoc IMarket
    function recordProgram(
        bytes32 market,
        uint32 program,
        bytes32 resultsRoot,
        bytes32 gridModelHash,
        bytes32 reportHash,
        uint64 deadline,
        bytes calldata signature
    ) external {
        ROLES.requireNotPaused();
        Program storage opened = _program(market, program);
        if (!opened.closed) revert MarketBooksOpen(market, program);
        if (opened.resultsRoot != 0) revert MarketProgramRecorded(market, program);
        if (resultsRoot == 0) revert MarketRootInvalid();
        _requireSignTime(market, opened.gate, deadline);
        opened.resultsRoot = resultsRoot;
        address dso = _requireDso(
            market,
            programDigest(market, opened.firstMtu, opened.count, resultsRoot, gridModelHash, reportHash, deadline),
            signature
        );
        emit ProgramRecorded(market, program, resultsRoot, gridModelHash, reportHash, deadline, dso, signature);
    }

    /* CLEARING */

    /// @inheritdoc IMarket
    function clear(
        bytes32 market,
        ResultPage calldata target,
        bytes32[] calldata pageHashes,
        uint256[] calldata words,
        bytes32[] calldata proof
    ) external {
        ROLES.requireNotPaused();
        MarketParams memory params = _market(market).params;
        Program memory opened = _program(market, target.program);
        _requireClearable(market, params, opened, target);
        _requirePageShape(target, pageHashes.length, words.length);
        bytes32 resultHash = _boundResult(market, target, pageHashes, proof, opened.resultsRoot);

        BookScan.Tally memory tally = _tallyPage(resultHash, target.page, pageHashes, words, _band(params));
        if (uint256(target.page) + 1 < pageHashes.length) {
            _pageTallies[resultHash] = tally;
            emit PageVerified(market, target.mtu, resultHash, target.page);
            return;
        }
        if (pageHashes.length > 1) delete _pageTallies[resultHash];
        _requireBest(_mtus[market][target.mtu].commitment, target, tally);
        _clear(market, params.area, opened.period, target, tally.boughtLots, resultHash);
    }

    /// @inheritdoc IMarket
    function voidMtus(bytes32 market, uint32 period, uint32 program, uint32 firstMtu, uint32 count) external {
        Stored storage stored = _market(market);
        bytes32 area = stored.params.area;
        if (period < stored.firstPeriod) revert MarketNotInPeriod(market, period);
        if (count == 0 || count > MAX_VOID_MTUS || !_inside(CALENDAR.periodOf(area, period), firstMtu, count)) {
            revert MarketRangeInvalid();
        }
        uint64 time = _marketTime();
        bool opened = _insideProgram(stored, program, firstMtu, count);
        if (opened) {
            uint64 until = _deadline(stored.params, stored.programs[program]);
            if (time <= until) revert MarketTooEarly(until + 1, time);
        }

        Running storage running = _running[area][period];
        (bytes32 root, uint256 voided) = (running.root, 0);
        for (uint32 mtu = firstMtu; mtu < firstMtu + count; ++mtu) {
            // In no program: missed once it starts, because a gate lies before the MTUs it closes.
            if (!opened && Time.startOf(mtu) > time) break;
            Mtu storage slot = _mtus[market][mtu];
            if (slot.state != MtuState.Open) continue;
            slot.state = MtuState.Void;
            root = Hashes.clearingLink(root, market, mtu, 0);
            ++voided;
            emit MtuVoided(market, mtu, root);
        }
        if (voided == 0) revert MarketNothingToVoid();
        running.root = root;
        running.resolved += voided;
    }

    /* VIEWS */

    /// @inheritdoc IMarket
    function roles() external view returns (address) {
        return address(ROLES);
    }

    /// @inheritdoc IMarket
    function calendar() external view returns (address) {
        return address(CALENDAR);
    }

    /// @inheritdoc IMarket
    function lastPeriod(bytes32 area) external view returns (uint32) {
        return _lastPeriods[area];
    }

    /// @inheritdoc IMarket
    function paramsOf(bytes32 market) external view returns (MarketParams memory) {
        return _market(market).params;
    }

    /// @inheritdoc IMarket
    function firstPeriodOf(bytes32 market) external view returns (uint32) {
        return _market(market).firstPeriod;
    }

    /// @inheritdoc IMarket
    function programCount(bytes32 market) external view returns (uint32) {
        return _markets[market].programCount;
    }

    /// @inheritdoc IMarket
    function programOf(bytes32 market, uint32 program) external view returns (Program memory) {
        return _program(market, program);
    }

    /// @inheritdoc IMarket
    function stateOf(bytes32 market, uint32 mtu) public view returns (MtuState) {
        Mtu storage slot = _mtus[market][mtu];
        if (slot.state != MtuState.Open) return slot.state;
        return slot.commitment == 0 ? MtuState.Open : MtuState.BookClosed;
    }

    /// @inheritdoc IMarket
    function bookHashOf(bytes32 market, uint32 mtu) external view returns (bytes32) {
        Mtu storage slot = _mtus[market][mtu];
        return slot.state == MtuState.Cleared ? bytes32(0) : slot.commitment;
    }

    /// @inheritdoc IMarket
    function resultOf(bytes32 market, uint32 mtu) external view returns (Result memory) {
        Mtu storage slot = _mtus[market][mtu];
        bool cleared = slot.state == MtuState.Cleared;
        return Result({
            priceNeurPerWh: cleared ? slot.priceNeurPerWh : Hashes.NO_PRICE,
            tradedLots: slot.tradedLots,
            resultHash: cleared ? slot.commitment : bytes32(0)
        });
    }

    /// @inheritdoc IMarket
    function verifiedPages(bytes32 resultHash) external view returns (uint32) {
        return _pageTallies[resultHash].pages;
    }

    /// @inheritdoc IMarket
    function clearingRoot(bytes32 area, uint32 period) external view returns (bytes32) {
        return _running[area][period].root;
    }

    /// @inheritdoc IMarket
    function resolvedCount(bytes32 area, uint32 period) external view returns (uint256) {
        return _running[area][period].resolved;
    }

    /// @inheritdoc IMarket
    function requiredCount(bytes32 area, uint32 period) external view returns (uint256) {
        uint32[] storage firstPeriods = _areaMarkets[area];
        uint256 taking = 0;
        for (uint256 i = 0; i < firstPeriods.length; ++i) {
            if (firstPeriods[i] <= period) ++taking;
        }
        return taking * CALENDAR.periodOf(area, period).count;
    }

    /// @inheritdoc IMarket
    function programDigest(
        bytes32 market,
        uint32 firstMtu,
        uint32 count,
        bytes32 resultsRoot,
        bytes32 gridModelHash,
        bytes32 reportHash,
        uint64 deadline
    ) public view returns (bytes32) {
        return _hashTypedDataV4(
            Hashes.program(
                Hashes.SignedProgram({
                    market: market,
                    firstMtu: firstMtu,
                    count: count,
                    resultsRoot: resultsRoot,
                    gridModelHash: gridModelHash,
                    reportHash: reportHash,
                    deadline: deadline
                })
            )
        );
    }

    /// @inheritdoc IMarket
    function domainSeparator() external view returns (bytes32) {
        return _domainSeparatorV4();
    }

    /* INTERNAL: CHECKS */

    function _validParams(MarketParams calldata params) private pure returns (bool) {
        if (params.lotWh == 0 || params.tickNeurPerWh == 0 || params.minLimitNeurPerWh == Hashes.NO_PRICE) {
            return false;
        }
        if (params.minLimitNeurPerWh > params.maxLimitNeurPerWh) return false;
        int256 tick = int256(uint256(params.tickNeurPerWh));
        if (params.minLimitNeurPerWh % tick != 0 || params.maxLimitNeurPerWh % tick != 0) return false;
        return params.graceSeconds != 0 && params.graceSeconds <= params.signSeconds
            && params.signSeconds <= params.clearSeconds && params.clearSeconds <= Time.MAX_WINDOW_SECONDS;
    }

    function _market(bytes32 market) private view returns (Stored storage stored) {
        stored = _markets[market];
        if (stored.params.lotWh == 0) revert MarketUnknown(market);
    }

    function _program(bytes32 market, uint32 program) private view returns (Program storage opened) {
        opened = _markets[market].programs[program];
        if (opened.count == 0) revert MarketProgramUnknown(market, program);
    }

    function _inside(Period memory period, uint32 firstMtu, uint32 count) private pure returns (bool) {
        return firstMtu >= period.firstMtu && uint256(firstMtu) + count <= uint256(period.firstMtu) + period.count;
    }

    /// @dev Whether the range lies in the program (or else behind it and before the next); reverts where it does neither.
    function _insideProgram(Stored storage stored, uint32 program, uint32 firstMtu, uint32 count)
        private
        view
        returns (bool)
    {
        uint32 programs = stored.programCount;
        if (program > programs) revert MarketHintWrong(program, firstMtu);
        if (program != 0) {
            Program storage hinted = stored.programs[program];
            uint32 hintedEnd = hinted.firstMtu + hinted.count;
            if (firstMtu >= hinted.firstMtu && firstMtu + count <= hintedEnd) return true;
            if (firstMtu < hintedEnd) revert MarketHintWrong(program, firstMtu);
        }
        bool reachesNext = program < programs && firstMtu + count > stored.programs[program + 1].firstMtu;
        if (reachesNext) revert MarketHintWrong(program, firstMtu);
        return false;
    }

    /// @dev Until when the next step of an opened program must have come.
    function _deadline(MarketParams storage params, Program storage opened) private view returns (uint64) {
        return opened.gate + (opened.closed ? params.clearSeconds : params.graceSeconds);
    }

    function _requireUntil(uint64 until, uint64 time) private pure {
        if (time > until) revert MarketTooLate(until, time);
    }

    function _requireSignTime(bytes32 market, uint64 gate, uint64 deadline) private view {
        uint64 until = gate + _markets[market].params.signSeconds;
        _requireUntil(deadline < until ? deadline : until, _marketTime());
    }

    function _requireDso(bytes32 market, bytes32 digest, bytes calldata signature) private view returns (address dso) {
        dso = ECDSA.recover(digest, signature);
        ROLES.requireRole(dso, Role.Dso, _markets[market].params.area);
    }

    function _requireClearable(
        bytes32 market,
        MarketParams memory params,
        Program memory opened,
        ResultPage calldata target
    ) private view {
        if (opened.resultsRoot == 0) revert MarketProgramNotRecorded(market, target.program);
        if (target.mtu < opened.firstMtu || target.mtu >= opened.firstMtu + opened.count) {
            revert MarketMtuNotInProgram(target.mtu);
        }
        // Its books are closed, or no program would be recorded.
        MtuState state = _mtus[market][target.mtu].state;
        if (state != MtuState.Open) revert MarketStateWrong(target.mtu, state);
        _requireUntil(opened.gate + params.clearSeconds, _marketTime());
    }

    /// @dev All pages but the last are full; an empty book has no page and comes as page 0 without words.
    function _requirePageShape(ResultPage calldata target, uint256 pages, uint256 words) private pure {
        uint256 before = uint256(target.page) * Hashes.PAGE_WORDS;
        uint256 expectedPages = (uint256(target.count) + Hashes.PAGE_WORDS - 1) / Hashes.PAGE_WORDS;
        if (pages != expectedPages || (target.page >= pages && (pages != 0 || target.page != 0))) {
            revert MarketPageInvalid();
        }
        uint256 left = target.count - before;
        if (words != (left < Hashes.PAGE_WORDS ? left : Hashes.PAGE_WORDS)) revert MarketPageInvalid();
    }

    /// @dev The committed book, allocated as no other way is better, at the price of the rule.
    function _requireBest(bytes32 committed, ResultPage calldata target, BookScan.Tally memory tally) private pure {
        bytes32 given = Hashes.book(tally.maskedChain, target.count);
        if (given != committed) revert MarketBookHashWrong(committed, given);
        BookScan.requireOptimum(KIND, tally);
        int32 price = BookScan.price(KIND, tally);
        if (price != target.priceNeurPerWh) revert MarketPriceWrong(price, target.priceNeurPerWh);
    }

    /// @dev The hash of the result the pages belong to; reverts unless the DSO signed it.
    function _boundResult(
        bytes32 market,
        ResultPage calldata target,
        bytes32[] calldata pageHashes,
        bytes32[] calldata proof,
        bytes32 resultsRoot
    ) private pure returns (bytes32 resultHash) {
        resultHash = Hashes.result(market, target.mtu, target.priceNeurPerWh, Hashes.chain(pageHashes), target.count);
        if (!MerkleProof.verifyCalldata(proof, resultsRoot, Hashes.leaf(resultHash))) {
            revert MarketResultUnsigned(resultHash);
        }
    }

    function _band(MarketParams memory params) private pure returns (BookScan.Band memory) {
        return BookScan.Band({
            min: params.minLimitNeurPerWh,
            max: params.maxLimitNeurPerWh,
            tick: int256(uint256(params.tickNeurPerWh))
        });
    }

    /* INTERNAL: EFFECTS */

    /// @dev Checks one page and adds it to what the pages before it amount to.
    function _tallyPage(
        bytes32 resultHash,
        uint32 page,
        bytes32[] calldata pageHashes,
        uint256[] calldata words,
        BookScan.Band memory band
    ) private view returns (BookScan.Tally memory tally) {
        tally = BookScan.start();
        if (pageHashes.length == 0) return tally;
        if (pageHashes.length > 1) {
            uint32 expected = _pageTallies[resultHash].pages;
            if (page != expected) revert MarketPageOrder(expected);
            if (page != 0) tally = _pageTallies[resultHash];
        }
        if (BookScan.scan(KIND, words, tally, band) != pageHashes[page]) revert MarketPageHashWrong(page);
    }

    function _clear(
        bytes32 market,
        bytes32 area,
        uint32 period,
        ResultPage calldata target,
        uint64 tradedLots,
        bytes32 resultHash
    ) private {
        Mtu storage slot = _mtus[market][target.mtu];
        slot.commitment = resultHash;
        slot.priceNeurPerWh = target.priceNeurPerWh;
        slot.tradedLots = tradedLots;
        slot.state = MtuState.Cleared;
        Running storage running = _running[area][period];
        bytes32 root = Hashes.clearingLink(running.root, market, target.mtu, resultHash);
        running.root = root;
        ++running.resolved;
        emit MtuCleared(market, target.mtu, target.priceNeurPerWh, tradedLots, resultHash, root);
    }
}
