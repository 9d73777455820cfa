"""Tell a real day again, entry by entry, on a chain of its own from the genesis block on, so that all of it fits: what
was changed reaches the real contracts, and journal, heads, receipts, blocks and manifest follow from what came of it.
"""

from __future__ import annotations

import copy
from dataclasses import dataclass, field

from contracts.artifacts import load_artifacts
from contracts.rpc import Rpc, RpcError, as_int
from contracts.transactions import UnsignedTransaction
from domain.eip712 import AUDIT, RECEIPT
from domain.hashing import ZERO_HASH, canonical_json, from_hex, keccak, text_id, to_hex
from tests.collusion.day import Payload, RealDay, Step, sign

ABIS = {name: artifact.abi for name, artifact in load_artifacts().items()}
GAS = 100_000_000
RECEIPTED = {"order.accepted": 1, "order.cancelled": 2, "mandate.granted": 3, "mandate.revoked": 4}
"""Facts that their sender has a receipt for, with its kind there."""

LAST_ANCHOR_SECONDS = 60
"""After the last block comes the anchor of all that was told."""


class KeyNotHeld(Exception):
    """Whoever tells the day would need a key that nobody in the coalition has."""


def entry_hash(sequence: int, step: Step, previous: bytes) -> bytes:
    """Hash of an entry over its predecessor (protocol.md section 6)."""
    hashed = keccak(from_hex(step.salt) + canonical_json(step.payload))
    return keccak(sequence.to_bytes(8, "big") + keccak(step.kind.encode()) + hashed + previous)


@dataclass
class Told:
    """A day told again."""

    entries: list[Payload] = field(default_factory=list)
    receipts: list[Payload] = field(default_factory=list)
    anchors: Payload = field(default_factory=dict)
    reverted: dict[str, str] = field(default_factory=dict)
    """Transactions that the contracts refused, by key: why."""


