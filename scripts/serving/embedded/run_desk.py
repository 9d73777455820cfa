"""The desk of an embedded run's DSO, whose knowledge lies in the state folder."""

from __future__ import annotations

import json
from pathlib import Path

from contracts.deploy import Deployment
from domain.eip712 import Domain
from domain.members import noun_of
from domain.policies import SigningPolicy
from grid.model import GridModel
from scripts.community.grids import load_community
from scripts.community.policy import policy_of
from scripts.community.run_config import ZONE, RunConfig
from scripts.serving.desk import Desk, read_policies
from scripts.serving.embedded.run_folder import DEPLOYMENT_FILE, POLICIES_FOLDER, read_config
from scripts.serving.settings import DeskMarketSection


def own_domain(state: Path) -> Domain:
    """The domain of the Market contract by the deployment file of the run; signatures count nowhere else."""
    return Deployment.from_json(json.loads((state / DEPLOYMENT_FILE).read_text())).domain("Market")


def keep_policy(state: Path, file: Path) -> None:
    """Keep a version of the signing policy that was published, for the run's desk to go by."""
    policy = noun_of(SigningPolicy, file.read_bytes())
    folder = state / POLICIES_FOLDER
    folder.mkdir(exist_ok=True)
    (folder / f"{policy.version}.json").write_bytes(file.read_bytes())


def published(state: Path, *, area: str) -> tuple[SigningPolicy, ...]:
    """The versions that were kept. Raises PolicyUnusable."""
    return read_policies((state / POLICIES_FOLDER).glob("*.json"), area=area)


def desk_of_run(config: RunConfig, *, domain: Domain, grid: GridModel, later: tuple[SigningPolicy, ...] = ()) -> Desk:
    """The desk of an embedded run's DSO; `later` are the versions of its policy after the run's first one."""
    rules = {
        market: DeskMarketSection(
            market=market,
            lot_wh=config.lot_wh,
            gates_local=gates,
            sign_seconds=config.sign_seconds,
        )
        for market, gates in config.gates_local.items()
    }
    return Desk(zone=ZONE, markets=rules, domain=domain, grid=grid, policies=(policy_of(config, grid), *later))


def desk_in(state: Path, *, config: RunConfig, grid: GridModel) -> Desk:
    """The desk of the run in this folder, with every version of its policy that was published until now.

    Raises PolicyUnusable.
    """
    later = published(state, area=config.area)
    return desk_of_run(config, domain=own_domain(state), grid=grid, later=later)


def open_run_desk(state: Path, *, cache: Path) -> Desk:
    """The desk of the run in this folder. Raises StateMissing, or what the grid loader raises."""
    config = read_config(state)
    grid = load_community(grid_code=config.grid, cache=cache, pv_permille=config.pv_permille).grid
    return desk_in(state, config=config, grid=grid)
