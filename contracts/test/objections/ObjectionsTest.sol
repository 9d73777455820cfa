// SPDX-License-Identifier: UNLICENSED
pragma solidity 0.8.37;

import {Objections} from "../../src/Objections.sol";
import {BookPage, Bound, Ground, IObjections} from "../../src/interfaces/IObjections.sol";
import {Hashes} from "../../src/libraries/Hashes.sol";
import {LedgerTest} from "../base/LedgerTest.sol";
import {Merkle} from "../base/Merkle.sol";
import {vm} from "../base/Vm.sol";

/// @notice A session whose first MTU has a book of our choice, committed as it is, and which the DSO signed as trading nothing.
abstract contract ObjectionsTest is LedgerTest {
    Objections internal objections;

    function setUp() public virtual override {
        super.setUp();
        objections = new Objections(market);
    }

    /// @dev Book hashes of the session with `pages` for the first MTU, hashed as they are.
    function _committed(uint256[][] memory pages, uint32 count) internal pure returns (bytes32[] memory hashes) {
        hashes = _books(new uint256[](0));
        hashes[0] = Hashes.book(MARKET_ID, _gate(), FIRST_MTU, Hashes.chain(_hashesOf(pages)), count);
    }

    function _hashesOf(uint256[][] memory pages) internal pure returns (bytes32[] memory hashes) {
        hashes = new bytes32[](pages.length);
        for (uint256 i = 0; i < pages.length; ++i) {
            hashes[i] = Hashes.page(pages[i]);
        }
    }

    function _onePage(uint256[] memory words) internal pure returns (uint256[][] memory pages) {
        pages = new uint256[][](1);
        pages[0] = words;
    }

    /// @dev Two full pages, the second a single word.
    function _twoPages(uint256 bid, uint256 ask, uint256 firstTag) internal pure returns (uint256[][] memory pages) {
        pages = new uint256[][](2);
        (pages[0], pages[1]) = (new uint256[](2048), new uint256[](1));
        for (uint256 i = 0; i < 2048; ++i) {
            pages[0][i] = _masked(_bid(firstTag + i, 100, 1, 0));
        }
        pages[0][7] = _masked(bid) & type(uint128).max | (firstTag + 7) << 128;
        pages[1][0] = _masked(ask);
    }

    function _masked(uint256 word) internal pure returns (uint256) {
        return Hashes.masked(word);
    }

    function _bound(uint256[][] memory pages, uint32 count) internal pure returns (Bound memory) {
        return Bound({
            count: count,
            pageHashes: _hashesOf(pages),
            proof: Merkle.placesProof(_committed(pages, count), 0)
        });
    }

    /// @dev Commits to the pages and has the DSO sign that nothing trades.
    function _sign(uint256[][] memory pages, uint32 count, uint128 emptiedMask) internal {
        _open();
        _warp(gate);
        vm.prank(operator);
        market.closeSession(MARKET_ID, gate, Merkle.placesRoot(_committed(pages, count)));
        bytes32 root = Merkle.placesRoot(_results(Hashes.NO_PRICE, pages[0]));
        _recordMasked(root, 0, emptiedMask);
    }

    function _page(uint32 page) internal view returns (BookPage memory) {
        return BookPage({session: gate, mtu: FIRST_MTU, page: page});
    }

    function _expectRefuted(Ground ground) internal {
        vm.expectEmit();
        emit IObjections.ProgramRefuted(MARKET_ID, gate, FIRST_MTU, ground);
    }
}
