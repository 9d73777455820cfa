// SPDX-License-Identifier: UNLICENSED
pragma solidity 0.8.37;

import {Hashes} from "../../src/libraries/Hashes.sol";
import {LedgerTest} from "./LedgerTest.sol";
import {vm} from "./Vm.sol";

/// @notice What the tests of money share: a household and a retailer, with keys.
abstract contract MoneyTest is LedgerTest {
    uint256 internal constant HOUSEHOLD_KEY = 0xC1;
    uint256 internal constant RETAILER_KEY = 0xC2;
    uint256 internal constant SUCCESSOR_KEY = 0xC3;

    address internal household = vm.addr(HOUSEHOLD_KEY);
    address internal retailer = vm.addr(RETAILER_KEY);
    address internal successor = vm.addr(SUCCESSOR_KEY);

    function _signed(uint256 key, bytes32 structHash) internal view returns (bytes memory) {
        return _sign(key, _digest(accounts.domainSeparator(), structHash));
    }

    /// @dev Signed for Redemptions.
    function _redeems(uint256 key, bytes32 structHash) internal view returns (bytes memory) {
        return _sign(key, _digest(redemptions.domainSeparator(), structHash));
    }

    function _guarantee(uint64 credit, uint64 nonce) internal {
        _bind(household);
        _bind(retailer);
        bytes memory signature = _signed(RETAILER_KEY, Hashes.guarantee(retailer, household, credit, nonce));
        vm.prank(operator);
        accounts.guarantee(retailer, household, credit, nonce, signature);
    }

    /// @dev One account is replaced by another, with both signatures.
    function _replace(uint256 fromKey, uint256 toKey) internal {
        (address from, address to) = (vm.addr(fromKey), vm.addr(toKey));
        _bind(from);
        bytes32 structHash = Hashes.accountReplacement(from, to);
        accounts.replaceAccount(from, to, _signed(fromKey, structHash), _signed(toKey, structHash));
    }

    function _request(uint256 key, uint96 amount, bytes32 ref) internal {
        uint64 deadline = type(uint64).max;
        bytes memory signature = _redeems(key, Hashes.redemption(vm.addr(key), amount, ref, deadline));
        redemptions.requestRedemption(vm.addr(key), amount, ref, deadline, signature);
    }

    function _cover(uint96 amount, bytes32 ref) internal {
        bytes memory signature = _signed(RETAILER_KEY, Hashes.cover(retailer, household, amount, ref));
        accounts.cover(retailer, household, amount, ref, signature);
    }

    /// @dev Puts the household into debt of `amount`, which the retailer receives, by settling a day.
    function _debt(uint96 amount) internal {
        _bind(household);
        _bind(retailer);
        _emptyDay();
        _attestAll();
        _settle(0, _pays(amount));
    }

    /// @dev The household pays the retailer.
    function _pays(uint96 amount) internal view returns (uint256[] memory) {
        return household < retailer
            ? _payment(household, retailer, int96(amount))
            : _payment(retailer, household, -int96(amount));
    }
}
