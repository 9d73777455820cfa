// SPDX-License-Identifier: UNLICENSED
pragma solidity 0.8.37;

import {SessionState} from "../../src/interfaces/IMarket.sol";
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
            if (pausedNow()) _sleep(pausedUntil() - block.timestamp);
            return;
        }
        if (pending[p] != 0) return _endNext(p);
        if (readCount[p] != TRADING_MTUS) return _read(p, seed);
        _settleFor(p, _mix(seed, 2), Flaw.None);
    }

    /// @dev Sessions that the ledger's own order opens over the MTUs of a period.
    function _sessionsOf(uint32 p) private pure returns (uint32) {
        return p == 1 ? 1 : SLOTS;
    }

    /// @dev The next step up to clearing; false if there is none any more. The earlier gate comes first.
    function _trade(uint32 p, uint256 seed) private returns (bool) {
        for (uint32 slot = 0; slot < _sessionsOf(p); ++slot) {
            bool due = _stateIs(p, slot, SessionState.None) && _now() + CLEAR_WINDOW + 15 minutes < startOf(p);
            if (!due) continue;
            _openFor(p, slot, seed);
            return true;
        }
        uint32 first = gateOf[p][0] < gateOf[p][1] ? 0 : 1;
        return _goOnTrading(p, first, seed) || _goOnTrading(p, 1 - first, seed);
    }

    function _goOnTrading(uint32 p, uint32 slot, uint256 seed) private returns (bool due) {
        if (_stateIs(p, slot, SessionState.None) || _stateIs(p, slot, SessionState.Done)) return false;
        _sleepUntil(gateOf[p][slot]);
        due = _now() <= _deadline(p, slot);
        if (!due) return false;
        if (_stateIs(p, slot, SessionState.Open)) _closeFor(p, slot, seed);
        else if (_stateIs(p, slot, SessionState.Closed)) _recordFor(p, slot, seed);
        else return _clearNext(p, slot, seed);
    }

    /// @dev What is wrong is tried too, and left for the session's end.
    function _clearNext(uint32 p, uint32 slot, uint256 seed) private returns (bool) {
        if (dishonest[p][slot]) {
            _clearOne(p, slot, BAD, _mix(seed, 1));
            _clearOne(p, slot, POISONED, _mix(seed, 3));
            _objectTo(p, slot, HIDDEN);
        }
        for (uint32 place = 0; place < TRADING_MTUS; ++place) {
            bool wrong = dishonest[p][slot] && place != 0;
            if (wrong || !_traded(p, slot, place)) continue;
            _clearOne(p, slot, place, _mix(seed, 2));
            return true;
        }
        return false;
    }

    /// @dev Ends a session of the period whose next step has not come.
    function _endNext(uint32 p) private {
        for (uint32 slot = 0; slot < SLOTS; ++slot) {
            if (_stateIs(p, slot, SessionState.None) || _stateIs(p, slot, SessionState.Done)) continue;
            _sleepUntil(_deadline(p, slot) + 1);
            return _end(p, slot);
        }
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
            while (pending[p] != 0) _endNext(p);
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
