"""The deployment file: written once when the contracts stand, handed to everybody, believed by nobody unchecked."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path

from contracts.bindings import Calendar
from contracts.deploy import Deployment, check_deployment
from contracts.rpc import Rpc
from domain.errors import DominoesError


class DeploymentFileUnusable(DominoesError):
    """The deployment file is not what `dominoes deploy` writes."""

    code = "deployment-file-unusable"

    def __init__(self, *, path: Path, reason: str) -> None:
        self.path, self.reason = path, reason
        super().__init__(f"{path}: {reason}; take the file that `dominoes deploy` wrote")


@dataclass(frozen=True)
class MarketTime:
    """How market time follows block time, as the Calendar contract says; all in unix seconds."""

    origin: int
    start: int
    speed: int

    def at(self, block_time: int) -> int:
        """Market time at a block time."""
        return self.origin + (block_time - self.start) * self.speed


def write_deployment(path: Path, deployment: Deployment) -> None:
    """Write the file so that after a crash it is there whole or not at all."""
    path.parent.mkdir(parents=True, exist_ok=True)
    partial = path.with_suffix(".partial")
    partial.write_text(json.dumps(deployment.as_json(), indent=1, sort_keys=True) + "\n", encoding="utf-8")
    partial.rename(path)


def read_deployment_file(path: Path) -> Deployment:
    """The deployment by its file. Raises DeploymentFileUnusable."""
    try:
        return Deployment.from_json(json.loads(path.read_text(encoding="utf-8")))
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise DeploymentFileUnusable(path=path, reason=str(error) or type(error).__name__) from error


def checked_deployment(path: Path, *, rpc: Rpc) -> Deployment:
    """The deployment by its file, once this node has proved to be its chain's.

    Raises DeploymentFileUnusable, WrongChain, WrongGenesis, ContractMissing, CodeWrong or NodeUnavailable.
    """
    deployment = read_deployment_file(path)
    check_deployment(rpc=rpc, deployment=deployment)
    return deployment


def market_time(deployment: Deployment, *, rpc: Rpc) -> MarketTime:
    """How market time runs, read from the chain. Raises NodeUnavailable."""
    calendar = Calendar(rpc=rpc, address=deployment.addresses["Calendar"])
    return MarketTime(origin=calendar.origin(), start=calendar.start(), speed=calendar.speed())
