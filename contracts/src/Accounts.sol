// SPDX-License-Identifier: UNLICENSED
pragma solidity 0.8.37;

import {SafeCast} from "@openzeppelin/contracts/utils/math/SafeCast.sol";

import {AccountBooking} from "./accounts/AccountBooking.sol";
import {AccountLines} from "./accounts/AccountLines.sol";
import {AccountReservations} from "./accounts/AccountReservations.sol";
import {IAccounts, Standing} from "./interfaces/IAccounts.sol";
import {ICalendar} from "./interfaces/ICalendar.sol";
import {IRoles, Role} from "./interfaces/IRoles.sol";
import {AccountSlots} from "./libraries/AccountSlots.sol";
import {Time} from "./libraries/Time.sol";

/// @title Accounts (documented on IAccounts)
/// @dev Its parts stand in `accounts/`, one for each contract that may call them; here is what comes in and goes over,
/// which area an account belongs to, and which key follows another.
contract Accounts is AccountBooking, AccountLines, AccountReservations {
    /// @notice Largest balance or amount, either sign, nEUR.
    int256 public constant MAX_BALANCE_NEUR = AccountSlots.MAX_BALANCE_NEUR;

    /// @notice What one treasurer key may book in a day (86,400 s of block time, in which roles change too), nEUR: a billion EUR. It takes a
    /// key a hundred days to fill the supply, and two organisations a few to take its role away.
    uint256 private constant MAX_DAY_DEPOSITS_NEUR = 1e18;

    /// @notice Largest supply, nEUR: 100 billion EUR, far below the range, so that no deposit keeps a settlement from crediting an account.
    uint256 public constant MAX_SUPPLY_NEUR = 1e20;

    IRoles private immutable ROLES;
    ICalendar private immutable CALENDAR;
    address private immutable SUCCESSIONS;
    address private immutable HANDOVERS;
    uint32 private immutable CHANGE_SECONDS;

    mapping(bytes32 ref => bool) private _usedRefs;
    mapping(address treasurer => mapping(uint256 day => uint256)) private _dayDeposits;

    constructor(
        IRoles roles_,
        ICalendar calendar_,
        address settlement_,
        address redemptions_,
        address guarantees_,
        address successions_,
        address handovers_,
        uint32 changeSeconds_
    ) AccountBooking(settlement_) AccountLines(guarantees_) AccountReservations(redemptions_) {
        if (changeSeconds_ == 0 || changeSeconds_ > Time.MAX_WINDOW_SECONDS) revert AccountsConfigInvalid();
        ROLES = roles_;
        CALENDAR = calendar_;
        SUCCESSIONS = successions_;
        HANDOVERS = handovers_;
        CHANGE_SECONDS = changeSeconds_;
    }

    /* BY SUCCESSIONS */

    /// @inheritdoc IAccounts
    function replace(address account, address successor) external only(SUCCESSIONS) {
        AccountSlots.Slot memory slot = _load(account);
        // Or the two could be bound to different areas afterwards, and what reaches the one would follow to the other.
        if (slot.area == 0) revert AccountsAreaWrong(account, 0);
        _requireNoneOpen(slot.area);
        if (_successors[account] == address(0)) {
            _requireFresh(account, successor, slot.area);
            _succeed(account, successor, slot);
        } else if (_successors[account] != successor) {
            revert AccountsSuccessorInvalid(account, successor);
        }
        int256 balance = slot.balanceNeur;
        _transfer(account, successor, balance);
        emit AccountReplaced(account, successor, balance);
    }

    /// @inheritdoc IAccounts
    function changeArea(address account, bytes32 area) external only(SUCCESSIONS) {
        AccountSlots.Slot memory slot = _load(account);
        _requireNoneOpen(slot.area);
        // Only a slip is corrected: who owes, is owed for, or stands for others has ties in its area.
        bool tied = slot.balanceNeur < 0 || _lacking[account] != 0 || _guarantors[account] != address(0);
        if (tied || _firstKeys[account] != address(0) || _isSuspense[account]) revert AccountsTied(account);
        _bind(account, area);
    }

    /* BY HANDOVERS */

    /// @inheritdoc IAccounts
    function moveOut(address account, Standing calldata standing) external only(HANDOVERS) {
        address guarantor = _otherGuarantorOf(account);
        AccountSlots.Slot memory slot = _load(account);
        (_lacking[account], _ownLines[account], slot.creditNeur) = (0, 0, 0);
        delete _guarantors[account];
        _store(account, slot);
        if (guarantor != address(0)) {
            _given[guarantor] -= standing.backingNeur;
            _move(guarantor, -standing.backingNeur);
        }
        _move(account, -standing.balanceNeur);
        _issue(-standing.balanceNeur - standing.backingNeur);
    }

    /// @inheritdoc IAccounts
    function moveIn(address account, Standing calldata standing) external only(HANDOVERS) {
        _issue(standing.balanceNeur + standing.backingNeur);
        _move(account, standing.balanceNeur);
        if (standing.guarantor == address(0)) return;
        _move(standing.guarantor, standing.backingNeur);
        _setLine(standing.guarantor, account, standing.creditNeur);
    }

    /* CHANGES */

    /// @inheritdoc IAccounts
    function bindAccount(address account, bytes32 area) external {
        if (msg.sender != HANDOVERS) ROLES.requireRole(msg.sender, Role.Registrar, 0);
        if (account == address(0)) revert AccountsAddressInvalid(account);
        CALENDAR.areaOf(area); // reverts where there is no such area
        bytes32 bound = areaOf(account);
        if (bound != 0) revert AccountsAreaWrong(account, bound);
        _bind(account, area);
    }

    /// @inheritdoc IAccounts
    function deposit(address account, uint96 amountNeur, bytes32 ref) external {
        ROLES.requireRole(msg.sender, Role.Treasurer, 0);
        if (account == address(0) || _isSuspense[account]) revert AccountsAddressInvalid(account);
        if (amountNeur == 0) revert AccountsAmountInvalid();
        if (_usedRefs[ref]) revert AccountsRefUsed(ref);
        _usedRefs[ref] = true;
        uint256 today = _dayDeposits[msg.sender][block.timestamp / 1 days] += amountNeur;
        if (today > MAX_DAY_DEPOSITS_NEUR) revert AccountsDepositsHigh(msg.sender, today);
        supply += amountNeur;
        if (supply > MAX_SUPPLY_NEUR) revert AccountsSupplyHigh(supply);
        _move(account, int256(uint256(amountNeur)));
        emit Deposited(account, amountNeur, ref);
    }

    /* VIEWS */

    /// @inheritdoc IAccounts
    function changeSeconds() external view returns (uint32) {
        return CHANGE_SECONDS;
    }

    /// @inheritdoc IAccounts
    function roles() external view returns (address) {
        return address(ROLES);
    }

    /// @inheritdoc IAccounts
    function calendar() external view returns (address) {
        return address(CALENDAR);
    }

    /// @inheritdoc IAccounts
    function successions() external view returns (address) {
        return SUCCESSIONS;
    }

    /// @inheritdoc IAccounts
    function handovers() external view returns (address) {
        return HANDOVERS;
    }

    /* INTERNAL */

    function _bind(address account, bytes32 area) private {
        AccountSlots.Slot memory slot = _load(account);
        slot.area = _numberOf(area);
        _store(account, slot);
        emit AccountBound(account, area);
        // While pages are open, what they suspend is booked by a call of its own.
        if (_openBatches[slot.area] == 0) _bookSuspense(account, area);
    }

    /// @dev A stray credit is no use: whoever sends one must not be able to block a replacement.
    function _requireFresh(address account, address successor, uint16 area) private view {
        AccountSlots.Slot memory slot = _load(successor);
        bool used = slot.balanceNeur < 0 || _guarantors[successor] != address(0);
        used = used || (slot.area != 0 && slot.area != area);
        if (used || _successors[successor] != address(0) || _firstKeys[successor] != address(0)) {
            revert AccountsSuccessorInvalid(account, successor);
        }
    }

    /// @dev Makes `successor` the present account of the holder of `account`, also where it guarantees for others.
    function _succeed(address account, address successor, AccountSlots.Slot memory slot) private {
        _countLacking(account, slot, 0);
        address firstKey = _markFirstKey(account);
        _firstKeys[successor] = firstKey;
        _presentKeys[firstKey] = successor;
        _successors[account] = successor;

        (_guarantors[successor], _guarantors[account]) = (_guarantors[account], address(0));
        (_ownLines[successor], _ownLines[account]) = (_ownLines[account], 0);
        (_given[successor], _given[account]) = (_given[account], 0);
        _lowerings[successor] = _lowerings[account];
        delete _lowerings[account];
        AccountSlots.Slot memory fresh = _load(successor);
        (fresh.creditNeur, fresh.area, fresh.watched) = (slot.creditNeur, slot.area, fresh.watched || slot.watched);
        _store(successor, fresh);
        _reserved[account] = 0;
        (slot.creditNeur, slot.watched) = (0, false);
        _store(account, slot);
    }

    function _issue(int256 amount) private {
        supply = SafeCast.toUint256(SafeCast.toInt256(supply) + amount);
    }
}
