// SPDX-License-Identifier: UNLICENSED
pragma solidity 0.8.37;

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

/// @notice A change of an account's area that waits for its delay.
/// @param readyAt market time from which it may be completed, for 30 days; 0 = there is none
struct AreaChange {
    bytes32 area;
    uint64 readyAt;
}

/// @title Accounts: e-money balances in nEUR, their areas, guarantees and keys
/// @notice Money moves by a settlement of the account's own area, by deposit, redemption, cover of debt, and
/// replacement; by nothing else.
/// Always: Σ balances (committed) = supply = deposits − redemptions ≥ 0.
/// Safety assumes: the treasurer books only deposits that exist; what `Settlement` assumes of attesters. It does not
/// assume an honest operator.
/// An account belongs to one area, to which the registrar binds it, and only that area's settlements book it: attesters
/// of another one cannot touch it.
/// No account holds up a settlement: what cannot be booked on it (it is not bound to the area, or would leave the
/// range) waits in the suspense account
/// of (account, area), a debit beyond the range on its guarantor.
/// Liveness assumes nobody: cover and replacement work in a pause and without the operator.
/// Nobody but its key moves an account: where the key is lost and `AccountReplacement` was not signed before, its
/// balance stays where it is.
/// @dev Constructor: `Accounts(IRoles roles, ICalendar calendar, address settlement, address redemptions, uint32
/// changeSeconds)`; the two that may book, whose addresses
/// are known before they are deployed, and which refuse to be deployed to others; market-time seconds before a change
/// of area takes effect, longer than the challenge window.
interface IAccounts {
    /* EVENTS */

    /// @notice An account was bound to its area, for the first time or to correct a slip.
    event AccountBound(address indexed account, bytes32 indexed area);
    /// @notice The registrar would bind an account to another area; anyone may complete it from market time `readyAt`
    /// on.
    event AreaChangeProposed(address indexed account, bytes32 indexed area, uint64 readyAt);
    /// @notice A change of area was withdrawn.
    event AreaChangeCancelled(address indexed account);
    /// @notice An amount of a settlement that could not be booked on its account waits in its suspense account. In a
    /// settlement of several pages it counts once the settlement took effect.
    event AmountSuspended(address indexed account, address indexed suspense, int256 amountNeur);
    /// @notice What waited for an account came to its balance.
    event SuspenseBooked(address indexed account, address indexed suspense, int256 amountNeur);
    /// @notice A debit of a settlement that would have left the range was booked on the account's guarantor
    /// (`amountNeur` < 0).
    event DebitPassedOn(address indexed account, address indexed guarantor, int256 amountNeur);
    /// @notice Money came in.
    event Deposited(address indexed account, uint256 amountNeur, bytes32 indexed ref);
    /// @notice A guarantor's credit line for an account, by its own signature.
    event GuaranteeSet(address indexed guarantor, address indexed account, uint64 creditNeur, uint64 nonce);
    /// @notice Debt beyond the credit line: what the guarantor owes now (in total, not since the last call). In a
    /// settlement of several pages it counts once the settlement took effect.
    event GuaranteeCalled(address indexed account, address indexed guarantor, uint256 excessNeur);
    /// @notice A guarantor paid debt of an account.
    event DebtCovered(address indexed guarantor, address indexed account, uint256 amountNeur, bytes32 indexed ref);
    /// @notice An account was replaced; balance, credit line and guarantor moved.
    event AccountReplaced(address indexed account, address indexed successor, int256 balanceNeur);

    /* ERRORS */

    /// @notice Thrown when the constructor's window is 0 or above ten years.
    error AccountsConfigInvalid();
    /// @notice Thrown before a change of area may be completed.
    error AccountsTooEarly(uint64 from, uint64 marketTime);
    /// @notice Thrown after a change of area expired.
    error AccountsTooLate(uint64 until, uint64 marketTime);
    /// @notice Thrown when no change of area is proposed for the account.
    error AccountsAreaChangeUnknown(address account);
    /// @notice Thrown when an account that would change its area is in debt, has or gives a guarantee, or took part in
    /// a replacement.
    error AccountsTied(address account);
    /// @notice Thrown when a deposit would lift the supply above its bound.
    error AccountsSupplyHigh(uint256 supplyNeur);
    /// @notice Thrown when another contract than the one of this part would book.
    error AccountsCallerWrong(address caller);
    /// @notice Thrown when an account of a settlement is not above the one before, is 0, or its amount is 0.
    error AccountsWordInvalid(uint256 index);
    /// @notice Thrown when a settlement of several pages is open in the account's area.
    error AccountsBusy(bytes32 area);
    /// @notice Thrown when an amount is 0, above the largest deposit, or beyond the range of balances (±(2^70 − 1)
    /// nEUR).
    error AccountsAmountInvalid();
    /// @notice Thrown when an account is the zero address, or a pair names one account twice.
    error AccountsAddressInvalid(address account);
    /// @notice Thrown when an account belongs to another area (or to none yet, `area` 0) than the one it deals with, or
    /// is bound twice.
    error AccountsAreaWrong(address account, bytes32 area);
    /// @notice Thrown when 65,535 areas have accounts already.
    error AccountsAreasExhausted();
    /// @notice Thrown when the reference was used before (deposits: by anyone; cover: by the same account).
    error AccountsRefUsed(bytes32 ref);
    /// @notice Thrown when the signature is not by the one who must sign.
    error AccountsSignerWrong(address expected, address signer);
    /// @notice Thrown when a guarantee's nonce is not above the last one of (guarantor, account).
    error AccountsNonceUsed(uint64 last, uint64 given);
    /// @notice Thrown when the guarantor of an account in debt beyond its credit line would change.
    error AccountsDebtOpen(address account, uint256 excessNeur);
    /// @notice Thrown when another guarantor would take an account over while the present one's line is above 0 and the
    /// account itself does not send it.
    error AccountsGuaranteed(address account, address guarantor);
    /// @notice Thrown when somebody else than the account's guarantor would cover its debt.
    error AccountsGuarantorWrong(address account, address guarantor, address given);
    /// @notice Thrown when a cover is above the account's debt.
    error AccountsDebtLow(address account, int256 debtNeur, uint256 amountNeur);
    /// @notice Thrown when an account's balance less its open redemptions is below what it wants to give.
    error AccountsBalanceLow(address account, int256 freeNeur, uint256 amountNeur);
    /// @notice Thrown when the key of a replaced account would act.
    error AccountsReplaced(address account, address successor);
    /// @notice Thrown when the account was replaced by another one than the given, or the successor is not fresh (it is
    /// in debt, has or gives a guarantee, took part in a replacement, or belongs to another area).
    error AccountsSuccessorInvalid(address account, address successor);