class Retelling:
    """Tells one day; `held` are the parties whose keys may be used for what was not signed on the day itself."""

    def __init__(self, day: RealDay, rpc: Rpc, held: frozenset[str]) -> None:
        self.day, self.rpc, self.held = day, rpc, held
        self.told = Told()
        self.head = ZERO_HASH
        self.intact = True
        """Whether all that is told so far is as it was."""
        self.waiting: dict[str, str] = {}
        """Signed bytes by key, until they are in a block."""
        self.asked: dict[str, Payload] = {}
        self.signed: dict[str, Payload] = {}
        self.nonces: dict[str, int] = {}
        self.outcomes: dict[str, tuple[Payload, Payload]] = {}
        """Receipt and block by key."""
        self._key_of = {raw["tx_hash"]: raw["key"] for raw in self._payloads("chain.signed")}
        self._receipt_of = {row["sequence"]: row["signature"] for row in day.receipts}
        self._address_names = {address: name for name, address in day.chain["contracts"].items()}

    def _payloads(self, kind: str) -> list[Payload]:
        return [entry["payload"] for entry in self.day.entries if entry["kind"] == kind]

    def tell(self, steps: list[Step]) -> Told:
        """All of it; then the head comes on chain."""
        for step in steps:
            make = {
                "chain.requested": self._requested,
                "chain.signed": self._signed,
                "block.mined": self._mined,
                "chain.included": self._outcome,
                "chain.observed": self._observed,
                "mtu.cleared": self._cleared,
                "audit.signed": self._audited,
            }.get(step.kind)
            if make is not None:
                step = make(copy.copy(step))
            self._append(step)
        self._anchor_last()
        return self.told

    def _append(self, step: Step) -> None:
        sequence, was = len(self.told.entries) + 1, step.was
        told = {"sequence": sequence, "kind": step.kind, "salt": step.salt, "payload": step.payload}
        self.intact = self.intact and was is not None and all(was[name] == value for name, value in told.items())
        self.head = from_hex(was["hash"]) if self.intact and was is not None else entry_hash(sequence, step, self.head)
        self.told.entries.append({**told, "hash": to_hex(self.head)})
        if step.kind in RECEIPTED:
            self._receipt(sequence, step)

    def _receipt(self, sequence: int, step: Step) -> None:
        payload = step.payload
        if self.intact:
            self.told.receipts.append({"sequence": sequence, "signature": self._receipt_of[sequence]})
            return
        order = payload.get("order", payload)
        of_order = {name: order.get(name, 0) for name in ("session", "mtu", "revision")}  # a mandate has none of it
        values = of_order | {
            "market": text_id(payload["market"]) if "market" in payload else ZERO_HASH,
            "tag": payload["tag"],
            "kind": RECEIPTED[step.kind],
            "sequence": sequence,
            "journalHead": self.head,
            "marketTime": payload["market_time"],
        }
        signature = sign(self.day.keys["operator"], self.day.domain("Market"), RECEIPT, values)
        self.told.receipts.append({"sequence": sequence, "signature": signature})

    # ---- transactions

    def _requested(self, step: Step) -> Step:
        """What is asked for; an anchor is of the entry before it."""
        if step.payload["function"] == "anchor":
            at = len(self.told.entries)
            payload = {**step.payload, "args": [at, to_hex(self.head)]}
            if payload["args"] != step.payload["args"]:
                step.payload = payload
        self.asked[step.payload["key"]] = step.payload
        return step

    def _signed(self, step: Step) -> Step:
        """As it was signed on the day, or signed anew where it says something else."""
        payload = step.payload
        key, sender = payload["key"], payload["sender"]
        nonce = self.nonces.get(sender, 0)
        self.nonces[sender] = nonce + 1
        honest = self.day.honest_calls.get(key)
        asked = self.asked.get(key)
        if honest is not None and nonce == honest[1].nonce and (asked is None or asked["args"] == honest[0]):
            self.waiting[key] = honest[2]
        else:
            assert asked is not None
            payload = self._sign(payload, asked, nonce)
            step.payload = payload
        self.signed[key] = payload
        return step

    def _sign(self, payload: Payload, asked: Payload, nonce: int) -> Payload:
        party = self.day.party_of[payload["sender"]]
        if party not in self.held:
            raise KeyNotHeld(f"{party} signs {asked['key']}")
        contract = self.day.chain["contracts"][asked["contract"]]
        data = ABIS[asked["contract"]].encode_call(asked["function"], asked["args"])
        unsigned = UnsignedTransaction(
            chain_id=self.day.settings.chain_id, nonce=nonce, to=from_hex(contract), data=data, gas=GAS
        )
        made = unsigned.sign(self.day.keys[party])
        self.waiting[payload["key"]] = to_hex(made.raw)
        return {**payload, "nonce": nonce, "raw": to_hex(made.raw), "tx_hash": to_hex(made.hash)}

    def _mined(self, step: Step) -> Step:
        """A block at the same time, of what is signed by then and listed by its key or the hash it had."""
        keys = [self._key_of.get(item, item) for item in step.payload["transactions"]]
        self._mine([key for key in keys if key in self.waiting], step.payload["timestamp"])
        hashes = [self.signed[key]["tx_hash"] for key in keys if key in self.signed]
        number = as_int(self._block["number"])
        payload = {**step.payload, "transactions": hashes, "number": number}
        if payload != step.payload:
            step.payload = payload
        return step

    def _mine(self, keys: list[str], timestamp: int) -> None:
        for key in keys:
            self._send(key, self.waiting.pop(key))
        self.rpc.call("evm_mine", hex(timestamp))
        self._block = self.rpc.call("eth_getBlockByNumber", "latest", False)
        hashes = {self.signed[key]["tx_hash"]: key for key in keys}
        assert list(hashes) == self._block["transactions"], "what was sent is in the block, in this order"
        for tx_hash, key in hashes.items():
            receipt = self.rpc.call("eth_getTransactionReceipt", tx_hash)
            self.outcomes[key] = receipt, self._block

    def _send(self, key: str, signed: str) -> None:
        """What is signed; or, where the node forges its chain, a call that nobody signed."""
        if signed:
            self.rpc.call("eth_sendRawTransaction", signed)
            return
        call = self.asked[key]
        data = to_hex(ABIS[call["contract"]].encode_call(call["function"], call["args"]))
        sender, contract = call["sender"], self.day.chain["contracts"][call["contract"]]
        self.rpc.call("anvil_impersonateAccount", sender)
        sent = {"from": sender, "to": contract, "data": data, "gas": hex(GAS), "gasPrice": "0x0"}
        self.signed[key] = {"tx_hash": self.rpc.call("eth_sendTransaction", sent), "sender": sender}

    def forge(self, key: str, call: Payload) -> None:
        """A call that the node of the coalition takes into a block without anybody's signature."""
        self.asked[key], self.waiting[key] = call, ""

    def _observed(self, step: Step) -> Step:
        """What became of a transaction that the service did not send."""
        key, sender = step.payload["key"], step.payload["sender"]
        receipt, block = self.outcomes[key]
        step.payload = {
            "sender": sender,
            "tx_hash": self.signed[key]["tx_hash"],
            "block": as_int(block["number"]),
            "block_hash": block["hash"],
            "block_time": as_int(block["timestamp"]),
            "events": [self._event(log) for log in receipt["logs"]],
        }
        return step

    def _outcome(self, step: Step) -> Step:
        """What became of it, as the contracts tell."""
        payload = step.payload
        key = payload["key"]
        receipt, block = self.outcomes[key]
        place = {
            **{name: payload[name] for name in ("key", "contract", "function", "about")},
            "tx_hash": self.signed[key]["tx_hash"],
            "block": as_int(block["number"]),
            "block_hash": block["hash"],
            "block_time": as_int(block["timestamp"]),
            "gas_used": as_int(receipt["gasUsed"]),
        }
        if as_int(receipt["status"]) == 0:
            reason = self._reason(key, as_int(block["number"]))
            self.told.reverted[key] = reason
            return Step("chain.failed", {**place, "reason": reason}, step.salt, None)
        made = {**place, "events": [self._event(log) for log in receipt["logs"]]}
        if made != payload:
            step.payload = made
        return step

    def _reason(self, key: str, block: int) -> str:
        """Why the contracts refused it."""
        asked, sender = self.asked[key], self.signed[key]["sender"]
        data = ABIS[asked["contract"]].encode_call(asked["function"], asked["args"])
        call = {"from": sender, "to": self.day.chain["contracts"][asked["contract"]], "data": to_hex(data)}
        try:
            self.rpc.call("eth_call", {**call, "gas": hex(GAS)}, hex(block - 1))
        except RpcError as error:
            for abi in ABIS.values():
                found = abi.decode_error(from_hex(error.data)) if error.data else None
                if found is not None:
                    return str(found)
            return error.message
        return "unknown"

    def _event(self, log: Payload) -> Payload:
        contract = self._address_names[log["address"].lower()]
        seen = ABIS[contract].decode_event([from_hex(topic) for topic in log["topics"]], from_hex(log["data"]))
        assert seen is not None
        return {"contract": contract, "event": seen.name, "args": seen.args}

    def _cleared(self, step: Step) -> Step:
        """The clearing names the transaction that it came with."""
        key = self._key_of.get(step.payload["tx_hash"], step.payload["tx_hash"])
        tx_hash = self.signed[key]["tx_hash"]
        if tx_hash != step.payload["tx_hash"]:
            step.payload = {**step.payload, "tx_hash": tx_hash}
        return step

    def _audited(self, step: Step) -> Step:
        """An audit of all that is told before it."""
        party, head = (
            self.day.party_of[step.payload["auditor"]],
            {"sequence": len(self.told.entries), "head": self.head},
        )
        signature = sign(self.day.keys[party], self.day.domain("Anchors"), AUDIT, head)
        step.payload = {**step.payload, **head, "head": to_hex(self.head), "signature": signature}
        return step

    def _anchor_last(self) -> None:
        """The anchor under which the bundle stands; its own transaction belongs to the next one."""
        sender, key = self.day.address("operator"), "last"
        asked = {
            "key": key,
            "contract": "Anchors",
            "function": "anchor",
            "args": [len(self.told.entries), to_hex(self.head)],
        }
        self.signed[key] = self._sign({"key": key, "sender": sender}, asked, self.nonces[sender])
        self.asked[key] = asked
        self._mine([key], as_int(self._block["timestamp"]) + LAST_ANCHOR_SECONDS)
        assert as_int(self.outcomes[key][0]["status"]) == 1
        checkpoint = {
            "block": as_int(self._block["number"]),
            "block_hash": self._block["hash"],
            "journal_sequence": len(self.told.entries),
            "journal_head": to_hex(self.head),
        }
        self.told.anchors = {**self.day.anchors, "checkpoint": checkpoint}
