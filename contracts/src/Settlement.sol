// SPDX-License-Identifier: UNLICENSED
pragma solidity ^0.8.24;

import {ECDSA} from "@openzeppelin/contracts/utils/cryptography/ECDSA.sol";
import {EIP712} from "@openzeppelin/contracts/utils/cryptography/EIP712.sol";

import {ICalendar, Period} from "./interfaces/ICalendar.sol";
import {IMarket} from "./interfaces/IMarket.sol";
import {IReadings} from "./interfaces/IReadings.sol";
import {IRoles, Role} from "./interfaces/IRoles.sol";
import {
    Account,
    ISettlement,
    OpenSettlement,
    Redemption,
    SettlementPage,
    SettlementState
} from "./interfaces/ISettlement.sol";
import {Hashes} from "./libraries/Hashes.sol";
import {MarketClock} from "./libraries/MarketClock.sol";
import {Time} from "./libraries/Time.sol";

/// @title Settlement (documented on ISettlement)
contract Settlement is ISettlement, EIP712, MarketClock {
    /// @notice Largest balance or amount, either sign, nEUR. Two of them fit the slot, so folding a pending amount in cannot overflow.
    int256 public constant MAX_BALANCE_NEUR = (1 << 70) - 1;

    /// @notice Pages per settlement: 131,072 accounts.
    uint256 public constant MAX_PAGES = 64;

    /// @notice Market-time seconds after its challenge window in which a redemption may be completed.
    uint64 public constant REDEEM_SECONDS = 7 days;

    /// @dev All of an account that a settlement touches, in one slot; the constants below say where.
    /// `pending` counts once the settlement with number `epoch` took effect, never if it was abandoned. `area` is the number of the one area
    /// whose settlements may book the account; 0 = not bound yet.
    struct Slot {
        int72 balance;
        int72 pending;
        uint32 epoch;
        uint64 creditNeur;
        uint16 area;
    }

    uint256 private constant BALANCE_MASK = type(uint72).max;
    uint256 private constant EPOCH_AT = 144;
    uint256 private constant CREDIT_AT = 176;
    uint256 private constant AREA_AT = 240;

    /// @dev A settlement between its pages, one per area at most. `number` is unlike that of any other.
    struct Open {
        bytes32 id;
        bytes32 readingsRoot;
        uint160 lastAccount;
        uint32 nextPage;
        uint32 number;
        uint16 area;
        int128 sumNeur;
        uint64 abandonAt;
    }

    /// @dev What one reference was used for; each use has its own space of references.
    enum RefUse {
        Deposit,
        Cover,
        Redemption
    }

    IRoles private immutable ROLES;
    ICalendar private immutable CALENDAR;
    IMarket private immutable MARKET;
    IReadings private immutable READINGS;
    uint32 private immutable CHALLENGE_SECONDS;
    uint32 private immutable PAGE_SECONDS;

    /// @inheritdoc ISettlement
    uint256 public supply;

    /// @dev Areas by number, from 1 on, in the order in which they first bound or booked an account.
    bytes32[] private _areas;
    mapping(bytes32 area => uint16) private _areaNumbers;
    mapping(uint16 area => Open) private _opens;
    /// @dev Number of the last settlement of several pages.
    uint32 private _lastNumber;
    mapping(address account => Slot) private _slots;
    /// @dev Bit number % 256 of word number / 256: the settlement with this number took effect.
    mapping(uint256 index => uint256 bits) private _committed;
    mapping(address account => address) private _guarantors;
    mapping(address account => address) private _successors;
    /// @dev First key of a holder who has given a guarantee or replaced its account; `_guarantors` names holders by it.
    mapping(address account => address) private _firstKeys;
    /// @dev Present account of a holder whose first key was replaced.
    mapping(address firstKey => address) private _presentKeys;
    mapping(address guarantor => mapping(address account => uint64)) private _guaranteeNonces;
    mapping(bytes32 area => mapping(uint32 period => SettlementState)) private _settlements;
    mapping(bytes32 area => mapping(uint32 period => mapping(uint32 revision => bytes32))) private _statementsRoots;
    mapping(bytes32 key => bool) private _usedRefs;
    mapping(address account => mapping(bytes32 ref => Redemption)) private _redemptions;
    /// @dev Σ amounts of an account's open redemptions.
    mapping(address account => uint256) private _reserved;

    constructor(
        IRoles roles,
        ICalendar calendar,
        IMarket market,
        IReadings readings,
        uint32 challengeSeconds_,
        uint32 pageSeconds_
    ) EIP712("DOMINOES", "1") MarketClock(calendar) {
        if (
            challengeSeconds_ == 0 || challengeSeconds_ > Time.MAX_WINDOW_SECONDS || pageSeconds_ == 0
                || pageSeconds_ > Time.MAX_WINDOW_SECONDS
        ) revert SettlementConfigInvalid();
        ROLES = roles;
        CALENDAR = calendar;
        MARKET = market;
        READINGS = readings;
        CHALLENGE_SECONDS = challengeSeconds_;
        PAGE_SECONDS = pageSeconds_;
    }

    /* SETTLEMENT */

    /// @inheritdoc ISettlement
    function settle(
        SettlementPage calldata target,
        bytes32[] calldata pageHashes,
        uint256[] calldata words,
        bytes[] calldata signatures
    ) external {
        _requirePage(target.page, pageHashes, words);
        bytes32 wordsHash = Hashes.chain(pageHashes);
        Open memory open =
            target.page == 0 ? _begin(target, wordsHash, pageHashes.length, signatures) : _continue(target, wordsHash);
        _book(words, open);

        if (open.id != 0) {
            emit SettlementPageBooked(target.area, target.period, target.revision, target.page, open.id);
        }
        if (uint256(target.page) + 1 < pageHashes.length) {
            open.nextPage = target.page + 1;
            _opens[open.area] = open;
            return;
        }
        if (open.sumNeur != 0) revert SettlementUnbalanced(open.sumNeur);
        if (open.id != 0) {
            _committed[open.number >> 8] |= 1 << (open.number & 0xff);
            delete _opens[open.area];
        }
        _commit(target, wordsHash, open.readingsRoot);
    }

    /// @inheritdoc ISettlement
    function abandonSettlement(bytes32 area) external {
        Open storage open = _opens[_areaNumbers[area]];
        (bytes32 id, uint64 abandonAt) = (open.id, open.abandonAt);
        if (id == 0) revert SettlementNotOpen();
        uint64 time = _marketTime();
        if (time <= abandonAt) revert SettlementTooEarly(abandonAt + 1, time);
        delete _opens[_areaNumbers[area]];
        emit SettlementAbandoned(id);
    }

    /// @inheritdoc ISettlement
    function finalise(bytes32 area, uint32 period) external {
        SettlementState storage state = _settlements[area][period];
        if (state.revisions == 0) revert SettlementNone(area, period);
        if (state.isFinal) revert SettlementFinal(area, period);
        _requireNoneOpen(_areaNumbers[area]);
        uint64 horizon = _horizon(area, state.settledAt);
        uint64 time = _marketTime();
        if (time <= horizon) revert SettlementTooEarly(horizon + 1, time);
        state.isFinal = true;
        emit PeriodFinalised(area, period);
    }

    /* MONEY */

    /// @inheritdoc ISettlement
    function bindAccount(address account, bytes32 area) external {
        ROLES.requireRole(msg.sender, Role.Registrar, 0);
        if (account == address(0)) revert SettlementAccountInvalid(account);
        CALENDAR.areaOf(area); // reverts where there is no such area
        bytes32 bound = areaOf(account);
        if (bound != 0) revert SettlementAreaWrong(account, bound);
        _slots[account].area = _numberOf(area);
        emit AccountBound(account, area);
    }

    /// @inheritdoc ISettlement
    function deposit(address account, uint96 amountNeur, bytes32 ref) external {
        ROLES.requireRole(msg.sender, Role.Treasurer, 0);
        if (account == address(0)) revert SettlementAccountInvalid(account);
        if (amountNeur == 0) revert SettlementAmountInvalid();
        _useRef(RefUse.Deposit, address(0), ref);
        supply += amountNeur;
        _move(account, int256(uint256(amountNeur)));
        emit Deposited(account, amountNeur, ref);
    }

    /// @inheritdoc ISettlement
    function guarantee(address guarantor, address account, uint64 creditNeur, uint64 nonce, bytes calldata signature)
        external
    {
        if (account == address(0) || account == guarantor) revert SettlementAccountInvalid(account);
        _requirePresent(guarantor);
        _requirePresent(account);
        Slot memory slot = _load(account);
        _requireMayGuarantee(account, guarantor, slot, creditNeur);
        uint64 lastNonce = _guaranteeNonces[guarantor][account];
        if (nonce <= lastNonce) revert SettlementNonceUsed(lastNonce, nonce);
        _requireSigner(guarantor, Hashes.guarantee(guarantor, account, creditNeur, nonce), signature);

        _guaranteeNonces[guarantor][account] = nonce;
        _guarantors[account] = _markFirstKey(guarantor);
        slot.creditNeur = creditNeur;
        _slots[account] = slot;
        emit GuaranteeSet(guarantor, account, creditNeur, nonce);
        _callGuarantee(account, slot.balance, creditNeur);
    }

    /// @inheritdoc ISettlement
    function cover(address guarantor, address account, uint96 amountNeur, bytes32 ref, bytes calldata signature)
        external
    {
        if (account == address(0) || account == guarantor) revert SettlementAccountInvalid(account);
        if (amountNeur == 0) revert SettlementAmountInvalid();
        _requireSigner(guarantor, Hashes.cover(guarantor, account, amountNeur, ref), signature);
        address present = _guarantorOf(account);
        if (guarantor != present) revert SettlementGuarantorWrong(account, present, guarantor);
        _useRef(RefUse.Cover, guarantor, ref);
        int256 amount = int256(uint256(amountNeur));
        int256 debt = -balanceOf(account);
        if (amount > debt) revert SettlementDebtLow(account, debt, amountNeur);
        _requireFree(guarantor, amountNeur);
        _move(guarantor, -amount);
        _move(account, amount);
        emit DebtCovered(guarantor, account, amountNeur, ref);
    }

    /// @inheritdoc ISettlement
    function requestRedemption(
        address account,
        uint96 amountNeur,
        bytes32 ref,
        uint64 deadline,
        bytes calldata signature
    ) external {
        if (amountNeur == 0) revert SettlementAmountInvalid();
        uint64 time = _marketTime();
        if (time > deadline) revert SettlementTooLate(deadline, time);
        _requireSigner(account, Hashes.redemption(account, amountNeur, ref, deadline), signature);
        _requirePresent(account);
        _useRef(RefUse.Redemption, account, ref);
        _requireFree(account, amountNeur);
        _reserved[account] += amountNeur;
        uint64 readyAt = time + CHALLENGE_SECONDS;
        _redemptions[account][ref] = Redemption({amountNeur: amountNeur, readyAt: readyAt});
        emit RedemptionRequested(account, amountNeur, ref, readyAt);
    }

    /// @inheritdoc ISettlement
    function cancelRedemption(address account, bytes32 ref) external {
        Redemption memory redemption = _redemption(account, ref);
        uint64 time = _marketTime();
        uint64 until = redemption.readyAt + REDEEM_SECONDS;
        if (msg.sender != account && time <= until) revert SettlementTooEarly(until + 1, time);
        delete _redemptions[account][ref];
        _reserved[account] -= redemption.amountNeur;
        emit RedemptionCancelled(account, redemption.amountNeur, ref);
    }

    /// @inheritdoc ISettlement
    function completeRedemption(address account, bytes32 ref) external {
        Redemption memory redemption = _redemption(account, ref);
        // What reaches a replaced account belongs to its successor, whose window has not begun.
        _requirePresent(account);
        uint64 time = _marketTime();
        if (time < redemption.readyAt) revert SettlementTooEarly(redemption.readyAt, time);
        uint64 until = redemption.readyAt + REDEEM_SECONDS;
        if (time > until) revert SettlementTooLate(until, time);
        int256 balance = balanceOf(account);
        if (balance <= 0 || supply == 0) revert SettlementNothingToRedeem(account);
        uint256 amount = redemption.amountNeur;
        if (amount > uint256(balance)) amount = uint256(balance);
        // Others' debt may leave less money than there are credits.
        if (amount > supply) amount = supply;
        // The rest stays open, or anyone could spend a request while there is little to pay it from.
        if (amount == redemption.amountNeur) delete _redemptions[account][ref];
        else _redemptions[account][ref].amountNeur -= uint96(amount);
        _reserved[account] -= amount;
        supply -= amount;
        _move(account, -int256(amount));
        emit Redeemed(account, amount, ref);
    }

    /// @inheritdoc ISettlement
    function replaceAccount(
        address account,
        address successor,
        bytes calldata accountSignature,
        bytes calldata successorSignature
    ) external {
        if (account == successor) revert SettlementAccountInvalid(account);
        _requireNoneOpen(_slots[account].area);
        _requireNoneOpen(_slots[successor].area);
        bytes32 structHash = Hashes.accountReplacement(account, successor);
        _requireSigner(account, structHash, accountSignature);
        _requireSigner(successor, structHash, successorSignature);

        Slot memory slot = _load(account);
        int256 balance = slot.balance;
        if (_successors[account] == address(0)) {
            _requireFresh(account, successor, slot.area);
            _succeed(account, successor);
            _slots[successor].creditNeur = slot.creditNeur;
            if (slot.area != 0) _slots[successor].area = slot.area;
        } else if (_successors[account] != successor) {
            revert SettlementSuccessorInvalid(account, successor);
        }
        _slots[account] = Slot({balance: 0, pending: 0, epoch: 0, creditNeur: 0, area: slot.area});
        _move(successor, balance);
        emit AccountReplaced(account, successor, balance);
        Slot memory moved = _load(successor);
        _callGuarantee(successor, moved.balance, moved.creditNeur);
    }

    /* VIEWS */

    /// @inheritdoc ISettlement
    function accountOf(address account) external view returns (Account memory) {
        Slot memory slot = _load(account);
        return Account({
            balanceNeur: slot.balance,
            creditNeur: slot.creditNeur,
            guarantor: _guarantorOf(account),
            successor: _successors[account]
        });
    }

    /// @inheritdoc ISettlement
    function balanceOf(address account) public view returns (int256) {
        return _load(account).balance;
    }

    /// @inheritdoc ISettlement
    function settlementOf(bytes32 area, uint32 period) external view returns (SettlementState memory) {
        return _settlements[area][period];
    }

    /// @inheritdoc ISettlement
    function statementsRootOf(bytes32 area, uint32 period, uint32 revision) external view returns (bytes32) {
        return _statementsRoots[area][period][revision];
    }

    /// @inheritdoc ISettlement
    function openSettlement(bytes32 area) external view returns (OpenSettlement memory) {
        Open storage open = _opens[_areaNumbers[area]];
        return OpenSettlement({id: open.id, nextPage: open.nextPage, abandonAt: open.abandonAt});
    }

    /// @inheritdoc ISettlement
    function areaOf(address account) public view returns (bytes32) {
        uint16 number = _slots[account].area;
        return number == 0 ? bytes32(0) : _areas[number - 1];
    }

    /// @inheritdoc ISettlement
    function redemptionOf(address account, bytes32 ref) external view returns (Redemption memory) {
        return _redemptions[account][ref];
    }

    /// @inheritdoc ISettlement
    function freeBalanceOf(address account) public view returns (int256) {
        return balanceOf(account) - int256(_reserved[account]);
    }

    /// @inheritdoc ISettlement
    function guaranteeNonceOf(address guarantor, address account) external view returns (uint64) {
        return _guaranteeNonces[guarantor][account];
    }

    /// @inheritdoc ISettlement
    function challengeSeconds() external view returns (uint32) {
        return CHALLENGE_SECONDS;
    }

    /// @inheritdoc ISettlement
    function settlementDigest(
        bytes32 area,
        uint32 period,
        uint32 revision,
        bytes32 wordsHash,
        bytes32 clearingRoot,
        bytes32 readingsRoot,
        bytes32 statementsRoot,
        bytes32 tariffHash
    ) external view returns (bytes32) {
        return _digest(
            Hashes.SignedSettlement({
                area: area,
                period: period,
                revision: revision,
                wordsHash: wordsHash,
                clearingRoot: clearingRoot,
                readingsRoot: readingsRoot,
                statementsRoot: statementsRoot,
                tariffHash: tariffHash
            })
        );
    }

    /// @inheritdoc ISettlement
    function domainSeparator() external view returns (bytes32) {
        return _domainSeparatorV4();
    }

    /* INTERNAL: SETTLEMENT */

    /// @dev All pages but the last are full; a settlement without amounts has no page and comes as page 0 without words.
    function _requirePage(uint256 page, bytes32[] calldata pageHashes, uint256[] calldata words) private pure {
        uint256 pages = pageHashes.length;
        if (pages == 0) {
            if (page != 0 || words.length != 0) revert SettlementPageInvalid();
            return;
        }
        bool full = words.length == Hashes.PAGE_WORDS;
        bool sized = page + 1 < pages ? full : words.length != 0 && words.length <= Hashes.PAGE_WORDS;
        if (pages > MAX_PAGES || page >= pages || !sized) revert SettlementPageInvalid();
        bytes32 given;
        assembly ("memory-safe") {
            let data := mload(0x40)
            calldatacopy(data, words.offset, shl(5, words.length))
            given := keccak256(data, shl(5, words.length))
        }
        if (given != pageHashes[page]) revert SettlementPageHashWrong(uint32(page));
    }

    function _settlementId(SettlementPage calldata target, bytes32 wordsHash) private pure returns (bytes32) {
        return keccak256(
            abi.encode(target.area, target.period, target.revision, wordsHash, target.statementsRoot, target.tariffHash)
        );
    }

    /// @dev The open settlement, if this is its next page.
    function _continue(SettlementPage calldata target, bytes32 wordsHash) private view returns (Open memory open) {
        open = _opens[_areaNumbers[target.area]];
        bool sameOne = open.id != 0 && open.id == _settlementId(target, wordsHash);
        if (!sameOne || open.nextPage != target.page) revert SettlementPageOrder(sameOne ? open.nextPage : 0);
    }

    /// @dev Checks everything about a settlement but its words. With a single page nothing is ever stored as open: its id stays 0.
    function _begin(SettlementPage calldata target, bytes32 wordsHash, uint256 pages, bytes[] calldata signatures)
        private
        returns (Open memory open)
    {
        open.area = _numberOf(target.area);
        _requireNoneOpen(open.area);
        _requireSettleable(target.area, target.period, target.revision);
        open.readingsRoot = _requireSigned(target, wordsHash, signatures);
        if (pages > 1) {
            open.id = _settlementId(target, wordsHash);
            open.abandonAt = _marketTime() + PAGE_SECONDS;
            open.number = ++_lastNumber;
        }
    }

    /// @dev Checks the attesters' signatures over words and roots; returns the readings root they signed.
    function _requireSigned(SettlementPage calldata target, bytes32 wordsHash, bytes[] calldata signatures)
        private
        returns (bytes32 readingsRoot)
    {
        readingsRoot = READINGS.readingsRoot(target.area, target.period);
        bytes32 digest = _digest(
            Hashes.SignedSettlement({
                area: target.area,
                period: target.period,
                revision: target.revision,
                wordsHash: wordsHash,
                clearingRoot: MARKET.clearingRoot(target.area, target.period),
                readingsRoot: readingsRoot,
                statementsRoot: target.statementsRoot,
                tariffHash: target.tariffHash
            })
        );
        ROLES.requireQuorum(digest, target.area, signatures);
        emit SettlementSigned(target.area, target.period, target.revision, digest, signatures);
    }

    function _requireSettleable(bytes32 area, uint32 period, uint32 revision) private view {
        SettlementState memory state = _settlements[area][period];
        if (state.isFinal) revert SettlementFinal(area, period);
        if (revision != state.revisions) revert SettlementRevisionWrong(state.revisions, revision);
        uint64 time = _marketTime();
        if (revision != 0) {
            uint64 horizon = _horizon(area, state.settledAt);
            if (time > horizon) revert SettlementTooLate(horizon, time);
            return;
        }
        Period memory bounds = CALENDAR.periodOf(area, period);
        uint64 ended = Time.startOf(uint256(bounds.firstMtu) + bounds.count);
        if (time < ended) revert SettlementTooEarly(ended, time);
        uint256 cleared = MARKET.resolvedCount(area, period);
        uint256 required = MARKET.requiredCount(area, period);
        if (cleared != required) revert SettlementUncleared(cleared, required);
        uint256 read = READINGS.resolvedCount(area, period);
        if (read != bounds.count) revert SettlementUnread(read, bounds.count);
    }

    function _horizon(bytes32 area, uint64 settledAt) private view returns (uint64) {
        return settledAt + CALENDAR.areaOf(area).horizonSeconds;
    }

    /// @dev Books the amounts of one page: at once (single page), or pending under the open settlement's number. Updates sum and last account.
    function _book(uint256[] calldata words, Open memory open) private {
        (uint256 last, int256 sum) = (open.lastAccount, open.sumNeur);
        (uint256 number, uint256 area) = (open.number, open.area);
        // Amounts have 96 bits, balances 72, and pages are bounded: nothing can overflow.
        unchecked {
            for (uint256 i = 0; i < words.length; ++i) {
                uint256 word = words[i];
                int256 amount = int96(uint96(word));
                if (word >> 96 <= last || amount == 0) revert SettlementWordInvalid(i);
                last = word >> 96;
                sum += amount;
                _requireInRange(amount);
                if (number == 0) _bookNow(address(uint160(last)), amount, area);
                else _bookPending(address(uint160(last)), amount, uint32(number), area);
            }
        }
        open.lastAccount = uint160(last);
        open.sumNeur = int128(sum);
    }

    /// @dev Reads and writes the slot once: this is what a settlement pays for each account.
    function _bookNow(address account, int256 amount, uint256 area) private {
        Slot storage stored = _slots[account];
        uint256 packed;
        assembly ("memory-safe") {
            packed := sload(stored.slot)
        }
        // What is folded here took effect or was abandoned: while pages of this area are open, none of its settlements begins.
        if (uint32(packed >> EPOCH_AT) != 0) packed = _pack(_load(account));
        if (packed >> AREA_AT != area) packed = _bound(account, packed, area);
        unchecked {
            int256 balance = int72(uint72(packed)) + amount;
            _requireInRange(balance);
            packed = (packed & ~BALANCE_MASK) | (uint256(balance) & BALANCE_MASK);
            assembly ("memory-safe") {
                sstore(stored.slot, packed)
            }
            if (balance < 0) _callGuarantee(account, balance, uint64(packed >> CREDIT_AT));
        }
    }

    function _bookPending(address account, int256 amount, uint32 number, uint256 area) private {
        Slot memory slot = _load(account);
        if (slot.area != area) slot.area = uint16(_bound(account, _pack(slot), area) >> AREA_AT);
        int256 balance = slot.balance + amount;
        (slot.pending, slot.epoch) = (int72(amount), number);
        _slots[account] = slot;
        _requireInRange(balance);
        if (balance < 0) _callGuarantee(account, balance, slot.creditNeur);
    }

    /// @dev A blank account is bound by its first booking; one with money or a credit line must have been bound before, or any area's attesters could
    /// take it.
    function _bound(address account, uint256 packed, uint256 area) private view returns (uint256) {
        if (packed != 0) revert SettlementAreaWrong(account, areaOf(account));
        return area << AREA_AT;
    }

    function _pack(Slot memory slot) private pure returns (uint256) {
        return (uint256(uint72(slot.balance))) | (uint256(uint72(slot.pending)) << 72)
            | (uint256(slot.epoch) << EPOCH_AT) | (uint256(slot.creditNeur) << CREDIT_AT)
            | (uint256(slot.area) << AREA_AT);
    }

    function _commit(SettlementPage calldata target, bytes32 wordsHash, bytes32 readingsRoot) private {
        SettlementState storage state = _settlements[target.area][target.period];
        if (target.revision == 0) state.settledAt = _marketTime();
        state.revisions = target.revision + 1;
        _statementsRoots[target.area][target.period][target.revision] = target.statementsRoot;
        emit PeriodSettled(
            target.area,
            target.period,
            target.revision,
            wordsHash,
            MARKET.clearingRoot(target.area, target.period),
            readingsRoot,
            target.statementsRoot,
            target.tariffHash
        );
    }

    function _requireNoneOpen(uint16 area) private view {
        bytes32 id = _opens[area].id;
        if (id != 0) revert SettlementBusy(id);
    }

    /// @dev The number of an area, given to it now if it has none.
    function _numberOf(bytes32 area) private returns (uint16 number) {
        number = _areaNumbers[area];
        if (number == 0) {
            if (_areas.length == type(uint16).max) revert SettlementAreasExhausted();
            _areas.push(area);
            _areaNumbers[area] = number = uint16(_areas.length);
        }
    }

    /* INTERNAL: ACCOUNTS */

    /// @dev The account with a pending amount folded in, kept or dropped.
    function _load(address account) private view returns (Slot memory slot) {
        slot = _slots[account];
        if (slot.epoch != 0) _fold(slot);
    }

    /// @dev Folds a pending amount in (its settlement took effect), keeps it (it is open) or drops it (it was abandoned).
    function _fold(Slot memory slot) private view {
        if (_committed[slot.epoch >> 8] & (1 << (slot.epoch & 0xff)) != 0) {
            slot.balance += slot.pending;
        } else if (_opens[slot.area].number == slot.epoch) {
            return;
        }
        (slot.pending, slot.epoch) = (0, 0);
    }

    function _move(address account, int256 amount) private {
        Slot memory slot = _load(account);
        int256 balance = slot.balance + amount;
        // A fall is always possible, so that nobody's way out depends on the range.
        if (amount > 0) _requireInRange(balance);
        slot.balance = int72(balance);
        _slots[account] = slot;
    }

    function _requireInRange(int256 amount) private pure {
        if (amount > MAX_BALANCE_NEUR || amount < -MAX_BALANCE_NEUR) revert SettlementAmountInvalid();
    }

    /// @dev A stray credit is no use: whoever sends one must not be able to block a replacement.
    function _requireFresh(address account, address successor, uint16 area) private view {
        Slot memory slot = _load(successor);
        bool used = slot.balance < 0 || slot.creditNeur != 0 || _guarantors[successor] != address(0);
        used = used || (area != 0 && slot.area != 0 && slot.area != area);
        if (used || _successors[successor] != address(0) || _firstKeys[successor] != address(0)) {
            revert SettlementSuccessorInvalid(account, successor);
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

    /// @dev A replaced key signs nothing any more: it may be the one that was lost.
    function _requirePresent(address account) private view {
        address successor = _successors[account];
        if (successor != address(0)) revert SettlementReplaced(account, successor);
    }

    /// @dev Anyone may lower a line; the operator or the account itself may raise it; another guarantor waits for the present one's line to be
    /// 0 or for the account itself.
    function _requireMayGuarantee(address account, address guarantor, Slot memory slot, uint64 creditNeur)
        private
        view
    {
        address present = _guarantorOf(account);
        if (present == guarantor && creditNeur <= slot.creditNeur) return;
        if (msg.sender != account) ROLES.requireRole(msg.sender, Role.Operator, 0);
        if (present == guarantor || present == address(0)) return;
        uint256 excess = _excess(slot.balance, slot.creditNeur);
        if (excess != 0) revert SettlementDebtOpen(account, excess);
        if (slot.creditNeur != 0 && msg.sender != account) revert SettlementGuaranteed(account, present);
    }

    /// @dev What is asked for redemption is not there for anything else.
    function _requireFree(address account, uint96 amountNeur) private view {
        int256 free = freeBalanceOf(account);
        if (free < int256(uint256(amountNeur))) revert SettlementBalanceLow(account, free, amountNeur);
    }

    function _redemption(address account, bytes32 ref) private view returns (Redemption memory redemption) {
        redemption = _redemptions[account][ref];
        if (redemption.amountNeur == 0) revert SettlementRedemptionUnknown(account, ref);
    }

    function _excess(int256 balance, uint64 creditNeur) private pure returns (uint256) {
        int256 below = -balance - int256(uint256(creditNeur));
        return below > 0 ? uint256(below) : 0;
    }

    function _callGuarantee(address account, int256 balance, uint64 creditNeur) private {
        uint256 excess = _excess(balance, creditNeur);
        if (excess != 0) emit GuaranteeCalled(account, _guarantorOf(account), excess);
    }

    function _useRef(RefUse use, address by, bytes32 ref) private {
        bytes32 key = keccak256(abi.encode(use, by, ref));
        if (_usedRefs[key]) revert SettlementRefUsed(ref);
        _usedRefs[key] = true;
    }

    function _digest(Hashes.SignedSettlement memory settlement) private view returns (bytes32) {
        return _hashTypedDataV4(Hashes.settlement(settlement));
    }

    function _requireSigner(address expected, bytes32 structHash, bytes calldata signature) private view {
        address signer = ECDSA.recover(_hashTypedDataV4(structHash), signature);
        if (signer != expected) revert SettlementSignerWrong(expected, signer);
    }
}
