// SPDX-License-Identifier: UNLICENSED
pragma solidity 0.8.37;

/// @title Shapes: those of docs/protocol.md that no contract hashes or writes
/// @dev What holders, meters, the operator and attesters sign or make off chain; golden vectors hold it together with them.
library Shapes {
    bytes32 internal constant ORDER_TYPEHASH = keccak256(
        "Order(bytes32 market,uint64 session,uint32 mtu,uint8 side,int32 limitPriceNeurPerWh,uint32 quantityLots,address account,bytes16 orderId,uint32 revision,bytes32 salt)"
    );
    bytes32 internal constant CANCEL_TYPEHASH =
        keccak256("Cancel(bytes32 market,uint64 session,uint32 mtu,bytes16 orderId,uint32 revision)");
    bytes32 internal constant SCHEDULE_TYPEHASH =
        keccak256("Schedule(bytes32 market,uint64 session,uint32 firstMtu,bytes32 point,bytes32 valuesHash,uint32 revision)");
    bytes32 internal constant RECEIPT_TYPEHASH = keccak256(
        "Receipt(bytes32 market,uint64 session,uint32 mtu,bytes16 tag,uint32 revision,uint8 kind,uint64 sequence,bytes32 journalHead,uint64 marketTime)"
    );
    bytes32 internal constant REFUSAL_TYPEHASH =
        keccak256("Refusal(bytes32 market,uint64 session,uint32 firstMtu,uint32 count,bytes32 resultsRoot,string reason)");
    bytes32 internal constant READING_RECEIPT_TYPEHASH = keccak256("ReadingReceipt(bytes32 messagesRoot)");
    bytes32 internal constant KEY_REGISTRATION_TYPEHASH =
        keccak256("KeyRegistration(address account,address orderKey,bytes32 point,uint32 validFromMtu)");
    bytes32 internal constant PARTICIPATION_TYPEHASH = keccak256(
        "Participation(string participant,string kind,string area,address account,string point,uint64 connectionImportW,uint64 connectionExportW,uint32 validFromMtu)"
    );
    bytes32 internal constant METER_REGISTRATION_TYPEHASH =
        keccak256("MeterRegistration(string meter,string point,string area,bytes32 publicKey,uint32 validFromMtu)");
    bytes32 internal constant TERM_END_TYPEHASH =
        keccak256("TermEnd(string term,string name,string area,address account,address retailer,uint32 endMtu)");
    bytes32 internal constant AGREEMENT_TYPEHASH = keccak256(
        "Agreement(string agreement,uint32 version,address account,address retailer,string tariff,uint32 validFromMtu)"
    );
    bytes32 internal constant SUPPLY_PRICES_TYPEHASH = keccak256(
        "SupplyPrices(string tariff,uint32 version,string area,address retailer,uint32 validFromMtu,int32 supplyNeurPerWh,int32 feedInNeurPerWh,int32 imbalanceSurplusNeurPerWh,int32 imbalanceShortfallNeurPerWh)"
    );
    bytes32 internal constant GRID_PRICES_TYPEHASH = keccak256(
        "GridPrices(string tariff,uint32 version,string area,uint32 validFromMtu,int32 excessNeurPerWh,int32 gridFeeNeurPerWh,int32 gridFeeLocalNeurPerWh,int32 compensationNeurPerWh)"
    );
    bytes32 internal constant AUDIT_TYPEHASH = keccak256("Audit(uint64 sequence,bytes32 head)");
    bytes32 internal constant ERASURE_TYPEHASH =
        keccak256("Erasure(address account,uint32 beforeMtu,uint64 deadline)");
    bytes32 internal constant SIGNING_POLICY_TYPEHASH =
        keccak256("SigningPolicy(string area,uint32 version,uint32 validFromMtu,bytes32 policyHash)");
    bytes32 internal constant TAXES_TYPEHASH = keccak256(
        "Taxes(string tariff,uint32 version,string area,uint32 validFromMtu,int32 levyNeurPerWh,uint16 vatBp)"
    );
    bytes32 internal constant MANDATE_TYPEHASH = keccak256(
        "Mandate(address account,address agent,string[] points,string[] markets,int32 highestBuyNeurPerWh,int32 lowestSellNeurPerWh,uint64 mtuBuyWh,uint64 mtuSellWh,uint64 dayBuyWh,uint64 daySellWh,string zone,uint32 fromMtu,uint32 toMtu,uint64 nonce)"
    );
    bytes32 internal constant MANDATE_REVOCATION_TYPEHASH =
        keccak256("MandateRevocation(address account,address agent,bytes16 mandate)");

    /// @notice Which version of a tariff a party signs its part of.
    struct TariffVersion {
        string tariff;
        uint32 version;
        string area;
        uint32 validFromMtu;
    }

    /// @notice Who takes part where, as the account and the DSO sign it.
    struct Participation {
        string participant;
        string kind;
        string area;
        address account;
        string point;
        uint64 connectionImportW;
        uint64 connectionExportW;
        uint32 validFromMtu;
    }
    /// @notice What an agent may trade for an account, as the account's order key signs it.
    struct Mandate {
        address account;
        address agent;
        string[] points;
        string[] markets;
        int32[2] prices; // highest to buy at, lowest to sell at
        uint64[4] energiesWh; // bought and sold in an MTU, bought and sold in a local day
        string zone;
        uint32 fromMtu;
        uint32 toMtu;
        uint64 nonce;
    }

    /// @notice An order as its holder signs it.
    struct Order {
        bytes32 market;
        uint64 session;
        uint32 mtu;
        uint8 side;
        int32 limitPriceNeurPerWh;
        uint32 quantityLots;
        address account;
        bytes16 orderId;
        uint32 revision;
        bytes32 salt;
    }

    /// @notice A receipt as the operator signs it.
    struct Receipt {
        bytes32 market;
        uint64 session;
        uint32 mtu;
        bytes16 tag;
        uint32 revision;
        uint8 kind;
        uint64 sequence;
        bytes32 journalHead;
        uint64 marketTime;
    }

    /// @notice One reading as it goes under an attestation's root.
    struct Reading {
        bytes32 meter;
        uint32 mtu;
        uint64 importRegisterWh;
        uint64 exportRegisterWh;
        uint64 importWh;
        uint64 exportWh;
        uint32 sequence;
        uint8 quality;
        bytes32 nonce;
    }

    function order(Order memory o) internal pure returns (bytes32) {
        return keccak256(abi.encode(ORDER_TYPEHASH, o));
    }

    function cancel(bytes32 market, uint64 session, uint32 mtu, bytes16 orderId, uint32 revision)
        internal
        pure
        returns (bytes32)
    {
        return keccak256(abi.encode(CANCEL_TYPEHASH, market, session, mtu, orderId, revision));
    }

    function schedule(
        bytes32 market,
        uint64 session,
        uint32 firstMtu,
        bytes32 point,
        bytes32 valuesHash,
        uint32 revision
    ) internal pure returns (bytes32) {
        return keccak256(abi.encode(SCHEDULE_TYPEHASH, market, session, firstMtu, point, valuesHash, revision));
    }

    function receipt(Receipt memory r) internal pure returns (bytes32) {
        return keccak256(abi.encode(RECEIPT_TYPEHASH, r));
    }

    function refusal(
        bytes32 market,
        uint64 session,
        uint32 firstMtu,
        uint32 count,
        bytes32 resultsRoot,
        string memory reason
    ) internal pure returns (bytes32) {
        return keccak256(
            abi.encode(REFUSAL_TYPEHASH, market, session, firstMtu, count, resultsRoot, keccak256(bytes(reason)))
        );
    }

    function readingReceipt(bytes32 messagesRoot) internal pure returns (bytes32) {
        return keccak256(abi.encode(READING_RECEIPT_TYPEHASH, messagesRoot));
    }

    function keyRegistration(address account, address orderKey, bytes32 point, uint32 validFromMtu)
        internal
        pure
        returns (bytes32)
    {
        return keccak256(abi.encode(KEY_REGISTRATION_TYPEHASH, account, orderKey, point, validFromMtu));
    }

    function agreement(
        string memory code,
        uint32 version,
        address account,
        address retailer,
        string memory tariff,
        uint32 validFromMtu
    ) internal pure returns (bytes32) {
        return keccak256(
            abi.encode(
                AGREEMENT_TYPEHASH,
                keccak256(bytes(code)),
                version,
                account,
                retailer,
                keccak256(bytes(tariff)),
                validFromMtu
            )
        );
    }

    function participation(Participation memory p) internal pure returns (bytes32) {
        return keccak256(
            abi.encode(
                PARTICIPATION_TYPEHASH,
                keccak256(bytes(p.participant)),
                keccak256(bytes(p.kind)),
                keccak256(bytes(p.area)),
                p.account,
                keccak256(bytes(p.point)),
                p.connectionImportW,
                p.connectionExportW,
                p.validFromMtu
            )
        );
    }

    /// @notice What a retailer signs of a tariff: prices of supply, feed-in, imbalance surplus and shortfall.
    function supplyPrices(TariffVersion memory v, address retailer, int32[4] memory prices)
        internal
        pure
        returns (bytes32)
    {
        return keccak256(
            abi.encode(
                SUPPLY_PRICES_TYPEHASH,
                keccak256(bytes(v.tariff)),
                v.version,
                keccak256(bytes(v.area)),
                retailer,
                v.validFromMtu,
                prices
            )
        );
    }

    function meterRegistration(
        string memory meter,
        string memory point,
        string memory area,
        bytes32 publicKey,
        uint32 validFromMtu
    ) internal pure returns (bytes32) {
        return keccak256(
            abi.encode(
                METER_REGISTRATION_TYPEHASH,
                keccak256(bytes(meter)),
                keccak256(bytes(point)),
                keccak256(bytes(area)),
                publicKey,
                validFromMtu
            )
        );
    }

    /// @notice What those sign who end a term: an agreement, a household's part, a meter.
    function termEnd(
        string memory term,
        string memory name,
        string memory area,
        address account,
        address retailer,
        uint32 endMtu
    ) internal pure returns (bytes32) {
        return keccak256(
            abi.encode(
                TERM_END_TYPEHASH,
                keccak256(bytes(term)),
                keccak256(bytes(name)),
                keccak256(bytes(area)),
                account,
                retailer,
                endMtu
            )
        );
    }

    /// @notice What the DSO signs of a tariff: prices of excess, grid fee, local grid fee and compensation.
    function gridPrices(TariffVersion memory v, int32[4] memory prices) internal pure returns (bytes32) {
        return keccak256(
            abi.encode(
                GRID_PRICES_TYPEHASH,
                keccak256(bytes(v.tariff)),
                v.version,
                keccak256(bytes(v.area)),
                v.validFromMtu,
                prices
            )
        );
    }

    /// @notice What an auditor signs once all up to a head of the journal was verified.
    function audit(uint64 sequence, bytes32 head) internal pure returns (bytes32) {
        return keccak256(abi.encode(AUDIT_TYPEHASH, sequence, head));
    }

    /// @notice What an account signs to have its own data erased.
    function erasure(address account, uint32 beforeMtu, uint64 deadline) internal pure returns (bytes32) {
        return keccak256(abi.encode(ERASURE_TYPEHASH, account, beforeMtu, deadline));
    }

    /// @notice What the DSO signs of its signing policy: the hash of the document.
    function signingPolicy(string memory area, uint32 version, uint32 validFromMtu, bytes32 policyHash)
        internal
        pure
        returns (bytes32)
    {
        return keccak256(
            abi.encode(SIGNING_POLICY_TYPEHASH, keccak256(bytes(area)), version, validFromMtu, policyHash)
        );
    }

    /// @notice What the registrar signs of a tariff.
    function taxes(TariffVersion memory v, int32 levyNeurPerWh, uint16 vatBp) internal pure returns (bytes32) {
        return keccak256(
            abi.encode(
                TAXES_TYPEHASH,
                keccak256(bytes(v.tariff)),
                v.version,
                keccak256(bytes(v.area)),
                v.validFromMtu,
                levyNeurPerWh,
                vatBp
            )
        );
    }

    /// @notice What an account's order key signs to let an agent trade for it.
    function mandate(Mandate memory m) internal pure returns (bytes32) {
        bytes memory places = abi.encode(m.account, m.agent, texts(m.points), texts(m.markets));
        bytes memory span = abi.encode(keccak256(bytes(m.zone)), m.fromMtu, m.toMtu, m.nonce);
        return keccak256(bytes.concat(MANDATE_TYPEHASH, places, abi.encode(m.prices, m.energiesWh), span));
    }

    /// @notice What an account's order key signs to end a mandate.
    function mandateRevocation(address account, address agent, bytes16 tag) internal pure returns (bytes32) {
        return keccak256(abi.encode(MANDATE_REVOCATION_TYPEHASH, account, agent, tag));
    }

    /// @notice An array of texts as EIP-712 encodes it.
    function texts(string[] memory items) internal pure returns (bytes32) {
        bytes memory hashes;
        for (uint256 i = 0; i < items.length; ++i) {
            hashes = bytes.concat(hashes, keccak256(bytes(items[i])));
        }
        return keccak256(hashes);
    }

    /// @notice One reading.
    function reading(Reading memory r) internal pure returns (bytes32) {
        return keccak256(abi.encode(r));
    }

    /// @notice Leaf value of one account's statement.
    function statement(address account, uint32 period, uint32 revision, bytes32 statementHash)
        internal
        pure
        returns (bytes32)
    {
        return keccak256(abi.encode(account, period, revision, statementHash));
    }

    /// @notice Packs an order word: `tag:128 | limit:int32 | quantity:uint24 | cap:uint24 | accepted:uint24 | flags:uint24`.
    function orderWord(bytes16 tag, int32 limit, uint24 quantity, uint24 cap, uint24 accepted, uint24 flags)
        internal
        pure
        returns (uint256)
    {
        return (uint256(uint128(tag)) << 128) | (uint256(uint32(limit)) << 96) | (uint256(quantity) << 72)
            | (uint256(cap) << 48) | (uint256(accepted) << 24) | uint256(flags);
    }

    /// @notice Packs a settlement word: `address:160 | amount:int96`.
    function settlementWord(address account, int96 amountNeur) internal pure returns (uint256) {
        return (uint256(uint160(account)) << 96) | uint256(uint96(amountNeur));
    }
}
