// SPDX-License-Identifier: UNLICENSED
pragma solidity 0.8.37;

import {IAnchors} from "./interfaces/IAnchors.sol";
import {IRoles, Role} from "./interfaces/IRoles.sol";

/// @title Anchors (documented on IAnchors)
contract Anchors is IAnchors {
    /// @notice Most entries from one anchor to the next.
    uint64 public constant MAX_STEP = 100_000;

    IRoles private immutable ROLES;

    uint64 private _sequence;
    uint64 private _blockTime;
    bytes32 private _head;

    constructor(IRoles roles) {
        ROLES = roles;
    }

    /// @inheritdoc IAnchors
    function anchor(uint64 sequence, bytes32 head) external {
        ROLES.requireRole(msg.sender, Role.Operator, 0);
        if (head == 0) revert AnchorsHeadInvalid();
        if (sequence <= _sequence) revert AnchorsSequenceNotRising(_sequence, sequence);
        if (sequence - _sequence > MAX_STEP) revert AnchorsStepTooLong(_sequence, sequence);
        bytes32 previousHead = _head;
        _sequence = sequence;
        _blockTime = uint64(block.timestamp);
        _head = head;
        emit HeadAnchored(sequence, head, previousHead);
    }

    /// @inheritdoc IAnchors
    function latest() external view returns (uint64 sequence, bytes32 head, uint64 blockTime) {
        return (_sequence, _head, _blockTime);
    }
}
