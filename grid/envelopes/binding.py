"""Which elements bind: what keeps the energy under the envelopes from being more."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from math import isfinite

from grid.envelopes.elements import LimitColumn, of_quantity
from grid.envelopes.parameters import BINDING_LOADING_MICRO, BINDING_VOLTAGE_MICRO
from grid.limits import Limit, LimitValue


def binding_limits(
    columns: Sequence[LimitColumn], at: int, watched: Mapping[Limit, LimitValue]
) -> tuple[LimitValue, ...]:
    """The limits at which state `at` stands, of those broken before its envelopes; else the one it is nearest to.

    Each with the value it had when it was first looked at, in a fixed order. Empty where the state has no solution.
    """
    found: dict[Limit, LimitValue] = {}
    room: dict[Limit, float] = {}
    for column in columns:
        if not isfinite(column.values[at]):
            return ()
        near = of_quantity(column.limit, loading=BINDING_LOADING_MICRO, voltage=BINDING_VOLTAGE_MICRO)
        found[column.limit] = watched.get(column.limit) or column.rounded(at)
        room[column.limit] = -column.beyond_micro(at) / near
    broken = [limit for limit, first in watched.items() if first.beyond_micro > 0] or list(room)
    reach = max(1.0, min(room[limit] for limit in broken))
    tight = [found[limit] for limit in broken if room[limit] <= reach]
    return tuple(sorted(tight, key=lambda one: (one.limit.kind, one.limit.code, one.limit.quantity)))
