// SPDX-License-Identifier: UNLICENSED
pragma solidity 0.8.37;

/// @notice One deployment of one contract.
/// @param name of the contract
/// @param version 1, 2, … per name
/// @param location its address
/// @param codeHash hash of its runtime code, checked when it was registered
struct Entry {
    string name;
    uint32 version;
    address location;
    bytes32 codeHash;
}

/// @title Registry: which deployments there are
/// @notice Contracts are immutable; a new version is a new deployment and a new entry. Nothing is ever removed.
/// @dev Constructor: `Registry(IRoles roles)`.
interface IRegistry {
    /* EVENTS */

    /// @notice A deployment was listed.
    event ContractRegistered(string name, uint32 indexed version, address indexed location, bytes32 codeHash);

    /* ERRORS */

    /// @notice Thrown when the name is empty or longer than 64 bytes.
    error RegistryNameInvalid();
    /// @notice Thrown when the code at the address has another hash, or there is none.
    error RegistryCodeWrong(address location, bytes32 expected, bytes32 found);
    /// @notice Thrown when the address is the newest entry of the name already.
    error RegistryListed(address location);
    /// @notice Thrown when there is no such entry.
    error RegistryUnknown();

    /* CHANGES */

    /// @notice Lists a deployment as the next version of its name. Registrar only.
    /// @dev A wrong entry is corrected by the next one: an address may be listed under several names, and again after another one.
    /// @return version 1, 2, … per name
    function register(string calldata name, address location, bytes32 codeHash) external returns (uint32 version);

    /* VIEWS */

    /// @notice Number of entries over all names.
    function entryCount() external view returns (uint256);

    /// @notice An entry by its index in order of registration; reverts if there is none.
    function entryAt(uint256 index) external view returns (Entry memory);

    /// @notice An entry by name and version; reverts if there is none.
    function entryOf(string calldata name, uint32 version) external view returns (Entry memory);

    /// @notice The newest entry of a name; reverts if there is none.
    function latestOf(string calldata name) external view returns (Entry memory);
}
