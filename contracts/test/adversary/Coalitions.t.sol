// SPDX-License-Identifier: UNLICENSED
pragma solidity 0.8.37;

import {IAccounts} from "../../src/interfaces/IAccounts.sol";
import {IAnchors} from "../../src/interfaces/IAnchors.sol";
import {ICalendar} from "../../src/interfaces/ICalendar.sol";
import {IMarket} from "../../src/interfaces/IMarket.sol";
import {IRegistry} from "../../src/interfaces/IRegistry.sol";
import {IRoles} from "../../src/interfaces/IRoles.sol";
import {ISuccessions} from "../../src/interfaces/ISuccessions.sol";
import {Strikes} from "./Strikes.sol";
import {vm} from "../base/Vm.sol";

/// @notice Every pair of the six kinds of parties, m − 1 attesters being one: what holds against all of them together holds, and no pair does
/// what takes a party that is not in it.
contract CoalitionsTest is Strikes {
    uint256 private constant STRIKES = 200;

    address private _first;
    address private _other;

    function _holds(address key) internal view override returns (bool) {
        address[6] memory parties = [operator, dso, treasurer, registrar, security, _attester()];
        for (uint256 i = 0; i < parties.length; ++i) {
            if (key == parties[i]) return key == _first || key == _other;
        }
        return true;
    }

    function _attester() private view returns (address) {
        return vm.addr(attesterKeys[0]);
    }

    function _together(address one, address other) private {
        (_first, _other) = (one, other);
        _campaign(uint256(keccak256(abi.encode("coalition", one, other))), STRIKES);
        _finish();
        _lookAtAll();
        if (!_holds(operator)) _onlyOperator();
        if (!_holds(treasurer)) _never(address(accounts), IAccounts.deposit.selector);
        if (!_holds(registrar)) _onlyRegistrar();
        if (!_holds(security)) _onlySecurityAdmin();
        if (!_holds(operator) || !_holds(dso)) _never(address(market), IMarket.recordProgram.selector);
    }

    function _onlyOperator() private view {
        _never(address(market), IMarket.openSession.selector);
        _never(address(market), IMarket.closeSession.selector);
        _never(address(anchors), IAnchors.anchor.selector);
    }

    function _onlyRegistrar() private view {
        _never(address(calendar), ICalendar.createArea.selector);
        _never(address(market), IMarket.createMarket.selector);
        _never(address(accounts), IAccounts.bindAccount.selector);
        _never(address(successions), ISuccessions.proposeAreaChange.selector);
        _never(address(successions), ISuccessions.proposeSuccessor.selector);
        _never(address(registry), IRegistry.register.selector);
    }

    function _onlySecurityAdmin() private view {
        _never(address(roles), IRoles.proposeReplacement.selector);
        _never(address(roles), IRoles.pause.selector);
    }

    function _never(address target, bytes4 selector) private view {
        assertEq(succeeded[target][selector], 0, "takes a party that is not in it");
    }

    function test_coalition__operatorAndDso__invariantsHold() public {
        _together(operator, dso);
    }

    function test_coalition__operatorAndTreasurer__invariantsHold() public {
        _together(operator, treasurer);
    }

    function test_coalition__operatorAndRegistrar__invariantsHold() public {
        _together(operator, registrar);
    }

    function test_coalition__operatorAndSecurityAdmin__invariantsHold() public {
        _together(operator, security);
    }

    function test_coalition__operatorAndAttesters__invariantsHold() public {
        _together(operator, _attester());
    }

    function test_coalition__dsoAndTreasurer__invariantsHold() public {
        _together(dso, treasurer);
    }

    function test_coalition__dsoAndRegistrar__invariantsHold() public {
        _together(dso, registrar);
    }

    function test_coalition__dsoAndSecurityAdmin__invariantsHold() public {
        _together(dso, security);
    }

    function test_coalition__dsoAndAttesters__invariantsHold() public {
        _together(dso, _attester());
    }

    function test_coalition__treasurerAndRegistrar__invariantsHold() public {
        _together(treasurer, registrar);
    }

    function test_coalition__treasurerAndSecurityAdmin__invariantsHold() public {
        _together(treasurer, security);
    }

    function test_coalition__treasurerAndAttesters__invariantsHold() public {
        _together(treasurer, _attester());
    }

    function test_coalition__registrarAndSecurityAdmin__invariantsHold() public {
        _together(registrar, security);
    }

    function test_coalition__registrarAndAttesters__invariantsHold() public {
        _together(registrar, _attester());
    }

    function test_coalition__securityAdminAndAttesters__invariantsHold() public {
        _together(security, _attester());
    }
}
