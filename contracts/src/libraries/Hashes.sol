// SPDX-License-Identifier: UNLICENSED
pragma solidity 0.8.37;

import {Session} from "../interfaces/IMarket.sol";
import {Attestation} from "../interfaces/IReadings.sol";

/// @title Hashes: the shapes of docs/protocol.md that contracts hash or read
/// @dev Pure; golden vectors hold it together with the other implementations. Shapes that nothing on chain makes (orders, cancels,
/// readings, …) are in `test/base/Shapes.sol`.
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

    bytes32 internal constant PROGRAM_TYPEHASH = keccak256(
        "Program(bytes32 market,uint64 session,uint32 firstMtu,uint32 count,bytes32 booksRoot,bytes32 resultsRoot,uint128 tradedMask,uint128 emptiedMask,bytes32 gridModelHash,bytes32 reportHash,uint64 deadline)"
    );
    bytes32 internal constant ATTESTATION_TYPEHASH = keccak256(
        "Attestation(bytes32 area,uint32 mtu,uint32 revision,bytes32 root,uint32 count,uint64 importWh,uint64 exportWh)"
    );
    bytes32 internal constant SETTLEMENT_TYPEHASH = keccak256(
        "Settlement(bytes32 area,uint32 period,uint32 revision,bytes32 wordsHash,bytes32 clearingRoot,bytes32 readingsRoot,bytes32 statementsRoot,bytes32 tariffHash)"
    );
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

    /* EIP-712 STRUCTS (members of 32 bytes each, so abi.encode of a struct is encodeData) */

    function program(SignedProgram memory p) internal pure returns (bytes32) {
        return keccak256(abi.encode(PROGRAM_TYPEHASH, p));
    }

    function attestation(Attestation memory a) internal pure returns (bytes32) {
        return keccak256(abi.encode(ATTESTATION_TYPEHASH, a));
    }

    function settlement(SignedSettlement memory s) internal pure returns (bytes32) {
        return keccak256(abi.encode(SETTLEMENT_TYPEHASH, s));
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

    /// @notice The word without cap and accepted, as the commitment to a book carries it.
    function masked(uint256 word) internal pure returns (uint256) {
        return word & ~CAP_AND_ACCEPTED;
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

    /// @notice Leaf of a 32-byte value in a Merkle tree.
    function leaf(bytes32 value) internal pure returns (bytes32) {
        return keccak256(abi.encode(value));
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
}
