// SPDX-License-Identifier: UNLICENSED
pragma solidity 0.8.37;

import {IMarket, Program, SessionState} from "../../src/interfaces/IMarket.sol";
import {IRoles, Role} from "../../src/interfaces/IRoles.sol";
import {Market} from "../../src/Market.sol";
import {Hashes} from "../../src/libraries/Hashes.sol";
import {LedgerTest} from "../base/LedgerTest.sol";
import {vm} from "../base/Vm.sol";

contract MarketRecordProgramTest is LedgerTest {
    bytes32 private constant ROOT = keccak256("root");

    function setUp() public override {
        super.setUp();
        _open();
        _close(new uint256[](0));
    }

    function _signature(uint256 key, Program memory program) private view returns (bytes memory) {
        bytes32 structHash = Hashes.program(
            Hashes.SignedProgram(
                MARKET_ID,
                gate,
                FIRST_MTU,
                MTUS,
                market.sessionOf(MARKET_ID, gate).booksRoot,
                program.resultsRoot,
                program.tradedMask,
                program.emptiedMask,
                program.gridModelHash,
                program.reportHash,
                program.deadline
            )
        );
        return _sign(key, _digest(market.domainSeparator(), structHash));
    }

    function _refused(Program memory program, bytes memory error_) private {
        bytes memory signature = _signature(DSO_KEY, program);
        vm.expectRevert(error_);
        market.recordProgram(MARKET_ID, gate, program, signature);
    }

    function _wrongState(SessionState state) private view returns (bytes memory) {
        return abi.encodeWithSelector(IMarket.MarketStateWrong.selector, MARKET_ID, gate, state);
    }

    function test_recordProgram__booksOpen__reverts() public {
        gate = gate - 1;
        vm.warp(block.timestamp - 3600);
        vm.prank(operator);
        market.openSession(MARKET_ID, gate, period, FIRST_MTU, MTUS);
        _refused(_program(ROOT, 1, 0), _wrongState(SessionState.Open));
    }

    function test_recordProgram__zeroRoot__reverts() public {
        _refused(_program(0, 1, 0), abi.encodeWithSelector(IMarket.MarketRootInvalid.selector));
    }

    function test_recordProgram__maskOutsideTheSession__reverts(uint128 mask) public {
        mask = uint128(bound(mask, 1 << MTUS, type(uint128).max));
        _refused(_program(ROOT, mask, 0), abi.encodeWithSelector(IMarket.MarketMasksInvalid.selector, mask, 0));
        _refused(_program(ROOT, 0, mask), abi.encodeWithSelector(IMarket.MarketMasksInvalid.selector, 0, mask));
    }

    function test_recordProgram__mtuInBothMasks__reverts() public {
        _refused(_program(ROOT, 3, 6), abi.encodeWithSelector(IMarket.MarketMasksInvalid.selector, 3, 6));
    }

    function test_recordProgram__afterSignWindow__reverts() public {
        Program memory program = _program(ROOT, 1, 0);
        program.deadline = type(uint64).max;
        _warp(gate + SIGN + 1);
        _refused(program, abi.encodeWithSelector(IMarket.MarketTooLate.selector, gate + SIGN, gate + SIGN + 1));
    }

    function test_recordProgram__afterItsDeadline__reverts() public {
        Program memory program = _program(ROOT, 1, 0);
        program.deadline = gate + 5;
        _warp(gate + 6);
        _refused(program, abi.encodeWithSelector(IMarket.MarketTooLate.selector, gate + 5, gate + 6));
    }

    function test_recordProgram__deadlineBeforeTheGate__reverts() public {
        Program memory program = _program(ROOT, 1, 0);
        program.deadline = gate - 5;
        _warp(gate + 1);
        _refused(program, abi.encodeWithSelector(IMarket.MarketTooLate.selector, gate, gate + 1));
    }

    function test_recordProgram__notTheDso__reverts(uint256 key) public {
        key = bound(key, 1, type(uint128).max);
        vm.assume(vm.addr(key) != dso);
        Program memory program = _program(ROOT, 1, 0);
        bytes memory signature = _signature(key, program);
        vm.expectRevert(abi.encodeWithSelector(IRoles.RolesMissing.selector, vm.addr(key), Role.Dso, AREA));
        market.recordProgram(MARKET_ID, gate, program, signature);
    }

    function test_recordProgram__anyFieldChanged__reverts(Program memory program, uint8 which) public {
        Program memory signed = _program(ROOT, 1, 2);
        bytes memory signature = _signature(DSO_KEY, signed);
        vm.assume(program.resultsRoot != 0 && program.resultsRoot != ROOT);
        vm.assume(program.gridModelHash != "grid" && program.reportHash != "report");
        which = uint8(bound(which, 0, 4));
        if (which == 0) signed.resultsRoot = program.resultsRoot;
        if (which == 1) signed.tradedMask = 5;
        if (which == 2) signed.emptiedMask = 4;
        if (which == 3) signed.gridModelHash = program.gridModelHash;
        if (which == 4) signed.reportHash = program.reportHash;
        vm.expectPartialRevert(IRoles.RolesMissing.selector);
        market.recordProgram(MARKET_ID, gate, signed, signature);
    }

    /// @dev Else whoever closes other books than the DSO was shown could object to the very program it had signed over the books shown.
    function test_recordProgram__otherBooksClosedThanTheDsoSaw__reverts(bytes32 shown, bytes32 committed) public {
        vm.assume(shown != 0 && committed != 0 && shown != committed);
        Program memory program = _program(ROOT, 0, 0);
        gate = gate - 1;
        vm.warp(block.timestamp - 3600);
        vm.prank(operator);
        market.openSession(MARKET_ID, gate, period, FIRST_MTU, MTUS);
        _warp(gate);
        uint256 open = vm.snapshotState();
        vm.prank(operator);
        market.closeSession(MARKET_ID, gate, shown);
        bytes memory signature = _sign(DSO_KEY, market.programDigest(MARKET_ID, gate, program));
        vm.revertToState(open);

        vm.prank(operator);
        market.closeSession(MARKET_ID, gate, committed);
        vm.expectPartialRevert(IRoles.RolesMissing.selector);
        market.recordProgram(MARKET_ID, gate, program, signature);
    }

    function test_recordProgram__otherChainOrContract__reverts() public {
        Program memory program = _program(ROOT, 1, 0);
        bytes memory signature = _signature(DSO_KEY, program);
        Market other = new Market(roles, calendar, address(clearing));
        bytes memory elsewhere = _sign(DSO_KEY, other.programDigest(MARKET_ID, gate, program));
        vm.expectPartialRevert(IRoles.RolesMissing.selector);
        market.recordProgram(MARKET_ID, gate, program, elsewhere);

        vm.chainId(4711);
        vm.expectPartialRevert(IRoles.RolesMissing.selector);
        market.recordProgram(MARKET_ID, gate, program, signature);
    }

    function test_recordProgram__second__reverts() public {
        _recordMasked(ROOT, 1, 0);
        _refused(_program("other", 1, 0), _wrongState(SessionState.Signed));
    }

    function test_recordProgram__byAnyone__keepsRootAndMasks(address sender, uint64 late) public {
        _warp(gate + bound(late, 0, SIGN));
        Program memory program = _program(ROOT, 5, 2);
        bytes memory signature = _signature(DSO_KEY, program);
        vm.expectEmit();
        emit IMarket.ProgramRecorded(MARKET_ID, gate, program, dso, signature);
        vm.prank(sender);
        market.recordProgram(MARKET_ID, gate, program, signature);
        assertEq(market.sessionOf(MARKET_ID, gate).resultsRoot, ROOT, "root");
        assertEq(uint256(market.sessionOf(MARKET_ID, gate).tradedMask), 5, "traded");
        assertEq(uint256(market.sessionOf(MARKET_ID, gate).emptiedMask), 2, "emptied");
        assertTrue(_state() == SessionState.Signed, "signed");
        assertEq(market.pendingCount(AREA, period), 1, "pending");
    }

    function test_recordProgram__nothingTraded__isDone() public {
        _recordMasked(ROOT, 0, 2);
        assertTrue(_state() == SessionState.Done, "done");
        assertEq(market.pendingCount(AREA, period), 0, "nothing pending");
    }
}
