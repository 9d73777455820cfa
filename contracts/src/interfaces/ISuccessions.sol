// SPDX-License-Identifier: UNLICENSED
pragma solidity 0.8.37;

/// @notice A successor that waits for its delay, proposed because an account's key was lost.
/// @param readyAt market time from which it may take over, for 30 days; 0 = there is none
struct Succession {
    address successor;
    uint64 readyAt;
}

/// @notice A change of an account's area that waits for its delay.
/// @param readyAt market time from which it may be completed, for 30 days; 0 = there is none
struct AreaChange {
    bytes32 area;
    uint64 readyAt;
}

/// @title Successions: one account takes another's place, or another area takes the first one's
/// @notice A successor with the old key at once. Without it the registrar proposes one with the agreement of the
/// account's guarantor; it takes over after more than the challenge window, and the old key may cancel: nobody takes an
/// account from a key that is there. A slip of the registrar's binding is corrected in the same way: it proposes another
/// area, after the same delay anyone completes the change, and the account may cancel until then.
/// Liveness assumes nobody where the old key signs: replacement works in a pause and without the operator.
/// @dev Constructor: `Successions(IRoles roles, ICalendar calendar, IAccounts accounts)`.
interface ISuccessions {
    /* EVENTS */

    /// @notice The registrar and whoever agrees (the guarantor, or the operator) would let a successor take over; anyone
    /// may complete it from market time `readyAt` on.
    event SuccessorProposed(address indexed account, address indexed successor, address indexed by, uint64 readyAt);
    /// @notice A proposed successor was withdrawn.
    event SuccessorCancelled(address indexed account);
    /// @notice The registrar would bind an account to another area; anyone may complete it from market time `readyAt`
    /// on.
    event AreaChangeProposed(address indexed account, bytes32 indexed area, uint64 readyAt);
    /// @notice A change of area was withdrawn.
    event AreaChangeCancelled(address indexed account);

    /* ERRORS */

    /// @notice Thrown when the constructor's contracts do not belong together.
    error SuccessionsPartsUnlike();
    /// @notice Thrown when an account would succeed itself.
    error SuccessionsAddressInvalid(address account);
    /// @notice Thrown before a proposed successor may take over, or a change of area be completed.
    error SuccessionsTooEarly(uint64 from, uint64 marketTime);
    /// @notice Thrown after the signatures' deadline, or after a proposal expired.
    error SuccessionsTooLate(uint64 until, uint64 marketTime);
    /// @notice Thrown when the signature is not by the one who must sign.
    error SuccessionsSignerWrong(address expected, address signer);
    /// @notice Thrown when no successor is proposed for the account.
    error SuccessionsNoneProposed(address account);
    /// @notice Thrown when the account was not replaced.
    error SuccessionsNotReplaced(address account);
    /// @notice Thrown when no change of area is proposed for the account.
    error SuccessionsAreaChangeUnknown(address account);
    /// @notice Thrown when the area an account is bound to (0: none yet) leaves nothing to change.
    error SuccessionsAreaWrong(address account, bytes32 area);

    /* CHANGES */

    /// @notice Moves balance, line and guarantor to a fresh account, with both signatures (EIP-712
    /// `AccountReplacement`); what the account guarantees for others goes with it. Anyone may relay, also in a pause.
    /// The account must be bound. From then on the replaced key signs nothing any more; its open redemptions end.
    /// Not while a settlement of several pages is open in their area.
    /// @param deadline market time until which the signatures may be used
    function replaceAccount(
        address account,
        address successor,
        uint64 deadline,
        bytes calldata accountSignature,
        bytes calldata successorSignature
    ) external;

    /// @notice Proposes a successor for an account whose key was lost. Registrar, with the signatures (EIP-712
    /// `AccountReplacement`) of the successor and of the account's guarantor; where nobody but itself guarantees for it,
    /// of an operator of its area. The latest proposal stands.
    /// @param deadline market time until which the signatures may be used
    function proposeSuccessor(
        address account,
        address successor,
        uint64 deadline,
        bytes calldata guarantorSignature,
        bytes calldata successorSignature
    ) external;

    /// @notice Withdraws a proposed successor. The account's old key, or the registrar.
    function cancelSuccessor(address account) external;

    /// @notice Lets a proposed successor take over after its delay, within 30 days. Anyone; not while pages are open in
    /// the area.
    function succeed(address account) external;

    /// @notice Moves what reached a replaced account later to its successor. Anyone, also in a pause; not while pages
    /// are open in the area.
    function collect(address account) external;

    /// @notice Proposes to correct a slip: the account belongs to another area. Registrar only; the latest proposal
    /// stands.
    function proposeAreaChange(address account, bytes32 area) external;

    /// @notice Withdraws a change of area. Registrar or the account itself.
    function cancelAreaChange(address account) external;

    /// @notice Completes a change of area after its delay, within 30 days. Anyone; not while the account has ties in
    /// its area or pages are open there.
    function changeArea(address account) external;

    /* VIEWS */

    /// @notice A proposed successor.
    function successionOf(address account) external view returns (Succession memory);

    /// @notice A proposed change of area.
    function areaChangeOf(address account) external view returns (AreaChange memory);

    /// @notice The EIP-712 domain separator of this contract.
    function domainSeparator() external view returns (bytes32);
}
