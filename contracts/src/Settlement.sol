// SPDX-License-Identifier: UNLICENSED
pragma solidity 0.8.37;

import {EIP712} from "@openzeppelin/contracts/utils/cryptography/EIP712.sol";

import {Cursor, IAccounts} from "./interfaces/IAccounts.sol";
import {ICalendar, Period} from "./interfaces/ICalendar.sol";
import {IMarket} from "./interfaces/IMarket.sol";
import {IReadings} from "./interfaces/IReadings.sol";
import {IRoles} from "./interfaces/IRoles.sol";
import {ISettlement, OpenSettlement, SettlementPage, SettlementState} from "./interfaces/ISettlement.sol";
import {Hashes} from "./libraries/Hashes.sol";
import {MarketClock} from "./libraries/MarketClock.sol";
import {Time} from "./libraries/Time.sol";

/// @title Settlement (documented on ISettlement)
contract Settlement is ISettlement, EIP712, MarketClock {
    /// @notice Pages per settlement: 131,072 accounts in pages of 256.
    uint256 public constant MAX_PAGES = 512;

    /// @notice Periods that one settlement counts as settled at most.
    uint256 public constant MAX_ADVANCE = 16;

    /// @dev A settlement between its pages, one per area at most: it books under `batch`.
    struct Open {
        bytes32 id;
        bytes32 readingsRoot;
        Cursor cursor;
        uint32 nextPage;
        uint32 batch;
        uint64 abandonAt;
    }

    IRoles private immutable ROLES;
    ICalendar private immutable CALENDAR;
    IMarket private immutable MARKET;
    IReadings private immutable READINGS;
    IAccounts private immutable ACCOUNTS;
    uint32 private immutable PAGE_SECONDS;

    mapping(bytes32 area => Open) private _opens;
    mapping(bytes32 area => mapping(uint32 period => SettlementState)) private _settlements;
    mapping(bytes32 area => uint32) private _settledThrough;
    mapping(bytes32 area => uint32) private _finalCounts;
    mapping(bytes32 area => mapping(uint32 period => mapping(uint32 revision => bytes32))) private _statementsRoots;

    constructor(
        IRoles roles,
        ICalendar calendar,
        IMarket market,
        IReadings readings,
        IAccounts accounts,
        uint32 pageSeconds_
    ) EIP712("DOMINOES", "1") MarketClock(calendar) {
        if (pageSeconds_ == 0 || pageSeconds_ > Time.MAX_WINDOW_SECONDS) {
            revert SettlementConfigInvalid();
        }
        bool together = calendar.roles() == address(roles) && market.roles() == address(roles)
            && market.calendar() == address(calendar) && readings.roles() == address(roles)
            && readings.calendar() == address(calendar) && accounts.roles() == address(roles)
            && accounts.calendar() == address(calendar) && accounts.settlement() == address(this);
        if (!together) revert SettlementPartsUnlike();
        ROLES = roles;
        CALENDAR = calendar;
        MARKET = market;
        READINGS = readings;
        ACCOUNTS = accounts;
        PAGE_SECONDS = pageSeconds_;
    }

    /* SETTLEMENT */

    /// @inheritdoc ISettlement
    function settle(
        SettlementPage calldata target,
        bytes32[] calldata pageHashes,
        uint256[] calldata words,
        bytes[] calldata signatures
    ) external {
        _requirePage(target.page, pageHashes, words);
        bytes32 wordsHash = Hashes.chain(pageHashes);
        Open memory open =
            target.page == 0 ? _begin(target, wordsHash, pageHashes.length, signatures) : _continue(target, wordsHash);
        open.cursor = ACCOUNTS.book(target.area, open.batch, open.cursor, words);

        if (open.id != 0) {
            emit SettlementPageBooked(target.area, target.period, target.revision, target.page, open.id);
        }
        if (uint256(target.page) + 1 < pageHashes.length) {
            open.nextPage = target.page + 1;
            _opens[target.area] = open;
            return;
        }
        if (open.cursor.sumNeur != 0) revert SettlementUnbalanced(open.cursor.sumNeur);
        if (open.id != 0) {
            ACCOUNTS.closeBatch(target.area, true);
            delete _opens[target.area];
        }
        _commit(target, wordsHash, open.readingsRoot);
    }

    /// @inheritdoc ISettlement
    function abandonSettlement(bytes32 area) external {
        Open storage open = _opens[area];
        (bytes32 id, uint64 abandonAt) = (open.id, open.abandonAt);
        if (id == 0) revert SettlementNotOpen();
        uint64 time = _marketTime();
        if (time <= abandonAt) revert SettlementTooEarly(abandonAt + 1, time);
        delete _opens[area];
        ACCOUNTS.closeBatch(area, false);
        emit SettlementAbandoned(id);
    }

    /// @inheritdoc ISettlement
    function finalise(bytes32 area, uint32 period) external {
        SettlementState storage state = _settlements[area][period];
        if (state.revisions == 0) revert SettlementNone(area, period);
        if (state.isFinal) revert SettlementFinal(area, period);
        _requireNoneOpen(area);
        uint64 horizon = _horizon(area, state.settledAt);
        uint64 time = _marketTime();
        if (time <= horizon) revert SettlementTooEarly(horizon + 1, time);
        state.isFinal = true;
        ++_finalCounts[area];
        _advance(area);
        emit PeriodFinalised(area, period);
    }

    /* VIEWS */

    /// @inheritdoc ISettlement
    function settlementOf(bytes32 area, uint32 period) external view returns (SettlementState memory) {
        return _settlements[area][period];
    }

    /// @inheritdoc ISettlement
    function settledThrough(bytes32 area) external view returns (uint32) {
        return _settledThrough[area];
    }

    /// @inheritdoc ISettlement
    function finalCount(bytes32 area) external view returns (uint32) {
        return _finalCounts[area];
    }

    /// @inheritdoc ISettlement
    function statementsRootOf(bytes32 area, uint32 period, uint32 revision) external view returns (bytes32) {
        return _statementsRoots[area][period][revision];
    }

    /// @inheritdoc ISettlement
    function openSettlement(bytes32 area) external view returns (OpenSettlement memory) {
        Open storage open = _opens[area];
        return OpenSettlement({id: open.id, nextPage: open.nextPage, abandonAt: open.abandonAt});
    }

    /// @inheritdoc ISettlement
    function pageSeconds() external view returns (uint32) {
        return PAGE_SECONDS;
    }

    /// @inheritdoc ISettlement
    function settlementDigest(
        bytes32 area,
        uint32 period,
        uint32 revision,
        bytes32 wordsHash,
        bytes32 clearingRoot,
        bytes32 readingsRoot,
        bytes32 statementsRoot,
        bytes32 tariffHash
    ) external view returns (bytes32) {
        return _digest(
            Hashes.SignedSettlement({
                area: area,
                period: period,
                revision: revision,
                wordsHash: wordsHash,
                clearingRoot: clearingRoot,
                readingsRoot: readingsRoot,
                statementsRoot: statementsRoot,
                tariffHash: tariffHash
            })
        );
    }

    /// @inheritdoc ISettlement
    function domainSeparator() external view returns (bytes32) {
        return _domainSeparatorV4();
    }

    /* INTERNAL */

    /// @dev Pages are as large as its proposer made them, so that each fits a block; a settlement without amounts has no page and comes as page 0 without words.
    function _requirePage(uint256 page, bytes32[] calldata pageHashes, uint256[] calldata words) private pure {
        uint256 pages = pageHashes.length;
        if (pages == 0) {
            if (page != 0 || words.length != 0) revert SettlementPageInvalid();
            return;
        }
        bool sized = words.length != 0 && words.length <= Hashes.PAGE_WORDS;
        if (pages > MAX_PAGES || page >= pages || !sized) revert SettlementPageInvalid();
        bytes32 given = keccak256(abi.encodePacked(words));
        if (given != pageHashes[page]) revert SettlementPageHashWrong(uint32(page));
    }

    function _settlementId(SettlementPage calldata target, bytes32 wordsHash) private pure returns (bytes32) {
        return keccak256(
            abi.encode(target.area, target.period, target.revision, wordsHash, target.statementsRoot, target.tariffHash)
        );
    }

    /// @dev The open settlement, if this is its next page.
    function _continue(SettlementPage calldata target, bytes32 wordsHash) private view returns (Open memory open) {
        open = _opens[target.area];
        bool sameOne = open.id != 0 && open.id == _settlementId(target, wordsHash);
        if (!sameOne || open.nextPage != target.page) revert SettlementPageOrder(sameOne ? open.nextPage : 0);
    }

    /// @dev Checks everything about a settlement but its words. With a single page nothing is ever stored as open: its id stays 0.
    function _begin(SettlementPage calldata target, bytes32 wordsHash, uint256 pages, bytes[] calldata signatures)
        private
        returns (Open memory open)
    {
        _requireNoneOpen(target.area);
        _requireSettleable(target.area, target.period, target.revision);
        open.readingsRoot = _requireSigned(target, wordsHash, signatures);
        if (pages > 1) {
            open.id = _settlementId(target, wordsHash);
            open.abandonAt = _marketTime() + PAGE_SECONDS;
            open.batch = ACCOUNTS.openBatch(target.area);
        }
    }

    /// @dev Checks the attesters' signatures over words and roots; returns the readings root they signed.
    function _requireSigned(SettlementPage calldata target, bytes32 wordsHash, bytes[] calldata signatures)
        private
        returns (bytes32 readingsRoot)
    {
        readingsRoot = READINGS.readingsRoot(target.area, target.period);
        bytes32 digest = _digest(
            Hashes.SignedSettlement({
                area: target.area,
                period: target.period,
                revision: target.revision,
                wordsHash: wordsHash,
                clearingRoot: MARKET.clearingRoot(target.area, target.period),
                readingsRoot: readingsRoot,
                statementsRoot: target.statementsRoot,
                tariffHash: target.tariffHash
            })
        );
        ROLES.requireQuorum(digest, target.area, signatures);
        emit SettlementSigned(target.area, target.period, target.revision, digest, signatures);
    }

    function _requireSettleable(bytes32 area, uint32 period, uint32 revision) private view {
        SettlementState memory state = _settlements[area][period];
        if (state.isFinal) revert SettlementFinal(area, period);
        if (revision != state.revisions) revert SettlementRevisionWrong(state.revisions, revision);
        uint64 time = _marketTime();
        if (revision != 0) {
            uint64 horizon = _horizon(area, state.settledAt);
            if (time > horizon) revert SettlementTooLate(horizon, time);
            return;
        }
        Period memory bounds = CALENDAR.periodOf(area, period);
        uint64 ended = Time.startOf(uint256(bounds.firstMtu) + bounds.count);
        if (time < ended) revert SettlementTooEarly(ended, time);
        uint256 pending = MARKET.pendingCount(area, period);
        if (pending != 0) revert SettlementPending(pending);
        uint256 read = READINGS.resolvedCount(area, period);
        if (read != bounds.count) revert SettlementUnread(read, bounds.count);
    }

    function _horizon(bytes32 area, uint64 settledAt) private view returns (uint64) {
        return settledAt + CALENDAR.areaOf(area).horizonSeconds;
    }

    function _commit(SettlementPage calldata target, bytes32 wordsHash, bytes32 readingsRoot) private {
        SettlementState storage state = _settlements[target.area][target.period];
        state.revisions = target.revision + 1;
        if (target.revision == 0) {
            state.settledAt = _marketTime();
            _advance(target.area);
        }
        _statementsRoots[target.area][target.period][target.revision] = target.statementsRoot;
        emit PeriodSettled(
            target.area,
            target.period,
            target.revision,
            wordsHash,
            MARKET.clearingRoot(target.area, target.period),
            readingsRoot,
            target.statementsRoot,
            target.tariffHash
        );
    }

    /// @dev Counts the periods up to which all are settled; a few at a time, so that no settlement pays for many late ones.
    function _advance(bytes32 area) private {
        uint32 through = _settledThrough[area];
        for (uint256 i = 0; i < MAX_ADVANCE && _settlements[area][through + 1].revisions != 0; ++i) {
            ++through;
        }
        _settledThrough[area] = through;
    }

    function _requireNoneOpen(bytes32 area) private view {
        bytes32 id = _opens[area].id;
        if (id != 0) revert SettlementBusy(id);
    }

    function _digest(Hashes.SignedSettlement memory settlement) private view returns (bytes32) {
        return _hashTypedDataV4(Hashes.settlement(settlement));
    }
}
