// SPDX-License-Identifier: UNLICENSED
pragma solidity 0.8.37;

import {IAccounts} from "../../src/interfaces/IAccounts.sol";
import {IAnchors} from "../../src/interfaces/IAnchors.sol";
import {ICalendar} from "../../src/interfaces/ICalendar.sol";
import {IClearing} from "../../src/interfaces/IClearing.sol";
import {IGuarantees} from "../../src/interfaces/IGuarantees.sol";
import {IHandovers} from "../../src/interfaces/IHandovers.sol";
import {IMarket} from "../../src/interfaces/IMarket.sol";
import {IObjections} from "../../src/interfaces/IObjections.sol";
import {IReadings} from "../../src/interfaces/IReadings.sol";
import {IRedemptions} from "../../src/interfaces/IRedemptions.sol";
import {IRegistry} from "../../src/interfaces/IRegistry.sol";
import {IRoles} from "../../src/interfaces/IRoles.sol";
import {ISettlement} from "../../src/interfaces/ISettlement.sol";
import {ISuccessions} from "../../src/interfaces/ISuccessions.sol";
import {vm} from "../base/Vm.sol";
import {MoneyStrikes} from "./MoneyStrikes.sol";

/// @notice Every call that changes something, of every contract; a test of the sources holds this list to the contracts' ABIs.
abstract contract Reached is MoneyStrikes {
    /// @dev What never succeeded for anybody; and what only another contract may call, or m attesters must sign, and nobody tried. Nothing where all was reached.
    function _unreached() internal view returns (string memory found) {
        found = string.concat(
            _neverSucceeded(address(accounts), _ofAccounts(), "Accounts"),
            _neverSucceeded(address(roles), _ofRoles(), "Roles"),
            _neverSucceeded(address(market), _ofMarket(), "Market"),
            _neverSucceeded(address(settlement), _ofSettlement(), "Settlement"),
            _neverSucceeded(address(successions), _ofSuccessions(), "Successions"),
            _neverSucceeded(address(calendar), _ofCalendar(), "Calendar"),
            _neverSucceeded(address(clearing), _ofClearing(), "Clearing")
        );
        found = string.concat(
            found,
            _neverSucceeded(address(objections), _ofObjections(), "Objections"),
            _neverSucceeded(address(readings), _ofReadings(), "Readings"),
            _neverSucceeded(address(redemptions), _ofRedemptions(), "Redemptions"),
            _neverSucceeded(address(guarantees), _ofGuarantees(), "Guarantees"),
            _neverSucceeded(address(anchors), _only(IAnchors.anchor.selector), "Anchors"),
            _neverSucceeded(address(registry), _only(IRegistry.register.selector), "Registry")
        );
        found = string.concat(
            found,
            _neverTried(address(market), _only(IMarket.recordCleared.selector), "Market"),
            _neverTried(address(accounts), _innerOfAccounts(), "Accounts"),
            _neverTried(address(handovers), _ofHandovers(), "Handovers")
        );
    }

    function _neverSucceeded(address target, bytes4[] memory calls, string memory name)
        private
        view
        returns (string memory found)
    {
        for (uint256 i = 0; i < calls.length; ++i) {
            if (succeeded[target][calls[i]] == 0) found = string.concat(found, name, " call ", vm.toString(i), "; ");
        }
    }

    function _neverTried(address target, bytes4[] memory calls, string memory name)
        private
        view
        returns (string memory found)
    {
        for (uint256 i = 0; i < calls.length; ++i) {
            if (tried[target][calls[i]] == 0) found = string.concat(found, name, " inner call ", vm.toString(i), "; ");
            assertEq(succeeded[target][calls[i]], 0, "a call that is not the adversary's to make");
        }
    }

    function _ofAccounts() private pure returns (bytes4[] memory calls) {
        calls = new bytes4[](4);
        calls[0] = IAccounts.bindAccount.selector;
        calls[1] = IAccounts.bookSuspense.selector;
        calls[2] = IAccounts.recount.selector;
        calls[3] = IAccounts.deposit.selector;
    }

    function _innerOfAccounts() private pure returns (bytes4[] memory calls) {
        calls = new bytes4[](13);
        calls[0] = IAccounts.openBatch.selector;
        calls[1] = IAccounts.closeBatch.selector;
        calls[2] = IAccounts.book.selector;
        calls[3] = IAccounts.reserve.selector;
        calls[4] = IAccounts.unreserve.selector;
        calls[5] = IAccounts.burn.selector;
        calls[6] = IAccounts.setLine.selector;
        calls[7] = IAccounts.lowerLine.selector;
        calls[8] = IAccounts.cover.selector;
        calls[9] = IAccounts.replace.selector;
        calls[10] = IAccounts.moveOut.selector;
        calls[11] = IAccounts.moveIn.selector;
        calls[12] = IAccounts.changeArea.selector;
    }

    /// @dev None of them without m attesters, and without a deployment before.
    function _ofHandovers() private pure returns (bytes4[] memory calls) {
        calls = new bytes4[](4);
        calls[0] = IHandovers.agree.selector;
        calls[1] = IHandovers.withdraw.selector;
        calls[2] = IHandovers.moveOut.selector;
        calls[3] = IHandovers.takeOver.selector;
    }

    function _ofRoles() private pure returns (bytes4[] memory calls) {
        calls = new bytes4[](9);
        calls[0] = IRoles.proposeGrant.selector;
        calls[1] = IRoles.proposeRevocation.selector;
        calls[2] = IRoles.proposeReplacement.selector;
        calls[3] = IRoles.cancelProposal.selector;
        calls[4] = IRoles.confirmGrant.selector;
        calls[5] = IRoles.acceptGrant.selector;
        calls[6] = IRoles.revoke.selector;
        calls[7] = IRoles.pause.selector;
        calls[8] = IRoles.unpause.selector;
    }

    function _ofMarket() private pure returns (bytes4[] memory calls) {
        calls = new bytes4[](5);
        calls[0] = IMarket.createMarket.selector;
        calls[1] = IMarket.openSession.selector;
        calls[2] = IMarket.closeSession.selector;
        calls[3] = IMarket.recordProgram.selector;
        calls[4] = IMarket.endSession.selector;
    }

    function _ofSettlement() private pure returns (bytes4[] memory calls) {
        return _three(
            ISettlement.settle.selector, ISettlement.abandonSettlement.selector, ISettlement.finalise.selector
        );
    }

    function _ofCalendar() private pure returns (bytes4[] memory calls) {
        return _two(ICalendar.createArea.selector, ICalendar.declarePeriod.selector);
    }

    function _ofClearing() private pure returns (bytes4[] memory calls) {
        return _two(IClearing.clear.selector, IClearing.clearMany.selector);
    }

    function _ofObjections() private pure returns (bytes4[] memory calls) {
        return _three(
            IObjections.proveCrossing.selector,
            IObjections.proveInvalidWord.selector,
            IObjections.proveMismatch.selector
        );
    }

    function _ofReadings() private pure returns (bytes4[] memory calls) {
        return _three(IReadings.attest.selector, IReadings.attestMany.selector, IReadings.markUnread.selector);
    }

    function _ofRedemptions() private pure returns (bytes4[] memory calls) {
        return _three(
            IRedemptions.requestRedemption.selector,
            IRedemptions.completeRedemption.selector,
            IRedemptions.cancelRedemption.selector
        );
    }

    function _ofGuarantees() private pure returns (bytes4[] memory calls) {
        return _three(IGuarantees.guarantee.selector, IGuarantees.cover.selector, IGuarantees.release.selector);
    }

    function _ofSuccessions() private pure returns (bytes4[] memory calls) {
        calls = new bytes4[](8);
        calls[0] = ISuccessions.replaceAccount.selector;
        calls[1] = ISuccessions.proposeSuccessor.selector;
        calls[2] = ISuccessions.cancelSuccessor.selector;
        calls[3] = ISuccessions.succeed.selector;
        calls[4] = ISuccessions.collect.selector;
        calls[5] = ISuccessions.proposeAreaChange.selector;
        calls[6] = ISuccessions.cancelAreaChange.selector;
        calls[7] = ISuccessions.changeArea.selector;
    }

    function _only(bytes4 a) private pure returns (bytes4[] memory calls) {
        calls = new bytes4[](1);
        calls[0] = a;
    }

    function _two(bytes4 a, bytes4 b) private pure returns (bytes4[] memory calls) {
        calls = new bytes4[](2);
        (calls[0], calls[1]) = (a, b);
    }

    function _three(bytes4 a, bytes4 b, bytes4 c) private pure returns (bytes4[] memory calls) {
        calls = new bytes4[](3);
        (calls[0], calls[1], calls[2]) = (a, b, c);
    }
}
