"""What the DSO signs about a program of one gate."""

from __future__ import annotations

from typing import Any, Protocol

from domain.hashing import text_id


class SignedProgram(Protocol):
    """The members of a program that the DSO's signature binds, whoever shows them."""

    @property
    def market(self) -> str:
        """The market's code."""
        ...

    @property
    def first_mtu(self) -> int:
        """Its first MTU."""
        ...

    @property
    def count(self) -> int:
        """How many MTUs it has."""
        ...

    @property
    def results_root(self) -> bytes:
        """Merkle root over its result hashes."""
        ...

    @property
    def grid_model_hash(self) -> bytes:
        """Hash of the grid model it was checked on."""
        ...

    @property
    def report_hash(self) -> bytes:
        """Hash of its power-flow report."""
        ...

    @property
    def deadline(self) -> int:
        """Market time until which the chain takes the signature, unix seconds."""
        ...


def program_values(program: SignedProgram) -> dict[str, Any]:
    """Members of the `Program` shape."""
    return {
        "market": text_id(program.market),
        "firstMtu": program.first_mtu,
        "count": program.count,
        "resultsRoot": program.results_root,
        "gridModelHash": program.grid_model_hash,
        "reportHash": program.report_hash,
        "deadline": program.deadline,
    }
