// SPDX-License-Identifier: UNLICENSED
pragma solidity 0.8.37;

import {Session} from "../interfaces/IMarket.sol";
import {Attestation} from "../interfaces/IReadings.sol";

/// @title Hashes: every shape of docs/protocol.md that is hashed or signed
/// @dev Pure; golden vectors hold it together with the other implementations. Includes shapes that no contract checks on chain
/// (orders, cancels, readings, …), so that one place says how each is made.
library Hashes {
    /// @notice Price of a result without a trade.
    int32 internal constant NO_PRICE = type(int32).min;

    /// @notice Words per page of a book or a settlement; all pages but the last are full.
    uint256 internal constant PAGE_WORDS = 2048;

    /// @notice Where the fields of an order word begin, in bits from its lowest: `tag:128 | limit:int32 | quantity:uint24 | cap:uint24 |
    /// accepted:uint24 | flags:uint24`.
    uint256 internal constant TAG_AT = 128;
    uint256 internal constant LIMIT_AT = 96;
    uint256 internal constant QUANTITY_AT = 72;
    uint256 internal constant CAP_AT = 48;
    uint256 internal constant ACCEPTED_AT = 24;

    /// @notice Flags of an order that buys.
    uint256 internal constant BID = 0;

    /// @notice Flags of an order that sells.
    uint256 internal constant ASK = 1;

    /// @notice Cap and accepted bits of an order word, which the commitment to a book leaves out.
    uint256 internal constant CAP_AND_ACCEPTED = (uint256(type(uint24).max) << CAP_AT) | (uint256(type(uint24).max) << ACCEPTED_AT);

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
    bytes32 internal constant PROGRAM_TYPEHASH = keccak256(
        "Program(bytes32 market,uint64 session,uint32 firstMtu,uint32 count,bytes32 booksRoot,bytes32 resultsRoot,uint128 tradedMask,uint128 emptiedMask,bytes32 gridModelHash,bytes32 reportHash,uint64 deadline)"
    );
    bytes32 internal constant REFUSAL_TYPEHASH =
        keccak256("Refusal(bytes32 market,uint64 session,uint32 firstMtu,uint32 count,bytes32 resultsRoot,string reason)");
    bytes32 internal constant ATTESTATION_TYPEHASH = keccak256(
        "Attestation(bytes32 area,uint32 mtu,uint32 revision,bytes32 root,uint32 count,uint64 importWh,uint64 exportWh)"
    );
    bytes32 internal constant READING_RECEIPT_TYPEHASH = keccak256("ReadingReceipt(bytes32 messagesRoot)");
    bytes32 internal constant SETTLEMENT_TYPEHASH = keccak256(
        "Settlement(bytes32 area,uint32 period,uint32 revision,bytes32 wordsHash,bytes32 clearingRoot,bytes32 readingsRoot,bytes32 statementsRoot,bytes32 tariffHash)"
    );
    bytes32 internal constant KEY_REGISTRATION_TYPEHASH =
        keccak256("KeyRegistration(address account,address orderKey,bytes32 point,uint32 validFromMtu)");
    bytes32 internal constant GUARANTEE_TYPEHASH =
        keccak256("Guarantee(address guarantor,address account,uint64 creditNeur,uint64 nonce,uint64 deadline)");
    bytes32 internal constant COVER_TYPEHASH = keccak256(
        "Cover(address guarantor,address account,uint96 amountNeur,uint96 debtNeur,bytes32 ref,uint64 deadline)"
    );
    bytes32 internal constant REDEMPTION_TYPEHASH =
        keccak256("Redemption(address account,uint96 amountNeur,bytes32 ref,uint64 deadline)");
    bytes32 internal constant ACCOUNT_REPLACEMENT_TYPEHASH =
        keccak256("AccountReplacement(address account,address successor,uint64 deadline)");
    bytes32 internal constant HANDOVER_TYPEHASH =
        keccak256("Handover(bytes32 area,uint32 period,address successor,bytes32 codesHash,uint64 deadline)");

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

    /// @notice A program as the DSO signs it.
    struct SignedProgram {
        bytes32 market;
        uint64 session;
        uint32 firstMtu;
        uint32 count;
        bytes32 booksRoot;
        bytes32 resultsRoot;
        uint128 tradedMask;
        uint128 emptiedMask;
        bytes32 gridModelHash;
        bytes32 reportHash;
        uint64 deadline;
    }

    /// @notice A settlement as the attesters sign it.
    struct SignedSettlement {
        bytes32 area;
        uint32 period;
        uint32 revision;
        bytes32 wordsHash;
        bytes32 clearingRoot;
        bytes32 readingsRoot;
        bytes32 statementsRoot;
        bytes32 tariffHash;
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

    /* EIP-712 STRUCTS (members of 32 bytes each, so abi.encode of a struct is encodeData) */

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

    function program(SignedProgram memory p) internal pure returns (bytes32) {
        return keccak256(abi.encode(PROGRAM_TYPEHASH, p));
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

    function attestation(Attestation memory a) internal pure returns (bytes32) {
        return keccak256(abi.encode(ATTESTATION_TYPEHASH, a));
    }

    function readingReceipt(bytes32 messagesRoot) internal pure returns (bytes32) {
        return keccak256(abi.encode(READING_RECEIPT_TYPEHASH, messagesRoot));
    }

    function settlement(SignedSettlement memory s) internal pure returns (bytes32) {
        return keccak256(abi.encode(SETTLEMENT_TYPEHASH, s));
    }

    function keyRegistration(address account, address orderKey, bytes32 point, uint32 validFromMtu)
        internal
        pure
        returns (bytes32)
    {
        return keccak256(abi.encode(KEY_REGISTRATION_TYPEHASH, account, orderKey, point, validFromMtu));
    }

    function guarantee(address guarantor, address account, uint64 creditNeur, uint64 nonce, uint64 deadline)
        internal
        pure
        returns (bytes32)
    {
        return keccak256(abi.encode(GUARANTEE_TYPEHASH, guarantor, account, creditNeur, nonce, deadline));
    }

    function cover(
        address guarantor,
        address account,
        uint96 amountNeur,
        uint96 debtNeur,
        bytes32 ref,
        uint64 deadline
    ) internal pure returns (bytes32) {
        return keccak256(abi.encode(COVER_TYPEHASH, guarantor, account, amountNeur, debtNeur, ref, deadline));
    }

    function redemption(address account, uint96 amountNeur, bytes32 ref, uint64 deadline)
        internal
        pure
        returns (bytes32)
    {
        return keccak256(abi.encode(REDEMPTION_TYPEHASH, account, amountNeur, ref, deadline));
    }

    function accountReplacement(address account, address successor, uint64 deadline) internal pure returns (bytes32) {
        return keccak256(abi.encode(ACCOUNT_REPLACEMENT_TYPEHASH, account, successor, deadline));
    }

    function handover(bytes32 area, uint32 period, address successor, bytes32 codesHash, uint64 deadline)
        internal
        pure
        returns (bytes32)
    {
        return keccak256(abi.encode(HANDOVER_TYPEHASH, area, period, successor, codesHash, deadline));
    }

    /// @notice Contracts and the code that runs in each: c = 0; for each: c = keccak(c ‖ address as 32 bytes ‖ code hash).
    function codes(address[] calldata parts) internal view returns (bytes32 running) {
        for (uint256 i = 0; i < parts.length; ++i) {
            running = keccak256(abi.encode(running, parts[i], parts[i].codehash));
        }
    }

    /* WORDS */

    /// @notice Packs an order word: `tag:128 | limit:int32 | quantity:uint24 | cap:uint24 | accepted:uint24 | flags:uint24`.
    function orderWord(bytes16 tag, int32 limit, uint24 quantity, uint24 cap, uint24 accepted, uint24 flags)
        internal
        pure
        returns (uint256)
    {
        return (uint256(uint128(tag)) << 128) | (uint256(uint32(limit)) << 96) | (uint256(quantity) << 72)
            | (uint256(cap) << 48) | (uint256(accepted) << 24) | uint256(flags);
    }

    /// @notice The word without cap and accepted, as the commitment to a book carries it.
    function masked(uint256 word) internal pure returns (uint256) {
        return word & ~CAP_AND_ACCEPTED;
    }

    /// @notice Packs a settlement word: `address:160 | amount:int96`.
    function settlementWord(address account, int96 amountNeur) internal pure returns (uint256) {
        return (uint256(uint160(account)) << 96) | uint256(uint96(amountNeur));
    }

    /// @notice Account and amount of a settlement word.
    function settlementParts(uint256 word) internal pure returns (address account, int96 amountNeur) {
        return (address(uint160(word >> 96)), int96(uint96(word)));
    }

    /* PAGES, BOOKS, RESULTS */

    /// @notice Hash of a page: its words, one after the other.
    function page(uint256[] memory words) internal pure returns (bytes32 hash) {
        // `abi.encodePacked` would copy them once more, word by word.
        assembly ("memory-safe") {
            hash := keccak256(add(words, 0x20), mul(mload(words), 0x20))
        }
    }

    /// @notice Folds page hashes: c = 0, then c = keccak(c ‖ h) for each h; 0 without a page.
    function chain(bytes32[] memory hashes) internal pure returns (bytes32 c) {
        for (uint256 i = 0; i < hashes.length; ++i) {
            c = link(c, hashes[i]);
        }
    }

    /// @notice One step of `chain`.
    function link(bytes32 c, bytes32 h) internal pure returns (bytes32) {
        return keccak256(abi.encode(c, h));
    }

    /// @notice Commitment to the book of one MTU.
    function book(bytes32 market, uint64 session, uint32 mtu, bytes32 maskedChain, uint32 count)
        internal
        pure
        returns (bytes32)
    {
        return keccak256(abi.encode(market, session, mtu, maskedChain, count));
    }

    /// @notice What the DSO signs of one MTU.
    function result(bytes32 market, uint64 session, uint32 mtu, int32 price, bytes32 completeChain, uint32 count)
        internal
        pure
        returns (bytes32)
    {
        return keccak256(abi.encode(market, session, mtu, price, completeChain, count));
    }

    /* RUNNING ROOTS */

    /// @notice Next clearing root of (area, period): a session that is Done; what it did not get to is 0.
    function clearingLink(bytes32 c, bytes32 market, uint64 session, Session memory done) internal pure returns (bytes32) {
        return keccak256(
            abi.encode(
                c,
                market,
                session,
                done.booksRoot,
                done.resultsRoot,
                done.tradedMask,
                done.emptiedMask,
                done.clearedMask
            )
        );
    }

    /// @notice Next readings root of (area, period); all zero after `mtu` for Unread.
    function readingsLink(
        bytes32 c,
        uint32 mtu,
        uint32 revision,
        bytes32 root,
        uint32 count,
        uint64 importWh,
        uint64 exportWh
    ) internal pure returns (bytes32) {
        return keccak256(abi.encode(c, mtu, revision, root, count, importWh, exportWh));
    }

    /* LEAVES AND TREES */

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

    /// @notice Leaf of a 32-byte value in a Merkle tree.
    function leaf(bytes32 value) internal pure returns (bytes32) {
        return keccak256(abi.encode(value));
    }

    /// @notice Merkle root over values: node = keccak(min ‖ max), an odd node is promoted unchanged; 0 without a value.
    function merkleRoot(bytes32[] memory values) internal pure returns (bytes32) {
        uint256 n = values.length;
        if (n == 0) return 0;
        bytes32[] memory level = new bytes32[](n);
        for (uint256 i = 0; i < n; ++i) {
            level[i] = leaf(values[i]);
        }
        while (n > 1) {
            for (uint256 i = 0; i < n / 2; ++i) {
                (bytes32 a, bytes32 b) = (level[2 * i], level[2 * i + 1]);
                level[i] = a < b ? keccak256(abi.encode(a, b)) : keccak256(abi.encode(b, a));
            }
            if (n % 2 == 1) level[n / 2] = level[n - 1];
            n = (n + 1) / 2;
        }
        return level[0];
    }

    /// @notice Root of a places tree over values: node = keccak(left ‖ right), an odd node is promoted unchanged; 0 without a value.
    function placesRoot(bytes32[] memory values) internal pure returns (bytes32) {
        uint256 n = values.length;
        if (n == 0) return 0;
        bytes32[] memory level = new bytes32[](n);
        for (uint256 i = 0; i < n; ++i) {
            level[i] = leaf(values[i]);
        }
        while (n > 1) {
            for (uint256 i = 0; i < n / 2; ++i) {
                level[i] = link(level[2 * i], level[2 * i + 1]);
            }
            if (n % 2 == 1) level[n / 2] = level[n - 1];
            n = (n + 1) / 2;
        }
        return level[0];
    }

    /// @notice Whether `value` stands at place `index` of `count` under a places root. The shape of the tree follows from the count alone, so only one
    /// value can stand at each place.
    function standsAt(bytes32[] calldata proof, bytes32 root, bytes32 value, uint256 index, uint256 count)
        internal
        pure
        returns (bool)
    {
        bytes32 node = leaf(value);
        uint256 used = 0;
        for (; count > 1; count = (count + 1) / 2) {
            // Only the last node of a level of odd size has no sibling.
            if (index % 2 == 1 || index + 1 < count) {
                if (used == proof.length) return false;
                bytes32 sibling = proof[used++];
                node = index % 2 == 0 ? link(node, sibling) : link(sibling, node);
            }
            index /= 2;
        }
        return used == proof.length && node == root;
    }

    /* JOURNAL */

    /// @notice Hash of a journal entry.
    function journalEntry(uint64 sequence, string memory kind, bytes32 payloadHash, bytes32 previous)
        internal
        pure
        returns (bytes32)
    {
        return keccak256(abi.encodePacked(sequence, keccak256(bytes(kind)), payloadHash, previous));
    }
}
