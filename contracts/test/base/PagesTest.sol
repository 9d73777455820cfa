// SPDX-License-Identifier: UNLICENSED
pragma solidity 0.8.37;

import {LedgerTest} from "./LedgerTest.sol";
import {Shapes} from "./Shapes.sol";

/// @notice A settlement of two pages, ready to be sent.
abstract contract PagesTest is LedgerTest {
    uint256 internal constant ACCOUNTS = 2048 + 2;

    /// @dev What the payer has.
    uint96 internal constant FUNDS = 1e6;

    uint256[] internal _words;
    bytes[] internal _signatures;
    bytes32[] internal _hashes;

    function setUp() public override {
        super.setUp();
        _emptyDay();
        _attestAll();
        for (uint256 i = 0; i < ACCOUNTS; ++i) {
            _bind(_account(i));
        }
        _deposit(_account(ACCOUNTS - 1), FUNDS, "payer");
        _prepare(0, 1);
    }

    /// @dev All accounts but the last get `each`, the last pays for it.
    function _prepare(uint32 revision, int96 each) internal {
        delete _words;
        uint256 payment = Shapes.settlementWord(_account(ACCOUNTS - 1), -each * int96(int256(ACCOUNTS - 1)));
        if (each > 0) _words.push(payment);
        for (uint256 i = 0; i + 1 < ACCOUNTS; ++i) {
            _words.push(Shapes.settlementWord(_account(i), each));
        }
        if (each < 0) _words.push(payment);
        _hashes = _pageHashes(_words);
        _signatures = _settlementSignatures(revision, _hashes);
    }

    function _account(uint256 i) internal pure returns (address) {
        return address(uint160(1000 + i));
    }

    function _send(uint32 revision, uint32 page) internal {
        settlement.settle(_settlementTarget(revision, page), _hashes, _pages(_words)[page], _signatures);
    }
}
