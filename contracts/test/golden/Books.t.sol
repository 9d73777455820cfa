// SPDX-License-Identifier: UNLICENSED
pragma solidity 0.8.37;

import {Calendar} from "../../src/Calendar.sol";
import {Market} from "../../src/Market.sol";
import {AreaParams} from "../../src/interfaces/ICalendar.sol";
import {MarketParams, MtuState, Result} from "../../src/interfaces/IMarket.sol";
import {Hashes} from "../../src/libraries/Hashes.sol";
import {Time} from "../../src/libraries/Time.sol";
import {LedgerTest} from "../base/LedgerTest.sol";
import {Merkle} from "../base/Merkle.sol";
import {vm} from "../base/Vm.sol";

/// @notice The books that the auction is held to, with caps, ties and extremes: the contract clears each with its one result.
contract GoldenBooksTest is LedgerTest {
    string private constant FILE = "../tests/golden/books/books.json";

    string private _json;
    bytes32 private _market;
    uint32 private _first;
    uint256[][] private _books;
    int32[] private _prices;
    bytes32[] private _signed;

    function setUp() public override {
        super.setUp();
        _json = vm.readFile(FILE);
        _market = vm.parseJsonBytes32(_json, ".market");
        _first = uint32(vm.parseJsonUint(_json, ".books[0].mtu"));
        for (uint256 n = 0; vm.keyExistsJson(_json, _at(n, "")); ++n) {
            bytes32[] memory words = vm.parseJsonBytes32Array(_json, _at(n, ".words"));
            _books.push();
            for (uint256 i = 0; i < words.length; ++i) {
                _books[n].push(uint256(words[i]));
            }
            bool traded = vm.parseJsonUint(_json, _at(n, ".traded_lots")) != 0;
            _prices.push(traded ? int32(vm.parseJsonInt(_json, _at(n, ".price_neur_per_wh"))) : Hashes.NO_PRICE);
            _signed.push(vm.parseJsonBytes32(_json, _at(n, ".result_hash")));
            assertEq(uint256(vm.parseJsonUint(_json, _at(n, ".mtu"))), _first + n, "one MTU after the other");
        }
        _openMarket();
    }

    function _at(uint256 n, string memory field) private pure returns (string memory) {
        return string.concat(".books[", vm.toString(n), "]", field);
    }

    /// @dev A market with the widest band there is, one day before the first MTU, and the books closed and signed.
    function _openMarket() private {
        calendar = new Calendar(roles, Time.startOf(_first) - 1 days, BLOCK_T0, 1);
        market = new Market(roles, calendar);
        MarketParams memory params = _params();
        (params.tickNeurPerWh, params.minLimitNeurPerWh) = (1, type(int32).min + 1);
        params.maxLimitNeurPerWh = type(int32).max;
        vm.startPrank(registrar);
        calendar.createArea(AREA, AreaParams({attestSeconds: ATTEST, horizonSeconds: HORIZON}));
        market.createMarket(_market, params);
        vm.stopPrank();
        uint32 count = uint32(_books.length);
        gate = Time.startOf(_first) - CLEAR;
        bytes32[] memory chains = new bytes32[](count);
        uint32[] memory counts = new uint32[](count);
        for (uint256 n = 0; n < count; ++n) {
            (chains[n], counts[n]) = (_maskedChain(_books[n]), uint32(_books[n].length));
        }
        vm.startPrank(operator);
        period = calendar.declarePeriod(AREA, _first, count);
        program = market.openProgram(_market, period, _first, count, gate);
        vm.warp(BLOCK_T0 + 1 days - CLEAR);
        market.closeBooks(_market, program, chains, counts);
        vm.stopPrank();
        bytes32 root = Hashes.merkleRoot(_signed);
        bytes32 digest = market.programDigest(_market, _first, count, root, "grid", "report", gate + SIGN);
        market.recordProgram(_market, program, root, "grid", "report", gate + SIGN, _sign(DSO_KEY, digest));
    }

    function test_clear__eachGoldenBook__clearsWithItsResult() public {
        for (uint256 n = 0; n < _books.length; ++n) {
            string memory name = vm.parseJsonString(_json, _at(n, ".name"));
            uint32 mtu = _first + uint32(n);
            assertEq(market.bookHashOf(_market, mtu), vm.parseJsonBytes32(_json, _at(n, ".book_hash")), name);

            market.clear(
                _market,
                _target(mtu, _prices[n], _books[n].length, 0),
                _pageHashes(_books[n]),
                _books[n],
                Merkle.proof(_signed, n)
            );

            Result memory result = market.resultOf(_market, mtu);
            assertTrue(market.stateOf(_market, mtu) == MtuState.Cleared, name);
            assertEq(result.resultHash, _signed[n], name);
            assertEq(uint256(result.tradedLots), vm.parseJsonUint(_json, _at(n, ".traded_lots")), name);
        }
        assertTrue(_books.length >= 50, "all of them");
    }
}
