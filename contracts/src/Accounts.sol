// SPDX-License-Identifier: UNLICENSED
pragma solidity 0.8.37;

import {SafeCast} from "@openzeppelin/contracts/utils/math/SafeCast.sol";

import {Account, AreaChange, Cursor, IAccounts, Lowering, Standing} from "./interfaces/IAccounts.sol";
import {ICalendar} from "./interfaces/ICalendar.sol";
import {IRoles, Role} from "./interfaces/IRoles.sol";
import {AccountSlots} from "./libraries/AccountSlots.sol";
import {Hashes} from "./libraries/Hashes.sol";
import {MarketClock} from "./libraries/MarketClock.sol";
import {Time} from "./libraries/Time.sol";

/// @title Accounts (documented on IAccounts)
contract Accounts is IAccounts, MarketClock {
    /// @notice Largest balance or amount, either sign, nEUR.
    int256 public constant MAX_BALANCE_NEUR = AccountSlots.MAX_BALANCE_NEUR;

    /// @notice What one treasurer key may book in a day (86,400 s of block time, in which roles change too), nEUR: a billion EUR. It takes a
    /// key a hundred days to fill the supply, and two organisations a few to take its role away.
    uint256 private constant MAX_DAY_DEPOSITS_NEUR = 1e18;

    /// @notice Largest supply, nEUR: 100 billion EUR, far below the range, so that no deposit keeps a settlement from crediting an account.
    uint256 public constant MAX_SUPPLY_NEUR = 1e20;

    /// @notice Market-time seconds after its delay in which a change of area may be completed.
    uint64 public constant AREA_CHANGE_SECONDS = 30 days;

    IRoles private immutable ROLES;
    ICalendar private immutable CALENDAR;
    address private immutable SETTLEMENT;
    address private immutable REDEMPTIONS;
    address private immutable GUARANTEES;
    address private immutable SUCCESSIONS;
    address private immutable HANDOVERS;
    uint32 private immutable CHANGE_SECONDS;

    /// @inheritdoc IAccounts
    uint256 public supply;

    /// @dev Areas by number, from 1 on, in the order in which they first bound or booked an account.
    bytes32[] private _areas;
    mapping(bytes32 area => uint16) private _areaNumbers;
    /// @dev Laid out by AccountSlots.
    mapping(address account => uint256) private _slots;
    uint32 private _lastBatch;
    mapping(uint16 area => uint32) private _openBatches;
    /// @dev Bit number % 256 of word number / 256: the batch with this number took effect.
    mapping(uint256 index => uint256 bits) private _effective;
    /// @dev Σ amounts of an account's open redemptions.
    mapping(address account => uint256) private _asked;
    /// @dev What is left of that: debits that needed it have taken the rest, for good.
    mapping(address account => uint256) private _reserved;
    /// @dev Who guarantees for an account, which may be itself, by its first key.
    mapping(address account => address) private _guarantors;
    /// @dev The line an account gives itself; that of another guarantor stands in its slot.
    mapping(address account => uint64) private _ownLines;
    mapping(address account => Lowering) private _lowerings;
    /// @dev Σ max(line, debt) of the accounts that an account guarantees for, itself aside.
    mapping(address guarantor => int256) private _given;
    /// @dev What an account lacks, as it is counted in what its guarantor gives or, without one, among what nobody covers.
    mapping(address account => int256) private _lacking;
    mapping(address account => bool) private _isSuspense;
    /// @dev Σ debts of an area that nobody covers.
    mapping(uint16 area => int256) private _uncovered;
    /// @dev Σ balances of an area's suspense accounts, and what its open batch would add.
    mapping(uint16 area => int256) private _waiting;
    mapping(uint16 area => int256) private _batchWaiting;
    mapping(address account => address) private _successors;
    /// @dev First key of a holder who has given a guarantee or replaced its account; `_guarantors` names holders by it.
    mapping(address account => address) private _firstKeys;
    /// @dev Present account of a holder whose first key was replaced.
    mapping(address firstKey => address) private _presentKeys;
    mapping(bytes32 ref => bool) private _usedRefs;
    mapping(address treasurer => mapping(uint256 day => uint256)) private _dayDeposits;
    mapping(address account => AreaChange) private _areaChanges;

    modifier only(address part) {
        if (msg.sender != part) revert AccountsCallerWrong(msg.sender);
        _;
    }

    constructor(
        IRoles roles_,
        ICalendar calendar_,
        address settlement_,
        address redemptions_,
        address guarantees_,
        address successions_,
        address handovers_,
        uint32 changeSeconds_
    ) MarketClock(calendar_) {
        if (changeSeconds_ == 0 || changeSeconds_ > Time.MAX_WINDOW_SECONDS) revert AccountsConfigInvalid();
        ROLES = roles_;
        CALENDAR = calendar_;
        SETTLEMENT = settlement_;
        REDEMPTIONS = redemptions_;
        GUARANTEES = guarantees_;
        SUCCESSIONS = successions_;
        HANDOVERS = handovers_;
        CHANGE_SECONDS = changeSeconds_;
    }

    /* BOOKING: by Settlement */

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

    /* BOOKING: by Redemptions */

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

    /* LINES: by Guarantees */

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

    /* KEYS: by Successions */

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

    /* FROM ONE DEPLOYMENT TO THE NEXT: by Handovers */

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
    function proposeAreaChange(address account, bytes32 area) external {
        ROLES.requireRole(msg.sender, Role.Registrar, 0);
        CALENDAR.areaOf(area); // reverts where there is no such area
        if (_isSuspense[account]) revert AccountsAddressInvalid(account);
        bytes32 bound = areaOf(account);
        if (bound == 0 || bound == area) revert AccountsAreaWrong(account, bound);
        uint64 readyAt = _marketTime() + CHANGE_SECONDS;
        _areaChanges[account] = AreaChange({area: area, readyAt: readyAt});
        emit AreaChangeProposed(account, area, readyAt);
    }

    /// @inheritdoc IAccounts
    function cancelAreaChange(address account) external {
        if (_areaChanges[account].readyAt == 0) revert AccountsAreaChangeUnknown(account);
        if (msg.sender != account) ROLES.requireRole(msg.sender, Role.Registrar, 0);
        delete _areaChanges[account];
        emit AreaChangeCancelled(account);
    }

    /// @inheritdoc IAccounts
    function changeArea(address account) external {
        AreaChange memory change = _areaChanges[account];
        if (change.readyAt == 0) revert AccountsAreaChangeUnknown(account);
        uint64 time = _marketTime();
        if (time < change.readyAt) revert AccountsTooEarly(change.readyAt, time);
        uint64 until = change.readyAt + AREA_CHANGE_SECONDS;
        if (time > until) revert AccountsTooLate(until, time);
        AccountSlots.Slot memory slot = _load(account);
        _requireNoneOpen(slot.area);
        // Only a slip is corrected: who owes, is owed for, or stands for others has ties in its area.
        bool tied = slot.balanceNeur < 0 || _lacking[account] != 0 || _guarantors[account] != address(0);
        if (tied || _firstKeys[account] != address(0)) revert AccountsTied(account);
        delete _areaChanges[account];
        _bind(account, change.area);
    }

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

    /// @inheritdoc IAccounts
    function recount(address account) external {
        if (_lacking[account] == 0) revert AccountsNothingLacking(account);
        _recount(account);
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
    function balanceOf(address account) public view returns (int256) {
        return _load(account).balanceNeur;
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

    /// @inheritdoc IAccounts
    function guarantorOf(address account) external view returns (address) {
        return _guarantorOf(account);
    }

    /// @inheritdoc IAccounts
    function successorOf(address account) external view returns (address) {
        return _successors[account];
    }

    /// @inheritdoc IAccounts
    function uncoveredOf(bytes32 area) external view returns (int256 uncoveredNeur, int256 waitingNeur) {
        uint16 number = _areaNumbers[area];
        return (_uncovered[number], _waiting[number]);
    }

    /// @inheritdoc IAccounts
    function requirePresent(address account) public view {
        address successor = _successors[account];
        if (successor != address(0)) revert AccountsReplaced(account, successor);
    }

    /// @inheritdoc IAccounts
    function areaOf(address account) public view returns (bytes32) {
        return _areaOf(AccountSlots.areaOf(_slots[account]));
    }

    /// @inheritdoc IAccounts
    function suspenseOf(address account, bytes32 area) public pure returns (address) {
        return address(uint160(uint256(keccak256(abi.encode("suspense", account, area)))));
    }

    /// @inheritdoc IAccounts
    function areaChangeOf(address account) external view returns (AreaChange memory) {
        return _areaChanges[account];
    }

    /// @inheritdoc IAccounts
    function changeSeconds() external view returns (uint32) {
        return CHANGE_SECONDS;
    }

    /// @inheritdoc IAccounts
    function openBatchOf(bytes32 area) external view returns (uint32) {
        return _openBatches[_areaNumbers[area]];
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
    function settlement() external view returns (address) {
        return SETTLEMENT;
    }

    /// @inheritdoc IAccounts
    function redemptions() external view returns (address) {
        return REDEMPTIONS;
    }

    /// @inheritdoc IAccounts
    function guarantees() external view returns (address) {
        return GUARANTEES;
    }

    /// @inheritdoc IAccounts
    function successions() external view returns (address) {
        return SUCCESSIONS;
    }

    /// @inheritdoc IAccounts
    function handovers() external view returns (address) {
        return HANDOVERS;
    }

    /* INTERNAL: BOOKING */

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

    function _suspend(address account, int256 amount, uint32 batch, uint16 area) private {
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

    /// @dev Adds an amount; false where the account is another area's or its balance would leave the range.
    function _add(address account, int256 amount, uint32 batch, uint16 area) private returns (bool) {
        AccountSlots.Slot memory slot = _load(account);
        if (slot.area != area || !_put(account, slot, amount, batch)) return false;
        if (slot.watched || _leastOf(slot) < -int256(uint256(slot.creditNeur))) _recount(account);
        return true;
    }

    /// @dev Adds an amount at once or to what is pending, and stores; false where that would leave the range.
    function _put(address account, AccountSlots.Slot memory slot, int256 amount, uint32 batch) private returns (bool) {
        if (batch == 0) slot.balanceNeur += amount;
        else (slot.pendingNeur, slot.batch) = (slot.pendingNeur + amount, batch);
        bool fits = AccountSlots.inRange(slot.balanceNeur) && AccountSlots.inRange(slot.pendingNeur)
            && AccountSlots.inRange(slot.balanceNeur + slot.pendingNeur);
        if (fits) _store(account, slot);
        return fits;
    }

    /// @dev What waits for the account in this area comes to its balance, as far as no uncovered debt needs it to wait.
    function _bookSuspense(address account, bytes32 area) private {
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

    function _bind(address account, bytes32 area) private {
        AccountSlots.Slot memory slot = _load(account);
        slot.area = _numberOf(area);
        _store(account, slot);
        emit AccountBound(account, area);
        // While pages are open, what they suspend is booked by a call of its own.
        if (_openBatches[slot.area] == 0) _bookSuspense(account, area);
    }

    /// @dev Every move of money between two accounts passes here: they are of one area.
    function _transfer(address from, address to, int256 amount) private {
        _requireSameArea(from, to);
        _move(to, amount);
        _move(from, -amount);
    }

    /* INTERNAL: BACKING */

    function _setLine(address guarantor, address account, uint64 creditNeur) private {
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

    /// @dev Counts anew what an account lacks: what it gives and owes beyond its balance and the line another one gives it. Its guarantor
    /// answers for that, and without one nobody does. While a batch is open the worse of its two ends counts.
    function _recount(address account) private {
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

    function _requireThere(address account, int256 there, int256 amount) private pure {
        if (there < amount) revert AccountsBalanceLow(account, there, uint256(amount));
    }

    function _countLacking(address account, AccountSlots.Slot memory slot, int256 lacking) private {
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

    /// @dev The balance as it is, or as it will be once the area's open batch took effect, whichever is lower.
    function _leastOf(AccountSlots.Slot memory slot) private pure returns (int256) {
        return slot.pendingNeur < 0 ? slot.balanceNeur + slot.pendingNeur : slot.balanceNeur;
    }

    function _requireSameArea(address account, address other) private view {
        bytes32 area = areaOf(account);
        if (area == 0 || area != areaOf(other)) revert AccountsAreaWrong(other, areaOf(other));
    }

    function _requireNoneOpen(uint16 area) private view {
        if (_openBatches[area] != 0) revert AccountsBusy(_areaOf(area));
    }

    /// @dev The number of an area, given to it now if it has none.
    function _numberOf(bytes32 area) private returns (uint16 number) {
        number = _areaNumbers[area];
        if (number == 0) {
            if (_areas.length == AccountSlots.MAX_AREAS) revert AccountsAreasExhausted();
            _areas.push(area);
            _areaNumbers[area] = number = SafeCast.toUint16(_areas.length);
        }
    }

    function _areaOf(uint16 number) private view returns (bytes32) {
        return number == 0 ? bytes32(0) : _areas[number - 1];
    }

    /* INTERNAL: ACCOUNTS */

    /// @dev The account with a pending amount folded in, kept or dropped.
    function _load(address account) private view returns (AccountSlots.Slot memory slot) {
        slot = AccountSlots.unpack(_slots[account]);
        if (slot.batch != 0) _fold(slot);
    }

    function _store(address account, AccountSlots.Slot memory slot) private {
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

    function _move(address account, int256 amount) private {
        AccountSlots.Slot memory slot = _load(account);
        slot.balanceNeur += amount;
        // Or the account could not be read any more once what is pending took effect.
        if (!AccountSlots.inRange(slot.balanceNeur + slot.pendingNeur)) revert AccountsAmountInvalid();
        _store(account, slot);
        if (slot.watched || _leastOf(slot) < -int256(uint256(slot.creditNeur))) _recount(account);
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

    function _markFirstKey(address account) private returns (address firstKey) {
        firstKey = _firstKeys[account];
        if (firstKey == address(0)) _firstKeys[account] = firstKey = account;
    }

    /// @dev The guarantor's present account; 0 if there is none.
    function _guarantorOf(address account) private view returns (address) {
        address firstKey = _guarantors[account];
        address present = _presentKeys[firstKey];
        return present == address(0) ? firstKey : present;
    }

    /// @dev Who answers for the account beside itself; 0 if nobody does.
    function _otherGuarantorOf(address account) private view returns (address) {
        address guarantor = _guarantorOf(account);
        return guarantor == account ? address(0) : guarantor;
    }

    function _issue(int256 amount) private {
        supply = SafeCast.toUint256(SafeCast.toInt256(supply) + amount);
    }

}
