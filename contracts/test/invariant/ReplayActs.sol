// SPDX-License-Identifier: UNLICENSED
pragma solidity 0.8.37;

import {IMarket} from "../../src/interfaces/IMarket.sol";
import {IReadings} from "../../src/interfaces/IReadings.sol";
import {IRedemptions} from "../../src/interfaces/IRedemptions.sol";
import {IRoles, Role} from "../../src/interfaces/IRoles.sol";
import {IAccounts} from "../../src/interfaces/IAccounts.sol";
import {IGuarantees} from "../../src/interfaces/IGuarantees.sol";
import {ISettlement} from "../../src/interfaces/ISettlement.sol";
import {Reach} from "./Handler.sol";
import {RoleActs} from "./RoleActs.sol";

/// @notice Keeps every message that had its effect, and sends it again: it must never have one twice.
abstract contract ReplayActs is RoleActs {
    enum Message {
        Close,
        Record,
        Clear,
        Attest,
        Settle,
        Deposit,
        Guarantee,
        Cover,
        Request
    }

    struct UsedMessage {
        Message kind;
        address to;
        bytes data;
    }

    UsedMessage[] private _messages;

    function _used(Message kind, address to, bytes memory data) internal {
        _messages.push(UsedMessage(kind, to, data));
    }

    function replay(uint256 seed) external {
        for (uint256 i = 0; i < 4 && _messages.length != 0; ++i) {
            _replay(_messages[_mix(seed, i) % _messages.length], seed);
        }
    }

    /// @notice The latest messages again.
    function replayAll() external {
        uint256 n = _messages.length;
        for (uint256 i = n < 4 ? 0 : n - 4; i < n; ++i) {
            _replay(_messages[i], i);
        }
    }

    function _replay(UsedMessage memory message, uint256 seed) private {
        address sender = message.kind == Message.Deposit ? _holder(Role.Treasurer, seed) : _holder(Role.Operator, seed);
        bytes4 found = _outcome(sender, message.to, message.data);
        bytes4 expected = _spent(message.kind);
        if (found != expected && !_alsoRefused(message.kind, found)) revert WrongOutcome("replay", expected, found);
        ++reached[Reach.ReplaysRefused];
    }

    /// @dev The error that says that it was used.
    function _spent(Message kind) private pure returns (bytes4) {
        if (kind == Message.Close || kind == Message.Record || kind == Message.Clear) {
            return IMarket.MarketStateWrong.selector;
        }
        if (kind == Message.Attest) return IReadings.ReadingsRevisionWrong.selector;
        if (kind == Message.Settle) return ISettlement.SettlementRevisionWrong.selector;
        if (kind == Message.Guarantee) return IGuarantees.GuaranteesNonceUsed.selector;
        if (kind == Message.Cover) return IGuarantees.GuaranteesRefUsed.selector;
        if (kind == Message.Request) return IRedemptions.RedemptionsRefUsed.selector;
        return IAccounts.AccountsRefUsed.selector;
    }

    /// @dev What is looked at before that, and may have changed meanwhile.
    function _alsoRefused(Message kind, bytes4 found) private view returns (bool) {
        if (kind == Message.Close || kind == Message.Record || kind == Message.Clear) {
            bool others = kind == Message.Clear && found == IMarket.MarketMtuNotClearable.selector;
            return others || (found == IRoles.RolesPaused.selector && pausedNow());
        }
        if (kind == Message.Settle) {
            return found == ISettlement.SettlementBusy.selector || found == ISettlement.SettlementFinal.selector;
        }
        if (kind == Message.Guarantee) {
            return found == IAccounts.AccountsReplaced.selector;
        }
        if (kind == Message.Cover) return found == IAccounts.AccountsReplaced.selector;
        return kind == Message.Request && found == IAccounts.AccountsReplaced.selector;
    }
}
