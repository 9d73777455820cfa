// SPDX-License-Identifier: UNLICENSED
pragma solidity 0.8.37;

import {Clearing} from "../src/Clearing.sol";
import {PlaceProofs, ResultPage} from "../src/interfaces/IClearing.sol";
import {Program} from "../src/interfaces/IMarket.sol";
import {Hashes} from "../src/libraries/Hashes.sol";
import {Time} from "../src/libraries/Time.sol";
import {Books} from "./base/Books.sol";
import {Gas} from "./base/Gas.sol";
import {LedgerTest} from "./base/LedgerTest.sol";
import {Merkle} from "./base/Merkle.sol";
import {Shapes} from "./base/Shapes.sol";
import {vm} from "./base/Vm.sol";

/// @notice What clearing costs: one page of 1,000 orders with all its checks, whatever the orders are like.
abstract contract GasClearTest is LedgerTest, Gas {
    uint256 internal constant ORDERS = 1000;
    uint256 internal constant GAS_PER_ORDER_MAX = 1250;

    /// @dev A day of 96 MTUs is one session: its proofs have 7 steps. The MTU measured is one in the middle of it.
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
        market.openSession(MARKET_ID, gate, period, FIRST_MTU + MTUS, DAY);
        bytes32[] memory books = _dayBooks(words);
        _warp(gate);
        vm.prank(operator);
        market.closeSession(MARKET_ID, gate, Merkle.placesRoot(books));
        bytes32[] memory results = _dayResults(price, words);
        Program memory program = _program(Merkle.placesRoot(results), uint128(7) << AT - 1, 0);
        program.deadline = gate + SIGN;
        bytes32 digest = market.programDigest(MARKET_ID, gate, program);
        market.recordProgram(MARKET_ID, gate, program, _sign(DSO_KEY, digest));
        _data = _clearing(AT, price, words, PlaceProofs(Merkle.placesProof(results, AT), Merkle.placesProof(books, AT)));
        (bool first,) = address(clearing).call(
            _clearing(
                AT - 1, price, words, PlaceProofs(Merkle.placesProof(results, AT - 1), Merkle.placesProof(books, AT - 1))
            )
        );
        assertTrue(first, "the MTU before it");
    }

    function _clearing(uint32 index, int32 price, uint256[] memory words, PlaceProofs memory proofs)
        private
        view
        returns (bytes memory)
    {
        ResultPage memory target = _target(FIRST_MTU + MTUS + index, price, ORDERS, 0);
        return abi.encodeCall(Clearing.clear, (MARKET_ID, target, _pageHashes(words), words, proofs));
    }

    /// @dev The book stands in three MTUs, so that the one measured is neither the first nor the last to clear.
    function _dayBooks(uint256[] memory words) private view returns (bytes32[] memory books) {
        bytes32 chain = _maskedChain(words);
        books = new bytes32[](DAY);
        for (uint32 i = 0; i < DAY; ++i) {
            bool empty = i < AT - 1 || i > AT + 1;
            (bytes32 c, uint32 count) = empty ? (bytes32(0), uint32(0)) : (chain, uint32(ORDERS));
            books[i] = Hashes.book(MARKET_ID, gate, FIRST_MTU + MTUS + i, c, count);
        }
    }

    function _dayResults(int32 price, uint256[] memory words) private view returns (bytes32[] memory results) {
        bytes32 chain = Hashes.chain(_pageHashes(words));
        results = new bytes32[](DAY);
        for (uint32 i = 0; i < DAY; ++i) {
            uint32 mtu = FIRST_MTU + MTUS + i;
            results[i] = i >= AT - 1 && i <= AT + 1
                ? Hashes.result(MARKET_ID, gate, mtu, price, chain, uint32(ORDERS))
                : Hashes.result(MARKET_ID, gate, mtu, Hashes.NO_PRICE, 0, 0);
        }
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
        uint256 gas = _transactionGas(address(this), address(clearing), _data);

        assertLe(gas / ORDERS, GAS_PER_ORDER_MAX, "gas per order");
        (string memory name, string memory what) = _names();
        what = string.concat("Clearing.clear, 1,000 orders, one page, MTU 40 of a session of 96, ", what);
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
                ? Shapes.orderWord(tag, 200_000, 5, NO_CAP, 5, 0)
                : Shapes.orderWord(tag, 100_000, 10, NO_CAP, 5, 1);
        }
    }
}
