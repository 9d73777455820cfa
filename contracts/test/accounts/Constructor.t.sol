// SPDX-License-Identifier: UNLICENSED
pragma solidity 0.8.37;

import {Accounts} from "../../src/Accounts.sol";
import {IAccounts} from "../../src/interfaces/IAccounts.sol";
import {Time} from "../../src/libraries/Time.sol";
import {LedgerTest} from "../base/LedgerTest.sol";
import {vm} from "../base/Vm.sol";

contract AccountsConstructorTest is LedgerTest {
    function _made(uint32 changeSeconds) private returns (Accounts) {
        return new Accounts(roles, calendar, address(1), address(2), address(3), address(4), address(5), changeSeconds);
    }

    function test_constructor__noTimeToObject__reverts() public {
        vm.expectRevert(IAccounts.AccountsConfigInvalid.selector);
        _made(0);
    }

    function test_constructor__longerThanAnyWindow__reverts(uint32 more) public {
        more = uint32(bound(more, Time.MAX_WINDOW_SECONDS + 1, type(uint32).max));
        vm.expectRevert(IAccounts.AccountsConfigInvalid.selector);
        _made(more);
    }

    function test_constructor__longestWindow__isTaken() public {
        assertEq(uint256(_made(Time.MAX_WINDOW_SECONDS).changeSeconds()), Time.MAX_WINDOW_SECONDS, "as given");
    }
}
