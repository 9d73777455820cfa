// SPDX-License-Identifier: UNLICENSED
pragma solidity 0.8.37;

import {Calendar} from "../../src/Calendar.sol";
import {AreaParams} from "../../src/interfaces/ICalendar.sol";
import {PlaceProofs} from "../../src/interfaces/IClearing.sol";
import {IMarket, MarketParams, Program} from "../../src/interfaces/IMarket.sol";
import {Hashes} from "../../src/libraries/Hashes.sol";
import {Time} from "../../src/libraries/Time.sol";
import {LedgerTest} from "../base/LedgerTest.sol";
import {Merkle} from "../base/Merkle.sol";
import {staying} from "../base/Staying.sol";
import {vm} from "../base/Vm.sol";

/// @notice The books that the auction is held to, with caps, ties and extremes: the contract clears each with its one result.
contract GoldenBooksTest is LedgerTest {
    string private constant FILE = "../tests/golden/books/books.json";

    string private _json;
    bytes32 private _market;
    uint32 private _first;
    uint256[][] private _golden;
    int32[] private _prices;
    bytes32[] private _signed;
    bytes32[] private _committed;

    function setUp() public override {
        super.setUp();
        _json = vm.readFile(FILE);
        _market = vm.parseJsonBytes32(_json, ".market");
        _first = uint32(vm.parseJsonUint(_json, ".books[0].mtu"));
        for (uint256 n = 0; vm.keyExistsJson(_json, _at(n, "")); ++n) {
            bytes32[] memory words = vm.parseJsonBytes32Array(_json, _at(n, ".words"));
            _golden.push();
            for (uint256 i = 0; i < words.length; ++i) {
                _golden[n].push(uint256(words[i]));
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
        calendar = new Calendar(roles, staying(), Time.startOf(_first) - 1 days, BLOCK_T0, 1);
        _deployMarket();
        MarketParams memory params = _params();
        (params.tickNeurPerWh, params.minLimitNeurPerWh) = (1, type(int32).min + 1);
        params.maxLimitNeurPerWh = type(int32).max;
        vm.startPrank(registrar);
        calendar.createArea(AREA, AreaParams({attestSeconds: ATTEST, horizonSeconds: HORIZON}));
        market.createMarket(_market, params);
        vm.stopPrank();
        uint32 count = uint32(_golden.length);
        gate = uint64(vm.parseJsonUint(_json, ".session"));
        uint128 tradedMask = 0;
        for (uint256 n = 0; n < count; ++n) {
            _committed.push(vm.parseJsonBytes32(_json, _at(n, ".book_hash")));
            if (_prices[n] != Hashes.NO_PRICE) tradedMask |= uint128(1 << n);
        }
        vm.startPrank(operator);
        period = calendar.declarePeriod(AREA, _first, count);
        market.openSession(_market, gate, period, _first, count);
        vm.warp(BLOCK_T0 + 1 days - (Time.startOf(_first) - gate));
        market.closeSession(_market, gate, Merkle.placesRoot(_committed));
        vm.stopPrank();
        Program memory program =
            Program(Merkle.placesRoot(_signed), tradedMask, 0, "grid", "report", gate + SIGN);
        bytes32 digest = market.programDigest(_market, gate, program);
        market.recordProgram(_market, gate, program, _sign(DSO_KEY, digest));
    }

    function test_clear__eachGoldenBook__clearsWithItsResult() public {
        for (uint256 n = 0; n < _golden.length; ++n) {
            if (_prices[n] == Hashes.NO_PRICE) continue;
            string memory name = vm.parseJsonString(_json, _at(n, ".name"));
            uint64 lots = uint64(vm.parseJsonUint(_json, _at(n, ".traded_lots")));
            vm.expectEmit();
            emit IMarket.MtuCleared(_market, gate, _first + uint32(n), _prices[n], lots, _signed[n]);
            clearing.clear(
                _market,
                _target(_first + uint32(n), _prices[n], _golden[n].length, 0),
                _pageHashes(_golden[n]),
                _golden[n],
                PlaceProofs(Merkle.placesProof(_signed, n), Merkle.placesProof(_committed, n))
            );
            assertTrue(market.sessionOf(_market, gate).clearedMask >> n & 1 == 1, name);
        }
        assertTrue(_golden.length >= 50, "all of them");
    }
}
