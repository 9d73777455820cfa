// SPDX-License-Identifier: MIT
pragma solidity ^0.8.24;

import {Market} from "../src/Market.sol";
import {Hashes} from "../src/libraries/Hashes.sol";
import {Time} from "../src/libraries/Time.sol";
import {Books} from "./base/Books.sol";
import {Gas} from "./base/Gas.sol";
import {LedgerTest} from "./base/LedgerTest.sol";
import {Merkle} from "./base/Merkle.sol";
import {vm} from "./base/Vm.sol";

/// @notice What clearing costs: one page of 1,000 orders with all its checks.
contract GasClearTest is LedgerTest, Gas {
    uint256 private constant ORDERS = 1000;
    uint256 private constant GAS_PER_ORDER_MAX = 800;

    /// @dev A day of 96 MTUs is one program: the proof has 7 steps. The MTU measured is one in the middle of it.
    uint32 private constant DAY = 96;
    uint32 private constant AT = 40;

    Books.Solved private _solved;
    bytes private _data;

    function setUp() public override {
        super.setUp();
        _solved = Books.solve(Books.realistic(ORDERS, 7));
        vm.prank(operator);
        period = calendar.declarePeriod(AREA, FIRST_MTU + MTUS, DAY);
        gate = Time.startOf(FIRST_MTU + MTUS) - CLEAR;
        vm.prank(operator);
        program = market.openProgram(MARKET_ID, period, FIRST_MTU + MTUS, DAY, gate);
        _closeDay();
        bytes32[] memory results = _dayResults();
        bytes32 root = Hashes.merkleRoot(results);
        uint64 deadline = gate + SIGN;
        bytes32 digest = market.programDigest(MARKET_ID, FIRST_MTU + MTUS, DAY, root, "grid", "report", deadline);
        market.recordProgram(MARKET_ID, program, root, "grid", "report", deadline, _sign(DSO_KEY, digest));
        _clearEmpty(results, AT - 1);
        _data = abi.encodeCall(
            Market.clear,
            (
                MARKET_ID,
                _target(FIRST_MTU + MTUS + AT, _solved.price, ORDERS, 0),
                _pageHashes(_solved.words),
                _solved.words,
                Merkle.proof(results, AT)
            )
        );
    }

    function _closeDay() private {
        bytes32[] memory chains = new bytes32[](DAY);
        uint32[] memory counts = new uint32[](DAY);
        (chains[AT], counts[AT]) = (_maskedChain(_solved.words), uint32(ORDERS));
        _warp(gate);
        vm.prank(operator);
        market.closeBooks(MARKET_ID, program, chains, counts);
    }

    function _dayResults() private view returns (bytes32[] memory results) {
        uint256[] memory none = new uint256[](0);
        results = new bytes32[](DAY);
        for (uint32 i = 0; i < DAY; ++i) {
            results[i] = i == AT
                ? _resultHash(FIRST_MTU + MTUS + i, _solved.price, _solved.words)
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

    function test_clear__1000Orders__atMost800GasEach() public {
        uint256 gas = _transactionGas(address(this), address(market), _data);

        assertLe(gas / ORDERS, GAS_PER_ORDER_MAX, "gas per order");
        _snapshot("clear-1000", "Market.clear, 1,000 orders, one page, MTU 40 of a program of 96", gas, ORDERS);
    }
}
