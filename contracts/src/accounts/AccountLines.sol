// SPDX-License-Identifier: UNLICENSED
pragma solidity 0.8.37;

import {IAccounts, Lowering} from "../interfaces/IAccounts.sol";
import {AccountSlots} from "../libraries/AccountSlots.sol";
import {AccountBacking} from "./AccountBacking.sol";

/// @title AccountLines: lines that guarantors give, and debt they pay
abstract contract AccountLines is AccountBacking {
    address private immutable GUARANTEES;

    constructor(address guarantees_) {
        GUARANTEES = guarantees_;
    }

    /* BY GUARANTEES */

    /// @inheritdoc IAccounts
    function setLine(address guarantor, address account, uint64 creditNeur) external only(GUARANTEES) {
        _setLine(guarantor, account, creditNeur);
    }

    /// @inheritdoc IAccounts
    function lowerLine(address account, uint64 creditNeur, uint32 untilPeriod) external only(GUARANTEES) {
        _lowerings[account] = Lowering({creditNeur: creditNeur, untilPeriod: untilPeriod});
    }

    /// @inheritdoc IAccounts
    function cover(address guarantor, address account, uint96 amountNeur, uint96 debtNeur) external only(GUARANTEES) {
        address present = _otherGuarantorOf(account);
        if (guarantor != present) revert AccountsGuarantorWrong(account, present, guarantor);
        int256 debt = balanceOf(account) < 0 ? -balanceOf(account) : int256(0);
        if (debt != int256(uint256(debtNeur))) revert AccountsDebtOther(account, debt, debtNeur);
        int256 amount = int256(uint256(amountNeur));
        if (amount > debt) revert AccountsDebtLow(account, debt, amountNeur);
        _requireThere(guarantor, _leastOf(_load(guarantor)), amount);
        // Paying what was called leaves as much free as before; anything else must be free.
        int256 uncalled = amount - _lacking[account];
        if (uncalled > 0) _requireThere(guarantor, freeBalanceOf(guarantor), uncalled);
        _transfer(guarantor, account, amount);
    }

    /* VIEWS */

    /// @inheritdoc IAccounts
    function guarantees() external view returns (address) {
        return GUARANTEES;
    }

    /* INTERNAL */

    function _setLine(address guarantor, address account, uint64 creditNeur) internal {
        _requireSameArea(account, guarantor);
        if (_lacking[account] != 0) _recount(account);
        AccountSlots.Slot memory slot = _load(account);
        address before = _guarantorOf(account);
        uint64 line = lineOf(account);
        if (before != guarantor) {
            // Debt beyond a line stays with who gave it, and what stands under it is taken over whole.
            int256 lacking = before == address(0) || before == account ? int256(0) : _lacking[account];
            if (lacking != 0) revert AccountsDebtOpen(account, uint256(lacking));
            if (creditNeur < line) revert AccountsLineLow(account, line);
            // Whoever guarantees stands on its own balance.
            bool stands = guarantor == account || _otherGuarantorOf(guarantor) == address(0);
            if (!stands || (guarantor != account && _given[account] != 0)) revert AccountsTied(guarantor);
            _countLacking(account, slot, 0);
        }
        _given[before] -= int256(uint256(slot.creditNeur));
        (slot.creditNeur, _ownLines[account]) = (0, 0);
        _guarantors[account] = _markFirstKey(guarantor);
        if (guarantor == account) {
            _ownLines[account] = creditNeur;
        } else {
            slot.creditNeur = creditNeur;
            _given[guarantor] += int256(uint256(creditNeur));
        }
        _store(account, slot);
        delete _lowerings[account];
        emit LineSet(account, guarantor, creditNeur);
        uint256 reserved = _reserved[guarantor];
        _recount(account);
        if (before != address(0)) _recount(before);
        if (before != guarantor) _recount(guarantor);
        bool rises = before != guarantor || creditNeur > line;
        if (!rises) return;
        // No line is given from what redemptions reserve, and none may be cut by it.
        _requireThere(guarantor, freeBalanceOf(guarantor) - int256(reserved - _reserved[guarantor]), 0);
    }
}
