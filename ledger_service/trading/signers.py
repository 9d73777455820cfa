"""Who signed a submission: the dear part of intake, which needs no state and is done before the write transaction."""

from __future__ import annotations

from dataclasses import dataclass

from domain.eip712 import ORDER, Domain
from domain.hashing import keccak, text_id, to_hex
from domain.orders import Order, cancel_digest, schedule_digest, tag_of
from domain.signing import recover
from ledger_service.trading.parse import SignedCancel, SignedOrder, Submission, check_order


@dataclass(frozen=True, slots=True)
class Signer:
    """The address that signed, as 0x hex, and the tag that an order would have in its book."""

    address: str
    tag: bytes = b""


_NUMBER = 2**256


def order_digest(*, domain: Domain, order: Order) -> bytes:
    """`order.digest(domain)` without the general encoder, whose checks cost as much as a quarter of the recovery.

    Assumes an order whose fields are in range (Order checks numbers, check_order lengths); tests hold both equal.
    """
    members = (
        ORDER.type_hash,
        order.market,
        order.mtu.to_bytes(32, "big"),
        int(order.side).to_bytes(32, "big"),
        (order.limit_neur_per_wh % _NUMBER).to_bytes(32, "big"),
        order.quantity_lots.to_bytes(32, "big"),
        order.account.rjust(32, b"\x00"),
        order.order_id.ljust(32, b"\x00"),
        order.revision.to_bytes(32, "big"),
        order.salt,
    )
    return keccak(b"\x19\x01" + domain.separator + keccak(b"".join(members)))


def signer_of(*, domain: Domain, item: Submission) -> Signer:
    """Recover the signer under the Market contract's domain. Raises MalformedSubmission, BadSignature.

    A signature for another chain, contract or content recovers to another address, which then is no one's key.
    """
    if isinstance(item, SignedOrder):
        check_order(item.order)
        digest = order_digest(domain=domain, order=item.order)
        return Signer(address=to_hex(recover(digest, item.signature)), tag=tag_of(digest))
    if isinstance(item, SignedCancel):
        digest = cancel_digest(
            domain=domain, market=item.market, mtu=item.mtu, order_id=item.order_id, revision=item.revision
        )
    else:
        digest = schedule_digest(
            domain=domain,
            market=item.market,
            first_mtu=item.first_mtu,
            point=text_id(item.point),
            net_wh=list(item.net_wh),
            revision=item.revision,
        )
    return Signer(address=to_hex(recover(digest, item.signature)))
