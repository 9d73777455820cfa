// SPDX-License-Identifier: UNLICENSED
pragma solidity ^0.8.24;

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

/// @notice An account as it stands now.
/// @param balanceNeur + is a credit of the holder; negative is debt
/// @param creditNeur how far below zero it may go before the guarantor owes the rest
/// @param guarantor retailer that guarantees the credit line; 0 = none
/// @param successor account that replaced this one; 0 = none
struct Account {
    int256 balanceNeur;
    uint64 creditNeur;
    address guarantor;
    address successor;
}

/// @notice A redemption that waits for its challenge window, or for money.
/// @param amountNeur requested and not burned yet; 0 = there is none, or it is done
/// @param readyAt market time from which it may be completed, for seven days
struct Redemption {
    uint96 amountNeur;
    uint64 readyAt;
}

/// @title Settlement: e-money balances in nEUR, moved only by what everybody can recompute
/// @notice Safety assumes: fewer than m attesting organisations lie together (or a correction comes within the challenge window), and the treasurer books only deposits that exist. It does not
/// assume an honest operator: a settlement needs the attesters' signatures over roots that this contract reads from Market and Readings itself.
/// An account belongs to one area, and only that area's settlements book it: attesters of another one cannot touch it.
/// Always: Σ balances (committed) = supply = deposits − redemptions ≥ 0. Every settlement has sum zero and happens wholly or not at all.
/// Liveness assumes nobody: settlement, redemption, cover, replacement and finalise work in a pause and without the operator; a settlement that stalls between its pages can be abandoned.
/// Attesters' signatures count by the roles of the moment they arrive: a key that is revoked or replaced in `Roles` takes its signatures in flight with it, and they must be given again.
/// Nobody but its key moves an account: where the key is lost and `AccountReplacement` was not signed before, its balance stays where it is.
/// @dev Only one settlement of several pages is open at a time per area.
/// @dev Constructor: `Settlement(IRoles roles, ICalendar calendar, IMarket market, IReadings readings, uint32 challengeSeconds, uint32 pageSeconds)`;
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
    /// @notice An account was bound to its area, beforehand. (A blank one is bound by its first settlement, without this event.)
    event AccountBound(address indexed account, bytes32 indexed area);
    /// @notice Money came in.
    event Deposited(address indexed account, uint256 amountNeur, bytes32 indexed ref);
    /// @notice A guarantor's credit line for an account, by its own signature.
    event GuaranteeSet(address indexed guarantor, address indexed account, uint64 creditNeur, uint64 nonce);
    /// @notice Debt beyond the credit line: what the guarantor owes now (in total, not since the last call). In a settlement of several pages it counts once the settlement took effect.
    event GuaranteeCalled(address indexed account, address indexed guarantor, uint256 excessNeur);
    /// @notice A guarantor paid debt of an account.
    event DebtCovered(address indexed guarantor, address indexed account, uint256 amountNeur, bytes32 indexed ref);
    /// @notice A redemption was requested; anyone may complete it from market time `readyAt` on.
    event RedemptionRequested(address indexed account, uint256 amountNeur, bytes32 indexed ref, uint64 readyAt);
    /// @notice A redemption was withdrawn by its account, or had expired; `amountNeur` was left of it.
    event RedemptionCancelled(address indexed account, uint256 amountNeur, bytes32 indexed ref);
    /// @notice E-money was burned; the amount is to be paid out. A redemption may be burned in parts.
    event Redeemed(address indexed account, uint256 amountNeur, bytes32 indexed ref);
    /// @notice An account was replaced; balance, credit line and guarantor moved.
    event AccountReplaced(address indexed account, address indexed successor, int256 balanceNeur);

    /* ERRORS */

    /// @notice Thrown when the constructor's windows are 0 or above ten years.
    error SettlementConfigInvalid();
    /// @notice Thrown when the period has not ended.
    error SettlementTooEarly(uint64 from, uint64 marketTime);
    /// @notice Thrown after the deadline of a step.
    error SettlementTooLate(uint64 until, uint64 marketTime);
    /// @notice Thrown when some (market, MTU) is neither Cleared nor Void.
    error SettlementUncleared(uint256 resolved, uint256 required);
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
    /// @notice Thrown when an account is not above the one before, is 0, or its amount is 0.
    error SettlementWordInvalid(uint256 index);
    /// @notice Thrown when the amounts do not sum to zero.
    error SettlementUnbalanced(int256 sumNeur);
    /// @notice Thrown when there is no open settlement to abandon.
    error SettlementNotOpen();
    /// @notice Thrown when an amount is 0 or beyond the range of balances (±(2^70 − 1) nEUR).
    error SettlementAmountInvalid();
    /// @notice Thrown when an account is the zero address, or a pair names one account twice.
    error SettlementAccountInvalid(address account);
    /// @notice Thrown when an account belongs to another area (or to none yet, `area` 0, while it has money or a credit line), or is bound twice.
    error SettlementAreaWrong(address account, bytes32 area);
    /// @notice Thrown when 65,535 areas have accounts already.
    error SettlementAreasExhausted();
    /// @notice Thrown when the reference was used before (deposits: by anyone; cover and redemption: by the same account).
    error SettlementRefUsed(bytes32 ref);
    /// @notice Thrown when the signature is not by the one who must sign.
    error SettlementSignerWrong(address expected, address signer);
    /// @notice Thrown when a guarantee's nonce is not above the last one of (guarantor, account).
    error SettlementNonceUsed(uint64 last, uint64 given);
    /// @notice Thrown when the guarantor of an account in debt beyond its credit line would change.
    error SettlementDebtOpen(address account, uint256 excessNeur);
    /// @notice Thrown when another guarantor would take an account over while the present one's line is above 0 and the account itself does not send it.
    error SettlementGuaranteed(address account, address guarantor);
    /// @notice Thrown when somebody else than the account's guarantor would cover its debt.
    error SettlementGuarantorWrong(address account, address guarantor, address given);
    /// @notice Thrown when a cover is above the account's debt.
    error SettlementDebtLow(address account, int256 debtNeur, uint256 amountNeur);
    /// @notice Thrown when an account's balance less its open redemptions is below what it wants to give.
    error SettlementBalanceLow(address account, int256 freeNeur, uint256 amountNeur);
    /// @notice Thrown when the key of a replaced account would act.
    error SettlementReplaced(address account, address successor);
    /// @notice Thrown when there is no such redemption.
    error SettlementRedemptionUnknown(address account, bytes32 ref);
    /// @notice Thrown when there is nothing to burn: balance or supply is not above zero.
    error SettlementNothingToRedeem(address account);
    /// @notice Thrown when the account was replaced by another one than the given, or the successor is not fresh (it is in debt, has or gives a guarantee, took part in a replacement, or belongs to another area).
    error SettlementSuccessorInvalid(address account, address successor);

    /* SETTLEMENT */

    /// @notice Books one page of a settlement; with the last page it takes effect. Anyone, also in a pause: it brings no new trade, sellers wait for it, and a correction must not be lost to one.
    /// Revision 0 once the period ended, every (market, MTU) is Cleared or Void and every MTU attested or Unread; corrections until the first settlement + horizonSeconds.
    /// @dev Accounts must belong to the area; a blank one (no money, no credit line) is bound to it by its first booking.
    /// @param target which page of which settlement
    /// @param pageHashes hashes of all pages; none for a settlement without amounts
    /// @param words `address:160 | amount:int96` of this page, accounts strictly ascending over all pages
    /// @param signatures with page 0: m or more attesters' over EIP-712 `Settlement`, ascending by signer; ignored with later pages
    function settle(
        SettlementPage calldata target,
        bytes32[] calldata pageHashes,
        uint256[] calldata words,
        bytes[] calldata signatures
    ) external;

    /// @notice Drops the area's open settlement after its deadline. Anyone, also in a pause. The same one may come again.
    function abandonSettlement(bytes32 area) external;

    /// @notice Ends corrections of a period after its horizon. Anyone, also in a pause.
    function finalise(bytes32 area, uint32 period) external;

    /* MONEY */

    /// @notice Binds an account to the area that may settle it, once and for good. Registrar only; before money or a credit line reaches its first settlement.
    function bindAccount(address account, bytes32 area) external;

    /// @notice Books money that came in. Treasurer only. `ref` is the payment's unique reference.
    function deposit(address account, uint96 amountNeur, bytes32 ref) external;

    /// @notice Sets a guarantor's credit line for an account, with the guarantor's signature (EIP-712 `Guarantee`). Operator or the account itself; a line that does not rise: anyone.
    /// @dev An account in debt beyond its line keeps its guarantor. Otherwise another one may follow once the line is 0, or where the account sends it itself.
    function guarantee(address guarantor, address account, uint64 creditNeur, uint64 nonce, bytes calldata signature)
        external;

    /// @notice Pays debt of an account (all or part of what is below zero) from its guarantor's free balance, with the guarantor's signature (EIP-712 `Cover`). Anyone may relay, also in a pause.
    function cover(address guarantor, address account, uint96 amountNeur, bytes32 ref, bytes calldata signature)
        external;

    /// @notice Asks for a redemption of at most the free balance, with the account's signature (EIP-712 `Redemption`). Anyone may relay, also in a pause.
    /// @dev The amount is reserved until it is burned or cancelled, so that no request waits for money that is not there yet.
    /// @param deadline market time until which the signature may be used
    function requestRedemption(
        address account,
        uint96 amountNeur,
        bytes32 ref,
        uint64 deadline,
        bytes calldata signature
    ) external;

    /// @notice Withdraws a redemption. The account itself at any time; anyone once it expired, seven days after it was ready.
    function cancelRedemption(address account, bytes32 ref) external;

    /// @notice Burns min(requested, balance, supply) once the challenge window passed, within seven days; what could not be burned stays open. Anyone, also in a pause.
    function completeRedemption(address account, bytes32 ref) external;

    /// @notice Moves balance, credit line and guarantor to a fresh account, with both signatures (EIP-712 `AccountReplacement`); what the account guarantees for others goes with it. Anyone may relay, also in a pause.
    /// From then on the replaced key signs nothing any more; its open redemptions end.
    /// What reaches the old account later can be moved by calling again with the same pair. Not while a settlement of several pages is open in their area.
    function replaceAccount(
        address account,
        address successor,
        bytes calldata accountSignature,
        bytes calldata successorSignature
    ) external;

    /* VIEWS */

    /// @notice An account as it stands now; pages of an open settlement do not count.
    function accountOf(address account) external view returns (Account memory);

    /// @notice Balance of an account, nEUR; + is a credit of the holder.
    function balanceOf(address account) external view returns (int256);

    /// @notice Balance less open redemptions, nEUR: what may be redeemed or pay cover.
    function freeBalanceOf(address account) external view returns (int256);

    /// @notice Σ balances = deposits − redemptions, nEUR.
    function supply() external view returns (uint256);

    /// @notice Where the settlement of (area, period) stands.
    function settlementOf(bytes32 area, uint32 period) external view returns (SettlementState memory);

    /// @notice Root of the statements of a settlement that took effect; 0 otherwise.
    function statementsRootOf(bytes32 area, uint32 period, uint32 revision) external view returns (bytes32);

    /// @notice The area an account belongs to; 0 = none yet.
    function areaOf(address account) external view returns (bytes32);

    /// @notice The area's settlement that is open between its pages.
    function openSettlement(bytes32 area) external view returns (OpenSettlement memory);

    /// @notice A redemption that is not completed; `amountNeur` is what is left of it.
    function redemptionOf(address account, bytes32 ref) external view returns (Redemption memory);

    /// @notice Last nonce used by a guarantor for an account.
    function guaranteeNonceOf(address guarantor, address account) external view returns (uint64);

    /// @notice Market-time seconds between request and completion of a redemption.
    function challengeSeconds() external view returns (uint32);

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
