// SPDX-License-Identifier: UNLICENSED
pragma solidity 0.8.37;

import {IRoles, Role} from "../../src/interfaces/IRoles.sol";
import {IAccounts} from "../../src/interfaces/IAccounts.sol";
import {IGuarantees} from "../../src/interfaces/IGuarantees.sol";
import {IRedemptions} from "../../src/interfaces/IRedemptions.sol";
import {ISuccessions} from "../../src/interfaces/ISuccessions.sol";
import {Hashes} from "../../src/libraries/Hashes.sol";
import {vm} from "../base/Vm.sol";
import {AreaActs} from "./AreaActs.sol";
import {Reach} from "./Handler.sol";

/// @notice Deposits, guarantees, cover, redemptions that overlap, and replaced accounts, rightly and wrongly.
abstract contract MoneyActs is AreaActs {
    uint64 private constant REDEEM_WINDOW = 7 days;
    uint64 private constant NEVER = type(uint64).max;

    struct Claim {
        address account;
        bytes32 ref;
        uint256 amountNeur;
        uint64 readyAt;
    }

    uint256 public deposited;
    uint256 public redeemed;
    mapping(address guarantor => mapping(address account => uint64)) private _nonces;
    mapping(address account => bool) private _replacedKeys;
    /// @notice Σ amounts of an account's open redemptions.
    mapping(address account => uint256) public asked;
    /// @notice What of it may still be paid: it rises by a request, falls by what is paid, and to what there is whenever there is less.
    mapping(address account => uint256) public stillThere;
    Claim[] private _claims;
    address[] private _accounts;
    uint256 private _refs;
    bytes32 private _lastDeposit;

    function setUp() public virtual override {
        if (address(roles) != address(0)) return;
        super.setUp();
        for (uint256 holder = 0; holder < HOLDERS; ++holder) {
            _accounts.push(_account(holder));
        }
    }

    /// @notice Every account of a holder, present or replaced.
    function allAccounts() external view returns (address[] memory) {
        return _accounts;
    }

    function claims() external view returns (Claim[] memory) {
        return _claims;
    }

    function presentAccount(uint256 holder) external view returns (address) {
        return _account(holder);
    }

    function _noteOutcome() internal override {
        for (uint256 i = 0; i < _accounts.length; ++i) {
            int256 most = accounts.redeemableOf(_accounts[i]);
            if (most < 0) most = 0;
            if (stillThere[_accounts[i]] > uint256(most)) stillThere[_accounts[i]] = uint256(most);
        }
    }

    function _signedBy(uint256 holder, bytes32 structHash) private view returns (bytes memory) {
        uint256 secret = _secretOf(holder, _generations[holder]);
        return _sign(secret, _digest(guarantees.domainSeparator(), structHash));
    }

    /// @dev What it may give away, as the contract says: the invariants hold that to what it has.
    function _free(address account) private view returns (int256) {
        return accounts.freeBalanceOf(account);
    }

    /// @dev What the account lacks of itself: it is for its guarantor to answer for, from its line on.
    function _missing(address account) private view returns (uint256) {
        int256 left = accounts.redeemableOf(account);
        return left < 0 ? uint256(-left) : 0;
    }

    /// @dev Two holders, in most cases different ones.
    function _pair(uint256 seed) private pure returns (uint256, uint256) {
        return (seed % HOLDERS, (seed % HOLDERS + (seed / HOLDERS) % (2 * HOLDERS - 1)) % HOLDERS);
    }

    /* DEPOSIT */

    function deposit(uint256 seed) external {
        address to = seed % 8 == 0 ? _accounts[_mix(seed, 1) % _accounts.length] : _account(_mix(seed, 1) % HOLDERS);
        uint96 amount = uint96(1 + _mix(seed, 2) % 1e12);
        bool again = _lastDeposit != 0 && seed % 8 == 1;
        bytes32 ref = again ? _lastDeposit : bytes32(++_refs);
        address by = seed % 16 == 2 ? _anyKey(_mix(seed, 3)) : _holder(Role.Treasurer, seed);
        bytes4 expected = again ? IAccounts.AccountsRefUsed.selector : bytes4(0);
        if (held[by].role != Role.Treasurer) expected = IRoles.RolesMissing.selector;
        bytes memory data = abi.encodeCall(IAccounts.deposit, (to, amount, ref));
        if (!_act(by, address(accounts), data, expected, "deposit")) return;
        _used(Message.Deposit, address(accounts), data);
        (_lastDeposit, deposited) = (ref, deposited + amount);
        balances[to] += int256(uint256(amount));
    }

    /* GUARANTEE AND COVER */

    function guarantee(uint256 seed) external {
        (uint256 by, uint256 whom) = _pair(seed);
        uint64 credit = _lineFrom(_account(by), _mix(seed, 2));
        _give(by, whom, credit, _mix(seed, 3) % 8 == 0, _mix(seed, 4) % 8 == 0);
    }

    function _give(uint256 by, uint256 whom, uint64 credit, bool again, bool forged) private {
        bytes4 expected = 0;
        if (again) expected = IGuarantees.GuaranteesNonceUsed.selector;
        else if (forged) expected = IGuarantees.GuaranteesSignerWrong.selector;
        else expected = _lineFault(_account(by), _account(whom), credit);
        bytes memory data = _guaranteeCall(by, whom, credit, again, forged);
        if (!_act(address(0xbad), address(guarantees), data, expected, "guarantee")) return;
        _used(Message.Guarantee, address(guarantees), data);
        ++_nonces[_account(by)][_account(whom)];
    }

    /// @dev Mostly what is free; else anything, or nothing.
    function _lineFrom(address account, uint256 seed) private view returns (uint64) {
        int256 free = _free(account);
        if (seed % 3 == 0 || free <= 0) return seed % 2 == 0 ? 0 : uint64((seed >> 8) % 1e12);
        return uint64((seed >> 8) % (uint256(free) + 1) % type(uint64).max);
    }

    function _guaranteeCall(uint256 by, uint256 whom, uint64 credit, bool again, bool forged)
        private
        view
        returns (bytes memory)
    {
        (address from, address to) = (_account(by), _account(whom));
        uint64 nonce = _nonces[from][to] + (again ? 0 : 1);
        bytes32 structHash = Hashes.guarantee(from, to, credit, nonce, NEVER);
        bytes memory given = _signedBy(forged ? (by + 1) % HOLDERS : by, structHash);
        bytes memory taken = _signedBy(whom, structHash);
        return abi.encodeCall(IGuarantees.guarantee, (from, to, credit, nonce, NEVER, given, taken));
    }

    function _lineFault(address from, address to, uint64 credit) private view returns (bytes4) {
        (address before, uint64 line) = (accounts.guarantorOf(to), accounts.lineOf(to));
        uint256 locked = before == from ? line + (from == to ? 0 : accounts.lackingOf(to)) : 0;
        // A line of 0 under which nothing is owed any more is forgotten when it is counted anew, which is now.
        if (line == 0 && _missing(to) == 0) before = address(0);
        if (before == from && credit <= line) return 0;
        if (before != from) {
            bool others = before != address(0) && before != to;
            if (others && _missing(to) > line) return IAccounts.AccountsDebtOpen.selector;
            if (credit < line) return IAccounts.AccountsLineLow.selector;
            address above = accounts.guarantorOf(from);
            bool stands = from == to || above == address(0) || above == from;
            bool given = from != to && accounts.accountOf(to).givenNeur != 0;
            if (!stands || given) return IAccounts.AccountsTied.selector;
        }
        int256 free = _free(from) + int256(locked) - int256(_lock(from, to, credit));
        return free < 0 ? IAccounts.AccountsBalanceLow.selector : bytes4(0);
    }

    function _lock(address from, address to, uint64 line) private view returns (uint256) {
        uint256 missing = from == to ? 0 : _missing(to);
        return missing > line ? missing : line;
    }

    function release(uint256 seed) external {
        address account = _account(seed % HOLDERS);
        uint32 until = accounts.loweringOf(account).untilPeriod;
        bytes4 expected = 0;
        if (until == 0) expected = IGuarantees.GuaranteesNothingLowered.selector;
        else if (settlement.settledThrough(AREA) < until) expected = IGuarantees.GuaranteesUnsettled.selector;
        _act(address(this), address(guarantees), abi.encodeCall(IGuarantees.release, (account)), expected, "release");
    }

    function cover(uint256 seed) external {
        bool apt = _mix(seed, 1) % 4 != 0;
        (uint256 by, uint256 whom) = apt ? _coverPair(seed) : _pair(seed);
        // Where nobody answers for a debtor yet, somebody who can does so first.
        if (apt && accounts.guarantorOf(_account(whom)) != _account(by)) _give(by, whom, 0, false, false);
        (address from, address to) = (_account(by), _account(whom));
        uint96 amount = uint96(_coverAmount(from, to, _mix(seed, 2)));
        (bool forged, bool other) = (_mix(seed, 3) % 8 == 0, _mix(seed, 4) % 8 == 0);
        bytes4 expected = _coverFault(from, to, amount, other);
        if (forged) expected = IGuarantees.GuaranteesSignerWrong.selector;
        bytes memory data = _coverCall(by, whom, amount, forged, other);
        if (!_act(address(this), address(guarantees), data, expected, "cover")) return;
        _used(Message.Cover, address(guarantees), data);
        balances[from] -= int256(uint256(amount));
        balances[to] += int256(uint256(amount));
        ++reached[Reach.Covered];
    }

    function _debtOf(address account) private view returns (uint96) {
        int256 balance = accounts.balanceOf(account);
        return balance < 0 ? uint96(uint256(-balance)) : 0;
    }

    /// @dev Names the debt that there is, or another one.
    function _coverCall(uint256 by, uint256 whom, uint96 amount, bool forged, bool other)
        private
        returns (bytes memory)
    {
        (address from, address to) = (_account(by), _account(whom));
        (uint96 debt, bytes32 ref) = (_debtOf(to) + (other ? 1 : 0), bytes32(++_refs));
        bytes32 structHash = Hashes.cover(from, to, amount, debt, ref, NEVER);
        bytes memory signature = _signedBy(forged ? (by + 1) % HOLDERS : by, structHash);
        return abi.encodeCall(IGuarantees.cover, (from, to, amount, debt, ref, NEVER, signature));
    }

    /// @dev A holder in debt and its guarantor, else the one who has most, if there are any.
    function _coverPair(uint256 seed) private view returns (uint256 by, uint256 whom) {
        (by, whom) = _pair(seed);
        for (uint256 holder = 0; holder < HOLDERS; ++holder) {
            if (accounts.balanceOf(_account(holder)) >= 0) continue;
            (by, whom) = (holder, holder);
            for (uint256 other = 0; other < HOLDERS; ++other) {
                if (accounts.guarantorOf(_account(holder)) == _account(other) && other != holder) return (other, holder);
                if (_free(_account(other)) > _free(_account(by))) by = other;
            }
        }
    }

    function _coverFault(address from, address to, uint256 amount, bool other) private view returns (bytes4) {
        address guarantor = accounts.guarantorOf(to);
        if (guarantor == to || guarantor != from) return IAccounts.AccountsGuarantorWrong.selector;
        if (other) return IAccounts.AccountsDebtOther.selector;
        if (amount > _debtOf(to)) return IAccounts.AccountsDebtLow.selector;
        int256 held = accounts.redeemableOf(from) + int256(accounts.accountOf(from).givenNeur);
        if (int256(amount) > held) return IAccounts.AccountsBalanceLow.selector;
        (uint256 missing, uint256 line) = (_missing(to), accounts.lineOf(to));
        uint256 lacking = missing > line + amount ? missing - line - amount : 0;
        int256 left = _free(from) - int256(amount) + int256(accounts.lackingOf(to)) - int256(lacking);
        return left < 0 && left < _free(from) ? IAccounts.AccountsBalanceLow.selector : bytes4(0);
    }

    /// @dev Mostly what is owed and there; else anything.
    function _coverAmount(address from, address to, uint256 seed) private view returns (uint256) {
        (int256 debt, int256 held) = (-accounts.balanceOf(to), accounts.balanceOf(from));
        int256 most = debt < held ? debt : held;
        if (seed % 4 == 0 || most <= 0) return 1 + (seed >> 8) % 1e12;
        return 1 + (seed >> 8) % uint256(most);
    }

    /// @dev What waits comes, as far as it is covered.
    function bookSuspense(uint256 seed) external {
        address account = _accounts[seed % _accounts.length];
        (int256 uncovered, int256 waiting) = accounts.uncoveredOf(AREA);
        bool waits = accounts.balanceOf(accounts.suspenseOf(account, AREA)) > 0;
        bytes4 expected = waits && waiting <= uncovered ? IAccounts.AccountsUncovered.selector : bytes4(0);
        if (opened.live) expected = IAccounts.AccountsBusy.selector;
        bytes memory data = abi.encodeCall(IAccounts.bookSuspense, (account));
        _act(address(this), address(accounts), data, expected, "bookSuspense");
    }

    /* REDEMPTION */

    function requestRedemption(uint256 seed) external {
        uint256 holder = _mix(seed, 4) % 4 == 0 ? seed % HOLDERS : _richHolder(seed);
        address account = _account(holder);
        int256 free = _free(account);
        bool high = _mix(seed, 1) % 4 == 0 || free <= 0;
        uint96 amount = uint96(high ? 1 + _mix(seed, 2) % 1e13 : 1 + _mix(seed, 2) % uint256(free));
        bytes4 expected = int256(uint256(amount)) > free ? IAccounts.AccountsBalanceLow.selector : bytes4(0);
        if (_isCut(account)) expected = IAccounts.AccountsReservationCut.selector;
        _request(account, amount, expected, _mix(seed, 3), holder);
    }

    function _isCut(address account) private view returns (bool) {
        (uint256 all, uint256 left) = accounts.reservationOf(account);
        return all != left;
    }

    /// @dev A holder with something to redeem, if there is one.
    function _richHolder(uint256 seed) private view returns (uint256 holder) {
        for (uint256 i = 0; i < HOLDERS; ++i) {
            holder = (seed % HOLDERS + i) % HOLDERS;
            if (_free(_account(holder)) > 0) return holder;
        }
    }

    function _request(address account, uint96 amount, bytes4 expected, uint256 seed, uint256 holder) private {
        bytes32 ref = bytes32(++_refs);
        if (seed % 8 == 1) expected = IRedemptions.RedemptionsSignerWrong.selector;
        if (seed % 8 == 0) expected = IRedemptions.RedemptionsTooLate.selector;
        bytes memory data = _requestCall(holder, amount, ref, seed);
        if (!_act(address(this), address(redemptions), data, expected, "requestRedemption")) return;
        _used(Message.Request, address(redemptions), data);
        (asked[account], stillThere[account]) = (asked[account] + amount, stillThere[account] + amount);
        _claims.push(Claim(account, ref, amount, _now() + REDEEM_WAIT));
    }

    /// @dev Rightly signed, or too late, or for another contract, which is no signature here.
    function _requestCall(uint256 holder, uint96 amount, bytes32 ref, uint256 seed)
        private
        view
        returns (bytes memory)
    {
        address account = _account(holder);
        uint64 until = seed % 8 == 0 ? _now() - 1 : type(uint64).max;
        bytes32 structHash = Hashes.redemption(account, amount, ref, until);
        bytes memory signature = seed % 8 == 1
            ? _sign(_secretOf(holder, _generations[holder]), _digest(market.domainSeparator(), structHash))
            : _sign(_secretOf(holder, _generations[holder]), _digest(redemptions.domainSeparator(), structHash));
        return abi.encodeCall(IRedemptions.requestRedemption, (account, amount, ref, until, signature));
    }

    function completeRedemption(uint256 seed) external {
        if (_claims.length == 0) return;
        uint256 at = seed % _claims.length;
        // Mostly one is completed when it is due.
        if (_mix(seed, 1) % 3 != 0) _sleepUntil(_claims[at].readyAt);
        _complete(at);
    }

    function _complete(uint256 at) internal {
        Claim memory claim = _claims[at];
        (, uint256 left) = accounts.reservationOf(claim.account);
        bytes memory data = abi.encodeCall(IRedemptions.completeRedemption, (claim.account, claim.ref));
        uint256 paid = claim.amountNeur < left ? claim.amountNeur : left;
        bytes4 expected = _completeFault(claim);
        if (expected == 0) stillThere[claim.account] -= paid;
        if (!_act(address(this), address(redemptions), data, expected, "completeRedemption")) return;
        _claims[at].amountNeur = 0;
        asked[claim.account] -= claim.amountNeur;
        balances[claim.account] -= int256(paid);
        redeemed += paid;
        if (paid != 0) ++reached[Reach.Redeemed];
    }

    function _completeFault(Claim memory claim) private view returns (bytes4) {
        if (claim.amountNeur == 0) return IRedemptions.RedemptionsUnknown.selector;
        if (_replacedKeys[claim.account]) return IAccounts.AccountsReplaced.selector;
        if (_now() < claim.readyAt) return IRedemptions.RedemptionsTooEarly.selector;
        return _now() > claim.readyAt + REDEEM_WINDOW ? IRedemptions.RedemptionsTooLate.selector : bytes4(0);
    }

    function cancelRedemption(uint256 seed) external {
        if (_claims.length == 0) return;
        uint256 at = seed % _claims.length;
        Claim memory claim = _claims[at];
        address sender = _mix(seed, 1) % 3 == 0 ? claim.account : address(this);
        bool expired = _now() > claim.readyAt + REDEEM_WINDOW;
        bytes4 expected = 0;
        if (claim.amountNeur == 0) expected = IRedemptions.RedemptionsUnknown.selector;
        else if (sender != claim.account && !expired) expected = IRedemptions.RedemptionsTooEarly.selector;
        bytes memory data = abi.encodeCall(IRedemptions.cancelRedemption, (claim.account, claim.ref));
        if (!_act(sender, address(redemptions), data, expected, "cancelRedemption")) return;
        asked[claim.account] -= claim.amountNeur;
        if (stillThere[claim.account] > asked[claim.account]) stillThere[claim.account] = asked[claim.account];
        _claims[at].amountNeur = 0;
    }

    /* REPLACEMENT */

    function replaceAccount(uint256 seed) external {
        uint256 holder = seed % HOLDERS;
        uint256 present = _generations[holder];
        // A present account by a fresh one; or a replaced one again.
        uint256 from = _mix(seed, 1) % 4 != 3 || present == 0 ? present : _mix(seed, 2) % present;
        bool forged = _mix(seed, 3) % 8 == 0;
        bytes4 expected = 0;
        if (forged) expected = ISuccessions.SuccessionsSignerWrong.selector;
        else if (from != present) expected = IAccounts.AccountsReplaced.selector;
        else if (opened.live) expected = IAccounts.AccountsBusy.selector;
        int256 moved = accounts.balanceOf(vm.addr(_secretOf(holder, from)));
        bytes memory data = _replaceCall(holder, from, present + 1, forged);
        if (_act(address(this), address(successions), data, expected, "replaceAccount")) {
            address successor = vm.addr(_secretOf(holder, present + 1));
            _generations[holder] = present + 1;
            _replacedKeys[vm.addr(_secretOf(holder, from))] = true;
            _accounts.push(successor);
            ++reached[Reach.Replaced];
            _noteMoved(vm.addr(_secretOf(holder, from)), successor, moved);
        }
    }

    /// @dev What reached a replaced account goes on to its successor.
    function collect(uint256 seed) external {
        address account = _accounts[seed % _accounts.length];
        address successor = accounts.successorOf(account);
        bytes4 expected = 0;
        if (successor == address(0)) expected = ISuccessions.SuccessionsNotReplaced.selector;
        else if (opened.live) expected = IAccounts.AccountsBusy.selector;
        int256 moved = accounts.balanceOf(account);
        bytes memory data = abi.encodeCall(ISuccessions.collect, (account));
        if (_act(address(this), address(successions), data, expected, "collect")) _noteMoved(account, successor, moved);
    }

    function _noteMoved(address old, address successor, int256 moved) private {
        balances[successor] += moved;
        balances[old] -= moved;
    }

    function _replaceCall(uint256 holder, uint256 from, uint256 to, bool forged) private view returns (bytes memory) {
        (uint256 oldSecret, uint256 newSecret) = (_secretOf(holder, from), _secretOf(holder, to));
        (address old, address successor) = (vm.addr(oldSecret), vm.addr(newSecret));
        bytes32 digest = _digest(
            successions.domainSeparator(), Hashes.accountReplacement(old, successor, type(uint64).max)
        );
        bytes memory signature = _sign(forged ? newSecret : oldSecret, digest);
        return abi.encodeCall(
            ISuccessions.replaceAccount, (old, successor, type(uint64).max, signature, _sign(newSecret, digest))
        );
    }
}
