// SPDX-License-Identifier: UNLICENSED
pragma solidity 0.8.37;

import {Hashes} from "../../src/libraries/Hashes.sol";

/// @notice Proofs for trees whose odd nodes are promoted.
library Merkle {
    /// @notice Proof of value `index` under the root over `values`.
    function proof(bytes32[] memory values, uint256 index) internal pure returns (bytes32[] memory) {
        uint256 n = values.length;
        bytes32[] memory level = new bytes32[](n);
        for (uint256 i = 0; i < n; ++i) {
            level[i] = Hashes.leaf(values[i]);
        }
        bytes32[] memory path = new bytes32[](32);
        uint256 depth = 0;
        while (n > 1) {
            if (index ^ 1 < n) path[depth++] = level[index ^ 1];
            for (uint256 i = 0; i < n / 2; ++i) {
                (bytes32 a, bytes32 b) = (level[2 * i], level[2 * i + 1]);
                level[i] = a < b ? keccak256(abi.encode(a, b)) : keccak256(abi.encode(b, a));
            }
            if (n % 2 == 1) level[n / 2] = level[n - 1];
            (n, index) = ((n + 1) / 2, index / 2);
        }
        bytes32[] memory trimmed = new bytes32[](depth);
        for (uint256 i = 0; i < depth; ++i) {
            trimmed[i] = path[i];
        }
        return trimmed;
    }

    /// @notice Proof of place `index` in a places tree over `values`.
    function placesProof(bytes32[] memory values, uint256 index) internal pure returns (bytes32[] memory proof_) {
        uint256 n = values.length;
        bytes32[] memory level = new bytes32[](n);
        for (uint256 i = 0; i < n; ++i) {
            level[i] = Hashes.leaf(values[i]);
        }
        bytes32[] memory path = new bytes32[](32);
        uint256 depth = 0;
        while (n > 1) {
            if (index ^ 1 < n) path[depth++] = level[index ^ 1];
            for (uint256 i = 0; i < n / 2; ++i) {
                level[i] = keccak256(abi.encode(level[2 * i], level[2 * i + 1]));
            }
            if (n % 2 == 1) level[n / 2] = level[n - 1];
            (n, index) = ((n + 1) / 2, index / 2);
        }
        proof_ = new bytes32[](depth);
        for (uint256 i = 0; i < depth; ++i) {
            proof_[i] = path[i];
        }
    }
}
