// SPDX-License-Identifier: UNLICENSED
pragma solidity 0.8.37;

import {ECDSA} from "@openzeppelin/contracts/utils/cryptography/ECDSA.sol";
import {EIP712} from "@openzeppelin/contracts/utils/cryptography/EIP712.sol";
import {SafeCast} from "@openzeppelin/contracts/utils/math/SafeCast.sol";

import {Account, AreaChange, IAccounts} from "./interfaces/IAccounts.sol";
import {ICalendar} from "./interfaces/ICalendar.sol";
import {IRoles, Role} from "./interfaces/IRoles.sol";
import {AccountSlots} from "./libraries/AccountSlots.sol";
import {Hashes} from "./libraries/Hashes.sol";
import {MarketClock} from "./libraries/MarketClock.sol";
import {Time} from "./libraries/Time.sol";

/// @title Accounts (documented on IAccounts)
contract Accounts is IAccounts, EIP712, MarketClock {
    /// @notice Largest balance or amount, either sign, nEUR.
    int256 public constant MAX_BALANCE_NEUR = AccountSlots.MAX_BALANCE_NEUR;

    /// @notice Largest deposit, nEUR: a billion EUR.
    uint256 public constant MAX_DEPOSIT_NEUR = 1e18;

    /// @notice Largest supply, nEUR: 100 billion EUR, far below the range, so that no deposit keeps a settlement from crediting an account.
    uint256 public constant MAX_SUPPLY_NEUR = 1e20;

    /// @notice Market-time seconds after its delay in which a change of area may be completed.
    uint64 public constant AREA_CHANGE_SECONDS = 30 days;

    /// @dev What one reference was used for; each use has its own space of references.
    enum RefUse {
        Deposit,
        Cover
    }

    IRoles private immutable ROLES;
    ICalendar private immutable CALENDAR;
    address private immutable SETTLEMENT;
    address private immutable REDEMPTIONS;
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
    mapping(address account => uint256) private _reserved;
    mapping(address account => address) private _guarantors;
    mapping(address account => address) private _successors;
    /// @dev First key of a holder who has given a guarantee or replaced its account; `_guarantors` names holders by it.
    mapping(address account => address) private _firstKeys;
    /// @dev Present account of a holder whose first key was replaced.
    mapping(address firstKey => address) private _presentKeys;
    mapping(address guarantor => mapping(address account => uint64)) private _guaranteeNonces;
    mapping(bytes32 key => bool) private _usedRefs;
    mapping(address account => AreaChange) private _areaChanges;

    modifier onlySettlement() {
        if (msg.sender != SETTLEMENT) revert AccountsCallerWrong(msg.sender);
        _;
    }

    modifier onlyRedemptions() {
        if (msg.sender != REDEMPTIONS) revert AccountsCallerWrong(msg.sender);
        _;
    }

    constructor(IRoles roles_, ICalendar calendar_, address settlement_, address redemptions_, uint32 changeSeconds_)
        EIP712("DOMINOES", "1")
        MarketClock(calendar_)
    {
        if (changeSeconds_ == 0 || changeSeconds_ > Time.MAX_WINDOW_SECONDS) revert AccountsConfigInvalid();
        ROLES = roles_;
        CALENDAR = calendar_;
        SETTLEMENT = settlement_;
        REDEMPTIONS = redemptions_;
        CHANGE_SECONDS = changeSeconds_;
    }

    /* BOOKING: by Settlement */

    /// @inheritdoc IAccounts
    function openBatch(bytes32 area) external onlySettlement returns (uint32 batch) {
        uint16 number = _numberOf(area);
        _requireNoneOpen(number);
        batch = ++_lastBatch;
        _openBatches[number] = batch;
    }

    /// @inheritdoc IAccounts
    function closeBatch(bytes32 area, bool takesEffect) external onlySettlement {
        uint16 number = _areaNumbers[area];
        uint32 batch = _openBatches[number];
        if (takesEffect) _effective[batch >> 8] |= 1 << (batch & 0xff);
        delete _openBatches[number];
    }

    /// @inheritdoc IAccounts
    function book(bytes32 area, uint32 batch, address last, uint256[] calldata words)
        external
        onlySettlement
        returns (address lastAccount, int256 sumNeur)
    {
        uint16 number = _numberOf(area);
        lastAccount = last;
        // Amounts have 96 bits, balances 72, and a page few words: nothing can overflow.
        unchecked {
            for (uint256 i = 0; i < words.length; ++i) {
                (address account, int256 amount) = Hashes.settlementParts(words[i]);
                if (account <= lastAccount || amount == 0) revert AccountsWordInvalid(i);
                if (batch == 0) _bookNow(account, amount, number);
                else _bookPending(account, amount, batch, number);
                lastAccount = account;
                sumNeur += amount;
            }
        }
    }

    /* BOOKING: by Redemptions */

    /// @inheritdoc IAccounts
    function reserve(address account, uint96 amountNeur) external onlyRedemptions {
        requirePresent(account);
        _requireFree(account, amountNeur);
        _reserved[account] += amountNeur;
    }

    /// @inheritdoc IAccounts
    function unreserve(address account, uint96 amountNeur) external onlyRedemptions {
        _reserved[account] -= amountNeur;
    }

    /// @inheritdoc IAccounts
    function burn(address account, uint96 amountNeur) external onlyRedemptions {
        _reserved[account] -= amountNeur;
        supply -= amountNeur;
        _move(account, -int256(uint256(amountNeur)));
    }

    /* CHANGES */

    /// @inheritdoc IAccounts
    function bindAccount(address account, bytes32 area) external {
        ROLES.requireRole(msg.sender, Role.Registrar, 0);
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
        uint64 time = _marketTime();
        if (change.readyAt == 0) revert AccountsAreaChangeUnknown(account);
        if (time < change.readyAt) revert AccountsTooEarly(change.readyAt, time);
        uint64 until = change.readyAt + AREA_CHANGE_SECONDS;
        if (time > until) revert AccountsTooLate(until, time);
        AccountSlots.Slot memory slot = _load(account);
        _requireNoneOpen(slot.area);
        // Only a slip is corrected: who owes, is owed for, or stands for others has ties in its area.
        bool tied = slot.balanceNeur < 0 || slot.creditNeur != 0 || _guarantors[account] != address(0);
        if (tied || _firstKeys[account] != address(0)) revert AccountsTied(account);
        delete _areaChanges[account];
        _bind(account, change.area);
    }

    /// @inheritdoc IAccounts
    function bookSuspense(address account) external {
        bytes32 area = areaOf(account);
        if (area == 0) revert AccountsAreaWrong(account, area);
        _requireNoneOpen(_areaNumbers[area]);
        _bookSuspense(account, area);
    }

    /// @inheritdoc IAccounts
    function deposit(address account, uint96 amountNeur, bytes32 ref) external {
        ROLES.requireRole(msg.sender, Role.Treasurer, 0);
        if (account == address(0)) revert AccountsAddressInvalid(account);
        if (amountNeur == 0 || amountNeur > MAX_DEPOSIT_NEUR) revert AccountsAmountInvalid();
        _useRef(RefUse.Deposit, address(0), ref);
        supply += amountNeur;
        if (supply > MAX_SUPPLY_NEUR) revert AccountsSupplyHigh(supply);
        _move(account, int256(uint256(amountNeur)));
        emit Deposited(account, amountNeur, ref);
    }

    /// @inheritdoc IAccounts
    function guarantee(address guarantor, address account, uint64 creditNeur, uint64 nonce, bytes calldata signature)
        external
    {
        if (account == address(0) || account == guarantor) revert AccountsAddressInvalid(account);
        requirePresent(guarantor);
        requirePresent(account);
        AccountSlots.Slot memory slot = _load(account);
        bytes32 area = areaOf(guarantor);
        if (area != 0 && slot.area != 0) _requireSameArea(account, guarantor);
        _requireMayGuarantee(account, guarantor, slot, creditNeur);
        uint64 lastNonce = _guaranteeNonces[guarantor][account];
        if (nonce <= lastNonce) revert AccountsNonceUsed(lastNonce, nonce);
        _requireSigner(guarantor, Hashes.guarantee(guarantor, account, creditNeur, nonce), signature);

        _guaranteeNonces[guarantor][account] = nonce;
        _guarantors[account] = _markFirstKey(guarantor);
        slot.creditNeur = creditNeur;
        _store(account, slot);
        emit GuaranteeSet(guarantor, account, creditNeur, nonce);
        _callGuarantee(account, slot.balanceNeur, creditNeur);
    }

    /// @inheritdoc IAccounts
    function cover(address guarantor, address account, uint96 amountNeur, bytes32 ref, bytes calldata signature)
        external
    {
        if (account == address(0) || account == guarantor) revert AccountsAddressInvalid(account);
        if (amountNeur == 0) revert AccountsAmountInvalid();
        _requireSigner(guarantor, Hashes.cover(guarantor, account, amountNeur, ref), signature);
        address present = _guarantorOf(account);
        if (guarantor != present) revert AccountsGuarantorWrong(account, present, guarantor);
        _useRef(RefUse.Cover, guarantor, ref);
        int256 amount = int256(uint256(amountNeur));
        int256 debt = -balanceOf(account);
        if (amount > debt) revert AccountsDebtLow(account, debt, amountNeur);
        _requireFree(guarantor, amountNeur);
        _transfer(guarantor, account, amount);
        emit DebtCovered(guarantor, account, amountNeur, ref);
    }

    /// @inheritdoc IAccounts
    function replaceAccount(
        address account,
        address successor,
        bytes calldata accountSignature,
        bytes calldata successorSignature
    ) external {
        if (account == successor) revert AccountsAddressInvalid(account);
        AccountSlots.Slot memory slot = _load(account);
        // Or the two could be bound to different areas afterwards, and what reaches the one would follow to the other.
        if (slot.area == 0) revert AccountsAreaWrong(account, 0);
        _requireNoneOpen(slot.area);
        bytes32 structHash = Hashes.accountReplacement(account, successor);
        _requireSigner(account, structHash, accountSignature);
        _requireSigner(successor, structHash, successorSignature);

        if (_successors[account] == address(0)) {
            _requireFresh(account, successor, slot.area);
            _succeed(account, successor);
            AccountSlots.Slot memory fresh = _load(successor);
            fresh.creditNeur = slot.creditNeur;
            fresh.area = slot.area;
            _store(successor, fresh);
        } else if (_successors[account] != successor) {
            revert AccountsSuccessorInvalid(account, successor);
        }
        int256 balance = slot.balanceNeur;
        slot.creditNeur = 0;
        _store(account, slot);
        _transfer(account, successor, balance);
        emit AccountReplaced(account, successor, balance);
        AccountSlots.Slot memory moved = _load(successor);
        _callGuarantee(successor, moved.balanceNeur, moved.creditNeur);
    }

    /* VIEWS */

    /// @inheritdoc IAccounts
    function accountOf(address account) external view returns (Account memory) {
        AccountSlots.Slot memory slot = _load(account);
        return Account({
            balanceNeur: slot.balanceNeur,
            creditNeur: slot.creditNeur,
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
        return balanceOf(account) - SafeCast.toInt256(_reserved[account]);
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
    function guaranteeNonceOf(address guarantor, address account) external view returns (uint64) {
        return _guaranteeNonces[guarantor][account];
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
    function domainSeparator() external view returns (bytes32) {
        return _domainSeparatorV4();
    }

    /* INTERNAL: BOOKING */

    /// @dev Reads and writes the slot once: this is what a settlement pays for each account.
    function _bookNow(address account, int256 amount, uint16 area) private {
        uint256 packed = _slots[account];
        // What is folded here took effect or was dropped: while a batch of this area is open, none of its settlements begins.
        if (AccountSlots.batchOf(packed) != 0) packed = AccountSlots.pack(_load(account));
        int256 balance;
        // Of 72 and 96 bits.
        unchecked {
            balance = AccountSlots.balanceOf(packed) + amount;
        }
        if (AccountSlots.areaOf(packed) != area || !AccountSlots.inRange(balance)) {
            return _bookElsewhere(account, amount, 0, area);
        }
        _slots[account] = AccountSlots.withBalance(packed, balance);
        if (balance < 0) _callGuarantee(account, balance, AccountSlots.creditOf(packed));
    }

    function _bookPending(address account, int256 amount, uint32 batch, uint16 area) private {
        if (!_add(account, amount, batch, area)) _bookElsewhere(account, amount, batch, area);
    }

    /// @dev What cannot be booked on its account waits in suspense; a debit beyond the range is its guarantor's. Nobody holds up the others.
    function _bookElsewhere(address account, int256 amount, uint32 batch, uint16 area) private {
        address guarantor = _guarantorOf(account);
        bool ours = AccountSlots.areaOf(_slots[account]) == area;
        if (amount < 0 && ours && guarantor != address(0) && _add(guarantor, amount, batch, area)) {
            emit DebitPassedOn(account, guarantor, amount);
            return;
        }
        address suspense = suspenseOf(account, _areaOf(area));
        if (_slots[suspense] == 0) {
            AccountSlots.Slot memory blank;
            blank.area = area;
            _store(suspense, blank);
        }
        if (!_add(suspense, amount, batch, area)) revert AccountsAmountInvalid();
        emit AmountSuspended(account, suspense, amount);
    }

    /// @dev Adds an amount, at once or to what is pending; false where the account is another area's or its balance would leave the range.
    function _add(address account, int256 amount, uint32 batch, uint16 area) private returns (bool) {
        AccountSlots.Slot memory slot = _load(account);
        if (batch == 0) slot.balanceNeur += amount;
        else (slot.pendingNeur, slot.batch) = (slot.pendingNeur + amount, batch);
        int256 balance = slot.balanceNeur + slot.pendingNeur;
        if (slot.area != area || !AccountSlots.inRange(balance) || !AccountSlots.inRange(slot.pendingNeur)) {
            return false;
        }
        _store(account, slot);
        if (balance < 0) _callGuarantee(account, balance, slot.creditNeur);
        return true;
    }

    /// @dev What waits for the account in this area comes to its balance.
    function _bookSuspense(address account, bytes32 area) private {
        address suspense = suspenseOf(account, area);
        int256 amount = balanceOf(suspense);
        if (amount == 0) return;
        _transfer(suspense, account, amount);
        emit SuspenseBooked(account, suspense, amount);
        AccountSlots.Slot memory slot = _load(account);
        _callGuarantee(account, slot.balanceNeur, slot.creditNeur);
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
        _move(from, -amount);
        _move(to, amount);
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
            if (_areas.length == type(uint16).max) revert AccountsAreasExhausted();
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
        _store(account, slot);
    }

    /// @dev A stray credit is no use: whoever sends one must not be able to block a replacement.
    function _requireFresh(address account, address successor, uint16 area) private view {
        AccountSlots.Slot memory slot = _load(successor);
        bool used = slot.balanceNeur < 0 || slot.creditNeur != 0 || _guarantors[successor] != address(0);
        used = used || (slot.area != 0 && slot.area != area);
        if (used || _successors[successor] != address(0) || _firstKeys[successor] != address(0)) {
            revert AccountsSuccessorInvalid(account, successor);
        }
    }

    /// @dev Makes `successor` the present account of the holder of `account`, also where it guarantees for others.
    function _succeed(address account, address successor) private {
        address firstKey = _markFirstKey(account);
        _firstKeys[successor] = firstKey;
        _presentKeys[firstKey] = successor;
        _successors[account] = successor;
        _guarantors[successor] = _guarantors[account];
        delete _guarantors[account];
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

    /// @dev Anyone may lower a line; the operator or the account itself may raise it; another guarantor waits for the present one's line to be
    /// 0 or for the account itself.
    function _requireMayGuarantee(address account, address guarantor, AccountSlots.Slot memory slot, uint64 creditNeur)
        private
        view
    {
        address present = _guarantorOf(account);
        if (present == guarantor && creditNeur <= slot.creditNeur) return;
        if (msg.sender != account) ROLES.requireRole(msg.sender, Role.Operator, 0);
        if (present == guarantor || present == address(0)) return;
        uint256 excess = _excess(slot.balanceNeur, slot.creditNeur);
        if (excess != 0) revert AccountsDebtOpen(account, excess);
        if (slot.creditNeur != 0 && msg.sender != account) revert AccountsGuaranteed(account, present);
    }

    /// @dev What is asked for redemption is not there for anything else.
    function _requireFree(address account, uint96 amountNeur) private view {
        int256 free = freeBalanceOf(account);
        if (free < int256(uint256(amountNeur))) revert AccountsBalanceLow(account, free, amountNeur);
    }

    function _excess(int256 balance, uint64 creditNeur) private pure returns (uint256) {
        // Of 72 and 64 bits.
        unchecked {
            int256 below = -balance - int256(uint256(creditNeur));
            return below > 0 ? uint256(below) : 0;
        }
    }

    function _callGuarantee(address account, int256 balance, uint64 creditNeur) private {
        uint256 excess = _excess(balance, creditNeur);
        if (excess != 0) emit GuaranteeCalled(account, _guarantorOf(account), excess);
    }

    function _useRef(RefUse use, address by, bytes32 ref) private {
        bytes32 key = keccak256(abi.encode(use, by, ref));
        if (_usedRefs[key]) revert AccountsRefUsed(ref);
        _usedRefs[key] = true;
    }

    function _requireSigner(address expected, bytes32 structHash, bytes calldata signature) private view {
        address signer = ECDSA.recover(_hashTypedDataV4(structHash), signature);
        if (signer != expected) revert AccountsSignerWrong(expected, signer);
    }
}
