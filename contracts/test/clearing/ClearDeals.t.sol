// SPDX-License-Identifier: UNLICENSED
pragma solidity 0.8.37;

import {IClearing, PlaceProofs, ResultPage, WordFault} from "../../src/interfaces/IClearing.sol";
import {IMarket, MarketKind, MarketParams} from "../../src/interfaces/IMarket.sol";
import {Hashes} from "../../src/libraries/Hashes.sol";
import {LedgerTest} from "../base/LedgerTest.sol";
import {Shapes} from "../base/Shapes.sol";
import {vm} from "../base/Vm.sol";

/// @notice clear in a bilateral market: deals are pairs of a bid and an ask.
contract ClearingClearDealsTest is LedgerTest {
    function _params() internal pure override returns (MarketParams memory params) {
        params = super._params();
        params.kind = MarketKind.Bilateral;
    }

    /// @dev One buyer with two sellers, each deal at its own limit; a third deal capped to nothing.
    function _deals() private pure returns (uint256[] memory words) {
        words = new uint256[](6);
        (words[0], words[1]) = (_bid(1, 2000, 5, 5), _ask(8, 2000, 5, 5));
        (words[2], words[3]) = (_bid(1, 900, 3, 2), _ask(9, 900, 4, 2));
        (words[4], words[5]) = (_bid(2, 100, 3, 0), Shapes.orderWord(bytes16(uint128(3)), 100, 3, 0, 0, 1));
    }

    function _refused(uint256 index, uint256 word, uint256 at, WordFault fault) private {
        uint256[] memory words = _deals();
        words[index] = word;
        _refusedAll(Hashes.NO_PRICE, words, abi.encodeWithSelector(IClearing.ClearingWordInvalid.selector, at, fault));
    }

    function _refusedAll(int32 price, uint256[] memory words, bytes memory error_) private {
        _ready(price, words);
        PlaceProofs memory proofs = _proofs(price, words);
        bytes32[] memory hashes = _pageHashes(words);
        ResultPage memory target = _target(FIRST_MTU, price, words.length, 0);
        vm.expectRevert(error_);
        clearing.clear(MARKET_ID, target, hashes, words, proofs);
    }

    function test_clear__deals__clearWithoutAPrice() public {
        uint256[] memory words = _deals();
        _ready(Hashes.NO_PRICE, words);
        bytes32 resultHash = _resultHash(FIRST_MTU, Hashes.NO_PRICE, words);
        vm.expectEmit();
        emit IMarket.MtuCleared(MARKET_ID, gate, FIRST_MTU, Hashes.NO_PRICE, 7, resultHash);
        _clearFirst(Hashes.NO_PRICE, words);
    }

    function test_clear__dealsWithAPrice__reverts() public {
        _refusedAll(900, _deals(), abi.encodeWithSelector(IClearing.ClearingPriceWrong.selector, Hashes.NO_PRICE, 900));
    }

    function test_clear__dealsOfNothing__reverts() public {
        uint256[] memory words = new uint256[](2);
        (words[0], words[1]) = (_bid(1, 100, 5, 0), _ask(2, 100, 5, 0));
        _refusedAll(
            Hashes.NO_PRICE, words, abi.encodeWithSelector(IClearing.ClearingNothingTraded.selector, FIRST_MTU)
        );
    }

    function test_clear__halfADeal__reverts() public {
        uint256[] memory words = new uint256[](3);
        (words[0], words[1], words[2]) = (_bid(1, 100, 5, 5), _ask(2, 100, 5, 5), _bid(3, 100, 5, 5));
        _refusedAll(
            Hashes.NO_PRICE,
            words,
            abi.encodeWithSelector(IClearing.ClearingWordInvalid.selector, 2, WordFault.PairBroken)
        );
    }

    function test_clear__limitsDiffer__reverts() public {
        _refused(1, _ask(8, 1900, 5, 5), 1, WordFault.PairUnequal);
    }

    function test_clear__acceptedDiffers__reverts() public {
        _refused(1, _ask(8, 2000, 5, 4), 1, WordFault.PairUnequal);
    }

    function test_clear__twoBids__reverts() public {
        _refused(3, _bid(9, 900, 4, 2), 3, WordFault.PairBroken);
    }

    function test_clear__pairsDoNotAscend__reverts() public {
        _refused(3, _ask(8, 900, 4, 2), 3, WordFault.TagNotAscending);
    }

    function test_clear__acceptedAboveCap__reverts() public {
        _refused(3, Shapes.orderWord(bytes16(uint128(9)), 900, 4, 1, 2, 1), 3, WordFault.AcceptedAboveEffective);
    }

    function test_clear__askWithoutQuantity__reverts() public {
        _refused(3, _ask(9, 900, 0, 2), 3, WordFault.QuantityZero);
    }
}
