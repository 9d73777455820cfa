"""Packages of proposed settlements as attesters get them: written once, however many of them ask."""

from __future__ import annotations

import threading
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from domain.facts import ErasureDone
from domain.facts.settlement import settlement_values
from ledger_service.record import Record
from ledger_service.record.journal import last_of
from ledger_service.settlement.gather import proposal_package
from ledger_service.settlement.queries import period_state


@dataclass(frozen=True, slots=True)
class WrittenPackage:
    """A package's canonical JSON, and the members of the struct that attesters of this revision sign."""

    revision: int
    to_sign: Mapping[str, Any]
    text: bytes


@dataclass(frozen=True, slots=True)
class _Asked:
    """What a package is of: a period's proposal as it stands after the last erasure, by their entries."""

    area: str
    period: int
    proposal_sequence: int | None
    erasure_sequence: int


class Packages:
    """The package of the newest proposal of a period. Safe from several threads.

    The attesters of an area ask for the same package at the same time, and gathering it reads a period of orders and
    readings: the one asked for last is kept until something is erased, and who asks while it is made waits for it.
    """

    def __init__(self, record: Record) -> None:
        self._record = record
        self._lock = threading.Lock()
        self._kept: tuple[_Asked, WrittenPackage] | None = None

    def newest(self, *, area: str, period: int) -> WrittenPackage:
        """The package of the newest proposal. Raises UnknownPeriod, NothingProposed, FactMissing, WrongInput."""
        with self._lock, self._record.read() as connection:
            state = period_state(connection, area=area, period=period)
            asked = _Asked(area, period, state.proposal_sequence, last_of(connection, ErasureDone))
            if self._kept is None or self._kept[0] != asked:
                package = proposal_package(connection, area=area, period=period)
                values = settlement_values(package.proposal)
                self._kept = (asked, WrittenPackage(package.proposal.revision, values, package.write()))
            return self._kept[1]
