"""Linear programs in PuLP, solved by HiGHS: the one place that touches a solver.

Coefficients and results are floats. Whoever calls it turns a result into integers and checks them exactly.
"""

from __future__ import annotations

import functools
import os
import sys
from collections.abc import Iterable
from typing import Any

import highspy as _highspy
import pulp as _pulp

from domain.errors import DominoesError

pulp: Any = _pulp
highspy: Any = _highspy
"""PuLP and HiGHS are only partly typed."""

SOLVER_THREADS = 1
"""HiGHS threads: one, so that the same model takes the same path on every machine."""


class SolverFailed(DominoesError):
    """The solver gave no optimal solution: nothing was decided."""

    code = "solver-failed"
    status = 503
    retryable = True

    def __init__(self, *, model: str, reason: str) -> None:
        self.model, self.reason = model, reason
        super().__init__(f"the solver gave no solution of the {model} model ({reason}); retry, or use the numeric path")


@functools.cache
def _print_banner_nowhere() -> None:
    """Let HiGHS print its banner, which no option stops, into the void: it does so once per process, to file 1.

    Standard output carries results that other programs read (`--json`).
    """
    sys.stdout.flush()
    kept = os.dup(1)
    void = os.open(os.devnull, os.O_WRONLY)
    try:
        os.dup2(void, 1)
        highspy.Highs()
    finally:
        os.dup2(kept, 1)
        os.close(void)
        os.close(kept)


class Minimise:
    """A linear program to be minimised, built row by row and solved once."""

    def __init__(self, name: str) -> None:
        self.name = name
        self._problem = pulp.LpProblem(name, pulp.LpMinimize)
        self._variables: list[Any] = []
        self._costs: list[tuple[Any, float]] = []

    def variable(self, *, highest: float | None, cost: float) -> int:
        """Add a variable in [0, highest] (None: without bound) and return its number."""
        number = len(self._variables)
        added = self._problem.add_variable(f"x{number}", 0, highest)
        self._variables.append(added)
        self._costs.append((added, cost))
        return number

    def _row(self, terms: Iterable[tuple[int, float]]) -> Any:
        return pulp.LpAffineExpression([(self._variables[number], factor) for number, factor in terms])

    def at_least(self, terms: Iterable[tuple[int, float]], bound: float) -> None:
        """Add the row: sum of factor times variable >= bound."""
        self._problem += self._row(terms) >= bound

    def equal(self, terms: Iterable[tuple[int, float]], bound: float) -> None:
        """Add the row: sum of factor times variable = bound."""
        self._problem += self._row(terms) == bound

    def solve(self) -> list[float]:
        """The value of each variable, by number. Raises SolverFailed unless the solution is optimal."""
        _print_banner_nowhere()
        self._problem.setObjective(pulp.LpAffineExpression(self._costs))
        try:
            self._problem.solve(pulp.HiGHS(msg=False, threads=SOLVER_THREADS))
        except pulp.PulpSolverError as error:
            raise SolverFailed(model=self.name, reason=str(error)) from error
        # a solve cut short also reports the status "Optimal": only sol_status tells
        if self._problem.sol_status != pulp.LpSolutionOptimal:
            raise SolverFailed(model=self.name, reason=pulp.LpSolution[self._problem.sol_status])
        return [float(variable.varValue) for variable in self._variables]
