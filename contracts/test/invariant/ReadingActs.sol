// SPDX-License-Identifier: UNLICENSED
pragma solidity 0.8.37;

import {Attestation, IReadings} from "../../src/interfaces/IReadings.sol";
import {Hashes} from "../../src/libraries/Hashes.sol";
import {Time} from "../../src/libraries/Time.sol";
import {MarketActs} from "./MarketActs.sol";

/// @notice Attesters attest the MTUs of the trading periods, rightly and wrongly; anyone marks what they leave out.
abstract contract ReadingActs is MarketActs {
    mapping(uint32 mtu => uint32) public readingRevisions;
    mapping(uint32 p => bytes32) public readingsRoot;
    mapping(uint32 p => uint256) public readCount;
    mapping(uint32 p => uint64) public readAt;

    function attest(uint256 seed) external {
        uint32 p = _tradingPeriod(seed);
        _attestOne(p, firstMtuOf(p) + uint32(_mix(seed, 1) % TRADING_MTUS), _mix(seed, 2));
    }

    function _attestOne(uint32 p, uint32 mtu, uint256 seed) internal {
        uint32 revision = readingRevisions[mtu];
        bytes4 expected = 0;
        if (seed % 8 == 0) {
            revision = seed % 16 == 0 || revision == 0 ? revision + 1 : revision - 1;
            expected = IReadings.ReadingsRevisionWrong.selector;
        } else {
            expected = _attestFault(p, mtu, revision);
        }
        Attestation memory attestation = _attestation(mtu, revision);
        bytes32 digest = _digest(readings.domainSeparator(), Hashes.attestation(attestation));
        (bytes[] memory signatures, bytes4 flaw) = _quorumOf(digest, seed, _mix(seed, 3) % 12);
        if (expected == 0) expected = flaw;
        bytes memory data = abi.encodeCall(IReadings.attest, (p, attestation, signatures));
        if (!_act(address(this), address(readings), data, expected, "attest")) return;
        _used(Message.Attest, address(readings), data);
        _noteReading(p, attestation);
    }

    /// @dev A batch of revision 0 for a whole period: what stands or comes too late is passed over, the rest recorded.
    function attestMany(uint256 seed) external {
        uint32 p = _tradingPeriod(seed);
        Attestation[] memory batch = new Attestation[](TRADING_MTUS);
        bytes[][] memory signatures = new bytes[][](TRADING_MTUS);
        bytes4 expected = 0;
        for (uint32 i = 0; i < TRADING_MTUS; ++i) {
            uint32 mtu = firstMtuOf(p) + i;
            batch[i] = _attestation(mtu, 0);
            bytes32 digest = _digest(readings.domainSeparator(), Hashes.attestation(batch[i]));
            (signatures[i],) = _quorumOf(digest, _mix(seed, i), 11);
            if (expected == 0 && !_isPassedOver(mtu)) expected = _attestFault(p, mtu, 0);
        }
        bytes memory data = abi.encodeCall(IReadings.attestMany, (p, batch, signatures));
        if (!_act(address(this), address(readings), data, expected, "attestMany")) return;
        for (uint32 i = 0; i < TRADING_MTUS; ++i) {
            if (!_isPassedOver(batch[i].mtu)) _noteReading(p, batch[i]);
        }
    }

    function _isPassedOver(uint32 mtu) private view returns (bool) {
        return readingRevisions[mtu] != 0 || _now() > Time.startOf(mtu + 1) + ATTEST_WINDOW;
    }

    function _attestFault(uint32 p, uint32 mtu, uint32 revision) private view returns (bytes4) {
        uint64 ended = Time.startOf(mtu + 1);
        if (_now() < ended) return IReadings.ReadingsTooEarly.selector;
        uint64 until = ended + ATTEST_WINDOW;
        if (revision != 0) until = readAt[p] == 0 ? type(uint64).max : readAt[p] + CORRECTION_WINDOW;
        return _now() > until ? IReadings.ReadingsTooLate.selector : bytes4(0);
    }

    function _noteReading(uint32 p, Attestation memory a) private {
        if (readingRevisions[a.mtu] == 0) _noteRead(p);
        ++readingRevisions[a.mtu];
        readingsRoot[p] =
            Hashes.readingsLink(readingsRoot[p], a.mtu, a.revision, a.root, a.count, a.importWh, a.exportWh);
    }

    function _noteRead(uint32 p) private {
        if (++readCount[p] == TRADING_MTUS) readAt[p] = _now();
    }

    function markUnread(uint256 seed) external {
        _mark(_tradingPeriod(seed));
    }

    /// @dev Anyone, at any time, also in a pause.
    function _mark(uint32 p) internal {
        uint32 first = firstMtuOf(p);
        bytes memory data = abi.encodeCall(IReadings.markUnread, (AREA, p, first, TRADING_MTUS));
        if (!_act(address(this), address(readings), data, _markFault(p), "markUnread")) return;
        for (uint32 mtu = first; mtu < first + TRADING_MTUS; ++mtu) {
            if (!_markable(mtu)) continue;
            readingRevisions[mtu] = 1;
            _noteRead(p);
            readingsRoot[p] = Hashes.readingsLink(readingsRoot[p], mtu, 0, 0, 0, 0, 0);
        }
    }

    function _markFault(uint32 p) private view returns (bytes4) {
        bool early = _now() <= Time.startOf(firstMtuOf(p) + 1) + ATTEST_WINDOW;
        return early ? IReadings.ReadingsTooEarly.selector : bytes4(0);
    }

    function _markable(uint32 mtu) private view returns (bool) {
        return readingRevisions[mtu] == 0 && _now() > Time.startOf(mtu + 1) + ATTEST_WINDOW;
    }
}
