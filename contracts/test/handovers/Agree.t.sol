// SPDX-License-Identifier: UNLICENSED
pragma solidity 0.8.37;

import {Handovers} from "../../src/Handovers.sol";
import {Agreement, Handover, HandoverSignatures, IHandovers} from "../../src/interfaces/IHandovers.sol";
import {IRoles, Role} from "../../src/interfaces/IRoles.sol";
import {HandoverTest, NextLedger} from "../base/HandoverTest.sol";
import {vm} from "../base/Vm.sol";

/// @notice agree: nobody's word, and no m − 1 attesters', takes an area anywhere.
contract HandoversAgreeTest is HandoverTest {
    uint256 private constant STRANGER_KEY = 0x57;

    function _refused(Handover memory handover, HandoverSignatures memory signatures, bytes memory reason) private {
        vm.expectRevert(reason);
        vm.prank(registrar);
        handovers.agree(handover, parts, signatures);
    }

    function test_agree__notRegistrar__reverts(address sender) public {
        vm.assume(sender != registrar);
        Handover memory handover = _handover();
        HandoverSignatures memory signatures = _agreeing(handover);
        vm.expectRevert(abi.encodeWithSelector(IRoles.RolesMissing.selector, sender, Role.Registrar, bytes32(0)));
        vm.prank(sender);
        handovers.agree(handover, parts, signatures);
    }

    function test_agree__afterDeadline__reverts() public {
        Handover memory handover = _handover();
        handover.deadline = _now() - 1;
        _refused(
            handover,
            _agreeing(handover),
            abi.encodeWithSelector(IHandovers.HandoversTooLate.selector, handover.deadline, _now())
        );
    }

    function test_agree__twice__reverts() public {
        _agree();
        Handover memory handover = _handover();
        handover.deadline -= 1;
        _refused(
            handover,
            _agreeing(handover),
            abi.encodeWithSelector(IHandovers.HandoversAgreed.selector, AREA, address(next))
        );
    }

    function test_agree__notTheLastPeriod__reverts(uint32 named) public {
        vm.assume(named != 1);
        Handover memory handover = _handover();
        handover.period = named;
        _refused(
            handover,
            _agreeing(handover),
            abi.encodeWithSelector(IHandovers.HandoversPeriodWrong.selector, uint32(1), named)
        );
    }

    function test_agree__areaWithoutPeriod__reverts() public {
        Handover memory handover = _handover();
        (handover.area, handover.period) = ("new", 0);
        _refused(
            handover,
            _agreeing(handover),
            abi.encodeWithSelector(IHandovers.HandoversPeriodWrong.selector, uint32(0), uint32(0))
        );
    }

    function test_agree__successorOfAnother__reverts() public {
        NextLedger other = new NextLedger();
        (,, Handovers foreign) = other.deploy(next);
        parts = other.parts();
        Handover memory handover = _handover();
        handover.successor = address(foreign);
        _refused(
            handover,
            _agreeing(handover),
            abi.encodeWithSelector(IHandovers.HandoversSuccessorInvalid.selector, address(foreign))
        );
    }

    function test_agree__successorNotAmongParts__reverts() public {
        parts.pop();
        parts.pop();
        parts.pop();
        Handover memory handover = _handover();
        _refused(
            handover,
            _agreeing(handover),
            abi.encodeWithSelector(IHandovers.HandoversSuccessorInvalid.selector, address(next))
        );
    }

    function test_agree__otherCode__reverts(uint256 which) public {
        Handover memory handover = _handover();
        HandoverSignatures memory signatures = _agreeing(handover);
        vm.etch(parts[bound(which, 0, 9)], hex"00");
        vm.expectPartialRevert(IHandovers.HandoversCodesWrong.selector);
        vm.prank(registrar);
        handovers.agree(handover, parts, signatures);
    }

    function test_agree__signedByAnother__reverts() public {
        Handover memory handover = _handover();
        bytes32 digest = _handoverDigest(handover);
        HandoverSignatures memory signatures = _agreeing(handover);
        signatures.operator = _sign(DSO_KEY, digest);
        _refused(handover, signatures, abi.encodeWithSelector(IRoles.RolesMissing.selector, dso, Role.Operator, AREA));
        signatures = _agreeing(handover);
        signatures.dso = _sign(OPERATOR_KEY, digest);
        _refused(handover, signatures, abi.encodeWithSelector(IRoles.RolesMissing.selector, operator, Role.Dso, AREA));
        signatures = _agreeing(handover);
        signatures.attesters = new bytes[](1);
        signatures.attesters[0] = _sign(attesterKeys[0], digest);
        _refused(
            handover, signatures, abi.encodeWithSelector(IRoles.RolesQuorumSize.selector, uint256(1), uint256(THRESHOLD))
        );
        address stranger = vm.addr(STRANGER_KEY);
        signatures.attesters = new bytes[](2);
        (signatures.attesters[0], signatures.attesters[1]) = (_sign(STRANGER_KEY, digest), _sign(STRANGER_KEY, digest));
        _refused(
            handover, signatures, abi.encodeWithSelector(IRoles.RolesMissing.selector, stranger, Role.Attester, AREA)
        );
    }

    function test_agree__otherThanSigned__reverts(uint64 deadline) public {
        Handover memory handover = _handover();
        HandoverSignatures memory signatures = _agreeing(handover);
        handover.deadline = uint64(bound(deadline, _now(), NEVER - 1));
        vm.expectPartialRevert(IRoles.RolesMissing.selector);
        vm.prank(registrar);
        handovers.agree(handover, parts, signatures);
    }

    function test_agree__withdrawnSignaturesAgain__reverts() public {
        Handover memory handover = _handover();
        HandoverSignatures memory signatures = _agreeing(handover);
        _agree();
        vm.prank(dso);
        handovers.withdraw(AREA);
        _refused(
            handover, signatures, abi.encodeWithSelector(IHandovers.HandoversUsed.selector, _handoverDigest(handover))
        );
    }

    function test_agree__byAll__stands() public {
        Handover memory handover = _handover();
        HandoverSignatures memory signatures = _agreeing(handover);
        uint64 effectiveAt = _now() + accounts.changeSeconds();
        vm.expectEmit();
        emit IHandovers.HandoverSigned(
            AREA, _handoverDigest(handover), signatures.operator, signatures.dso, signatures.attesters
        );
        vm.expectEmit();
        emit IHandovers.HandoverAgreed(AREA, address(next), 1, _codes(), NEVER, effectiveAt);
        vm.prank(registrar);
        handovers.agree(handover, parts, signatures);
        Agreement memory agreement = handovers.agreementOf(AREA);
        assertEq(agreement.successor, address(next), "successor");
        assertEq(uint256(agreement.period), 1, "period");
        assertEq(uint256(agreement.effectiveAt), effectiveAt, "effective");
        bool redeemsFirst = accounts.changeSeconds() > redemptions.challengeSeconds();
        assertTrue(redeemsFirst, "who does not want to go redeems first");
    }
}
