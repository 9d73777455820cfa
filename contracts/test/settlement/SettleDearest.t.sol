// SPDX-License-Identifier: UNLICENSED
pragma solidity 0.8.37;

import {Settlement} from "../../src/Settlement.sol";
import {Hashes} from "../../src/libraries/Hashes.sol";
import {Gas} from "../base/Gas.sol";
import {MoneyTest} from "../base/MoneyTest.sol";
import {Shapes} from "../base/Shapes.sol";
import {vm} from "../base/Vm.sol";

/// @notice The dearest pages there can be, of as many words as services put on one: each has to fit a block.
abstract contract SettlementSettleDearestTest is MoneyTest, Gas {
    uint256 internal constant PAGE = 256;
    uint256 internal constant GAS_MAX = 30_000_000;
    uint64 internal constant LINE = 1e9;

    uint256[] private _debits;
    uint256[] private _credits;

    /// @dev In a transaction of its own, so that nothing of it is warm in the test's.
    function _prepare() internal virtual;

    function setUp() public override {
        super.setUp();
        _emptyDay();
        _attestAll();
        _prepare();
    }

    function _debtor(uint256 i) internal pure returns (address) {
        return address(uint160(0x1000000 + i));
    }

    function _creditor(uint256 i) private pure returns (address) {
        return address(uint160(0x2000000 + i));
    }

    function _words(bool known) internal {
        for (uint256 i = 0; i < PAGE; ++i) {
            _debits.push(Shapes.settlementWord(_debtor(i), -int96(uint96(LINE) + 7)));
            _credits.push(Shapes.settlementWord(_creditor(i), int96(uint96(LINE) + 7)));
            if (known) _bind(_creditor(i));
        }
    }

    /// @dev Two pages, of all debits and of all credits.
    function _gasOf() internal returns (uint256[2] memory gas) {
        bytes32[] memory hashes = new bytes32[](2);
        (hashes[0], hashes[1]) = (Hashes.page(_debits), Hashes.page(_credits));
        bytes[] memory signatures = _settlementSignatures(0, hashes);
        for (uint32 page = 0; page < 2; ++page) {
            uint256[] memory words = page == 0 ? _debits : _credits;
            bytes memory data =
                abi.encodeCall(Settlement.settle, (_settlementTarget(0, page), hashes, words, signatures));
            gas[page] = _transactionGas(address(this), address(settlement), data);
        }
    }
}

/// @notice Everyone owes more than their line, and everyone's guarantor has nothing but what it gives: each word calls two accounts anew.
contract SettlementSettleBeyondLinesTest is SettlementSettleDearestTest {
    function _prepare() internal override {
        for (uint256 i = 0; i < PAGE; ++i) {
            address guarantor = address(uint160(0x3000000 + i));
            _bind(_debtor(i));
            _deposit(guarantor, LINE, bytes32(i + 1));
            vm.prank(address(guarantees));
            accounts.setLine(guarantor, _debtor(i), LINE);
        }
        _words(true);
    }

    function test_settle__everybodyBeyondALineOfTheirOwnGuarantor__fitsABlock() public {
        uint256[2] memory gas = _gasOf();
        assertLe(gas[0], GAS_MAX, "debits");
        assertLe(gas[1], GAS_MAX, "credits, all of which wait");
        _snapshot("settle-256-dearest", "Settlement.settle, 256 accounts beyond the lines of 256 guarantors", gas[0], PAGE);
    }
}

contract SettlementSettleStrangersTest is SettlementSettleDearestTest {
    function _prepare() internal override {
        _words(false);
    }

    function test_settle__nobodyIsBoundToTheArea__fitsABlock() public {
        uint256[2] memory gas = _gasOf();
        assertLe(gas[0], GAS_MAX, "debits");
        assertLe(gas[1], GAS_MAX, "credits");
    }
}
