// SPDX-License-Identifier: UNLICENSED
pragma solidity 0.8.37;

/// @notice What a key may do. A key holds exactly one role.
/// @dev The order is part of the ABI: never reorder, only append.
enum Role {
    None,
    Operator,
    Dso,
    Attester,
    Treasurer,
    Registrar,
    SecurityAdmin
}

/// @notice A key's role: who holds it, and where it counts.
/// @param key the signing or sending address
/// @param role the one role of the key
/// @param organisation the organisation behind the key; never 0
/// @param area the area the role is limited to; 0 = all areas
struct Grant {
    address key;
    Role role;
    bytes32 organisation;
    bytes32 area;
}

/// @notice The fixed numbers of the role contract.
/// @param attesterThreshold m: signatures of distinct organisations that make a quorum; at least 2, so that no organisation is one
/// @param delaySeconds block-time seconds between a proposal and its earliest second step
/// @param pauseSeconds block-time seconds after which a pause expires by itself; at most 30 days
/// @param coolDownSeconds block-time seconds after an organisation's pause in which it can begin no new one; at least `pauseSeconds`
struct RolesConfig {
    uint8 attesterThreshold;
    uint32 delaySeconds;
    uint32 pauseSeconds;
    uint32 coolDownSeconds;
}

/// @notice A change that waits for its delay.
/// @param replaces the key that loses its role when this is done (revocation, replacement); 0 for a plain grant
/// @param readyAt block time from which the change may be completed, for 30 days; 0 = there is no such proposal
/// @param proposer the security admin that proposed it
/// @param organisation the proposer's organisation then: a second one must agree
/// @param confirmed whether a second security admin confirmed it (grants and replacements)
/// @param grant what the new key will hold; `role` None for a revocation
struct Proposal {
    address replaces;
    uint64 readyAt;
    address proposer;
    bytes32 organisation;
    bool confirmed;
    Grant grant;
}

/// @title Roles: who may do what, changed only in the open and with a delay
/// @notice Safety rests on: a key has one role; an organisation holds one kind of role; one organisation gives one vote in a
/// quorum and m is at least 2; every change is proposed by a security admin, visible for `delaySeconds`, and agreed to by a security admin of
/// another organisation, never by the key it takes a role from; what is not completed in time lapses.
/// @notice Liveness rests on: the roles operator, DSO, registrar and security admin never lose the last key of a scope (replace
/// it instead), security admins of at least two organisations stay, and a pause ends by itself. Where an organisation of only two loses its one key or is
/// to be removed, nobody is left to agree: appoint three.
/// @notice A replaced or revoked key's signatures in flight count no more: who relies on them signs again with the new key.
/// @dev Delays run on block time, not on market time: people react in real time, whatever the speed of a market.
/// @dev Constructor: `Roles(RolesConfig config, Grant[] grants)`; the initial grants name at least one operator, DSO and registrar,
/// security admins of at least two organisations and attesters of at least m.
interface IRoles {
    /* EVENTS */

    /// @notice A key received its role.
    event RoleGranted(address indexed key, Role indexed role, bytes32 indexed organisation, bytes32 area);
    /// @notice A key lost its role.
    event RoleRevoked(address indexed key, Role indexed role, bytes32 indexed organisation, bytes32 area);
    /// @notice A grant was proposed; once it is confirmed, the key itself completes it with `acceptGrant` from `readyAt` on.
    event GrantProposed(
        address indexed key, Role indexed role, bytes32 indexed organisation, bytes32 area, uint64 readyAt
    );
    /// @notice A revocation was proposed; a second security admin completes it with `revoke` from `readyAt` on.
    event RevocationProposed(address indexed key, uint64 readyAt);
    /// @notice A replacement of a key was proposed; once it is confirmed, the new key completes it with `acceptGrant` from `readyAt` on.
    event ReplacementProposed(address indexed key, address indexed newKey, uint64 readyAt);
    /// @notice A second security admin agreed to a grant or replacement.
    event GrantConfirmed(address indexed key, address indexed by);
    /// @notice The proposal under this key was withdrawn.
    event ProposalCancelled(address indexed key);
    /// @notice New books, programs and clearings stopped until block time `until` at the latest.
    event Paused(address indexed by, uint64 until);
    /// @notice The pause was ended before it expired.
    event Unpaused(address indexed by);

    /* ERRORS */

