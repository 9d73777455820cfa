// SPDX-License-Identifier: UNLICENSED
pragma solidity 0.8.37;

import {Objections} from "../../src/Objections.sol";
import {AreaParams} from "../../src/interfaces/ICalendar.sol";
import {Role} from "../../src/interfaces/IRoles.sol";
import {MoneyTest} from "../base/MoneyTest.sol";
import {vm} from "../base/Vm.sol";

/// @notice What an adversary draws its calls from, and the one way in which it calls. It holds the keys of operator, DSO, treasurer and
/// registrar, of one security admin and one attester of two that it takes, and accounts of its own.
abstract contract Draws is MoneyTest {
    uint256 internal constant MALLORY_KEY = 0xE1;
    uint256 internal constant CRONY_KEY = 0xE2;

    /// @dev A fourth attester, whom everybody agreed to; and its organisation.
    address internal spare = vm.addr(0xB9);

    bytes32 internal constant OTHER_AREA = keccak256("grid/lv2");

    /// @notice Calls that succeeded, by contract and selector.
    mapping(address target => mapping(bytes4 selector => uint256)) public succeeded;
    mapping(address target => mapping(bytes4 selector => uint256)) public tried;

    Objections internal objections;

    /// @dev Whoever may have money: holders, keys of roles, contracts, strangers.
    address[] internal _pool;
    mapping(address account => bool) private _pooled;

    /// @dev Present keys of the adversary's two accounts.
    uint256[2] internal _own = [MALLORY_KEY, CRONY_KEY];
    uint256 internal _fresh = 0xE100;

    uint256 private _drawn;

    function setUp() public virtual override {
        super.setUp();
        objections = new Objections(market);
        vm.prank(registrar);
        calendar.createArea(OTHER_AREA, AreaParams({attestSeconds: ATTEST, horizonSeconds: HORIZON}));
        address[11] memory known = [
            household, retailer, vm.addr(MALLORY_KEY), vm.addr(CRONY_KEY), operator, dso, treasurer, registrar, security,
            address(accounts), address(0xdead)
        ];
        for (uint256 i = 0; i < known.length; ++i) {
            _join(known[i]);
        }
    }

    function _join(address account) internal {
        if (!_pooled[account]) _pool.push(account);
        _pooled[account] = true;
    }

    /* DRAWS */

    function _seed(uint256 seed) internal {
        _drawn = seed;
    }

    function _next() internal returns (uint256) {
        _drawn = uint256(keccak256(abi.encode(_drawn)));
        return _drawn;
    }

    function _one(uint256 n) internal returns (uint256) {
        return _next() % n;
    }

    /// @dev Any number: small, at the edge of a type, or arbitrary.
    function _number() internal returns (uint256) {
        uint256 kind = _one(4);
        if (kind == 0) return _one(4);
        return kind == 1 ? type(uint256).max >> (8 * _one(32)) : _next();
    }

    function _amount() internal returns (uint96) {
        return _one(4) != 0 ? uint96(1 + _one(1e12)) : uint96(_number());
    }

    function _anybody() internal returns (address) {
        uint256 kind = _one(8);
        if (kind == 0) return accounts.suspenseOf(_pool[_one(_pool.length)], AREA);
        return kind == 1 ? address(0) : _pool[_one(_pool.length)];
    }

    function _ownSecret() internal returns (uint256) {
        return _own[_one(2)];
    }

    function _ownAccount() internal returns (address) {
        return vm.addr(_ownSecret());
    }

    function _anyArea() internal returns (bytes32) {
        uint256 kind = _one(8);
        if (kind == 0) return bytes32(_number());
        return kind == 1 ? OTHER_AREA : AREA;
    }

    /// @dev Whether the adversary has the key of a role.
    function _holds(address) internal view virtual returns (bool) {
        return true;
    }

    /// @dev A role's key to sign with, or one of its own where it has not got it.
    function _secretOf(uint256 roleKey) internal view returns (uint256) {
        return _holds(vm.addr(roleKey)) ? roleKey : _own[0];
    }

    /// @dev Mostly the key whose call it is, else another one of the adversary's.
    function _by(address apt) internal returns (address) {
        address[7] memory keys =
            [operator, dso, treasurer, registrar, security, vm.addr(attesterKeys[0]), _ownAccount()];
        address by = _one(8) != 0 ? apt : keys[_one(7)];
        return _holds(by) ? by : _ownAccount();
    }

    function _organisation() internal returns (bytes32) {
        bytes32[8] memory names =
            [bytes32("operator"), "dso", "bank", "registrar", "security", "second security", "spare", "front"];
        return names[_one(8)];
    }

    function _role() internal returns (Role) {
        return Role(_one(7));
    }

    /// @dev The attester it holds, and a key that is none: never a quorum, whatever they sign.
    function _minority(bytes32 digest) internal returns (bytes[] memory signatures) {
        signatures = new bytes[](_one(4) == 0 ? 1 : 2);
        uint256 held = _secretOf(attesterKeys[0]);
        (uint256 a, uint256 b) = (held, _one(2) == 0 ? MALLORY_KEY : _secretOf(OPERATOR_KEY));
        if (vm.addr(b) < vm.addr(a)) (a, b) = (b, a);
        signatures[0] = _sign(signatures.length == 1 ? held : a, digest);
        if (signatures.length == 2) signatures[1] = _sign(_one(8) == 0 ? a : b, digest);
    }

    /// @dev Those it does not hold are as many as it takes.
    function _honestQuorum(bytes32 digest) internal view returns (bytes[] memory signatures) {
        signatures = new bytes[](2);
        (signatures[0], signatures[1]) = (_sign(attesterKeys[1], digest), _sign(attesterKeys[2], digest));
    }

    /* CALLS */

    function _strike(address sender, address target, bytes memory data) internal returns (bool ok) {
        vm.prank(sender);
        (ok,) = target.call(data);
        ++tried[target][bytes4(data)];
        if (ok) ++succeeded[target][bytes4(data)];
    }

    /// @dev What only another contract may call: nobody's call has an effect.
    function _strikeInner(address target, bytes memory data) internal {
        assertFalse(_strike(_by(_ownAccount()), target, data), "called from outside");
    }

    /* TIME */

    /// @dev Holders look at their accounts at least once a day.
    function _watch() internal virtual;

    function _sleep(uint256 duration) internal {
        for (; duration > 1 days; duration -= 1 days) {
            vm.warp(block.timestamp + 1 days);
            _watch();
        }
        vm.warp(block.timestamp + duration);
        _watch();
    }

    function _sleepUntil(uint256 time) internal {
        if (_now() < time) _sleep(time - _now());
    }
}
