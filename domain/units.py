"""Units as types, and the only places where one unit becomes another.

Energy is whole watt-hours, price whole nano-euro per watt-hour, money whole nano-euro, so that
`energy_wh * price_neur_per_wh` is an exact `amount_neur`.
"""

from __future__ import annotations

from typing import NewType

from domain.errors import OutOfRange

Wh = NewType("Wh", int)
Lots = NewType("Lots", int)
NeurPerWh = NewType("NeurPerWh", int)
Neur = NewType("Neur", int)

NEUR_PER_EUR = 1_000_000_000
"""Nano-euro in one euro."""

NO_PRICE = NeurPerWh(-(2**31))
"""Stands on chain for "no trade, so no price"; it is the lowest int32 and never a valid limit."""

NO_CAP = Lots(2**24 - 1)
"""The cap field of an order that no envelope limits."""

MAX_LOTS = 2**24 - 1
"""Largest quantity of one order in lots: what its field in a word holds."""

MTUS_PER_HOUR = 4
"""Market time units in one hour: power in W is energy of one MTU in Wh times this."""

BASIS_POINTS = 10_000
"""Parts of a whole in which percentages (VAT) are stored."""


def check_range(*, field: str, value: object, lowest: int, highest: int) -> int:
    """Return `value` if it is an int (not a bool) within [lowest, highest], else raise OutOfRange."""
    if isinstance(value, bool) or not isinstance(value, int) or not lowest <= value <= highest:
        raise OutOfRange(field=field, value=value, lowest=lowest, highest=highest)
    return value


def amount_neur(*, energy_wh: int, price_neur_per_wh: int) -> Neur:
    """Exact money of an energy at a price, in nEUR; the sign is that of the product."""
    return Neur(energy_wh * price_neur_per_wh)


def lots_floor(*, energy_wh: int, lot_wh: int) -> Lots:
    """Whole lots within an energy, rounded down: the part lot is the holder's loss, never the grid's."""
    return Lots(energy_wh // lot_wh)


def percentage_half_even_neur(*, base_neur: int, basis_points: int) -> Neur:
    """`basis_points` of `base_neur` in nEUR, rounded half to even once, as for a VAT line (base >= 0)."""
    whole, rest = divmod(base_neur * basis_points, BASIS_POINTS)
    half = BASIS_POINTS // 2
    if rest > half or (rest == half and whole % 2 == 1):
        whole += 1
    return Neur(whole)