    /* BOOKING: by Settlement */

    /// @notice Opens the area's batch: what is booked under it takes effect together. Settlement only.
    /// @return batch unlike that of any other
    function openBatch(bytes32 area) external returns (uint32 batch);

    /// @notice Ends the area's batch; without effect, all that was booked under it is as if it had never been.
    /// Settlement only.
    function closeBatch(bytes32 area, bool takesEffect) external;

    /// @notice Books amounts, at once (`batch` 0) or under the area's open batch. Settlement only.
    /// @param last account before these; 0 with the first page
    /// @param words `address:160 | amount:int96`, accounts strictly ascending
    /// @return lastAccount the last account of these
    /// @return sumNeur sum of the amounts
    function book(bytes32 area, uint32 batch, address last, uint256[] calldata words)
        external
        returns (address lastAccount, int256 sumNeur);

    /* BOOKING: by Redemptions */

    /// @notice Reserves free balance of a present account. Redemptions only.
    function reserve(address account, uint96 amountNeur) external;

    /// @notice Takes a reservation back. Redemptions only.
    function unreserve(address account, uint96 amountNeur) external;

    /// @notice Burns reserved money of an account: balance and supply fall. Redemptions only.
    function burn(address account, uint96 amountNeur) external;

    /* CHANGES */

    /// @notice Binds an account to the area that may settle it. Registrar only; what waits for it in that area comes to
    /// its balance.
    function bindAccount(address account, bytes32 area) external;

    /// @notice Proposes to correct a slip: the account belongs to another area. Registrar only; the latest proposal
    /// stands.
    function proposeAreaChange(address account, bytes32 area) external;

    /// @notice Withdraws a change of area. Registrar or the account itself.
    function cancelAreaChange(address account) external;

    /// @notice Completes a change of area after its delay, within 30 days. Anyone; not while the account has ties in
    /// its area or pages are open there.
    function changeArea(address account) external;

    /// @notice Brings what waits for an account in its area to its balance, where that is possible. Anyone, also in a
    /// pause.
    function bookSuspense(address account) external;

    /// @notice Books money that came in. Treasurer only. `ref` is the payment's unique reference.
    function deposit(address account, uint96 amountNeur, bytes32 ref) external;

    /// @notice Sets a guarantor's credit line for an account, with the guarantor's signature (EIP-712 `Guarantee`).
    /// Operator or the account itself; a line that does not rise: anyone.
    /// @dev An account in debt beyond its line keeps its guarantor. Otherwise another one may follow once the line is
    /// 0, or where the account sends it itself.
    function guarantee(address guarantor, address account, uint64 creditNeur, uint64 nonce, bytes calldata signature)
        external;

    /// @notice Pays debt of an account (all or part of what is below zero) from its guarantor's free balance, with the
    /// guarantor's signature (EIP-712 `Cover`). Anyone may relay, also in a pause.
    function cover(address guarantor, address account, uint96 amountNeur, bytes32 ref, bytes calldata signature)
        external;

    /// @notice Moves balance, credit line and guarantor to a fresh account, with both signatures (EIP-712
    /// `AccountReplacement`); what the account guarantees for others goes with it. Anyone may relay, also in a pause.
    /// The account must be bound. From then on the replaced key signs nothing any more; its open redemptions end.
    /// What reaches the old account later can be moved by calling again with the same pair. Not while a settlement of
    /// several pages is open in their area.
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

    /// @notice Reverts where the account was replaced: its key signs nothing any more.
    function requirePresent(address account) external view;

    /// @notice Σ balances = deposits − redemptions, nEUR.
    function supply() external view returns (uint256);

    /// @notice The area an account belongs to; 0 = none yet.
    function areaOf(address account) external view returns (bytes32);

    /// @notice The account at which amounts of an area wait for an account; it has no key.
    function suspenseOf(address account, bytes32 area) external pure returns (address);

    /// @notice A proposed change of area.
    function areaChangeOf(address account) external view returns (AreaChange memory);

    /// @notice Market-time seconds before a change of area takes effect.
    function changeSeconds() external view returns (uint32);

    /// @notice Number of the area's open batch; 0 = none.
    function openBatchOf(bytes32 area) external view returns (uint32);

    /// @notice Last nonce used by a guarantor for an account.
    function guaranteeNonceOf(address guarantor, address account) external view returns (uint64);

    /// @notice The roles that decide who may bind and deposit.
    function roles() external view returns (address);

    /// @notice The calendar whose areas accounts belong to.
    function calendar() external view returns (address);

    /// @notice The contract that may book settlements.
    function settlement() external view returns (address);

    /// @notice The contract that may reserve and burn.
    function redemptions() external view returns (address);

    /// @notice The EIP-712 domain separator of this contract.
    function domainSeparator() external view returns (bytes32);
}
