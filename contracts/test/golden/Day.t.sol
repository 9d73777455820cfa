// SPDX-License-Identifier: UNLICENSED
pragma solidity 0.8.37;

import {Calendar} from "../../src/Calendar.sol";
import {AreaParams} from "../../src/interfaces/ICalendar.sol";
import {PlaceProofs} from "../../src/interfaces/IClearing.sol";
import {IMarket, MarketParams, Program} from "../../src/interfaces/IMarket.sol";
import {Time} from "../../src/libraries/Time.sol";
import {LedgerTest} from "../base/LedgerTest.sol";
import {Merkle} from "../base/Merkle.sol";
import {staying} from "../base/Staying.sol";
import {vm} from "../base/Vm.sol";

/// @notice The sessions of the golden day: the contracts close, record and clear each of them, to the day's own clearing roots.
contract GoldenDayTest is LedgerTest {
    string private constant FOLDER = "../tests/golden/day/";

    string private _inputsJson;
    string private _booksJson;
    string private _programsJson;
    bytes32 private _market;
    uint32 private _first;

    function setUp() public override {
        super.setUp();
        _inputsJson = vm.readFile(string.concat(FOLDER, "inputs.json"));
        _booksJson = vm.readFile(string.concat(FOLDER, "3_books.json"));
        _programsJson = vm.readFile(string.concat(FOLDER, "4_programs.json"));
        _market = vm.parseJsonBytes32(vm.readFile(string.concat(FOLDER, "1_terms.json")), ".market_id");
        _first = uint32(vm.parseJsonUint(_inputsJson, ".period.first_mtu"));
        _openSessions();
    }

    /// @dev The day's market, two days before its first MTU, with all sessions open.
    function _openSessions() private {
        calendar = new Calendar(roles, staying(), Time.startOf(_first) - 2 days, BLOCK_T0, 1);
        _deployMarket();
        MarketParams memory params = _params();
        params.lotWh = uint24(vm.parseJsonUint(_inputsJson, ".market.lot_wh"));
        params.tickNeurPerWh = uint24(vm.parseJsonUint(_inputsJson, ".market.tick_neur_per_wh"));
        params.minLimitNeurPerWh = int32(vm.parseJsonInt(_inputsJson, ".market.min_limit_neur_per_wh"));
        params.maxLimitNeurPerWh = int32(vm.parseJsonInt(_inputsJson, ".market.max_limit_neur_per_wh"));
        vm.startPrank(registrar);
        calendar.createArea(AREA, AreaParams({attestSeconds: ATTEST, horizonSeconds: HORIZON}));
        market.createMarket(_market, params);
        vm.stopPrank();
        vm.startPrank(operator);
        period = calendar.declarePeriod(AREA, _first, uint32(vm.parseJsonUint(_inputsJson, ".period.count")));
        for (uint256 n = 0; vm.keyExistsJson(_programsJson, _at(n, "")); ++n) {
            market.openSession(_market, _gateOf(n), period, _first, uint32(_countOf(n)));
        }
        vm.stopPrank();
    }

    /* READING */

    function _at(uint256 n, string memory field) private pure returns (string memory) {
        return string.concat("$[", vm.toString(n), "]", field);
    }

    function _in(uint256 n, string memory list, uint256 i, string memory field) private pure returns (string memory) {
        return string.concat(_at(n, list), "[", vm.toString(i), "]", field);
    }

    function _gateOf(uint256 n) private view returns (uint64) {
        return uint64(vm.parseJsonUint(_programsJson, _at(n, ".session")));
    }

    function _countOf(uint256 n) private view returns (uint256 count) {
        while (vm.keyExistsJson(_programsJson, _in(n, ".mtus", count, ""))) {
            ++count;
        }
    }

    function _hashes(string memory json, uint256 n, string memory list, string memory field)
        private
        view
        returns (bytes32[] memory found)
    {
        found = new bytes32[](_countOf(n));
        for (uint256 i = 0; i < found.length; ++i) {
            found[i] = vm.parseJsonBytes32(json, _in(n, list, i, field));
        }
    }

    function _hash(uint256 n, string memory field) private view returns (bytes32) {
        return vm.parseJsonBytes32(_programsJson, _at(n, field));
    }

    function _mask(uint256 n, string memory field) private view returns (uint128) {
        return uint128(bytes16(vm.parseJsonBytes(_programsJson, _at(n, field))));
    }

    /* THE DAY */

    function test_sessions__ofTheGoldenDay__endWithItsClearingRoots() public {
        for (uint256 n = 0; vm.keyExistsJson(_programsJson, _at(n, "")); ++n) {
            gate = _gateOf(n);
            bytes32[] memory committed = _hashes(_booksJson, n, ".books", ".book_hash");
            vm.warp(BLOCK_T0 + 2 days - (Time.startOf(_first) - gate));
            vm.prank(operator);
            market.closeSession(_market, gate, vm.parseJsonBytes32(_booksJson, _at(n, ".books_root")));
            uint128 traded = _recordSigned(n);
            bytes32[] memory signed = _hashes(_programsJson, n, ".mtus", ".result_hash");
            for (uint256 i = 0; i < signed.length; ++i) {
                if (traded >> i == 1) {
                    vm.expectEmit();
                    emit IMarket.SessionDone(_market, gate, traded, _hash(n, ".clearing_root"));
                }
                if (traded >> i & 1 == 1) _clearOne(n, i, signed, committed);
            }
            assertEq(uint256(market.sessionOf(_market, gate).clearedMask), traded, "all that trades");
        }
        assertTrue(vm.keyExistsJson(_programsJson, _at(1, "")), "several sessions");
    }

    function _recordSigned(uint256 n) private returns (uint128 traded) {
        traded = _mask(n, ".traded_mask");
        Program memory program = Program(
            _hash(n, ".results_root"),
            traded,
            _mask(n, ".emptied_mask"),
            _hash(n, ".report.grid_model_hash"),
            _hash(n, ".report_hash"),
            gate + SIGN
        );
        market.recordProgram(_market, gate, program, _sign(DSO_KEY, market.programDigest(_market, gate, program)));
    }

    function _clearOne(uint256 n, uint256 i, bytes32[] memory signed, bytes32[] memory committed) private {
        bytes32[] memory told = vm.parseJsonBytes32Array(_programsJson, _in(n, ".mtus", i, ".words"));
        uint256[] memory words = new uint256[](told.length);
        for (uint256 k = 0; k < told.length; ++k) {
            words[k] = uint256(told[k]);
        }
        int32 price = int32(vm.parseJsonInt(_programsJson, _in(n, ".mtus", i, ".price_neur_per_wh")));
        clearing.clear(
            _market,
            _target(_first + uint32(i), price, words.length, 0),
            _pageHashes(words),
            words,
            PlaceProofs(Merkle.placesProof(signed, i), Merkle.placesProof(committed, i))
        );
    }
}
