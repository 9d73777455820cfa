"""Comparing clearings."""

from __future__ import annotations

import numpy as np

from clearing.book import Clearing


def same(one: Clearing, other: Clearing) -> bool:
    """Whether both hold the same shares, price and volume."""
    return (
        one.price_neur_per_wh == other.price_neur_per_wh
        and one.traded_lots == other.traded_lots
        and bool(np.array_equal(one.accepted_lots, other.accepted_lots))
    )
