// SPDX-License-Identifier: UNLICENSED
pragma solidity 0.8.37;

import {ECDSA} from "@openzeppelin/contracts/utils/cryptography/ECDSA.sol";
import {EIP712} from "@openzeppelin/contracts/utils/cryptography/EIP712.sol";

import {IAccounts} from "./interfaces/IAccounts.sol";
import {ICalendar} from "./interfaces/ICalendar.sol";
import {IRoles, Role} from "./interfaces/IRoles.sol";
import {AreaChange, ISuccessions, Succession} from "./interfaces/ISuccessions.sol";
import {Hashes} from "./libraries/Hashes.sol";
import {MarketClock} from "./libraries/MarketClock.sol";

/// @title Successions (documented on ISuccessions)
contract Successions is ISuccessions, EIP712, MarketClock {
    /// @notice Market-time seconds after its delay in which a proposal may be completed.
    uint64 public constant COMPLETION_SECONDS = 30 days;

    IRoles private immutable ROLES;
    ICalendar private immutable CALENDAR;
    IAccounts private immutable ACCOUNTS;
    uint32 private immutable CHANGE_SECONDS;

    mapping(address account => Succession) private _successions;
    mapping(address account => AreaChange) private _areaChanges;

    constructor(IRoles roles, ICalendar calendar, IAccounts accounts) EIP712("DOMINOES", "1") MarketClock(calendar) {
        bool together = accounts.successions() == address(this) && accounts.calendar() == address(calendar)
            && accounts.roles() == address(roles);
        if (!together) revert SuccessionsPartsUnlike();
        ROLES = roles;
        CALENDAR = calendar;
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
        if (succession.readyAt == 0) revert SuccessionsNoneProposed(account);
        _requireDue(succession.readyAt);
        delete _successions[account];
        ACCOUNTS.replace(account, succession.successor);
    }

    /// @inheritdoc ISuccessions
    function collect(address account) external {
        address successor = ACCOUNTS.successorOf(account);
        if (successor == address(0)) revert SuccessionsNotReplaced(account);
        ACCOUNTS.replace(account, successor);
    }

    /// @inheritdoc ISuccessions
    function proposeAreaChange(address account, bytes32 area) external {
        ROLES.requireRole(msg.sender, Role.Registrar, 0);
        CALENDAR.areaOf(area); // reverts where there is no such area
        bytes32 bound = ACCOUNTS.areaOf(account);
        if (bound == 0 || bound == area) revert SuccessionsAreaWrong(account, bound);
        uint64 readyAt = _marketTime() + CHANGE_SECONDS;
        _areaChanges[account] = AreaChange({area: area, readyAt: readyAt});
        emit AreaChangeProposed(account, area, readyAt);
    }

    /// @inheritdoc ISuccessions
    function cancelAreaChange(address account) external {
        if (_areaChanges[account].readyAt == 0) revert SuccessionsAreaChangeUnknown(account);
        if (msg.sender != account) ROLES.requireRole(msg.sender, Role.Registrar, 0);
        delete _areaChanges[account];
        emit AreaChangeCancelled(account);
    }

    /// @inheritdoc ISuccessions
    function changeArea(address account) external {
        AreaChange memory change = _areaChanges[account];
        if (change.readyAt == 0) revert SuccessionsAreaChangeUnknown(account);
        _requireDue(change.readyAt);
        delete _areaChanges[account];
        ACCOUNTS.changeArea(account, change.area);
    }

    /* VIEWS */

    /// @inheritdoc ISuccessions
    function successionOf(address account) external view returns (Succession memory) {
        return _successions[account];
    }

    /// @inheritdoc ISuccessions
    function areaChangeOf(address account) external view returns (AreaChange memory) {
        return _areaChanges[account];
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

    /// @dev What was proposed waited its delay and has not expired.
    function _requireDue(uint64 readyAt) private view {
        uint64 time = _marketTime();
        if (time < readyAt) revert SuccessionsTooEarly(readyAt, time);
        uint64 until = readyAt + COMPLETION_SECONDS;
        if (time > until) revert SuccessionsTooLate(until, time);
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
