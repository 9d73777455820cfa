// SPDX-License-Identifier: UNLICENSED
pragma solidity 0.8.37;

import {MtuState} from "../../src/interfaces/IMarket.sol";
import {Role} from "../../src/interfaces/IRoles.sol";
import {MoneyActs} from "./MoneyActs.sol";
import {Reach} from "./Handler.sol";

/// @notice Lets everybody do everything, in any order, rightly and wrongly; and, with `proceed`, the ledger's own order, so that most runs
/// trade, settle and become final in spite of the rest.
contract LedgerHandler is MoneyActs {
    /// @notice The parts that the invariants look at.
    function parts() external view returns (address, address, address, address, address, address) {
        return (
            address(roles),
            address(market),
            address(readings),
            address(accounts),
            address(settlement),
            address(redemptions)
        );
    }

    function area() external pure returns (bytes32) {
        return AREA;
    }

    function marketId() external pure returns (bytes32) {
        return MARKET_ID;
    }

    /// @notice The band of prices, nEUR/Wh.
    function band() external pure returns (int32, int32) {
        return (MIN_LIMIT, MAX_LIMIT);
    }

    function time() external view returns (uint64) {
        return _now();
    }

    function passTime(uint256 seed) external {
        _sleep(1 + seed % 10 minutes);
    }

    /// @notice The next step of the ledger's own order, now and then with a wrong one before it.
    function proceed(uint256 seed) external {
        if (opened.live) return _goOn(seed);
        for (uint32 p = 1; p <= PERIODS; p += 2) {
            if (settledRevisions[p] == 0) return _proceedWith(p, seed);
        }
        for (uint32 p = 1; p <= PERIODS; p += 2) {
            if (wasFinal[p]) continue;
            if (_mix(seed, 1) % 2 == 0 && _now() <= settledAt[p] + CORRECTION_WINDOW) {
                return _settleFor(p, _mix(seed, 2), Flaw.None);
            }
            _sleepUntil(settledAt[p] + CORRECTION_WINDOW + 1);
            return _finalise(p);
        }
    }

    /// @dev The last page; a settlement that cannot be completed, and now and then another one, is abandoned.
    function _goOn(uint256 seed) private {
        if (opened.flaw != Flaw.Unbalanced && _mix(seed, 1) % 6 != 0) return _continue(_mix(seed, 2));
        if (opened.flaw == Flaw.Unbalanced) _continue(_mix(seed, 2));
        _sleepUntil(opened.abandonAt + 1);
        _abandon();
    }

    function _proceedWith(uint32 p, uint256 seed) private {
        if (_trade(p, seed)) {
            // What a pause refused is tried again when it is over.
            if (pausedNow()) _sleep(pausedUntil - block.timestamp);
            return;
        }
        if (resolved[p] != TRADING_MTUS) {
            _sleepUntil(_endOf(p));
            if (_trading[p].number != 0) _sleepUntil(_lapsedAfter(p) + 1);
            _void(p);
            return;
        }
        if (readCount[p] != TRADING_MTUS) return _read(p, seed);
        _settleFor(p, _mix(seed, 2), Flaw.None);
    }

    /// @dev The next step up to clearing; false if there is none any more.
    function _trade(uint32 p, uint256 seed) private returns (bool) {
        Trading memory trading = _trading[p];
        if (trading.number == 0) {
            bool due = _now() + CLEAR_WINDOW < startOf(p);
            if (due) _open(p, seed);
            return due;
        }
        if (!trading.closed) {
            _sleepUntil(trading.gate);
            bool due = _now() <= trading.gate + CLOSE_WINDOW;
            if (due) _close(p, seed);
            return due;
        }
        if (trading.root == 0) {
            bool due = _now() <= trading.gate + SIGN_WINDOW;
            if (due) _recordFor(p, seed);
            return due;
        }
        if (_now() > trading.gate + CLEAR_WINDOW) return false;
        return _clearNext(p, seed);
    }

    function _clearNext(uint32 p, uint256 seed) private returns (bool) {
        if (stateOf[firstMtuOf(p)] == MtuState.BookClosed) _clearBad(p, _mix(seed, 1));
        // The last book is one that cannot be cleared: it is tried, and left to be voided.
        for (uint32 i = 0; i + 1 < TRADING_MTUS; ++i) {
            if (stateOf[firstMtuOf(p) + i] != MtuState.BookClosed) continue;
            _clearOne(p, i, _mix(seed, 2));
            return true;
        }
        _clearOne(p, TRADING_MTUS - 1, _mix(seed, 2));
        return false;
    }

    /// @dev Attests the first MTU that is not read; what is too late for that is marked.
    function _read(uint32 p, uint256 seed) private {
        _sleepUntil(_endOf(p));
        for (uint32 mtu = firstMtuOf(p); mtu < firstMtuOf(p) + TRADING_MTUS; ++mtu) {
            if (readingRevisions[mtu] != 0) continue;
            if (_now() > startOf(p) + ATTEST_WINDOW + 15 minutes || seed % 16 == 0) {
                _sleepUntil(_endOf(p) + ATTEST_WINDOW + 1);
                return _mark(p);
            }
            _attestOne(p, mtu, _mix(seed, 3));
        }
    }

    function startOf(uint32 p) public pure returns (uint64) {
        return _endOf(p) - TRADING_MTUS * 15 minutes;
    }

    /// @notice Takes every trading period to its end, whatever happened before, without operator, DSO, treasurer and security admins.
    function drain() external {
        if (opened.live) {
            _sleepUntil(opened.abandonAt + 1);
            _abandon();
        }
        _sleepUntil(_endOf(PERIODS) + ATTEST_WINDOW + 1);
        for (uint32 p = 1; p <= PERIODS; p += 2) {
            if (resolved[p] != TRADING_MTUS) _void(p);
            if (readCount[p] != TRADING_MTUS) _mark(p);
            if (settledRevisions[p] == 0) _settleWhole(p);
        }
        _sleepUntil(_now() + CORRECTION_WINDOW + 1);
        for (uint32 p = 1; p <= PERIODS; p += 2) {
            if (!wasFinal[p]) _finalise(p);
        }
    }

    function _settleWhole(uint32 p) private {
        _settleFor(p, p, Flaw.None);
        // A stray page first leaves it open for another try.
        if (opened.live) _continue(1);
    }
}
