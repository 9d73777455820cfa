// SPDX-License-Identifier: UNLICENSED
pragma solidity 0.8.37;

import {ResultPage} from "./IClearing.sol";

/// @notice Why a signed program is wrong.
/// @dev The order is part of the ABI: never reorder, only append.
enum Ground {
    Crossing,
    InvalidWord,
    Mismatch
}

/// @notice Which page of which committed book is shown.
/// @param session gate of the session
/// @param mtu the MTU
/// @param page index of this page, 0 first
struct BookPage {
    uint64 session;
    uint32 mtu;
    uint32 page;
}

/// @notice A book or a result as its root binds it.
/// @param count number of words over all pages
/// @param pageHashes hashes of all pages: masked ones of a book, complete ones of a result
/// @param proof places proof of its hash under the session's root
struct Bound {
    uint32 count;
    bytes32[] pageHashes;
    bytes32[] proof;
}

/// @title Objections: evidence against the signer of a program
/// @notice Where no money flows, a program is the DSO's word: that books outside both masks do not cross, that every word committed is valid, that results
/// are those of the committed books. Anyone who holds the words may prove the contrary here, page by page and in any order, at any time after the
/// program was recorded, also in a pause. A proof moves no money and changes no session: it stays as an event against the signer of `ProgramRecorded`.
/// @dev Constructor: `Objections(IMarket market)`. Masked words have neither cap nor accepted lots: a committed word with either is not valid.
interface IObjections {
    /// @notice A signed program is proven wrong in an MTU.
    event ProgramRefuted(bytes32 indexed market, uint64 indexed session, uint32 indexed mtu, Ground ground);

    /// @notice Thrown when no program of this session was recorded, or the session does not hold the MTU.
    error ObjectionsNotSigned(bytes32 market, uint64 session, uint32 mtu);
    /// @notice Thrown when pages, count and proof do not give what the session's root holds in this place.
    error ObjectionsNotBound();
    /// @notice Thrown when the words are not those of the page.
    error ObjectionsPageWrong(uint32 page);
    /// @notice Thrown when the program makes no claim that this could refute: a bilateral market, or an MTU in one of the masks.
    error ObjectionsNoClaim(uint32 mtu);
    /// @notice Thrown when what is shown proves nothing, and adds nothing to what was shown before.
    error ObjectionsNothingProven();

    /// @notice Shows one masked page of the book of an MTU in neither mask. Highest bid and lowest ask of valid words are kept over pages; words that
    /// are not valid are passed over. Proven once bid ≥ ask.
    function proveCrossing(
        bytes32 market,
        BookPage calldata target,
        Bound calldata book,
        uint256[] calldata words
    ) external returns (bool proven);

    /// @notice Shows one masked page of a committed book. Proven where a word is not valid by itself, does not follow the one before it (on this page, or on
    /// the pages beside it where they were shown), or where the page has not the number of words that the count demands.
    function proveInvalidWord(
        bytes32 market,
        BookPage calldata target,
        Bound calldata book,
        uint256[] calldata words
    ) external returns (bool proven);

    /// @notice Proves that a signed result is not one over the committed book: it has another count or number of pages; the words of one complete page, masked,
    /// are not the page committed; or it has a price or accepts lots outside the traded mask. Not of an emptied MTU whose result is an empty book.
    /// @param target session, MTU and price of the result, and the page shown; its count is that of the result
    /// @param words complete words of that page; none are read where counts or prices prove it already
    function proveMismatch(
        bytes32 market,
        ResultPage calldata target,
        Bound calldata result,
        Bound calldata book,
        uint256[] calldata words
    ) external;
}
