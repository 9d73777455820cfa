"""What the DSO signs about a program: the results of one session."""

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
    def session(self) -> int:
        """The session's gate, unix seconds."""
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
    def books_root(self) -> bytes:
        """Places root over the hashes of the books it is a result of, as the chain holds it."""
        ...

    @property
    def results_root(self) -> bytes:
        """Places root over its result hashes."""
        ...

    @property
    def traded_mask(self) -> int:
        """The MTUs that trade."""
        ...

    @property
    def emptied_mask(self) -> int:
        """The MTUs that caps emptied or that were given up."""
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
        "session": program.session,
        "firstMtu": program.first_mtu,
        "count": program.count,
        "booksRoot": program.books_root,
        "resultsRoot": program.results_root,
        "tradedMask": program.traded_mask,
        "emptiedMask": program.emptied_mask,
        "gridModelHash": program.grid_model_hash,
        "reportHash": program.report_hash,
        "deadline": program.deadline,
    }
