// SPDX-License-Identifier: UNLICENSED
pragma solidity 0.8.37;

import {Standing} from "./IAccounts.sol";

/// @notice What is signed: an area goes to another deployment after its last period.
/// @param period number of the area's last period here
/// @param successor the other deployment's Handovers
/// @param codesHash all contracts of that deployment and the code that runs in each (Hashes.codes)
/// @param deadline market time until which the signatures may be used
struct Handover {
    bytes32 area;
    uint32 period;
    address successor;
    bytes32 codesHash;
    uint64 deadline;
}

/// @notice Who agrees beside the registrar (EIP-712 `Handover`): operator and DSO of the area, and m attesters of it,
/// ascending by signer.
struct HandoverSignatures {
    bytes operator;
    bytes dso;
    bytes[] attesters;
}

/// @notice A handover that was agreed.
/// @param successor 0 = none was
/// @param effectiveAt market time from which it cannot be withdrawn any more
struct Agreement {
    address successor;
    uint32 period;
    uint64 effectiveAt;
}

/// @title Handovers: an area goes from one deployment to the next
/// @notice Agreed by registrar, operator and DSO of the area and m of its attesters; in effect after more than the
/// challenge window, and until then any of the first three, or a security admin, may withdraw it. From the agreement
/// on no period is declared here; the next deployment's first one begins where the last one here ends.
/// Once all periods here are Final anyone may let an account leave: it takes its balance, its line and what backs that
/// along, and what is burnt here is minted there. Whatever stays (open redemptions, what waits in suspense, a debt
/// whose guarantor is called) keeps all its rights here and leaves later, in the same way.
/// Safety: Σ of both supplies never changes by it; money goes to the agreed deployment alone; no line and no debt goes
/// without what backs it. Nothing a roles' minority does brings a handover about.
/// Liveness: leaving assumes nobody. Redeeming is as before, also for who does not want to go.
/// @dev Constructor: `Handovers(IRoles roles, ICalendar calendar, ISettlement settlement, IAccounts accounts,
/// IHandovers predecessor)`; `predecessor` of the deployment that this one takes over from, 0 where it is the first.
interface IHandovers {
    /* EVENTS */

    /// @notice An area's handover was agreed.
    event HandoverAgreed(
        bytes32 indexed area,
        address indexed successor,
        uint32 period,
        bytes32 codesHash,
        uint64 deadline,
        uint64 effectiveAt
    );
    /// @notice By whom it was signed beside the registrar; comes with it.
    event HandoverSigned(
        bytes32 indexed area,
        bytes32 digest,
        bytes operatorSignature,
        bytes dsoSignature,
        bytes[] attesterSignatures
    );
    /// @notice An agreed handover was withdrawn before it took effect.
    event HandoverWithdrawn(bytes32 indexed area, address indexed by);
    /// @notice An account left this deployment with what it took along.
    event AccountLeft(address indexed account, bytes32 indexed area, address indexed successor, Standing standing);
    /// @notice An account entered this deployment with what it took along; `holder` is the account here, the same or, of
    /// a key that was replaced here, its successor. The guarantor is named likewise.
    event AccountTakenOver(
        address indexed account, address indexed holder, address indexed predecessor, Standing standing
    );

    /* ERRORS */

    /// @notice Thrown when the constructor's contracts do not belong together, or market time differs from the
    /// predecessor's.
    error HandoversPartsUnlike();
    /// @notice Thrown when a handover of the area is agreed already.
    error HandoversAgreed(bytes32 area, address successor);
    /// @notice Thrown when none is.
    error HandoversNoneAgreed(bytes32 area);
    /// @notice Thrown when the same signatures come again.
    error HandoversUsed(bytes32 digest);
    /// @notice Thrown when the named period is not the area's last one.
    error HandoversPeriodWrong(uint32 last, uint32 named);
    /// @notice Thrown when the successor does not take over from this deployment, or is not among its contracts.
    error HandoversSuccessorInvalid(address successor);
    /// @notice Thrown when other contracts or other code were signed.
    error HandoversCodesWrong(bytes32 found, bytes32 signed);
    /// @notice Thrown after the signatures' deadline, or after a handover took effect.
    error HandoversTooLate(uint64 until, uint64 marketTime);
    /// @notice Thrown before a handover takes effect.
    error HandoversTooEarly(uint64 from, uint64 marketTime);
    /// @notice Thrown when the caller has no role that may withdraw.
    error HandoversCallerWrong(address caller);
    /// @notice Thrown when an account would leave, or a period begin, elsewhere than where it was agreed.
    error HandoversElsewhere(bytes32 area, address successor);
    /// @notice Thrown while periods of the area are not Final.
    error HandoversNotFinal(uint32 finalCount, uint32 period);
    /// @notice Thrown when the account's line is still to be lowered (`Guarantees.release`).
    error HandoversLineFalling(address account);
    /// @notice Thrown when a debit waits in the account's suspense (`Accounts.bookSuspense`).
    error HandoversDebitWaits(address account, int256 amountNeur);
    /// @notice Thrown when an account would leave while it, or who guarantees for it, has less than it owes and gives.
    error HandoversBackingMissing(address account, int256 missingNeur);
    /// @notice Thrown when an account that enters has another guarantor here already.
    error HandoversTied(address account, address guarantor);
    /// @notice Thrown when an account that enters, or its guarantor, belongs to another area here.
    error HandoversAreaWrong(address account, bytes32 area);
    /// @notice Thrown when the account has nothing to take along.
    error HandoversNothing(address account);

    /* CHANGES */

    /// @notice Agrees that an area goes to another deployment after its last period. Registrar only, with the signatures
    /// of the others.
    /// @param parts all contracts of the other deployment, in the order in which their codes were signed
    function agree(
        Handover calldata handover,
        address[] calldata parts,
        HandoverSignatures calldata signatures
    ) external;

    /// @notice Withdraws an agreed handover before it takes effect. Registrar, operator or DSO of the area, or a
    /// security admin. The same signatures cannot agree to it again.
    function withdraw(bytes32 area) external;

    /// @notice Lets an account leave. Only the successor that its area's roles agreed to, once that took effect and all
    /// periods are Final.
    /// @return what the account takes along
    function moveOut(address account) external returns (Standing memory);

    /// @notice Takes over an account from the predecessor; again, what reached it there later. Binds who is not
    /// bound yet; a key that was replaced here meanwhile stands for its successor. Anyone.
    function takeOver(address account) external;

    /* VIEWS */

    /// @notice The handover agreed for an area.
    function agreementOf(bytes32 area) external view returns (Agreement memory);

    /// @notice Reverts where it is agreed that the area goes to another deployment.
    function requireStays(bytes32 area) external view;

    /// @notice First MTU of an area here, where it had periods in the deployment before; 0 = any. Reverts where it did
    /// and its handover to this deployment is not in effect.
    function beginOf(bytes32 area) external view returns (uint32);

    /// @notice First MTU after the area's last period, 0 where it has none; reverts unless its handover to `successor` is
    /// in effect.
    function endFor(bytes32 area, address successor) external view returns (uint32);

    /// @notice Handovers of the deployment this one takes over from; 0 = none.
    function predecessor() external view returns (address);

    /// @notice The accounts that leave and enter.
    function accounts() external view returns (address);

    /// @notice The calendar whose periods end and begin.
    function calendar() external view returns (address);

    /// @notice The EIP-712 domain separator of this contract.
    function domainSeparator() external view returns (bytes32);
}
