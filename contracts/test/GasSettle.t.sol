// SPDX-License-Identifier: UNLICENSED
pragma solidity 0.8.37;

import {Settlement} from "../src/Settlement.sol";
import {Gas} from "./base/Gas.sol";
import {MoneyTest} from "./base/MoneyTest.sol";
import {Shapes} from "./base/Shapes.sol";
import {vm} from "./base/Vm.sol";

/// @notice What settling costs: 1,000 accounts that were settled before, in one page.
abstract contract GasSettleTest is MoneyTest, Gas {
    uint256 internal constant ACCOUNTS = 1000;
    uint256 internal constant GAS_PER_ACCOUNT_MAX = 7000;

    bytes private _data;

    function _prepareAccount(uint256 i) internal virtual;

    function setUp() public override {
        super.setUp();
        _emptyDay();
        _attestAll();
        for (uint256 i = 0; i < ACCOUNTS; ++i) {
            _prepareAccount(i);
        }
        _settle(0, _words(0));
        uint256[] memory words = _words(1);
        bytes32[] memory hashes = _pageHashes(words);
        _data = abi.encodeCall(
            Settlement.settle, (_settlementTarget(1, 0), hashes, words, _settlementSignatures(1, hashes))
        );
    }

    /// @dev Addresses as random as real ones, ascending.
    function _account(uint256 i) internal pure returns (address) {
        uint256 step = type(uint160).max / ACCOUNTS;
        return address(uint160(i * step + uint256(keccak256(abi.encode(i))) % step));
    }

    /// @dev Amounts of a household's day, up to a few euros either way; the last account takes the rest.
    function _words(uint256 seed) private pure returns (uint256[] memory words) {
        int96[] memory amounts = new int96[](ACCOUNTS);
        for (uint256 i = 0; i + 1 < ACCOUNTS; ++i) {
            amounts[i] = int96(int256(uint256(keccak256(abi.encode(seed, i))) % 6e9)) - 3e9;
            amounts[ACCOUNTS - 1] -= amounts[i];
        }
        words = new uint256[](ACCOUNTS);
        uint256 next = 0;
        for (uint256 side = 0; side < 2; ++side) {
            for (uint256 i = 0; i < ACCOUNTS; ++i) {
                if (amounts[i] > 0 == (side == 1)) words[next++] = Shapes.settlementWord(_account(i), amounts[i]);
            }
        }
    }

    function _settling() internal returns (uint256) {
        return _transactionGas(address(this), address(settlement), _data);
    }

    function _line(uint256 i, uint64 creditNeur) internal {
        _bind(_account(i));
        _deposit(retailer, creditNeur, bytes32(i + 1));
        vm.prank(address(guarantees));
        accounts.setLine(retailer, _account(i), creditNeur);
    }
}

contract GasSettleCreditTest is GasSettleTest {
    function _prepareAccount(uint256 i) internal override {
        _deposit(_account(i), uint96(50e9 + i), bytes32(i + 1));
    }

    function test_settle__1000KnownAccounts__atMost7000GasEach() public {
        uint256 gas = _settling();
        assertLe(gas / ACCOUNTS, GAS_PER_ACCOUNT_MAX, "gas per account");
        _snapshot("settle-1000", "Settlement.settle, 1,000 known accounts, one page", gas, ACCOUNTS);
    }
}

contract GasSettleDebtTest is GasSettleTest {
    function _prepareAccount(uint256 i) internal override {
        _line(i, 100e9);
    }

    function test_settle__1000KnownAccountsInDebtWithinTheirLine__atMost7000GasEach() public {
        uint256 gas = _settling();
        assertLe(gas / ACCOUNTS, GAS_PER_ACCOUNT_MAX, "gas per account");
        _snapshot("settle-1000-in-debt", "the same, half of them in debt within their line", gas, ACCOUNTS);
    }
}

/// @notice Each call of a guarantor is an event and reads of its own: dearer than the limit, and meant to be rare.
contract GasSettleBeyondTest is GasSettleTest {
    function _prepareAccount(uint256 i) internal override {
        _line(i, 1);
    }

    function test_settle__1000KnownAccountsHalfOfThemBeyondTheirLine__costsWhatItsSnapshotSays() public {
        uint256 gas = _settling();
        _snapshot("settle-1000-beyond", "the same, half of them in debt beyond their line", gas, ACCOUNTS);
    }
}
