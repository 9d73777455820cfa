// SPDX-License-Identifier: UNLICENSED
pragma solidity 0.8.37;

/// @title Time: market time units
library Time {
    /// @notice Seconds of one market time unit (MTU).
    uint64 internal constant MTU_SECONDS = 900;

    /// @notice Longest window or deadline anywhere: ten years. Keeps sums of times far from overflow.
    uint32 internal constant MAX_WINDOW_SECONDS = 3652 days;

    /// @notice Start of an MTU, unix seconds; also the end of the MTU before it.
    function startOf(uint256 mtu) internal pure returns (uint64) {
        return uint64(mtu * MTU_SECONDS);
    }
}
