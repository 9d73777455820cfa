// SPDX-License-Identifier: UNLICENSED
pragma solidity 0.8.37;

/// @notice What m of n attesters sign about the readings of one (area, MTU): EIP-712 `Attestation`.
/// @param revision 0 by the deadline, then 1, 2, … for corrections
/// @param root Merkle root over the reading hashes in ascending meter id
/// @param count number of readings under the root
/// @param importWh Σ of interval imports, Wh
/// @param exportWh Σ of interval exports, Wh
struct Attestation {
    bytes32 area;
    uint32 mtu;
    uint32 revision;
    bytes32 root;
    uint32 count;
    uint64 importWh;
    uint64 exportWh;
}

/// @notice Where the readings of one (area, MTU) stand.
/// @param revisions number of attestations accepted plus, where it was marked, one for Unread: the next one must carry this as its revision
/// @param unread whether the MTU was marked Unread (it may have been attested later)
/// @param root of the last attestation; 0 if there is none
struct ReadingState {
    uint32 revisions;
    bool unread;
    uint32 count;
    uint64 importWh;
    uint64 exportWh;
    bytes32 root;
}

/// @title Readings: what was metered, as m of n attesters of distinct organisations saw it
/// @notice Safety assumes: fewer than m attesting organisations lie together. The contract sees no single reading and no meter.
/// Liveness assumes: m attesters answer by the deadline; otherwise anyone marks the MTU Unread (it settles as traded) and a later attestation corrects it.
/// @dev Constructor: `Readings(IRoles roles, ICalendar calendar)`.
interface IReadings {
    /* EVENTS */

    /// @notice Readings were attested.
    event ReadingsAttested(
        bytes32 indexed area,
        uint32 indexed mtu,
        uint32 indexed revision,
        bytes32 root,
        uint32 count,
        uint64 importWh,
        uint64 exportWh,
        bytes32 readingsRoot,
        bytes[] signatures
    );
    /// @notice No readings came by the deadline.
    event ReadingsUnread(bytes32 indexed area, uint32 indexed mtu, bytes32 readingsRoot);
    /// @notice A batch left this MTU as it stands (see `ReadingState`), since its revision was taken or its time had run out.
    event ReadingsPassedOver(bytes32 indexed area, uint32 indexed mtu, uint32 revisions, bool unread, bytes32 root);

    /* ERRORS */

    /// @notice Thrown when the MTU does not lie in the period.
    error ReadingsMtuNotInPeriod(uint32 mtu, uint32 period);
    /// @notice Thrown before the end of the MTU, or (mark) before its deadline has passed.
    error ReadingsTooEarly(uint64 from, uint64 marketTime);
    /// @notice Thrown when revision 0 comes after its deadline (mark the MTU Unread, then send revision 1), or a correction after the horizon.
    error ReadingsTooLate(uint64 until, uint64 marketTime);
    /// @notice Thrown when the revision is not the next one.
    error ReadingsRevisionWrong(uint32 expected, uint32 given);
    /// @notice Thrown when just one of root and count is zero.
    error ReadingsRootInvalid();
    /// @notice Thrown when the lists of a batch differ in length or are empty.
    error ReadingsBatchInvalid();

    /* CHANGES */

    /// @notice Records one attestation. Anyone may send it, also in a pause.
    /// Revision 0 from the end of the MTU until attestSeconds after it, or after the period's declaration where that came later. Later
    /// revisions until horizonSeconds after the last MTU of the period was attested or marked: whoever is late with that shortens nothing.
    /// @param period the area's period that contains the MTU
    /// @param signatures m or more of the area's attesters, ascending by signer
    function attest(uint32 period, Attestation calldata attestation, bytes[] calldata signatures) external;

    /// @notice Records several attestations of one period, but passes over each MTU whose revision stands already, whoever sent it, or
    /// whose time has run out: nobody can spoil a batch. Anything else that is wrong with one reverts all.
    function attestMany(uint32 period, Attestation[] calldata attestations, bytes[][] calldata signatures) external;

    /// @notice Marks all MTUs of a range Unread that have no attestation and whose deadline has passed; passes over those attested or
    /// marked already. Anyone, also in a pause.
    /// @param period the area's period that contains the range
    /// @param count 1 to 3,200
    function markUnread(bytes32 area, uint32 period, uint32 firstMtu, uint32 count) external;

    /* VIEWS */

    /// @notice The roles that decide who may do what.
    function roles() external view returns (address);

    /// @notice The calendar whose time, areas and periods count.
    function calendar() external view returns (address);

    /// @notice Where the readings of (area, MTU) stand.
    function readingOf(bytes32 area, uint32 mtu) external view returns (ReadingState memory);

    /// @notice Running root over the attestations and marks of (area, period), in the order of their happening.
    function readingsRoot(bytes32 area, uint32 period) external view returns (bytes32);

    /// @notice Number of MTUs of (area, period) that are attested or Unread.
    function resolvedCount(bytes32 area, uint32 period) external view returns (uint256);

    /// @notice Market time at which the last MTU of (area, period) was attested or marked: the horizon runs from it; 0 before.
    function resolvedAt(bytes32 area, uint32 period) external view returns (uint64);

    /// @notice The EIP-712 digest an attester signs.
    function attestationDigest(Attestation calldata attestation) external view returns (bytes32);

    /// @notice The EIP-712 domain separator of this contract.
    function domainSeparator() external view returns (bytes32);
}
