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

    uint64 internal constant NEVER = type(uint64).max;

    /// @dev Signed for Guarantees.
    function _signed(uint256 key, bytes32 structHash) internal view returns (bytes memory) {
        return _sign(key, _digest(guarantees.domainSeparator(), structHash));
    }

    /// @dev Signed for Successions.
    function _yields(uint256 key, bytes32 structHash) internal view returns (bytes memory) {
        return _sign(key, _digest(successions.domainSeparator(), structHash));
    }

    /// @dev Signed for Redemptions.
    function _redeems(uint256 key, bytes32 structHash) internal view returns (bytes memory) {
        return _sign(key, _digest(redemptions.domainSeparator(), structHash));
    }

    /// @dev The retailer guarantees for the household, from what it has.
    function _guarantee(uint64 credit, uint64 nonce) internal {
        _line(RETAILER_KEY, HOUSEHOLD_KEY, credit, nonce);
    }

    /// @dev The same, from a deposit of just as much.
    function _fundedGuarantee(uint64 credit) internal {
        _deposit(retailer, credit, "the retailer's own");
        _guarantee(credit, 1);
    }

    /// @dev One account guarantees for another or itself; both sign.
    function _line(uint256 byKey, uint256 forKey, uint64 credit, uint64 nonce) internal {
        (address by, address whom) = (vm.addr(byKey), vm.addr(forKey));
        _bind(by);
        _bind(whom);
        bytes32 structHash = Hashes.guarantee(by, whom, credit, nonce, NEVER);
        guarantees.guarantee(
            by, whom, credit, nonce, NEVER, _signed(byKey, structHash), _signed(forKey, structHash)
        );
    }

    /// @dev One account is replaced by another, with both signatures.
    function _replace(uint256 fromKey, uint256 toKey) internal {
        (address from, address to) = (vm.addr(fromKey), vm.addr(toKey));
        _bind(from);
        bytes32 structHash = Hashes.accountReplacement(from, to, NEVER);
        successions.replaceAccount(from, to, NEVER, _yields(fromKey, structHash), _yields(toKey, structHash));
    }

    function _request(uint256 key, uint96 amount, bytes32 ref) internal {
        uint64 deadline = type(uint64).max;
        bytes memory signature = _redeems(key, Hashes.redemption(vm.addr(key), amount, ref, deadline));
        redemptions.requestRedemption(vm.addr(key), amount, ref, deadline, signature);
    }

    function _cover(uint96 amount, bytes32 ref) internal {
        uint96 debt = _debtOf(household);
        bytes memory signature = _signed(RETAILER_KEY, Hashes.cover(retailer, household, amount, debt, ref, NEVER));
        guarantees.cover(retailer, household, amount, debt, ref, NEVER, signature);
    }

    function _debtOf(address account) internal view returns (uint96) {
        int256 balance = accounts.balanceOf(account);
        return balance < 0 ? uint96(uint256(-balance)) : 0;
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
        return _payment(household, retailer, int96(amount));
    }
}
