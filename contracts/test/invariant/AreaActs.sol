// SPDX-License-Identifier: UNLICENSED
pragma solidity 0.8.37;

import {AreaParams, ICalendar} from "../../src/interfaces/ICalendar.sol";
import {IReadings} from "../../src/interfaces/IReadings.sol";
import {IRoles, Role} from "../../src/interfaces/IRoles.sol";
import {IAccounts} from "../../src/interfaces/IAccounts.sol";
import {ISettlement, SettlementPage} from "../../src/interfaces/ISettlement.sol";
import {Hashes} from "../../src/libraries/Hashes.sol";
import {Time} from "../../src/libraries/Time.sol";
import {vm} from "../base/Vm.sol";
import {Reach} from "./Handler.sol";
import {SettlementActs} from "./SettlementActs.sol";

/// @notice Another area, whose attesters would move the money of this one's accounts; and accounts that are bound to an area.
abstract contract AreaActs is SettlementActs {
    uint32 private _otherPeriods = 1;
    bool private _otherRead;
    bool private _otherSettled;
    uint256 private _strangers;

    function setUp() public virtual override {
        if (address(roles) != address(0)) return;
        super.setUp();
        vm.startPrank(registrar);
        calendar.createArea(OTHER_AREA, AreaParams({attestSeconds: ATTEST_WINDOW, horizonSeconds: CORRECTION_WINDOW}));
        for (uint256 holder = 0; holder < HOLDERS; ++holder) {
            accounts.bindAccount(_account(holder), AREA);
        }
        vm.stopPrank();
        vm.prank(operator);
        calendar.declarePeriod(OTHER_AREA, FIRST_MTU, 1);
    }

    /// @dev The other area's next period: its operator at any time, anyone once it has ended.
    function declareElsewhere(uint256 seed) external {
        address by = _anyKey(seed);
        uint32 first = FIRST_MTU + _otherPeriods;
        bytes4 expected = 0;
        if (_now() < Time.startOf(first + 1) && held[by].role != Role.Operator) {
            expected = IRoles.RolesMissing.selector;
        } else if (Time.startOf(first) > _now() + 35 days) {
            expected = ICalendar.CalendarPeriodFar.selector;
        }
        bytes memory data = abi.encodeCall(ICalendar.declarePeriod, (OTHER_AREA, first, 1));
        if (_act(by, address(calendar), data, expected, "declarePeriod")) ++_otherPeriods;
    }

    function bindAccount(uint256 seed) external {
        bool bound = seed % 2 == 0;
        address account = bound ? _account(_mix(seed, 1) % HOLDERS) : address(uint160(0xFEE0000 + ++_strangers));
        address by = seed % 4 < 2 ? _holder(Role.Registrar, seed) : _anyKey(_mix(seed, 2));
        bytes4 expected = bound ? IAccounts.AccountsAreaWrong.selector : bytes4(0);
        if (held[by].role != Role.Registrar) expected = IRoles.RolesMissing.selector;
        bytes memory data = abi.encodeCall(IAccounts.bindAccount, (account, seed % 8 < 4 ? AREA : OTHER_AREA));
        _act(by, address(accounts), data, expected, "bindAccount");
    }

    /// @dev The other area's attesters sign rightly, once, and what they book waits in suspense: nothing of this area moves.
    function settleElsewhere(uint256 seed) external {
        uint64 ended = Time.startOf(FIRST_MTU + 1);
        if (!_otherRead && _now() > ended + ATTEST_WINDOW && seed % 4 != 0) {
            bytes memory mark = abi.encodeCall(IReadings.markUnread, (OTHER_AREA, 1, FIRST_MTU, 1));
            _otherRead = _act(address(this), address(readings), mark, 0, "markUnread elsewhere");
        }
        bytes4 expected = 0;
        if (_otherSettled) expected = ISettlement.SettlementRevisionWrong.selector;
        else if (_now() < ended) expected = ISettlement.SettlementTooEarly.selector;
        else if (!_otherRead) expected = ISettlement.SettlementUnread.selector;
        address account = _account(seed % HOLDERS);
        address stranger = address(uint160(0xFEE0000 + ++_strangers));
        bytes memory data = _elsewhereCall(stranger, account);
        if (!_act(address(this), address(settlement), data, expected, "settle elsewhere")) return;
        _otherSettled = true;
        ++reached[Reach.ForeignSuspended];
    }

    function _elsewhereCall(address stranger, address account) private view returns (bytes memory) {
        uint256[] memory words = _payment(stranger, account, -1e9);
        bytes32[] memory hashes = new bytes32[](1);
        hashes[0] = Hashes.page(words);
        Hashes.SignedSettlement memory signed = Hashes.SignedSettlement(
            OTHER_AREA, 1, 0, Hashes.chain(hashes), 0, readings.readingsRoot(OTHER_AREA, 1), "statements", "tariffs"
        );
        bytes32 digest = _digest(settlement.domainSeparator(), Hashes.settlement(signed));
        (uint256 a, uint256 b) = (OTHER_KEY, SECOND_OTHER_KEY);
        if (vm.addr(b) < vm.addr(a)) (a, b) = (b, a);
        bytes[] memory signatures = new bytes[](2);
        (signatures[0], signatures[1]) = (_sign(a, digest), _sign(b, digest));
        SettlementPage memory target = SettlementPage(OTHER_AREA, 1, 0, 0, "statements", "tariffs");
        return abi.encodeCall(ISettlement.settle, (target, hashes, words, signatures));
    }
}
