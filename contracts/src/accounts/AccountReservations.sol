// SPDX-License-Identifier: UNLICENSED
pragma solidity 0.8.37;

import {IAccounts} from "../interfaces/IAccounts.sol";
import {AccountSlots} from "../libraries/AccountSlots.sol";
import {AccountBacking} from "./AccountBacking.sol";

/// @title AccountReservations: what is kept for open redemptions and leaves by them
abstract contract AccountReservations is AccountBacking {
    address private immutable REDEMPTIONS;

    constructor(address redemptions_) {
        REDEMPTIONS = redemptions_;
    }

    /* BY REDEMPTIONS */

    /// @inheritdoc IAccounts
    function reserve(address account, uint96 amountNeur) external only(REDEMPTIONS) {
        requirePresent(account);
        (uint256 asked, uint256 reserved) = (_asked[account], _reserved[account]);
        // Or what was cut from those before would be paid from what this one reserves.
        if (reserved != asked) revert AccountsReservationCut(account, asked, reserved);
        _requireThere(account, freeBalanceOf(account), int256(uint256(amountNeur)));
        _asked[account] = _reserved[account] = asked + amountNeur;
        _slots[account] = AccountSlots.watched(_slots[account]);
    }

    /// @inheritdoc IAccounts
    function unreserve(address account, uint96 amountNeur) external only(REDEMPTIONS) {
        uint256 asked = _asked[account] -= amountNeur;
        if (_reserved[account] > asked) _reserved[account] = asked;
    }

    /// @inheritdoc IAccounts
    function burn(address account, uint96 amountNeur) external only(REDEMPTIONS) returns (uint256 burnedNeur) {
        uint256 reserved = _reserved[account];
        burnedNeur = amountNeur < reserved ? amountNeur : reserved;
        _asked[account] -= amountNeur;
        _reserved[account] = reserved - burnedNeur;
        supply -= burnedNeur;
        _move(account, -int256(burnedNeur));
    }

    /* VIEWS */

    /// @inheritdoc IAccounts
    function redemptions() external view returns (address) {
        return REDEMPTIONS;
    }
}
