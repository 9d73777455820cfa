// SPDX-License-Identifier: UNLICENSED
pragma solidity 0.8.37;

/// @title Anchors: the head of the operator's journal, fixed in time
/// @notice Safety: a journal that was rewritten before an anchor no longer leads to it. Liveness assumes the operator sends anchors; a missing one is visible.
/// @dev Constructor: `Anchors(IRoles roles)`.
interface IAnchors {
    /* EVENTS */

    /// @notice The journal's head after entry `sequence`.
    event HeadAnchored(uint64 indexed sequence, bytes32 head, bytes32 previousHead);

    /* ERRORS */

    /// @notice Thrown when the sequence is not above the last one.
    error AnchorsSequenceNotRising(uint64 last, uint64 given);
    /// @notice Thrown when the sequence is more than 100,000 above the last one.
    error AnchorsStepTooLong(uint64 last, uint64 given);
    /// @notice Thrown when the head is 0.
    error AnchorsHeadInvalid();

    /* CHANGES */

    /// @notice Anchors the head of the journal. Operator for all areas only.
    /// @param sequence of the journal's last entry, above the last anchored one by at most 100,000: a longer way takes several anchors, so
    /// that no single one, by mistake or on purpose, leaves no sequence for those to come
    /// @param head hash of that entry
    function anchor(uint64 sequence, bytes32 head) external;

    /* VIEWS */

    /// @notice The last anchor; zeros if there is none.
    /// @return sequence of the journal entry
    /// @return head its hash
    /// @return blockTime when it was anchored
    function latest() external view returns (uint64 sequence, bytes32 head, uint64 blockTime);
}
