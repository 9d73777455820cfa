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
        calendar.createArea(OTHER, AreaParams(900, 100 days));
        vm.prank(operator);
        calendar.declarePeriod(OTHER, OTHER_MTU, 1);
        _warp((uint256(OTHER_MTU) + 2) * 900 + 1);
        readings.markUnread(OTHER, 1, OTHER_MTU, 1);
        _grantRole(Grant(vm.addr(0xF1), Role.Attester, "other attester 1", OTHER));
        _grantRole(Grant(vm.addr(0xF2), Role.Attester, "other attester 2", OTHER));
    }

    /// @dev The other area's attesters sign that the household pays the retailer.
    function _otherPays(uint96 amount) private {
        uint256[] memory words = _pays(amount);
        bytes32[] memory hashes = _pageHashes(words);
        bytes32 root = readings.readingsRoot(OTHER, 1);
        bytes32 digest = settlement.settlementDigest(OTHER, 1, 0, Hashes.chain(hashes), 0, root, "s", "t");
        (uint256 low, uint256 high) = vm.addr(0xF1) < vm.addr(0xF2) ? (0xF1, 0xF2) : (0xF2, 0xF1);
        bytes[] memory signatures = new bytes[](2);
        (signatures[0], signatures[1]) = (_sign(low, digest), _sign(high, digest));
        settlement.settle(SettlementPage(OTHER, 1, 0, 0, "s", "t"), hashes, words, signatures);
    }

    function test_bindAccount__notRegistrar__reverts(address sender) public {
        vm.assume(sender != registrar && sender != address(handovers));
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
        amount = uint96(bound(amount, 1, 1e18));
        vm.prank(treasurer);
        accounts.deposit(household, amount, "deposit");
        vm.expectEmit();
        emit IAccounts.AccountBound(household, AREA);
        vm.prank(registrar);
        accounts.bindAccount(household, AREA);
        assertEq(accounts.areaOf(household), AREA, "area");
        assertEq(accounts.balanceOf(household), int256(uint256(amount)), "balance");
    }

    function _waits(address account, bytes32 area) private view returns (int256) {
        return accounts.balanceOf(accounts.suspenseOf(account, area));
    }

    function test_settle__accountsOfAnotherArea__waitInSuspenseForEver() public {
        _deposit(household, 100, "deposit");
        _bind(retailer);
        _otherPays(100);
        assertEq(accounts.balanceOf(household), 100, "not the other area's to debit");
        assertEq(accounts.balanceOf(retailer), 0, "nor to credit");
        assertEq(_waits(household, OTHER), -100, "debit waits");
        assertEq(_waits(retailer, OTHER), 100, "credit waits");
        accounts.bookSuspense(household);
        assertEq(accounts.balanceOf(household), 100, "what waits elsewhere stays there");
    }

    function test_settle__blankAccounts__belongToNobodyByIt() public {
        _otherPays(1);
        assertEq(accounts.areaOf(household), bytes32(0), "not bound by attesters");
        _bind(household);
        _bind(retailer);
        _warp(uint256(FIRST_MTU + MTUS) * 900 + ATTEST + 1);
        readings.markUnread(AREA, period, FIRST_MTU, MTUS);
        _settle(0, _pays(5));
        assertEq(accounts.balanceOf(household), -5, "its own area settles it");
    }

    function test_bindAccount__somethingWaits__comesToItsBalance() public {
        _otherPays(100);
        address suspense = accounts.suspenseOf(retailer, OTHER);
        vm.prank(registrar);
        accounts.bindAccount(household, OTHER);
        assertEq(accounts.balanceOf(household), -100, "its debit came");
        _deposit(household, 100, "paid");
        vm.expectEmit();
        emit IAccounts.AccountBound(retailer, OTHER);
        vm.expectEmit();
        emit IAccounts.SuspenseBooked(retailer, suspense, 100);
        vm.prank(registrar);
        accounts.bindAccount(retailer, OTHER);
        assertEq(accounts.balanceOf(retailer), 100, "balance");
        assertEq(accounts.balanceOf(suspense), 0, "nothing waits any more");
    }

    function test_bindAccount__debitOfAnotherWaits__staysUntilThatIsCovered() public {
        _otherPays(1);
        vm.prank(registrar);
        accounts.bindAccount(retailer, OTHER);
        assertEq(accounts.balanceOf(retailer), 0, "nobody has paid it yet");
        vm.expectRevert(abi.encodeWithSelector(IAccounts.AccountsUncovered.selector, OTHER, 0));
        accounts.bookSuspense(retailer);
    }

    function test_bookSuspense__notBound__reverts() public {
        _otherPays(100);
        vm.expectRevert(abi.encodeWithSelector(IAccounts.AccountsAreaWrong.selector, retailer, bytes32(0)));
        accounts.bookSuspense(retailer);
    }

    function test_guarantee__guarantorOfAnotherArea__reverts() public {
        _deposit(retailer, 100, "deposit");
        vm.prank(registrar);
        accounts.bindAccount(household, OTHER);
        bytes32 structHash = Hashes.guarantee(retailer, household, 5, 1, NEVER);
        (bytes memory given, bytes memory taken) = (_signed(RETAILER_KEY, structHash), _signed(HOUSEHOLD_KEY, structHash));
        vm.expectRevert(abi.encodeWithSelector(IAccounts.AccountsAreaWrong.selector, retailer, AREA));
        guarantees.guarantee(retailer, household, 5, 1, NEVER, given, taken);
    }

    function test_guarantee__notBound__reverts() public {
        _deposit(retailer, 100, "deposit");
        bytes32 structHash = Hashes.guarantee(retailer, household, 5, 1, NEVER);
        (bytes memory given, bytes memory taken) = (_signed(RETAILER_KEY, structHash), _signed(HOUSEHOLD_KEY, structHash));
        vm.expectRevert(abi.encodeWithSelector(IAccounts.AccountsAreaWrong.selector, retailer, AREA));
        guarantees.guarantee(retailer, household, 5, 1, NEVER, given, taken);
    }

    function test_replaceAccount__notBound__reverts() public {
        bytes32 structHash = Hashes.accountReplacement(household, successor, NEVER);
        (bytes memory from, bytes memory to) = (_yields(HOUSEHOLD_KEY, structHash), _yields(SUCCESSOR_KEY, structHash));
        vm.expectRevert(abi.encodeWithSelector(IAccounts.AccountsAreaWrong.selector, household, bytes32(0)));
        successions.replaceAccount(household, successor, NEVER, from, to);
    }

    function test_replaceAccount__accountsOfTwoAreas__reverts() public {
        _bind(household);
        vm.prank(registrar);
        accounts.bindAccount(successor, OTHER);
        bytes32 structHash = Hashes.accountReplacement(household, successor, NEVER);
        (bytes memory from, bytes memory to) = (_yields(HOUSEHOLD_KEY, structHash), _yields(SUCCESSOR_KEY, structHash));
        vm.expectRevert(abi.encodeWithSelector(IAccounts.AccountsSuccessorInvalid.selector, household, successor));
        successions.replaceAccount(household, successor, NEVER, from, to);
    }

    function test_replaceAccount__boundAccount__takesItsAreaAlong() public {
        _bind(household);
        _replace(HOUSEHOLD_KEY, SUCCESSOR_KEY);
        assertEq(accounts.areaOf(successor), AREA, "successor");
        assertEq(accounts.areaOf(household), AREA, "old account, for what comes late");
    }
}
