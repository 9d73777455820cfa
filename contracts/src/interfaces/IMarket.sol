// SPDX-License-Identifier: UNLICENSED
pragma solidity 0.8.37;

/// @notice Life of one (market, MTU), only forward.
/// @dev The order is part of the ABI: never reorder, only append.
enum MtuState {
    Open,
    BookClosed,
    Cleared,
    Void
}

/// @notice How orders of a market find each other, and at what price.
/// @dev The order is part of the ABI: never reorder, only append.
enum MarketKind {
    /// uniform price, one optimum per MTU: lo + ⌊(hi − lo) / 2⌋
    Auction,
    /// deals that buyer and seller both signed: each at its limit, no optimum
    Bilateral,
    /// an auction with one buyer: its price is that of the dearest offer accepted
    Flexibility
}

/// @notice The fixed rules of one market.
/// @param area the grid area whose DSO validates and whose readings settle
/// @param lotWh energy of one lot, Wh
/// @param tickNeurPerWh every limit is a multiple of it, nEUR/Wh
/// @param minLimitNeurPerWh lowest limit allowed, a multiple of the tick, above type(int32).min
/// @param maxLimitNeurPerWh highest limit allowed, a multiple of the tick
/// @param graceSeconds after the gate: until then books may be closed
/// @param signSeconds after the gate: until then the DSO's program may be recorded; at least `graceSeconds`
/// @param clearSeconds after the gate: until then MTUs may be cleared; at least `signSeconds`
struct MarketParams {
    bytes32 area;
    uint24 lotWh;
    uint24 tickNeurPerWh;
    int32 minLimitNeurPerWh;
    int32 maxLimitNeurPerWh;
    uint32 graceSeconds;
    uint32 signSeconds;
    uint32 clearSeconds;
}

/// @notice A gate of a market and the MTUs it closes.
/// @param firstMtu first MTU of the program
/// @param count number of MTUs, 1 to 128
/// @param period the area's period that contains all of them
/// @param gate market time at which the books close
/// @param closed whether the books were closed
/// @param resultsRoot Merkle root of the results the DSO signed; 0 = not recorded
struct Program {
    uint32 firstMtu;
    uint32 count;
    uint32 period;
    uint64 gate;
    bool closed;
    bytes32 resultsRoot;
}

/// @notice Which page of which result a clearing carries.
/// @param program number of the program
/// @param mtu the MTU
/// @param priceNeurPerWh clearing price; NO_PRICE (type(int32).min) without a trade
/// @param count number of orders in the book over all pages
/// @param page index of this page, 0 first; pages come in order
struct ResultPage {
    uint32 program;
    uint32 mtu;
    int32 priceNeurPerWh;
    uint32 count;
    uint32 page;
}

/// @notice Outcome of one (market, MTU).
/// @param priceNeurPerWh NO_PRICE without a trade (also when Open, BookClosed or Void)
/// @param tradedLots lots bought, which equal lots sold
/// @param resultHash as signed by the DSO; 0 unless Cleared
struct Result {
    int32 priceNeurPerWh;
    uint64 tradedLots;
    bytes32 resultHash;
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

/// @title Market: books that cannot change, results that must be optimal, prices nobody sets
/// @notice A uniform-price auction per MTU. A day of it: openProgram → closeBooks (commitment) → recordProgram (the DSO's signature
/// over all results) → clear, once per MTU and page → and void, by anyone, for whatever missed its deadline.
/// Safety assumes: keccak256 and ECDSA; the DSO's key signs only what its power flow allows. It does not assume an honest operator: the
/// contract checks limits, balance and the full optimum itself; what the operator can do is leave out an order (its receipt proves it) or be late (void).
/// Liveness assumes: somebody sends the transactions in time; nobody in particular except for openProgram and closeBooks.
/// @dev Shapes (order word, page hash, book hash, result hash, Merkle tree) are those of docs/protocol.md, section 3. All deadlines are market time, inclusive.
/// @dev Constructor: `Market(IRoles roles, ICalendar calendar)`.
interface IMarket {
    /* EVENTS */

    /// @notice A market came into being; it takes part from period `firstPeriod` of its area on.
    event MarketCreated(bytes32 indexed market, bytes32 indexed area, uint32 firstPeriod, MarketParams params);
    /// @notice A program was opened.
    event ProgramOpened(
        bytes32 indexed market,
        uint32 indexed program,
        uint32 indexed period,
        uint32 firstMtu,
        uint32 count,
        uint64 gate
    );
    /// @notice All books of a program were committed to: per MTU the chain of masked page hashes and the number of orders.
    event BooksClosed(
        bytes32 indexed market, uint32 indexed program, uint32 firstMtu, bytes32[] chains, uint32[] counts
    );
    /// @notice The DSO's program was recorded.
    event ProgramRecorded(
        bytes32 indexed market,
        uint32 indexed program,
        bytes32 resultsRoot,
        bytes32 gridModelHash,
        bytes32 reportHash,
        uint64 deadline,
        address dso,
        bytes signature
    );
    /// @notice One page of a result with several pages was verified; the MTU is not cleared yet.
    event PageVerified(bytes32 indexed market, uint32 indexed mtu, bytes32 indexed resultHash, uint32 page);
    /// @notice An MTU was cleared.
    event MtuCleared(
        bytes32 indexed market,
        uint32 indexed mtu,
        int32 priceNeurPerWh,
        uint64 tradedLots,
        bytes32 resultHash,
        bytes32 clearingRoot
    );
    /// @notice An MTU was voided: no trade.
    event MtuVoided(bytes32 indexed market, uint32 indexed mtu, bytes32 clearingRoot);

