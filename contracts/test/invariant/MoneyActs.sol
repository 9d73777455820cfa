// SPDX-License-Identifier: UNLICENSED
pragma solidity 0.8.37;

import {IRoles, Role} from "../../src/interfaces/IRoles.sol";
import {IAccounts} from "../../src/interfaces/IAccounts.sol";
import {IRedemptions} from "../../src/interfaces/IRedemptions.sol";
import {ISettlement} from "../../src/interfaces/ISettlement.sol";
import {Hashes} from "../../src/libraries/Hashes.sol";
import {vm} from "../base/Vm.sol";
import {AreaActs} from "./AreaActs.sol";
import {Reach} from "./Handler.sol";

/// @notice Deposits, guarantees, cover, redemptions that overlap, and replaced accounts, rightly and wrongly.
abstract contract MoneyActs is AreaActs {
    uint64 private constant REDEEM_WINDOW = 7 days;

    struct Claim {
        address account;
        bytes32 ref;
        uint256 amountNeur;
        uint64 readyAt;
    }

    uint256 public deposited;
    uint256 public redeemed;
    uint256[HOLDERS] public credits;
    /// @dev Number of the holder that guarantees, plus 1; 0 = none.
    uint256[HOLDERS] private _guarantors;
    mapping(address guarantor => mapping(address account => uint64)) private _nonces;
    mapping(address account => bool) private _replacedKeys;
    mapping(address account => uint256) public reserved;
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

    /// @notice The account that a present account's credit line is owed by; 0 = none.
    function guarantorOf(uint256 holder) public view returns (address) {
        return _guarantors[holder] == 0 ? address(0) : _account(_guarantors[holder] - 1);
    }

    function presentAccount(uint256 holder) external view returns (address) {
        return _account(holder);
    }

    function _signedBy(uint256 holder, bytes32 structHash) private view returns (bytes memory) {
        uint256 secret = _secretOf(holder, _generations[holder]);
        return _sign(secret, _digest(accounts.domainSeparator(), structHash));
    }

    function _free(address account) private view returns (int256) {
        return balances[account] - int256(reserved[account]);
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
        uint64 credit = _mix(seed, 1) % 3 == 0 ? 0 : uint64(_mix(seed, 2) % 1e12);
        address sender = _mix(seed, 5) % 3 == 0 ? _account(whom) : _holder(Role.Operator, seed);
        if (_mix(seed, 5) % 8 == 1) sender = address(0xbad);
        (bool again, bool forged) = (_mix(seed, 3) % 8 == 0, _mix(seed, 4) % 8 == 0);
        bytes4 expected = _guaranteeFault(by, whom, credit, sender);
        if (expected == 0 && again) expected = IAccounts.AccountsNonceUsed.selector;
        if (expected == 0 && forged) expected = IAccounts.AccountsSignerWrong.selector;
        bytes memory data = _guaranteeCall(by, whom, credit, again, forged);
        if (!_act(sender, address(accounts), data, expected, "guarantee")) return;
        _used(Message.Guarantee, address(accounts), data);
        ++_nonces[_account(by)][_account(whom)];
        (credits[whom], _guarantors[whom]) = (credit, by + 1);
    }

    function _guaranteeCall(uint256 by, uint256 whom, uint64 credit, bool again, bool forged)
        private
        view
        returns (bytes memory)
    {
        (address from, address to) = (_account(by), _account(whom));
        uint64 nonce = _nonces[from][to] + (again ? 0 : 1);
        bytes memory signature = _signedBy(forged ? (by + 1) % HOLDERS : by, Hashes.guarantee(from, to, credit, nonce));
        return abi.encodeCall(IAccounts.guarantee, (from, to, credit, nonce, signature));
    }

    function _guaranteeFault(uint256 by, uint256 whom, uint64 credit, address sender) private view returns (bytes4) {
        if (by == whom) return IAccounts.AccountsAddressInvalid.selector;
        bool same = _guarantors[whom] == by + 1;
        if (same && credit <= credits[whom]) return 0;
        bool itself = sender == _account(whom);
        if (!itself && held[sender].role != Role.Operator) return IRoles.RolesMissing.selector;
        if (same || _guarantors[whom] == 0) return 0;
        if (-balances[_account(whom)] > int256(credits[whom])) return IAccounts.AccountsDebtOpen.selector;
        return credits[whom] != 0 && !itself ? IAccounts.AccountsGuaranteed.selector : bytes4(0);
    }

    function cover(uint256 seed) external {
        (uint256 by, uint256 whom) = _mix(seed, 1) % 4 == 0 ? _pair(seed) : _coverPair(seed);
        (address from, address to) = (_account(by), _account(whom));
        uint96 amount = uint96(_coverAmount(from, to, _mix(seed, 2)));
        bool forged = _mix(seed, 3) % 8 == 0;
        bytes4 expected = _coverFault(by, whom, int256(uint256(amount)), forged);
        bytes32 ref = bytes32(++_refs);
        bytes memory signature = _signedBy(forged ? (by + 1) % HOLDERS : by, Hashes.cover(from, to, amount, ref));
        bytes memory data = abi.encodeCall(IAccounts.cover, (from, to, amount, ref, signature));
        if (!_act(address(this), address(accounts), data, expected, "cover")) return;
        _used(Message.Cover, address(accounts), data);
        balances[from] -= int256(uint256(amount));
        balances[to] += int256(uint256(amount));
        ++reached[Reach.Covered];
    }

    /// @dev A holder in debt and its guarantor, if there are any.
    function _coverPair(uint256 seed) private view returns (uint256 by, uint256 whom) {
        (by, whom) = _pair(seed);
        for (uint256 holder = 0; holder < HOLDERS; ++holder) {
            if (_guarantors[holder] == 0 || balances[_account(holder)] >= 0) continue;
            (by, whom) = (_guarantors[holder] - 1, holder);
        }
    }

    function _coverFault(uint256 by, uint256 whom, int256 amount, bool forged) private view returns (bytes4) {
        if (by == whom) return IAccounts.AccountsAddressInvalid.selector;
        if (forged) return IAccounts.AccountsSignerWrong.selector;
        if (_guarantors[whom] != by + 1) return IAccounts.AccountsGuarantorWrong.selector;
        if (amount > -balances[_account(whom)]) return IAccounts.AccountsDebtLow.selector;
        return amount > _free(_account(by)) ? IAccounts.AccountsBalanceLow.selector : bytes4(0);
    }

    /// @dev Mostly what is owed and there; else anything.
    function _coverAmount(address from, address to, uint256 seed) private view returns (uint256) {
        (int256 debt, int256 free) = (-balances[to], _free(from));
        int256 most = debt < free ? debt : free;
        if (seed % 4 == 0 || most <= 0) return 1 + (seed >> 8) % 1e12;
        return 1 + (seed >> 8) % uint256(most);
    }

    /* REDEMPTION */

    function requestRedemption(uint256 seed) external {
        uint256 holder = _mix(seed, 4) % 4 == 0 ? seed % HOLDERS : _richHolder(seed);
        address account = _account(holder);
        int256 free = _free(account);
        bool high = _mix(seed, 1) % 4 == 0 || free <= 0;
        uint96 amount = uint96(high ? 1 + _mix(seed, 2) % 1e13 : 1 + _mix(seed, 2) % uint256(free));
        bytes4 expected = int256(uint256(amount)) > free ? IAccounts.AccountsBalanceLow.selector : bytes4(0);
        _request(account, amount, expected, _mix(seed, 3), holder);
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
        reserved[account] += amount;
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
        bytes memory data = abi.encodeCall(IRedemptions.completeRedemption, (claim.account, claim.ref));
        if (!_act(address(this), address(redemptions), data, _completeFault(claim), "completeRedemption")) return;
        uint256 amount = claim.amountNeur;
        if (amount > uint256(balances[claim.account])) amount = uint256(balances[claim.account]);
        if (amount > deposited - redeemed) amount = deposited - redeemed;
        _claims[at].amountNeur -= amount;
        reserved[claim.account] -= amount;
        balances[claim.account] -= int256(amount);
        redeemed += amount;
        ++reached[Reach.Redeemed];
    }

    function _completeFault(Claim memory claim) private view returns (bytes4) {
        if (claim.amountNeur == 0) return IRedemptions.RedemptionsUnknown.selector;
        if (_replacedKeys[claim.account]) return IAccounts.AccountsReplaced.selector;
        if (_now() < claim.readyAt) return IRedemptions.RedemptionsTooEarly.selector;
        if (_now() > claim.readyAt + REDEEM_WINDOW) return IRedemptions.RedemptionsTooLate.selector;
        bool nothing = balances[claim.account] <= 0 || deposited == redeemed;
        return nothing ? IRedemptions.RedemptionsNothingToBurn.selector : bytes4(0);
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
        reserved[claim.account] -= claim.amountNeur;
        _claims[at].amountNeur = 0;
    }

    /* REPLACEMENT */

    function replaceAccount(uint256 seed) external {
        uint256 holder = seed % HOLDERS;
        uint256 present = _generations[holder];
        uint256 kind = _mix(seed, 1) % 4;
        // A present account by a fresh one; or a replaced one again, by its own successor or by another account.
        uint256 from = kind == 0 || present == 0 ? present : _mix(seed, 2) % present;
        uint256 to = kind == 3 ? present + 1 : from + 1;
        bool forged = _mix(seed, 3) % 8 == 0;
        bytes4 expected = 0;
        if (opened.live) expected = IAccounts.AccountsBusy.selector;
        else if (forged) expected = IAccounts.AccountsSignerWrong.selector;
        else if (from != present && to != from + 1) expected = IAccounts.AccountsSuccessorInvalid.selector;
        bytes memory data = _replaceCall(holder, from, to, forged);
        if (_act(address(this), address(accounts), data, expected, "replaceAccount")) {
            _noteReplaced(holder, from, to);
        }
    }

    function _noteReplaced(uint256 holder, uint256 from, uint256 to) private {
        (address old, address successor) = (vm.addr(_secretOf(holder, from)), vm.addr(_secretOf(holder, to)));
        if (from == _generations[holder]) {
            _generations[holder] = to;
            _replacedKeys[old] = true;
            _accounts.push(successor);
            ++reached[Reach.Replaced];
        }
        balances[successor] += balances[old];
        balances[old] = 0;
    }

    function _replaceCall(uint256 holder, uint256 from, uint256 to, bool forged) private view returns (bytes memory) {
        (uint256 oldSecret, uint256 newSecret) = (_secretOf(holder, from), _secretOf(holder, to));
        bytes32 structHash = Hashes.accountReplacement(vm.addr(oldSecret), vm.addr(newSecret));
        bytes32 digest = _digest(accounts.domainSeparator(), structHash);
        bytes memory signature = _sign(forged ? newSecret : oldSecret, digest);
        return abi.encodeCall(
            IAccounts.replaceAccount, (vm.addr(oldSecret), vm.addr(newSecret), signature, _sign(newSecret, digest))
        );
    }
}
