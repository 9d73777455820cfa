// SPDX-License-Identifier: UNLICENSED
pragma solidity 0.8.37;

import {AreaParams, ICalendar} from "../../src/interfaces/ICalendar.sol";
import {IAccounts} from "../../src/interfaces/IAccounts.sol";
import {IRoles, Role} from "../../src/interfaces/IRoles.sol";
import {AreaChange, ISuccessions} from "../../src/interfaces/ISuccessions.sol";
import {MoneyTest} from "../base/MoneyTest.sol";
import {vm} from "../base/Vm.sol";

/// @notice proposeAreaChange, cancelAreaChange, changeArea: how a slip of the registrar is corrected.
contract SuccessionsChangeAreaTest is MoneyTest {
    bytes32 private constant OTHER = "other area";
    uint64 private constant READY = T0 + CHALLENGE + 1 days;

    function setUp() public override {
        super.setUp();
        vm.prank(registrar);
        calendar.createArea(OTHER, AreaParams(900, 100 days));
        _bind(household);
    }

    function _propose() private {
        vm.prank(registrar);
        successions.proposeAreaChange(household, OTHER);
    }

    function test_proposeAreaChange__notRegistrar__reverts(address sender) public {
        vm.assume(sender != registrar);
        vm.expectRevert(abi.encodeWithSelector(IRoles.RolesMissing.selector, sender, Role.Registrar, bytes32(0)));
        vm.prank(sender);
        successions.proposeAreaChange(household, OTHER);
    }

    function test_proposeAreaChange__nothingToChange__reverts() public {
        vm.startPrank(registrar);
        vm.expectRevert(abi.encodeWithSelector(ISuccessions.SuccessionsAreaWrong.selector, household, AREA));
        successions.proposeAreaChange(household, AREA);
        vm.expectRevert(abi.encodeWithSelector(ISuccessions.SuccessionsAreaWrong.selector, retailer, bytes32(0)));
        successions.proposeAreaChange(retailer, AREA);
        vm.expectRevert(abi.encodeWithSelector(ICalendar.CalendarAreaUnknown.selector, bytes32("nowhere")));
        successions.proposeAreaChange(household, "nowhere");
        vm.stopPrank();
    }

    function test_cancelAreaChange__nothingProposed__reverts() public {
        vm.expectRevert(abi.encodeWithSelector(ISuccessions.SuccessionsAreaChangeUnknown.selector, household));
        successions.cancelAreaChange(household);
    }

    function test_cancelAreaChange__byOthers__reverts(address sender) public {
        vm.assume(sender != registrar && sender != household);
        _propose();
        vm.expectPartialRevert(IRoles.RolesMissing.selector);
        vm.prank(sender);
        successions.cancelAreaChange(household);
    }

    function test_changeArea__nothingProposed__reverts() public {
        vm.expectRevert(abi.encodeWithSelector(ISuccessions.SuccessionsAreaChangeUnknown.selector, household));
        successions.changeArea(household);
    }

    function test_changeArea__early__reverts(uint64 time) public {
        _propose();
        time = uint64(bound(time, T0, READY - 1));
        _warp(time);
        vm.expectRevert(abi.encodeWithSelector(ISuccessions.SuccessionsTooEarly.selector, READY, time));
        successions.changeArea(household);
    }

    function test_changeArea__expired__reverts() public {
        _propose();
        _warp(READY + 30 days + 1);
        vm.expectRevert(
            abi.encodeWithSelector(ISuccessions.SuccessionsTooLate.selector, READY + 30 days, READY + 30 days + 1)
        );
        successions.changeArea(household);
    }

    function test_changeArea__withTies__reverts() public {
        _propose();
        _fundedGuarantee(5);
        _warp(READY);
        vm.expectRevert(abi.encodeWithSelector(IAccounts.AccountsTied.selector, household));
        successions.changeArea(household);
    }

    function test_changeArea__ofSuspense__reverts() public {
        _debt(1000);
        address suspense = accounts.suspenseOf(retailer, AREA);
        vm.prank(registrar);
        successions.proposeAreaChange(suspense, OTHER);
        vm.warp(block.timestamp + CHALLENGE + 1 days);
        vm.expectRevert(abi.encodeWithSelector(IAccounts.AccountsTied.selector, suspense));
        successions.changeArea(suspense);
    }

    function test_accountsChangeArea__byOthers__reverts(address sender) public {
        vm.assume(sender != address(successions));
        vm.expectRevert(abi.encodeWithSelector(IAccounts.AccountsCallerWrong.selector, sender));
        vm.prank(sender);
        accounts.changeArea(household, OTHER);
    }

    function test_changeArea__guarantor__reverts() public {
        _fundedGuarantee(5);
        vm.prank(registrar);
        successions.proposeAreaChange(retailer, OTHER);
        _warp(READY);
        vm.expectRevert(abi.encodeWithSelector(IAccounts.AccountsTied.selector, retailer));
        successions.changeArea(retailer);
    }

    function test_changeArea__cancelledByTheAccount__reverts() public {
        _propose();
        vm.expectEmit();
        emit ISuccessions.AreaChangeCancelled(household);
        vm.prank(household);
        successions.cancelAreaChange(household);
        _warp(READY);
        vm.expectRevert(abi.encodeWithSelector(ISuccessions.SuccessionsAreaChangeUnknown.selector, household));
        successions.changeArea(household);
    }

    function test_changeArea__byAnyoneWhenDue__takesTheMoneyAlong(address sender) public {
        _deposit(household, 7, "deposit");
        vm.expectEmit();
        emit ISuccessions.AreaChangeProposed(household, OTHER, READY);
        _propose();
        _warp(READY);
        vm.expectEmit();
        emit IAccounts.AccountBound(household, OTHER);
        vm.prank(sender);
        successions.changeArea(household);
        assertEq(accounts.areaOf(household), OTHER, "area");
        assertEq(accounts.balanceOf(household), 7, "balance");
        AreaChange memory left = successions.areaChangeOf(household);
        assertEq(uint256(left.readyAt), 0, "done");
    }
}