    /* ERRORS */

    /// @notice Thrown when the market's id is 0 or a parameter breaks a rule of `MarketParams`.
    error MarketParamsInvalid();
    /// @notice Thrown when the market exists already.
    error MarketExists(bytes32 market);
    /// @notice Thrown when the market does not exist.
    error MarketUnknown(bytes32 market);
    /// @notice Thrown when an area has as many markets as it may (16).
    error MarketTooMany(bytes32 area);
    /// @notice Thrown when the market does not take part in the period.
    error MarketNotInPeriod(bytes32 market, uint32 period);
    /// @notice Thrown when a program has no MTU, more than 128, overlaps or precedes an earlier one, or leaves its period.
    error MarketProgramInvalid();
    /// @notice Thrown when a gate is not in the future, or too late to clear before the first MTU starts.
    error MarketGateInvalid(uint64 gate, uint64 marketTime);
    /// @notice Thrown when the program does not exist.
    error MarketProgramUnknown(bytes32 market, uint32 program);
    /// @notice Thrown before the gate.
    error MarketTooEarly(uint64 from, uint64 marketTime);
    /// @notice Thrown after the deadline of a step.
    error MarketTooLate(uint64 until, uint64 marketTime);
    /// @notice Thrown when the books of the program are closed already.
    error MarketBooksClosed(bytes32 market, uint32 program);
    /// @notice Thrown when the books of the program are not closed yet.
    error MarketBooksOpen(bytes32 market, uint32 program);
    /// @notice Thrown when there is not one chain and count per MTU, a count is above the limit, or just one of chain and count is zero.
    error MarketBooksInvalid();
    /// @notice Thrown when a program of the DSO is recorded already; the first one wins.
    error MarketProgramRecorded(bytes32 market, uint32 program);
    /// @notice Thrown when the root of results is 0.
    error MarketRootInvalid();
    /// @notice Thrown when the DSO's program is not recorded yet.
    error MarketProgramNotRecorded(bytes32 market, uint32 program);
    /// @notice Thrown when the MTU is not part of the program.
    error MarketMtuNotInProgram(uint32 mtu);
    /// @notice Thrown when the MTU is cleared or void already, or has no closed book.
    error MarketStateWrong(uint32 mtu, MtuState state);
    /// @notice Thrown when number of pages, page index or number of words do not fit the count.
    error MarketPageInvalid();
    /// @notice Thrown when a page comes out of order.
    error MarketPageOrder(uint32 expectedPage);
    /// @notice Thrown when the words are not those of the page hash.
    error MarketPageHashWrong(uint32 page);
    /// @notice Thrown when the result is not under the root that the DSO signed.
    error MarketResultUnsigned(bytes32 resultHash);
    /// @notice Thrown when the masked words are not the committed book.
    error MarketBookHashWrong(bytes32 committed, bytes32 given);
    /// @notice Thrown when an order word breaks a rule by itself or does not follow the one before.
    error MarketWordInvalid(uint256 index, WordFault fault);
    /// @notice Thrown when lots bought and lots sold differ.
    error MarketUnbalanced(uint256 boughtLots, uint256 soldLots);
    /// @notice Thrown when some allocation is better: an order left out could trade, or somebody trades beyond their limit.
    error MarketNotOptimal();
    /// @notice Thrown when the price is not the one the rule gives.
    error MarketPriceWrong(int32 expectedNeurPerWh, int32 givenNeurPerWh);
    /// @notice Thrown when a range of MTUs is empty, longer than 3,200, or leaves its period.
    error MarketRangeInvalid();
    /// @notice Thrown when no MTU of the range can be voided now.
    error MarketNothingToVoid();
    /// @notice Thrown when the hint does not name the last program that begins at or before the MTU.
    error MarketHintWrong(uint32 program, uint32 mtu);

    /* CHANGES */

    /// @notice Creates a market. Registrar only. It takes part from the next period declared for its area on.
    function createMarket(bytes32 market, MarketParams calldata params) external;

