// SPDX-License-Identifier: UNLICENSED
pragma solidity 0.8.37;

/// @notice Which page of which settlement a transaction carries, and what the attesters signed beside its words.
/// @param revision 0 for the first settlement of the period, then 1, 2, … for corrections (which carry differences)
/// @param page index of this page, 0 first; pages come in order
/// @param statementsRoot Merkle root over the statements, accounts ascending
/// @param tariffHash hash of the tariff and agreement versions used
struct SettlementPage {
    bytes32 area;
    uint32 period;
    uint32 revision;
    uint32 page;
    bytes32 statementsRoot;
    bytes32 tariffHash;
}

/// @notice Where the settlement of one (area, period) stands.
/// @param revisions settlements that took effect; 0 = not settled, the next one carries this as its revision
/// @param settledAt market time of the first one
/// @param isFinal nothing changes any more
struct SettlementState {
    uint32 revisions;
    uint64 settledAt;
    bool isFinal;
}

/// @notice A settlement of several pages that has begun and not taken effect.
/// @param id identifies it: hash over area, period, revision, words hash, statements root and tariff hash; 0 = none is open
/// @param nextPage page expected next
/// @param abandonAt market time after which anyone may abandon it
struct OpenSettlement {
    bytes32 id;
    uint32 nextPage;
    uint64 abandonAt;
}

/// @title Settlement: moves money only by what everybody can recompute
/// @notice Safety assumes: fewer than m attesting organisations lie together (or a correction comes within the challenge window). It does not
/// assume an honest operator: a settlement needs the attesters' signatures over roots that this contract reads from Market and Readings itself.
/// Every settlement has sum zero and happens wholly or not at all. It books through Accounts, which keeps the balances.
/// Liveness assumes nobody: settlement and finalise work in a pause and without the operator; a settlement that stalls between its pages can be abandoned.
/// Attesters' signatures count by the roles of the moment they arrive: a key that is revoked or replaced in `Roles` takes its signatures in flight with it, and they must be given again.
/// @dev Only one settlement of several pages is open at a time per area.
/// @dev Constructor: `Settlement(IRoles roles, ICalendar calendar, IMarket market, IReadings readings, IAccounts accounts, uint32 pageSeconds)`;
/// `pageSeconds` is how long a settlement may stay open between its first page and its last, market time.
interface ISettlement {
    /* EVENTS */

    /// @notice One page of a settlement with several pages was booked as pending.
    event SettlementPageBooked(
        bytes32 indexed area, uint32 indexed period, uint32 indexed revision, uint32 page, bytes32 id
    );
    /// @notice A settlement took effect.
    event PeriodSettled(
        bytes32 indexed area,
        uint32 indexed period,
        uint32 indexed revision,
        bytes32 wordsHash,
        bytes32 clearingRoot,
        bytes32 readingsRoot,
        bytes32 statementsRoot,
        bytes32 tariffHash
    );
    /// @notice The attesters' signatures over a settlement, once, with its first page.
    event SettlementSigned(
        bytes32 indexed area, uint32 indexed period, uint32 indexed revision, bytes32 digest, bytes[] signatures
    );
    /// @notice A settlement that stalled between its pages was dropped; nothing of it has effect.
    event SettlementAbandoned(bytes32 indexed id);
    /// @notice Corrections are over.
    event PeriodFinalised(bytes32 indexed area, uint32 indexed period);

    /* ERRORS */

