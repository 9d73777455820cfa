// SPDX-License-Identifier: UNLICENSED
pragma solidity 0.8.37;

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

/// @notice Life of one (market, session), only forward.
/// @dev The order is part of the ABI: never reorder, only append.
enum SessionState {
    None,
    Open,
    Closed,
    Signed,
    Done
}

/// @notice The fixed rules of one market.
/// @param area the grid area whose DSO validates and whose readings settle
/// @param kind how its books clear
/// @param lotWh energy of one lot, Wh
/// @param tickNeurPerWh every limit is a multiple of it, nEUR/Wh
/// @param minLimitNeurPerWh lowest limit allowed, a multiple of the tick, above type(int32).min
/// @param maxLimitNeurPerWh highest limit allowed, a multiple of the tick
/// @param graceSeconds after the gate: until then books may be closed
/// @param signSeconds after the gate: until then the DSO's program may be recorded; at least `graceSeconds`
/// @param clearSeconds after the gate: until then MTUs may be cleared; at least `signSeconds`
struct MarketParams {
    bytes32 area;
    MarketKind kind;
    uint24 lotWh;
    uint24 tickNeurPerWh;
    int32 minLimitNeurPerWh;
    int32 maxLimitNeurPerWh;
    uint32 graceSeconds;
    uint32 signSeconds;
    uint32 clearSeconds;
}

/// @notice One gate of a market and the MTUs it closes. Its name is the gate: market time in unix seconds.
/// @param firstMtu first MTU of the session
/// @param period the area's period that contains all of them
/// @param count number of MTUs, 1 to 128; in the masks bit i stands for MTU firstMtu + i
/// @param state where it stands
/// @param clearedMask MTUs that were cleared
/// @param booksRoot places root over the books of all its MTUs; 0 = not closed
/// @param resultsRoot places root over the results the DSO signed; 0 = not signed
/// @param tradedMask MTUs that trade, by the DSO's signature
/// @param emptiedMask MTUs that caps emptied or that were given up, by the DSO's signature
struct Session {
    uint32 firstMtu;
    uint32 period;
    uint8 count;
    SessionState state;
    uint128 clearedMask;
    bytes32 booksRoot;
    bytes32 resultsRoot;
    uint128 tradedMask;
    uint128 emptiedMask;
}

/// @notice What the DSO signs of one session, besides what the chain knows of it.
/// @param resultsRoot places root over the results of all its MTUs
/// @param tradedMask MTUs that trade
/// @param emptiedMask MTUs that caps emptied or that were given up
/// @param gridModelHash the grid model it stands on
/// @param reportHash the report of the power flow
/// @param deadline market time until which the DSO lets its signature be used
struct Program {
    bytes32 resultsRoot;
    uint128 tradedMask;
    uint128 emptiedMask;
    bytes32 gridModelHash;
    bytes32 reportHash;
    uint64 deadline;
}

/// @title Market: sessions whose books cannot change and whose results the DSO signs
/// @notice A market trades in sessions: openSession → closeSession (one root over all books) → recordProgram (the DSO's signature over all results) →
/// `Clearing.clear`, once per MTU that trades and page → Done; and endSession, by anyone, for whatever missed its deadline.
/// Safety assumes: keccak256 and ECDSA; the DSO's key signs only what its power flow allows. It does not assume an honest operator: where money
/// flows `Clearing` checks limits, balance and the full optimum; what the operator can do is leave out an order (its receipt proves it) or
/// be late (nothing trades). That books outside the traded mask do not cross is the signer's claim: `Objections` is where anyone proves the contrary.
/// Liveness assumes: somebody sends the transactions in time; nobody in particular except for openSession and closeSession.
/// @dev Shapes (order word, page hash, book hash, result hash, places tree, masks) are those of docs/protocol.md, section 3. All deadlines are market time,
/// inclusive; a pause moves them by its length, never past the start of the session's first MTU.
/// @dev Constructor: `Market(IRoles roles, ICalendar calendar, address clearing)`.
interface IMarket {
    /* EVENTS */

    /// @notice A market came into being.
    event MarketCreated(bytes32 indexed market, bytes32 indexed area, MarketParams params);
    /// @notice A session was opened.
    event SessionOpened(
        bytes32 indexed market, uint64 indexed session, uint32 indexed period, uint32 firstMtu, uint32 count
    );
    /// @notice All books of a session were committed to.
    event SessionClosed(bytes32 indexed market, uint64 indexed session, bytes32 booksRoot);
    /// @notice The DSO's program was recorded.
    event ProgramRecorded(
        bytes32 indexed market, uint64 indexed session, Program program, address dso, bytes signature
    );
    /// @notice An MTU was cleared.
    event MtuCleared(
        bytes32 indexed market,
        uint64 indexed session,
        uint32 indexed mtu,
        int32 priceNeurPerWh,
        uint64 tradedLots,
        bytes32 resultHash
    );
    /// @notice A session is over; its MTUs outside the mask traded nothing.
    event SessionDone(bytes32 indexed market, uint64 indexed session, uint128 clearedMask, bytes32 clearingRoot);

    /* ERRORS */

