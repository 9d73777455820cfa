// SPDX-License-Identifier: UNLICENSED
pragma solidity 0.8.37;

import {ICalendar} from "../../src/interfaces/ICalendar.sol";
import {IMarket, MarketParams} from "../../src/interfaces/IMarket.sol";
import {IRoles} from "../../src/interfaces/IRoles.sol";
import {LedgerTest} from "../base/LedgerTest.sol";
import {vm} from "../base/Vm.sol";

contract MarketCreateMarketTest is LedgerTest {
    function _refused(MarketParams memory params) private {
        vm.expectRevert(IMarket.MarketParamsInvalid.selector);
        vm.prank(registrar);
        market.createMarket("new", params);
    }

    function test_createMarket__notRegistrar__reverts(address sender) public {
        vm.assume(sender != registrar);
        vm.expectPartialRevert(IRoles.RolesMissing.selector);
        vm.prank(sender);
        market.createMarket("new", _params());
    }

    function test_createMarket__paramsInvalid__reverts() public {
        MarketParams memory params = _params();
        params.lotWh = 0;
        _refused(params);
        params = _params();
        params.tickNeurPerWh = 0;
        _refused(params);
        params = _params();
        params.minLimitNeurPerWh = type(int32).min;
        _refused(params);
        params = _params();
        params.minLimitNeurPerWh = params.maxLimitNeurPerWh + 100;
        _refused(params);
        params = _params();
        params.minLimitNeurPerWh += 1;
        _refused(params);
        params = _params();
        params.maxLimitNeurPerWh += 1;
        _refused(params);
        params = _params();
        params.graceSeconds = 0;
        _refused(params);
        params = _params();
        params.signSeconds = params.graceSeconds - 1;
        _refused(params);
        params = _params();
        params.clearSeconds = params.signSeconds - 1;
        _refused(params);
        params = _params();
        params.clearSeconds = type(uint32).max;
        _refused(params);
    }

    function test_createMarket__zeroId__reverts() public {
        vm.expectRevert(IMarket.MarketParamsInvalid.selector);
        vm.prank(registrar);
        market.createMarket(0, _params());
    }

    function test_createMarket__twice__reverts() public {
        vm.expectRevert(abi.encodeWithSelector(IMarket.MarketExists.selector, MARKET_ID));
        vm.prank(registrar);
        market.createMarket(MARKET_ID, _params());
        vm.prank(registrar);
        market.createMarket("another id", _params());
    }

    function test_createMarket__unknownArea__reverts() public {
        MarketParams memory params = _params();
        params.area = "nowhere";
        vm.expectRevert(abi.encodeWithSelector(ICalendar.CalendarAreaUnknown.selector, bytes32("nowhere")));
        vm.prank(registrar);
        market.createMarket("new", params);
    }

    function test_paramsOf__unknown__reverts() public {
        vm.expectRevert(abi.encodeWithSelector(IMarket.MarketUnknown.selector, bytes32("new")));
        market.paramsOf("new");
    }

    function test_createMarket__new__keepsItsRules() public {
        vm.expectEmit();
        emit IMarket.MarketCreated("new", AREA, _params());
        vm.prank(registrar);
        market.createMarket("new", _params());
        assertEq(uint256(market.paramsOf("new").lotWh), 100, "params");
    }
}
