"""Blocks proven from one block hash that the verifier's user trusts: headers by their hashes, receipts by their root.

Sources: the yellow paper of Ethereum as of London: headers (section 4.3), receipts (4.3.1), tries (appendix D);
EIP-225 (Clique), EIP-1559 (base fee), EIP-2718 (types of receipts).
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TypeAlias

from verifier.form import Json, unhex
from verifier.hashes import keccak, tohex
from verifier.node import Rpc
from verifier.rlp import Rlp, number_bytes, rlp
from verifier.signatures import recover
from verifier.verdict import UNREADABLE

HEADER_BYTES = ("parentHash", "sha3Uncles", "miner", "stateRoot", "transactionsRoot", "receiptsRoot", "logsBloom")
HEADER_NUMBERS = ("difficulty", "number", "gasLimit", "gasUsed", "timestamp")
HEADER_REST = ("mixHash", "nonce")
"""Members of a header in their order, the extra data before the last of these; the base fee follows them."""

VANITY_BYTES, ADDRESS_BYTES, SEAL_BYTES = 32, 20, 65
"""Of a Clique block's extra data (EIP-225): anything, in the first block the sealers' addresses, the seal."""

BLOOM_BITS = 2_048

Log: TypeAlias = tuple[str, tuple[str, ...], str]
"""Address, topics and data."""


def header_hash(told: Json) -> str:
    """Hash that a block's header has by its members. Raises what reading a malformed one may raise."""
    return tohex(_hash(told, unhex(told["extraData"])))


def _hash(told: Json, extra: bytes) -> bytes:
    fields = [unhex(told[name]) for name in HEADER_BYTES]
    fields += [number_bytes(int(told[name], 16)) for name in HEADER_NUMBERS]
    fields += [extra, *(unhex(told[name]) for name in HEADER_REST)]
    fields.append(number_bytes(int(told["baseFeePerGas"], 16)))
    return keccak(rlp(fields))


def sealer_of(told: Json) -> str:
    """Who sealed a Clique block, by its seal. Raises ValueError where it has none."""
    extra = unhex(told["extraData"])
    body, seal = extra[:-SEAL_BYTES], extra[-SEAL_BYTES:]
    return recover(_hash(told, body), tohex(seal[:-1] + bytes([seal[-1] + 27])))


def sealers_of(genesis: Json) -> frozenset[str]:
    """Who may seal a Clique chain, as its first block lists them; nobody where it lists none."""
    listed = unhex(genesis["extraData"])[VANITY_BYTES:-SEAL_BYTES]
    return frozenset(tohex(listed[at : at + ADDRESS_BYTES]) for at in range(0, len(listed), ADDRESS_BYTES))


def receipt_bytes(told: Json) -> bytes:
    """A receipt as its block's root holds it."""
    status, gas = (number_bytes(int(told[name], 16)) for name in ("status", "cumulativeGasUsed"))
    kind, logs = int(told["type"], 16), [_log(log) for log in told["logs"]]
    return (bytes([kind]) if kind else b"") + rlp([status, gas, unhex(told["logsBloom"]), logs])


def _log(told: Json) -> Rlp:
    return [unhex(told["address"]), [unhex(topic) for topic in told["topics"]], unhex(told["data"])]


def ordered_root(values: Sequence[bytes]) -> str:
    """Root of the trie of a list: the key of each value is its place."""
    if not values:
        return tohex(keccak(rlp(b"")))
    keyed = sorted((_nibbles(rlp(number_bytes(at))), value) for at, value in enumerate(values))
    return tohex(keccak(rlp(_node(keyed, 0))))


def _nibbles(data: bytes) -> tuple[int, ...]:
    return tuple(half for byte in data for half in (byte >> 4, byte & 15))


def _node(keyed: Sequence[tuple[tuple[int, ...], bytes]], depth: int) -> Rlp:
    """The node over keys that agree in their first `depth` nibbles. No key of a list begins with another one."""
    (first, value), (last, _) = keyed[0], keyed[-1]
    if len(keyed) == 1:
        return [_path(first[depth:], is_leaf=True), value]
    shared = depth
    while first[shared] == last[shared]:
        shared += 1
    if shared > depth:
        return [_path(first[depth:shared], is_leaf=False), _reference(_node(keyed, shared))]
    branches = [[pair for pair in keyed if pair[0][depth] == nibble] for nibble in range(16)]
    return [*(_reference(_node(branch, depth + 1)) if branch else b"" for branch in branches), b""]


def _path(nibbles: Sequence[int], *, is_leaf: bool) -> bytes:
    """A node's share of its keys, with whether it is a leaf and of odd length in the first half byte."""
    odd = len(nibbles) % 2
    halves = [2 * is_leaf + odd, *([] if odd else [0]), *nibbles]
    return bytes(16 * high + low for high, low in zip(halves[::2], halves[1::2], strict=True))


def _reference(node: Rlp) -> Rlp:
    """A node inside another one: itself where it is short, else its hash."""
    encoded = rlp(node)
    return node if len(encoded) < 32 else keccak(encoded)


