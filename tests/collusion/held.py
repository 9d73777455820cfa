"""The receipts that were given on a day, as those hold them who handed something in."""

from __future__ import annotations

from collections.abc import Iterator

from domain.eip712 import RECEIPT
from domain.hashing import ZERO_HASH, from_hex, text_id, to_hex
from domain.receipts import KIND_RECORDED, recorded_tag
from tests.collusion.day import Payload, RealDay, sign
from tests.collusion.retelling import RECEIPTED

RECORDED = (
    "agreement.signed",
    "guarantee.given",
    "key.registered",
    "meter.registered",
    "participant.registered",
    "policy.published",
    "schedule.nominated",
    "tariff.published",
    "term.ended",
)
"""Facts that are no order and no mandate, and that their sender has a receipt for."""

EARLY = 1
"""Market time in the receipt of a term: an entry has none."""


def receipts_of(day: RealDay) -> Iterator[Payload]:
    """Each receipt of the honest day, by sequence."""
    for entry in day.entries:
        kind = RECEIPTED.get(entry["kind"], KIND_RECORDED if entry["kind"] in RECORDED else None)
        if kind is not None:
            yield _receipt(day, entry, kind)


def _receipt(day: RealDay, entry: Payload, kind: int) -> Payload:
    payload = entry["payload"]
    order = payload.get("order", payload) if kind in (1, 2) else {}
    market = text_id(payload["market"]) if order else ZERO_HASH
    tag = recorded_tag(payload) if kind == KIND_RECORDED else from_hex(payload["tag"])
    of_order = {name: order.get(name, 0) for name in ("session", "mtu", "revision")}
    values = {
        "market": market,
        **of_order,
        "tag": tag,
        "kind": kind,
        "sequence": entry["sequence"],
        "journalHead": from_hex(entry["hash"]),
        "marketTime": payload.get("market_time", EARLY),
    }
    signature = sign(day.keys["operator"], day.domain("Market"), RECEIPT, values)
    told = {name: to_hex(value) if isinstance(value, bytes) else value for name, value in values.items()}
    return told | {"signature": signature}
