// SPDX-License-Identifier: UNLICENSED
pragma solidity 0.8.37;

import {EIP712} from "@openzeppelin/contracts/utils/cryptography/EIP712.sol";

import {AreaParams, ICalendar, Period} from "./interfaces/ICalendar.sol";
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
        uint32 resolved;
        uint64 resolvedAt;
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
        _attest(period, attestation, signatures, false);
    }

    /// @inheritdoc IReadings
    function attestMany(uint32 period, Attestation[] calldata attestations, bytes[][] calldata signatures) external {
        if (attestations.length == 0 || attestations.length != signatures.length) revert ReadingsBatchInvalid();
        for (uint256 i = 0; i < attestations.length; ++i) {
            _attest(period, attestations[i], signatures[i], true);
        }
    }

    /// @inheritdoc IReadings
    function markUnread(bytes32 area, uint32 period, uint32 firstMtu, uint32 count) external {
        Period memory bounds = _requireInside(area, period, firstMtu, count);
        uint32 attestSeconds = CALENDAR.areaOf(area).attestSeconds;
        uint64 time = _marketTime();
        uint64 first = _attestUntil(firstMtu, bounds, attestSeconds);
        if (time <= first) revert ReadingsTooEarly(first + 1, time);

        Running storage running = _running[area][period];
        (bytes32 root, uint32 marked) = (running.root, 0);
        for (uint32 mtu = firstMtu; mtu < firstMtu + count; ++mtu) {
            if (time <= _attestUntil(mtu, bounds, attestSeconds)) break;
            ReadingState storage reading = _readings[area][mtu];
            if (reading.revisions != 0) {
                _passOver(area, mtu);
                continue;
            }
            reading.revisions = 1;
            reading.unread = true;
            root = Hashes.readingsLink(root, mtu, 0, 0, 0, 0, 0);
            ++marked;
            emit ReadingsUnread(area, mtu, root);
        }
        running.root = root;
        _resolve(running, bounds, marked);
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
    function resolvedAt(bytes32 area, uint32 period) external view returns (uint64) {
        return _running[area][period].resolvedAt;
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

    /// @dev In a batch, what stands already or comes too late is passed over.
    function _attest(uint32 period, Attestation calldata attestation, bytes[] calldata signatures, bool inBatch)
        private
    {
        bytes32 area = attestation.area;
        Period memory bounds = _requireInside(area, period, attestation.mtu, 1);
        ReadingState storage reading = _readings[area][attestation.mtu];
        (uint64 time, uint64 until) = (_marketTime(), _deadline(period, attestation, bounds));
        if (inBatch && (attestation.revision < reading.revisions || time > until)) {
            _passOver(area, attestation.mtu);
            return;
        }
        if (attestation.revision != reading.revisions) {
            revert ReadingsRevisionWrong(reading.revisions, attestation.revision);
        }
        if ((attestation.root == 0) != (attestation.count == 0)) revert ReadingsRootInvalid();
        uint64 ended = Time.startOf(uint256(attestation.mtu) + 1);
        if (time < ended) revert ReadingsTooEarly(ended, time);
        if (time > until) revert ReadingsTooLate(until, time);
        ROLES.requireQuorum(attestationDigest(attestation), area, signatures);
        _record(period, attestation, bounds, signatures);
    }

    function _record(
        uint32 period,
        Attestation calldata attestation,
        Period memory bounds,
        bytes[] calldata signatures
    ) private {
        bytes32 area = attestation.area;
        ReadingState storage reading = _readings[area][attestation.mtu];
        reading.revisions = attestation.revision + 1;
        reading.count = attestation.count;
        reading.importWh = attestation.importWh;
        reading.exportWh = attestation.exportWh;
        reading.root = attestation.root;
        Running storage running = _running[area][period];
        if (attestation.revision == 0) _resolve(running, bounds, 1);
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

    /// @dev Counts MTUs that are attested or Unread from now on; notes when the last of the period is.
    function _resolve(Running storage running, Period memory bounds, uint32 count) private {
        uint32 resolved = running.resolved + count;
        running.resolved = resolved;
        if (count != 0 && resolved == bounds.count) running.resolvedAt = _marketTime();
    }

    function _passOver(bytes32 area, uint32 mtu) private {
        ReadingState storage standing = _readings[area][mtu];
        emit ReadingsPassedOver(area, mtu, standing.revisions, standing.unread, standing.root);
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

    /// @dev Revision 0 has the attestation deadline; corrections have the horizon, which begins once all MTUs of the period are resolved.
    function _deadline(uint32 period, Attestation calldata attestation, Period memory bounds)
        private
        view
        returns (uint64)
    {
        AreaParams memory params = CALENDAR.areaOf(attestation.area);
        if (attestation.revision == 0) return _attestUntil(attestation.mtu, bounds, params.attestSeconds);
        uint64 since = _running[attestation.area][period].resolvedAt;
        return since == 0 ? type(uint64).max : since + params.horizonSeconds;
    }

    /// @dev So long after the end of the MTU, or after the declaration of its period where that came later.
    function _attestUntil(uint32 mtu, Period memory bounds, uint32 attestSeconds) private pure returns (uint64) {
        uint64 ended = Time.startOf(uint256(mtu) + 1);
        return (ended > bounds.declaredAt ? ended : bounds.declaredAt) + attestSeconds;
    }
}