    /// @notice Thrown when the constructor's numbers are out of bounds (see `RolesConfig`).
    error RolesConfigInvalid();
    /// @notice Thrown when `key` does not hold `role` for `area`.
    error RolesMissing(address key, Role role, bytes32 area);
    /// @notice Thrown when a grant names the zero address, no role or no organisation, or a security admin, registrar or treasurer limited to an area.
    error RolesGrantInvalid();
    /// @notice Thrown when the key to be granted already holds a role.
    error RolesKeyTaken(address key);
    /// @notice Thrown when the organisation already holds another kind of role.
    error RolesOrganisationTaken(bytes32 organisation, Role held);
    /// @notice Thrown when a key has no role to revoke or replace.
    error RolesKeyUnknown(address key);
    /// @notice Thrown when the last key of a role that must not be empty would go; replace it instead.
    error RolesLastKey(Role role, bytes32 area);
    /// @notice Thrown when there is no proposal of the wanted kind under the key.
    error RolesProposalUnknown(address key);
    /// @notice Thrown when there is already a proposal under the key that has not expired; cancel it first.
    error RolesProposalPending(address key);
    /// @notice Thrown when the delay of a proposal has not passed.
    error RolesProposalEarly(uint64 readyAt);
    /// @notice Thrown when a proposal was not completed in time.
    error RolesProposalExpired(uint64 until);
    /// @notice Thrown when a confirmation names another grant or replaced key than what is proposed for the key.
    error RolesProposalOther(address key);
    /// @notice Thrown when no second security admin has confirmed the grant or replacement.
    error RolesProposalUnconfirmed(address key);
    /// @notice Thrown when the key to be replaced holds something else than when its replacement was proposed.
    error RolesProposalStale(address key);
    /// @notice Thrown when a key would agree to or withdraw a change that takes its own role.
    error RolesOwnProposal(address key);
    /// @notice Thrown when the second step comes from the proposer's organisation.
    error RolesSameOrganisation(address proposer);
    /// @notice Thrown when the system is paused, also where another pause is asked for.
    error RolesPaused(uint64 until);
    /// @notice Thrown when a pause is asked for before the cool-down of the organisation's last one has passed.
    error RolesCoolDown(uint64 until);
    /// @notice Thrown when there is no pause to end.
    error RolesNotPaused();
    /// @notice Thrown when fewer than m or more than 32 signatures are given.
    error RolesQuorumSize(uint256 given, uint256 threshold);
    /// @notice Thrown when the signers do not ascend strictly by address.
    error RolesSignersUnordered(address signer);
    /// @notice Thrown when two signers belong to one organisation.
    error RolesOrganisationTwice(bytes32 organisation);

    /* CHANGES */

    /// @notice Proposes that `grant.key` receives its role. Security admin only.
    function proposeGrant(Grant calldata grant) external;

    /// @notice Proposes that `key` loses its role. Security admin only.
    /// @dev For operator, DSO, registrar and security admin another key with the same role and scope must exist, also at the second step; for a
    /// security admin also two organisations without it.
    function proposeRevocation(address key) external;

    /// @notice Proposes that `newKey` takes over role, organisation and scope of `key`. Security admin only.
    function proposeReplacement(address key, address newKey) external;

    /// @notice Withdraws the proposal under `key` (for grant and replacement: the new key; for a revocation: the key to be revoked). Security admin only; no key of the organisation that would lose one, unless that proposed it.
    function cancelProposal(address key) external;

    /// @notice Agrees to a grant or replacement, at any time before the new key accepts. Security admin of another organisation than the proposer's, not the key that would lose its role.
    /// @dev It names what it agrees to: a proposal that took the place of the one its sender has seen is refused.
    /// @param grant what the new key (`grant.key`) receives, exactly as proposed
    /// @param replaces the key whose role it takes over; 0 = none
    function confirmGrant(Grant calldata grant, address replaces) external;

    /// @notice Completes a confirmed grant or replacement, sent by the new key itself after the delay: shows that somebody holds the key.
    function acceptGrant() external;

    /// @notice Second step of a revocation after the delay. Security admin of another organisation than the proposer's, not the key itself.
    function revoke(address key) external;

    /* PAUSE */

    /// @notice Stops openSession, closeSession, recordProgram and clear for at most `pauseSeconds`. Security admin only; one organisation can
    /// pause again after its cool-down, whatever others do.
    /// @dev Never stops: endSession, markUnread, attest, settle, deposit, guarantee, cover, redemption, replacement of accounts, finalise.
    function pause() external;

    /// @notice Ends the pause early. Security admin only; the cool-down of whose pause it was runs from now.
    function unpause() external;

    /// @notice Whether a pause is running.
    function paused() external view returns (bool);

    /// @notice Block-time seconds for which pauses have run since a block time.
    function pausedSecondsSince(uint64 time) external view returns (uint64);

    /// @notice Reverts with RolesPaused while a pause is running.
    function requireNotPaused() external view;

    /* VIEWS */

    /// @notice The fixed numbers given at deployment.
    function config() external view returns (RolesConfig memory);

    /// @notice What `key` holds; role None if nothing.
    function grantOf(address key) external view returns (Grant memory);

    /// @notice The proposal under `key`; `readyAt` 0 if none.
    function proposalOf(address key) external view returns (Proposal memory);

    /// @notice Number of keys that hold `role` with exactly the scope `area` (0 = the keys for all areas).
    function keyCount(Role role, bytes32 area) external view returns (uint256);

    /// @notice The kind of role an organisation holds; None if it has no key.
    function organisationRole(bytes32 organisation) external view returns (Role);

    /// @notice Whether `key` holds `role` for `area`, by its own scope or for all areas.
    function hasRole(address key, Role role, bytes32 area) external view returns (bool);

    /// @notice Reverts with RolesMissing unless `hasRole`.
    function requireRole(address key, Role role, bytes32 area) external view;

    /// @notice Reverts unless at least m attesters of `area`, all of distinct organisations, signed `digest`.
    /// @param digest EIP-712 digest of the calling contract
    /// @param signatures 65 bytes r‖s‖v each, in strictly ascending order of signer; each one must be valid
    function requireQuorum(bytes32 digest, bytes32 area, bytes[] calldata signatures) external view;
}
