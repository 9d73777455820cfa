// SPDX-License-Identifier: UNLICENSED
pragma solidity 0.8.37;

/// @notice A redemption that waits for its challenge window.
/// @param amountNeur requested; 0 = there is none, or it is done
/// @param readyAt market time from which it may be completed, for seven days
struct Redemption {
    uint96 amountNeur;
    uint64 readyAt;
}

/// @title Redemptions: the way out of e-money, after the window in which a wrong settlement can be corrected
/// @notice Safety assumes: a correction comes within the challenge window, which outlasts the replacement of attesters and the pages of a correction. Liveness assumes nobody: redemption works in a pause and without the operator.
/// @dev Constructor: `Redemptions(ICalendar calendar, IAccounts accounts, uint32 challengeSeconds)`.
interface IRedemptions {
    /* EVENTS */

    /// @notice A redemption was requested; anyone may complete it from market time `readyAt` on.
    event RedemptionRequested(address indexed account, uint256 amountNeur, bytes32 indexed ref, uint64 readyAt);
    /// @notice So much of a redemption is not paid: its account withdrew it, it expired, or debits took what it reserved.
    event RedemptionCancelled(address indexed account, uint256 amountNeur, bytes32 indexed ref);
    /// @notice E-money was burned; the amount is to be paid out.
    event Redeemed(address indexed account, uint256 amountNeur, bytes32 indexed ref);

    /* ERRORS */

    /// @notice Thrown when the constructor's window is 0 or above ten years, the accounts are another deployment's, or an account could change its area within the window.
    error RedemptionsConfigInvalid();
    /// @notice Thrown when the constructor's challenge window does not outlast the delay of a change of roles and the pages of a correction, `least` market seconds.
    error RedemptionsWindowShort(uint256 challengeSeconds, uint256 least);
    /// @notice Thrown when the amount is 0.
    error RedemptionsAmountInvalid();
    /// @notice Thrown before the end of the challenge window, or (cancelling for others) before the redemption expired.
    error RedemptionsTooEarly(uint64 from, uint64 marketTime);
    /// @notice Thrown after the signature's deadline, or after a redemption expired.
    error RedemptionsTooLate(uint64 until, uint64 marketTime);
    /// @notice Thrown when the signature is not by the account.
    error RedemptionsSignerWrong(address expected, address signer);
    /// @notice Thrown when the account used the reference before.
    error RedemptionsRefUsed(bytes32 ref);
    /// @notice Thrown when there is no such redemption.
    error RedemptionsUnknown(address account, bytes32 ref);

    /* CHANGES */

    /// @notice Asks for a redemption of at most the free balance, with the account's signature (EIP-712 `Redemption`). Anyone may relay, also in a pause.
    /// @dev The amount is reserved until it is burned or cancelled, so that no request waits for money that is not there yet. A debit that
    /// needs what is reserved takes it for good: what is paid was there from the request on. Once one was cut, the account asks again when
    /// those that are open have ended.
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

    /// @notice Ends a redemption once its challenge window passed, within seven days: burns min(requested, what is left of what the account's
    /// redemptions reserve). Anyone, also in a pause.
    function completeRedemption(address account, bytes32 ref) external;

    /* VIEWS */

    /// @notice A redemption that is not completed; `amountNeur` is what is left of it.
    function redemptionOf(address account, bytes32 ref) external view returns (Redemption memory);

    /// @notice Market-time seconds between request and completion of a redemption.
    function challengeSeconds() external view returns (uint32);

    /// @notice The EIP-712 domain separator of this contract.
    function domainSeparator() external view returns (bytes32);
}
