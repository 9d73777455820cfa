"""What the AC power flow finds on the street."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from grid.limits import Quantity
from grid.model import GridModel
from grid.powerflow import GridUnsolvable, PowerFlow

pytestmark = pytest.mark.unit


def test_violations__small_flows__none(street: GridModel) -> None:
    power_flow = PowerFlow(street)

    flow = power_flow.run(np.array([[500, 500, 500], [0, 0, -1_000]]))

    assert power_flow.broken_limits(flow) == {}


def test_violations__each_limit_broken__is_named_with_value_and_limit(street: GridModel) -> None:
    power_flow = PowerFlow(street)
    # 15 kWh in a quarter of an hour are 60 kW; 38 kW at the end of 0.4 ohm lift its voltage by 9 %
    net_wh = np.array([[-7_500, -7_500, 0], [0, 0, -9_500], [6_000, 6_000, 0], [0, 0, 9_500]])

    broken = power_flow.broken_limits(power_flow.run(net_wh))

    named = {(mtu, one.limit.code, one.limit.quantity) for mtu, found in broken.items() for one in found}
    assert (0, "trafo", "loading") in named
    assert (1, "far", "overvoltage") in named
    assert (2, "trafo", "loading") in named
    assert (3, "far", "undervoltage") in named
    assert all(one.beyond_micro > 0 for found in broken.values() for one in found)


def test_violations__no_solution__is_a_finding_of_its_own(street: GridModel) -> None:
    power_flow = PowerFlow(street)

    flow = power_flow.run(np.array([[0, 0, 0], [0, 0, 500_000]]))

    broken = power_flow.broken_limits(flow)
    assert [one.limit.quantity for one in broken[1]] == [Quantity.NO_SOLUTION] and list(broken) == [1]
    assert flow.voltage_micro[1].tolist() == [0, 0, 0]


def test_run__one_mtu_or_many__same_state(street: GridModel) -> None:
    power_flow = PowerFlow(street)
    net_wh = np.array([[100, -200, 300], [-400, 500, -600]])

    together = power_flow.run(net_wh)

    assert np.array_equal(together.voltage_pu[1], power_flow.run(net_wh[1:]).voltage_pu[0])


def test_power_flow__vector_group_that_cannot_be__is_refused(street: GridModel) -> None:
    broken = replace(street, transformers=(replace(street.transformers[0], clock=4),))

    with pytest.raises(GridUnsolvable) as refused:
        PowerFlow(broken)

    assert refused.value.grid == "street"


def test_run__cables_alone__are_solved(street: GridModel) -> None:
    transformer = street.transformers[0]
    buses = tuple(bus for bus in street.buses if bus.code != transformer.upper_bus)
    below = replace(street, transformers=(), source_bus=transformer.lower_bus, buses=buses)

    states = PowerFlow(below).run(np.zeros((2, len(street.points)), dtype=np.int64))

    assert states.solved.all()
    assert states.loading.shape == (2, len(street.lines))
