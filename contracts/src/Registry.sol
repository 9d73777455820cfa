// SPDX-License-Identifier: UNLICENSED
pragma solidity 0.8.37;

import {SafeCast} from "@openzeppelin/contracts/utils/math/SafeCast.sol";

import {Entry, IRegistry} from "./interfaces/IRegistry.sol";
import {IRoles, Role} from "./interfaces/IRoles.sol";

/// @title Registry (documented on IRegistry)
contract Registry is IRegistry {
    /// @notice Longest name, bytes.
    uint256 public constant MAX_NAME_BYTES = 64;

    IRoles private immutable ROLES;

    Entry[] private _entries;
    mapping(bytes32 nameHash => uint256[] indices) private _versions;

    constructor(IRoles roles) {
        ROLES = roles;
    }

    /// @inheritdoc IRegistry
    function register(string calldata name, address location, bytes32 codeHash) external returns (uint32 version) {
        ROLES.requireRole(msg.sender, Role.Registrar, 0);
        if (bytes(name).length == 0 || bytes(name).length > MAX_NAME_BYTES) revert RegistryNameInvalid();
        bytes32 found = location.codehash;
        if (found != codeHash || location.code.length == 0) revert RegistryCodeWrong(location, codeHash, found);
        uint256[] storage versions = _versions[keccak256(bytes(name))];
        uint256 count = versions.length;
        if (count != 0 && _entries[versions[count - 1]].location == location) revert RegistryListed(location);
        version = SafeCast.toUint32(count + 1);
        versions.push(_entries.length);
        _entries.push(Entry({name: name, version: version, location: location, codeHash: codeHash}));
        emit ContractRegistered(name, version, location, codeHash);
    }

    /// @inheritdoc IRegistry
    function entryCount() external view returns (uint256) {
        return _entries.length;
    }

    /// @inheritdoc IRegistry
    function entryAt(uint256 index) external view returns (Entry memory) {
        if (index >= _entries.length) revert RegistryUnknown();
        return _entries[index];
    }

    /// @inheritdoc IRegistry
    function entryOf(string calldata name, uint32 version) external view returns (Entry memory) {
        return _entryOf(name, version);
    }

    /// @inheritdoc IRegistry
    function latestOf(string calldata name) external view returns (Entry memory) {
        return _entryOf(name, _versions[keccak256(bytes(name))].length);
    }

    function _entryOf(string calldata name, uint256 version) private view returns (Entry memory) {
        uint256[] storage versions = _versions[keccak256(bytes(name))];
        if (version == 0 || version > versions.length) revert RegistryUnknown();
        return _entries[versions[version - 1]];
    }
}
