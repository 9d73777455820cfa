// SPDX-License-Identifier: UNLICENSED
pragma solidity 0.8.37;

/// @notice A condition as 0 or 1. Its operators do not branch, so a rule made of them is one term for the solver, where `&&` and `||` make a path
/// for every outcome.
type Truth is uint256;

using {both as &, either as |, not as ~} for Truth global;

/// @notice A condition, in the one way to turn it into a number without a branch.
function truth(bool condition) pure returns (Truth) {
    uint256 number_;
    assembly ("memory-safe") {
        number_ := condition
    }
    return Truth.wrap(number_);
}

function both(Truth x, Truth y) pure returns (Truth) {
    return Truth.wrap(Truth.unwrap(x) & Truth.unwrap(y));
}

function either(Truth x, Truth y) pure returns (Truth) {
    return Truth.wrap(Truth.unwrap(x) | Truth.unwrap(y));
}

function not(Truth x) pure returns (Truth) {
    return Truth.wrap(Truth.unwrap(x) ^ 1);
}

/// @notice `yes` where the condition holds, else `no`.
function choose(Truth condition, int256 yes, int256 no) pure returns (int256) {
    unchecked {
        int256 mask = -int256(Truth.unwrap(condition));
        return (yes & mask) | (no & ~mask);
    }
}

/// @notice Whether a condition, reached by branching, is what the rule says.
function same(bool found, Truth due) pure returns (bool) {
    return Truth.unwrap(truth(found)) == Truth.unwrap(due);
}
