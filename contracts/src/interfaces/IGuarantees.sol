// SPDX-License-Identifier: UNLICENSED
pragma solidity 0.8.37;

/// @title Guarantees: lines that let an account trade, and the payment of debt under them
/// @notice Anyone may guarantee for an account of its area, with the account's consent, or for itself; every line comes
/// from the guarantor's free balance. Signatures name a deadline, so that none waits for a worse moment.
/// Liveness assumes nobody: all work in a pause and without the operator.
/// @dev Constructor: `Guarantees(ICalendar calendar, ISettlement settlement, IAccounts accounts)`.
interface IGuarantees {
    /* EVENTS */

    /// @notice A guarantor's line for an account, by its own signature: what new orders count with.
    event GuaranteeSet(address indexed guarantor, address indexed account, uint64 creditNeur, uint64 nonce);
    /// @notice A guarantor paid debt of an account.
    event DebtCovered(address indexed guarantor, address indexed account, uint256 amountNeur, bytes32 indexed ref);

    /* ERRORS */

    /// @notice Thrown when the constructor's contracts do not belong together.
    error GuaranteesPartsUnlike();
    /// @notice Thrown when a cover's amount is 0.
    error GuaranteesAmountInvalid();
    /// @notice Thrown after the signature's deadline.
    error GuaranteesTooLate(uint64 until, uint64 marketTime);
    /// @notice Thrown when the signature is not by the one who must sign.
    error GuaranteesSignerWrong(address expected, address signer);
    /// @notice Thrown when a guarantee's nonce is not above the last one of (guarantor, account).
    error GuaranteesNonceUsed(uint64 last, uint64 given);
    /// @notice Thrown when a guarantee's nonce is more than `NONCE_STEP_MAX` above the last one.
    error GuaranteesNonceFar(uint64 last, uint64 given);
    /// @notice Thrown when the guarantor used the reference before.
    error GuaranteesRefUsed(bytes32 ref);
    /// @notice Thrown when no line of the account is being lowered.
    error GuaranteesNothingLowered(address account);
    /// @notice Thrown when trades under the higher line may stand still: only the periods up to `settled` are settled.
    error GuaranteesUnsettled(uint32 untilPeriod, uint32 settled);

    /* CHANGES */

    /// @notice Sets a guarantor's line for an account, with the guarantor's signature (EIP-712 `Guarantee`) and, unless
    /// it guarantees already, the account's over the same. Anyone may relay.
    /// @dev A lower line counts for new orders at once, on chain once every period declared by then is settled (`release`).
    /// @param guarantor may be the account itself
    /// @param deadline market time until which the signatures may be used
    /// @param accountSignature not looked at where the guarantor has the account's consent already, or is the account
    function guarantee(
        address guarantor,
        address account,
        uint64 creditNeur,
        uint64 nonce,
        uint64 deadline,
        bytes calldata guarantorSignature,
        bytes calldata accountSignature
    ) external;

    /// @notice Puts a lowered line in place of the higher one, once all that could stand under that is settled. Anyone.
    function release(address account) external;

    /// @notice Pays debt of an account (all or part of what is below zero) from its guarantor's balance, with the
    /// guarantor's signature (EIP-712 `Cover`). Anyone may relay.
    /// @param debtNeur the debt that it is for: all that the account owes, or the cover is refused
    /// @param deadline market time until which the signature may be used
    function cover(
        address guarantor,
        address account,
        uint96 amountNeur,
        uint96 debtNeur,
        bytes32 ref,
        uint64 deadline,
        bytes calldata signature
    ) external;

    /* VIEWS */

    /// @notice Last nonce used by a guarantor for an account.
    function nonceOf(address guarantor, address account) external view returns (uint64);

    /// @notice The EIP-712 domain separator of this contract.
    function domainSeparator() external view returns (bytes32);
}
