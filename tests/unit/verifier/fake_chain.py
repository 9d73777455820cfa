"""What stands around a small market day: keys that are the same in every run, and a chain that is a stub."""

from __future__ import annotations

import hashlib
from typing import Any

from eth_abi.abi import encode

from contracts.artifacts import load_artifacts
from contracts.transactions import UnsignedTransaction
from domain.eip712 import Domain, Shape
from domain.hashing import keccak, to_hex
from domain.signing import SigningKey

CHAIN_ID = 31_337
AREA, MARKET = "test/1", "test/1/DA"
FIRST, COUNT, LOT, TICK = 1_865_000, 5, 10, 1_000
GATE = FIRST * 900 - 43_200
POINTS = ("p1", "p2", "p3")
NAMES = (
    *("Accounts", "Anchors", "Calendar", "Clearing", "Guarantees", "Handovers", "Market", "Objections", "Readings"),
    *("Redemptions", "Registry", "Roles", "Settlement", "Successions"),
)
CONTRACTS = {name: to_hex(keccak(name.encode())[-20:]) for name in NAMES}
GENESIS, CODE = to_hex(keccak(b"genesis")), "0x6001"
ABIS = {name: artifact.abi for name, artifact in load_artifacts().items()}
ATTEST_SECONDS, HORIZON_SECONDS = 3_600, 86_400
ROLE = {"operator": 1, "dso": 2, "attester": 3, "treasurer": 4, "registrar": 5, "security_admin": 6}


def key_of(name: str) -> SigningKey:
    """A key that is the same in every run."""
    return SigningKey(hashlib.sha256(name.encode()).digest())


def noise(name: str) -> bytes:
    """32 bytes that look random and are the same in every run."""
    return hashlib.sha256(b"noise" + name.encode()).digest()


def address(name: str) -> str:
    """Address of a named key."""
    return to_hex(key_of(name).address)


def sign(name: str, shape: Shape, values: dict[str, Any], contract: str) -> str:
    """A named key's signature over a shape."""
    return to_hex(key_of(name).sign(domain_of(contract).digest(shape, values)))


def domain_of(contract: str) -> Domain:
    """EIP-712 domain of a contract."""
    return Domain(CHAIN_ID, bytes.fromhex(CONTRACTS[contract][2:]))


class FakeChain:
    """Blocks, logs and views of the contracts, answered as a node would; one transaction makes one block."""

    def __init__(self) -> None:
        self.logs: list[dict[str, Any]] = []
        self.blocks: list[dict[str, Any]] = [{"hash": GENESIS, "timestamp": "0x0", "transactions": []}]
        self.receipts: dict[str, dict[str, Any]] = {}
        self.views: dict[str, int] = {}
        self.balances: dict[str, int] = {}
        self.chain_id = CHAIN_ID
        self.now = GATE - 50_000

    def mine(self, name: str, *, to: str | None, data: bytes, succeeds: bool = True) -> dict[str, Any]:
        """A block with one transaction of a named key; returns what the key signed and where it came to stand."""
        self.now += 1
        key, number = key_of(name), len(self.blocks)
        nonce = sum(tx["from"] == to_hex(key.address) for block in self.blocks for tx in block["transactions"])
        target = None if to is None else bytes.fromhex(to[2:])
        signed = UnsignedTransaction(chain_id=CHAIN_ID, nonce=nonce, to=target, data=data, gas=100_000).sign(key)
        tx, block_hash = to_hex(signed.hash), to_hex(keccak(f"block{number}".encode()))
        sent = {"hash": tx, "from": to_hex(key.address), "to": to, "nonce": hex(nonce), "gasPrice": "0x0"}
        self.blocks.append(
            {"hash": block_hash, "timestamp": hex(self.now), "transactions": [{**sent, "input": to_hex(data)}]}
        )
        self.receipts[tx] = {"blockNumber": hex(number), "blockHash": block_hash, "gasUsed": hex(21_000 + number)}
        self.receipts[tx]["status"] = hex(succeeds)
        return {
            "tx_hash": tx,
            "raw": to_hex(signed.raw),
            "sender": to_hex(key.address),
            "nonce": nonce,
            "block": number,
        }

    def emit(self, contract: str, name: str, types: str, values: list[Any], tx: str) -> dict[str, Any]:
        """Add a log of the newest block's transaction; indexed types end in *. Returns it as the journal repeats it."""
        kinds = _split(types)
        plain = [kind.rstrip("*") for kind in kinds]
        raw = [
            bytes.fromhex(value[2:]) if isinstance(value, str) and kind.startswith("bytes") else value
            for kind, value in zip(plain, values, strict=True)
        ]
        pairs = list(zip(kinds, plain, raw, strict=True))
        topics = [to_hex(encode([kind], [value])) for mark, kind, value in pairs if mark.endswith("*")]
        rest = [(kind, value) for mark, kind, value in pairs if not mark.endswith("*")]
        log: dict[str, Any] = {
            "address": CONTRACTS[contract],
            "topics": [to_hex(keccak(f"{name}({','.join(plain)})".encode())), *topics],
            "data": to_hex(encode([kind for kind, _ in rest], [value for _, value in rest])),
            "blockNumber": hex(len(self.blocks) - 1),
            "logIndex": hex(len(self.logs)),
            "transactionHash": tx,
        }
        self.logs.append(log)
        told = [bytes.fromhex(topic[2:]) for topic in log["topics"]]
        seen = ABIS[contract].decode_event(told, bytes.fromhex(log["data"][2:]))
        assert seen is not None
        return {"contract": contract, "event": seen.name, "args": seen.args}

    def rpc(self, method: str, params: list[Any]) -> Any:
        """Answer one call."""
        if method == "eth_getLogs":
            low, high = int(params[0]["fromBlock"], 16), int(params[0]["toBlock"], 16)
            inside = [log for log in self.logs if low <= int(log["blockNumber"], 16) <= high]
            return [log for log in inside if log["address"] in params[0]["address"]]
        if method == "eth_call":
            data = bytes.fromhex(params[0]["data"][2:])
            if data[:4] == keccak(b"balanceOf(address)")[:4]:
                return to_hex(encode(["int256"], [self.balances.get(to_hex(data[16:36]), 0)]))
            names = {keccak(f"{name}()".encode())[:4]: value for name, value in self.views.items()}
            return to_hex(encode(["uint256"], [names[data[:4]]]))
        if method == "eth_getBlockByNumber":
            return self.blocks[int(params[0], 16)] if int(params[0], 16) < len(self.blocks) else None
        if method == "eth_getTransactionReceipt":
            return self.receipts.get(params[0])
        newest = hex(len(self.blocks) - 1)
        return {"eth_chainId": hex(self.chain_id), "eth_blockNumber": newest, "eth_getCode": CODE}[method]


def _split(types: str) -> list[str]:
    """Types of a signature, keeping what stands in brackets together."""
    parts, depth = [""], 0
    for letter in types:
        depth += (letter == "(") - (letter == ")")
        if letter == "," and depth == 0:
            parts.append("")
        else:
            parts[-1] += letter
    return parts
