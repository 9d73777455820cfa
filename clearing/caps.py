"""From a point's envelope to the cap fields of its orders (docs/protocol.md section 3, "Caps")."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from clearing.book import Book, Ints
from domain.units import NO_CAP, lots_floor
from grid.envelope import Envelope

NO_POINT = -1
"""Point index of an order that stands outside the grid model (a retailer at the transformer): never capped."""


def apply_caps(
    book: Book, *, points: Ints, envelopes: Mapping[int, Envelope], lot_wh: int, earlier_wh: Ints | None = None
) -> Book:
    """The book with each order's cap set from the envelope of its point (`points`: point index per order).

    A point's asks share its export cap, its bids its import cap, never netted: best limit first (lowest ask, highest
    bid), then ascending tag; each order's cap is min(quantity, what is left). Orders of points without a cap keep
    NO_CAP. `earlier_wh` is what each point bought (+) or sold (−) in markets with earlier gates: what it sold uses its
    export cap up, what it bought it may sell again.
    """
    caps = np.full(len(book), NO_CAP, dtype=np.int64)
    for point, envelope in envelopes.items():
        mine = points == point
        net_wh = 0 if earlier_wh is None else int(earlier_wh[point])
        for is_ask, cap_wh, bought_wh in ((True, envelope.export_wh, net_wh), (False, envelope.import_wh, -net_wh)):
            if cap_wh is not None:
                positions = np.flatnonzero(mine & (book.is_ask == is_ask))
                left = lots_floor(energy_wh=max(cap_wh + bought_wh, 0), lot_wh=lot_wh)
                _share_cap(book, caps, positions, is_ask=is_ask, left=left)
    return book.with_caps(caps)


def _share_cap(book: Book, caps: Ints, positions: Ints, *, is_ask: bool, left: int) -> None:
    sign = 1 if is_ask else -1
    # positions ascend by tag, and Python's sort is stable
    for position in sorted(positions.tolist(), key=lambda at: sign * int(book.limit_neur_per_wh[at])):
        granted = min(int(book.quantity_lots[position]), left)
        caps[position] = granted
        left -= granted
