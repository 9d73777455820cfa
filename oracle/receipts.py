"""Reading receipts: an attester's signed word that it has committed a meter message to its store."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import orjson

from domain.eip712 import READING_RECEIPT, Domain
from domain.errors import DominoesError
from domain.hashing import from_hex, text_id, to_hex
from domain.signing import BadSignature, SigningKey, recover

RECEIPTS_MAX = 1_000
"""Most receipts in one MQTT message."""


class BadReceipt(DominoesError):
    """A receipt message is not readable."""

    code = "receipt-malformed"

    def __init__(self, *, reason: str) -> None:
        self.reason = reason
        super().__init__(f"receipt refused: {reason}; keep the reading and publish it again")


@dataclass(frozen=True, slots=True)
class ReadingReceipt:
    """What is signed: `count` readings from `first_sequence` on, in the message of this hash, are stored."""

    meter_code: str
    first_sequence: int
    count: int
    message_hash: bytes

    def digest(self, domain: Domain) -> bytes:
        """EIP-712 digest (domain: the Readings contract)."""
        values = {
            "meter": text_id(self.meter_code),
            "firstSequence": self.first_sequence,
            "count": self.count,
            "messageHash": self.message_hash,
        }
        return domain.digest(READING_RECEIPT, values)

    def signed_by(self, *, signature: bytes, address: bytes, domain: Domain) -> bool:
        """Whether the key of this address signed the receipt."""
        try:
            return recover(self.digest(domain), signature) == address
        except BadSignature:
            return False


def write_receipts(receipts: list[ReadingReceipt], *, key: SigningKey, domain: Domain) -> bytes:
    """The MQTT message with receipts for one meter, each signed."""
    return orjson.dumps(
        [
            {
                "first_sequence": receipt.first_sequence,
                "count": receipt.count,
                "message_hash": to_hex(receipt.message_hash),
                "signature": to_hex(key.sign(receipt.digest(domain))),
            }
            for receipt in receipts
        ]
    )


def read_receipts(payload: bytes, *, meter_code: str) -> list[tuple[ReadingReceipt, bytes]]:
    """(receipt, signature) pairs of a message, signatures not checked. Raises BadReceipt."""
    try:
        records: Any = orjson.loads(payload)
        if not isinstance(records, list) or len(records) > RECEIPTS_MAX:
            raise BadReceipt(reason=f"it is not a list of at most {RECEIPTS_MAX}")
        return [
            (
                ReadingReceipt(
                    meter_code=meter_code,
                    first_sequence=int(record["first_sequence"]),
                    count=int(record["count"]),
                    message_hash=from_hex(record["message_hash"]),
                ),
                from_hex(record["signature"]),
            )
            for record in records
        ]
    except (orjson.JSONDecodeError, KeyError, TypeError, ValueError, AttributeError) as error:
        raise BadReceipt(reason="it is not the JSON of receipts") from error
