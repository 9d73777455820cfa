// SPDX-License-Identifier: UNLICENSED
pragma solidity 0.8.37;

import {AreaParams, ICalendar, Period} from "./interfaces/ICalendar.sol";
import {IHandovers} from "./interfaces/IHandovers.sol";
import {IRoles, Role} from "./interfaces/IRoles.sol";
import {Time} from "./libraries/Time.sol";

/// @title Calendar (documented on ICalendar)
contract Calendar is ICalendar {
    /// @notice Longest period: a month of 15-minute MTUs and some reserve.
    uint32 public constant MAX_PERIOD_MTUS = 3200;

    /// @notice Largest speed: a day in a second.
    uint32 public constant MAX_SPEED = 86_400;

    /// @notice Longest horizon of corrections, market-time seconds.
    uint32 public constant MAX_HORIZON_SECONDS = 366 days;

    /// @notice Market-time seconds that a period may begin from now: a month and some reserve. A slip of the operator costs an area no more.
    uint64 public constant MAX_DISTANCE_SECONDS = 35 days;

    /// @notice Areas that one registrar key may create in a day (86,400 s of block time): it takes a key years to use up those that can have
    /// accounts (AccountSlots.MAX_AREAS).
    uint256 public constant MAX_DAY_AREAS = 20;

    IRoles private immutable ROLES;
    IHandovers private immutable HANDOVERS;
    uint64 private immutable ORIGIN;
    uint64 private immutable START;
    uint32 private immutable SPEED;

    mapping(bytes32 area => AreaParams) private _areas;
    mapping(bytes32 area => Period[]) private _periods;
    mapping(address registrar => mapping(uint256 day => uint256)) private _dayAreas;

    constructor(IRoles roles_, IHandovers handovers_, uint64 origin_, uint64 start_, uint32 speed_) {
        if (speed_ == 0 || speed_ > MAX_SPEED || start_ > block.timestamp) revert CalendarConfigInvalid();
        ROLES = roles_;
        HANDOVERS = handovers_;
        ORIGIN = origin_;
        START = start_;
        SPEED = speed_;
    }

    /* CHANGES */

    /// @inheritdoc ICalendar
    function createArea(bytes32 area, AreaParams calldata params) external {
        ROLES.requireRole(msg.sender, Role.Registrar, 0);
        if (
            area == 0 || params.attestSeconds < Time.MTU_SECONDS || params.horizonSeconds < params.attestSeconds
                || params.horizonSeconds > MAX_HORIZON_SECONDS
        ) revert CalendarAreaInvalid();
        if (_areas[area].attestSeconds != 0) revert CalendarAreaExists(area);
        uint256 today = ++_dayAreas[msg.sender][block.timestamp / 1 days];
        if (today > MAX_DAY_AREAS) revert CalendarAreasMany(msg.sender, today);
        _areas[area] = params;
        emit AreaCreated(area, params);
    }

    /// @inheritdoc ICalendar
    function declarePeriod(bytes32 area, uint32 firstMtu, uint32 count) external returns (uint32 period) {
        _requireArea(area);
        Period[] storage periods = _periods[area];
        uint256 declared = periods.length;
        Period memory none = Period({firstMtu: 0, count: 0, declaredAt: 0});
        Period memory last = declared == 0 ? none : periods[declared - 1];
        uint64 time = marketTime();
        bool overdue = count == last.count && Time.startOf(uint256(firstMtu) + count) <= time;
        if (declared == 0 || !overdue) ROLES.requireRole(msg.sender, Role.Operator, area);
        if (count == 0 || count > MAX_PERIOD_MTUS || firstMtu > type(uint32).max - count) {
            revert CalendarPeriodInvalid();
        }
        HANDOVERS.requireStays(area);
        uint32 next = declared == 0 ? HANDOVERS.beginOf(area) : last.firstMtu + last.count;
        if (next != 0 && firstMtu != next) revert CalendarPeriodNotContiguous(next);
        _requireNear(firstMtu, next != 0, time);
        periods.push(Period({firstMtu: firstMtu, count: count, declaredAt: time}));
        period = uint32(declared + 1);
        emit PeriodDeclared(area, period, firstMtu, count, time);
    }

    /* VIEWS */

    /// @inheritdoc ICalendar
    function roles() external view returns (address) {
        return address(ROLES);
    }

    /// @inheritdoc ICalendar
    function handovers() external view returns (address) {
        return address(HANDOVERS);
    }

    /// @inheritdoc ICalendar
    function marketTime() public view returns (uint64) {
        return uint64(ORIGIN + (block.timestamp - START) * SPEED);
    }

    /// @inheritdoc ICalendar
    function origin() external view returns (uint64) {
        return ORIGIN;
    }

    /// @inheritdoc ICalendar
    function start() external view returns (uint64) {
        return START;
    }

    /// @inheritdoc ICalendar
    function speed() external view returns (uint32) {
        return SPEED;
    }

    /// @inheritdoc ICalendar
    function areaOf(bytes32 area) external view returns (AreaParams memory) {
        _requireArea(area);
        return _areas[area];
    }

    /// @inheritdoc ICalendar
    function periodCount(bytes32 area) external view returns (uint32) {
        return uint32(_periods[area].length);
    }

    /// @inheritdoc ICalendar
    function periodOf(bytes32 area, uint32 period) external view returns (Period memory) {
        if (period == 0 || period > _periods[area].length) revert CalendarPeriodUnknown(area, period);
        return _periods[area][period - 1];
    }

    /// @dev Ahead of now every period is bounded, behind it only the first: later ones follow it, however late.
    function _requireNear(uint32 firstMtu, bool late, uint64 time) private pure {
        uint64 start_ = Time.startOf(firstMtu);
        bool near = start_ <= time + MAX_DISTANCE_SECONDS && (late || start_ + MAX_DISTANCE_SECONDS >= time);
        if (!near) revert CalendarPeriodFar(firstMtu, time);
    }

    function _requireArea(bytes32 area) private view {
        if (_areas[area].attestSeconds == 0) revert CalendarAreaUnknown(area);
    }
}
