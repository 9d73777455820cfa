"""The signing policy of a demo's DSO: the grid's own limits, and as much capping as its sun may need."""

from __future__ import annotations

from datetime import date

from clearing.auction import TIES_RULE
from clearing.validation import ROUNDS_MAX
from domain.policies import SigningPolicy
from domain.sessions import SESSION_MTUS_MAX
from domain.signed_terms import UNSIGNED
from grid.model import GridModel
from ledger_service.programs.forecast import FORECAST_RULE
from scripts.community.run_config import RunConfig
from scripts.serving.day_plan import plan_of

VOLTAGE_LOWEST_MICRO_PU, VOLTAGE_HIGHEST_MICRO_PU = 900_000, 1_100_000
"""The band of EN 50160."""

LOADING_HIGHEST_PERMILLE = 1_000
"""What the grid is rated for."""

CAPPED_WH_MOST = 10_000_000
"""More than all households of a low-voltage grid draw or feed in within an MTU."""


def policy_of(config: RunConfig, grid: GridModel) -> SigningPolicy:
    """The one version of a run, from the MTU on at which its community begins; still to be signed."""
    first = plan_of(date.fromisoformat(config.first_day), gate_local=config.gate_local).mtus.first
    return SigningPolicy(
        area=config.area,
        version=1,
        valid_from_mtu=first - 1,
        markets=tuple(sorted(config.gates_local)),
        count_most=SESSION_MTUS_MAX,
        given_up_most=SESSION_MTUS_MAX,
        fallbacks_most=SESSION_MTUS_MAX,
        voltage_lowest_micro_pu=VOLTAGE_LOWEST_MICRO_PU,
        voltage_highest_micro_pu=VOLTAGE_HIGHEST_MICRO_PU,
        loading_highest_permille=LOADING_HIGHEST_PERMILLE,
        capped_points_most=len(grid.points),
        capped_import_wh_most=CAPPED_WH_MOST,
        capped_export_wh_most=CAPPED_WH_MOST,
        rounds_most=ROUNDS_MAX,
        ties_rules=(TIES_RULE,),
        forecast_rules=(FORECAST_RULE,),
        dso_signature=UNSIGNED,
    )
