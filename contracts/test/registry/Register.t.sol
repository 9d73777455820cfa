// SPDX-License-Identifier: UNLICENSED
pragma solidity 0.8.37;

import {IRegistry} from "../../src/interfaces/IRegistry.sol";
import {IRoles} from "../../src/interfaces/IRoles.sol";
import {LedgerTest} from "../base/LedgerTest.sol";
import {vm} from "../base/Vm.sol";

contract RegistryRegisterTest is LedgerTest {
    function test_register__notRegistrar__reverts(address sender) public {
        vm.assume(sender != registrar);
        vm.expectPartialRevert(IRoles.RolesMissing.selector);
        vm.prank(sender);
        registry.register("Market", address(market), address(market).codehash);
    }

    function test_register__nameOutOfBounds__reverts() public {
        vm.startPrank(registrar);
        vm.expectRevert(IRegistry.RegistryNameInvalid.selector);
        registry.register("", address(market), address(market).codehash);
        vm.expectRevert(IRegistry.RegistryNameInvalid.selector);
        registry.register(string(new bytes(65)), address(market), address(market).codehash);
        vm.stopPrank();
    }

    function test_register__otherCode__reverts(bytes32 codeHash) public {
        bytes32 found = address(market).codehash;
        vm.assume(codeHash != found);
        vm.expectRevert(abi.encodeWithSelector(IRegistry.RegistryCodeWrong.selector, address(market), codeHash, found));
        vm.prank(registrar);
        registry.register("Market", address(market), codeHash);
    }

    function test_register__noCode__reverts() public {
        address empty = address(0xe);
        vm.expectPartialRevert(IRegistry.RegistryCodeWrong.selector);
        vm.prank(registrar);
        registry.register("Market", empty, 0);
    }

    function test_register__newestAgain__reverts() public {
        vm.startPrank(registrar);
        registry.register("Market", address(market), address(market).codehash);
        vm.expectRevert(abi.encodeWithSelector(IRegistry.RegistryListed.selector, address(market)));
        registry.register("Market", address(market), address(market).codehash);
        vm.stopPrank();
    }

    function test_register__wrongEntry__correctedByTheNext() public {
        vm.startPrank(registrar);
        registry.register("Market", address(market), address(market).codehash);
        registry.register("Market", address(readings), address(readings).codehash);
        registry.register("Market", address(market), address(market).codehash);
        registry.register("Readings", address(readings), address(readings).codehash);
        vm.stopPrank();
        assertEq(registry.latestOf("Market").location, address(market), "right again");
        assertEq(uint256(registry.latestOf("Market").version), 3, "nothing is removed");
        assertEq(registry.latestOf("Readings").location, address(readings), "under its own name");
    }

    function test_entries__unknown__reverts() public {
        vm.expectRevert(IRegistry.RegistryUnknown.selector);
        registry.entryAt(0);
        vm.expectRevert(IRegistry.RegistryUnknown.selector);
        registry.latestOf("Market");
        vm.expectRevert(IRegistry.RegistryUnknown.selector);
        registry.entryOf("Market", 1);
    }

    function test_register__newVersion__keepsBoth() public {
        vm.startPrank(registrar);
        registry.register("Market", address(market), address(market).codehash);
        vm.expectEmit();
        emit IRegistry.ContractRegistered("Market", 2, address(readings), address(readings).codehash);
        uint32 version = registry.register("Market", address(readings), address(readings).codehash);
        vm.stopPrank();
        assertEq(uint256(version), 2, "version");
        assertEq(registry.entryCount(), 2, "entries");
        assertEq(registry.entryOf("Market", 1).location, address(market), "first");
        assertEq(registry.latestOf("Market").location, address(readings), "latest");
        assertEq(registry.entryAt(1).codeHash, address(readings).codehash, "by index");
    }
}
