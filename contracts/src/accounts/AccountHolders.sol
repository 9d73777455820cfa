// SPDX-License-Identifier: UNLICENSED
pragma solidity 0.8.37;

import {IAccounts} from "../interfaces/IAccounts.sol";
import {AccountStore} from "./AccountStore.sol";

/// @title AccountHolders: which keys are one holder's, and who guarantees for whom
abstract contract AccountHolders is AccountStore {
    /// @dev Who guarantees for an account, which may be itself, by its first key.
    mapping(address account => address) internal _guarantors;
    mapping(address account => address) internal _successors;
    /// @dev First key of a holder who has given a guarantee or replaced its account; `_guarantors` names holders by it.
    mapping(address account => address) internal _firstKeys;
    /// @dev Present account of a holder whose first key was replaced.
    mapping(address firstKey => address) internal _presentKeys;

    /* VIEWS */

    /// @inheritdoc IAccounts
    function guarantorOf(address account) external view returns (address) {
        return _guarantorOf(account);
    }

    /// @inheritdoc IAccounts
    function successorOf(address account) external view returns (address) {
        return _successors[account];
    }

    /// @inheritdoc IAccounts
    function requirePresent(address account) public view {
        address successor = _successors[account];
        if (successor != address(0)) revert AccountsReplaced(account, successor);
    }

    /* INTERNAL */

    /// @dev The guarantor's present account; 0 if there is none.
    function _guarantorOf(address account) internal view returns (address) {
        address firstKey = _guarantors[account];
        address present = _presentKeys[firstKey];
        return present == address(0) ? firstKey : present;
    }

    /// @dev Who answers for the account beside itself; 0 if nobody does.
    function _otherGuarantorOf(address account) internal view returns (address) {
        address guarantor = _guarantorOf(account);
        return guarantor == account ? address(0) : guarantor;
    }

    function _markFirstKey(address account) internal returns (address firstKey) {
        firstKey = _firstKeys[account];
        if (firstKey == address(0)) _firstKeys[account] = firstKey = account;
    }
}
