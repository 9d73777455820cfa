"""One deployment of the contracts takes over from another."""

from __future__ import annotations

from dataclasses import dataclass

from domain.facts.base import Fact, fact
from domain.members import Address, Code, Hash, Natural


@dataclass(frozen=True, slots=True)
class DeployedContract:
    """Where a contract stands."""

    name: Code
    address: Address


@fact
class DeploymentSucceeded(Fact):
    """This journal goes on where that of another deployment, with these contracts, had come to: its last head that
    stands on chain. Areas and accounts come over by what the contracts say (`HandoverAgreed`, `AccountTakenOver`)."""

    KIND = "deployment.succeeded"
    contracts: tuple[DeployedContract, ...]
    journal_sequence: Natural
    journal_head: Hash

    @property
    def journal_key(self) -> str:
        """A deployment succeeds one other at most."""
        return "deployment.succeeded"
