// SPDX-License-Identifier: UNLICENSED
pragma solidity 0.8.37;

import {IRoles} from "../../src/interfaces/IRoles.sol";
import {IAccounts} from "../../src/interfaces/IAccounts.sol";
import {ISettlement, SettlementPage} from "../../src/interfaces/ISettlement.sol";
import {Hashes} from "../../src/libraries/Hashes.sol";
import {Shapes} from "../base/Shapes.sol";
import {Reach} from "./Handler.sol";
import {ReadingActs} from "./ReadingActs.sol";
import {vm} from "../base/Vm.sol";

/// @notice Settlements of the trading periods, of one page and of two, right and wrong, continued, abandoned, corrected and made final.
abstract contract SettlementActs is ReadingActs {
    uint256 public constant HOLDERS = 4;

    /// @dev With three holders' words a settlement of two pages, of which the last has one word.
    uint256 public constant FILLERS = 2046;
    uint256 private constant WORDS = FILLERS + 3;

    uint256 private constant HOLDER_KEYS = 0xD00000;

    enum Flaw {
        None,
        Unbalanced,
        Quorum,
        Roots,
        Revision,
        TooLarge,
        Descending
    }

    struct Opened {
        bool live;
        uint32 period;
        uint32 revision;
        uint256 seed;
        Flaw flaw;
        uint64 abandonAt;
    }

    Opened public opened;
    mapping(uint32 p => uint32) public settledRevisions;
    mapping(uint32 p => uint256) public settledAt;
    mapping(uint32 p => bool) public wasFinal;

    /// @notice What every account of a holder has, present or replaced, with what waits for it.
    mapping(address account => int256) public balances;
    /// @notice Balance of the even fillers; the odd ones owe it.
    int256 public fillerBalance;
    uint256[HOLDERS] internal _generations;

    /* ACCOUNTS */

    function _secretOf(uint256 holder, uint256 generation) internal pure returns (uint256) {
        return HOLDER_KEYS + (holder << 12) + generation;
    }

    function _account(uint256 holder) internal view returns (address) {
        return vm.addr(_secretOf(holder, _generations[holder]));
    }

    function fillerOf(uint256 i) public pure returns (address) {
        return address(uint160(1000 + i));
    }

    /* WORDS */

    /// @dev Amounts of a settlement by its seed: holders in any order first, the accounts ascending.
    function _amounts(uint256 seed, uint256 n)
        private
        view
        returns (address[] memory accounts, int96[] memory amounts)
    {
        (accounts, amounts) = (new address[](n), new int96[](n));
        int96 sum = 0;
        for (uint256 i = 0; i < n; ++i) {
            accounts[i] = _account((seed % HOLDERS + i) % HOLDERS);
            amounts[i] = i + 1 == n ? -sum : int96(int256(1 + _mix(seed, i) % 1e12));
            sum += amounts[i];
        }
        for (uint256 i = 1; i < n; ++i) {
            for (uint256 j = i; j != 0 && accounts[j - 1] > accounts[j]; --j) {
                (accounts[j - 1], accounts[j]) = (accounts[j], accounts[j - 1]);
                (amounts[j - 1], amounts[j]) = (amounts[j], amounts[j - 1]);
            }
        }
    }

    function _holderWords(uint256 seed, uint256 n) private view returns (uint256[] memory words) {
        (address[] memory accounts, int96[] memory amounts) = _amounts(seed, n);
        words = new uint256[](n);
        uint256 credits = 1; // after the one debit
        for (uint256 i = 0; i < n; ++i) {
            words[amounts[i] < 0 ? 0 : credits++] = Shapes.settlementWord(accounts[i], amounts[i]);
        }
    }

    function _fillerAmount(uint256 seed) private pure returns (int96) {
        return int96(int256(1 + seed % 9));
    }

    function _pagedWords(uint256 seed, Flaw flaw) private view returns (uint256[] memory words) {
        words = new uint256[](WORDS);
        int96 each = _fillerAmount(seed);
        uint256[] memory last = _holderWords(seed, 3);
        uint256 credits = FILLERS / 2 + 1;
        words[FILLERS / 2] = last[0];
        for (uint256 i = 0; i < FILLERS; i += 2) {
            words[i / 2] = Shapes.settlementWord(fillerOf(i + 1), -each);
            words[credits + i / 2] = Shapes.settlementWord(fillerOf(i), each);
        }
        (words[WORDS - 2], words[WORDS - 1]) = (last[1], last[2]);
        if (flaw == Flaw.Unbalanced) words[WORDS - 1] += 1;
    }

    function _singleWords(uint256 seed, Flaw flaw) private view returns (uint256[] memory words) {
        if (flaw == Flaw.TooLarge) {
            words = new uint256[](Hashes.PAGE_WORDS + 1);
            for (uint256 i = 0; i < words.length; ++i) {
                words[i] = Shapes.settlementWord(fillerOf(i), 1);
            }
            return words;
        }
        words = _holderWords(seed, 2);
        if (flaw == Flaw.Unbalanced) words[1] ^= 1;
        if (flaw == Flaw.Descending) (words[0], words[1]) = (words[1], words[0]);
    }

    function _book(uint256 seed, bool paged) private {
        (address[] memory accounts, int96[] memory amounts) = _amounts(seed, paged ? 3 : 2);
        for (uint256 i = 0; i < accounts.length; ++i) {
            balances[accounts[i]] += amounts[i];
        }
        if (paged) fillerBalance += _fillerAmount(seed);
    }

    /* SETTLE */

    function settle(uint256 seed) external {
        _settleFor(_tradingPeriod(seed), _mix(seed, 1), Flaw(_mix(seed, 2) % 12 < 7 ? _mix(seed, 2) % 12 : 0));
    }

    /// @dev Begins a settlement; the small ones also end with it.
    function _settleFor(uint32 p, uint256 seed, Flaw flaw) internal {
        bool paged = _mix(seed, 3) % 3 == 0 && (flaw == Flaw.None || flaw == Flaw.Unbalanced);
        uint32 revision = settledRevisions[p] + (flaw == Flaw.Revision ? 1 : 0);
        bytes4 expected = _settleFault(p, flaw, paged);
        bytes memory data =
            paged ? _pageCall(p, revision, 0, _pagedWords(seed, flaw), seed, 0) : _singleCall(p, revision, seed, flaw);
        if (!_act(address(this), address(settlement), data, expected, "settle")) return;
        if (paged) {
            opened = Opened(true, p, revision, seed, flaw, _now() + OPEN_PAGES_WINDOW);
            return;
        }
        _used(Message.Settle, address(settlement), data);
        _book(seed, false);
        _noteSettled(p);
    }

    function _settleFault(uint32 p, Flaw flaw, bool paged) private view returns (bytes4) {
        if (flaw == Flaw.TooLarge) return ISettlement.SettlementPageInvalid.selector;
        if (opened.live) return ISettlement.SettlementBusy.selector;
        if (wasFinal[p]) return ISettlement.SettlementFinal.selector;
        if (flaw == Flaw.Revision) return ISettlement.SettlementRevisionWrong.selector;
        bytes4 fault = settledRevisions[p] == 0 ? _firstFault(p) : _correctionFault(p);
        if (fault != 0) return fault;
        if (flaw == Flaw.Quorum) return IRoles.RolesQuorumSize.selector;
        // Signatures over other roots are, of these ones, some strangers'.
        if (flaw == Flaw.Roots) return IRoles.RolesMissing.selector;
        if (flaw == Flaw.Descending) return IAccounts.AccountsWordInvalid.selector;
        return flaw == Flaw.Unbalanced && !paged ? ISettlement.SettlementUnbalanced.selector : bytes4(0);
    }

    function _firstFault(uint32 p) private view returns (bytes4) {
        if (_now() < _endOf(p)) return ISettlement.SettlementTooEarly.selector;
        if (pending[p] != 0) return ISettlement.SettlementPending.selector;
        return readCount[p] != TRADING_MTUS ? ISettlement.SettlementUnread.selector : bytes4(0);
    }

    function _correctionFault(uint32 p) private view returns (bytes4) {
        bool over = _now() > settledAt[p] + CORRECTION_WINDOW;
        return over ? ISettlement.SettlementTooLate.selector : bytes4(0);
    }

    function _noteSettled(uint32 p) private {
        if (settledRevisions[p]++ == 0) {
            settledAt[p] = _now();
            ++reached[Reach.Settled];
        } else {
            ++reached[Reach.Corrections];
        }
    }

    function _singleCall(uint32 p, uint32 revision, uint256 seed, Flaw flaw) private view returns (bytes memory) {
        uint256[] memory words = _singleWords(seed, flaw);
        bytes32[] memory hashes = new bytes32[](1);
        hashes[0] = Hashes.page(words);
        bytes32 root = flaw == Flaw.Roots ? bytes32(uint256(clearingRoot[p]) ^ 1) : clearingRoot[p];
        (bytes[] memory signatures,) =
            _quorumOf(_settlementDigest(p, revision, hashes, root), seed, flaw == Flaw.Quorum ? 1 : 0);
        return abi.encodeCall(
            ISettlement.settle,
            (SettlementPage(AREA, p, revision, 0, "statements", "tariffs"), hashes, words, signatures)
        );
    }

    /// @dev One page of a settlement of two, as `target` names it.
    function _pageCall(uint32 p, uint32 revision, uint32 page, uint256[] memory words, uint256 seed, uint256 flaw)
        private
        view
        returns (bytes memory)
    {
        bytes32[] memory hashes = _pageHashes(words);
        bytes[] memory signatures = new bytes[](0);
        if (page == 0) {
            (signatures,) = _quorumOf(_settlementDigest(p, revision, hashes, clearingRoot[p]), seed, flaw);
        }
        SettlementPage memory target = SettlementPage(AREA, p, revision, page, "statements", "tariffs");
        return abi.encodeCall(ISettlement.settle, (target, hashes, _pages(words)[page], signatures));
    }

    /// @dev What the attesters sign, with the roots as the acts so far make them.
    function _settlementDigest(uint32 p, uint32 revision, bytes32[] memory hashes, bytes32 root)
        private
        view
        returns (bytes32)
    {
        Hashes.SignedSettlement memory signed = Hashes.SignedSettlement(
            AREA, p, revision, Hashes.chain(hashes), root, readingsRoot[p], "statements", "tariffs"
        );
        return _digest(settlement.domainSeparator(), Hashes.settlement(signed));
    }

    /* GO ON, ABANDON, END */

    function continueSettlement(uint256 seed) external {
        // Where nothing is open, one try in a while says it all.
        if (opened.live || seed % 8 == 0) _continue(_mix(seed, 1));
    }

    /// @dev The last page, or now and then one that belongs to nothing open.
    function _continue(uint256 seed) internal {
        Opened memory open = opened;
        bool stray = !open.live || seed % 8 == 0;
        uint256 wordsSeed = stray ? ~open.seed : open.seed;
        bytes4 expected = 0;
        if (stray) expected = ISettlement.SettlementPageOrder.selector;
        else if (open.flaw == Flaw.Unbalanced) expected = ISettlement.SettlementUnbalanced.selector;
        bytes memory data = _pageCall(open.period, open.revision, 1, _pagedWords(wordsSeed, open.flaw), seed, 0);
        if (!_act(address(this), address(settlement), data, expected, "continue")) return;
        delete opened;
        _book(open.seed, true);
        _noteSettled(open.period);
        ++reached[Reach.PagedSettled];
    }

    function abandonSettlement(uint256 seed) external {
        if (opened.live && seed % 2 == 0) _sleepUntil(opened.abandonAt + 1);
        _abandon();
    }

    function _abandon() internal {
        bytes4 expected = 0;
        if (!opened.live) expected = ISettlement.SettlementNotOpen.selector;
        else if (_now() <= opened.abandonAt) expected = ISettlement.SettlementTooEarly.selector;
        bytes memory data = abi.encodeCall(ISettlement.abandonSettlement, (AREA));
        if (!_act(address(this), address(settlement), data, expected, "abandonSettlement")) return;
        delete opened;
        ++reached[Reach.Abandoned];
    }

    function finalise(uint256 seed) external {
        _finalise(_tradingPeriod(seed));
    }

    function _finalise(uint32 p) internal {
        bytes4 expected = 0;
        if (settledRevisions[p] == 0) expected = ISettlement.SettlementNone.selector;
        else if (wasFinal[p]) expected = ISettlement.SettlementFinal.selector;
        else if (opened.live) expected = ISettlement.SettlementBusy.selector;
        else if (_now() <= settledAt[p] + CORRECTION_WINDOW) expected = ISettlement.SettlementTooEarly.selector;
        bytes memory data = abi.encodeCall(ISettlement.finalise, (AREA, p));
        if (!_act(address(this), address(settlement), data, expected, "finalise")) return;
        wasFinal[p] = true;
        ++reached[Reach.Final];
    }
}
