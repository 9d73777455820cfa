// SPDX-License-Identifier: UNLICENSED
pragma solidity 0.8.37;

import {Market} from "../src/Market.sol";
import {Hashes} from "../src/libraries/Hashes.sol";
import {Time} from "../src/libraries/Time.sol";
import {Books} from "./base/Books.sol";
import {Gas} from "./base/Gas.sol";
import {LedgerTest} from "./base/LedgerTest.sol";
import {Merkle} from "./base/Merkle.sol";
import {vm} from "./base/Vm.sol";

/// @notice What clearing costs: one page of 1,000 orders with all its checks, whatever the orders are like.
abstract contract GasClearTest is LedgerTest, Gas {
    uint256 internal constant ORDERS = 1000;
    uint256 internal constant GAS_PER_ORDER_MAX = 1250;

    /// @dev A day of 96 MTUs is one program: the proof has 7 steps. The MTU measured is one in the middle of it.
    uint32 private constant DAY = 96;
    uint32 private constant AT = 40;

    bytes private _data;

    /// @dev The complete words that are cleared, and what they are in the snapshot.
    function _words() internal pure virtual returns (uint256[] memory);

    function _names() internal pure virtual returns (string memory name, string memory what);

    function setUp() public override {
        super.setUp();
        uint256[] memory words = _words();
        int32 price = Books.price(words);
        vm.prank(operator);
        period = calendar.declarePeriod(AREA, FIRST_MTU + MTUS, DAY);
        gate = Time.startOf(FIRST_MTU + MTUS) - CLEAR;
        vm.prank(operator);
        program = market.openProgram(MARKET_ID, period, FIRST_MTU + MTUS, DAY, gate);
        _closeDay(words);
        bytes32[] memory results = _dayResults(price, words);
        bytes32 root = Hashes.merkleRoot(results);
        uint64 deadline = gate + SIGN;
        bytes32 digest = market.programDigest(MARKET_ID, FIRST_MTU + MTUS, DAY, root, "grid", "report", deadline);
        market.recordProgram(MARKET_ID, program, root, "grid", "report", deadline, _sign(DSO_KEY, digest));
        _clearEmpty(results, AT - 1);
        _data = abi.encodeCall(
            Market.clear,
            (
                MARKET_ID,
                _target(FIRST_MTU + MTUS + AT, price, ORDERS, 0),
                _pageHashes(words),
                words,
                Merkle.proof(results, AT)
            )
        );
    }

    function _closeDay(uint256[] memory words) private {
        bytes32[] memory chains = new bytes32[](DAY);
        uint32[] memory counts = new uint32[](DAY);
        (chains[AT], counts[AT]) = (_maskedChain(words), uint32(ORDERS));
        _warp(gate);
        vm.prank(operator);
        market.closeBooks(MARKET_ID, program, chains, counts);
    }

    function _dayResults(int32 price, uint256[] memory words) private pure returns (bytes32[] memory results) {
        uint256[] memory none = new uint256[](0);
        results = new bytes32[](DAY);
        for (uint32 i = 0; i < DAY; ++i) {
            results[i] = i == AT
                ? _resultHash(FIRST_MTU + MTUS + i, price, words)
                : _resultHash(FIRST_MTU + MTUS + i, Hashes.NO_PRICE, none);
        }
    }

    function _clearEmpty(bytes32[] memory results, uint32 index) private {
        market.clear(
            MARKET_ID,
            _target(FIRST_MTU + MTUS + index, Hashes.NO_PRICE, 0, 0),
            new bytes32[](0),
            new uint256[](0),
            Merkle.proof(results, index)
        );
    }

    /// @dev A realistic book in which every `nth` order has a cap of 300 to 399 lots, which binds some.
    function _capped(uint256 nth) internal pure returns (uint256[] memory words) {
        words = Books.realistic(ORDERS, 7);
        for (uint256 k = 0; k < ORDERS; k += nth) {
            words[k] = (words[k] & ~(uint256(NO_CAP) << 48)) | ((300 + k % 100) << 48);
        }
        return Books.solve(words).words;
    }

    function test_clear__1000Orders__withinItsLimit() public {
        uint256 gas = _transactionGas(address(this), address(market), _data);

        assertLe(gas / ORDERS, GAS_PER_ORDER_MAX, "gas per order");
        (string memory name, string memory what) = _names();
        what = string.concat("Market.clear, 1,000 orders, one page, MTU 40 of a program of 96, ", what);
        _snapshot(name, what, gas, ORDERS);
    }
}

contract GasClearNoCapsTest is GasClearTest {
    function _names() internal pure override returns (string memory, string memory) {
        return ("clear-1000", "no caps");
    }

    function _words() internal pure override returns (uint256[] memory) {
        return Books.solve(Books.realistic(ORDERS, 7)).words;
    }
}

contract GasClearHalfCappedTest is GasClearTest {
    function _names() internal pure override returns (string memory, string memory) {
        return ("clear-1000-half-capped", "every second order capped");
    }

    function _words() internal pure override returns (uint256[] memory) {
        return _capped(2);
    }
}

contract GasClearCappedTest is GasClearTest {
    function _names() internal pure override returns (string memory, string memory) {
        return ("clear-1000-capped", "all orders capped");
    }

    function _words() internal pure override returns (uint256[] memory) {
        return _capped(1);
    }
}

/// @notice Caps that bind nearly every order, each smaller than its quantity.
contract GasClearBoundTest is GasClearTest {
    function _names() internal pure override returns (string memory, string memory) {
        return ("clear-1000-bound", "nearly all orders bound by a cap");
    }

    function _words() internal pure override returns (uint256[] memory words) {
        words = Books.realistic(ORDERS, 7);
        for (uint256 k = 0; k < ORDERS; ++k) {
            words[k] = (words[k] & ~(uint256(NO_CAP) << 48)) | ((1 + k % 99) << 48);
        }
        return Books.solve(words).words;
    }
}

contract GasClearTiesTest is GasClearTest {
    function _names() internal pure override returns (string memory, string memory) {
        return ("clear-1000-ties", "two limits, 500 asks filled half");
    }

    function _words() internal pure override returns (uint256[] memory words) {
        words = Books.realistic(ORDERS, 7);
        for (uint256 k = 0; k < ORDERS; ++k) {
            bytes16 tag = bytes16(uint128(words[k] >> 128));
            words[k] = k % 2 == 0
                ? Hashes.orderWord(tag, 200_000, 5, NO_CAP, 5, 0)
                : Hashes.orderWord(tag, 100_000, 10, NO_CAP, 5, 1);
        }
    }
}
