// SPDX-License-Identifier: UNLICENSED
pragma solidity 0.8.37;

import {ECDSA} from "@openzeppelin/contracts/utils/cryptography/ECDSA.sol";
import {EIP712} from "@openzeppelin/contracts/utils/cryptography/EIP712.sol";
import {SafeCast} from "@openzeppelin/contracts/utils/math/SafeCast.sol";

import {IAccounts, Standing} from "./interfaces/IAccounts.sol";
import {ICalendar, Period} from "./interfaces/ICalendar.sol";
import {Agreement, Handover, HandoverSignatures, IHandovers} from "./interfaces/IHandovers.sol";
import {IRoles, Role} from "./interfaces/IRoles.sol";
import {ISettlement} from "./interfaces/ISettlement.sol";
import {Hashes} from "./libraries/Hashes.sol";
import {MarketClock} from "./libraries/MarketClock.sol";

/// @title Handovers (documented on IHandovers)
contract Handovers is IHandovers, EIP712, MarketClock {
    IRoles private immutable ROLES;
    ICalendar private immutable CALENDAR;
    ISettlement private immutable SETTLEMENT;
    IAccounts private immutable ACCOUNTS;
    IHandovers private immutable PREDECESSOR;
    uint32 private immutable CHANGE_SECONDS;

    mapping(bytes32 area => Agreement) private _agreements;
    mapping(bytes32 digest => bool) private _used;

    constructor(
        IRoles roles,
        ICalendar calendar_,
        ISettlement settlement,
        IAccounts accounts_,
        IHandovers predecessor_
    ) EIP712("DOMINOES", "1") MarketClock(calendar_) {
        bool together = accounts_.handovers() == address(this) && calendar_.handovers() == address(this)
            && accounts_.calendar() == address(calendar_) && accounts_.roles() == address(roles)
            && accounts_.settlement() == address(settlement);
        if (!together) revert HandoversPartsUnlike();
        if (address(predecessor_) != address(0)) _requireSameTime(calendar_, ICalendar(predecessor_.calendar()));
        ROLES = roles;
        CALENDAR = calendar_;
        SETTLEMENT = settlement;
        ACCOUNTS = accounts_;
        PREDECESSOR = predecessor_;
        CHANGE_SECONDS = accounts_.changeSeconds();
    }

    /* FROM HERE */

    /// @inheritdoc IHandovers
    function agree(
        Handover calldata handover,
        address[] calldata parts,
        HandoverSignatures calldata signatures
    ) external {
        ROLES.requireRole(msg.sender, Role.Registrar, 0);
        _requireAgreeable(handover);
        _requireSuccessor(handover, parts);
        _requireSigned(handover, signatures);
        uint64 effectiveAt = _marketTime() + CHANGE_SECONDS;
        _agreements[handover.area] =
            Agreement({successor: handover.successor, period: handover.period, effectiveAt: effectiveAt});
        emit HandoverAgreed(
            handover.area,
            handover.successor,
            handover.period,
            handover.codesHash,
            handover.deadline,
            effectiveAt
        );
    }

    /// @inheritdoc IHandovers
    function withdraw(bytes32 area) external {
        Agreement memory agreement = _agreements[area];
        if (agreement.successor == address(0)) revert HandoversNoneAgreed(area);
        bool may = ROLES.hasRole(msg.sender, Role.Registrar, 0) || ROLES.hasRole(msg.sender, Role.Operator, area)
            || ROLES.hasRole(msg.sender, Role.Dso, area) || ROLES.hasRole(msg.sender, Role.SecurityAdmin, 0);
        if (!may) revert HandoversCallerWrong(msg.sender);
        uint64 time = _marketTime();
        if (time >= agreement.effectiveAt) revert HandoversTooLate(agreement.effectiveAt - 1, time);
        delete _agreements[area];
        emit HandoverWithdrawn(area, msg.sender);
    }

    /// @inheritdoc IHandovers
    function moveOut(address account) external returns (Standing memory standing) {
        ACCOUNTS.requirePresent(account);
        bytes32 area = ACCOUNTS.areaOf(account);
        _requireEnded(area, _inEffect(area, msg.sender).period);
        _requireNothingComing(account, area);
        if (ACCOUNTS.lackingOf(account) != 0) ACCOUNTS.recount(account);
        standing = _standing(account, area);
        if (standing.balanceNeur == 0 && standing.guarantor == address(0)) revert HandoversNothing(account);
        ACCOUNTS.moveOut(account, standing);
        emit AccountLeft(account, area, msg.sender, standing);
    }

    /* TO HERE */

    /// @inheritdoc IHandovers
    function takeOver(address account) external {
        if (address(PREDECESSOR) == address(0)) revert HandoversSuccessorInvalid(address(this));
        Standing memory standing = PREDECESSOR.moveOut(account);
        address holder = _entering(account, standing.area);
        if (standing.guarantor != address(0)) standing.guarantor = _entering(standing.guarantor, standing.area);
        emit AccountTakenOver(account, holder, address(PREDECESSOR), standing);
        if (standing.guarantor != address(0)) {
            address before = ACCOUNTS.guarantorOf(holder);
            if (before != address(0) && before != standing.guarantor) revert HandoversTied(holder, before);
            standing.creditNeur = SafeCast.toUint64(uint256(ACCOUNTS.lineOf(holder)) + standing.creditNeur);
        }
        ACCOUNTS.moveIn(holder, standing);
    }

    /* VIEWS */

    /// @inheritdoc IHandovers
    function agreementOf(bytes32 area) external view returns (Agreement memory) {
        return _agreements[area];
    }

    /// @inheritdoc IHandovers
    function requireStays(bytes32 area) external view {
        address successor = _agreements[area].successor;
        if (successor != address(0)) revert HandoversAgreed(area, successor);
    }

    /// @inheritdoc IHandovers
    function beginOf(bytes32 area) external view returns (uint32) {
        return address(PREDECESSOR) == address(0) ? 0 : PREDECESSOR.endFor(area, address(this));
    }

    /// @inheritdoc IHandovers
    function endFor(bytes32 area, address successor) external view returns (uint32) {
        uint32 count = CALENDAR.periodCount(area);
        if (count == 0) return 0;
        _inEffect(area, successor);
        Period memory last = CALENDAR.periodOf(area, count);
        return last.firstMtu + last.count;
    }

    /// @inheritdoc IHandovers
    function predecessor() external view returns (address) {
        return address(PREDECESSOR);
    }

    /// @inheritdoc IHandovers
    function accounts() external view returns (address) {
        return address(ACCOUNTS);
    }

    /// @inheritdoc IHandovers
    function calendar() external view returns (address) {
        return address(CALENDAR);
    }

    /// @inheritdoc IHandovers
    function domainSeparator() external view returns (bytes32) {
        return _domainSeparatorV4();
    }

    /* INTERNAL */

    /// @dev Periods are counted in market time: it is the same in both.
    function _requireSameTime(ICalendar ours, ICalendar theirs) private view {
        bool same = ours.speed() == theirs.speed() && ours.marketTime() == theirs.marketTime();
        if (!same) revert HandoversPartsUnlike();
    }

    function _requireAgreeable(Handover calldata handover) private view {
        uint64 time = _marketTime();
        if (time > handover.deadline) revert HandoversTooLate(handover.deadline, time);
        address agreed = _agreements[handover.area].successor;
        if (agreed != address(0)) revert HandoversAgreed(handover.area, agreed);
        uint32 last = CALENDAR.periodCount(handover.area);
        if (handover.period != last || last == 0) revert HandoversPeriodWrong(last, handover.period);
    }

    /// @dev What was signed is what stands there, and it takes over from here.
    function _requireSuccessor(Handover calldata handover, address[] calldata parts) private view {
        bool listed;
        for (uint256 i = 0; i < parts.length; ++i) {
            listed = listed || parts[i] == handover.successor;
        }
        bool ours = listed && IHandovers(handover.successor).predecessor() == address(this);
        if (!ours) revert HandoversSuccessorInvalid(handover.successor);
        bytes32 found = Hashes.codes(parts);
        if (found != handover.codesHash) revert HandoversCodesWrong(found, handover.codesHash);
    }

    function _inEffect(bytes32 area, address successor) private view returns (Agreement memory agreement) {
        agreement = _agreements[area];
        if (agreement.successor == address(0) || agreement.successor != successor) {
            revert HandoversElsewhere(area, agreement.successor);
        }
        uint64 time = _marketTime();
        if (time < agreement.effectiveAt) revert HandoversTooEarly(agreement.effectiveAt, time);
    }

    function _requireEnded(bytes32 area, uint32 period) private view {
        uint32 finals = SETTLEMENT.finalCount(area);
        if (finals != period) revert HandoversNotFinal(finals, period);
    }

    /// @dev Anyone may bring the line to where it falls, and the debit to the balance.
    function _requireNothingComing(address account, bytes32 area) private view {
        if (ACCOUNTS.loweringOf(account).untilPeriod != 0) revert HandoversLineFalling(account);
        int256 waiting = ACCOUNTS.balanceOf(ACCOUNTS.suspenseOf(account, area));
        if (waiting < 0) revert HandoversDebitWaits(account, waiting);
    }

    /// @dev Redemptions stay, with what they may be paid from; so does what the account gives to others, until those leave with it.
    function _standing(address account, bytes32 area) private view returns (Standing memory standing) {
        address guarantor = ACCOUNTS.guarantorOf(account);
        uint64 line = ACCOUNTS.lineOf(account);
        int256 line_ = int256(uint256(line));
        int256 balance = ACCOUNTS.redeemableOf(account);
        bool alone = guarantor == address(0) || guarantor == account;
        address backing = alone ? account : guarantor;
        int256 left = ACCOUNTS.redeemableOf(backing);
        if (left < 0) revert HandoversBackingMissing(backing, -left);
        if (balance > 0) {
            int256 goes = ACCOUNTS.freeBalanceOf(account) + (alone ? line_ : int256(0));
            balance = goes > 0 ? goes : int256(0);
        }
        standing = Standing({
            area: area,
            guarantor: guarantor,
            creditNeur: alone && balance < line_ ? SafeCast.toUint64(uint256(balance)) : line,
            balanceNeur: balance,
            backingNeur: alone ? int256(0) : line_ + SafeCast.toInt256(ACCOUNTS.lackingOf(account))
        });
    }

    /// @dev The present account of whoever enters, bound to the area.
    function _entering(address account, bytes32 area) private returns (address holder) {
        holder = account;
        address successor = ACCOUNTS.successorOf(holder);
        while (successor != address(0)) (holder, successor) = (successor, ACCOUNTS.successorOf(successor));
        bytes32 bound = ACCOUNTS.areaOf(holder);
        if (bound == 0) ACCOUNTS.bindAccount(holder, area);
        else if (bound != area) revert HandoversAreaWrong(holder, bound);
    }

    /// @dev Signatures count once, or the registrar alone could agree again to what was withdrawn.
    function _requireSigned(Handover calldata handover, HandoverSignatures calldata signatures) private {
        bytes32 digest = _hashTypedDataV4(
            Hashes.handover(
                handover.area, handover.period, handover.successor, handover.codesHash, handover.deadline
            )
        );
        if (_used[digest]) revert HandoversUsed(digest);
        _used[digest] = true;
        ROLES.requireRole(ECDSA.recover(digest, signatures.operator), Role.Operator, handover.area);
        ROLES.requireRole(ECDSA.recover(digest, signatures.dso), Role.Dso, handover.area);
        ROLES.requireQuorum(digest, handover.area, signatures.attesters);
        emit HandoverSigned(handover.area, digest, signatures.operator, signatures.dso, signatures.attesters);
    }
}
