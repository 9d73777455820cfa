// SPDX-License-Identifier: UNLICENSED
pragma solidity 0.8.37;

import {Assert} from "./Assert.sol";
import {vm} from "./Vm.sol";

/// @notice Measures what a transaction costs, its 21,000 and its calldata included, and keeps the figures in snapshots/.
abstract contract Gas is Assert {
    /// @dev A figure may differ from the snapshot by this many per mille before the test fails.
    uint256 private constant TOLERANCE_PER_MILLE = 5;

    /// @notice Gas of a whole transaction (London: 16 per non-zero byte of calldata, 4 per zero byte). Storage refunds are not counted.
    function _transactionGas(address from, address to, bytes memory data) internal returns (uint256 used) {
        used = 21_000;
        for (uint256 i = 0; i < data.length; ++i) {
            used += data[i] == 0 ? 4 : 16;
        }
        // Touches the target, which is warm in a transaction of its own.
        assertEq(to.balance, 0, "contracts hold no ether");
        vm.prank(from);
        // In assembly, because the compiler would copy the calldata first and its memory would count.
        assembly ("memory-safe") {
            let before := gas()
            let ok := call(gas(), to, 0, add(data, 0x20), mload(data), 0, 0)
            used := add(used, sub(before, gas()))
            if iszero(ok) {
                let answer := mload(0x40)
                returndatacopy(answer, 0, returndatasize())
                revert(answer, returndatasize())
            }
        }
    }

    /// @notice Holds a figure against snapshots/<name>.json; SNAPSHOT_UPDATE=true writes it instead.
    function _snapshot(string memory name, string memory what, uint256 gas, uint256 per) internal {
        string memory path = string.concat("snapshots/", name, ".json");
        if (vm.envOr("SNAPSHOT_UPDATE", false)) {
            vm.writeFile(
                path,
                string.concat(
                    '{"what": "', what, '", "gas": ', vm.toString(gas), ', "gas_each": ', vm.toString(gas / per), "}\n"
                )
            );
            return;
        }
        uint256 kept = vm.parseJsonUint(vm.readFile(path), ".gas");
        uint256 slack = kept * TOLERANCE_PER_MILLE / 1000;
        assertLe(gas, kept + slack, string.concat(name, ": dearer than its snapshot"));
        assertLe(kept, gas + slack, string.concat(name, ": cheaper than its snapshot, update it"));
    }
}
