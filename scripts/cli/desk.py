"""What an organisation's desk knows by itself of a delivery day and its program, without asking the service."""

from __future__ import annotations

import json
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from datetime import time as clock_time
from pathlib import Path
from zoneinfo import ZoneInfo

from clearing.inspection import Pinned
from contracts.deploy import Deployment
from domain.eip712 import Domain
from domain.errors import DominoesError
from domain.hashing import from_hex, to_hex
from domain.mtu import MtuRange, local_day, mtu_start
from grid.model import GridModel
from scripts.community.grids import load_community
from scripts.serving.embedded.run_config import DEPLOYMENT_FILE, ZONE, RunConfig, read_config


class GridNotAnchored(DominoesError):
    """The grid model at hand is not the one the trust anchors name."""

    code = "grid-not-anchored"

    def __init__(self, *, anchored: str, at_hand: str) -> None:
        self.anchored, self.at_hand = anchored, at_hand
        super().__init__(f"the anchors name grid model {anchored}, at hand is {at_hand}; give the anchored one")


@dataclass(frozen=True)
class DayPlan:
    """When things happen, in market time: unix seconds."""

    day: date
    mtus: MtuRange
    gate: int


def plan_of(day: date, *, gate_local: str) -> DayPlan:
    """The MTUs and the gate of a delivery day."""
    zone = ZoneInfo(ZONE)
    gate = datetime.combine(day - timedelta(days=1), clock_time.fromisoformat(gate_local), tzinfo=zone)
    return DayPlan(day=day, mtus=local_day(day=day, zone=zone), gate=int(gate.timestamp()))


def local_day_of(seconds: int) -> date:
    """The local day of a market time."""
    return datetime.fromtimestamp(seconds, tz=UTC).astimezone(ZoneInfo(ZONE)).date()


@dataclass(frozen=True)
class Desk:
    """The DSO's own configuration: market rules, the domain its signature counts in, its grid model."""

    config: RunConfig
    domain: Domain
    grid: GridModel

    def pinned(self, market: str, first_mtu: int) -> Pinned:
        """What is due of a market's program of the local day that holds this MTU; an unknown market is the first."""
        known = market if market in self.config.gates_local else self.config.market
        plan = plan_of(local_day_of(mtu_start(first_mtu)), gate_local=self.config.gates_local[known])
        return Pinned(
            domain=self.domain,
            grid=self.grid,
            market=known,
            lot_wh=self.config.lot_wh,
            mtus=plan.mtus,
            deadline=plan.gate + self.config.sign_seconds,
        )


def own_domain(state: Path) -> Domain:
    """The domain of the Market contract by the deployment file of the run; signatures count nowhere else."""
    return Deployment.from_json(json.loads((state / DEPLOYMENT_FILE).read_text())).domain("Market")


def open_desk(state: Path, *, cache: Path, anchors: Path | None, grid_model: Path | None) -> Desk:
    """The desk of a run: deployment and grid of the state folder, or those of files kept apart from it.

    Raises StateMissing, BadGrid, GridNotAnchored, or what the grid loader raises.
    """
    config = read_config(state)
    if grid_model is not None:
        grid = GridModel.from_json(grid_model.read_bytes())
    else:
        grid = load_community(grid_code=config.grid, cache=cache, pv_permille=config.pv_permille).grid
    if anchors is None:
        return Desk(config, own_domain(state), grid)
    trusted = json.loads(anchors.read_text())
    anchored, at_hand = trusted["areas"][config.area]["grid_model_hash"], to_hex(grid.grid_model_hash)
    if anchored != at_hand:
        raise GridNotAnchored(anchored=anchored, at_hand=at_hand)
    contract = from_hex(trusted["contracts"]["Market"]["address"])
    return Desk(config, Domain(chain_id=trusted["chain_id"], verifying_contract=contract), grid)
