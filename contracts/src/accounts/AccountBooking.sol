// SPDX-License-Identifier: UNLICENSED
pragma solidity 0.8.37;

import {Cursor, IAccounts} from "../interfaces/IAccounts.sol";
import {AccountSlots} from "../libraries/AccountSlots.sol";
import {Hashes} from "../libraries/Hashes.sol";
import {AccountSuspense} from "./AccountSuspense.sol";

/// @title AccountBooking: the words of a settlement, first its debits, then its credits
abstract contract AccountBooking is AccountSuspense {
    address private immutable SETTLEMENT;

    constructor(address settlement_) {
        SETTLEMENT = settlement_;
    }

    /* BY SETTLEMENT */

    /// @inheritdoc IAccounts
    function openBatch(bytes32 area) external only(SETTLEMENT) returns (uint32 batch) {
        uint16 number = _numberOf(area);
        _requireNoneOpen(number);
        batch = ++_lastBatch;
        _openBatches[number] = batch;
    }

    /// @inheritdoc IAccounts
    function closeBatch(bytes32 area, bool takesEffect) external only(SETTLEMENT) {
        uint16 number = _areaNumbers[area];
        uint32 batch = _openBatches[number];
        if (takesEffect) {
            _effective[batch >> 8] |= 1 << (batch & 0xff);
            _waiting[number] += _batchWaiting[number];
        }
        delete _batchWaiting[number];
        delete _openBatches[number];
    }

    /// @inheritdoc IAccounts
    function book(bytes32 area, uint32 batch, Cursor memory cursor, uint256[] calldata words)
        external
        only(SETTLEMENT)
        returns (Cursor memory)
    {
        uint16 number = _numberOf(area);
        address last = cursor.last;
        // Amounts have 96 bits, balances 72, and a settlement at most 2^20 words: nothing can overflow.
        unchecked {
            for (uint256 i = 0; i < words.length; ++i) {
                (address account, int256 amount) = Hashes.settlementParts(words[i]);
                if (cursor.crediting) {
                    if (amount < 0) revert AccountsWordInvalid(i);
                } else if (amount > 0) {
                    _beginCredits(cursor, number);
                    last = address(0);
                }
                if (account <= last || amount == 0) revert AccountsWordInvalid(i);
                last = account;
                cursor.sumNeur += amount;
                if (cursor.waitsNeur != 0) amount -= _keepBack(account, amount, cursor, batch, number);
                if (batch == 0) _bookNow(account, amount, number);
                else _bookPending(account, amount, batch, number);
            }
        }
        cursor.last = last;
        return cursor;
    }

    /* VIEWS */

    /// @inheritdoc IAccounts
    function settlement() external view returns (address) {
        return SETTLEMENT;
    }

    /* INTERNAL */

    /// @dev The debits are known: what they leave uncovered, and does not wait yet, is kept back from the credits.
    function _beginCredits(Cursor memory cursor, uint16 area) private view {
        (cursor.crediting, cursor.debitsNeur) = (true, -cursor.sumNeur);
        int256 waits = _uncovered[area] - _waiting[area] - _batchWaiting[area];
        if (waits > cursor.debitsNeur) waits = cursor.debitsNeur;
        if (waits > 0) cursor.waitsNeur = waits;
    }

    /// @dev The part of a credit that waits: its share of what must wait, rounded up, so that all of it does.
    function _keepBack(address account, int256 amount, Cursor memory cursor, uint32 batch, uint16 area)
        private
        returns (int256 kept)
    {
        kept = (amount * cursor.waitsNeur + cursor.debitsNeur - 1) / cursor.debitsNeur;
        _suspend(account, kept, batch, area);
    }

    /// @dev Reads and writes the slot once: this is what a settlement pays for each account.
    function _bookNow(address account, int256 amount, uint16 area) private {
        uint256 packed = _slots[account];
        // What is folded here took effect or was dropped: while a batch of this area is open, none of its settlements begins.
        if (AccountSlots.batchOf(packed) != 0) packed = AccountSlots.pack(_load(account));
        int256 balance;
        bool beyond;
        // Of 72, 96 and 64 bits.
        unchecked {
            balance = AccountSlots.balanceOf(packed) + amount;
            beyond = balance + int256(uint256(AccountSlots.creditOf(packed))) < 0;
        }
        if (AccountSlots.areaOf(packed) != area || !AccountSlots.inRange(balance)) {
            return _bookElsewhere(account, amount, 0, area);
        }
        _slots[account] = AccountSlots.withBalance(packed, balance);
        if (beyond || AccountSlots.watchedOf(packed)) _recount(account);
    }

    function _bookPending(address account, int256 amount, uint32 batch, uint16 area) private {
        if (!_add(account, amount, batch, area)) _bookElsewhere(account, amount, batch, area);
    }

    /// @dev What cannot be booked on its account waits in suspense; a debit beyond the range is its guarantor's. Nobody holds up the others.
    function _bookElsewhere(address account, int256 amount, uint32 batch, uint16 area) private {
        address guarantor = _otherGuarantorOf(account);
        bool ours = AccountSlots.areaOf(_slots[account]) == area;
        if (amount < 0 && ours && guarantor != address(0) && _add(guarantor, amount, batch, area)) {
            emit DebitPassedOn(account, guarantor, amount);
            return;
        }
        _suspend(account, amount, batch, area);
    }

    /// @dev Adds an amount; false where the account is another area's or its balance would leave the range.
    function _add(address account, int256 amount, uint32 batch, uint16 area) private returns (bool) {
        AccountSlots.Slot memory slot = _load(account);
        if (slot.area != area || !_put(account, slot, amount, batch)) return false;
        if (slot.watched || _leastOf(slot) < -int256(uint256(slot.creditNeur))) _recount(account);
        return true;
    }
}
