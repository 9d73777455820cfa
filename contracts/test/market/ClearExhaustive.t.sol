// SPDX-License-Identifier: UNLICENSED
pragma solidity 0.8.37;

import {IMarket} from "../../src/interfaces/IMarket.sol";
import {Hashes} from "../../src/libraries/Hashes.sol";
import {Books} from "../base/Books.sol";
import {LedgerTest} from "../base/LedgerTest.sol";
import {Merkle} from "../base/Merkle.sol";
import {vm} from "../base/Vm.sol";

/// @notice Every allocation of a small book goes to Market.clear, signed: it must accept exactly those of most welfare, then most volume.
contract MarketClearExhaustiveTest is LedgerTest {
    uint256 private constant ORDERS_MAX = 4;
    uint24 private constant LOTS_MAX = 2;

    /// @dev A book of up to four orders on few limits and one or two lots, so that ties are common; a third of them capped.
    function _randomBook(uint256 seed) private pure returns (uint256[] memory words) {
        words = new uint256[](1 + seed % ORDERS_MAX);
        for (uint256 k = 0; k < words.length; ++k) {
            uint256 r = uint256(keccak256(abi.encode(seed, k)));
            uint24 cap = r % 3 == 0 ? uint24((r >> 8) % (LOTS_MAX + 1)) : NO_CAP;
            int32 limit = int32(int256((r >> 16) % 5)) * 100 - 200;
            uint24 lots = uint24(1 + (r >> 32) % LOTS_MAX);
            words[k] = Hashes.orderWord(bytes16(uint128(k + 1)), limit, lots, cap, 0, uint24((r >> 48) & 1));
        }
    }

    function testFuzz_clear__everyAllocation__onlyTheBestPass(uint256 seed) public {
        uint256[] memory book = _randomBook(seed);
        uint256 n = uint256(LOTS_MAX + 1) ** book.length;
        bytes32[] memory results = new bytes32[](n);
        int256 best = type(int256).min;
        for (uint256 i = 0; i < n; ++i) {
            uint256[] memory words = Books.allocation(book, i, LOTS_MAX);
            results[i] = _resultHash(FIRST_MTU, Books.price(words), words);
            if (Books.worth(words) > best) best = Books.worth(words);
        }
        _open();
        _close(book);
        _record(Hashes.merkleRoot(results));

        int32 price = Hashes.NO_PRICE;
        bool seen = false;
        for (uint256 i = 0; i < n; ++i) {
            uint256[] memory words = Books.allocation(book, i, LOTS_MAX);
            bool accepted = _try(words, Merkle.proof(results, i));
            assertTrue(accepted == (Books.worth(words) == best), "accepted exactly if best");
            if (!accepted) continue;
            assertTrue(!seen || price == Books.price(words), "one price per book");
            (price, seen) = (Books.price(words), true);
        }
        assertTrue(seen, "some allocation is accepted");
    }

    /// @dev Whether Market.clear takes it; leaves no trace.
    function _try(uint256[] memory words, bytes32[] memory proof) private returns (bool accepted) {
        uint256 snapshot = vm.snapshotState();
        try market.clear(
            MARKET_ID, _target(FIRST_MTU, Books.price(words), words.length, 0), _pageHashes(words), words, proof
        ) {
            accepted = true;
        } catch (bytes memory reason) {
            // It is refused for what it is, not because of how it was sent.
            bytes4 selector = bytes4(reason);
            accepted = false;
            assertTrue(
                selector == IMarket.MarketNotOptimal.selector || selector == IMarket.MarketUnbalanced.selector
                    || selector == IMarket.MarketWordInvalid.selector,
                "reason of refusal"
            );
        }
        vm.revertToState(snapshot);
    }
}
