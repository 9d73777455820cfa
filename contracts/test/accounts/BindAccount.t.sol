// SPDX-License-Identifier: UNLICENSED
pragma solidity 0.8.37;

import {AreaParams, ICalendar} from "../../src/interfaces/ICalendar.sol";
import {Grant, IRoles, Role} from "../../src/interfaces/IRoles.sol";
import {IAccounts} from "../../src/interfaces/IAccounts.sol";
import {SettlementPage} from "../../src/interfaces/ISettlement.sol";
import {Hashes} from "../../src/libraries/Hashes.sol";
import {MoneyTest} from "../base/MoneyTest.sol";
import {vm} from "../base/Vm.sol";

/// @notice bindAccount, and what it protects from: attesters of another area.
contract AccountsBindAccountTest is MoneyTest {
    bytes32 private constant OTHER = "other area";
    uint32 private constant OTHER_MTU = FIRST_MTU - 10;

    function setUp() public override {
        super.setUp();
        vm.prank(registrar);
        calendar.createArea(OTHER, AreaParams(1, 100 days));
        vm.prank(operator);
        calendar.declarePeriod(OTHER, OTHER_MTU, 1);
        _warp((uint256(OTHER_MTU) + 1) * 900 + 2);
        readings.markUnread(OTHER, 1, OTHER_MTU, 1);
        _grantRole(Grant(vm.addr(0xF1), Role.Attester, "other attester 1", OTHER));
        _grantRole(Grant(vm.addr(0xF2), Role.Attester, "other attester 2", OTHER));
    }

    /// @dev The other area's attesters sign that the household pays the retailer.
    function _otherPays(uint96 amount, bytes memory error_) private {
        uint256[] memory words = _pays(amount);
        bytes32[] memory hashes = _pageHashes(words);
        bytes32 root = readings.readingsRoot(OTHER, 1);
        bytes32 digest = settlement.settlementDigest(OTHER, 1, 0, Hashes.chain(hashes), 0, root, "s", "t");
        (uint256 low, uint256 high) = vm.addr(0xF1) < vm.addr(0xF2) ? (0xF1, 0xF2) : (0xF2, 0xF1);
        bytes[] memory signatures = new bytes[](2);
        (signatures[0], signatures[1]) = (_sign(low, digest), _sign(high, digest));
        if (error_.length != 0) vm.expectRevert(error_);
        settlement.settle(SettlementPage(OTHER, 1, 0, 0, "s", "t"), hashes, words, signatures);
    }

    function test_bindAccount__notRegistrar__reverts(address sender) public {
        vm.assume(sender != registrar);
        vm.expectRevert(abi.encodeWithSelector(IRoles.RolesMissing.selector, sender, Role.Registrar, bytes32(0)));
        vm.prank(sender);
        accounts.bindAccount(household, AREA);
    }

    function test_bindAccount__nobodyOrNowhere__reverts() public {
        vm.startPrank(registrar);
        vm.expectRevert(abi.encodeWithSelector(IAccounts.AccountsAddressInvalid.selector, address(0)));
        accounts.bindAccount(address(0), AREA);
        vm.expectRevert(abi.encodeWithSelector(ICalendar.CalendarAreaUnknown.selector, bytes32("nowhere")));
        accounts.bindAccount(household, "nowhere");
        vm.stopPrank();
    }

    function test_bindAccount__twice__reverts() public {
        _bind(household);
        vm.expectRevert(abi.encodeWithSelector(IAccounts.AccountsAreaWrong.selector, household, AREA));
        vm.prank(registrar);
        accounts.bindAccount(household, OTHER);
    }

    function test_bindAccount__valid__keepsMoney(uint96 amount) public {
        amount = uint96(bound(amount, 1, 1e20));
        vm.prank(treasurer);
        accounts.deposit(household, amount, "deposit");
        vm.expectEmit();
        emit IAccounts.AccountBound(household, AREA);
        vm.prank(registrar);
        accounts.bindAccount(household, AREA);
        assertEq(accounts.areaOf(household), AREA, "area");
        assertEq(accounts.balanceOf(household), int256(uint256(amount)), "balance");
    }

    function test_settle__accountOfAnotherArea__reverts() public {
        _deposit(household, 100, "deposit");
        _bind(retailer);
        address first = household < retailer ? household : retailer;
        _otherPays(100, abi.encodeWithSelector(IAccounts.AccountsAreaWrong.selector, first, AREA));
    }

    function test_settle__unboundAccountWithMoney__reverts() public {
        vm.startPrank(treasurer);
        accounts.deposit(household, 100, "deposit");
        accounts.deposit(retailer, 100, "deposit too");
        vm.stopPrank();
        address first = household < retailer ? household : retailer;
        _otherPays(100, abi.encodeWithSelector(IAccounts.AccountsAreaWrong.selector, first, bytes32(0)));
    }

    function test_settle__unboundAccountWithALine__reverts() public {
        bytes memory signature = _signed(RETAILER_KEY, Hashes.guarantee(retailer, household, 5, 1));
        vm.prank(operator);
        accounts.guarantee(retailer, household, 5, 1, signature);
        _otherPays(1, abi.encodeWithSelector(IAccounts.AccountsAreaWrong.selector, household, bytes32(0)));
    }

    function test_settle__blankAccounts__areBoundByTheirFirstBooking() public {
        _otherPays(100, "");
        assertEq(accounts.areaOf(household), OTHER, "household");
        assertEq(accounts.areaOf(retailer), OTHER, "retailer");
        _warp(uint256(FIRST_MTU + MTUS) * 900 + ATTEST + 1);
        market.voidMtus(MARKET_ID, period, 0, FIRST_MTU, MTUS);
        readings.markUnread(AREA, period, FIRST_MTU, MTUS);
        uint256[] memory words = _pays(1);
        bytes32[] memory hashes = _pageHashes(words);
        bytes[] memory signatures = _settlementSignatures(0, hashes);
        vm.expectPartialRevert(IAccounts.AccountsAreaWrong.selector);
        settlement.settle(_settlementTarget(0, 0), hashes, words, signatures);
    }

    function test_replaceAccount__accountsOfTwoAreas__reverts() public {
        _bind(household);
        vm.prank(registrar);
        accounts.bindAccount(successor, OTHER);
        bytes32 structHash = Hashes.accountReplacement(household, successor);
        (bytes memory from, bytes memory to) = (_signed(HOUSEHOLD_KEY, structHash), _signed(SUCCESSOR_KEY, structHash));
        vm.expectRevert(abi.encodeWithSelector(IAccounts.AccountsSuccessorInvalid.selector, household, successor));
        accounts.replaceAccount(household, successor, from, to);
    }

    function test_replaceAccount__boundAccount__takesItsAreaAlong() public {
        _bind(household);
        _replace(HOUSEHOLD_KEY, SUCCESSOR_KEY);
        assertEq(accounts.areaOf(successor), AREA, "successor");
        assertEq(accounts.areaOf(household), AREA, "old account, for what comes late");
    }
}
