// SPDX-License-Identifier: UNLICENSED
pragma solidity 0.8.37;

import {IHandovers} from "../../src/interfaces/IHandovers.sol";
import {HandoverTest} from "../base/HandoverTest.sol";
import {vm} from "../base/Vm.sol";

contract HandoversWithdrawTest is HandoverTest {
    function test_withdraw__noneAgreed__reverts() public {
        vm.expectRevert(abi.encodeWithSelector(IHandovers.HandoversNoneAgreed.selector, AREA));
        vm.prank(dso);
        handovers.withdraw(AREA);
    }

    function test_withdraw__byAnyoneElse__reverts(address sender) public {
        vm.assume(sender != operator && sender != dso && sender != registrar);
        vm.assume(sender != security && sender != secondSecurity);
        _agree();
        vm.expectRevert(abi.encodeWithSelector(IHandovers.HandoversCallerWrong.selector, sender));
        vm.prank(sender);
        handovers.withdraw(AREA);
    }

    function test_withdraw__byAnAttester__reverts() public {
        _agree();
        address attester = vm.addr(attesterKeys[0]);
        vm.expectRevert(abi.encodeWithSelector(IHandovers.HandoversCallerWrong.selector, attester));
        vm.prank(attester);
        handovers.withdraw(AREA);
    }

    function test_withdraw__inEffect__reverts(uint32 late) public {
        _agree();
        uint64 effectiveAt = handovers.agreementOf(AREA).effectiveAt;
        _warp(uint256(effectiveAt) + late);
        vm.expectRevert(abi.encodeWithSelector(IHandovers.HandoversTooLate.selector, effectiveAt - 1, _now()));
        vm.prank(operator);
        handovers.withdraw(AREA);
    }

    function test_withdraw__byEachOfThem__areaGoesOn() public {
        address[4] memory may = [registrar, operator, dso, security];
        for (uint256 i = 0; i < may.length; ++i) {
            _agreeUntil(NEVER - uint64(i));
            vm.expectEmit();
            emit IHandovers.HandoverWithdrawn(AREA, may[i]);
            vm.prank(may[i]);
            handovers.withdraw(AREA);
            assertEq(handovers.agreementOf(AREA).successor, address(0), "none");
        }
        vm.prank(operator);
        calendar.declarePeriod(AREA, FIRST_MTU + MTUS, 1);
    }
}
