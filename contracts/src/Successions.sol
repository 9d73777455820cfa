// SPDX-License-Identifier: UNLICENSED
pragma solidity 0.8.37;

import {ECDSA} from "@openzeppelin/contracts/utils/cryptography/ECDSA.sol";
import {EIP712} from "@openzeppelin/contracts/utils/cryptography/EIP712.sol";

import {IAccounts} from "./interfaces/IAccounts.sol";
import {ICalendar} from "./interfaces/ICalendar.sol";
import {IRoles, Role} from "./interfaces/IRoles.sol";
import {ISuccessions, Succession} from "./interfaces/ISuccessions.sol";
import {Hashes} from "./libraries/Hashes.sol";
import {MarketClock} from "./libraries/MarketClock.sol";

/// @title Successions (documented on ISuccessions)
contract Successions is ISuccessions, EIP712, MarketClock {
    /// @notice Market-time seconds after its delay in which a proposed successor may take over.
    uint64 public constant TAKEOVER_SECONDS = 30 days;

    IRoles private immutable ROLES;
    IAccounts private immutable ACCOUNTS;
    uint32 private immutable CHANGE_SECONDS;

    mapping(address account => Succession) private _successions;

    constructor(IRoles roles, ICalendar calendar, IAccounts accounts) EIP712("DOMINOES", "1") MarketClock(calendar) {
        bool together = accounts.successions() == address(this) && accounts.calendar() == address(calendar)
            && accounts.roles() == address(roles);
        if (!together) revert SuccessionsPartsUnlike();
        ROLES = roles;
        ACCOUNTS = accounts;
        CHANGE_SECONDS = accounts.changeSeconds();
    }

    /* CHANGES */

    /// @inheritdoc ISuccessions
    function replaceAccount(
        address account,
        address successor,
        uint64 deadline,
        bytes calldata accountSignature,
        bytes calldata successorSignature
    ) external {
        if (account == successor) revert SuccessionsAddressInvalid(account);
        bytes32 structHash = _readInTime(account, successor, deadline);
        _requireSigner(account, _recovered(structHash, accountSignature));
        _requireSigner(successor, _recovered(structHash, successorSignature));
        ACCOUNTS.requirePresent(account);
        delete _successions[account];
        ACCOUNTS.replace(account, successor);
    }

    /// @inheritdoc ISuccessions
    function proposeSuccessor(
        address account,
        address successor,
        uint64 deadline,
        bytes calldata guarantorSignature,
        bytes calldata successorSignature
    ) external {
        ROLES.requireRole(msg.sender, Role.Registrar, 0);
        if (account == successor) revert SuccessionsAddressInvalid(account);
        ACCOUNTS.requirePresent(account);
        bytes32 structHash = _readInTime(account, successor, deadline);
        address agreeing = _recovered(structHash, guarantorSignature);
        _requireMayAgree(account, agreeing);
        _requireSigner(successor, _recovered(structHash, successorSignature));
        uint64 readyAt = _marketTime() + CHANGE_SECONDS;
        _successions[account] = Succession({successor: successor, readyAt: readyAt});
        emit SuccessorProposed(account, successor, agreeing, readyAt);
    }

    /// @inheritdoc ISuccessions
    function cancelSuccessor(address account) external {
        if (_successions[account].readyAt == 0) revert SuccessionsNoneProposed(account);
        if (msg.sender != account) ROLES.requireRole(msg.sender, Role.Registrar, 0);
        delete _successions[account];
        emit SuccessorCancelled(account);
    }

    /// @inheritdoc ISuccessions
    function succeed(address account) external {
        Succession memory succession = _successions[account];
        uint64 time = _marketTime();
        if (succession.readyAt == 0) revert SuccessionsNoneProposed(account);
        if (time < succession.readyAt) revert SuccessionsTooEarly(succession.readyAt, time);
        uint64 until = succession.readyAt + TAKEOVER_SECONDS;
        if (time > until) revert SuccessionsTooLate(until, time);
        delete _successions[account];
        ACCOUNTS.replace(account, succession.successor);
    }

    /// @inheritdoc ISuccessions
    function collect(address account) external {
        address successor = ACCOUNTS.successorOf(account);
        if (successor == address(0)) revert SuccessionsNotReplaced(account);
        ACCOUNTS.replace(account, successor);
    }

    /* VIEWS */

    /// @inheritdoc ISuccessions
    function successionOf(address account) external view returns (Succession memory) {
        return _successions[account];
    }

    /// @inheritdoc ISuccessions
    function domainSeparator() external view returns (bytes32) {
        return _domainSeparatorV4();
    }

    /* INTERNAL */

    /// @dev What is signed, if its deadline has not passed.
    function _readInTime(address account, address successor, uint64 deadline) private view returns (bytes32) {
        uint64 time = _marketTime();
        if (time > deadline) revert SuccessionsTooLate(deadline, time);
        return Hashes.accountReplacement(account, successor, deadline);
    }

    /// @dev Where nobody else answers for the account, its area's operator agrees in a guarantor's place.
    function _requireMayAgree(address account, address agreeing) private view {
        address guarantor = ACCOUNTS.guarantorOf(account);
        bool alone = guarantor == address(0) || guarantor == account;
        if (alone) ROLES.requireRole(agreeing, Role.Operator, ACCOUNTS.areaOf(account));
        else _requireSigner(guarantor, agreeing);
    }

    function _recovered(bytes32 structHash, bytes calldata signature) private view returns (address) {
        return ECDSA.recover(_hashTypedDataV4(structHash), signature);
    }

    function _requireSigner(address expected, address signer) private pure {
        if (signer != expected) revert SuccessionsSignerWrong(expected, signer);
    }
}
