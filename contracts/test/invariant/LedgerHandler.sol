// SPDX-License-Identifier: MIT
pragma solidity ^0.8.24;

import {Attestation} from "../../src/interfaces/IReadings.sol";
import {IMarket, MtuState, Program} from "../../src/interfaces/IMarket.sol";
import {Grant, Role} from "../../src/interfaces/IRoles.sol";
import {SettlementPage} from "../../src/interfaces/ISettlement.sol";
import {Hashes} from "../../src/libraries/Hashes.sol";
import {Time} from "../../src/libraries/Time.sol";
import {Books} from "../base/Books.sol";
import {LedgerTest} from "../base/LedgerTest.sol";
import {Merkle} from "../base/Merkle.sol";
import {vm} from "../base/Vm.sol";

/// @notice Lets everybody do everything, in any order, rightly and wrongly, over three periods of two MTUs each; and keeps a plain account of what
/// must have come of it. A wrong act that passes fails the run at once. Each act returns silently where it is not its time.
contract LedgerHandler is LedgerTest {
    uint32 public constant PERIODS = 3;
    uint32 public constant PERIOD_MTUS = 2;
    uint256 public constant ACCOUNTS = 4;
    uint256 private constant KEY_BASE = 0xD000;

    /* GHOSTS: what must be true, kept without the contracts */

    uint256 public deposited;
    uint256 public redeemed;
    mapping(uint32 mtu => MtuState) public furthest;
    mapping(uint32 mtu => bytes32) public firstResult;
    mapping(uint32 program => bytes32) public signedRoot;
    mapping(uint32 period => uint32) public settledRevisions;
    mapping(uint32 period => bool) public wasFinal;
    mapping(address account => int256) public balances;

    /// @dev Replayable messages that were used once, and must never work again.
    bytes[] private _usedCover;
    bytes[] private _usedRequest;
    bytes[] private _usedSettle;
    bytes[] private _usedRecord;

    uint256 private _nonce;
    mapping(uint32 program => uint256[]) private _books;
    mapping(uint32 program => int32) private _prices;

    uint256 public cleared;
    uint256 public settledCount;

    constructor() {
        setUp();
    }

    function setUp() public override {
        if (address(roles) != address(0)) return;
        super.setUp();
        vm.startPrank(operator);
        for (uint32 p = 1; p < PERIODS; ++p) {
            calendar.declarePeriod(AREA, FIRST_MTU + MTUS + (p - 1) * PERIOD_MTUS, PERIOD_MTUS);
        }
        vm.stopPrank();
    }

    /// @dev Acts move time by days and minutes: block time is market time here.
    function _blockStart() internal pure override returns (uint64) {
        return T0;
    }

    /* WHO AND WHAT */

    function key(uint256 i) public pure returns (uint256) {
        return KEY_BASE + i % ACCOUNTS;
    }

    function account(uint256 i) public pure returns (address) {
        return vm.addr(key(i));
    }

    function lastMtu() public pure returns (uint32) {
        return FIRST_MTU + MTUS + (PERIODS - 1) * PERIOD_MTUS - 1;
    }

    function firstMtu() external pure returns (uint32) {
        return FIRST_MTU;
    }

    function area() external pure returns (bytes32) {
        return AREA;
    }

    function marketId() external pure returns (bytes32) {
        return MARKET_ID;
    }

    function parts() external view returns (address roles_, address market_, address readings_, address settlement_) {
        return (address(roles), address(market), address(readings), address(settlement));
    }

    function _bounds(uint32 p) private view returns (uint32 first, uint32 count) {
        (first, count) = (calendar.periodOf(AREA, p).firstMtu, calendar.periodOf(AREA, p).count);
    }

    function _mustFail(address to, bytes memory data, string memory label) private {
        (bool ok,) = to.call(data);
        assertFalse(ok, label);
    }

    /* ACTS */

    function passTime(uint256 seconds_) external {
        vm.warp(block.timestamp + bound(seconds_, 1, 1 hours));
    }

    function passDays(uint256 days_) external {
        if (_tooSoon(days_) || days_ % 4 != 0) return;
        vm.warp(block.timestamp + bound(days_, 1 days, 20 days));
    }

    function openProgram(uint256 p, uint256 lead) external {
        uint32 at = uint32(bound(p, 1, PERIODS));
        (uint32 first, uint32 count) = _bounds(at);
        uint64 latest = Time.startOf(first) - CLEAR;
        if (block.timestamp >= latest) return;
        uint64 when = uint64(bound(lead, block.timestamp + 1, latest));
        vm.prank(operator);
        try market.openProgram(MARKET_ID, at, first, count, when) {}
        catch (bytes memory reason) {
            // It was opened already, or a later one was.
            assertTrue(bytes4(reason) == IMarket.MarketProgramInvalid.selector, "only overlaps are refused");
        }
    }

    function closeBooks(uint256 which, uint256 seed) external {
        uint32 number = _anyProgram(which);
        if (number == 0) return;
        Program memory p = market.programOf(MARKET_ID, number);
        // Mostly the operator waits for the gate; sometimes it is early or late.
        if (block.timestamp < p.gate && seed % 4 != 0) vm.warp(p.gate + seed % (GRACE + 60));
        bool inTime = block.timestamp >= p.gate && block.timestamp <= p.gate + GRACE;
        Books.Solved memory solved = Books.solve(Books.realistic(1 + seed % 6, seed));
        bytes32[] memory chains = new bytes32[](p.count);
        uint32[] memory counts = new uint32[](p.count);
        (chains[0], counts[0]) = (_maskedChain(solved.words), uint32(solved.words.length));
        bytes memory data = abi.encodeCall(IMarket.closeBooks, (MARKET_ID, number, chains, counts));
        vm.prank(operator);
        (bool ok,) = address(market).call(data);
        assertTrue(ok == (inTime && !p.closed), "closes exactly in its window, once");
        if (!ok) return;
        (_books[number], _prices[number]) = (solved.words, solved.price);
        for (uint32 i = 0; i < p.count; ++i) {
            _advance(p.firstMtu + i, MtuState.BookClosed);
        }
    }

    function _programResults(uint32 number) private view returns (bytes32[] memory results) {
        Program memory p = market.programOf(MARKET_ID, number);
        uint256[] memory none = new uint256[](0);
        results = new bytes32[](p.count);
        results[0] = _resultHash(p.firstMtu, _prices[number], _books[number]);
        for (uint32 i = 1; i < p.count; ++i) {
            results[i] = _resultHash(p.firstMtu + i, Hashes.NO_PRICE, none);
        }
    }

    function recordProgram(uint256 which, bool byDso) external {
        uint32 number = _anyProgram(which);
        if (number == 0) return;
        Program memory p = market.programOf(MARKET_ID, number);
        bool inTime = p.closed && block.timestamp <= p.gate + SIGN;
        bytes32 root = Hashes.merkleRoot(_programResults(number));
        bytes32 digest = market.programDigest(MARKET_ID, p.firstMtu, p.count, root, "grid", "report", type(uint64).max);
        bytes memory data = abi.encodeCall(
            IMarket.recordProgram,
            (MARKET_ID, number, root, "grid", "report", type(uint64).max, _sign(byDso ? DSO_KEY : OPERATOR_KEY, digest))
        );
        (bool ok,) = address(market).call(data);
        assertTrue(ok == (byDso && inTime && p.resultsRoot == 0), "records exactly the DSO's, in time, once");
        if (!ok) return;
        signedRoot[number] = root;
        _usedRecord.push(data);
    }

    function clear(uint256 which, uint256 mtuSeed, uint256 tamper) external {
        uint32 number = _anyProgram(which);
        if (number == 0) return;
        Program memory p = market.programOf(MARKET_ID, number);
        if (!p.closed) return;
        uint32 index = uint32(mtuSeed % p.count);
        uint256[] memory words = index == 0 ? _books[number] : new uint256[](0);
        int32 price = index == 0 ? _prices[number] : Hashes.NO_PRICE;
        bytes32[] memory proof = Merkle.proof(_programResults(number), index);
        bool right = tamper % 4 != 0;
        if (!right) price = price == 7 ? int32(8) : int32(7);
        program = number;
        bytes memory data = abi.encodeCall(
            IMarket.clear,
            (MARKET_ID, _target(p.firstMtu + index, price, words.length, 0), _pageHashes(words), words, proof)
        );
        bool due = p.resultsRoot != 0 && block.timestamp <= p.gate + CLEAR
            && market.stateOf(MARKET_ID, p.firstMtu + index) == MtuState.BookClosed;
        (bool ok,) = address(market).call(data);
        assertTrue(ok == (right && due), "clears exactly the signed result, in time, once");
        if (!ok) return;
        ++cleared;
        firstResult[p.firstMtu + index] = market.resultOf(MARKET_ID, p.firstMtu + index).resultHash;
        _advance(p.firstMtu + index, MtuState.Cleared);
    }

    function voidMtus(uint256 p, uint256 hint) external {
        _void(uint32(bound(p, 1, PERIODS)), uint32(hint % (market.programCount(MARKET_ID) + 1)));
    }

    function _void(uint32 at, uint32 hint) private {
        (uint32 first, uint32 count) = _bounds(at);
        try market.voidMtus(MARKET_ID, at, hint, first, count) {
            for (uint32 i = 0; i < count; ++i) {
                if (market.stateOf(MARKET_ID, first + i) == MtuState.Void) _advance(first + i, MtuState.Void);
            }
        } catch {}
    }

    /// @dev The last program that begins at or before the MTU.
    function _hint(uint32 mtu) private view returns (uint32 hint) {
        while (hint < market.programCount(MARKET_ID) && market.programOf(MARKET_ID, hint + 1).firstMtu <= mtu) ++hint;
    }

    function attest(uint256 mtuSeed, uint256 signers) external {
        uint32 mtu = uint32(bound(mtuSeed, FIRST_MTU, lastMtu()));
        uint32 at = _periodOf(mtu);
        uint32 revision = readings.readingOf(AREA, mtu).revisions;
        Attestation memory attestation = _attestation(mtu, revision);
        bytes32 digest = readings.attestationDigest(attestation);
        bool enough = signers % 5 != 0;
        bytes[] memory signatures = enough ? _quorum(digest) : new bytes[](1);
        if (!enough) signatures[0] = _sign(attesterKeys[0], digest);
        try readings.attest(at, attestation, signatures) {
            assertTrue(enough, "m of n signed");
            assertTrue(block.timestamp >= Time.startOf(mtu + 1), "after its end");
            assertFalse(wasFinal[at], "never after Final");
        } catch {}
    }

    function markUnread(uint256 p) external {
        uint32 at = uint32(bound(p, 1, PERIODS));
        (uint32 first, uint32 count) = _bounds(at);
        try readings.markUnread(AREA, at, first, count) {} catch {}
    }

    function settle(uint256 p, uint256 payer, uint256 payee, uint256 amountSeed, uint256 skew) external {
        uint32 at = uint32(bound(p, 1, PERIODS));
        if (payer % ACCOUNTS == payee % ACCOUNTS) return;
        int96 amount = int96(int256(bound(amountSeed, 1, 1e12)));
        (address from, address to) = (account(payer), account(payee));
        bool balanced = skew % 4 != 0;
        uint256[] memory words = from < to ? _payment(from, to, amount) : _payment(to, from, -amount);
        if (!balanced) words[1] ^= 1;
        bytes memory data = _settleData(at, words);
        (bool ok,) = address(settlement).call(data);
        if (!ok) return;
        assertTrue(balanced, "sum zero");
        assertFalse(wasFinal[at], "never after Final");
        ++settledRevisions[at];
        ++settledCount;
        balances[from] -= amount;
        balances[to] += amount;
        _usedSettle.push(data);
    }

    function _settleData(uint32 at, uint256[] memory words) private returns (bytes memory) {
        period = at;
        uint32 revision = settlement.settlementOf(AREA, at).revisions;
        bytes32[] memory hashes = _pageHashes(words);
        SettlementPage memory target = _settlementTarget(revision, 0);
        return abi.encodeCall(settlement.settle, (target, hashes, words, _settlementSignatures(revision, hashes)));
    }

    /// @dev Lets a period run out: whatever is missing becomes Void and Unread.
    function runOut(uint256 p) external {
        if (_tooSoon(p >> 8)) return;
        uint32 at = uint32(bound(p, 1, PERIODS));
        (uint32 first, uint32 count) = _bounds(at);
        uint256 over = Time.startOf(first + count) + ATTEST + 1;
        if (block.timestamp < over) vm.warp(over);
        _void(at, _hint(first));
        try readings.markUnread(AREA, at, first, count) {} catch {}
        assertEq(market.resolvedCount(AREA, at), market.requiredCount(AREA, at), "anyone can void what is late");
        assertEq(readings.resolvedCount(AREA, at), count, "anyone can mark what is unread");
    }

    function finalise(uint256 p) external {
        uint32 at = uint32(bound(p, 1, PERIODS));
        try settlement.finalise(AREA, at) {
            assertTrue(settledRevisions[at] != 0, "settled before");
            wasFinal[at] = true;
        } catch {}
    }

    function deposit(uint256 who, uint256 amount) external {
        amount = bound(amount, 1, 1e13);
        _deposit(account(who), uint96(amount), bytes32(++_nonce));
        deposited += amount;
        balances[account(who)] += int256(amount);
    }

    function cover(uint256 who, uint256 whom, uint256 amountSeed) external {
        if (who % ACCOUNTS == whom % ACCOUNTS) return;
        uint96 amount = uint96(bound(amountSeed, 1, 1e13));
        (address from, address to, bytes32 ref) = (account(who), account(whom), bytes32(++_nonce));
        if (settlement.accountOf(to).guarantor == address(0)) _guaranteeNothing(who, to);
        address guarantor = settlement.accountOf(to).guarantor;
        bytes32 structHash = Hashes.cover(from, to, amount, ref);
        bytes memory signature = _sign(key(who), _digest(settlement.domainSeparator(), structHash));
        bytes memory data = abi.encodeCall(settlement.cover, (from, to, amount, ref, signature));
        (bool ok,) = address(settlement).call(data);
        int256 due = int256(uint256(amount));
        bool rightful = guarantor == from && due <= -balances[to] && due <= settlement.freeBalanceOf(from);
        assertTrue(ok == rightful, "its guarantor pays debt from what is there");
        if (!ok) return;
        balances[from] -= int256(uint256(amount));
        balances[to] += int256(uint256(amount));
        _usedCover.push(data);
    }

    function _guaranteeNothing(uint256 who, address to) private {
        bytes32 structHash = Hashes.guarantee(account(who), to, 0, 1);
        bytes memory signature = _sign(key(who), _digest(settlement.domainSeparator(), structHash));
        vm.prank(operator);
        settlement.guarantee(account(who), to, 0, 1, signature);
    }

    function redeem(uint256 who, uint256 amountSeed) external {
        if (_tooSoon(amountSeed)) return;
        uint96 amount = uint96(bound(amountSeed, 1, 1e13));
        (address from, bytes32 ref) = (account(who), bytes32(++_nonce));
        bytes32 structHash = Hashes.redemption(from, amount, ref, type(uint64).max);
        bytes memory signature = _sign(key(who), _digest(settlement.domainSeparator(), structHash));
        bytes memory data =
            abi.encodeCall(settlement.requestRedemption, (from, amount, ref, type(uint64).max, signature));
        bool free = settlement.freeBalanceOf(from) >= int256(uint256(amount));
        (bool ok,) = address(settlement).call(data);
        assertTrue(ok == free, "who has it may ask for it, at any time");
        if (!ok) return;
        _usedRequest.push(data);
        vm.warp(block.timestamp + CHALLENGE);
        uint256 supply = settlement.supply();
        (ok,) = address(settlement).call(abi.encodeCall(settlement.completeRedemption, (from, ref)));
        assertTrue(ok == (balances[from] > 0 && supply != 0), "the way out is open, also in a pause");
        if (!ok) return;
        uint256 burned = supply - settlement.supply();
        redeemed += burned;
        balances[from] -= int256(burned);
    }

    function pause() external {
        vm.prank(security);
        try roles.pause() {} catch {}
        if (!roles.paused()) return;
        // What a pause stops is tested by itself; here it only must not be in the way of the rest for long.
        vm.prank(security);
        roles.unpause();
    }

    function replay(uint256 which) external {
        if (_usedCover.length != 0) {
            _mustFail(address(settlement), _usedCover[which % _usedCover.length], "cover replayed");
        }
        if (_usedRequest.length != 0) {
            _mustFail(address(settlement), _usedRequest[which % _usedRequest.length], "redemption replayed");
        }
        if (_usedSettle.length != 0) {
            _mustFail(address(settlement), _usedSettle[which % _usedSettle.length], "settlement replayed");
        }
        if (_usedRecord.length != 0) {
            _mustFail(address(market), _usedRecord[which % _usedRecord.length], "program replayed");
        }
    }

    function grantSecondRole(uint256 who, uint256 role) external {
        address[5] memory holders = [operator, dso, treasurer, registrar, security];
        Grant memory grant = Grant(holders[who % 5], Role(1 + role % 6), bytes32(uint256(0x0E00) + role % 6), 0);
        vm.prank(security);
        _mustFail(address(roles), abi.encodeCall(roles.proposeGrant, (grant)), "one key, one role");
    }

    function rotate(uint256 who) external {
        if (_tooSoon(who >> 8)) return;
        // The new key is nobody's; a rotation must leave one key per role in the end.
        address[3] memory holders = [treasurer, registrar, dso];
        uint256 index = who % 3;
        uint256 newKey = 0xE000 + ++_nonce;
        address fresh = vm.addr(newKey);
        if (index == 2) return; // the DSO's key signs programs here
        vm.prank(security);
        roles.proposeReplacement(holders[index], fresh);
        _acceptGrant(fresh);
        if (index == 0) treasurer = fresh;
        if (index == 1) registrar = fresh;
    }

    /* HELP */

    /// @dev Acts that take days come seldom before something was cleared, or no gate would ever be met.
    function _tooSoon(uint256 seed) private view returns (bool) {
        return cleared == 0 && seed % 16 != 0;
    }

    function currentHolders() external view returns (address[5] memory) {
        return [operator, dso, treasurer, registrar, security];
    }

    function _anyProgram(uint256 which) private view returns (uint32) {
        uint32 programs = market.programCount(MARKET_ID);
        return programs == 0 ? 0 : uint32(1 + which % programs);
    }

    function _periodOf(uint32 mtu) private view returns (uint32) {
        for (uint32 p = 1; p <= PERIODS; ++p) {
            (uint32 first, uint32 count) = _bounds(p);
            if (mtu >= first && mtu < first + count) return p;
        }
        return 0;
    }

    function _advance(uint32 mtu, MtuState to) private {
        MtuState from = furthest[mtu];
        bool forward = from == to || from == MtuState.Open || (from == MtuState.BookClosed && to > from);
        assertTrue(forward, "states only go forward");
        furthest[mtu] = to;
    }
}
