// SPDX-License-Identifier: UNLICENSED
pragma solidity 0.8.37;

import {IHandovers} from "../../src/interfaces/IHandovers.sol";

/// @notice Stands for Handovers where a test has a calendar alone: every area is new here and stays.
contract Staying {
    function requireStays(bytes32 area) external view {}

    function beginOf(bytes32) external pure returns (uint32) {
        return 0;
    }
}

function staying() returns (IHandovers) {
    return IHandovers(address(new Staying()));
}
