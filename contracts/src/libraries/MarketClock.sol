// SPDX-License-Identifier: UNLICENSED
pragma solidity 0.8.37;

import {SafeCast} from "@openzeppelin/contracts/utils/math/SafeCast.sol";

import {ICalendar} from "../interfaces/ICalendar.sol";
import {IRoles} from "../interfaces/IRoles.sol";

/// @title MarketClock: the calendar's market time without a call
/// @dev Origin, start and speed never change, so each contract keeps its own copy.
abstract contract MarketClock {
    uint64 private immutable ORIGIN;
    uint64 private immutable START;
    uint32 private immutable SPEED;

    constructor(ICalendar calendar) {
        ORIGIN = calendar.origin();
        START = calendar.start();
        SPEED = calendar.speed();
    }

    function _marketTime() internal view returns (uint64) {
        return SafeCast.toUint64(ORIGIN + (block.timestamp - START) * SPEED);
    }

    /// @dev Market-time seconds for which pauses have run since a market time that is past.
    function _paused(IRoles roles, uint64 since) internal view returns (uint64) {
        return roles.pausedSecondsSince(START + (since - ORIGIN) / SPEED) * SPEED;
    }
}
