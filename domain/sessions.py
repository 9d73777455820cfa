"""A session of a market: one gate and the MTUs it closes; its masks, and what is chained of it when it is over."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from domain.hashing import keccak
from domain.mtu import MtuRange

SESSION_MTUS_MAX = 128
"""Most MTUs of one session: a mask has a bit for each."""


def mask_of(mtus: Iterable[int], *, first_mtu: int) -> int:
    """The mask in which bit i stands for MTU first + i."""
    mask = 0
    for mtu in mtus:
        mask |= 1 << (mtu - first_mtu)
    return mask


def mtus_of(mask: int, *, session: MtuRange) -> list[int]:
    """The MTUs that a mask of the session names, ascending; bits behind its end are left out."""
    return [mtu for mtu in session if mask >> (mtu - session.first) & 1]


@dataclass(frozen=True, slots=True)
class DoneSession:
    """What the chain knows of a session that is over; roots and masks are zero where it did not get so far."""

    market_id: bytes
    session: int
    books_root: bytes
    results_root: bytes
    traded_mask: int
    emptied_mask: int
    cleared_mask: int


def chain_clearing_root(previous: bytes, done: DoneSession) -> bytes:
    """The next value of an area and period's running `clearingRoot`."""
    masks = (done.traded_mask, done.emptied_mask, done.cleared_mask)
    return keccak(
        previous
        + done.market_id
        + done.session.to_bytes(32, "big")
        + done.books_root
        + done.results_root
        + b"".join(mask.to_bytes(32, "big") for mask in masks)
    )
