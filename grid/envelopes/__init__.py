"""Import and export envelopes for MTUs whose schedules break a limit: least welfare lost, on the linearised grid.

A linear program picks what each point may no longer draw or feed (`shedding`); sensitivities of voltages and loadings
come from the AC power flow itself (`linearisation`), which also checks what the program picked (`search`) and shows
what binds (`binding`). `flows` is what the search is given, `parameters` every number it rests on.
"""

from grid.envelopes.flows import MtuFlows, TradedEnergy
from grid.envelopes.search import SOLVER_GAVE_UP, EnvelopePlan, plan_envelopes

__all__ = ["SOLVER_GAVE_UP", "EnvelopePlan", "MtuFlows", "TradedEnergy", "plan_envelopes"]
