"""Receipts: the operator's signature that an order was accepted or withdrawn, which makes an omission provable."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from domain.eip712 import RECEIPT, Domain
from domain.hashing import from_hex, text_id, to_hex
from domain.signing import SigningKey
from ledger_service.record import Entry

KIND_ACCEPTED = 1
"""The order with this tag is in the book unless a later receipt says otherwise."""

KIND_CANCELLED = 2
"""The order with this tag was withdrawn."""

RECEIPT_KINDS = {"order.accepted": KIND_ACCEPTED, "order.cancelled": KIND_CANCELLED}
"""Facts that are receipted."""


@dataclass(frozen=True, slots=True)
class Receipt:
    """What the operator signed. `sequence` and `journal_head` are those of the entry that holds the order or cancel."""

    market: bytes
    mtu: int
    tag: bytes
    revision: int
    kind: int
    sequence: int
    journal_head: bytes
    market_time: int
    signature: bytes

    def values(self) -> dict[str, Any]:
        """The members of the signed struct."""
        return {
            "market": self.market,
            "mtu": self.mtu,
            "tag": self.tag,
            "revision": self.revision,
            "kind": self.kind,
            "sequence": self.sequence,
            "journalHead": self.journal_head,
            "marketTime": self.market_time,
        }

    def as_json(self) -> dict[str, Any]:
        """The signed members and `signature`, bytes as hex."""
        plain = {name: to_hex(item) if isinstance(item, bytes) else item for name, item in self.values().items()}
        return plain | {"signature": to_hex(self.signature)}


class ReceiptSigner:
    """Signs receipts with the operator's key, under the Market contract's domain.

    A receipt follows from its journal entry alone and signatures are deterministic: asking again gives the same bytes.
    """

    def __init__(self, *, key: SigningKey, domain: Domain) -> None:
        self._key, self._domain = key, domain

    @property
    def operator(self) -> bytes:
        """Address of the signing key."""
        return self._key.address

    def receipt(self, entry: Entry) -> Receipt:
        """The receipt of an `order.accepted` or `order.cancelled` entry. Raises PayloadErased."""
        payload = entry.content()
        if entry.kind == "order.accepted":
            market, mtu = from_hex(payload["order"]["market"]), payload["order"]["mtu"]
            revision = payload["order"]["revision"]
        else:
            market, mtu, revision = text_id(payload["market"]), payload["mtu"], payload["revision"]
        values = {
            "market": market,
            "mtu": mtu,
            "tag": from_hex(payload["tag"]),
            "revision": revision,
            "kind": RECEIPT_KINDS[entry.kind],
            "sequence": entry.sequence,
            "journalHead": entry.hash,
            "marketTime": payload["market_time"],
        }
        signature = self._key.sign(self._domain.digest(RECEIPT, values))
        return Receipt(
            market=market,
            mtu=mtu,
            tag=values["tag"],
            revision=revision,
            kind=values["kind"],
            sequence=entry.sequence,
            journal_head=entry.hash,
            market_time=payload["market_time"],
            signature=signature,
        )
