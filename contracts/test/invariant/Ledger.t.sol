// SPDX-License-Identifier: MIT
pragma solidity ^0.8.24;

import {IMarket, MtuState, Result} from "../../src/interfaces/IMarket.sol";
import {IReadings} from "../../src/interfaces/IReadings.sol";
import {Grant, IRoles, Role} from "../../src/interfaces/IRoles.sol";
import {ISettlement} from "../../src/interfaces/ISettlement.sol";
import {Hashes} from "../../src/libraries/Hashes.sol";
import {Assert} from "../base/Assert.sol";
import {LedgerHandler} from "./LedgerHandler.sol";

/// @notice What holds at every moment, whoever does what in whichever order. Numbers are those of the invariants the project keeps (docs/invariants.md).
contract LedgerInvariantTest is Assert {
    LedgerHandler private _handler;
    IRoles private _roles;
    IMarket private _market;
    IReadings private _readings;
    ISettlement private _settlement;

    function setUp() public {
        _handler = new LedgerHandler();
        (address roles, address market, address readings, address settlement) = _handler.parts();
        (_roles, _market) = (IRoles(roles), IMarket(market));
        (_readings, _settlement) = (IReadings(readings), ISettlement(settlement));
        bytes4[] memory acts = new bytes4[](24);
        (acts[0], acts[1], acts[2]) =
        (_handler.passTime.selector, _handler.recordProgram.selector, _handler.passDays.selector);
        (acts[3], acts[4]) = (_handler.openProgram.selector, _handler.closeBooks.selector);
        (acts[5], acts[6]) = (_handler.recordProgram.selector, _handler.clear.selector);
        (acts[7], acts[8]) = (_handler.voidMtus.selector, _handler.attest.selector);
        (acts[9], acts[10]) = (_handler.markUnread.selector, _handler.settle.selector);
        (acts[11], acts[12]) = (_handler.finalise.selector, _handler.deposit.selector);
        (acts[13], acts[14]) = (_handler.cover.selector, _handler.redeem.selector);
        (acts[15], acts[16]) = (_handler.pause.selector, _handler.replay.selector);
        (acts[17], acts[18]) = (_handler.grantSecondRole.selector, _handler.rotate.selector);
        (acts[19], acts[20], acts[21]) = (_handler.settle.selector, _handler.clear.selector, _handler.runOut.selector);
        (acts[22], acts[23]) = (_handler.openProgram.selector, _handler.clear.selector);
        _target(address(_handler), acts);
    }

    /// @notice The handler is able to take a period through its whole life (an invariant that never sees one says nothing).
    function test_handler__rightOrder__goesThroughAllStages() public {
        _handler.openProgram(1, type(uint256).max / 2);
        _handler.closeBooks(1, 5);
        _handler.recordProgram(1, true);
        for (uint256 mtu = 0; mtu < 4; ++mtu) {
            _handler.clear(1, mtu, 1);
        }
        assertEq(_handler.cleared(), 4, "cleared");
        _handler.runOut(1);
        _handler.settle(1, 0, 1, 500, 1);
        _handler.settle(1, 2, 1, 100, 1);
        assertEq(_handler.settledCount(), 2, "settled and corrected");
        _handler.replay(0);
        _handler.deposit(0, 9000);
        _handler.redeem(0, 100);
        assertEq(_handler.redeemed(), 100, "redeemed");
        _handler.passDays(20 days);
        _handler.passDays(20 days);
        _handler.finalise(1);
        assertTrue(_handler.wasFinal(1), "final");
    }

    /// @notice C1, C11: money comes only by deposit, goes only by redemption; balances are what was moved, to the nEUR.
    function invariant_money__supplyIsDepositsLessRedemptionsAndSumOfBalances() public view {
        assertEq(_settlement.supply(), _handler.deposited() - _handler.redeemed(), "supply");
        int256 sum = 0;
        for (uint256 i = 0; i < _handler.ACCOUNTS(); ++i) {
            address account = _handler.account(i);
            assertEq(_settlement.balanceOf(account), _handler.balances(account), "balance");
            sum += _settlement.balanceOf(account);
        }
        assertEq(sum, int256(_settlement.supply()), "sum of balances");
    }

    /// @notice C2, C3, C4, C5: states only go forward; what is cleared stays as it was signed; Void has no trade; each counts once.
    function invariant_market__statesForwardAndResultsFixed() public view {
        bytes32 marketId = _handler.marketId();
        uint256 resolved = 0;
        for (uint32 mtu = _handler.firstMtu(); mtu <= _handler.lastMtu(); ++mtu) {
            MtuState state = _market.stateOf(marketId, mtu);
            assertTrue(state == _handler.furthest(mtu), "state is the furthest seen");
            Result memory result = _market.resultOf(marketId, mtu);
            assertEq(result.resultHash, _handler.firstResult(mtu), "result never changes");
            if (state == MtuState.Cleared) assertTrue(result.resultHash != 0, "cleared under a signed root");
            else assertEq(uint256(result.tradedLots), 0, "no trade");
            if (result.tradedLots == 0) assertEq(int256(result.priceNeurPerWh), Hashes.NO_PRICE, "no price");
            if (state == MtuState.Cleared || state == MtuState.Void) ++resolved;
        }
        uint256 counted = 0;
        for (uint32 p = 1; p <= _handler.PERIODS(); ++p) {
            counted += _market.resolvedCount(_handler.area(), p);
        }
        assertEq(counted, resolved, "each counts once");
        for (uint32 n = 1; n <= _market.programCount(marketId); ++n) {
            assertEq(_market.programOf(marketId, n).resultsRoot, _handler.signedRoot(n), "the first root wins");
        }
    }

    /// @notice C6: one settlement per revision; nothing before all is resolved; nothing after Final.
    function invariant_settlement__onePerRevisionAndNoneAfterFinal() public view {
        bytes32 area = _handler.area();
        for (uint32 p = 1; p <= _handler.PERIODS(); ++p) {
            uint32 revisions = _settlement.settlementOf(area, p).revisions;
            assertEq(uint256(revisions), _handler.settledRevisions(p), "revisions");
            assertTrue(_settlement.settlementOf(area, p).isFinal == _handler.wasFinal(p), "final");
            if (revisions == 0) continue;
            assertEq(_market.resolvedCount(area, p), _market.requiredCount(area, p), "all resolved");
        }
    }

    /// @notice C9 is checked by the handler's `replay`; here: what was used stays used.
    function invariant_readings__resolvedNeverAboveThePeriod() public view {
        for (uint32 p = 1; p <= _handler.PERIODS(); ++p) {
            assertLe(_readings.resolvedCount(_handler.area(), p), p == 1 ? 4 : _handler.PERIOD_MTUS(), "resolved");
        }
    }

    /// @notice C16: each of the five roles has its own key and organisation, and no role is empty.
    function invariant_roles__separateAndNeverEmpty() public view {
        address[5] memory holders = _handler.currentHolders();
        Role[5] memory expected = [Role.Operator, Role.Dso, Role.Treasurer, Role.Registrar, Role.SecurityAdmin];
        for (uint256 i = 0; i < 5; ++i) {
            Grant memory grant = _roles.grantOf(holders[i]);
            assertTrue(grant.role == expected[i], "one role per key");
            uint256 expectedKeys = grant.role == Role.SecurityAdmin ? 2 : 1;
            assertEq(_roles.keyCount(grant.role, grant.area), expectedKeys, "never empty, never doubled");
            assertTrue(_roles.organisationRole(grant.organisation) == grant.role, "one kind of role per organisation");
        }
    }
}
