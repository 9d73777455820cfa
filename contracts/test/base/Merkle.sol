// SPDX-License-Identifier: UNLICENSED
pragma solidity 0.8.37;

import {Hashes} from "../../src/libraries/Hashes.sol";

/// @notice Roots and proofs of both kinds of trees, whose odd nodes are promoted: sorted ones, node = keccak(min ‖ max), and those of places, node =
/// keccak(left ‖ right).
library Merkle {
    /// @notice Root over values; 0 without a value.
    function root(bytes32[] memory values) internal pure returns (bytes32 found) {
        (found,) = _climb(values, 0, true);
    }

    /// @notice Proof of value `index` under the root over `values`.
    function proof(bytes32[] memory values, uint256 index) internal pure returns (bytes32[] memory path) {
        (, path) = _climb(values, index, true);
    }

    /// @notice Root of a places tree over values; 0 without a value.
    function placesRoot(bytes32[] memory values) internal pure returns (bytes32 found) {
        (found,) = _climb(values, 0, false);
    }

    /// @notice Proof of place `index` in a places tree over `values`.
    function placesProof(bytes32[] memory values, uint256 index) internal pure returns (bytes32[] memory path) {
        (, path) = _climb(values, index, false);
    }

    /// @dev Level by level to the root, with the siblings of the node above `index`.
    function _climb(bytes32[] memory values, uint256 index, bool sorted)
        private
        pure
        returns (bytes32 found, bytes32[] memory path)
    {
        uint256 n = values.length;
        bytes32[] memory level = new bytes32[](n);
        for (uint256 i = 0; i < n; ++i) {
            level[i] = Hashes.leaf(values[i]);
        }
        bytes32[] memory siblings = new bytes32[](32);
        uint256 depth = 0;
        while (n > 1) {
            if (index ^ 1 < n) siblings[depth++] = level[index ^ 1];
            for (uint256 i = 0; i < n / 2; ++i) {
                level[i] = _node(level[2 * i], level[2 * i + 1], sorted);
            }
            if (n % 2 == 1) level[n / 2] = level[n - 1];
            (n, index) = ((n + 1) / 2, index / 2);
        }
        found = n == 0 ? bytes32(0) : level[0];
        path = new bytes32[](depth);
        for (uint256 i = 0; i < depth; ++i) {
            path[i] = siblings[i];
        }
    }

    function _node(bytes32 a, bytes32 b, bool sorted) private pure returns (bytes32) {
        return sorted && b < a ? Hashes.link(b, a) : Hashes.link(a, b);
    }
}
