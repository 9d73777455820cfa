"""The linear program of envelopes: which Wh to shed at least cost so that every element falls as needed."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from grid.envelopes.flows import Floats, Portion
from grid.envelopes.linearisation import LinearRow
from grid.envelopes.parameters import (
    DAMPING,
    FAIRNESS_COST,
    SHORTFALL_COST,
    SHORTFALL_LEAST_WH,
    SOLVER_TRIES,
    UNTRADED_COST,
)
from grid.linear_program import Minimise, SolverFailed


@dataclass(frozen=True, slots=True)
class LinearModel:
    """One MTU on the linearised grid: what has to fall by how much, and what may be shed for it.

    `points`: how many the grid has. `imports`: whether import may be shed where export can't do.
    """

    rows: Sequence[LinearRow]
    portions: Sequence[Portion]
    points: int
    imports: bool

    def of(self, *, exports: bool, shed_wh: Floats) -> LinearModel:
        """What is left to do, by the portions of one direction, once `shed_wh` is given up."""
        rows = [replace(row, needed=row.needed - float(row.lowered_per_wh @ shed_wh)) for row in self.rows]
        return replace(self, rows=rows, portions=[part for part in self.portions if part.exports == exports])

    def helpful(self) -> list[Portion]:
        """The portions of points that lower something that has to fall."""
        helps = np.zeros(self.points, dtype=np.bool_)
        for row in self.rows:
            if row.needed > 0:
                helps |= row.lowered_per_wh > 0
        return [portion for portion in self.portions if helps[portion.point]]


@dataclass(frozen=True, slots=True)
class Shed:
    """Wh to shed per point; `short`: the linear model needs more than there is to shed."""

    wh: Floats
    short: bool


def solve(models: Sequence[LinearModel]) -> list[Shed | None]:
    """Wh to shed per point of each MTU at least cost so that every row falls as needed; half of it where that is out of
    reach. Import is asked only for what export can't do. None where the solver failed."""
    sheds = _least_cost([model.of(exports=True, shed_wh=np.zeros(model.points)) for model in models])
    for at, model in enumerate(models):
        first = sheds[at]
        if first is not None and first.short and model.imports:
            (more,) = _least_cost([model.of(exports=False, shed_wh=first.wh)])
            sheds[at] = None if more is None else Shed(first.wh + more.wh, more.short)
    return [replace(one, wh=one.wh * DAMPING) if one is not None and one.short else one for one in sheds]


def _least_cost(models: Sequence[LinearModel]) -> list[Shed | None]:
    """Solve all models as one program; each alone where that fails. None where the solver fails for one alone too."""
    try:
        return list(_solve_together(models))
    except SolverFailed:
        return [_solve_alone(model) for model in models]


def _solve_alone(model: LinearModel) -> Shed | None:
    for _ in range(SOLVER_TRIES):
        try:
            return _solve_together([model])[0]
        except SolverFailed:
            continue
    return None


def _solve_together(models: Sequence[LinearModel]) -> list[Shed]:
    """One linear program over MTUs that have nothing in common: cheaper than one each. Raises SolverFailed."""
    program = Minimise("envelopes")
    added = [_AddedModel.to(program, model) for model in models]
    values = program.solve()
    return [one.shed(values) for one in added]


@dataclass(frozen=True, slots=True)
class _AddedModel:
    """A model's part of a linear program: the variables of what is shed, and of what its rows fall short."""

    points: int
    shed_of: Sequence[tuple[int, Portion]]
    short: Sequence[int]

    @classmethod
    def to(cls, program: Minimise, model: LinearModel) -> _AddedModel:
        """Add a model's variables and rows."""
        portions = model.helpful()
        numbers = [program.variable(highest=portion.energy_wh, cost=portion.cost) for portion in portions]
        shed_of = list(zip(numbers, portions, strict=True))
        _share_fairly(program, [(number, part) for number, part in shed_of if part.exports and not part.traded])
        return cls(model.points, shed_of, _add_rows(program, model.rows, shed_of))

    def shed(self, values: Sequence[float]) -> Shed:
        """What the solved program says of this model."""
        wh = np.zeros(self.points)
        for number, portion in self.shed_of:
            wh[portion.point] += values[number]
        return Shed(wh, any(values[number] > SHORTFALL_LEAST_WH for number in self.short))


def _add_rows(program: Minimise, rows: Sequence[LinearRow], shed_of: Sequence[tuple[int, Portion]]) -> list[int]:
    """A row for each element that has to fall, or that what is shed would raise; the numbers of their shortfalls."""
    points = sorted({portion.point for _, portion in shed_of})
    short = []
    for row in rows:
        if row.needed <= 0 and not bool((row.lowered_per_wh[points] < 0).any()):
            continue
        scale = float(np.abs(row.lowered_per_wh).max(initial=0.0)) or 1.0
        factors = (row.lowered_per_wh / scale).tolist()
        short.append(program.variable(highest=None, cost=SHORTFALL_COST))
        terms = [(number, factors[portion.point]) for number, portion in shed_of if factors[portion.point] != 0.0]
        program.at_least([(short[-1], 1.0), *terms], row.needed / scale)
    return short


def _share_fairly(program: Minimise, untraded: Sequence[tuple[int, Portion]]) -> None:
    """Let the largest share that any point gives up of its untraded export cost a little."""
    own: dict[int, list[tuple[int, float]]] = {}
    for number, portion in untraded:
        own.setdefault(portion.point, []).append((number, portion.energy_wh))
    total = sum(portion.energy_wh for _, portion in untraded)
    largest = program.variable(highest=1.0, cost=FAIRNESS_COST * UNTRADED_COST * total)
    for terms in own.values():
        energy = sum(wh for _, wh in terms)
        program.at_least([(largest, energy), *((number, -1.0) for number, _ in terms)], 0.0)
