// SPDX-License-Identifier: UNLICENSED
pragma solidity 0.8.37;

import {SafeCast} from "@openzeppelin/contracts/utils/math/SafeCast.sol";

import {IAccounts} from "../interfaces/IAccounts.sol";
import {AccountSlots} from "../libraries/AccountSlots.sol";

/// @title AccountStore: the slots of accounts, areas by number, and batches of settlements that take effect together
abstract contract AccountStore is IAccounts {
    /// @dev Areas by number, from 1 on, in the order in which they first bound or booked an account.
    bytes32[] internal _areas;
    mapping(bytes32 area => uint16) internal _areaNumbers;
    /// @dev Laid out by AccountSlots.
    mapping(address account => uint256) internal _slots;
    uint32 internal _lastBatch;
    mapping(uint16 area => uint32) internal _openBatches;
    /// @dev Bit number % 256 of word number / 256: the batch with this number took effect.
    mapping(uint256 index => uint256 bits) internal _effective;

    modifier only(address part) {
        if (msg.sender != part) revert AccountsCallerWrong(msg.sender);
        _;
    }

    /* VIEWS */

    /// @inheritdoc IAccounts
    function balanceOf(address account) public view returns (int256) {
        return _load(account).balanceNeur;
    }

    /// @inheritdoc IAccounts
    function areaOf(address account) public view returns (bytes32) {
        return _areaOf(AccountSlots.areaOf(_slots[account]));
    }

    /// @inheritdoc IAccounts
    function openBatchOf(bytes32 area) external view returns (uint32) {
        return _openBatches[_areaNumbers[area]];
    }

    /* INTERNAL */

    /// @dev The account with a pending amount folded in, kept or dropped.
    function _load(address account) internal view returns (AccountSlots.Slot memory slot) {
        slot = AccountSlots.unpack(_slots[account]);
        if (slot.batch != 0) _fold(slot);
    }

    function _store(address account, AccountSlots.Slot memory slot) internal {
        _slots[account] = AccountSlots.pack(slot);
    }

    /// @dev Folds a pending amount in (its batch took effect), keeps it (it is open) or drops it (it was dropped).
    function _fold(AccountSlots.Slot memory slot) private view {
        if (_effective[slot.batch >> 8] & (1 << (slot.batch & 0xff)) != 0) {
            slot.balanceNeur += slot.pendingNeur;
        } else if (_openBatches[slot.area] == slot.batch) {
            return;
        }
        (slot.pendingNeur, slot.batch) = (0, 0);
    }

    /// @dev The balance as it is, or as it will be once the area's open batch took effect, whichever is lower.
    function _leastOf(AccountSlots.Slot memory slot) internal pure returns (int256) {
        return slot.pendingNeur < 0 ? slot.balanceNeur + slot.pendingNeur : slot.balanceNeur;
    }

    /// @dev The number of an area, given to it now if it has none.
    function _numberOf(bytes32 area) internal returns (uint16 number) {
        number = _areaNumbers[area];
        if (number == 0) {
            if (_areas.length == AccountSlots.MAX_AREAS) revert AccountsAreasExhausted();
            _areas.push(area);
            _areaNumbers[area] = number = SafeCast.toUint16(_areas.length);
        }
    }

    function _areaOf(uint16 number) internal view returns (bytes32) {
        return number == 0 ? bytes32(0) : _areas[number - 1];
    }

    function _requireNoneOpen(uint16 area) internal view {
        if (_openBatches[area] != 0) revert AccountsBusy(_areaOf(area));
    }

    function _requireSameArea(address account, address other) internal view {
        bytes32 area = areaOf(account);
        if (area == 0 || area != areaOf(other)) revert AccountsAreaWrong(other, areaOf(other));
    }
}