def may_hold(bloom: bytes, address: str) -> bool:
    """Whether a header's filter lets a block have logs of a contract; where it does not, there are none."""
    hashed, bits = keccak(unhex(address)), int.from_bytes(bloom, "big")
    places = (int.from_bytes(hashed[at : at + 2], "big") % BLOOM_BITS for at in (0, 2, 4))
    return all(bits >> place & 1 for place in places)


def logs_of(receipts: Sequence[Json], addresses: Collection[str]) -> Iterator[Log]:
    """Logs of these contracts, in their order."""
    for receipt in receipts:
        for log in receipt["logs"]:
            if log["address"].lower() in addresses:
                yield log["address"].lower(), tuple(log["topics"]), log["data"]


@dataclass(frozen=True)
class Known:
    """What a verifier's user trusts: the hash of the first block, and that of a later one."""

    genesis_hash: str
    block: int
    block_hash: str


@dataclass(frozen=True)
class Proof:
    """What follows from block hashes that are trusted: all blocks between them, as their headers link them."""

    block: int
    """The last of them."""
    headers: Mapping[int, tuple[str, int]]
    """Hash and timestamp by number; none where the trusted block's header is of a form that is not known here."""
    receipts: Mapping[str, Json]
    """Receipts by transaction, of blocks in which contracts left logs."""
    faults: tuple[str, ...]
    """Where the node contradicts it."""


def final_block(ask: Rpc, known: Known, height: int) -> Known:
    """The last block after a trusted one that enough of a Clique chain's sealers built upon, and its hash.

    A block is final once N - (N - 1) // 3 of the N sealers that the first block lists have sealed it or a block after
    it. The trusted block itself where the chain has no such seals, or headers between are not linked and sealed so.
    """
    genesis = ask("eth_getBlockByNumber", [hex(0), False])
    if _hash_or_none(genesis) != known.genesis_hash:
        return known
    sealers = sealers_of(genesis)
    needed = len(sealers) - (len(sealers) - 1) // 3
    above, final, expected = set[str](), known, None
    for number in range(height, known.block, -1) if sealers else ():
        header = ask("eth_getBlockByNumber", [hex(number), False])
        hashed = _hash_or_none(header)
        if hashed is None or hashed != (expected or hashed):
            return known
        sealer, expected = _sealer_or_none(header), header["parentHash"]
        if sealer not in sealers:
            return known
        above.add(sealer)
        if final is known and len(above) >= needed:
            final = Known(known.genesis_hash, number, hashed)
    return final if expected == known.block_hash else known


def _sealer_or_none(header: Json) -> str | None:
    try:
        return sealer_of(header)
    except UNREADABLE:
        return None


def prove(ask: Rpc, known: Known, told: Mapping[int, Sequence[Log]], addresses: Collection[str]) -> Proof:
    """Follow the headers from a trusted block down to the first one, and hold the logs that the node `told` of these
    contracts, by block, against the receipts that the headers commit to: none is invented, and none left out."""
    headers, receipts = dict[int, tuple[str, int]](), dict[str, Json]()
    faults: list[str] = []
    expected = known.block_hash
    for number in range(known.block, 0, -1):
        header = ask("eth_getBlockByNumber", [hex(number), False])
        if _hash_or_none(header) != expected:
            if number < known.block:
                faults.append(f"block {number} is not the one that block {number + 1} follows")
            return Proof(known.block, headers, receipts, tuple(faults))
        headers[number] = (expected, int(header["timestamp"], 16))
        expected = header["parentHash"]
        bloom = unhex(header["logsBloom"])
        if number in told or any(may_hold(bloom, address) for address in addresses):
            found = [ask("eth_getTransactionReceipt", [tx]) for tx in header["transactions"]]
            fault = _fault(header, found, told.get(number, ()), addresses)
            if fault:
                faults.append(f"block {number}: {fault}")
            receipts |= dict(zip(header["transactions"], found, strict=True))
    if expected != known.genesis_hash:
        faults.append("block 1 does not follow the genesis block of the trust anchors")
    return Proof(known.block, headers, receipts, tuple(faults))


def _hash_or_none(header: Json) -> str | None:
    """None where the header has not the members that London's headers have."""
    try:
        return header_hash(header)
    except UNREADABLE:
        return None


def _fault(header: Json, receipts: Sequence[Json], told: Sequence[Log], addresses: Collection[str]) -> str | None:
    """How a block's receipts contradict its header, or what the node told of its logs."""
    try:
        root = ordered_root([receipt_bytes(receipt) for receipt in receipts])
        logs = list(logs_of(receipts, addresses))
    except UNREADABLE as error:
        return f"its receipts can't be read ({error!r})"
    if root != header["receiptsRoot"]:
        return "its receipts are not those that its header commits to"
    if logs != list(told):
        return f"the node told {len(told)} events, its receipts hold {len(logs)} or others"
    return None
