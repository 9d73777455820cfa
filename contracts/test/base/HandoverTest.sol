// SPDX-License-Identifier: UNLICENSED
pragma solidity 0.8.37;

import {Accounts} from "../../src/Accounts.sol";
import {Calendar} from "../../src/Calendar.sol";
import {Handovers} from "../../src/Handovers.sol";
import {Handover, HandoverSignatures, IHandovers} from "../../src/interfaces/IHandovers.sol";
import {MoneyTest} from "./MoneyTest.sol";
import {vm} from "./Vm.sol";

/// @notice What the parties of a deployment sign to hand an area over.
abstract contract Agreeing is MoneyTest {
    function _handoverTo(IHandovers to, address[] memory all) internal view returns (Handover memory) {
        bytes32 codes = 0;
        for (uint256 i = 0; i < all.length; ++i) {
            codes = keccak256(abi.encode(codes, all[i], all[i].codehash));
        }
        return Handover({
            area: AREA, period: calendar.periodCount(AREA), successor: address(to), codesHash: codes, deadline: NEVER
        });
    }

    function _handoverDigest(Handover memory handover) internal view returns (bytes32) {
        bytes32 structHash = keccak256(
            abi.encode(
                keccak256("Handover(bytes32 area,uint32 period,address successor,bytes32 codesHash,uint64 deadline)"),
                handover
            )
        );
        return _digest(handovers.domainSeparator(), structHash);
    }

    function _agreeing(Handover memory handover) internal view returns (HandoverSignatures memory) {
        bytes32 digest = _handoverDigest(handover);
        return HandoverSignatures({
            operator: _sign(OPERATOR_KEY, digest), dso: _sign(DSO_KEY, digest), attesters: _quorum(digest)
        });
    }

    function _agreeOn(Handover memory handover, address[] memory all) internal {
        HandoverSignatures memory signatures = _agreeing(handover);
        vm.prank(registrar);
        handovers.agree(handover, all, signatures);
    }
}

/// @notice A deployment that takes over from another one.
contract NextLedger is Agreeing {
    IHandovers private _before;

    function deploy(IHandovers before) external returns (Calendar, Accounts, Handovers) {
        _before = before;
        _deployLedger();
        return (calendar, accounts, handovers);
    }

    /// @dev Its contracts, in the order of their deployment.
    function parts() external view returns (address[] memory all) {
        all = new address[](13);
        (all[0], all[1], all[2], all[3]) = (address(roles), address(calendar), address(market), address(clearing));
        (all[4], all[5], all[6]) = (address(readings), address(accounts), address(settlement));
        (all[7], all[8], all[9]) = (address(redemptions), address(guarantees), address(successions));
        (all[10], all[11], all[12]) = (address(handovers), address(anchors), address(registry));
    }

    function _predecessor() internal view override returns (IHandovers) {
        return _before;
    }

    function line(uint256 byKey, uint256 forKey, uint64 credit, uint64 nonce) external {
        _line(byKey, forKey, credit, nonce);
    }

    function replace(uint256 fromKey, uint256 toKey) external {
        _replace(fromKey, toKey);
    }

    function request(uint256 key, uint96 amount, bytes32 ref) external {
        _request(key, amount, ref);
    }

    function complete(address account, bytes32 ref) external {
        redemptions.completeRedemption(account, ref);
    }

    /// @dev Declares its first period, late as it is, agrees to leave after it, settles it with these words, and makes it Final.
    function endTo(IHandovers to, address[] calldata all, uint32 firstMtu, uint256[] calldata words) external {
        vm.prank(operator);
        period = calendar.declarePeriod(AREA, firstMtu, MTUS);
        _agreeOn(_handoverTo(to, all), all);
        for (uint32 i = 0; i < MTUS; ++i) {
            _attest(firstMtu + i, 0);
        }
        _settle(0, words);
        vm.warp(block.timestamp + HORIZON + 1);
        settlement.finalise(AREA, period);
    }
}

/// @notice Two deployments: the one of LedgerTest, and the next one, which takes over from it.
abstract contract HandoverTest is Agreeing {
    NextLedger internal nextLedger;
    Calendar internal nextCalendar;
    Accounts internal nextAccounts;
    Handovers internal next;
    address[] internal parts;

    function setUp() public virtual override {
        super.setUp();
        nextLedger = new NextLedger();
        (nextCalendar, nextAccounts, next) = nextLedger.deploy(handovers);
        parts = nextLedger.parts();
    }

    /* AGREEING */

    function _codes() internal view returns (bytes32) {
        return _handover().codesHash;
    }

    function _handover() internal view returns (Handover memory) {
        return _handoverTo(next, parts);
    }

    function _agree() internal {
        _agreeUntil(NEVER);
    }

    /// @dev Signatures with another deadline are others.
    function _agreeUntil(uint64 deadline) internal {
        Handover memory handover = _handover();
        handover.deadline = deadline;
        _agreeOn(handover, parts);
    }

    /* LEAVING */

    /// @dev Agrees, settles the only period with these words, and makes it Final.
    function _end(uint256[] memory words) internal {
        _agree();
        _emptyDay();
        _attestAll();
        _settle(0, words);
        vm.warp(block.timestamp + HORIZON + 1);
        settlement.finalise(AREA, period);
    }

    /// @dev The same, without money.
    function _end() internal {
        _end(new uint256[](0));
    }
}
