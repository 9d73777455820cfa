// SPDX-License-Identifier: UNLICENSED
pragma solidity 0.8.37;

import {Reach} from "./Handler.sol";

/// @dev Cheatcodes that keep something from run to run: the chain itself begins anew with each.
interface Environment {
    function setEnv(string calldata name, string calldata value) external;
    function envOr(string calldata name, uint256 fallbackValue) external view returns (uint256);
    function toString(uint256 value) external pure returns (string memory);
}

/// @notice Sums up what the runs of all campaigns of this process have reached, in one number of 15 bits per counter.
/// @dev Campaigns run side by side: a run may be lost between reading and writing, but always as a whole.
library Campaign {
    Environment private constant ENVIRONMENT = Environment(address(uint160(uint256(keccak256("hevm cheat code")))));
    string private constant NAME = "LEDGER_INVARIANTS_REACHED";
    uint256 private constant BITS = 15;

    /// @notice Largest sum that is kept.
    uint256 private constant MOST = 2 ** BITS - 1;

    function load() internal view returns (uint256) {
        return ENVIRONMENT.envOr(NAME, uint256(0));
    }

    function store(uint256 packed) internal {
        ENVIRONMENT.setEnv(NAME, ENVIRONMENT.toString(packed));
    }

    function get(uint256 packed, Reach what) internal pure returns (uint256) {
        return (packed >> (BITS * uint256(what))) & MOST;
    }

    function add(uint256 packed, Reach what, uint256 n) internal pure returns (uint256) {
        uint256 sum = get(packed, what) + n;
        uint256 shift = BITS * uint256(what);
        return (packed & ~(MOST << shift)) | ((sum > MOST ? MOST : sum) << shift);
    }
}
