// SPDX-License-Identifier: UNLICENSED
pragma solidity 0.8.37;

import {ECDSA} from "@openzeppelin/contracts/utils/cryptography/ECDSA.sol";
import {EIP712} from "@openzeppelin/contracts/utils/cryptography/EIP712.sol";

import {IAccounts, Lowering} from "./interfaces/IAccounts.sol";
import {ICalendar} from "./interfaces/ICalendar.sol";
import {IGuarantees} from "./interfaces/IGuarantees.sol";
import {ISettlement} from "./interfaces/ISettlement.sol";
import {Hashes} from "./libraries/Hashes.sol";
import {MarketClock} from "./libraries/MarketClock.sol";

/// @title Guarantees (documented on IGuarantees)
contract Guarantees is IGuarantees, EIP712, MarketClock {
    /// @notice How far one signature takes the nonce at most, so that none can be the last.
    uint64 public constant NONCE_STEP_MAX = 2 ** 32;

    ICalendar private immutable CALENDAR;
    ISettlement private immutable SETTLEMENT;
    IAccounts private immutable ACCOUNTS;

    mapping(address guarantor => mapping(address account => uint64)) private _nonces;
    mapping(address guarantor => mapping(bytes32 ref => bool)) private _usedRefs;

    constructor(ICalendar calendar, ISettlement settlement, IAccounts accounts)
        EIP712("DOMINOES", "1")
        MarketClock(calendar)
    {
        bool together = accounts.guarantees() == address(this) && accounts.calendar() == address(calendar)
            && accounts.settlement() == address(settlement);
        if (!together) revert GuaranteesPartsUnlike();
        CALENDAR = calendar;
        SETTLEMENT = settlement;
        ACCOUNTS = accounts;
    }

    /* CHANGES */

    /// @inheritdoc IGuarantees
    function guarantee(
        address guarantor,
        address account,
        uint64 creditNeur,
        uint64 nonce,
        uint64 deadline,
        bytes calldata guarantorSignature,
        bytes calldata accountSignature
    ) external {
        _requireUntil(deadline);
        ACCOUNTS.requirePresent(guarantor);
        ACCOUNTS.requirePresent(account);
        uint64 last = _nonces[guarantor][account];
        if (nonce <= last) revert GuaranteesNonceUsed(last, nonce);
        if (nonce - last > NONCE_STEP_MAX) revert GuaranteesNonceFar(last, nonce);
        bytes32 structHash = Hashes.guarantee(guarantor, account, creditNeur, nonce, deadline);
        _requireSigner(guarantor, structHash, guarantorSignature);
        // Nobody gets a guarantor, a first or another one, whom it did not choose.
        bool known = ACCOUNTS.guarantorOf(account) == guarantor;
        if (!known && guarantor != account) _requireSigner(account, structHash, accountSignature);

        _nonces[guarantor][account] = nonce;
        if (known && creditNeur < ACCOUNTS.lineOf(account)) _lower(guarantor, account, creditNeur);
        else ACCOUNTS.setLine(guarantor, account, creditNeur);
        emit GuaranteeSet(guarantor, account, creditNeur, nonce);
    }

    /// @inheritdoc IGuarantees
    function release(address account) external {
        Lowering memory lowering = ACCOUNTS.loweringOf(account);
        if (lowering.untilPeriod == 0) revert GuaranteesNothingLowered(account);
        uint32 settled = SETTLEMENT.settledThrough(ACCOUNTS.areaOf(account));
        if (settled < lowering.untilPeriod) revert GuaranteesUnsettled(lowering.untilPeriod, settled);
        ACCOUNTS.setLine(ACCOUNTS.guarantorOf(account), account, lowering.creditNeur);
    }

    /// @inheritdoc IGuarantees
    function cover(
        address guarantor,
        address account,
        uint96 amountNeur,
        uint96 debtNeur,
        bytes32 ref,
        uint64 deadline,
        bytes calldata signature
    ) external {
        if (amountNeur == 0) revert GuaranteesAmountInvalid();
        _requireUntil(deadline);
        ACCOUNTS.requirePresent(guarantor);
        _requireSigner(guarantor, Hashes.cover(guarantor, account, amountNeur, debtNeur, ref, deadline), signature);
        if (_usedRefs[guarantor][ref]) revert GuaranteesRefUsed(ref);
        _usedRefs[guarantor][ref] = true;
        ACCOUNTS.cover(guarantor, account, amountNeur, debtNeur);
        emit DebtCovered(guarantor, account, amountNeur, ref);
    }

    /* VIEWS */

    /// @inheritdoc IGuarantees
    function nonceOf(address guarantor, address account) external view returns (uint64) {
        return _nonces[guarantor][account];
    }

    /// @inheritdoc IGuarantees
    function domainSeparator() external view returns (bytes32) {
        return _domainSeparatorV4();
    }

    /* INTERNAL */

    /// @dev Supply, fees and trades under the present line may stand in every period that is declared by now.
    function _lower(address guarantor, address account, uint64 creditNeur) private {
        bytes32 area = ACCOUNTS.areaOf(account);
        uint32 declared = CALENDAR.periodCount(area);
        if (declared <= SETTLEMENT.settledThrough(area)) ACCOUNTS.setLine(guarantor, account, creditNeur);
        else ACCOUNTS.lowerLine(account, creditNeur, declared);
    }

    function _requireUntil(uint64 deadline) private view {
        uint64 time = _marketTime();
        if (time > deadline) revert GuaranteesTooLate(deadline, time);
    }

    function _requireSigner(address expected, bytes32 structHash, bytes calldata signature) private view {
        address signer = ECDSA.recover(_hashTypedDataV4(structHash), signature);
        if (signer != expected) revert GuaranteesSignerWrong(expected, signer);
    }
}
