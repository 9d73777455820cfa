// SPDX-License-Identifier: UNLICENSED
pragma solidity 0.8.37;

import {Cursor, IAccounts, Standing} from "../../src/interfaces/IAccounts.sol";
import {Period} from "../../src/interfaces/ICalendar.sol";
import {IGuarantees} from "../../src/interfaces/IGuarantees.sol";
import {Handover, HandoverSignatures, IHandovers} from "../../src/interfaces/IHandovers.sol";
import {IRedemptions} from "../../src/interfaces/IRedemptions.sol";
import {ISettlement, SettlementPage} from "../../src/interfaces/ISettlement.sol";
import {ISuccessions} from "../../src/interfaces/ISuccessions.sol";
import {Hashes} from "../../src/libraries/Hashes.sol";
import {Time} from "../../src/libraries/Time.sol";
import {Shapes} from "../base/Shapes.sol";
import {RoleStrikes} from "./RoleStrikes.sol";
import {vm} from "../base/Vm.sol";

/// @notice Treasurer, registrar, operator and a minority of attesters against the money of two holders, who sign for themselves alone.
abstract contract MoneyStrikes is RoleStrikes {
    struct Claim {
        uint256 secret;
        bytes32 ref;
        uint64 readyAt;
    }

    uint96 private constant FIRST_DEPOSIT = 1e12;

    Claim[] private _claims;
    uint256 internal deposited;
    uint256 internal redeemed;

    /// @notice What the honest holders must have, with what waits for them: only what they signed or what was settled changes it.
    mapping(address holder => int256) internal due;

    uint32 private _settled;
    bool private _paging;
    uint256 private _abandoned;

    function setUp() public virtual override {
        super.setUp();
        uint256[4] memory secrets = [HOUSEHOLD_KEY, RETAILER_KEY, MALLORY_KEY, CRONY_KEY];
        for (uint256 i = 0; i < 4; ++i) {
            address holder = vm.addr(secrets[i]);
            _deposit(holder, FIRST_DEPOSIT, bytes32(secrets[i] << 128));
            deposited += FIRST_DEPOSIT;
            due[holder] = int256(uint256(FIRST_DEPOSIT));
        }
    }

    function _isHonest(address account) private view returns (bool) {
        return account == household || account == retailer;
    }

    /// @dev One holder's key, the honest ones' in a call of theirs.
    function _secret(bool honest) private returns (uint256) {
        if (honest) return _one(2) == 0 ? HOUSEHOLD_KEY : RETAILER_KEY;
        return _ownSecret();
    }

    /// @dev A holder of the other side's choice whose signature the caller has not.
    function _holder() private returns (address) {
        return _one(2) == 0 ? vm.addr(_secret(true)) : _ownAccount();
    }

    function _watch() internal override {
        address[2] memory holders = [household, retailer];
        for (uint256 i = 0; i < 2; ++i) {
            if (successions.successionOf(holders[i]).readyAt != 0) {
                vm.prank(holders[i]);
                successions.cancelSuccessor(holders[i]);
            }
            if (successions.areaChangeOf(holders[i]).readyAt != 0) {
                vm.prank(holders[i]);
                successions.cancelAreaChange(holders[i]);
            }
        }
    }

    /* DEPOSITS AND AREAS */

    function _depositAny() internal {
        (address to, uint96 amount) = (_one(2) == 0 ? _anybody() : _holder(), _amount());
        bytes memory data = abi.encodeCall(IAccounts.deposit, (to, amount, bytes32(_one(4) == 0 ? _one(100) : _next())));
        if (!_strike(_by(treasurer), address(accounts), data)) return;
        deposited += amount;
        for (uint256 i = 0; i < 2; ++i) {
            address holder = i == 0 ? household : retailer;
            if (to == holder || to == accounts.suspenseOf(holder, AREA)) due[holder] += int256(uint256(amount));
        }
    }

    function _bindAccount() internal {
        (address account, bool fresh) = (_anybody(), _one(2) == 0);
        if (fresh) account = address(uint160(0xFEE0000 + _one(20)));
        // Not where something waits for another one: it would be counted twice.
        if (fresh && _pool.length < 30) _join(account);
        bytes memory data = abi.encodeCall(IAccounts.bindAccount, (account, _anyArea()));
        _strike(_by(registrar), address(accounts), data);
    }

    function _proposeAreaChange() internal {
        address account = _anybody();
        for (uint256 i = 0; i < _pool.length && _one(4) != 0; ++i) {
            if (accounts.areaOf(_pool[i]) != 0 && accounts.guarantorOf(_pool[i]) == address(0)) account = _pool[i];
        }
        bytes32 area = accounts.areaOf(account) == AREA ? OTHER_AREA : AREA;
        if (_one(4) == 0) area = _anyArea();
        bytes memory data = abi.encodeCall(ISuccessions.proposeAreaChange, (account, area));
        _strike(_by(registrar), address(successions), data);
    }

    function _cancelAreaChange() internal {
        address account = _anybody();
        for (uint256 i = 0; i < _pool.length; ++i) {
            if (successions.areaChangeOf(_pool[i]).readyAt != 0 && _one(2) == 0) account = _pool[i];
        }
        _strike(_by(registrar), address(successions), abi.encodeCall(ISuccessions.cancelAreaChange, (account)));
    }

    function _changeArea() internal {
        address account = _anybody();
        if (_one(4) != 0) _proposeAreaChange();
        for (uint256 i = 0; i < _pool.length; ++i) {
            if (successions.areaChangeOf(_pool[i]).readyAt != 0 && !_isHonest(_pool[i])) account = _pool[i];
        }
        uint64 readyAt = successions.areaChangeOf(account).readyAt;
        if (readyAt != 0 && _one(4) != 0) _sleepUntil(readyAt);
        _strike(_by(_ownAccount()), address(successions), abi.encodeCall(ISuccessions.changeArea, (account)));
    }

    function _bookSuspense() internal {
        _strike(_by(_ownAccount()), address(accounts), abi.encodeCall(IAccounts.bookSuspense, (_anybody())));
    }

    function _recountAny() internal {
        address account = _anybody();
        for (uint256 i = 0; i < _pool.length && _one(4) != 0; ++i) {
            if (accounts.lackingOf(_pool[i]) != 0) account = _pool[i];
        }
        _strike(_by(_ownAccount()), address(accounts), abi.encodeCall(IAccounts.recount, (account)));
    }

    /* GUARANTEES */

    /// @dev Each signs with keys of its own side: who is not asked has not agreed.
    function _guaranteeAny(bool honest) internal {
        (uint256 by, uint256 whom) = (_secret(honest), _secret(honest));
        address account = _one(6) == 0 ? _holder() : vm.addr(whom);
        _guaranteeBy(by, whom, account, uint64(_one(3) == 0 ? _one(2) : _one(FIRST_DEPOSIT / 2)));
    }

    function _guaranteeBy(uint256 by, uint256 whom, address account, uint64 credit) private {
        uint64 nonce = guarantees.nonceOf(vm.addr(by), account) + (_one(8) == 0 ? uint64(_number() >> 192) : 1);
        bytes32 structHash = Hashes.guarantee(vm.addr(by), account, credit, nonce, NEVER);
        bytes memory data = abi.encodeCall(
            IGuarantees.guarantee,
            (vm.addr(by), account, credit, nonce, NEVER, _signed(by, structHash), _signed(whom, structHash))
        );
        _strike(_by(_ownAccount()), address(guarantees), data);
    }

    function _coverAny(bool honest) internal {
        uint256 secret = _secret(honest);
        address account = _holder();
        uint256[4] memory secrets = [HOUSEHOLD_KEY, RETAILER_KEY, _own[0], _own[1]];
        for (uint256 i = 0; i < 4 && _one(8) != 0; ++i) {
            if (accounts.balanceOf(vm.addr(secrets[i])) < 0) account = vm.addr(secrets[i]);
        }
        for (uint256 i = 0; i < 4; ++i) {
            if (accounts.freeBalanceOf(vm.addr(secrets[i])) > 0) secret = secrets[i];
        }
        // Where nobody answers for a debtor yet, somebody who can does so first.
        for (uint256 i = 0; i < 4; ++i) {
            if (vm.addr(secrets[i]) == account) _guaranteeBy(secret, secrets[i], account, 0);
        }
        for (uint256 i = 0; i < 4; ++i) {
            if (accounts.guarantorOf(account) == vm.addr(secrets[i])) secret = secrets[i];
        }
        address by = vm.addr(secret);
        uint96 debt = _debtOf(account);
        uint96 amount = debt == 0 || _one(4) == 0 ? _amount() : uint96(1 + _one(debt));
        bytes memory data = _coverCall(secret, account, amount, debt, bytes32(_next()));
        if (!_strike(_by(_ownAccount()), address(guarantees), data)) return;
        if (_isHonest(by)) due[by] -= int256(uint256(amount));
        if (_isHonest(account)) due[account] += int256(uint256(amount));
    }

    function _coverCall(uint256 secret, address account, uint96 amount, uint96 debt, bytes32 ref)
        private
        view
        returns (bytes memory)
    {
        address by = vm.addr(secret);
        bytes memory signature = _signed(secret, Hashes.cover(by, account, amount, debt, ref, NEVER));
        return abi.encodeCall(IGuarantees.cover, (by, account, amount, debt, ref, NEVER, signature));
    }

    function _release() internal {
        address account = _holder();
        for (uint256 i = 0; i < _pool.length && _one(4) != 0; ++i) {
            if (accounts.loweringOf(_pool[i]).untilPeriod != 0) account = _pool[i];
        }
        _strike(_by(_ownAccount()), address(guarantees), abi.encodeCall(IGuarantees.release, (account)));
    }

    /* REDEMPTIONS */

    function _requestRedemption(bool honest) internal {
        uint256 secret = _secret(honest);
        address account = !honest && _one(6) == 0 ? household : vm.addr(secret);
        int256 free = accounts.freeBalanceOf(account);
        uint96 amount = free > 0 && _one(4) != 0 ? uint96(1 + _one(uint256(free))) : _amount();
        _requestFor(secret, account, amount);
    }

    function _requestFor(uint256 secret, address account, uint96 amount) private returns (bool ok) {
        bytes32 ref = bytes32(_next());
        bytes memory signature = _redeems(secret, Hashes.redemption(account, amount, ref, NEVER));
        bytes memory data =
            abi.encodeCall(IRedemptions.requestRedemption, (account, amount, ref, NEVER, signature));
        ok = _strike(_by(_ownAccount()), address(redemptions), data);
        assertTrue(!ok || account == vm.addr(secret), "only who signs redeems");
        if (ok) _claims.push(Claim(secret, ref, _now() + CHALLENGE));
    }

    function _completeRedemption() internal {
        if (_claims.length == 0) return;
        Claim memory claim = _claims[_one(3) == 0 ? _one(_claims.length) : _claims.length - 1];
        if (_one(2) == 0) _sleepUntil(claim.readyAt);
        _completeOf(claim);
    }

    function _completeOf(Claim memory claim) private returns (uint256 paid) {
        address account = vm.addr(claim.secret);
        int256 before = accounts.balanceOf(account);
        bytes memory data = abi.encodeCall(IRedemptions.completeRedemption, (account, claim.ref));
        if (!_strike(_by(_ownAccount()), address(redemptions), data)) return 0;
        paid = uint256(before - accounts.balanceOf(account));
        redeemed += paid;
        if (_isHonest(account)) due[account] -= int256(paid);
    }

    function _cancelRedemption() internal {
        if (_claims.length == 0) return;
        Claim memory claim = _claims[_one(_claims.length)];
        address by = _isHonest(vm.addr(claim.secret)) ? _by(_ownAccount()) : vm.addr(claim.secret);
        bytes memory data = abi.encodeCall(IRedemptions.cancelRedemption, (vm.addr(claim.secret), claim.ref));
        _strike(by, address(redemptions), data);
    }

    /* SUCCESSIONS */

    /// @dev By the next of the adversary's keys.
    function _replacement(address account) private view returns (bytes32 structHash, address successor_) {
        successor_ = vm.addr(_fresh);
        structHash = Hashes.accountReplacement(account, successor_, NEVER);
    }

    function _replaceAccount() internal {
        uint256 which = _one(2);
        address account = _one(4) == 0 ? _holder() : vm.addr(_own[which]);
        (bytes32 structHash, address successor_) = _replacement(account);
        bytes memory data = abi.encodeCall(
            ISuccessions.replaceAccount,
            (account, successor_, NEVER, _yields(_own[which], structHash), _yields(_fresh, structHash))
        );
        if (_strike(_by(_ownAccount()), address(successions), data)) _succeeded(which);
    }

    /// @dev Registrar and operator side by side; of an account that another one guarantees for, its guarantor must agree.
    function _proposeSuccessor() internal {
        address account = _one(2) == 0 ? _holder() : vm.addr(_own[1]);
        (bytes32 structHash, address successor_) = _replacement(account);
        uint256 agreeing = _one(2) == 0 ? _secretOf(OPERATOR_KEY) : _own[0];
        bytes memory data = abi.encodeCall(
            ISuccessions.proposeSuccessor,
            (account, successor_, NEVER, _yields(agreeing, structHash), _yields(_fresh, structHash))
        );
        _strike(_by(registrar), address(successions), data);
    }

    function _cancelSuccessor() internal {
        address account = _one(4) == 0 ? _holder() : vm.addr(_own[1]);
        if (successions.successionOf(account).readyAt == 0) _proposeSuccessor();
        _strike(_by(registrar), address(successions), abi.encodeCall(ISuccessions.cancelSuccessor, (account)));
    }

    function _succeed() internal {
        address account = _one(2) == 0 ? _holder() : vm.addr(_own[1]);
        uint64 readyAt = successions.successionOf(account).readyAt;
        if (readyAt != 0 && _one(2) == 0) _sleepUntil(readyAt);
        if (!_strike(_by(_ownAccount()), address(successions), abi.encodeCall(ISuccessions.succeed, (account)))) return;
        assertFalse(_isHonest(account), "who looks keeps the account");
        _succeeded(account == vm.addr(_own[0]) ? 0 : 1);
    }

    function _succeeded(uint256 which) private {
        _own[which] = _fresh++;
        _join(vm.addr(_own[which]));
    }

    function _collect() internal {
        address account = _one(2) == 0 ? vm.addr(MALLORY_KEY) : vm.addr(CRONY_KEY);
        _strike(_by(_ownAccount()), address(successions), abi.encodeCall(ISuccessions.collect, (account)));
    }

    /* SETTLEMENTS */

    /// @dev A minority signs what it likes.
    function _settleWrongly() internal {
        uint256[] memory words = _payment(_holder(), _ownAccount(), int96(uint96(1 + _one(1e12))));
        if (_one(4) == 0) words[0] = _number();
        SettlementPage memory target = SettlementPage(
            _anyArea(), uint32(1 + _one(calendar.periodCount(AREA))), uint32(_one(2)), 0, bytes32(_number()), "tariffs"
        );
        bytes memory data = _settleCall(target, words, false);
        assertFalse(_strike(_by(_ownAccount()), address(settlement), data), "m attesters settle");
    }

    function _settleCall(SettlementPage memory target, uint256[] memory words, bool honest)
        private
        returns (bytes memory)
    {
        bytes32[] memory hashes = _pageHashes(words);
        bytes32 digest = settlement.settlementDigest(
            target.area,
            target.period,
            target.revision,
            Hashes.chain(hashes),
            market.clearingRoot(target.area, target.period),
            readings.readingsRoot(target.area, target.period),
            target.statementsRoot,
            target.tariffHash
        );
        bytes[] memory signatures = honest ? _honestQuorum(digest) : _minority(digest);
        if (words.length > Hashes.PAGE_WORDS) words = _pages(words)[0];
        return abi.encodeCall(ISettlement.settle, (target, hashes, words, signatures));
    }

    /// @dev The next period, as soon as it can be, among holders that are in the area; now and then in pages, of which the last never comes.
    function _settleNext() internal {
        if (_settled == calendar.periodCount(AREA)) return;
        uint32 next = _settled + 1;
        Period memory bounds = calendar.periodOf(AREA, next);
        if (_now() < Time.startOf(uint256(bounds.firstMtu) + bounds.count)) return;
        _endAll(next);
        _markAll(next);
        if (market.pendingCount(AREA, next) != 0 || readings.resolvedCount(AREA, next) != bounds.count) return;
        if (_paging) return _abandonSettlement();
        SettlementPage memory target = SettlementPage(AREA, next, 0, 0, "statements", "tariffs");
        bool paged = _abandoned < 2 && _one(4) == 0;
        uint96 amount = uint96(1 + _one(1e12));
        (address from, address to) = (_holder(), _holder());
        if (from == to) (from, to) = (household, vm.addr(_own[0]));
        bytes memory data = _settleCall(target, paged ? _manyWords() : _payment(from, to, int96(amount)), true);
        assertTrue(_strike(_by(_ownAccount()), address(settlement), data), "what is due settles, whoever sends it");
        if (paged) {
            _paging = true;
            return;
        }
        ++_settled;
        due[from] -= int256(uint256(amount));
        due[to] += int256(uint256(amount));
    }

    function _manyWords() private pure returns (uint256[] memory words) {
        words = new uint256[](Hashes.PAGE_WORDS + 1);
        for (uint256 i = 0; i < Hashes.PAGE_WORDS; ++i) {
            words[i] = Shapes.settlementWord(address(uint160(1000 + i)), -1);
        }
        words[Hashes.PAGE_WORDS] = Shapes.settlementWord(address(1000), int96(int256(Hashes.PAGE_WORDS)));
    }

    function _abandonSettlement() internal {
        if (_paging && _one(2) == 0) _sleep(PAGE_WINDOW + 1);
        bytes memory data = abi.encodeCall(ISettlement.abandonSettlement, (AREA));
        if (_strike(_by(_ownAccount()), address(settlement), data)) (_paging, _abandoned) = (false, _abandoned + 1);
    }

    function _finalise() internal {
        uint32 period_ = uint32(1 + _one(calendar.periodCount(AREA)));
        if (_settled != 0 && _one(2) == 0) period_ = 1;
        if (_one(8) == 0 && period_ <= _settled) _sleep(HORIZON + 1);
        _strike(_by(_ownAccount()), address(settlement), abi.encodeCall(ISettlement.finalise, (AREA, period_)));
    }

    /* WHAT ONLY ANOTHER CONTRACT MAY CALL */

    function _strikeAccounts() internal {
        (address account, address other, uint96 amount) = (_holder(), _ownAccount(), _amount());
        bytes[11] memory calls = [
            abi.encodeCall(IAccounts.openBatch, (AREA)),
            abi.encodeCall(IAccounts.closeBatch, (AREA, _one(2) == 0)),
            abi.encodeCall(
                IAccounts.book, (AREA, 0, Cursor(address(0), false, 0, 0, 0), _payment(account, other, int96(int256(1))))
            ),
            abi.encodeCall(IAccounts.reserve, (account, amount)),
            abi.encodeCall(IAccounts.unreserve, (account, amount)),
            abi.encodeCall(IAccounts.burn, (account, amount)),
            abi.encodeCall(IAccounts.setLine, (account, other, uint64(amount))),
            abi.encodeCall(IAccounts.lowerLine, (account, uint64(amount), uint32(_number()))),
            abi.encodeCall(IAccounts.cover, (account, other, amount, amount)),
            abi.encodeCall(IAccounts.replace, (account, other)),
            abi.encodeCall(IAccounts.changeArea, (account, OTHER_AREA))
        ];
        for (uint256 i = 0; i < calls.length; ++i) {
            _strikeInner(address(accounts), calls[i]);
        }
    }

    /// @dev Without m attesters no area goes anywhere, and nothing comes from where nothing was.
    function _strikeHandovers() internal {
        (uint96 amount, Standing memory standing) = (_amount(), Standing(AREA, _ownAccount(), 0, 0, 0));
        (standing.creditNeur, standing.balanceNeur) = (uint64(amount), int256(uint256(amount)));
        _strikeInner(address(accounts), abi.encodeCall(IAccounts.moveOut, (_holder(), standing)));
        _strikeInner(address(accounts), abi.encodeCall(IAccounts.moveIn, (_ownAccount(), standing)));
        _strikeAgreement();
        _strikeAway(abi.encodeCall(IHandovers.withdraw, (AREA)));
        _strikeAway(abi.encodeCall(IHandovers.moveOut, (_holder())));
        _strikeAway(abi.encodeCall(IHandovers.takeOver, (_holder())));
    }

    function _strikeAgreement() private {
        Handover memory handover =
            Handover(AREA, calendar.periodCount(AREA), address(handovers), bytes32(_number()), type(uint64).max);
        bytes32 digest = keccak256(abi.encode(handover));
        HandoverSignatures memory signatures =
            HandoverSignatures(
            _sign(_secretOf(OPERATOR_KEY), digest), _sign(_secretOf(DSO_KEY), digest), _minority(digest)
        );
        _strikeAway(abi.encodeCall(IHandovers.agree, (handover, new address[](1), signatures)));
    }

    function _strikeAway(bytes memory data) private {
        assertFalse(_strike(_by(registrar), address(handovers), data), "no area goes, and none comes");
    }

    /* INVARIANTS */

    /// @dev C10: nobody's money moves without a signature of their own or m attesters'; nobody's account is taken.
    function _lookAtHolders() internal view {
        address[2] memory holders = [household, retailer];
        for (uint256 i = 0; i < 2; ++i) {
            int256 waits = accounts.balanceOf(accounts.suspenseOf(holders[i], AREA));
            assertEq(accounts.balanceOf(holders[i]) + waits, due[holders[i]], "what a holder has");
            assertEq(accounts.successorOf(holders[i]), address(0), "nobody takes an account");
            assertTrue(accounts.areaOf(holders[i]) == AREA, "nobody moves an account");
        }
    }

    /// @dev C1: Σ balances = supply = deposits − redemptions; whatever is free is there.
    function _lookAtMoney() internal view {
        (int256 sum, uint256 free) = (0, 0);
        for (uint256 i = 0; i < _pool.length; ++i) {
            sum += accounts.balanceOf(_pool[i]) + accounts.balanceOf(accounts.suspenseOf(_pool[i], AREA))
                + accounts.balanceOf(accounts.suspenseOf(_pool[i], OTHER_AREA));
            int256 most = accounts.freeBalanceOf(_pool[i]);
            if (most > 0) free += uint256(most);
        }
        assertEq(accounts.supply(), deposited - redeemed, "supply");
        assertEq(sum, int256(accounts.supply()), "sum of balances");
        assertLe(free, accounts.supply(), "all that is free is there");
    }

    /* THE END */

    /// @dev C12: whatever happened, every period comes to its end and everybody redeems what is free, by nobody's leave.
    function _finish() internal {
        _sleep(2 hours + PAGE_WINDOW + ATTEST);
        uint32 declared = calendar.periodCount(AREA);
        for (uint32 p = 1; p <= declared; ++p) {
            Period memory bounds = calendar.periodOf(AREA, p);
            _sleepUntil(Time.startOf(uint256(bounds.firstMtu) + bounds.count) + ATTEST + 1);
            for (uint256 tries = 0; settlement.settlementOf(AREA, p).revisions == 0 && tries < 50; ++tries) {
                _settleNext();
            }
            assertTrue(settlement.settlementOf(AREA, p).revisions != 0, "every period settles");
        }
        assertEq(uint256(settlement.settledThrough(AREA)), declared, "settled in order");
        uint256[4] memory secrets = [HOUSEHOLD_KEY, _own[0], RETAILER_KEY, _own[1]];
        for (uint256 i = 0; i < 4; ++i) {
            _redeemAll(secrets[i]);
        }
    }

    function _withdraw(Claim memory claim) private {
        address account = vm.addr(claim.secret);
        if (redemptions.redemptionOf(account, claim.ref).amountNeur == 0) return;
        vm.prank(account);
        redemptions.cancelRedemption(account, claim.ref);
    }

    function _redeemAll(uint256 secret) private {
        int256 free = accounts.freeBalanceOf(vm.addr(secret));
        if (free <= 0) return;
        // A request that debits have cut ends before the next one begins.
        for (uint256 i = 0; i < _claims.length; ++i) {
            if (_claims[i].secret == secret) _withdraw(_claims[i]);
        }
        uint96 amount = uint96(uint256(accounts.freeBalanceOf(vm.addr(secret))));
        assertTrue(_requestFor(secret, vm.addr(secret), amount), "what is free is asked for");
        _sleep(CHALLENGE);
        assertEq(_completeOf(_claims[_claims.length - 1]), uint256(amount), "and is paid");
    }
}
