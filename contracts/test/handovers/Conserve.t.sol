// SPDX-License-Identifier: UNLICENSED
pragma solidity 0.8.37;

import {Accounts} from "../../src/Accounts.sol";
import {HandoverTest} from "../base/HandoverTest.sol";
import {vm} from "../base/Vm.sol";

/// @notice Whatever accounts hold, owe and give: taking them over in any order, and some of them never, changes neither Σ of both supplies
/// nor Σ of what is free, backs each line and debt by what stands behind it, and leaves everybody able to redeem.
contract HandoversConserveTest is HandoverTest {
    uint256 private constant COUNT = 5;

    /// @dev Two guarantors, and three that may have one of them, or themselves, as guarantor.
    uint256[5] private _keys = [uint256(0xD1), 0xD2, 0xD3, 0xD4, 0xD5];

    function _who(uint256 i) private view returns (address) {
        return vm.addr(_keys[i]);
    }

    function _draw(uint256 seed, uint256 i, uint256 most) private pure returns (uint256) {
        return uint256(keccak256(abi.encode(seed, i))) % (most + 1);
    }

    /// @dev Deposits, lines from what is free, and redemptions asked for.
    function _endow(uint256 seed) private {
        for (uint256 i = 0; i < COUNT; ++i) {
            _deposit(_who(i), uint96(500 + _draw(seed, i, 1_000)), bytes32(i + 1));
        }
        for (uint256 i = 2; i < COUNT; ++i) {
            uint256 by = _draw(seed, 10 + i, 3);
            if (by < 2) _line(_keys[by], _keys[i], uint64(1 + _draw(seed, 20 + i, 150)), 1);
            if (by == 2) _line(_keys[i], _keys[i], uint64(1 + _draw(seed, 20 + i, 400)), 1);
        }
        for (uint256 i = 0; i < COUNT; ++i) {
            if (_draw(seed, 30 + i, 2) == 0) _request(_keys[i], uint96(1 + _draw(seed, 40 + i, 50)), bytes32(i + 1));
        }
    }

    /// @dev One of them pays another, up to far more than it has.
    function _trade(uint256 seed) private view returns (uint256[] memory) {
        uint256 payer = 2 + _draw(seed, 50, 2);
        uint256 payee = (payer + 1 + _draw(seed, 51, 3)) % COUNT;
        return _payment(_who(payer), _who(payee), int96(int256(1 + _draw(seed, 52, 2_000))));
    }

    function _sum(Accounts of_) private view returns (int256 sum) {
        for (uint256 i = 0; i < COUNT; ++i) {
            sum += of_.balanceOf(_who(i)) + of_.balanceOf(of_.suspenseOf(_who(i), AREA));
        }
    }

    function _checkBoth(uint256 supply) private view {
        assertEq(accounts.supply() + nextAccounts.supply(), supply, "both supplies");
        assertEq(_sum(accounts), int256(accounts.supply()), "balances here");
        assertEq(_sum(nextAccounts), int256(nextAccounts.supply()), "balances there");
        (int256 uncovered, int256 waiting) = nextAccounts.uncoveredOf(AREA);
        assertEq(uncovered, 0, "nothing uncovered enters");
        assertEq(waiting, 0, "and nothing waits there");
        (uncovered, waiting) = accounts.uncoveredOf(AREA);
        assertGe(waiting, uncovered, "what waits here covers what is uncovered");
    }

    function testFuzz_takeOver__anyOrder__conservesAndBacks(uint256 seed) public {
        _endow(seed);
        _end(_trade(seed));
        uint256 supply = accounts.supply();
        for (uint256 step = 0; step < 3 * COUNT; ++step) {
            address account = _who(_draw(seed, 60 + step, COUNT - 1));
            int256 free = _freeOf(account);
            (, int256 line) = _standsBehind(account);
            (bool moved,) = address(next).call(abi.encodeWithSelector(next.takeOver.selector, account));
            if (!moved) continue;
            _checkBoth(supply);
            (address guarantor, int256 after_) = _standsBehind(account);
            bool anothers = guarantor != account && guarantor != address(0);
            if (anothers) assertEq(after_, line, "the same line, once");
            assertGe(_freeOf(account), free, "as much free in both");
            if (guarantor != address(0)) assertGe(nextAccounts.redeemableOf(guarantor), int256(0), "backed there");
        }
        _everybodyRedeems();
    }

    /// @dev Own lines that are used up end where they leave.
    function _freeOf(address account) private view returns (int256) {
        return accounts.freeBalanceOf(account) + nextAccounts.freeBalanceOf(account);
    }

    function _standsBehind(address account) private view returns (address guarantor, int256 line) {
        guarantor = nextAccounts.guarantorOf(account);
        if (guarantor == address(0)) guarantor = accounts.guarantorOf(account);
        line = int256(uint256(accounts.lineOf(account))) + int256(uint256(nextAccounts.lineOf(account)));
    }

    /// @dev Nobody is stranded: what is free here is paid here, whoever has left.
    function _everybodyRedeems() private {
        for (uint256 i = 0; i < COUNT; ++i) {
            int256 free = accounts.freeBalanceOf(_who(i));
            if (free > 0) _request(_keys[i], uint96(uint256(free)), bytes32(100 + i));
        }
        vm.warp(block.timestamp + CHALLENGE);
        for (uint256 i = 0; i < COUNT; ++i) {
            if (redemptions.redemptionOf(_who(i), bytes32(100 + i)).amountNeur == 0) continue;
            redemptions.completeRedemption(_who(i), bytes32(100 + i));
        }
    }
}
