// SPDX-License-Identifier: UNLICENSED
pragma solidity 0.8.37;

import {Grant, IRoles, Role} from "../../src/interfaces/IRoles.sol";
import {vm} from "../base/Vm.sol";
import {Handler, Reach} from "./Handler.sol";

/// @notice Security admins propose, agree, complete and withdraw changes of roles, rightly and wrongly; and pause.
abstract contract RoleActs is Handler {
    uint64 private constant PROPOSAL_WINDOW = 30 days;
    uint256 private constant NEW_ORGANISATIONS = 4;

    struct Holding {
        Role role;
        bytes32 organisation;
    }

    struct Pending {
        bool live;
        address replaces;
        uint256 readyAt;
        bytes32 proposedBy;
        bool confirmed;
        Role role;
        bytes32 organisation;
    }

    address[] internal _keys;
    mapping(address key => Holding) public held;
    mapping(address key => uint256) internal _secrets;

    address[] private _proposed;
    mapping(address key => Pending) private _pending;
    uint256 private _freshKeys;

    function setUp() public virtual override {
        if (address(roles) != address(0)) return;
        super.setUp();
        uint256[10] memory secrets = [
            OPERATOR_KEY,
            DSO_KEY,
            TREASURER_KEY,
            REGISTRAR_KEY,
            SECURITY_KEY,
            SECOND_SECURITY_KEY,
            TWIN_KEY,
            attesterKeys[0],
            attesterKeys[1],
            attesterKeys[2]
        ];
        for (uint256 i = 0; i < secrets.length; ++i) {
            _learn(secrets[i]);
        }
        Grant[] memory grants = _initialGrants();
        for (uint256 i = 0; i < grants.length; ++i) {
            held[grants[i].key] = Holding(grants[i].role, grants[i].organisation);
        }
    }

    function _learn(uint256 secret) private returns (address key) {
        key = vm.addr(secret);
        _secrets[key] = secret;
        _keys.push(key);
    }

    /* WHO HOLDS WHAT */

    function keys() external view returns (address[] memory) {
        return _keys;
    }

    function keysOf(Role role) public view returns (uint256 n) {
        for (uint256 i = 0; i < _keys.length; ++i) {
            if (held[_keys[i]].role == role) ++n;
        }
    }

    /// @notice Different organisations that hold the role.
    function organisationsOf(Role role) public view returns (uint256 n) {
        for (uint256 i = 0; i < _keys.length; ++i) {
            if (held[_keys[i]].role != role) continue;
            bool first = true;
            for (uint256 j = 0; j < i; ++j) {
                Holding memory before = held[_keys[j]];
                if (before.role == role && before.organisation == held[_keys[i]].organisation) first = false;
            }
            if (first) ++n;
        }
    }

    /// @dev A key that holds the role; the tests keep at least one of each.
    function _holder(Role role, uint256 seed) internal view returns (address) {
        uint256 start = seed % _keys.length;
        for (uint256 i = 0; i < _keys.length; ++i) {
            address key = _keys[(start + i) % _keys.length];
            if (held[key].role == role) return key;
        }
        revert("no holder");
    }

    function _anyKey(uint256 seed) internal view returns (address) {
        return _keys[seed % _keys.length];
    }

    function _kindOf(bytes32 organisation) private view returns (Role kind) {
        for (uint256 i = 0; i < _keys.length; ++i) {
            Holding memory holding = held[_keys[i]];
            if (holding.role != Role.None && holding.organisation == organisation) kind = holding.role;
        }
    }

    function _keysOfOrganisation(bytes32 organisation) private view returns (uint256 n) {
        for (uint256 i = 0; i < _keys.length; ++i) {
            Holding memory holding = held[_keys[i]];
            if (holding.role != Role.None && holding.organisation == organisation) ++n;
        }
    }

    /* SIGNATURES */

    /// @dev Two attesters of different organisations, ascending.
    function _attesterPair(uint256 seed) internal view returns (address a, address b) {
        a = _holder(Role.Attester, seed);
        for (uint256 i = 0; i < _keys.length; ++i) {
            Holding memory other = held[_keys[i]];
            if (other.role == Role.Attester && other.organisation != held[a].organisation) b = _keys[i];
        }
        if (b < a) (a, b) = (b, a);
    }

    function _signedBy(address a, address b, bytes32 digest) internal view returns (bytes[] memory signatures) {
        signatures = new bytes[](2);
        signatures[0] = _sign(_secrets[a], digest);
        signatures[1] = _sign(_secrets[b], digest);
    }

    /// @dev Signatures that make a quorum, and, for `flaw` 1 to 4, some that do not, with the error they meet.
    function _quorumOf(bytes32 digest, uint256 seed, uint256 flaw)
        internal
        view
        returns (bytes[] memory signatures, bytes4 expected)
    {
        (address a, address b) = _attesterPair(seed);
        if (flaw == 1) {
            signatures = new bytes[](1);
            signatures[0] = _sign(_secrets[a], digest);
            return (signatures, IRoles.RolesQuorumSize.selector);
        }
        if (flaw == 2) return (_signedBy(b, a, digest), IRoles.RolesSignersUnordered.selector);
        if (flaw == 3) {
            address outsider = _holder(Role.Operator, seed);
            (a, b) = outsider < a ? (outsider, a) : (a, outsider);
            return (_signedBy(a, b, digest), IRoles.RolesMissing.selector);
        }
        address twin = vm.addr(TWIN_KEY);
        address sibling = vm.addr(attesterKeys[0]);
        bool twins = held[twin].role == Role.Attester && held[sibling].role == Role.Attester
            && held[twin].organisation == held[sibling].organisation;
        if (flaw == 4 && twins) {
            (a, b) = twin < sibling ? (twin, sibling) : (sibling, twin);
            return (_signedBy(a, b, digest), IRoles.RolesOrganisationTwice.selector);
        }
        return (_signedBy(a, b, digest), 0);
    }

    /* PAUSE */

    function pause(uint256 seed) external {
        address admin = _holder(Role.SecurityAdmin, seed);
        bytes32 organisation = held[admin].organisation;
        uint256 last = _pauseEnds[organisation];
        bytes4 expected;
        if (pausedNow()) expected = IRoles.RolesPaused.selector;
        else if (last != 0 && block.timestamp < last + PAUSE_REST) expected = IRoles.RolesCoolDown.selector;
        if (_act(admin, address(roles), abi.encodeCall(IRoles.pause, ()), expected, "pause")) {
            _pauses.push(Pause(block.timestamp, block.timestamp + PAUSE_LIMIT));
            (_pausing, _pauseEnds[organisation]) = (organisation, block.timestamp + PAUSE_LIMIT);
        }
    }

    function unpause(uint256 seed) external {
        bytes4 expected = pausedNow() ? bytes4(0) : IRoles.RolesNotPaused.selector;
        bytes memory data = abi.encodeCall(IRoles.unpause, ());
        // Most pauses run their time.
        if (pausedNow() && seed % 4 != 0) return;
        if (_act(_holder(Role.SecurityAdmin, seed), address(roles), data, expected, "unpause")) {
            _pauses[_pauses.length - 1].until = block.timestamp;
            _pauseEnds[_pausing] = block.timestamp;
        }
    }

    /* PROPOSALS */

    /// @dev A fresh key, or now and then one that holds a role or is proposed already.
    function _candidate(uint256 seed) private returns (address) {
        if (seed % 8 == 0) return _anyKey(_mix(seed, 1));
        if (seed % 8 == 1 && _proposed.length != 0) return _proposed[_mix(seed, 1) % _proposed.length];
        return _learn(0xE000 + ++_freshKeys);
    }

    function _sender(uint256 seed) private view returns (address, bool) {
        address sender = seed % 8 == 0 ? _anyKey(_mix(seed, 2)) : _holder(Role.SecurityAdmin, _mix(seed, 2));
        return (sender, held[sender].role == Role.SecurityAdmin);
    }

    function _isPending(address key) private view returns (bool) {
        return _pending[key].live && block.timestamp <= _pending[key].readyAt + PROPOSAL_WINDOW;
    }

    function _note(address key, address replaces, address by, Role role, bytes32 organisation) private {
        if (_pending[key].readyAt == 0) _proposed.push(key);
        _pending[key] =
            Pending(true, replaces, block.timestamp + ROLE_DELAY, held[by].organisation, false, role, organisation);
    }

    function proposeGrant(uint256 seed) external {
        address key = _candidate(_mix(seed, 3));
        Role role = Role(1 + seed % 6);
        // An organisation that exists, of whichever kind, or one of a few new ones, which then meet each other.
        bytes32 organisation = _mix(seed, 4) % 2 == 0
            ? held[_anyKey(_mix(seed, 5))].organisation
            : bytes32(0x0E00 + _mix(seed, 5) % NEW_ORGANISATIONS);
        if (organisation == 0) return;
        (address by, bool admin) = _sender(_mix(seed, 6));
        bytes4 expected = admin ? _grantFault(key, role, organisation) : IRoles.RolesMissing.selector;
        if (expected == 0 && _isPending(key)) expected = IRoles.RolesProposalPending.selector;
        bytes32 scope = role == Role.Dso || role == Role.Attester ? AREA : bytes32(0);
        bytes memory data = abi.encodeCall(IRoles.proposeGrant, (Grant(key, role, organisation, scope)));
        if (_act(by, address(roles), data, expected, "proposeGrant")) _note(key, address(0), by, role, organisation);
    }

    function _grantFault(address key, Role role, bytes32 organisation) private view returns (bytes4) {
        if (held[key].role != Role.None) return IRoles.RolesKeyTaken.selector;
        Role kind = _kindOf(organisation);
        return kind == Role.None || kind == role ? bytes4(0) : IRoles.RolesOrganisationTaken.selector;
    }

    function proposeReplacement(uint256 seed) external {
        address key = _anyKey(seed);
        address newKey = _candidate(_mix(seed, 3));
        (address by, bool admin) = _sender(_mix(seed, 6));
        Holding memory holding = held[key];
        bytes4 expected = 0;
        if (!admin) expected = IRoles.RolesMissing.selector;
        else if (holding.role == Role.None) expected = IRoles.RolesKeyUnknown.selector;
        else if (held[newKey].role != Role.None) expected = IRoles.RolesKeyTaken.selector;
        else if (_isPending(newKey)) expected = IRoles.RolesProposalPending.selector;
        bytes memory data = abi.encodeCall(IRoles.proposeReplacement, (key, newKey));
        if (!_act(by, address(roles), data, expected, "proposeReplacement")) return;
        _note(newKey, key, by, holding.role, holding.organisation);
    }

    function proposeRevocation(uint256 seed) external {
        address key = _anyKey(seed);
        (address by, bool admin) = _sender(_mix(seed, 6));
        bytes4 expected = admin ? _revocationFault(key) : IRoles.RolesMissing.selector;
        if (expected == 0 && _isPending(key)) expected = IRoles.RolesProposalPending.selector;
        bytes memory data = abi.encodeCall(IRoles.proposeRevocation, (key));
        if (_act(by, address(roles), data, expected, "proposeRevocation")) _note(key, key, by, Role.None, 0);
    }

    function _revocationFault(address key) private view returns (bytes4) {
        Holding memory holding = held[key];
        if (holding.role == Role.None) return IRoles.RolesKeyUnknown.selector;
        if (holding.role == Role.Attester || holding.role == Role.Treasurer) return 0;
        bool lastAdmins = holding.role == Role.SecurityAdmin && _keysOfOrganisation(holding.organisation) == 1
            && organisationsOf(Role.SecurityAdmin) == 2;
        return lastAdmins || keysOf(holding.role) == 1 ? IRoles.RolesLastKey.selector : bytes4(0);
    }

    /* SECOND STEPS */

    /// @dev A key with a proposal, mostly one that waits for just this step: a grant to be confirmed, one to be accepted, or a revocation.
    function _anyProposed(uint256 seed, bool grant, bool confirmed) private view returns (address) {
        if (_proposed.length == 0) return _anyKey(seed);
        for (uint256 i = 0; i < _proposed.length && _mix(seed, 8) % 4 != 0; ++i) {
            address key = _proposed[(seed % _proposed.length + i) % _proposed.length];
            Pending memory pending = _pending[key];
            bool waits = pending.live && (pending.role != Role.None) == grant && pending.confirmed == confirmed;
            if (waits) return key;
        }
        return _proposed[seed % _proposed.length];
    }

    /// @dev Mostly an admin of another organisation than the proposer's.
    function _secondSender(Pending memory pending, uint256 seed) private view returns (address by, bool admin) {
        for (uint256 i = 0; i < _keys.length && seed % 4 != 0; ++i) {
            Holding memory other = held[_keys[i]];
            if (other.role == Role.SecurityAdmin && other.organisation != pending.proposedBy) return (_keys[i], true);
        }
        return _sender(_mix(seed, 9));
    }

    function _secondFault(Pending memory pending, address by) private view returns (bytes4) {
        if (pending.replaces == by) return IRoles.RolesOwnProposal.selector;
        return pending.proposedBy == held[by].organisation ? IRoles.RolesSameOrganisation.selector : bytes4(0);
    }

    function _dueFault(Pending memory pending) private view returns (bytes4) {
        if (block.timestamp < pending.readyAt) return IRoles.RolesProposalEarly.selector;
        bool expired = block.timestamp > pending.readyAt + PROPOSAL_WINDOW;
        return expired ? IRoles.RolesProposalExpired.selector : bytes4(0);
    }

    function confirmGrant(uint256 seed) external {
        address key = _anyProposed(seed, true, false);
        Pending memory pending = _pending[key];
        (address by, bool admin) = _secondSender(pending, _mix(seed, 6));
        bytes4 expected = admin ? bytes4(0) : IRoles.RolesMissing.selector;
        if (admin && (!pending.live || pending.role == Role.None)) expected = IRoles.RolesProposalUnknown.selector;
        else if (admin) expected = _secondFault(pending, by);
        bool other = _mix(seed, 10) % 8 == 0;
        bool secondStep = expected != IRoles.RolesMissing.selector && expected != IRoles.RolesProposalUnknown.selector;
        if (secondStep && other) expected = IRoles.RolesProposalOther.selector;
        if (_act(by, address(roles), _confirmCall(key, pending, other), expected, "confirmGrant")) {
            _pending[key].confirmed = true;
        }
    }

    /// @dev What was proposed, or another organisation's grant for the same key.
    function _confirmCall(address key, Pending memory pending, bool other) private view returns (bytes memory) {
        Grant memory grant = Grant(key, pending.role, other ? bytes32("another") : pending.organisation, 0);
        bytes32 scoped = roles.proposalOf(key).grant.area;
        grant.area = scoped;
        address replaces = pending.role == Role.None ? address(0) : pending.replaces;
        return abi.encodeCall(IRoles.confirmGrant, (grant, replaces));
    }

    function acceptGrant(uint256 seed) external {
        address key = _anyProposed(seed, true, true);
        Pending memory pending = _pending[key];
        _maybeWait(pending, _mix(seed, 7));
        bytes4 expected = _acceptFault(key, pending);
        if (!_act(key, address(roles), abi.encodeCall(IRoles.acceptGrant, ()), expected, "acceptGrant")) return;
        delete held[pending.replaces];
        held[key] = Holding(pending.role, pending.organisation);
        _pending[key].live = false;
        ++reached[Reach.RolesChanged];
    }

    function _maybeWait(Pending memory pending, uint256 seed) private {
        if (pending.live && block.timestamp < pending.readyAt && seed % 3 != 0) {
            _sleep(pending.readyAt - block.timestamp);
        }
    }

    function _acceptFault(address key, Pending memory pending) private view returns (bytes4) {
        if (!pending.live || pending.role == Role.None) return IRoles.RolesProposalUnknown.selector;
        bytes4 due = _dueFault(pending);
        if (due != 0) return due;
        if (!pending.confirmed) return IRoles.RolesProposalUnconfirmed.selector;
        if (pending.replaces == address(0)) return _grantFault(key, pending.role, pending.organisation);
        Holding memory replaced = held[pending.replaces];
        if (replaced.role == Role.None) return IRoles.RolesKeyUnknown.selector;
        if (replaced.role != pending.role || replaced.organisation != pending.organisation) {
            return IRoles.RolesProposalStale.selector;
        }
        return held[key].role != Role.None ? IRoles.RolesKeyTaken.selector : bytes4(0);
    }

    function revoke(uint256 seed) external {
        address key = _anyProposed(seed, false, false);
        Pending memory pending = _pending[key];
        if (_needed(key)) return;
        _maybeWait(pending, _mix(seed, 7));
        (address by, bool admin) = _secondSender(pending, _mix(seed, 6));
        bytes4 expected = admin ? _revokeFault(key, pending, by) : IRoles.RolesMissing.selector;
        if (!_act(by, address(roles), abi.encodeCall(IRoles.revoke, (key)), expected, "revoke")) return;
        delete held[key];
        _pending[key].live = false;
        ++reached[Reach.RolesChanged];
    }

    function _revokeFault(address key, Pending memory pending, address by) private view returns (bytes4) {
        if (!pending.live || pending.role != Role.None) return IRoles.RolesProposalUnknown.selector;
        bytes4 fault = _dueFault(pending);
        if (fault == 0) fault = _secondFault(pending, by);
        return fault == 0 ? _revocationFault(key) : fault;
    }

    /// @dev The chain lets treasurers and attesters run out; the other acts need some.
    function _needed(address key) private view returns (bool) {
        Holding memory holding = held[key];
        if (holding.role == Role.Treasurer) return keysOf(Role.Treasurer) == 1;
        return holding.role == Role.Attester && organisationsOf(Role.Attester) <= 2
            && _keysOfOrganisation(holding.organisation) == 1;
    }

    /// @dev Whether a proposal of others would take a key from the organisation of `by`.
    function _takesFromOwn(Pending memory pending, address by) private view returns (bool) {
        bytes32 organisation = held[by].organisation;
        return pending.replaces != address(0) && held[pending.replaces].organisation == organisation
            && pending.proposedBy != organisation;
    }

    function cancelProposal(uint256 seed) external {
        address key = _anyProposed(seed, true, false);
        Pending memory pending = _pending[key];
        (address by, bool admin) = _sender(_mix(seed, 6));
        bytes4 expected = 0;
        if (!admin) expected = IRoles.RolesMissing.selector;
        else if (!pending.live) expected = IRoles.RolesProposalUnknown.selector;
        else if (_takesFromOwn(pending, by)) expected = IRoles.RolesOwnProposal.selector;
        bytes memory data = abi.encodeCall(IRoles.cancelProposal, (key));
        if (_act(by, address(roles), data, expected, "cancelProposal")) _pending[key].live = false;
    }
}
