// SPDX-License-Identifier: UNLICENSED
pragma solidity 0.8.37;

import {Accounts} from "../../src/Accounts.sol";
import {Calendar} from "../../src/Calendar.sol";
import {Guarantees} from "../../src/Guarantees.sol";
import {Market} from "../../src/Market.sol";
import {Readings} from "../../src/Readings.sol";
import {Redemptions} from "../../src/Redemptions.sol";
import {Roles} from "../../src/Roles.sol";
import {Settlement} from "../../src/Settlement.sol";
import {Successions} from "../../src/Successions.sol";
import {IGuarantees} from "../../src/interfaces/IGuarantees.sol";
import {IRedemptions} from "../../src/interfaces/IRedemptions.sol";
import {ISettlement} from "../../src/interfaces/ISettlement.sol";
import {ISuccessions} from "../../src/interfaces/ISuccessions.sol";
import {LedgerTest} from "../base/LedgerTest.sol";
import {staying} from "../base/Staying.sol";
import {vm} from "../base/Vm.sol";

/// @notice Settlement and Redemptions refuse parts that do not belong together.
contract SettlementConstructorTest is LedgerTest {
    Roles private _otherRoles;
    Calendar private _otherCalendar;

    function setUp() public override {
        super.setUp();
        _otherRoles = new Roles(_config(), _grants());
        _otherCalendar = new Calendar(roles, staying(), T0, BLOCK_T0, 1);
    }

    /// @dev Accounts for a Settlement and Redemptions that are deployed next but `skip`.
    function _accountsFor(Roles roles_, Calendar calendar_, uint64 skip) private returns (Accounts) {
        address next = _ahead(skip + 1);
        return new Accounts(roles_, calendar_, next, next, next, next, address(1), 2);
    }

    function _refused(Roles roles_, Calendar calendar_, Market market_, Readings readings_, Accounts accounts_)
        private
    {
        vm.expectRevert(ISettlement.SettlementPartsUnlike.selector);
        new Settlement(roles_, calendar_, market_, readings_, accounts_, 1);
    }

    function test_constructor__windowInvalid__reverts() public {
        Accounts ours = _accountsFor(roles, calendar, 0);
        vm.expectRevert(ISettlement.SettlementConfigInvalid.selector);
        new Settlement(roles, calendar, market, readings, ours, 0);
        vm.expectRevert(ISettlement.SettlementConfigInvalid.selector);
        new Settlement(roles, calendar, market, readings, ours, 3652 days + 1);
    }

    function test_constructor__marketOfOthers__reverts() public {
        _refused(roles, calendar, new Market(_otherRoles, calendar, address(0)), readings, _accountsFor(roles, calendar, 0));
        _refused(roles, calendar, new Market(roles, _otherCalendar, address(0)), readings, _accountsFor(roles, calendar, 0));
    }

    function test_constructor__readingsOfOthers__reverts() public {
        _refused(roles, calendar, market, new Readings(_otherRoles, calendar), _accountsFor(roles, calendar, 0));
        _refused(roles, calendar, market, new Readings(roles, _otherCalendar), _accountsFor(roles, calendar, 0));
    }

    function test_constructor__accountsOfOthers__reverts() public {
        _refused(roles, calendar, market, readings, _accountsFor(_otherRoles, calendar, 0));
        _refused(roles, calendar, market, readings, _accountsFor(roles, _otherCalendar, 0));
        _refused(roles, calendar, market, readings, accounts); // those of another Settlement
    }

    function test_constructor__calendarOfOtherRoles__reverts() public {
        Calendar foreign = new Calendar(_otherRoles, staying(), T0, BLOCK_T0, 1);
        Market market_ = new Market(roles, foreign, address(0));
        Readings readings_ = new Readings(roles, foreign);
        _refused(roles, foreign, market_, readings_, _accountsFor(roles, foreign, 0));
    }

    function test_constructor__redemptionsOfOthers__reverts() public {
        vm.expectRevert(IRedemptions.RedemptionsConfigInvalid.selector);
        new Redemptions(calendar, accounts, 1);
        Accounts foreign = _accountsFor(roles, _otherCalendar, 0);
        vm.expectRevert(IRedemptions.RedemptionsConfigInvalid.selector);
        new Redemptions(calendar, foreign, 1);
        Accounts ours = _accountsFor(roles, calendar, 0);
        vm.expectRevert(IRedemptions.RedemptionsConfigInvalid.selector);
        new Redemptions(calendar, ours, 0);
    }

    function test_constructor__guaranteesOfOthers__reverts() public {
        vm.expectRevert(IGuarantees.GuaranteesPartsUnlike.selector);
        new Guarantees(calendar, settlement, accounts);
        Accounts foreign = _accountsFor(roles, _otherCalendar, 0);
        vm.expectRevert(IGuarantees.GuaranteesPartsUnlike.selector);
        new Guarantees(calendar, settlement, foreign);
    }

    function test_constructor__successionsOfOthers__reverts() public {
        vm.expectRevert(ISuccessions.SuccessionsPartsUnlike.selector);
        new Successions(roles, calendar, accounts);
        Accounts foreign = _accountsFor(_otherRoles, calendar, 0);
        vm.expectRevert(ISuccessions.SuccessionsPartsUnlike.selector);
        new Successions(roles, calendar, foreign);
    }

    function test_constructor__together__deploys() public {
        Accounts ours = _accountsFor(roles, calendar, 0);
        new Settlement(roles, calendar, market, readings, ours, 3652 days);
    }
}

