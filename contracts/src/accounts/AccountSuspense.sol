// SPDX-License-Identifier: UNLICENSED
pragma solidity 0.8.37;

import {IAccounts} from "../interfaces/IAccounts.sol";
import {AccountSlots} from "../libraries/AccountSlots.sol";
import {AccountBacking} from "./AccountBacking.sol";

/// @title AccountSuspense: what cannot be booked, or that uncovered debts need, waits and is booked later
abstract contract AccountSuspense is AccountBacking {
    mapping(address account => bool) internal _isSuspense;
    /// @dev Σ balances of an area's suspense accounts, and what its open batch would add.
    mapping(uint16 area => int256) internal _waiting;
    mapping(uint16 area => int256) internal _batchWaiting;

    /* CHANGES */

    /// @inheritdoc IAccounts
    function bookSuspense(address account) external {
        bytes32 area = areaOf(account);
        if (area == 0) revert AccountsAreaWrong(account, area);
        uint16 number = _areaNumbers[area];
        _requireNoneOpen(number);
        int256 room = _waiting[number] - _uncovered[number];
        if (balanceOf(suspenseOf(account, area)) > 0 && room <= 0) revert AccountsUncovered(area, uint256(-room));
        _bookSuspense(account, area);
    }

    /* VIEWS */

    /// @inheritdoc IAccounts
    function suspenseOf(address account, bytes32 area) public pure returns (address) {
        return address(uint160(uint256(keccak256(abi.encode("suspense", account, area)))));
    }

    /// @inheritdoc IAccounts
    function uncoveredOf(bytes32 area) external view returns (int256 uncoveredNeur, int256 waitingNeur) {
        uint16 number = _areaNumbers[area];
        return (_uncovered[number], _waiting[number]);
    }

    /* INTERNAL */

    function _suspend(address account, int256 amount, uint32 batch, uint16 area) internal {
        address suspense = suspenseOf(account, _areaOf(area));
        AccountSlots.Slot memory slot = _load(suspense);
        if (!_isSuspense[suspense]) {
            // What somebody paid in there before waits from now on.
            _isSuspense[suspense] = true;
            _waiting[area] += slot.balanceNeur;
        }
        slot.area = area;
        if (!_put(suspense, slot, amount, batch)) revert AccountsAmountInvalid();
        if (batch == 0) _waiting[area] += amount;
        else _batchWaiting[area] += amount;
        emit AmountSuspended(account, suspense, amount);
    }

    /// @dev Adds an amount at once or to what is pending, and stores; false where that would leave the range.
    function _put(address account, AccountSlots.Slot memory slot, int256 amount, uint32 batch) internal returns (bool) {
        if (batch == 0) slot.balanceNeur += amount;
        else (slot.pendingNeur, slot.batch) = (slot.pendingNeur + amount, batch);
        bool fits = AccountSlots.inRange(slot.balanceNeur) && AccountSlots.inRange(slot.pendingNeur)
            && AccountSlots.inRange(slot.balanceNeur + slot.pendingNeur);
        if (fits) _store(account, slot);
        return fits;
    }

    /// @dev What waits for the account in this area comes to its balance, as far as no uncovered debt needs it to wait.
    function _bookSuspense(address account, bytes32 area) internal {
        address suspense = suspenseOf(account, area);
        uint16 number = _areaNumbers[area];
        int256 amount = balanceOf(suspense);
        int256 room = _waiting[number] - _uncovered[number];
        if (amount > 0 && amount > room) amount = room > 0 ? room : int256(0);
        if (amount == 0) return;
        _waiting[number] -= amount;
        _transfer(suspense, account, amount);
        emit SuspenseBooked(account, suspense, amount);
    }
}
