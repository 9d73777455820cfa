// SPDX-License-Identifier: UNLICENSED
pragma solidity 0.8.37;

import {Account, IAccounts, Lowering} from "../interfaces/IAccounts.sol";
import {AccountSlots} from "../libraries/AccountSlots.sol";
import {AccountHolders} from "./AccountHolders.sol";

/// @title AccountBacking: moves of money, and after each of them what an account lacks and who answers for it
abstract contract AccountBacking is AccountHolders {
    /// @inheritdoc IAccounts
    uint256 public supply;

    /// @dev Σ amounts of an account's open redemptions.
    mapping(address account => uint256) internal _asked;
    /// @dev What is left of that: debits that needed it have taken the rest, for good.
    mapping(address account => uint256) internal _reserved;
    /// @dev The line an account gives itself; that of another guarantor stands in its slot.
    mapping(address account => uint64) internal _ownLines;
    mapping(address account => Lowering) internal _lowerings;
    /// @dev Σ max(line, debt) of the accounts that an account guarantees for, itself aside.
    mapping(address guarantor => int256) internal _given;
    /// @dev What an account lacks, as it is counted in what its guarantor gives or, without one, among what nobody covers.
    mapping(address account => int256) internal _lacking;
    /// @dev Σ debts of an area that nobody covers.
    mapping(uint16 area => int256) internal _uncovered;

    /* CHANGES */

    /// @inheritdoc IAccounts
    function recount(address account) external {
        if (_lacking[account] == 0) revert AccountsNothingLacking(account);
        _recount(account);
    }

    /* VIEWS */

    /// @inheritdoc IAccounts
    function accountOf(address account) external view returns (Account memory) {
        AccountSlots.Slot memory slot = _load(account);
        return Account({
            balanceNeur: slot.balanceNeur,
            creditNeur: lineOf(account),
            givenNeur: uint256(_given[account]),
            guarantor: _guarantorOf(account),
            successor: _successors[account]
        });
    }

    /// @inheritdoc IAccounts
    function freeBalanceOf(address account) public view returns (int256) {
        return redeemableOf(account) - int256(uint256(_ownLines[account]))
            - int256(_reserved[account]);
    }

    /// @inheritdoc IAccounts
    function redeemableOf(address account) public view returns (int256) {
        return _leastOf(_load(account)) - _given[account];
    }

    /// @inheritdoc IAccounts
    function reservationOf(address account) external view returns (uint256 askedNeur, uint256 leftNeur) {
        return (_asked[account], _reserved[account]);
    }

    /// @inheritdoc IAccounts
    function lackingOf(address account) external view returns (uint256) {
        return uint256(_lacking[account]);
    }

    /// @inheritdoc IAccounts
    function lineOf(address account) public view returns (uint64) {
        uint64 credit = AccountSlots.creditOf(_slots[account]);
        return credit == 0 ? _ownLines[account] : credit;
    }

    /// @inheritdoc IAccounts
    function loweringOf(address account) external view returns (Lowering memory) {
        return _lowerings[account];
    }

    /* INTERNAL */

    /// @dev Every move of money between two accounts passes here: they are of one area.
    function _transfer(address from, address to, int256 amount) internal {
        _requireSameArea(from, to);
        _move(to, amount);
        _move(from, -amount);
    }

    function _move(address account, int256 amount) internal {
        AccountSlots.Slot memory slot = _load(account);
        slot.balanceNeur += amount;
        // Or the account could not be read any more once what is pending took effect.
        if (!AccountSlots.inRange(slot.balanceNeur + slot.pendingNeur)) revert AccountsAmountInvalid();
        _store(account, slot);
        if (slot.watched || _leastOf(slot) < -int256(uint256(slot.creditNeur))) _recount(account);
    }

    /// @dev Counts anew what an account lacks: what it gives and owes beyond its balance and the line another one gives it. Its guarantor
    /// answers for that, and without one nobody does. While a batch is open the worse of its two ends counts.
    function _recount(address account) internal {
        AccountSlots.Slot memory slot = _load(account);
        int256 missing = _given[account] - _leastOf(slot);
        uint256 reserved = slot.watched ? _cutReservation(account, missing) : 0;
        int256 lacking = missing - int256(uint256(slot.creditNeur));
        if (lacking < 0) lacking = 0;
        _countLacking(account, slot, lacking);
        // A line of 0 under which nothing is owed binds nobody.
        if (lacking == 0 && lineOf(account) == 0) delete _guarantors[account];
        bool watched = lacking != 0 || reserved != 0 || _given[account] != 0;
        if (watched != slot.watched) {
            slot.watched = watched;
            _store(account, slot);
        }
        if (missing > 0 && _given[account] != 0) emit GuarantorCalled(account, uint256(missing));
    }

    /// @dev What is not there any more leaves no more by the redemptions that asked for it, whatever comes later: its own window would not
    /// have passed. Returns what is left of them.
    function _cutReservation(address account, int256 missing) private returns (uint256 left) {
        left = _reserved[account];
        if (left == 0 || int256(left) <= -missing) return left;
        left = missing < 0 ? uint256(-missing) : 0;
        _reserved[account] = left;
        emit ReservationCut(account, left);
    }

    function _countLacking(address account, AccountSlots.Slot memory slot, int256 lacking) internal {
        int256 more = lacking - _lacking[account];
        if (more == 0) return;
        _lacking[account] = lacking;
        address guarantor = _otherGuarantorOf(account);
        if (guarantor == address(0)) {
            _uncovered[slot.area] += more;
            emit DebtUncovered(account, uint256(lacking));
            return;
        }
        _given[guarantor] += more;
        if (lacking != 0) emit GuaranteeCalled(account, guarantor, uint256(lacking));
        // No further: whoever guarantees has no guarantor but itself.
        _recount(guarantor);
    }

    function _requireThere(address account, int256 there, int256 amount) internal pure {
        if (there < amount) revert AccountsBalanceLow(account, there, uint256(amount));
    }
}
