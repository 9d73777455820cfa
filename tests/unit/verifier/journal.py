"""The journal of a small day as the stages write it, and the transactions that go with it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from domain.eip712 import RECEIPT, Domain
from domain.hashing import ZERO_HASH, canonical_json, keccak, text_id, to_hex
from tests.unit.verifier.fake_chain import ABIS, CHAIN_ID, CONTRACTS, GATE, MARKET, FakeChain, noise, sign

Payload = dict[str, Any]


@dataclass(frozen=True)
class Emits:
    """An event that a transaction emits; `types` as in its signature, * = indexed.

    `contract`: who emits it, where that is another contract than the one that is called.
    """

    name: str
    types: str
    values: list[Any]
    contract: str | None = None


def payload_hash(entry: Payload) -> bytes:
    """Hash of an entry's salt and payload (protocol.md section 6)."""
    return keccak(bytes.fromhex(entry["salt"][2:]) + canonical_json(entry["payload"]))


def entry_hash(sequence: int, kind: str, hashed: bytes, previous: bytes) -> bytes:
    """Hash of an entry over its predecessor (protocol.md section 6)."""
    return keccak(sequence.to_bytes(8, "big") + keccak(kind.encode()) + hashed + previous)


class Journal:
    """Appends facts, gives receipts, and sends transactions to the chain beside it."""

    def __init__(self) -> None:
        self.chain = FakeChain()
        self.entries: list[Payload] = []
        self.head = ZERO_HASH
        self.receipts: list[Payload] = []
        self.erased: list[int] = []
        self.operator = "operator"
        self.market_domain = Domain(CHAIN_ID, bytes.fromhex(CONTRACTS["Market"][2:]))
        self._requests = 0

    def fact(self, kind: str, payload: Payload) -> int:
        """Append an entry; its sequence."""
        sequence = len(self.entries) + 1
        entry = {"sequence": sequence, "kind": kind, "salt": to_hex(noise(f"salt{sequence}")), "payload": payload}
        self.head = entry_hash(sequence, kind, payload_hash(entry), self.head)
        self.entries.append({**entry, "hash": to_hex(self.head)})
        return sequence

    def receipt(
        self,
        sequence: int,
        mtu: int,
        tag: str,
        revision: int,
        kind: int,
        market_time: int,
        *,
        market: bytes = text_id(MARKET),
        session: int = GATE,
    ) -> None:
        """The operator's receipt for the last entry; kind 1 = accepted, 2 = cancelled, 3 = granted, 4 = revoked."""
        values = {
            "market": market,
            "session": session,
            "mtu": mtu,
            "tag": tag,
            "revision": revision,
            "kind": kind,
            "sequence": sequence,
            "journalHead": self.head,
            "marketTime": market_time,
        }
        self.receipts.append({"sequence": sequence, "signature": sign(self.operator, RECEIPT, values, "Market")})

    # ---- transactions

    def send(self, role: str, contract: str, function: str, args: list[Any], *events: Emits) -> str:
        """Ask for a transaction, sign it, mine it and say what it did; its hash. Without events it reverts."""
        return self.carry_out(self.ask(role, contract, function, args), *events)

    def ask(self, role: str, contract: str, function: str, args: list[Any]) -> Payload:
        """Ask for a transaction; what was asked."""
        self._requests += 1
        asked = {"key": f"{function}:{self._requests}", "role": role, "contract": contract, "function": function}
        asked["about"] = {}
        self.fact("chain.requested", {**asked, "args": args})
        return {**asked, "args": args}

    def carry_out(self, asked: Payload, *events: Emits) -> str:
        """Sign and mine what was asked for; its hash. Without events it reverts."""
        contract = asked["contract"]
        calldata = ABIS[contract].encode_call(asked["function"], asked["args"])
        made = self.chain.mine(asked["role"], to=CONTRACTS[contract], data=calldata, succeeds=bool(events))
        self.tell_signed({name: asked[name] for name in ("key", "role", "contract", "function", "about")}, made)
        self.tell_block()
        told = [
            self.chain.emit(event.contract or contract, event.name, event.types, event.values, made["tx_hash"])
            for event in events
        ]
        block, receipt = self.chain.blocks[made["block"]], self.chain.receipts[made["tx_hash"]]
        place = {name: made[name] for name in ("tx_hash", "block")}
        place |= {name: asked[name] for name in ("key", "contract", "function", "about")}
        place |= {"block_hash": block["hash"]}
        outcome = {**place, "block_time": int(block["timestamp"], 16), "gas_used": int(receipt["gasUsed"], 16)}
        if not events:
            self.fact("chain.failed", {**outcome, "reason": "AccountsAmountInvalid()"})
            return str(made["tx_hash"])
        if asked["function"] == "createArea":  # its first block is given up, and it comes into the same one again
            self.fact("chain.included", {**outcome, "events": told})
            self.fact("chain.rewound", place)
        self.fact("chain.included", {**outcome, "events": told})
        return str(made["tx_hash"])

    def observe(self, sender: str, contract: str, *events: Emits) -> None:
        """Somebody else sends a transaction, and the service sees what it did."""
        made = self.chain.mine(sender, to=CONTRACTS[contract], data=b"")
        self.tell_block()
        told = [self.chain.emit(contract, event.name, event.types, event.values, made["tx_hash"]) for event in events]
        block = self.chain.blocks[made["block"]]
        place = {name: made[name] for name in ("sender", "tx_hash", "block")}
        place |= {"block_hash": block["hash"], "block_time": int(block["timestamp"], 16)}
        self.fact("chain.observed", {**place, "events": told})

    def tell_signed(self, head: Payload, made: Payload) -> None:
        """Say what transaction was signed; `head` names its key, role, contract and function."""
        sent = {name: made[name] for name in ("tx_hash", "raw", "sender", "nonce")}
        self.fact("chain.signed", {**head, **sent, "gas_price_wei": "0"})

    def tell_block(self) -> None:
        """Say what the newest block holds."""
        block = self.chain.blocks[-1]
        hashes = [tx["hash"] for tx in block["transactions"]]
        place = {"number": len(self.chain.blocks) - 1, "timestamp": int(block["timestamp"], 16)}
        self.fact("block.mined", {**place, "transactions": hashes, "others": []})

    def anchor(self) -> None:
        """The head as it is now comes on chain."""
        event = Emits("HeadAnchored", "uint64*,bytes32,bytes32", [len(self.entries), self.head, ZERO_HASH])
        self.send("operator", "Anchors", "anchor", [len(self.entries), to_hex(self.head)], event)

    def anchor_last(self) -> None:
        """The same, and what follows belongs to the next bundle."""
        head, kept = self.head, list(self.entries)
        self.anchor()
        self.entries, self.head = kept, head
