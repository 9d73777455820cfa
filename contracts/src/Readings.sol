// SPDX-License-Identifier: UNLICENSED
pragma solidity 0.8.37;

import {EIP712} from "@openzeppelin/contracts/utils/cryptography/EIP712.sol";

import {ICalendar, Period} from "./interfaces/ICalendar.sol";
import {Attestation, IReadings, ReadingState} from "./interfaces/IReadings.sol";
import {IRoles} from "./interfaces/IRoles.sol";
import {Hashes} from "./libraries/Hashes.sol";
import {MarketClock} from "./libraries/MarketClock.sol";
import {Time} from "./libraries/Time.sol";

/// @title Readings (documented on IReadings)
contract Readings is IReadings, EIP712, MarketClock {
    /// @notice MTUs one call may mark.
    uint32 public constant MAX_MARK_MTUS = 3200;

    struct Running {
        bytes32 root;
        uint256 resolved;
    }

    IRoles private immutable ROLES;
    ICalendar private immutable CALENDAR;

    mapping(bytes32 area => mapping(uint32 mtu => ReadingState)) private _readings;
    mapping(bytes32 area => mapping(uint32 period => Running)) private _running;

    constructor(IRoles roles_, ICalendar calendar_) EIP712("DOMINOES", "1") MarketClock(calendar_) {
        ROLES = roles_;
        CALENDAR = calendar_;
    }

    /* CHANGES */

    /// @inheritdoc IReadings
    function attest(uint32 period, Attestation calldata attestation, bytes[] calldata signatures) external {
        _attest(period, attestation, signatures);
    }

    /// @inheritdoc IReadings
    function attestMany(uint32 period, Attestation[] calldata attestations, bytes[][] calldata signatures) external {
        if (attestations.length == 0 || attestations.length != signatures.length) revert ReadingsBatchInvalid();
        for (uint256 i = 0; i < attestations.length; ++i) {
            _attest(period, attestations[i], signatures[i]);
        }
    }

    /// @inheritdoc IReadings
    function markUnread(bytes32 area, uint32 period, uint32 firstMtu, uint32 count) external {
        _requireInside(area, period, firstMtu, count);
        uint32 attestSeconds = CALENDAR.areaOf(area).attestSeconds;
        uint64 time = _marketTime();
        uint64 first = Time.startOf(uint256(firstMtu) + 1) + attestSeconds;
        if (time <= first) revert ReadingsTooEarly(first + 1, time);

        Running storage running = _running[area][period];
        (bytes32 root, uint256 marked) = (running.root, 0);
        for (uint32 mtu = firstMtu; mtu < firstMtu + count; ++mtu) {
            if (time <= Time.startOf(uint256(mtu) + 1) + attestSeconds) break;
            ReadingState storage reading = _readings[area][mtu];
            if (reading.revisions != 0) continue;
            reading.revisions = 1;
            reading.unread = true;
            root = Hashes.readingsLink(root, mtu, 0, 0, 0, 0, 0);
            ++marked;
            emit ReadingsUnread(area, mtu, root);
        }
        if (marked == 0) revert ReadingsNothingToMark();
        running.root = root;
        running.resolved += marked;
    }

    /* VIEWS */

    /// @inheritdoc IReadings
    function roles() external view returns (address) {
        return address(ROLES);
    }

    /// @inheritdoc IReadings
    function calendar() external view returns (address) {
        return address(CALENDAR);
    }

    /// @inheritdoc IReadings
    function readingOf(bytes32 area, uint32 mtu) external view returns (ReadingState memory) {
        return _readings[area][mtu];
    }

    /// @inheritdoc IReadings
    function readingsRoot(bytes32 area, uint32 period) external view returns (bytes32) {
        return _running[area][period].root;
    }

    /// @inheritdoc IReadings
    function resolvedCount(bytes32 area, uint32 period) external view returns (uint256) {
        return _running[area][period].resolved;
    }

    /// @inheritdoc IReadings
    function attestationDigest(Attestation calldata attestation) public view returns (bytes32) {
        return _hashTypedDataV4(Hashes.attestation(attestation));
    }

    /// @inheritdoc IReadings
    function domainSeparator() external view returns (bytes32) {
        return _domainSeparatorV4();
    }

    /* INTERNAL */

    function _attest(uint32 period, Attestation calldata attestation, bytes[] calldata signatures) private {
        bytes32 area = attestation.area;
        Period memory bounds = _requireInside(area, period, attestation.mtu, 1);
        ReadingState storage reading = _readings[area][attestation.mtu];
        if (attestation.revision != reading.revisions) {
            revert ReadingsRevisionWrong(reading.revisions, attestation.revision);
        }
        if ((attestation.root == 0) != (attestation.count == 0)) revert ReadingsRootInvalid();
        _requireTime(attestation, bounds);
        ROLES.requireQuorum(attestationDigest(attestation), area, signatures);

        reading.revisions = attestation.revision + 1;
        reading.count = attestation.count;
        reading.importWh = attestation.importWh;
        reading.exportWh = attestation.exportWh;
        reading.root = attestation.root;
        Running storage running = _running[area][period];
        if (attestation.revision == 0) ++running.resolved;
        running.root = Hashes.readingsLink(
            running.root,
            attestation.mtu,
            attestation.revision,
            attestation.root,
            attestation.count,
            attestation.importWh,
            attestation.exportWh
        );
        _emitAttested(attestation, running.root, signatures);
    }

    function _emitAttested(Attestation calldata attestation, bytes32 root, bytes[] calldata signatures) private {
        emit ReadingsAttested(
            attestation.area,
            attestation.mtu,
            attestation.revision,
            attestation.root,
            attestation.count,
            attestation.importWh,
            attestation.exportWh,
            root,
            signatures
        );
    }

    function _requireInside(bytes32 area, uint32 period, uint32 firstMtu, uint32 count)
        private
        view
        returns (Period memory bounds)
    {
        bounds = CALENDAR.periodOf(area, period);
        bool inside =
            firstMtu >= bounds.firstMtu && uint256(firstMtu) + count <= uint256(bounds.firstMtu) + bounds.count;
        if (count == 0 || count > MAX_MARK_MTUS || !inside) revert ReadingsMtuNotInPeriod(firstMtu, period);
    }

    /// @dev Revision 0 has the attestation deadline, corrections the period's horizon.
    function _requireTime(Attestation calldata attestation, Period memory bounds) private view {
        uint64 time = _marketTime();
        uint64 ended = Time.startOf(uint256(attestation.mtu) + 1);
        if (time < ended) revert ReadingsTooEarly(ended, time);
        uint64 until = attestation.revision == 0
            ? ended + CALENDAR.areaOf(attestation.area).attestSeconds
            : Time.startOf(uint256(bounds.firstMtu) + bounds.count) + CALENDAR.areaOf(attestation.area).horizonSeconds;
        if (time > until) revert ReadingsTooLate(until, time);
    }
}
