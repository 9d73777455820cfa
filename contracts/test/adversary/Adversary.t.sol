// SPDX-License-Identifier: UNLICENSED
pragma solidity 0.8.37;

import {Strikes} from "./Strikes.sol";

/// @notice A campaign of one adversary that holds all keys of the operator, the DSO, the treasurer and the registrar, one security admin and
/// m − 1 attesters, and calls whatever there is to call with whatever words: what docs/invariants.md gives to the contracts holds after each call.
contract AdversaryTest is Strikes {
    uint256 private constant STRIKES = 300;

    /// @dev The first campaign goes on until every call was reached, so long at most.
    uint256 private constant ROUNDS = 30;

    function test_adversary__anyWords__invariantsHoldAndEveryCallWasReached() public {
        for (uint256 round = 0; round < ROUNDS && bytes(_unreached()).length != 0; ++round) {
            _campaign(uint256(keccak256(abi.encode("adversary", round))), STRIKES);
        }
        assertTrue(bytes(_unreached()).length == 0, string.concat("not reached: ", _unreached()));
        _finish();
        _lookAtAll();
    }

    /// forge-config: default.fuzz.runs = 2
    function test_adversary__anySeed__invariantsHold(uint256 seed) public {
        _campaign(seed, STRIKES);
        _finish();
        _lookAtAll();
    }
}
