"""The desk of an embedded run's DSO, whose knowledge lies in the state folder."""

from __future__ import annotations

import json
from pathlib import Path

from contracts.deploy import Deployment
from domain.eip712 import Domain
from grid.model import GridModel
from scripts.community.grids import load_community
from scripts.community.policy import policy_of
from scripts.community.run_config import ZONE, RunConfig
from scripts.serving.desk import Desk
from scripts.serving.embedded.run_folder import DEPLOYMENT_FILE, read_config
from scripts.serving.settings import DeskMarketSection


def own_domain(state: Path) -> Domain:
    """The domain of the Market contract by the deployment file of the run; signatures count nowhere else."""
    return Deployment.from_json(json.loads((state / DEPLOYMENT_FILE).read_text())).domain("Market")


def desk_of_run(config: RunConfig, *, domain: Domain, grid: GridModel) -> Desk:
    """The desk of an embedded run's DSO."""
    rules = {
        market: DeskMarketSection(
            market=market,
            lot_wh=config.lot_wh,
            gates_local=gates,
            sign_seconds=config.sign_seconds,
        )
        for market, gates in config.gates_local.items()
    }
    return Desk(zone=ZONE, markets=rules, domain=domain, grid=grid, policies=(policy_of(config, grid),))


def open_run_desk(state: Path, *, cache: Path) -> Desk:
    """The desk of the run in this folder. Raises StateMissing, or what the grid loader raises."""
    config = read_config(state)
    grid = load_community(grid_code=config.grid, cache=cache, pv_permille=config.pv_permille).grid
    return desk_of_run(config, domain=own_domain(state), grid=grid)
