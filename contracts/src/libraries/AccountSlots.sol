// SPDX-License-Identifier: UNLICENSED
pragma solidity 0.8.37;

import {IAccounts} from "../interfaces/IAccounts.sol";

/// @title AccountSlots: all of an account that a settlement touches, in one storage word
/// @dev `balance:72 | pending:72 | batch:32 | credit:64 | area:15 | watched:1`, least significant first; this is the only place that
/// knows. `pending` counts once the batch with this number took effect, never if it was dropped. `credit` is the line another one
/// guarantees. `area` is the number of the one area whose settlements may book the account; 0 = not bound yet. `watched`: the account
/// guarantees for others, owes beyond its line, or has a redemption open, so that each booking must be looked at.
library AccountSlots {
    struct Slot {
        int256 balanceNeur;
        int256 pendingNeur;
        uint32 batch;
        uint64 creditNeur;
        uint16 area;
        bool watched;
    }

    /// @notice Areas there can be.
    uint16 internal constant MAX_AREAS = (1 << 15) - 1;

    /// @notice Largest balance or amount, either sign, nEUR. Two of them fit the slot, so folding a pending amount in cannot overflow.
    int256 internal constant MAX_BALANCE_NEUR = (1 << 70) - 1;

    uint256 private constant PENDING_AT = 72;
    uint256 private constant BATCH_AT = 144;
    uint256 private constant CREDIT_AT = 176;
    uint256 private constant AREA_AT = 240;
    uint256 private constant WATCHED_AT = 255;
    uint256 private constant BALANCE_MASK = type(uint72).max;

    function unpack(uint256 word) internal pure returns (Slot memory slot) {
        slot.balanceNeur = balanceOf(word);
        slot.pendingNeur = int72(uint72(word >> PENDING_AT));
        slot.batch = batchOf(word);
        slot.creditNeur = creditOf(word);
        slot.area = areaOf(word);
        slot.watched = watchedOf(word);
    }

    function pack(Slot memory slot) internal pure returns (uint256) {
        return _bits(slot.balanceNeur) | (_bits(slot.pendingNeur) << PENDING_AT) | (uint256(slot.batch) << BATCH_AT)
            | (uint256(slot.creditNeur) << CREDIT_AT) | (uint256(slot.area) << AREA_AT)
            | (slot.watched ? 1 << WATCHED_AT : 0);
    }

    /// @dev The members that booking at once needs, without the others.
    function balanceOf(uint256 word) internal pure returns (int256) {
        return int72(uint72(word));
    }

    function batchOf(uint256 word) internal pure returns (uint32) {
        return uint32(word >> BATCH_AT);
    }

    function creditOf(uint256 word) internal pure returns (uint64) {
        return uint64(word >> CREDIT_AT);
    }

    function areaOf(uint256 word) internal pure returns (uint16) {
        return uint16(word >> AREA_AT) & MAX_AREAS;
    }

    function watchedOf(uint256 word) internal pure returns (bool) {
        return word >> WATCHED_AT != 0;
    }

    function watched(uint256 word) internal pure returns (uint256) {
        return word | (1 << WATCHED_AT);
    }

    function withBalance(uint256 word, int256 balanceNeur) internal pure returns (uint256) {
        return (word & ~BALANCE_MASK) | _bits(balanceNeur);
    }

    function inRange(int256 amountNeur) internal pure returns (bool) {
        return amountNeur <= MAX_BALANCE_NEUR && amountNeur >= -MAX_BALANCE_NEUR;
    }

    /// @dev A checked amount as the 72 bits of its place.
    function _bits(int256 amountNeur) private pure returns (uint256) {
        if (!inRange(amountNeur)) revert IAccounts.AccountsAmountInvalid();
        return uint72(int72(amountNeur));
    }
}
