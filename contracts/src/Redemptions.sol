// SPDX-License-Identifier: UNLICENSED
pragma solidity 0.8.37;

import {ECDSA} from "@openzeppelin/contracts/utils/cryptography/ECDSA.sol";
import {EIP712} from "@openzeppelin/contracts/utils/cryptography/EIP712.sol";

import {IAccounts} from "./interfaces/IAccounts.sol";
import {ICalendar} from "./interfaces/ICalendar.sol";
import {IRedemptions, Redemption} from "./interfaces/IRedemptions.sol";
import {IRoles} from "./interfaces/IRoles.sol";
import {ISettlement} from "./interfaces/ISettlement.sol";
import {Hashes} from "./libraries/Hashes.sol";
import {MarketClock} from "./libraries/MarketClock.sol";
import {Time} from "./libraries/Time.sol";

/// @title Redemptions (documented on IRedemptions)
contract Redemptions is IRedemptions, EIP712, MarketClock {
    /// @notice Market-time seconds after its challenge window in which a redemption may be completed.
    uint64 public constant REDEEM_SECONDS = 7 days;

    IAccounts private immutable ACCOUNTS;
    uint32 private immutable CHALLENGE_SECONDS;

    mapping(address account => mapping(bytes32 ref => Redemption)) private _redemptions;
    mapping(address account => mapping(bytes32 ref => bool)) private _usedRefs;

    constructor(ICalendar calendar, IAccounts accounts, uint32 challengeSeconds_)
        EIP712("DOMINOES", "1")
        MarketClock(calendar)
    {
        bool windowValid = challengeSeconds_ != 0 && challengeSeconds_ <= Time.MAX_WINDOW_SECONDS;
        bool together = accounts.redemptions() == address(this) && accounts.calendar() == address(calendar);
        if (!windowValid || !together) revert RedemptionsConfigInvalid();
        // Within the window attesters that lied can be replaced, what they left half open ends, and what they settled is
        // corrected: one after the other.
        uint256 delaySeconds = uint256(IRoles(accounts.roles()).config().delaySeconds) * calendar.speed();
        uint256 pageSeconds = ISettlement(accounts.settlement()).pageSeconds();
        uint256 least = delaySeconds + pageSeconds;
        if (challengeSeconds_ <= least) revert RedemptionsWindowShort(challengeSeconds_, least);
        if (accounts.changeSeconds() <= challengeSeconds_) revert RedemptionsConfigInvalid();
        ACCOUNTS = accounts;
        CHALLENGE_SECONDS = challengeSeconds_;
    }

    /* CHANGES */

    /// @inheritdoc IRedemptions
    function requestRedemption(
        address account,
        uint96 amountNeur,
        bytes32 ref,
        uint64 deadline,
        bytes calldata signature
    ) external {
        if (amountNeur == 0) revert RedemptionsAmountInvalid();
        uint64 time = _marketTime();
        if (time > deadline) revert RedemptionsTooLate(deadline, time);
        bytes32 digest = _hashTypedDataV4(Hashes.redemption(account, amountNeur, ref, deadline));
        address signer = ECDSA.recover(digest, signature);
        if (signer != account) revert RedemptionsSignerWrong(account, signer);
        if (_usedRefs[account][ref]) revert RedemptionsRefUsed(ref);
        _usedRefs[account][ref] = true;
        uint64 readyAt = time + CHALLENGE_SECONDS;
        _redemptions[account][ref] = Redemption({amountNeur: amountNeur, readyAt: readyAt});
        ACCOUNTS.reserve(account, amountNeur);
        emit RedemptionRequested(account, amountNeur, ref, readyAt);
    }

    /// @inheritdoc IRedemptions
    function cancelRedemption(address account, bytes32 ref) external {
        Redemption memory redemption = _redemption(account, ref);
        uint64 time = _marketTime();
        uint64 until = redemption.readyAt + REDEEM_SECONDS;
        if (msg.sender != account && time <= until) revert RedemptionsTooEarly(until + 1, time);
        delete _redemptions[account][ref];
        ACCOUNTS.unreserve(account, redemption.amountNeur);
        emit RedemptionCancelled(account, redemption.amountNeur, ref);
    }

    /// @inheritdoc IRedemptions
    function completeRedemption(address account, bytes32 ref) external {
        Redemption memory redemption = _redemption(account, ref);
        // What reaches a replaced account belongs to its successor, whose window has not begun.
        ACCOUNTS.requirePresent(account);
        uint64 time = _marketTime();
        if (time < redemption.readyAt) revert RedemptionsTooEarly(redemption.readyAt, time);
        uint64 until = redemption.readyAt + REDEEM_SECONDS;
        if (time > until) revert RedemptionsTooLate(until, time);
        delete _redemptions[account][ref];
        uint256 paid = ACCOUNTS.burn(account, redemption.amountNeur);
        if (paid != 0) emit Redeemed(account, paid, ref);
        if (paid != redemption.amountNeur) emit RedemptionCancelled(account, redemption.amountNeur - paid, ref);
    }

    /* VIEWS */

    /// @inheritdoc IRedemptions
    function redemptionOf(address account, bytes32 ref) external view returns (Redemption memory) {
        return _redemptions[account][ref];
    }

    /// @inheritdoc IRedemptions
    function challengeSeconds() external view returns (uint32) {
        return CHALLENGE_SECONDS;
    }

    /// @inheritdoc IRedemptions
    function domainSeparator() external view returns (bytes32) {
        return _domainSeparatorV4();
    }

    /* INTERNAL */

    function _redemption(address account, bytes32 ref) private view returns (Redemption memory redemption) {
        redemption = _redemptions[account][ref];
        if (redemption.amountNeur == 0) revert RedemptionsUnknown(account, ref);
    }
}
