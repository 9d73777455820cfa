// SPDX-License-Identifier: UNLICENSED
pragma solidity 0.8.37;

import {IAccounts} from "../../src/interfaces/IAccounts.sol";
import {IMarket, Session, SessionState} from "../../src/interfaces/IMarket.sol";
import {IReadings} from "../../src/interfaces/IReadings.sol";
import {IRedemptions} from "../../src/interfaces/IRedemptions.sol";
import {Grant, IRoles, Role} from "../../src/interfaces/IRoles.sol";
import {ISettlement, OpenSettlement} from "../../src/interfaces/ISettlement.sol";
import {Hashes} from "../../src/libraries/Hashes.sol";
import {Assert} from "../base/Assert.sol";
import {Books} from "../base/Books.sol";
import {Campaign} from "./Campaign.sol";
import {Reach} from "./Handler.sol";
import {LedgerHandler} from "./LedgerHandler.sol";
import {MarketActs} from "./MarketActs.sol";
import {MoneyActs} from "./MoneyActs.sol";

/// @notice What holds at every moment, whoever does what in whichever order. Numbers are those of the invariants the project keeps (docs/invariants.md).
contract LedgerInvariantTest is Assert {
    /// @dev Runs after which the campaign must have reached what its floor says: fewer are left to chance.
    uint256 private constant ENOUGH_RUNS = 96;

    /// @dev Largest balance, nEUR (docs/protocol.md).
    int256 private constant MAX_BALANCE_NEUR = (1 << 70) - 1;

    LedgerHandler private _handler;
    IRoles private _roles;
    IMarket private _market;
    IReadings private _readings;
    IAccounts private _accounts;
    ISettlement private _settlement;
    IRedemptions private _redemptions;
    bytes32 private _area;
    bytes32 private _marketId;

    function setUp() public {
        _handler = new LedgerHandler();
        (address roles, address market, address readings, address accounts, address settlement, address redemptions) =
            _handler.parts();
        (_roles, _market) = (IRoles(roles), IMarket(market));
        (_readings, _accounts) = (IReadings(readings), IAccounts(accounts));
        (_settlement, _redemptions) = (ISettlement(settlement), IRedemptions(redemptions));
        (_area, _marketId) = (_handler.area(), _handler.marketId());
        bytes4[] memory acts = _weighedActs();
        _target(address(_handler), acts);
    }

    /* ACTS */

    /// @dev The ledger's own order comes most often, money and books more often than roles.
    function _weighedActs() private view returns (bytes4[] memory acts) {
        bytes4[36] memory once = [
            _handler.passTime.selector,
            _handler.openSession.selector,
            _handler.closeSession.selector,
            _handler.recordProgram.selector,
            _handler.clear.selector,
            _handler.recordCleared.selector,
            _handler.endSession.selector,
            _handler.objectTo.selector,
            _handler.attest.selector,
            _handler.markUnread.selector,
            _handler.settle.selector,
            _handler.continueSettlement.selector,
            _handler.abandonSettlement.selector,
            _handler.finalise.selector,
            _handler.deposit.selector,
            _handler.guarantee.selector,
            _handler.cover.selector,
            _handler.requestRedemption.selector,
            _handler.completeRedemption.selector,
            _handler.cancelRedemption.selector,
            _handler.replaceAccount.selector,
            _handler.collect.selector,
            _handler.release.selector,
            _handler.bookSuspense.selector,
            _handler.bindAccount.selector,
            _handler.settleElsewhere.selector,
            _handler.pause.selector,
            _handler.unpause.selector,
            _handler.replay.selector,
            _handler.proposeGrant.selector,
            _handler.proposeReplacement.selector,
            _handler.proposeRevocation.selector,
            _handler.confirmGrant.selector,
            _handler.acceptGrant.selector,
            _handler.revoke.selector,
            _handler.cancelProposal.selector
        ];
        bytes4[14] memory again = [
            _handler.deposit.selector,
            _handler.guarantee.selector,
            _handler.cover.selector,
            _handler.requestRedemption.selector,
            _handler.completeRedemption.selector,
            _handler.settle.selector,
            _handler.cover.selector,
            _handler.guarantee.selector,
            _handler.proposeGrant.selector,
            _handler.proposeReplacement.selector,
            _handler.confirmGrant.selector,
            _handler.confirmGrant.selector,
            _handler.acceptGrant.selector,
            _handler.acceptGrant.selector
        ];
        acts = new bytes4[](81);
        for (uint256 i = 0; i < 81; ++i) {
            acts[i] = i < 36 ? once[i] : i < 50 ? again[i - 36] : _handler.proceed.selector;
        }
    }

    /* INVARIANTS: their campaigns draw the same numbers, so unlike depths make their runs unlike from the second on. */

    /// @notice C1: money comes only by deposit, goes only by redemption; balances are what was moved, to the nEUR; pages count wholly or not at all.
    /// forge-config: default.invariant.depth = 120
    function invariant_c1__supplyIsDepositsLessRedemptionsAndSumOfBalances() public view {
        assertEq(_accounts.supply(), _handler.deposited() - _handler.redeemed(), "supply");
        address[] memory accounts = _handler.allAccounts();
        int256 sum = 0;
        for (uint256 i = 0; i < accounts.length; ++i) {
            int256 has = _accounts.balanceOf(accounts[i]);
            has += _accounts.balanceOf(_accounts.suspenseOf(accounts[i], _area));
            assertEq(has, _handler.balances(accounts[i]), "balance and what waits");
            assertEq(_accounts.areaOf(accounts[i]), _area, "bound to its area");
            sum += has;
        }
        int256 filler = _handler.fillerBalance();
        assertEq(_waitingFor(0), filler, "first of a large settlement");
        assertEq(_waitingFor(_handler.FILLERS() - 1), -filler, "last of its first page");
        assertEq(sum, int256(_accounts.supply()), "sum of balances");
    }

    /// @dev Fillers are bound to no area: what they are due waits in suspense.
    function _waitingFor(uint256 filler) private view returns (int256) {
        return _accounts.balanceOf(_accounts.suspenseOf(_handler.fillerOf(filler), _area));
    }

    /// @notice C1: what is free is backed: no debt that somebody must pay is anybody's to redeem, in any order; claims shrink only by what was burned.
    /// forge-config: default.invariant.depth = 122
    function invariant_c1__whatIsFreeIsBacked() public view {
        address[] memory accounts = _handler.allAccounts();
        uint256 redeemable = 0;
        for (uint256 i = 0; i < accounts.length; ++i) {
            int256 most = _accounts.redeemableOf(accounts[i]);
            if (most > 0) redeemable += uint256(most);
            uint256 given = _accounts.accountOf(accounts[i]).givenNeur;
            assertLe(_givenBy(accounts[i], accounts), given, "every line and every debt under it");
        }
        assertLe(redeemable, _accounts.supply(), "all can be paid out");
        (, int256 waiting) = _accounts.uncoveredOf(_area);
        if (_settlement.openSettlement(_area).id == 0) assertTrue(waiting >= _uncovered(accounts), "waits");
        _checkClaims();
        _checkReservations(accounts);
    }

    /// @dev C10: what leaves by a redemption was there from its request on, whatever came later.
    function _checkReservations(address[] memory accounts) private view {
        for (uint256 i = 0; i < accounts.length; ++i) {
            (uint256 asked, uint256 left) = _accounts.reservationOf(accounts[i]);
            assertEq(asked, _handler.asked(accounts[i]), "asked for");
            assertLe(left, _handler.stillThere(accounts[i]), "was there all the time");
        }
    }

    /// @dev Σ max(line, debt) of those it guarantees for.
    function _givenBy(address guarantor, address[] memory accounts) private view returns (uint256 given) {
        for (uint256 i = 0; i < accounts.length; ++i) {
            if (accounts[i] == guarantor || _accounts.guarantorOf(accounts[i]) != guarantor) continue;
            (uint256 line, int256 left) = (_accounts.lineOf(accounts[i]), _accounts.redeemableOf(accounts[i]));
            uint256 debt = left < 0 ? uint256(-left) : 0;
            given += debt > line ? debt : line;
        }
    }

    /// @dev What accounts without another guarantor give and owe beyond their balance.
    function _uncovered(address[] memory accounts) private view returns (int256 sum) {
        for (uint256 i = 0; i < accounts.length; ++i) {
            address guarantor = _accounts.guarantorOf(accounts[i]);
            if (guarantor != address(0) && guarantor != accounts[i]) continue;
            int256 lacking = int256(_givenBy(accounts[i], accounts)) - _accounts.balanceOf(accounts[i]);
            if (lacking > 0) sum += lacking;
        }
    }

    function _checkClaims() private view {
        MoneyActs.Claim[] memory claims = _handler.claims();
        for (uint256 i = 0; i < claims.length; ++i) {
            uint256 left = _redemptions.redemptionOf(claims[i].account, claims[i].ref).amountNeur;
            assertEq(left, claims[i].amountNeur, "claim");
        }
    }

    /// @notice C2: in every cleared MTU of every session as much is bought as sold, at the one price of its book, and nothing else ever cleared.
    /// forge-config: default.invariant.depth = 124
    function invariant_c2__boughtIsSoldAtTheOnePrice() public view {
        for (uint32 p = 1; p <= _handler.PERIODS(); p += 2) {
            for (uint32 slot = 0; slot < _handler.SLOTS(); ++slot) {
                uint128 cleared = _market.sessionOf(_marketId, _handler.gateOf(p, slot)).clearedMask;
                for (uint32 place = 0; place < _handler.TRADING_MTUS(); ++place) {
                    if (cleared >> place & 1 == 1) _checkCleared(_handler.bookOf(p, slot, place));
                }
            }
        }
    }

    function _checkCleared(MarketActs.Book memory book) private pure {
        assertTrue(book.refusal == 0, "nothing else ever cleared");
        uint256[2] memory lots;
        for (uint256 k = 0; k < book.words.length; ++k) {
            lots[Books.isAsk(book.words[k]) ? 1 : 0] += Books.acceptedOf(book.words[k]);
        }
        assertEq(lots[0], lots[1], "bought is sold");
        assertEq(lots[0], book.tradedLots, "lots");
        assertEq(int256(book.price), Books.price(book.words), "price");
    }

    /// @notice C3, C5: sessions only go forward (the handler's part), are where they were brought, with the first root and masks that a DSO signed; each is
    /// counted until it is over.
    /// forge-config: default.invariant.depth = 126
    function invariant_c3__sessionsAreTheFurthestReached() public view {
        for (uint32 p = 1; p <= _handler.PERIODS(); p += 2) {
            uint256 pending = 0;
            for (uint32 slot = 0; slot < _handler.SLOTS(); ++slot) {
                uint64 gate = _handler.gateOf(p, slot);
                if (gate == 0) continue;
                Session memory session = _market.sessionOf(_marketId, gate);
                bytes32 expected = keccak256(abi.encode(_handler.sessionAt(p, slot)));
                assertEq(keccak256(abi.encode(session)), expected, "session");
                assertEq(uint256(session.clearedMask & ~session.tradedMask), 0, "only what was signed clears");
                if (session.state != SessionState.Done) ++pending;
            }
            assertEq(_market.pendingCount(_area, p), pending, "each counts until it is over");
            assertEq(_readings.resolvedCount(_area, p), _handler.readCount(p), "each is read once");
        }
    }

    /// @notice C4: the roots that a settlement is signed over are those of what was cleared, voided, attested and marked, in its order.
    /// forge-config: default.invariant.depth = 128
    function invariant_c4__rootsAreThoseOfWhatHappened() public view {
        for (uint32 p = 1; p <= _handler.PERIODS(); p += 2) {
            assertEq(_market.clearingRoot(_area, p), _handler.clearingRoot(p), "clearing root");
            assertEq(_readings.readingsRoot(_area, p), _handler.readingsRoot(p), "readings root");
            for (uint32 i = 0; i < _handler.TRADING_MTUS(); ++i) {
                uint32 mtu = _handler.firstMtuOf(p) + i;
                uint256 revisions = _readings.readingOf(_area, mtu).revisions;
                assertEq(revisions, uint256(_handler.readingRevisions(mtu)), "revisions of a reading");
            }
        }
    }

    /// @notice C6: one settlement per revision; none before all is resolved and read; none after Final.
    /// forge-config: default.invariant.depth = 132
    function invariant_c6__oneSettlementPerRevisionAndNoneAfterFinal() public view {
        for (uint32 p = 1; p <= _handler.PERIODS(); p += 2) {
            uint256 revisions = _settlement.settlementOf(_area, p).revisions;
            assertEq(revisions, uint256(_handler.settledRevisions(p)), "revisions");
            assertTrue(_settlement.settlementOf(_area, p).isFinal == _handler.wasFinal(p), "final");
            assertEq(uint256(_settlement.settlementOf(_area, p).settledAt), _handler.settledAt(p), "settled at");
            if (revisions == 0) continue;
            assertEq(_market.pendingCount(_area, p), 0, "no session is pending");
            assertEq(_readings.resolvedCount(_area, p), uint256(_handler.TRADING_MTUS()), "all read");
        }
    }

    /// @notice C9: a message that had its effect has it once (the handler sends each again at any later time; here the latest).
    /// forge-config: default.invariant.depth = 134
    function invariant_c9__usedOnceIsUsedUp() public {
        _handler.replayAll();
    }

    /// @notice C11: prices, amounts, windows and what is open between pages stay within their bounds.
    /// forge-config: default.invariant.depth = 136
    function invariant_c11__withinBounds() public view {
        for (uint32 p = 1; p <= _handler.PERIODS(); p += 2) {
            for (uint32 slot = 0; slot < _handler.SLOTS(); ++slot) {
                uint128 cleared = _market.sessionOf(_marketId, _handler.gateOf(p, slot)).clearedMask;
                _checkBounds(p, slot, cleared);
            }
        }
        address[] memory accounts = _handler.allAccounts();
        for (uint256 i = 0; i < accounts.length; ++i) {
            int256 balance = _accounts.balanceOf(accounts[i]);
            assertTrue(balance <= MAX_BALANCE_NEUR && balance >= -MAX_BALANCE_NEUR, "balance in its range");
        }
        OpenSettlement memory open = _settlement.openSettlement(_area);
        (bool live,,,,, uint64 abandonAt) = _handler.opened();
        assertTrue((open.id != 0) == live, "open between pages");
        if (!live) return;
        assertEq(uint256(open.abandonAt), uint256(abandonAt), "until when");
        assertEq(uint256(open.nextPage), 1, "page by page");
        assertLe(abandonAt, _handler.time() + _handler.OPEN_PAGES_WINDOW(), "not for long");
    }

    function _checkBounds(uint32 p, uint32 slot, uint128 cleared) private view {
        (int32 least, int32 most) = _handler.band();
        for (uint32 place = 0; place < _handler.TRADING_MTUS(); ++place) {
            if (cleared >> place & 1 == 0) continue;
            int32 price = _handler.bookOf(p, slot, place).price;
            assertTrue(price >= least && price <= most, "price in its band");
            bool poisoned = _handler.dishonest(p, slot) && place == _handler.POISONED();
            assertTrue(!poisoned, "an order out of its bounds never clears");
        }
    }

    /// @notice C13: a pause holds exactly as long as it was called for, and ends by itself.
    /// forge-config: default.invariant.depth = 138
    function invariant_c13__pauseLastsItsTime() public {
        bool paused = block.timestamp < _handler.pausedUntil();
        assertTrue(_roles.paused() == paused, "paused");
        assertLe(_handler.pausedUntil(), block.timestamp + _handler.PAUSE_LIMIT(), "ends by itself");
        (bool free,) = address(_roles).call(abi.encodeCall(IRoles.requireNotPaused, ()));
        assertTrue(free == !paused, "what a pause stops is stopped");
    }

    /// @notice C15, C16: one key, one role; one organisation, one kind of role; no needed role is empty, and admins are of two organisations.
    /// forge-config: default.invariant.depth = 140
    function invariant_c16__rolesAreSeparateAndNeverEmpty() public view {
        address[] memory keys = _handler.keys();
        Grant[] memory grants = new Grant[](keys.length);
        uint256[7] memory counts;
        for (uint256 i = 0; i < keys.length; ++i) {
            grants[i] = _roles.grantOf(keys[i]);
            (Role role, bytes32 organisation) = _handler.held(keys[i]);
            assertTrue(grants[i].role == role, "role");
            assertEq(grants[i].organisation, organisation, "organisation");
            ++counts[uint256(role)];
            for (uint256 j = 0; j < i; ++j) {
                bool one = role != Role.None && grants[j].role != Role.None && grants[j].organisation == organisation;
                assertTrue(!one || grants[j].role == role, "one kind of role per organisation");
            }
        }
        assertTrue(counts[uint256(Role.Operator)] != 0, "an operator");
        assertTrue(counts[uint256(Role.Dso)] != 0, "a DSO");
        assertTrue(counts[uint256(Role.Registrar)] != 0, "a registrar");
        for (uint256 role = 1; role < 7; ++role) {
            bool local = Role(role) == Role.Dso || Role(role) == Role.Attester;
            assertEq(_roles.keyCount(Role(role), local ? _area : bytes32(0)), counts[role], "keys of a role");
        }
        assertTrue(_handler.organisationsOf(Role.SecurityAdmin) >= 2, "admins of two organisations");
    }

    /* REACH */

    /// @notice A run ends with every period brought to its end (C12: by anyone), and adds to what the campaign has reached.
    function afterInvariant() public {
        uint256 sum = Campaign.add(Campaign.load(), Reach.Runs, 1);
        for (uint256 i = 1; i <= uint256(type(Reach).max); ++i) {
            sum = Campaign.add(sum, Reach(i), _handler.reached(Reach(i)));
        }
        Campaign.store(sum);
        if (Campaign.get(sum, Reach.Runs) >= ENOUGH_RUNS) _checkFloor(sum);
        _handler.drain();
        for (uint32 p = 1; p <= _handler.PERIODS(); p += 2) {
            assertTrue(_settlement.settlementOf(_area, p).isFinal, "every period can be brought to its end");
        }
        invariant_c1__supplyIsDepositsLessRedemptionsAndSumOfBalances();
        _checkFillers();
    }

    /// @dev An invariant over states that are never reached says nothing: on average over the runs, in hundredths per run.
    function _checkFloor(uint256 sum) private pure {
        uint256[17] memory floor;
        floor[uint256(Reach.Trades)] = 150;
        floor[uint256(Reach.BadResultsRefused)] = 100;
        floor[uint256(Reach.Settled)] = 100;
        floor[uint256(Reach.PagedSettled)] = 50;
        floor[uint256(Reach.Abandoned)] = 5;
        floor[uint256(Reach.Corrections)] = 80;
        floor[uint256(Reach.Final)] = 50;
        floor[uint256(Reach.PausedMinutes)] = 1000;
        floor[uint256(Reach.PausedRefusals)] = 50;
        floor[uint256(Reach.Covered)] = 20;
        floor[uint256(Reach.Redeemed)] = 10;
        floor[uint256(Reach.Replaced)] = 40;
        floor[uint256(Reach.RolesChanged)] = 10;
        floor[uint256(Reach.ReplaysRefused)] = 300;
        floor[uint256(Reach.ForeignSuspended)] = 30;
        floor[uint256(Reach.Refuted)] = 10;
        uint256 runs = Campaign.get(sum, Reach.Runs);
        for (uint256 i = 1; i < 17; ++i) {
            uint256 found = Campaign.get(sum, Reach(i)) * 100;
            if (found < floor[i] * runs) revert ReachTooLow(Reach(i), runs, found / 100);
        }
    }

    /// @notice Thrown when the runs so far have seen too little of something.
    error ReachTooLow(Reach what, uint256 runs, uint256 found);

    function _checkFillers() private view {
        int256 filler = _handler.fillerBalance();
        for (uint256 i = 0; i < _handler.FILLERS(); ++i) {
            assertEq(_waitingFor(i), i % 2 == 0 ? filler : -filler, "filler");
        }
    }

    /// @notice The ledger's own order alone takes all periods to their end.
    function test_proceed__nothingElse__reachesFinal() public {
        for (uint256 i = 0; i < 140; ++i) {
            _handler.proceed(1000 + i);
        }

        for (uint32 p = 1; p <= _handler.PERIODS(); p += 2) {
            assertTrue(_handler.wasFinal(p), "final");
        }
        assertTrue(_handler.reached(Reach.Trades) >= 3, "trades");
        assertTrue(_handler.reached(Reach.BadResultsRefused) >= 1, "bad results");
    }
}
