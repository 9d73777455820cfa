// SPDX-License-Identifier: UNLICENSED
pragma solidity 0.8.37;

import {Reached} from "./Reached.sol";

/// @notice A campaign: many strikes drawn by a seed, with a look at what must hold after each.
abstract contract Strikes is Reached {
    uint256 private constant KINDS = 48;

    function _campaign(uint256 seed, uint256 strikes) internal {
        _seed(seed);
        for (uint256 i = 0; i < strikes; ++i) {
            uint256 kind = _one(KINDS + 8);
            if (kind < 16) _strikeTrade(kind);
            else if (kind < 26) _strikeRoles(kind);
            else if (kind < KINDS) _strikeMoney(kind);
            else if (kind < KINDS + 3) _tradeOn();
            else _sleep(_one(6 hours));
            _lookAtHolders();
            if (i % 32 == 0) _lookAtAll();
        }
    }

    function _lookAtAll() internal view {
        _lookAtHolders();
        _lookAtMoney();
        _lookAtRoles();
        _lookAtLists();
    }

    function _strikeTrade(uint256 kind) private {
        if (kind == 0) _createArea();
        else if (kind == 1) _declarePeriod(false);
        else if (kind == 2) _createMarket();
        else if (kind == 3) _openSession();
        else if (kind == 4) _closeSession();
        else if (kind == 5) _recordProgram();
        else if (kind == 6) _clear();
        else if (kind == 7) _endSession();
        else if (kind == 8) _recordCleared();
        else if (kind == 9) _proveCrossing();
        else if (kind == 10) _proveInvalidWord();
        else if (kind == 11) _proveMismatch();
        else if (kind == 12) _attest(_one(2) == 0);
        else if (kind == 13) _attestMany(_one(2) == 0);
        else if (kind == 14) _markUnread();
        else _tradeOn();
    }

    /// @dev A session from its gate to its end in one go, or sessions would hardly ever get that far.
    function _tradeOn() private {
        _declarePeriod(true);
        _openSession();
        _closeSession();
        _recordProgram();
        _clear();
        _proveMismatch();
        _proveCrossing();
    }

    function _strikeRoles(uint256 kind) private {
        if (kind == 16) _proposeGrant();
        else if (kind == 17) _proposeRevocation();
        else if (kind == 18) _proposeReplacement();
        else if (kind == 19) _cancelProposal();
        else if (kind == 20) _confirmGrant(_one(2) == 0);
        else if (kind == 21) _acceptGrant();
        else if (kind == 22) _one(3) != 0 ? _revoke(_one(2) == 0) : _changeSpare();
        else if (kind == 23) _one(2) == 0 ? _pause() : _unpause();
        else if (kind == 24) _anchor();
        else _register();
        _lookAtRoles();
    }

    function _strikeInnerOrFinalise() private {
        uint256 drawn = _one(8);
        if (drawn == 0) _strikeAccounts();
        else if (drawn == 1) _strikeHandovers();
        else _finalise();
    }

    function _strikeMoney(uint256 kind) private {
        if (kind == 26) _depositAny();
        else if (kind == 27) _bindAccount();
        else if (kind == 28) _proposeAreaChange();
        else if (kind == 29) _cancelAreaChange();
        else if (kind == 30) _changeArea();
        else if (kind == 31) _bookSuspense();
        else if (kind == 32) _recountAny();
        else if (kind == 33) _guaranteeAny(_one(2) == 0);
        else if (kind == 34) _coverAny(_one(2) == 0);
        else if (kind == 35) _release();
        else if (kind == 36) _requestRedemption(_one(2) == 0);
        else if (kind == 37) _completeRedemption();
        else if (kind == 38) _cancelRedemption();
        else if (kind == 39) _replaceAccount();
        else if (kind == 40) _proposeSuccessor();
        else if (kind == 41) _one(2) == 0 ? _cancelSuccessor() : _succeed();
        else if (kind == 42) _collect();
        else if (kind == 43) _settleWrongly();
        else if (kind == 44) _abandonSettlement();
        else if (kind == 45) _strikeInnerOrFinalise();
        else _settleNext();
    }
}
