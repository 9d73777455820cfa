// SPDX-License-Identifier: UNLICENSED
pragma solidity 0.8.37;

import {ECDSA} from "@openzeppelin/contracts/utils/cryptography/ECDSA.sol";

import {Grant, IRoles, Role} from "../../src/interfaces/IRoles.sol";
import {LedgerTest} from "../base/LedgerTest.sol";
import {vm} from "../base/Vm.sol";

contract RolesQuorumTest is LedgerTest {
    bytes32 private constant DIGEST = keccak256("digest");

    function _signatures(uint256 a, uint256 b) private pure returns (bytes[] memory signatures) {
        signatures = new bytes[](2);
        (signatures[0], signatures[1]) = (_sign(a, DIGEST), _sign(b, DIGEST));
    }

    function test_requireQuorum__tooFew__reverts() public {
        bytes[] memory signatures = new bytes[](1);
        signatures[0] = _sign(attesterKeys[0], DIGEST);
        vm.expectRevert(abi.encodeWithSelector(IRoles.RolesQuorumSize.selector, 1, THRESHOLD));
        roles.requireQuorum(DIGEST, AREA, signatures);
    }

    function test_requireQuorum__tooMany__reverts() public {
        vm.expectRevert(abi.encodeWithSelector(IRoles.RolesQuorumSize.selector, 33, THRESHOLD));
        roles.requireQuorum(DIGEST, AREA, new bytes[](33));
    }

    function test_requireQuorum__asManyAsThereMayBe__areRead() public {
        vm.expectRevert(abi.encodeWithSelector(ECDSA.ECDSAInvalidSignatureLength.selector, 0));
        roles.requireQuorum(DIGEST, AREA, new bytes[](32));
    }

    function test_requireQuorum__unordered__reverts() public {
        bytes[] memory signatures = _signatures(attesterKeys[1], attesterKeys[0]);
        vm.expectRevert(abi.encodeWithSelector(IRoles.RolesSignersUnordered.selector, vm.addr(attesterKeys[0])));
        roles.requireQuorum(DIGEST, AREA, signatures);
    }

    function test_requireQuorum__sameSignerTwice__reverts() public {
        bytes[] memory signatures = _signatures(attesterKeys[0], attesterKeys[0]);
        vm.expectPartialRevert(IRoles.RolesSignersUnordered.selector);
        roles.requireQuorum(DIGEST, AREA, signatures);
    }

    function test_requireQuorum__stranger__reverts(uint256 key) public {
        key = bound(key, 0x1000, type(uint128).max);
        address stranger = vm.addr(key);
        bool after_ = stranger > vm.addr(attesterKeys[0]);
        bytes[] memory signatures = after_ ? _signatures(attesterKeys[0], key) : _signatures(key, attesterKeys[0]);
        vm.expectRevert(abi.encodeWithSelector(IRoles.RolesMissing.selector, stranger, Role.Attester, AREA));
        roles.requireQuorum(DIGEST, AREA, signatures);
    }

    function test_requireQuorum__otherArea__reverts() public {
        bytes[] memory signatures = _signatures(attesterKeys[0], attesterKeys[1]);
        vm.expectPartialRevert(IRoles.RolesMissing.selector);
        roles.requireQuorum(DIGEST, "other", signatures);
    }

    function test_requireQuorum__oneOrganisationTwice__reverts() public {
        // A second key of the first attester's organisation gives no second vote.
        bytes32 organisation = roles.grantOf(vm.addr(attesterKeys[0])).organisation;
        uint256 key = 0xFACE;
        address second = vm.addr(key);
        _grantRole(Grant(second, Role.Attester, organisation, AREA));

        bytes[] memory signatures =
            second > vm.addr(attesterKeys[0]) ? _signatures(attesterKeys[0], key) : _signatures(key, attesterKeys[0]);
        vm.expectRevert(abi.encodeWithSelector(IRoles.RolesOrganisationTwice.selector, organisation));
        roles.requireQuorum(DIGEST, AREA, signatures);
    }

    function test_requireQuorum__malleableSignature__reverts() public {
        bytes[] memory signatures = _signatures(attesterKeys[0], attesterKeys[1]);
        (uint8 v, bytes32 r, bytes32 s) = vm.sign(attesterKeys[1], DIGEST);
        uint256 order = 0xFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFEBAAEDCE6AF48A03BBFD25E8CD0364141;
        bytes32 high = bytes32(order - uint256(s));
        signatures[1] = abi.encodePacked(r, high, v == 27 ? uint8(28) : uint8(27));
        vm.expectRevert(abi.encodeWithSelector(ECDSA.ECDSAInvalidSignatureS.selector, high));
        roles.requireQuorum(DIGEST, AREA, signatures);
    }

    function test_requireQuorum__shortSignature__reverts() public {
        bytes[] memory signatures = _signatures(attesterKeys[0], attesterKeys[1]);
        signatures[1] = new bytes(64);
        vm.expectRevert(abi.encodeWithSelector(ECDSA.ECDSAInvalidSignatureLength.selector, 64));
        roles.requireQuorum(DIGEST, AREA, signatures);
    }

    function test_requireQuorum__allThree__passes() public view {
        bytes[] memory signatures = new bytes[](3);
        for (uint256 i = 0; i < 3; ++i) {
            signatures[i] = _sign(attesterKeys[i], DIGEST);
        }
        roles.requireQuorum(DIGEST, AREA, signatures);
    }
}