/// @notice Windows that depend on each other: the challenge window outlasts the pages of a correction and a change of roles.
contract RedemptionsWindowsTest is LedgerTest {
    function _deployed(uint32 challengeSeconds, uint32 pageSeconds, uint32 speed) private {
        calendar = new Calendar(roles, staying(), T0, BLOCK_T0, speed);
        market = new Market(roles, calendar, address(0));
        readings = new Readings(roles, calendar);
        (address others, uint32 longest) = (address(1), 3652 days);
        accounts = new Accounts(roles, calendar, _ahead(1), _ahead(2), others, others, others, longest);
        settlement = new Settlement(roles, calendar, market, readings, accounts, pageSeconds);
        redemptions = new Redemptions(calendar, accounts, challengeSeconds);
    }

    function deployed(uint32 challengeSeconds, uint32 pageSeconds, uint32 speed) external {
        _deployed(challengeSeconds, pageSeconds, speed);
    }

    function _short(uint32 challengeSeconds, uint32 pageSeconds, uint32 speed, uint256 least) private {
        vm.expectRevert(
            abi.encodeWithSelector(IRedemptions.RedemptionsWindowShort.selector, uint256(challengeSeconds), least)
        );
        this.deployed(challengeSeconds, pageSeconds, speed);
    }

    function test_constructor__correctionOutlivesTheChallenge__reverts(uint32 pages) public {
        pages = uint32(bound(pages, 1, 30 days));
        _short(DELAY + pages, pages, 1, DELAY + pages);
    }

    function test_constructor__rolesChangeOutlastsTheChallenge__reverts(uint32 speed) public {
        speed = uint32(bound(speed, 1, 100));
        _short(DELAY * speed + 1, 1, speed, uint256(DELAY) * speed + 1);
    }

    function test_constructor__changesOfAccountsWithinTheChallenge__reverts() public {
        vm.expectRevert(IRedemptions.RedemptionsConfigInvalid.selector);
        this.deployed(3652 days, 1, 1); // as long as changes of accounts wait
    }

    function test_constructor__challengeOutlastsBoth__deploys(uint32 speed) public {
        speed = uint32(bound(speed, 1, 100));
        _deployed(DELAY * speed + 6 hours + 1, 6 hours, speed);
        assertEq(uint256(redemptions.challengeSeconds()), uint256(DELAY) * speed + 6 hours + 1, "window");
    }
}