    /// @notice Opens the next program. Operator of the area only; stopped by a pause.
    /// @param period period of the area that contains all its MTUs
    /// @param firstMtu not before the end of the market's last program
    /// @param count 1 to 128
    /// @param gate market time, in the future; gate + clearSeconds must not be after the start of `firstMtu`
    /// @return program its number: 1, 2, … per market
    function openProgram(bytes32 market, uint32 period, uint32 firstMtu, uint32 count, uint64 gate)
        external
        returns (uint32 program);

    /// @notice Commits to the books of all MTUs of a program, once, from the gate to gate + graceSeconds. Operator of the area only; stopped by a pause.
    /// @param chains per MTU: chain of masked page hashes, 0 for an empty book
    /// @param counts per MTU: number of orders, 0 for an empty book
    function closeBooks(bytes32 market, uint32 program, bytes32[] calldata chains, uint32[] calldata counts) external;

    /// @notice Records the results the area's DSO signed (EIP-712 `Program`), until gate + signSeconds and `deadline`. Anyone; stopped by a pause. The first one wins.
    /// @param deadline market time until which the DSO lets its signature be used
    function recordProgram(
        bytes32 market,
        uint32 program,
        bytes32 resultsRoot,
        bytes32 gridModelHash,
        bytes32 reportHash,
        uint64 deadline,
        bytes calldata signature
    ) external;

    /// @notice Verifies one page of a result and, with its last page, clears the MTU. Anyone, until gate + clearSeconds; stopped by a pause.
    /// Every page is bound to the signed result before it counts. Pages come in order; pages verified stay verified. A result under the signed
    /// root that is not optimal never clears: the MTU is voided at its deadline.
    /// @param target which page of which result
    /// @param pageHashes hashes of all complete pages of the result; none for an empty book
    /// @param words the complete words of this page
    /// @param proof Merkle proof of the result hash under the recorded root
    function clear(
        bytes32 market,
        ResultPage calldata target,
        bytes32[] calldata pageHashes,
        uint256[] calldata words,
        bytes32[] calldata proof
    ) external;

    /// @notice Voids all MTUs of a range that missed a deadline. Anyone, also in a pause. MTUs that are Cleared or Void are passed over.
    /// Missed is: book not closed by gate + graceSeconds; not cleared by gate + clearSeconds; in no program when it starts.
    /// @param period period of the area that contains the range
    /// @param program the last program that begins at or before `firstMtu`; 0 if there is none. The range lies wholly inside or wholly behind it
    /// @param firstMtu first MTU of the range
    /// @param count 1 to 3,200
    function voidMtus(bytes32 market, uint32 period, uint32 program, uint32 firstMtu, uint32 count) external;

    /* VIEWS */

    /// @notice The roles that decide who may do what.
    function roles() external view returns (address);

    /// @notice The calendar whose time, areas and periods count.
    function calendar() external view returns (address);

    /// @notice The last period of an area in which trading ever began; 0 = none.
    function lastPeriod(bytes32 area) external view returns (uint32);

    /// @notice The rules of a market; reverts if it does not exist.
    function paramsOf(bytes32 market) external view returns (MarketParams memory);

    /// @notice First period of its area that the market takes part in; reverts if it does not exist.
    function firstPeriodOf(bytes32 market) external view returns (uint32);

    /// @notice Number of programs; the last one has this number.
    function programCount(bytes32 market) external view returns (uint32);

    /// @notice A program; reverts if it does not exist.
    function programOf(bytes32 market, uint32 program) external view returns (Program memory);

    /// @notice Where (market, MTU) stands.
    function stateOf(bytes32 market, uint32 mtu) external view returns (MtuState);

    /// @notice The committed book hash of (market, MTU); 0 before its book is closed, and again once it is Cleared: then the result hash stands in its
    /// place, and event BooksClosed keeps what it was made of.
    function bookHashOf(bytes32 market, uint32 mtu) external view returns (bytes32);

    /// @notice Outcome of (market, MTU).
    function resultOf(bytes32 market, uint32 mtu) external view returns (Result memory);

    /// @notice Pages of this result verified so far, of results with several pages that are not cleared yet.
    function verifiedPages(bytes32 resultHash) external view returns (uint32);

    /// @notice Running root over the clearings and voids of (area, period), in the order of their happening.
    function clearingRoot(bytes32 area, uint32 period) external view returns (bytes32);

    /// @notice Number of (market, MTU) of (area, period) that are Cleared or Void.
    function resolvedCount(bytes32 area, uint32 period) external view returns (uint256);

    /// @notice Number of (market, MTU) of (area, period) that must be Cleared or Void before it settles.
    function requiredCount(bytes32 area, uint32 period) external view returns (uint256);

    /// @notice The EIP-712 digest the DSO signs for a program of this market.
    function programDigest(
        bytes32 market,
        uint32 firstMtu,
        uint32 count,
        bytes32 resultsRoot,
        bytes32 gridModelHash,
        bytes32 reportHash,
        uint64 deadline
    ) external view returns (bytes32);

    /// @notice The EIP-712 domain separator of this contract.
    function domainSeparator() external view returns (bytes32);
}
