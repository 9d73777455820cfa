"""Every number that the search for envelopes rests on, with the reason for its size."""

from __future__ import annotations

PROBE_W = 200
"""Step of the finite differences: far above the power flow's tolerance, far below where a grid bends."""

LINEAR_ROUNDS = 10
"""How often one MTU is linearised, capped and checked by AC power flow at most."""

CLEAN_ROUNDS = 2
"""Clean proposals after which the cheapest counts: the second is linearised near the limits, where it is exact."""

SOLVER_TRIES = 2
"""How often the solver is asked for one MTU alone, once a program over all MTUs failed."""

SHARE_STEPS = 1_000
"""Parts in which the common share is sought that all points may keep where no linear model leads to a clean state."""

BINDING_LOADING_MICRO = 5_000
BINDING_VOLTAGE_MICRO = 500
"""An element this near to the limit it broke binds, under the envelopes that were found."""

LOADING_MARGIN_MICRO = 2_000
VOLTAGE_MARGIN_MICRO = 100
"""Kept free of each limit; each proposal that the AC power flow refuses adds as much again."""

NEAR_LOADING_MICRO = 100_000
NEAR_VOLTAGE_MICRO = 10_000
"""Elements this near to their limit also get a row, so that no remedy breaks them."""

SMALLEST_SHARE = 0.02
"""A point that helps an element less than this share of the most helpful one is not asked: it would lose for little."""

UNTRADED_COST = 0.001
"""Cost of capping a Wh that nobody traded: so far below any trade that it always goes first (a point that helps an
element is at most 1 / SMALLEST_SHARE times as helpful as another)."""

UNTRADED_STEPS = 3
UNTRADED_STEP_COST = 0.01
"""Untraded export is given up in equal parts whose cost rises a little, so that neighbours share the loss."""

FAIRNESS_COST = 0.02
"""Weight of the largest share a point gives up, in parts of all untraded export: sharing may cost 2 % more energy."""

TRADED_COST = 1.0
"""Cost of capping a traded Wh before its lost surplus: that of one tick, so that the surplus decides."""

NEUR_PER_COST = 100
"""Lost surplus in nEUR/Wh is divided by this: one unit of cost is about a tick."""

SHORTFALL_COST = 100_000_000.0
"""Cost of each Wh that the linear model cannot find: beyond any other, so that it comes last."""

DAMPING = 0.5
"""Part of a step that is taken where the linear model fell short: far beyond the limits it underrates what helps."""

SHORTFALL_LEAST_WH = 0.5
SHED_LEAST_WH = 0.5
"""What is below half a Wh is nothing."""
