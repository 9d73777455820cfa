// SPDX-License-Identifier: UNLICENSED
pragma solidity 0.8.37;

/// @notice Which page of which result a clearing carries.
/// @param session gate of the session
/// @param mtu the MTU
/// @param priceNeurPerWh clearing price; NO_PRICE (type(int32).min) in bilateral markets
/// @param count number of words in the book over all pages
/// @param page index of this page, 0 first; pages come in order
struct ResultPage {
    uint64 session;
    uint32 mtu;
    int32 priceNeurPerWh;
    uint32 count;
    uint32 page;
}

/// @notice Where a result and its book stand in their session.
/// @param result places proof of the result hash under the signed root
/// @param book places proof of the book hash under the committed root; read with the last page
struct PlaceProofs {
    bytes32[] result;
    bytes32[] book;
}

/// @notice The whole result of one MTU whose book has one page, as a batch carries it.
/// @param target which result; its page is 0
/// @param pageHashes hash of its page; none of an empty book
/// @param words its complete words
/// @param proofs where result and book stand under their roots
struct SmallResult {
    ResultPage target;
    bytes32[] pageHashes;
    uint256[] words;
    PlaceProofs proofs;
}

/// @notice Why an order word was refused. A word that breaks several rules is refused for one of them.
/// @dev The order is part of the ABI: never reorder, only append.
enum WordFault {
    TagNotAscending,
    FlagsUnknown,
    QuantityZero,
    LimitOutOfBand,
    LimitOffTick,
    AcceptedAboveEffective,
    /// of deals: not a bid followed by its ask
    PairBroken,
    /// of deals: bid and ask differ in limit or accepted quantity
    PairUnequal
}

/// @title Clearing: results that must be optimal, prices nobody sets
/// @notice Checks the words of a result page by page, whoever sends them, and tells `Market` what cleared. Of a result that the DSO signed, over the book that
/// the operator committed to, it recomputes both hashes, the balance, the optimum and the price by the kind of market.
/// Safety assumes: keccak256. Liveness assumes: somebody sends the pages in time, nobody in particular.
/// @dev Shapes and rules are those of docs/protocol.md, section 3.
/// @dev Constructor: `Clearing(IMarket market)`.
interface IClearing {
    /* EVENTS */

    /// @notice One page of a result with several pages was verified; the MTU is not cleared yet.
    event PageVerified(bytes32 indexed market, uint64 indexed session, bytes32 indexed resultHash, uint32 mtu, uint32 page);

    /// @notice A batch left this MTU as it stands: it was cleared before.
    event ClearingPassedOver(bytes32 indexed market, uint64 indexed session, uint32 indexed mtu);

    /* ERRORS */

    /// @notice Thrown at deployment to a market that lets another contract record what cleared.
    error ClearingPartsUnlike();
    /// @notice Thrown when number of pages, page index or number of words do not fit the count.
    error ClearingPageInvalid();
    /// @notice Thrown when a batch has no result, or one of another session than its first or of a book with several pages.
    error ClearingBatchInvalid();
    /// @notice Thrown when a page comes out of order.
    error ClearingPageOrder(uint32 expectedPage);
    /// @notice Thrown when the words are not those of the page hash.
    error ClearingPageHashWrong(uint32 page);
    /// @notice Thrown when the result is not at its place under the root that the DSO signed.
    error ClearingResultUnsigned(bytes32 resultHash);
    /// @notice Thrown when the masked words are not the book at its place under the committed root.
    error ClearingBookUncommitted(bytes32 bookHash);
    /// @notice Thrown when an order word breaks a rule by itself or does not follow the one before.
    error ClearingWordInvalid(uint256 index, WordFault fault);
    /// @notice Thrown when lots bought and lots sold differ.
    error ClearingUnbalanced(uint256 boughtLots, uint256 soldLots);
    /// @notice Thrown when nothing is accepted in an MTU that the DSO signed as traded.
    error ClearingNothingTraded(uint32 mtu);
    /// @notice Thrown when some allocation is better: an order left out could trade, or somebody trades beyond their limit.
    error ClearingNotOptimal();
    /// @notice Thrown when the price is not the one the rule gives.
    error ClearingPriceWrong(int32 expectedNeurPerWh, int32 givenNeurPerWh);

    /* CHANGES */

    /// @notice Verifies one page of a result and, with its last page, clears the MTU; the last MTU of the traded mask makes the session Done. Anyone, until
    /// gate + clearSeconds; stopped by a pause. Every page is bound to the signed result before it counts. Pages come in order; pages verified stay verified.
    /// A result under the signed root that is not optimal never clears: the MTU trades nothing.
    /// @param target which page of which result
    /// @param pageHashes hashes of all complete pages of the result
    /// @param words the complete words of this page
    /// @param proofs where result and book stand under their roots
    function clear(
        bytes32 market,
        ResultPage calldata target,
        bytes32[] calldata pageHashes,
        uint256[] calldata words,
        PlaceProofs calldata proofs
    ) external;

    /// @notice `clear` for several MTUs of one session, each with a book of one page. MTUs that are cleared already are passed over (`ClearingPassedOver`).
    /// Reverts whole where one of the others can't be cleared, which `clear` then does one by one.
    function clearMany(bytes32 market, SmallResult[] calldata results) external;

    /* VIEWS */

    /// @notice Pages of this result verified so far, of results with several pages that are not cleared yet.
    function verifiedPages(bytes32 resultHash) external view returns (uint32);
}
