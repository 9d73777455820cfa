// SPDX-License-Identifier: UNLICENSED
pragma solidity 0.8.37;

import {IClearing} from "../../src/interfaces/IClearing.sol";
import {MarketKind, MarketParams} from "../../src/interfaces/IMarket.sol";
import {Hashes} from "../../src/libraries/Hashes.sol";
import {Books} from "../base/Books.sol";
import {LedgerTest} from "../base/LedgerTest.sol";
import {Merkle} from "../base/Merkle.sol";
import {Shapes} from "../base/Shapes.sol";
import {vm} from "../base/Vm.sol";

/// @notice Every allocation of a small book goes to Clearing.clear, signed: it must accept exactly those of most welfare, then most volume, where anything
/// trades at all.
abstract contract ClearingClearExhaustiveTest is LedgerTest {
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
            words[k] = Shapes.orderWord(bytes16(uint128(k + 1)), limit, lots, cap, 0, uint24((r >> 48) & 1));
        }
    }

    /// @dev The price of an allocation by the rule of the market's kind.
    function _price(uint256[] memory words) internal pure virtual returns (int32);

    function testFuzz_clear__everyAllocation__onlyTheBestPass(uint256 seed) public {
        uint256[] memory book = _randomBook(seed);
        uint256 n = uint256(LOTS_MAX + 1) ** book.length;
        int256 best = 0;
        for (uint256 i = 0; i < n; ++i) {
            int256 worth = Books.worth(Books.allocation(book, i, LOTS_MAX));
            if (worth > best) best = worth;
        }
        _open();
        _close(book);

        int32 price = Hashes.NO_PRICE;
        bool seen = false;
        for (uint256 i = 0; i < n; ++i) {
            uint256[] memory words = Books.allocation(book, i, LOTS_MAX);
            bool accepted = _try(words);
            assertTrue(accepted == (best != 0 && Books.worth(words) == best), "accepted exactly if best");
            if (!accepted) continue;
            assertTrue(!seen || price == _price(words), "one price per book");
            (price, seen) = (_price(words), true);
        }
        assertTrue(seen == (best != 0), "some allocation is accepted, where anything can trade");
    }

    /// @dev Whether Market.clear takes it once the DSO signed it; leaves no trace.
    function _try(uint256[] memory words) private returns (bool accepted) {
        uint256 snapshot = vm.snapshotState();
        _record(Merkle.placesRoot(_results(_price(words), words)));
        try clearing.clear(
            MARKET_ID,
            _target(FIRST_MTU, _price(words), words.length, 0),
            _pageHashes(words),
            words,
            _proofs(_price(words), words)
        ) {
            accepted = true;
        } catch (bytes memory reason) {
            // It is refused for what it is, not because of how it was sent.
            bytes4 selector = bytes4(reason);
            accepted = false;
            assertTrue(
                selector == IClearing.ClearingNotOptimal.selector || selector == IClearing.ClearingUnbalanced.selector
                    || selector == IClearing.ClearingWordInvalid.selector
                    || selector == IClearing.ClearingNothingTraded.selector,
                "reason of refusal"
            );
        }
        vm.revertToState(snapshot);
    }
}

contract ClearingClearExhaustiveAuctionTest is ClearingClearExhaustiveTest {
    function _price(uint256[] memory words) internal pure override returns (int32) {
        return Books.price(words);
    }
}

contract ClearingClearExhaustiveFlexibilityTest is ClearingClearExhaustiveTest {
    function _params() internal pure override returns (MarketParams memory params) {
        params = super._params();
        params.kind = MarketKind.Flexibility;
    }

    /// @dev The highest accepted ask.
    function _price(uint256[] memory words) internal pure override returns (int32 price) {
        price = Hashes.NO_PRICE;
        for (uint256 k = 0; k < words.length; ++k) {
            bool took = Books.isAsk(words[k]) && Books.acceptedOf(words[k]) != 0;
            if (took && Books.limitOf(words[k]) > price) price = int32(Books.limitOf(words[k]));
        }
    }
}