    /// @notice Thrown when the market's id is 0 or a parameter breaks a rule of `MarketParams`.
    error MarketParamsInvalid();
    /// @notice Thrown when the market exists already.
    error MarketExists(bytes32 market);
    /// @notice Thrown when the market does not exist.
    error MarketUnknown(bytes32 market);
    /// @notice Thrown when a session has no MTU, more than 128, or leaves its period.
    error MarketSessionInvalid();
    /// @notice Thrown when the market has a session with this gate already.
    error MarketSessionExists(bytes32 market, uint64 session);
    /// @notice Thrown when a gate is not in the future, or too late to clear before the first MTU starts.
    error MarketGateInvalid(uint64 gate, uint64 marketTime);
    /// @notice Thrown when the session is not where the call needs it; None where it does not exist.
    error MarketStateWrong(bytes32 market, uint64 session, SessionState state);
    /// @notice Thrown before the gate, or before the deadline after which a session may be ended.
    error MarketTooEarly(uint64 from, uint64 marketTime);
    /// @notice Thrown after the deadline of a step.
    error MarketTooLate(uint64 until, uint64 marketTime);
    /// @notice Thrown when a root is 0.
    error MarketRootInvalid();
    /// @notice Thrown when a mask names an MTU outside the session, or both name the same one.
    error MarketMasksInvalid(uint128 tradedMask, uint128 emptiedMask);
    /// @notice Thrown when the MTU is not in the traded mask, or cleared already.
    error MarketMtuNotClearable(uint32 mtu);
    /// @notice Thrown when another than the clearing contract records what cleared.
    error MarketClearingOnly(address caller);

    /* CHANGES */

    /// @notice Creates a market. Registrar only.
    function createMarket(bytes32 market, MarketParams calldata params) external;

    /// @notice Opens a session. Operator of the area only; stopped by a pause. Sessions may overlap in MTUs.
    /// @param session its gate: market time, in the future; gate + clearSeconds must not be after the start of `firstMtu`
    /// @param period period of the area that contains all its MTUs
    /// @param firstMtu its first MTU
    /// @param count 1 to 128
    function openSession(bytes32 market, uint64 session, uint32 period, uint32 firstMtu, uint32 count) external;

    /// @notice Commits to the books of all MTUs of a session, once, from the gate to gate + graceSeconds. Operator of the area only; stopped by a pause.
    /// @param booksRoot places root over the book hashes of all its MTUs, empty books too
    function closeSession(bytes32 market, uint64 session, bytes32 booksRoot) external;

    /// @notice Records the results the area's DSO signed (EIP-712 `Program`), until gate + signSeconds and `deadline`. Anyone; stopped by a pause. The first one
    /// wins. With an empty traded mask the session is Done.
    function recordProgram(bytes32 market, uint64 session, Program calldata program, bytes calldata signature) external;

    /// @notice Notes that an MTU cleared; the last MTU of the traded mask makes the session Done. The clearing contract only, which has checked the book; as
    /// `clearable`, also of the time and of a pause.
    function recordCleared(
        bytes32 market,
        uint64 session,
        uint32 mtu,
        int32 priceNeurPerWh,
        uint64 tradedLots,
        bytes32 resultHash
    ) external;

    /// @notice Makes a session Done that missed a deadline: not closed by gate + graceSeconds, not signed by gate + signSeconds, not all cleared by
    /// gate + clearSeconds. Anyone, also in a pause. What was cleared stands; the other MTUs traded nothing.
    function endSession(bytes32 market, uint64 session) external;

    /* VIEWS */

    /// @notice The roles that decide who may do what.
    function roles() external view returns (address);

    /// @notice The calendar whose time, areas and periods count.
    function calendar() external view returns (address);

    /// @notice The contract that checks books and may record what cleared.
    function clearing() external view returns (address);

    /// @notice Rules and session of an MTU that may clear now: signed as traded, not cleared, until gate + clearSeconds, not in a pause; reverts else.
    function clearable(bytes32 market, uint64 session, uint32 mtu)
        external
        view
        returns (MarketParams memory, Session memory);

    /// @notice The rules of a market; reverts if it does not exist.
    function paramsOf(bytes32 market) external view returns (MarketParams memory);

    /// @notice A session; all zero if it does not exist.
    function sessionOf(bytes32 market, uint64 session) external view returns (Session memory);

    /// @notice Until when the next step of a session must have come, pauses so far included; 0 for one that does not exist or is Done.
    function deadlineOf(bytes32 market, uint64 session) external view returns (uint64);

    /// @notice Running root over the sessions of (area, period) that are Done, in the order of their happening.
    function clearingRoot(bytes32 area, uint32 period) external view returns (bytes32);

    /// @notice Number of sessions of (area, period) that are opened and not Done: it settles at 0.
    function pendingCount(bytes32 area, uint32 period) external view returns (uint256);

    /// @notice The EIP-712 digest the DSO signs for a program of a session.
    function programDigest(bytes32 market, uint64 session, Program calldata program) external view returns (bytes32);

    /// @notice The EIP-712 domain separator of this contract.
    function domainSeparator() external view returns (bytes32);
}
