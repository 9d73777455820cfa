// SPDX-License-Identifier: UNLICENSED
pragma solidity 0.8.37;

import {IAnchors} from "../../src/interfaces/IAnchors.sol";
import {Entry, IRegistry} from "../../src/interfaces/IRegistry.sol";
import {Grant, IRoles, Role} from "../../src/interfaces/IRoles.sol";
import {vm} from "../base/Vm.sol";
import {TradeStrikes} from "./TradeStrikes.sol";

/// @notice One security admin of two, against the roles; the operator's anchors and the registrar's entries. The other admin agrees to
/// one change, which everybody agreed to: an attester of an organisation of its own comes, and goes.
abstract contract RoleStrikes is TradeStrikes {
    uint64 private _anchored;
    Entry[] private _entries;

    function _spareGrant() private view returns (Grant memory) {
        return Grant(spare, Role.Attester, "spare", AREA);
    }

    function _anyKey() private returns (address) {
        address[8] memory keys = [operator, dso, treasurer, registrar, security, secondSecurity, spare, _ownAccount()];
        return keys[_one(8)];
    }

    function _proposeGrant() internal {
        Grant memory grant = Grant(_anyKey(), _role(), _organisation(), _one(2) == 0 ? AREA : bytes32(0));
        if (_one(3) == 0) grant = _spareGrant();
        _strike(_by(security), address(roles), abi.encodeCall(IRoles.proposeGrant, (grant)));
    }

    function _proposeRevocation() internal {
        address key = _one(2) == 0 ? spare : _anyKey();
        _strike(_by(security), address(roles), abi.encodeCall(IRoles.proposeRevocation, (key)));
    }

    function _proposeReplacement() internal {
        _strike(_by(security), address(roles), abi.encodeCall(IRoles.proposeReplacement, (_anyKey(), _ownAccount())));
    }

    function _cancelProposal() internal {
        address key = _one(4) == 0 ? spare : _anyKey();
        _strike(_by(security), address(roles), abi.encodeCall(IRoles.cancelProposal, (key)));
    }

    /// @dev The honest admin confirms what was agreed outside the chain; the other one whatever it proposed itself.
    function _confirmGrant(bool honest) internal {
        Grant memory grant = honest ? _spareGrant() : roles.proposalOf(_anyKey()).grant;
        address replaces = honest ? address(0) : roles.proposalOf(grant.key).replaces;
        bytes memory data = abi.encodeCall(IRoles.confirmGrant, (grant, replaces));
        bool ok = _strike(honest ? secondSecurity : _by(security), address(roles), data);
        assertFalse(ok && !honest, "nobody confirms alone");
    }

    function _acceptGrant() internal {
        address key = _one(2) == 0 ? spare : _anyKey();
        if (key == spare && roles.proposalOf(spare).confirmed && _one(2) == 0) _sleep(DELAY);
        bool ok = _strike(key, address(roles), abi.encodeCall(IRoles.acceptGrant, ()));
        assertTrue(!ok || key == spare, "nobody else was agreed to");
    }

    function _revoke(bool honest) internal {
        if (honest && roles.proposalOf(spare).readyAt != 0 && _one(2) == 0) _sleep(DELAY);
        address key = honest ? spare : _anyKey();
        bool ok =
            _strike(honest ? secondSecurity : _by(security), address(roles), abi.encodeCall(IRoles.revoke, (key)));
        assertFalse(ok && !honest, "nobody revokes alone");
    }

    /// @dev What everybody agreed to, in one go, unless the adversary comes between.
    function _changeSpare() internal {
        bool comes = roles.grantOf(spare).role == Role.None;
        bytes memory proposed = comes
            ? abi.encodeCall(IRoles.proposeGrant, (_spareGrant()))
            : abi.encodeCall(IRoles.proposeRevocation, (spare));
        _strike(security, address(roles), proposed);
        if (comes) _confirmGrant(true);
        if (_one(4) == 0) _cancelProposal();
        _sleep(DELAY);
        if (comes) _strike(spare, address(roles), abi.encodeCall(IRoles.acceptGrant, ()));
        else _strike(secondSecurity, address(roles), abi.encodeCall(IRoles.revoke, (spare)));
    }

    function _pause() internal {
        if (_one(3) != 0) return _unpause(); // or hardly anything would be traded
        _strike(_by(security), address(roles), abi.encodeCall(IRoles.pause, ()));
    }

    function _unpause() internal {
        _strike(_by(security), address(roles), abi.encodeCall(IRoles.unpause, ()));
    }

    /// @dev C15, C16: whoever held a role still does, and nobody else came to one but the attester agreed to.
    function _lookAtRoles() internal view {
        Grant[] memory first = _grants();
        for (uint256 i = 0; i < first.length; ++i) {
            bytes32 held = keccak256(abi.encode(roles.grantOf(first[i].key)));
            assertEq(held, keccak256(abi.encode(first[i])), "a role stays");
        }
        assertTrue(roles.grantOf(vm.addr(_own[0])).role == Role.None, "no role for the adversary's account");
        assertTrue(roles.grantOf(vm.addr(_own[1])).role == Role.None, "no role for its other account");
        Role held_ = roles.grantOf(spare).role;
        assertTrue(held_ == Role.None || held_ == Role.Attester, "no other role for the spare attester");
    }

    /* ANCHORS AND REGISTRY */

    function _anchor() internal {
        uint64 sequence = _one(2) == 0 ? _anchored + uint64(_one(1000)) : uint64(_number());
        bytes memory data = abi.encodeCall(IAnchors.anchor, (sequence, bytes32(_number())));
        if (!_strike(_by(operator), address(anchors), data)) return;
        assertTrue(sequence > _anchored && sequence - _anchored <= 100_000, "anchors rise by bounded steps");
        _anchored = sequence;
    }

    function _register() internal {
        address location = _one(2) == 0 ? address(market) : _anybody();
        bytes32 codeHash = _one(4) == 0 ? bytes32(_number()) : location.codehash;
        string memory name = _one(2) == 0 ? "Market" : "Other";
        bytes memory data = abi.encodeCall(IRegistry.register, (name, location, codeHash));
        if (_strike(_by(registrar), address(registry), data)) {
            assertTrue(location.code.length != 0 && location.codehash == codeHash, "what is listed is there");
            _entries.push(registry.entryAt(_entries.length));
        }
    }

    /// @dev C14, C17: the list only grows, and the anchors stand where the last one put them.
    function _lookAtLists() internal view {
        (uint64 sequence,,) = anchors.latest();
        assertEq(uint256(sequence), _anchored, "last anchor");
        assertEq(registry.entryCount(), _entries.length, "entries");
        for (uint256 i = 0; i < _entries.length; ++i) {
            bytes32 listed = keccak256(abi.encode(registry.entryAt(i)));
            assertEq(listed, keccak256(abi.encode(_entries[i])), "an entry stays");
        }
    }
}
