// SPDX-License-Identifier: UNLICENSED
pragma solidity 0.8.37;

import {vm} from "./Vm.sol";

/// @notice Labelled assertions, bounded inputs, and what forge looks for in invariant tests.
abstract contract Assert {
    /// @notice forge takes a contract with this flag for a test contract.
    bool public constant IS_TEST = true;

    error AssertionFailed(string label, bytes32 left, bytes32 right);

    struct FuzzSelector {
        address addr;
        bytes4[] selectors;
    }

    address[] private _targets;
    FuzzSelector[] private _selectors;

    function targetContracts() external view returns (address[] memory) {
        return _targets;
    }

    function targetSelectors() external view returns (FuzzSelector[] memory) {
        return _selectors;
    }

    /// @notice Lets invariant runs call these functions of the handler, and nothing else.
    function _target(address handler, bytes4[] memory selectors) internal {
        _targets.push(handler);
        _selectors.push(FuzzSelector({addr: handler, selectors: selectors}));
    }

    function assertTrue(bool condition, string memory label) internal pure {
        if (!condition) revert AssertionFailed(label, 0, bytes32(uint256(1)));
    }

    function assertFalse(bool condition, string memory label) internal pure {
        assertTrue(!condition, label);
    }

    function assertEq(uint256 left, uint256 right, string memory label) internal pure {
        if (left != right) revert AssertionFailed(label, bytes32(left), bytes32(right));
    }

    function assertEq(int256 left, int256 right, string memory label) internal pure {
        if (left != right) revert AssertionFailed(label, bytes32(uint256(left)), bytes32(uint256(right)));
    }

    function assertEq(bytes32 left, bytes32 right, string memory label) internal pure {
        if (left != right) revert AssertionFailed(label, left, right);
    }

    function assertEq(address left, address right, string memory label) internal pure {
        if (left != right) {
            revert AssertionFailed(label, bytes32(uint256(uint160(left))), bytes32(uint256(uint160(right))));
        }
    }

    function assertLe(uint256 left, uint256 right, string memory label) internal pure {
        if (left > right) revert AssertionFailed(label, bytes32(left), bytes32(right));
    }

    function assertGe(int256 left, int256 right, string memory label) internal pure {
        if (left < right) revert AssertionFailed(label, bytes32(uint256(left)), bytes32(uint256(right)));
    }

    /// @notice Folds a fuzzed number into [low, high].
    function bound(uint256 value, uint256 low, uint256 high) internal pure returns (uint256) {
        require(low <= high, "bound: empty range");
        if (value >= low && value <= high) return value;
        uint256 size = high - low;
        return size == type(uint256).max ? value : low + (value % (size + 1));
    }

    /// @notice Folds a fuzzed signed number into [low, high].
    function boundInt(int256 value, int256 low, int256 high) internal pure returns (int256) {
        uint256 size = uint256(high - low);
        return low + int256(bound(uint256(value), 0, size));
    }
}
