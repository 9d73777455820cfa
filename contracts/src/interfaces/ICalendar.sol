// SPDX-License-Identifier: UNLICENSED
pragma solidity 0.8.37;

/// @notice Deadlines of one area, in seconds of market time.
/// @param attestSeconds after the end of an MTU, or the later declaration of its period, how long its readings may come as revision 0;
/// at least an MTU
/// @param horizonSeconds how long corrections may come: of readings after the last MTU of their period was attested or marked Unread,
/// of settlements after the first settlement of the period; at least `attestSeconds`, at most 366 days
struct AreaParams {
    uint32 attestSeconds;
    uint32 horizonSeconds;
}

/// @notice A run of MTUs that is settled together.
/// @param firstMtu index of its first MTU (unix seconds // 900)
/// @param count number of MTUs, 1 to 3,200
/// @param declaredAt market time of its declaration: what must be done with it has its time from then on, where it was declared late
struct Period {
    uint32 firstMtu;
    uint32 count;
    uint64 declaredAt;
}

/// @title Calendar: market time, areas and their periods
/// @notice Market time = origin + (block time − start) × speed, fixed at deployment. In production speed is 1 and origin = start.
/// @notice Safety: periods of an area are contiguous and never change, so each MTU belongs to at most one period.
/// @notice Liveness: periods may be declared late (also for the past), and once they have ended by anyone, as long as the one before:
/// a break of the operator is nobody's loss, since what must be done with a late period has its time from its declaration on.
/// @dev Constructor: `Calendar(IRoles roles, IHandovers handovers, uint64 origin, uint64 start, uint32 speed)`; the contract that says
/// whether an area goes to another deployment or came from one is known before it is deployed.
interface ICalendar {
    /* EVENTS */

    /// @notice An area came into being.
    event AreaCreated(bytes32 indexed area, AreaParams params);
    /// @notice A period was declared; its MTUs are [firstMtu, firstMtu + count).
    event PeriodDeclared(
        bytes32 indexed area, uint32 indexed period, uint32 firstMtu, uint32 count, uint64 declaredAt
    );

    /* ERRORS */

    /// @notice Thrown when speed is 0 or above 86,400, or start lies after the deployment block.
    error CalendarConfigInvalid();
    /// @notice Thrown when an area's id is 0, attestation takes less than an MTU or longer than the horizon, or that more than
    /// 366 days.
    error CalendarAreaInvalid();
    /// @notice Thrown when the area exists already.
    error CalendarAreaExists(bytes32 area);
    /// @notice Thrown when a registrar key would create more than 20 areas in a day.
    error CalendarAreasMany(address registrar, uint256 dayAreas);
    /// @notice Thrown when the area does not exist.
    error CalendarAreaUnknown(bytes32 area);
    /// @notice Thrown when a period has no MTU, more than 3,200, or runs beyond the range of MTU indices.
    error CalendarPeriodInvalid();
    /// @notice Thrown when a period does not begin where the one before ends.
    error CalendarPeriodNotContiguous(uint32 expectedFirstMtu);
    /// @notice Thrown when a period would begin more than 35 days after now, or an area's first one more than 35 days before.
    error CalendarPeriodFar(uint32 firstMtu, uint64 marketTime);
    /// @notice Thrown when the period has not been declared.
    error CalendarPeriodUnknown(bytes32 area, uint32 period);

    /* CHANGES */

    /// @notice Creates an area. Registrar only, at most 20 a day by one key.
    function createArea(bytes32 area, AreaParams calldata params) external;

    /// @notice Declares the next period of an area, at most 35 days ahead; the first one at most 35 days back. Operator of the area only,
    /// but anyone where the period has ended and has as many MTUs as the one before.
    /// None once it is agreed that the area goes to another deployment; of one that came from another the first begins where its last ends.
    /// @return period its number: 1, 2, … per area
    function declarePeriod(bytes32 area, uint32 firstMtu, uint32 count) external returns (uint32 period);

    /* VIEWS */

    /// @notice The roles that decide who may do what.
    function roles() external view returns (address);

    /// @notice The contract that knows which areas go to another deployment or came from one.
    function handovers() external view returns (address);

    /// @notice Market time in unix seconds.
    function marketTime() external view returns (uint64);

    /// @notice Market time (unix seconds) at block time `start`.
    function origin() external view returns (uint64);

    /// @notice Block time (unix seconds) at which market time was `origin`.
    function start() external view returns (uint64);

    /// @notice Seconds of market time per second of block time.
    function speed() external view returns (uint32);

    /// @notice The deadlines of an area; reverts if it does not exist.
    function areaOf(bytes32 area) external view returns (AreaParams memory);

    /// @notice Number of periods declared; the last one has this number.
    function periodCount(bytes32 area) external view returns (uint32);

    /// @notice Bounds of a period; reverts if it was not declared.
    function periodOf(bytes32 area, uint32 period) external view returns (Period memory);
}
