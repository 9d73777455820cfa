// SPDX-License-Identifier: UNLICENSED
pragma solidity 0.8.37;

import {ResultPage} from "../../src/interfaces/IClearing.sol";
import {Bound, Ground, IObjections} from "../../src/interfaces/IObjections.sol";
import {Hashes} from "../../src/libraries/Hashes.sol";
import {Merkle} from "../base/Merkle.sol";
import {vm} from "../base/Vm.sol";
import {ObjectionsTest} from "./ObjectionsTest.sol";

contract ObjectionsProveMismatchTest is ObjectionsTest {
    int32 private _price;
    uint256[] private _signedWords;
    uint256[] private _booked;

    function _book() private pure returns (uint256[] memory words) {
        words = new uint256[](2);
        (words[0], words[1]) = (_bid(1, 300, 5, 0), _ask(2, 400, 5, 0));
    }

    /// @dev Commits to one book and has results over another one signed.
    function _signed(uint256[] memory booked, int32 price, uint256[] memory words, uint128 traded, uint128 emptied)
        private
    {
        (_booked, _price, _signedWords) = (booked, price, words);
        _open();
        _close(booked);
        _recordMasked(Merkle.placesRoot(_results(price, words)), traded, emptied);
    }

    function _result() private view returns (Bound memory) {
        return Bound({
            count: uint32(_signedWords.length),
            pageHashes: _pageHashes(_signedWords),
            proof: Merkle.placesProof(_results(_price, _signedWords), 0)
        });
    }

    function _committedBook() private view returns (Bound memory) {
        uint256[] memory masked = new uint256[](_booked.length);
        for (uint256 i = 0; i < masked.length; ++i) {
            masked[i] = Hashes.masked(_booked[i]);
        }
        return Bound({
            count: uint32(_booked.length),
            pageHashes: _pageHashes(masked),
            proof: Merkle.placesProof(_books(_booked), 0)
        });
    }

    function _object(bytes memory error_) private {
        ResultPage memory target = _target(FIRST_MTU, _price, _signedWords.length, 0);
        (Bound memory result, Bound memory book) = (_result(), _committedBook());
        if (error_.length != 0) vm.expectRevert(error_);
        else _expectRefuted(Ground.Mismatch);
        objections.proveMismatch(MARKET_ID, target, result, book, _signedWords);
    }

    function test_proveMismatch__sameBook__reverts() public {
        _signed(_book(), Hashes.NO_PRICE, _book(), 0, 0);
        _object(abi.encodeWithSelector(IObjections.ObjectionsNothingProven.selector));
    }

    function test_proveMismatch__givenUp__reverts() public {
        _signed(_book(), Hashes.NO_PRICE, new uint256[](0), 0, 1);
        _object(abi.encodeWithSelector(IObjections.ObjectionsPageWrong.selector, 0));
    }

    function test_proveMismatch__unsignedResult__reverts() public {
        _signed(_book(), Hashes.NO_PRICE, _book(), 0, 0);
        _price = 5;
        _object(abi.encodeWithSelector(IObjections.ObjectionsNotBound.selector));
    }

    function test_proveMismatch__uncommittedBook__reverts() public {
        _signed(_book(), Hashes.NO_PRICE, _book(), 0, 0);
        _booked[0] = _bid(1, 200, 5, 0);
        _object(abi.encodeWithSelector(IObjections.ObjectionsNotBound.selector));
    }

    function test_proveMismatch__emptyResultButNotEmptied__proven() public {
        _signed(_book(), Hashes.NO_PRICE, new uint256[](0), 0, 0);
        _object("");
    }

    function test_proveMismatch__orderLeftOut__proven() public {
        uint256[] memory words = new uint256[](1);
        words[0] = _bid(1, 300, 5, 0);
        _signed(_book(), Hashes.NO_PRICE, words, 0, 1);
        _object("");
    }

    function test_proveMismatch__orderChanged__proven() public {
        uint256[] memory words = _book();
        words[0] = _bid(1, 200, 5, 0);
        _signed(_book(), Hashes.NO_PRICE, words, 0, 0);
        _object("");
    }

    function test_proveMismatch__tradedResultOverAnotherBook__proven() public {
        uint256[] memory words = new uint256[](2);
        (words[0], words[1]) = (_bid(1, 500, 5, 5), _ask(2, 400, 5, 5));
        _signed(_book(), 450, words, 1, 0);
        _object("");
    }

    function test_proveMismatch__priceOutsideTheTradedMask__proven() public {
        _signed(_book(), 350, _book(), 0, 0);
        _object("");
    }

    function test_proveMismatch__acceptedOutsideTheTradedMask__proven() public {
        uint256[] memory words = new uint256[](2);
        (words[0], words[1]) = (_bid(1, 300, 5, 1), _ask(2, 400, 5, 1));
        _signed(_book(), Hashes.NO_PRICE, words, 0, 0);
        _object("");
    }

    /// @dev Says that it is empty and is not.
    function test_proveMismatch__givenUpWithWords__proven() public {
        uint256[] memory words = _book();
        _open();
        _close(words);
        (_booked, _price, _signedWords) = (words, Hashes.NO_PRICE, words);
        bytes32[] memory results = _results(_price, words);
        results[0] = Hashes.result(MARKET_ID, gate, FIRST_MTU, _price, Hashes.chain(_pageHashes(words)), 0);
        _recordMasked(Merkle.placesRoot(results), 0, 1);
        Bound memory result =
            Bound({count: 0, pageHashes: _pageHashes(words), proof: Merkle.placesProof(results, 0)});
        _expectRefuted(Ground.Mismatch);
        objections.proveMismatch(MARKET_ID, _target(FIRST_MTU, _price, 0, 0), result, _committedBook(), words);
    }

    function test_proveMismatch__onlyTheSecondPageDiffers__provenByItAlone() public {
        (uint256[] memory booked, uint256[] memory words) = (new uint256[](2049), new uint256[](2049));
        for (uint256 i = 0; i < 2049; ++i) {
            booked[i] = words[i] = _bid(1 + i, 100, 1, 0);
        }
        words[2048] = _bid(2049, 200, 1, 0);
        _signed(booked, Hashes.NO_PRICE, words, 0, 0);
        (Bound memory result, Bound memory book) = (_result(), _committedBook());
        ResultPage memory target = _target(FIRST_MTU, _price, 2049, 0);
        vm.expectRevert(IObjections.ObjectionsNothingProven.selector);
        objections.proveMismatch(MARKET_ID, target, result, book, _pages(words)[0]);
        target.page = 1;
        _expectRefuted(Ground.Mismatch);
        objections.proveMismatch(MARKET_ID, target, result, book, _pages(words)[1]);
    }

    function test_proveMismatch__acceptedOnTheSecondPageOutsideTheMask__proven() public {
        uint256[] memory words = new uint256[](2049);
        for (uint256 i = 0; i < 2049; ++i) {
            words[i] = _bid(1 + i, 100, 1, i == 2048 ? 1 : 0);
        }
        _signed(words, Hashes.NO_PRICE, words, 0, 0);
        (Bound memory result, Bound memory book) = (_result(), _committedBook());
        ResultPage memory target = _target(FIRST_MTU, _price, 2049, 1);
        _expectRefuted(Ground.Mismatch);
        objections.proveMismatch(MARKET_ID, target, result, book, _pages(words)[1]);
    }
}
