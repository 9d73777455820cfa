// SPDX-License-Identifier: MIT
pragma solidity ^0.8.24;

import {Settlement} from "../src/Settlement.sol";
import {Hashes} from "../src/libraries/Hashes.sol";
import {Gas} from "./base/Gas.sol";
import {LedgerTest} from "./base/LedgerTest.sol";
import {vm} from "./base/Vm.sol";

/// @notice What settling costs: 1,000 accounts that were settled before, in one page.
contract GasSettleTest is LedgerTest, Gas {
    uint256 private constant ACCOUNTS = 1000;
    uint256 private constant GAS_PER_ACCOUNT_MAX = 7000;

    bytes private _data;

    function setUp() public override {
        super.setUp();
        _emptyDay();
        _attestAll();
        for (uint256 i = 0; i < ACCOUNTS; ++i) {
            _deposit(_account(i), uint96(50e9 + i), bytes32(i + 1));
        }
        _settle(0, _words(0));
        uint256[] memory words = _words(1);
        bytes32[] memory hashes = _pageHashes(words);
        _data = abi.encodeCall(
            Settlement.settle, (_settlementTarget(1, 0), hashes, words, _settlementSignatures(1, hashes))
        );
    }

    /// @dev Addresses as random as real ones, ascending.
    function _account(uint256 i) private pure returns (address) {
        uint256 step = type(uint160).max / ACCOUNTS;
        return address(uint160(i * step + uint256(keccak256(abi.encode(i))) % step));
    }

    /// @dev Amounts of a household's day, up to a few euros either way; the last account takes the rest.
    function _words(uint256 seed) private pure returns (uint256[] memory words) {
        words = new uint256[](ACCOUNTS);
        int96 sum = 0;
        for (uint256 i = 0; i + 1 < ACCOUNTS; ++i) {
            int96 amount = int96(int256(uint256(keccak256(abi.encode(seed, i))) % 6e9)) - 3e9;
            sum += amount;
            words[i] = Hashes.settlementWord(_account(i), amount);
        }
        words[ACCOUNTS - 1] = Hashes.settlementWord(_account(ACCOUNTS - 1), -sum);
    }

    function test_settle__1000KnownAccounts__atMost7000GasEach() public {
        uint256 gas = _transactionGas(address(this), address(settlement), _data);

        assertLe(gas / ACCOUNTS, GAS_PER_ACCOUNT_MAX, "gas per account");
        _snapshot("settle-1000", "Settlement.settle, 1,000 known accounts, one page", gas, ACCOUNTS);
    }
}
