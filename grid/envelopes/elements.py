"""The limits of a grid over several states: the view of the power flow that linearisation and binding share."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from grid.envelopes.flows import Floats
from grid.limits import Limit, LimitValue, Quantity
from grid.model import MICRO
from grid.powerflow import GridStates, PowerFlow


@dataclass(frozen=True, slots=True)
class LimitColumn:
    """One limit and what it limits in each of several states, in 1e-6, not rounded."""

    limit: Limit
    values: Floats

    def rounded(self, at: int) -> LimitValue:
        """The limit with its value in one state."""
        return LimitValue(self.limit, round(float(self.values[at])))

    def beyond_micro(self, at: int) -> float:
        """How far the value of one state lies beyond the limit; negative within it."""
        return self.limit.sign * (float(self.values[at]) - self.limit.limit_micro)


def limit_columns(power_flow: PowerFlow, states: GridStates) -> Iterator[LimitColumn]:
    """Every limit of the grid: both ends of each bus's band, then each branch."""
    voltage, loading = states.voltage_pu * MICRO, states.loading * MICRO
    for at, (highest, lowest) in enumerate(power_flow.bus_limits):
        yield LimitColumn(highest, voltage[:, at])
        yield LimitColumn(lowest, voltage[:, at])
    for at, limit in enumerate(power_flow.branch_limits):
        yield LimitColumn(limit, loading[:, at])


def of_quantity(limit: Limit, *, loading: int, voltage: int) -> int:
    """The parameter that fits the limit."""
    return loading if limit.quantity is Quantity.LOADING else voltage
