// SPDX-License-Identifier: UNLICENSED
pragma solidity 0.8.37;

import {Calendar} from "../../src/Calendar.sol";
import {Objections} from "../../src/Objections.sol";
import {Readings} from "../../src/Readings.sol";
import {Roles} from "../../src/Roles.sol";
import {AreaParams} from "../../src/interfaces/ICalendar.sol";
import {MarketParams} from "../../src/interfaces/IMarket.sol";
import {Grant, IRoles, Role, RolesConfig} from "../../src/interfaces/IRoles.sol";
import {Time} from "../../src/libraries/Time.sol";
import {LedgerTest} from "../base/LedgerTest.sol";
import {staying} from "../base/Staying.sol";
import {vm} from "../base/Vm.sol";

/// @notice What a campaign has reached, over all its runs.
enum Reach {
    Runs,
    Trades,
    BadResultsRefused,
    Settled,
    PagedSettled,
    Abandoned,
    Corrections,
    Final,
    PausedMinutes,
    PausedRefusals,
    Covered,
    Redeemed,
    Replaced,
    RolesChanged,
    ReplaysRefused,
    ForeignSuspended,
    Refuted
}

/// @notice A ledger with short windows, so that a hundred acts see weeks of it; and the one way in which acts call it.
/// @dev Every act says beforehand, from its own account of the past (the ghosts), what must come of it: success, or one named error.
/// Anything else fails the run. Trading periods are the odd ones; the idle ones between them give time.
abstract contract Handler is LedgerTest {
    uint32 public constant PERIODS = 5;
    uint32 public constant TRADING_MTUS = 4;
    uint32 internal constant IDLE_MTUS = 60;

    uint32 internal constant ROLE_DELAY = 30 minutes;
    uint32 public constant PAUSE_LIMIT = 25 minutes;
    uint32 internal constant PAUSE_REST = 1 hours;
    uint32 internal constant CLOSE_WINDOW = 30 minutes;
    uint32 internal constant SIGN_WINDOW = 1 hours;
    uint32 internal constant CLEAR_WINDOW = 90 minutes;
    uint32 internal constant ATTEST_WINDOW = 1 hours;
    uint32 internal constant CORRECTION_WINDOW = 32 days;
    uint32 public constant REDEEM_WAIT = 80 minutes;
    uint32 public constant OPEN_PAGES_WINDOW = 45 minutes;

    /// @dev A second key of the first attester's organisation.
    uint256 internal constant TWIN_KEY = 0xB9;

    /// @dev Another area, and its two attesters.
    bytes32 internal constant OTHER_AREA = keccak256("grid/lv2");
    uint256 internal constant OTHER_KEY = 0xF1;
    uint256 internal constant SECOND_OTHER_KEY = 0xF2;

    /// @notice Thrown when an act ended otherwise than its ghosts say; an expectation of 0 is success.
    error WrongOutcome(string act, bytes4 expected, bytes4 found);

    Objections internal objections;

    /// @dev Block times.
    struct Pause {
        uint256 from;
        uint256 until;
    }

    /// @dev The pauses so far, the last one running or over.
    Pause[] internal _pauses;

    /// @dev Block time at which the last pause of each organisation ends or ended, and whose was the last of all.
    mapping(bytes32 organisation => uint256) internal _pauseEnds;
    bytes32 internal _pausing;

    mapping(Reach => uint256) public reached;

    constructor() {
        setUp();
    }

    function setUp() public virtual override {
        if (address(roles) != address(0)) return;
        super.setUp();
        _deployShort();
        for (uint32 p = 1; p <= PERIODS; ++p) {
            vm.prank(operator);
            calendar.declarePeriod(AREA, firstMtuOf(p), _mtusOf(p));
        }
    }

    function _deployShort() private {
        RolesConfig memory config = RolesConfig({
            attesterThreshold: THRESHOLD,
            delaySeconds: ROLE_DELAY,
            pauseSeconds: PAUSE_LIMIT,
            coolDownSeconds: PAUSE_REST
        });
        roles = new Roles(config, _initialGrants());
        calendar = new Calendar(roles, staying(), T0, _blockStart(), 1);
        _deployMarket();
        objections = new Objections(market);
        readings = new Readings(roles, calendar);
        _deployMoney(REDEEM_WAIT, OPEN_PAGES_WINDOW);
        MarketParams memory params = _params();
        (params.graceSeconds, params.signSeconds, params.clearSeconds) = (CLOSE_WINDOW, SIGN_WINDOW, CLEAR_WINDOW);
        vm.startPrank(registrar);
        calendar.createArea(AREA, AreaParams({attestSeconds: ATTEST_WINDOW, horizonSeconds: CORRECTION_WINDOW}));
        market.createMarket(MARKET_ID, params);
        vm.stopPrank();
    }

    function _initialGrants() internal view returns (Grant[] memory grants) {
        Grant[] memory base = _grants();
        grants = new Grant[](base.length + 3);
        for (uint256 i = 0; i < base.length; ++i) {
            grants[i] = base[i];
        }
        grants[base.length] = Grant(vm.addr(TWIN_KEY), Role.Attester, bytes32(uint256(0xA77)), AREA);
        grants[base.length + 1] = Grant(vm.addr(OTHER_KEY), Role.Attester, "other", OTHER_AREA);
        grants[base.length + 2] = Grant(vm.addr(SECOND_OTHER_KEY), Role.Attester, "second other", OTHER_AREA);
    }

    /* PERIODS */

    function firstMtuOf(uint32 p) public pure returns (uint32) {
        return FIRST_MTU + (p / 2) * TRADING_MTUS + ((p - 1) / 2) * IDLE_MTUS;
    }

    function _mtusOf(uint32 p) private pure returns (uint32) {
        return p % 2 == 1 ? TRADING_MTUS : IDLE_MTUS;
    }

    /// @dev Market time at which a trading period ends.
    function _endOf(uint32 p) internal pure returns (uint64) {
        return Time.startOf(firstMtuOf(p) + TRADING_MTUS);
    }

    /// @dev One of the trading periods.
    function _tradingPeriod(uint256 seed) internal pure returns (uint32) {
        return uint32(1 + 2 * (seed % ((PERIODS + 1) / 2)));
    }

    /* TIME */

    /// @notice Block time at which the last pause ends or ended; 0 before the first one.
    function pausedUntil() public view returns (uint256) {
        return _pauses.length == 0 ? 0 : _pauses[_pauses.length - 1].until;
    }

    function pausedNow() public view returns (bool) {
        return block.timestamp < pausedUntil();
    }

    /// @dev Seconds that pauses have run since a market time that has come; 0 for one that has not.
    function _pausedSince(uint64 marketTime) internal view returns (uint64) {
        uint256 since = _blockTime(marketTime);
        uint256 total = 0;
        for (uint256 i = 0; i < _pauses.length; ++i) {
            uint256 from = _pauses[i].from > since ? _pauses[i].from : since;
            uint256 until = _pauses[i].until < block.timestamp ? _pauses[i].until : block.timestamp;
            if (until > from) total += until - from;
        }
        return uint64(total);
    }

    /// @dev Lets time pass, and counts what of it is spent in a pause.
    function _sleep(uint256 duration) internal {
        if (pausedNow()) {
            uint256 left = pausedUntil() - block.timestamp;
            reached[Reach.PausedMinutes] += (left < duration ? left : duration) / 1 minutes;
        }
        vm.warp(block.timestamp + duration);
    }

    /// @dev Lets time pass until market time `time`, if it has not come yet.
    function _sleepUntil(uint256 time) internal {
        if (_now() < time) _sleep(time - _now());
    }

    /* CALLS */

    /// @dev Calls, and requires exactly what is expected: 0 is success, all else the error.
    function _act(address sender, address to, bytes memory data, bytes4 expected, string memory label)
        internal
        returns (bool ok)
    {
        bytes4 found = _outcome(sender, to, data);
        if (found != expected) revert WrongOutcome(label, expected, found);
        return found == 0;
    }

    /// @dev What must be looked at after every call that changed something.
    function _noteOutcome() internal virtual {}

    /// @dev Selector of the error, 0 for success.
    function _outcome(address sender, address to, bytes memory data) internal returns (bytes4) {
        vm.prank(sender);
        (bool ok, bytes memory answer) = to.call(data);
        if (ok) _noteOutcome();
        if (ok) return 0;
        bytes4 selector = bytes4(answer);
        if (selector == IRoles.RolesPaused.selector) ++reached[Reach.PausedRefusals];
        // An error without a name is nobody's expectation.
        return selector == 0 ? bytes4(0xffffffff) : selector;
    }

    /// @dev An unlike number from a seed for each purpose.
    function _mix(uint256 seed, uint256 purpose) internal pure returns (uint256) {
        return uint256(keccak256(abi.encode(seed, purpose)));
    }
}
