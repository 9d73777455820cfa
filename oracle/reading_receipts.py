"""Reading receipts: an attester's signed word that it has committed meter messages to its store.

One signature covers all messages of one commit: it is over the Merkle root of their hashes, and each meter gets the
paths of its own.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import orjson

from domain.eip712 import READING_RECEIPT, Domain
from domain.errors import DominoesError
from domain.hashing import from_hex, to_hex
from domain.merkle import merkle_proofs, merkle_root, verify_proof
from domain.signing import BadSignature, SigningKey, recover

MESSAGES_MAX = 1_000
"""Most messages of one meter in one receipt."""

PATH_NODES_MAX = 32
"""Longest path: no commit holds 2^32 messages."""


class BadReceipt(DominoesError):
    """A receipt message is not readable."""

    code = "receipt-malformed"

    def __init__(self, *, reason: str) -> None:
        self.reason = reason
        super().__init__(f"receipt refused: {reason}; keep the reading and publish it again")


@dataclass(frozen=True, slots=True)
class ReadingReceipt:
    """What an attester tells one meter: these of its messages (by hash) lie under a root that it signed."""

    root: bytes
    signature: bytes
    paths: dict[bytes, tuple[bytes, ...]]
    """message hash -> sibling nodes up to the root"""

    def signed_by(self, *, address: bytes, domain: Domain) -> bool:
        """Whether the key of this address signed the root (domain: the Readings contract)."""
        try:
            return recover(root_digest(self.root, domain), self.signature) == address
        except BadSignature:
            return False

    def held(self) -> list[bytes]:
        """The message hashes that really lie under the root."""
        return [value for value, path in self.paths.items() if verify_proof(value=value, proof=path, root=self.root)]


def root_digest(root: bytes, domain: Domain) -> bytes:
    """EIP-712 digest of a receipt."""
    return domain.digest(READING_RECEIPT, {"messagesRoot": root})


def write_receipts(messages: Sequence[tuple[str, bytes]], *, key: SigningKey, domain: Domain) -> dict[str, bytes]:
    """The MQTT message for each meter; `messages` are (meter code, message hash) of one commit, each once."""
    if not messages:
        return {}
    hashes = [digest for _, digest in messages]
    root = merkle_root(hashes)
    signature = key.sign(root_digest(root, domain))
    paths: dict[str, dict[str, list[str]]] = {}
    for (meter_code, digest), path in zip(messages, merkle_proofs(hashes, range(len(hashes))), strict=True):
        paths.setdefault(meter_code, {})[to_hex(digest)] = [to_hex(node) for node in path]
    head = {"root": to_hex(root), "signature": to_hex(signature)}
    return {meter_code: orjson.dumps({**head, "messages": own}) for meter_code, own in paths.items()}


def read_receipt(payload: bytes) -> ReadingReceipt:
    """The receipt in an MQTT message, nothing of it checked. Raises BadReceipt."""
    try:
        data: Any = orjson.loads(payload)
        if len(data["messages"]) > MESSAGES_MAX:
            raise BadReceipt(reason=f"it is about more than {MESSAGES_MAX} messages")
        receipt = ReadingReceipt(
            root=from_hex(data["root"]),
            signature=from_hex(data["signature"]),
            paths={from_hex(value): tuple(map(from_hex, path)) for value, path in data["messages"].items()},
        )
    except (orjson.JSONDecodeError, KeyError, TypeError, ValueError, AttributeError) as error:
        raise BadReceipt(reason="it is not the JSON of a receipt") from error
    if any(len(path) > PATH_NODES_MAX for path in receipt.paths.values()):
        raise BadReceipt(reason=f"a path has more than {PATH_NODES_MAX} nodes")
    return receipt