    /// @notice Thrown when the constructor's window is 0 or above ten years.
    error SettlementConfigInvalid();
    /// @notice Thrown when the constructor's contracts do not stand on the same roles and calendar, or the accounts let another contract book.
    error SettlementPartsUnlike();
    /// @notice Thrown when the period has not ended.
    error SettlementTooEarly(uint64 from, uint64 marketTime);
    /// @notice Thrown after the deadline of a step.
    error SettlementTooLate(uint64 until, uint64 marketTime);
    /// @notice Thrown when sessions of the period are opened and not Done.
    error SettlementPending(uint256 sessions);
    /// @notice Thrown when some MTU is neither attested nor Unread.
    error SettlementUnread(uint256 resolved, uint256 required);
    /// @notice Thrown when the revision is not the next one.
    error SettlementRevisionWrong(uint32 expected, uint32 given);
    /// @notice Thrown when the period is Final.
    error SettlementFinal(bytes32 area, uint32 period);
    /// @notice Thrown when the period was never settled.
    error SettlementNone(bytes32 area, uint32 period);
    /// @notice Thrown when another settlement is open between its pages.
    error SettlementBusy(bytes32 id);
    /// @notice Thrown when a page does not belong to the open settlement or comes out of order.
    error SettlementPageOrder(uint32 expectedPage);
    /// @notice Thrown when number of pages, page index or number of words are out of bounds.
    error SettlementPageInvalid();
    /// @notice Thrown when the words are not those of the page hash.
    error SettlementPageHashWrong(uint32 page);
    /// @notice Thrown when the amounts do not sum to zero.
    error SettlementUnbalanced(int256 sumNeur);
    /// @notice Thrown when there is no open settlement to abandon.
    error SettlementNotOpen();

    /* SETTLEMENT */

    /// @notice Books one page of a settlement; with the last page it takes effect. Anyone, also in a pause: it brings no new trade, sellers wait for it, and a correction must not be lost to one.
    /// Revision 0 once the period ended, every (market, MTU) is Cleared or Void and every MTU attested or Unread; corrections until the first settlement + horizonSeconds.
    /// @dev Accounts must belong to the area; a blank one (no money, no credit line) is bound to it by its first booking.
    /// @param target which page of which settlement
    /// @param pageHashes hashes of all pages, of up to 2,048 words each; none for a settlement without amounts
    /// @param words `address:160 | amount:int96` of this page: over all pages first the debits, then the credits, accounts of each strictly ascending
    /// @param signatures with page 0: m or more attesters' over EIP-712 `Settlement`, ascending by signer; ignored with later pages
    function settle(
        SettlementPage calldata target,
        bytes32[] calldata pageHashes,
        uint256[] calldata words,
        bytes[] calldata signatures
    ) external;

    /// @notice Drops the area's open settlement after its deadline. Anyone, also in a pause. The same one may come again.
    function abandonSettlement(bytes32 area) external;

    /// @notice Ends corrections of a period after its horizon, and counts on what `settledThrough` has not counted yet. Anyone, also in a pause.
    function finalise(bytes32 area, uint32 period) external;

    /* VIEWS */

    /// @notice Number of the period up to which every period of the area is settled; where one settled late, those after it count a few at a time, with later settlements or as periods become final.
    function settledThrough(bytes32 area) external view returns (uint32);

    /// @notice Number of an area's periods that are Final.
    function finalCount(bytes32 area) external view returns (uint32);

    /// @notice Where the settlement of (area, period) stands.
    function settlementOf(bytes32 area, uint32 period) external view returns (SettlementState memory);

    /// @notice Root of the statements of a settlement that took effect; 0 otherwise.
    function statementsRootOf(bytes32 area, uint32 period, uint32 revision) external view returns (bytes32);

    /// @notice The area's settlement that is open between its pages.
    function openSettlement(bytes32 area) external view returns (OpenSettlement memory);

    /// @notice Market-time seconds that a settlement may stay open between its first page and its last.
    function pageSeconds() external view returns (uint32);

    /// @notice The EIP-712 digest the attesters sign.
    function settlementDigest(
        bytes32 area,
        uint32 period,
        uint32 revision,
        bytes32 wordsHash,
        bytes32 clearingRoot,
        bytes32 readingsRoot,
        bytes32 statementsRoot,
        bytes32 tariffHash
    ) external view returns (bytes32);

    /// @notice The EIP-712 domain separator of this contract.
    function domainSeparator() external view returns (bytes32);
}
