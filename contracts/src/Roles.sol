// SPDX-License-Identifier: UNLICENSED
pragma solidity 0.8.37;

import {ECDSA} from "@openzeppelin/contracts/utils/cryptography/ECDSA.sol";

import {Grant, IRoles, Proposal, Role, RolesConfig} from "./interfaces/IRoles.sol";

/// @title Roles (documented on IRoles)
contract Roles is IRoles {
    /// @notice Signatures looked at in one quorum, so that its cost is bounded.
    uint256 private constant MAX_SIGNATURES = 32;

    /// @notice Block-time seconds after its delay in which a proposal may be completed.
    uint64 public constant PROPOSAL_SECONDS = 30 days;

    /// @notice Longest pause, block-time seconds.
    uint32 private constant MAX_PAUSE_SECONDS = 30 days;

    /// @notice Organisations that hold a security admin key, at least: one alone could complete nothing.
    uint256 private constant MIN_ADMIN_ORGANISATIONS = 2;

    uint8 private immutable THRESHOLD;
    uint32 private immutable DELAY_SECONDS;
    uint32 private immutable PAUSE_SECONDS;
    uint32 private immutable COOL_DOWN_SECONDS;

    mapping(address key => Grant) private _grants;
    mapping(address key => Proposal) private _proposals;
    mapping(Role role => mapping(bytes32 area => uint256)) private _keyCounts;
    mapping(bytes32 organisation => Role) private _organisationRoles;
    mapping(bytes32 organisation => uint256) private _organisationKeys;
    uint256 private _adminOrganisations;

    /// @dev A pause, running or over, in block time.
    struct Pause {
        uint64 from;
        uint64 until;
    }

    Pause[] private _pauses;
    mapping(bytes32 organisation => uint64) private _pauseEnd;
    bytes32 private _pausing;

    modifier onlySecurityAdmin() {
        requireRole(msg.sender, Role.SecurityAdmin, 0);
        _;
    }

    constructor(RolesConfig memory config_, Grant[] memory grants) {
        if (
            config_.attesterThreshold < 2 || config_.attesterThreshold > MAX_SIGNATURES || config_.delaySeconds == 0
                || config_.pauseSeconds == 0 || config_.pauseSeconds > MAX_PAUSE_SECONDS
                || config_.coolDownSeconds < config_.pauseSeconds
        ) revert RolesConfigInvalid();
        THRESHOLD = config_.attesterThreshold;
        DELAY_SECONDS = config_.delaySeconds;
        PAUSE_SECONDS = config_.pauseSeconds;
        COOL_DOWN_SECONDS = config_.coolDownSeconds;

        uint256[7] memory holders;
        for (uint256 i = 0; i < grants.length; ++i) {
            bool newOrganisation = _organisationKeys[grants[i].organisation] == 0;
            _checkGrant(grants[i]);
            _grant(grants[i]);
            // Attesters count by organisation, because only distinct organisations make a quorum.
            if (grants[i].role != Role.Attester || newOrganisation) ++holders[uint256(grants[i].role)];
        }
        if (
            holders[uint256(Role.Operator)] == 0 || holders[uint256(Role.Dso)] == 0
                || holders[uint256(Role.Registrar)] == 0 || _adminOrganisations < MIN_ADMIN_ORGANISATIONS
                || holders[uint256(Role.Attester)] < config_.attesterThreshold
        ) revert RolesConfigInvalid();
    }

    /* CHANGES */

    /// @inheritdoc IRoles
    function proposeGrant(Grant calldata grant) external onlySecurityAdmin {
        _checkGrant(grant);
        uint64 readyAt = _propose(grant.key, address(0), grant);
        emit GrantProposed(grant.key, grant.role, grant.organisation, grant.area, readyAt);
    }

    /// @inheritdoc IRoles
    function proposeRevocation(address key) external onlySecurityAdmin {
        _checkRevocation(key);
        Grant memory none;
        uint64 readyAt = _propose(key, key, none);
        emit RevocationProposed(key, readyAt);
    }

    /// @inheritdoc IRoles
    function proposeReplacement(address key, address newKey) external onlySecurityAdmin {
        Grant memory grant = _grants[key];
        if (grant.role == Role.None) revert RolesKeyUnknown(key);
        if (newKey == address(0)) revert RolesGrantInvalid();
        if (_grants[newKey].role != Role.None) revert RolesKeyTaken(newKey);
        grant.key = newKey;
        uint64 readyAt = _propose(newKey, key, grant);
        emit ReplacementProposed(key, newKey, readyAt);
    }

    /// @inheritdoc IRoles
    function cancelProposal(address key) external onlySecurityAdmin {
        Proposal storage proposal = _proposals[key];
        if (proposal.readyAt == 0) revert RolesProposalUnknown(key);
        // Two keys of one organisation would otherwise keep each other for ever.
        bytes32 organisation = _grants[msg.sender].organisation;
        bool own = proposal.replaces != address(0) && _grants[proposal.replaces].organisation == organisation;
        if (own && proposal.organisation != organisation) revert RolesOwnProposal(msg.sender);
        delete _proposals[key];
        emit ProposalCancelled(key);
    }

    /// @inheritdoc IRoles
    function confirmGrant(Grant calldata grant, address replaces) external onlySecurityAdmin {
        address key = grant.key;
        Proposal memory proposal = _proposals[key];
        if (proposal.grant.role == Role.None) revert RolesProposalUnknown(key);
        // Or a proposal that takes the place of another just before the confirmation arrives would be confirmed unseen.
        bool same = keccak256(abi.encode(grant, replaces)) == keccak256(abi.encode(proposal.grant, proposal.replaces));
        if (!same) revert RolesProposalOther(key);
        _requireSecondAdmin(proposal);
        _proposals[key].confirmed = true;
        emit GrantConfirmed(key, msg.sender);
    }

    /// @inheritdoc IRoles
    function acceptGrant() external {
        Proposal memory proposal = _proposals[msg.sender];
        if (proposal.grant.role == Role.None) revert RolesProposalUnknown(msg.sender);
        _requireDue(proposal);
        if (!proposal.confirmed) revert RolesProposalUnconfirmed(msg.sender);
        delete _proposals[msg.sender];
        if (proposal.replaces != address(0)) {
            _requireUnchanged(proposal);
            _revoke(proposal.replaces);
        }
        _checkGrant(proposal.grant);
        _grant(proposal.grant);
    }

    /// @inheritdoc IRoles
    function revoke(address key) external onlySecurityAdmin {
        Proposal memory proposal = _proposals[key];
        if (proposal.readyAt == 0 || proposal.grant.role != Role.None) revert RolesProposalUnknown(key);
        _requireDue(proposal);
        _requireSecondAdmin(proposal);
        _checkRevocation(key);
        delete _proposals[key];
        _revoke(key);
    }

    /* PAUSE */

    /// @inheritdoc IRoles
    function pause() external onlySecurityAdmin {
        if (paused()) revert RolesPaused(_pausedUntil());
        // Counted per organisation, or one that ends its own pause at once would keep all others from pausing.
        bytes32 organisation = _grants[msg.sender].organisation;
        uint64 last = _pauseEnd[organisation];
        if (last != 0 && block.timestamp < uint256(last) + COOL_DOWN_SECONDS) {
            revert RolesCoolDown(last + COOL_DOWN_SECONDS);
        }
        uint64 from = uint64(block.timestamp);
        (_pausing, _pauseEnd[organisation]) = (organisation, from + PAUSE_SECONDS);
        _pauses.push(Pause({from: from, until: from + PAUSE_SECONDS}));
        emit Paused(msg.sender, from + PAUSE_SECONDS);
    }

    /// @inheritdoc IRoles
    function unpause() external onlySecurityAdmin {
        if (!paused()) revert RolesNotPaused();
        _pauses[_pauses.length - 1].until = uint64(block.timestamp);
        _pauseEnd[_pausing] = uint64(block.timestamp);
        emit Unpaused(msg.sender);
    }

    /// @inheritdoc IRoles
    function paused() public view returns (bool) {
        return block.timestamp < _pausedUntil();
    }

    /// @inheritdoc IRoles
    function requireNotPaused() external view {
        if (paused()) revert RolesPaused(_pausedUntil());
    }

    /// @inheritdoc IRoles
    function pausedSecondsSince(uint64 time) external view returns (uint64 total) {
        for (uint256 i = _pauses.length; i != 0; --i) {
            Pause memory last = _pauses[i - 1];
            if (last.until <= time) break;
            uint64 from = last.from > time ? last.from : time;
            uint64 until = last.until < block.timestamp ? last.until : uint64(block.timestamp);
            if (until > from) total += until - from;
        }
    }

    /// @dev End of the last pause (block time), running or over; 0 before the first one.
    function _pausedUntil() private view returns (uint64) {
        uint256 count = _pauses.length;
        return count == 0 ? 0 : _pauses[count - 1].until;
    }

    /* VIEWS */

    /// @inheritdoc IRoles
    function config() external view returns (RolesConfig memory) {
        return RolesConfig({
            attesterThreshold: THRESHOLD,
            delaySeconds: DELAY_SECONDS,
            pauseSeconds: PAUSE_SECONDS,
            coolDownSeconds: COOL_DOWN_SECONDS
        });
    }

    /// @inheritdoc IRoles
    function grantOf(address key) external view returns (Grant memory) {
        return _grants[key];
    }

    /// @inheritdoc IRoles
    function proposalOf(address key) external view returns (Proposal memory) {
        return _proposals[key];
    }

    /// @inheritdoc IRoles
    function keyCount(Role role, bytes32 area) external view returns (uint256) {
        return _keyCounts[role][area];
    }

    /// @inheritdoc IRoles
    function organisationRole(bytes32 organisation) external view returns (Role) {
        return _organisationRoles[organisation];
    }

    /// @inheritdoc IRoles
    function hasRole(address key, Role role, bytes32 area) public view returns (bool) {
        Grant storage grant = _grants[key];
        return role != Role.None && grant.role == role && (grant.area == 0 || grant.area == area);
    }

    /// @inheritdoc IRoles
    function requireRole(address key, Role role, bytes32 area) public view {
        if (!hasRole(key, role, area)) revert RolesMissing(key, role, area);
    }

    /// @inheritdoc IRoles
    function requireQuorum(bytes32 digest, bytes32 area, bytes[] calldata signatures) external view {
        uint256 n = signatures.length;
        if (n < THRESHOLD || n > MAX_SIGNATURES) revert RolesQuorumSize(n, THRESHOLD);
        bytes32[] memory organisations = new bytes32[](n);
        address last = address(0);
        for (uint256 i = 0; i < n; ++i) {
            address signer = ECDSA.recover(digest, signatures[i]);
            if (signer <= last) revert RolesSignersUnordered(signer);
            last = signer;
            requireRole(signer, Role.Attester, area);
            bytes32 organisation = _grants[signer].organisation;
            for (uint256 j = 0; j < i; ++j) {
                if (organisations[j] == organisation) revert RolesOrganisationTwice(organisation);
            }
            organisations[i] = organisation;
        }
    }

    /* INTERNAL */

    function _propose(address key, address replaces, Grant memory grant) private returns (uint64 readyAt) {
        uint64 pending = _proposals[key].readyAt;
        if (pending != 0 && block.timestamp <= pending + PROPOSAL_SECONDS) revert RolesProposalPending(key);
        readyAt = uint64(block.timestamp) + DELAY_SECONDS;
        _proposals[key] = Proposal({
            replaces: replaces,
            readyAt: readyAt,
            proposer: msg.sender,
            organisation: _grants[msg.sender].organisation,
            confirmed: false,
            grant: grant
        });
    }

    /// @dev The second step is another organisation's, and never that of the key that would lose its role.
    function _requireSecondAdmin(Proposal memory proposal) private view {
        if (proposal.replaces == msg.sender) revert RolesOwnProposal(msg.sender);
        if (proposal.organisation == _grants[msg.sender].organisation) revert RolesSameOrganisation(proposal.proposer);
    }

    function _requireDue(Proposal memory proposal) private view {
        if (block.timestamp < proposal.readyAt) revert RolesProposalEarly(proposal.readyAt);
        uint64 until = proposal.readyAt + PROPOSAL_SECONDS;
        if (block.timestamp > until) revert RolesProposalExpired(until);
    }

    /// @dev The replaced key may meanwhile have been revoked, or hold something else, by other proposals.
    function _requireUnchanged(Proposal memory proposal) private view {
        Grant memory held = _grants[proposal.replaces];
        Grant memory expected = proposal.grant;
        if (held.role == Role.None) revert RolesKeyUnknown(proposal.replaces);
        bool same = held.role == expected.role && held.organisation == expected.organisation;
        if (!same || held.area != expected.area) revert RolesProposalStale(proposal.replaces);
    }

    function _checkGrant(Grant memory grant) private view {
        if (grant.key == address(0) || grant.role == Role.None || grant.organisation == 0) revert RolesGrantInvalid();
        // These three act on things that belong to no area.
        if (
            grant.area != 0
                && (grant.role == Role.SecurityAdmin || grant.role == Role.Registrar || grant.role == Role.Treasurer)
        ) {
            revert RolesGrantInvalid();
        }
        if (_grants[grant.key].role != Role.None) revert RolesKeyTaken(grant.key);
        Role held = _organisationRoles[grant.organisation];
        if (held != Role.None && held != grant.role) revert RolesOrganisationTaken(grant.organisation, held);
    }

    function _checkRevocation(address key) private view {
        Grant memory grant = _grants[key];
        if (grant.role == Role.None) revert RolesKeyUnknown(key);
        bool lastOfOrganisation = _organisationKeys[grant.organisation] == 1;
        if (grant.role == Role.SecurityAdmin && lastOfOrganisation && _adminOrganisations == MIN_ADMIN_ORGANISATIONS) {
            revert RolesLastKey(grant.role, grant.area);
        }
        bool mayBeEmpty = grant.role == Role.Attester || grant.role == Role.Treasurer;
        if (!mayBeEmpty && _keyCounts[grant.role][grant.area] == 1) revert RolesLastKey(grant.role, grant.area);
    }

    function _grant(Grant memory grant) private {
        _grants[grant.key] = grant;
        ++_keyCounts[grant.role][grant.area];
        if (++_organisationKeys[grant.organisation] == 1 && grant.role == Role.SecurityAdmin) ++_adminOrganisations;
        _organisationRoles[grant.organisation] = grant.role;
        emit RoleGranted(grant.key, grant.role, grant.organisation, grant.area);
    }

    function _revoke(address key) private {
        Grant memory grant = _grants[key];
        delete _grants[key];
        --_keyCounts[grant.role][grant.area];
        if (--_organisationKeys[grant.organisation] == 0) {
            delete _organisationRoles[grant.organisation];
            if (grant.role == Role.SecurityAdmin) --_adminOrganisations;
        }
        emit RoleRevoked(key, grant.role, grant.organisation, grant.area);
    }
}
