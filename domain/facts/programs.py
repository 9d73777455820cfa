"""Programs: what cleared, what the grid allows, what the DSO said, and what became of each MTU on chain."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated

from pydantic import PlainSerializer

from domain.facts.base import Fact, fact
from domain.facts.calendar import lapsed_key
from domain.members import (
    Address,
    Code,
    Document,
    EnergyWh,
    Hash,
    Mask,
    Mtu,
    Natural,
    PriceNeurPerWh,
    ReadBy,
    RuleVersion,
    Says,
    Seconds,
    Session,
    Signature,
    Word,
)

INT32 = 2**31
"""Energies of schedules are hashed as int32."""


@dataclass(frozen=True, slots=True)
class MtuResult:
    """The clearing of one MTU. No price where nothing was traded; `given_up`: no caps could keep the grid's limits."""

    mtu: Mtu
    price_neur_per_wh: PriceNeurPerWh | None
    words: tuple[Word, ...]
    result_hash: Hash
    given_up: bool


@dataclass(frozen=True, slots=True)
class PointEnvelope:
    """The caps of a point in one MTU, Wh; None where a direction is not limited."""

    point: Code
    mtu: Mtu
    import_cap_wh: EnergyWh | None
    export_cap_wh: EnergyWh | None


@dataclass(frozen=True, slots=True)
class PointSchedule:
    """What flows at a point, Wh net per MTU of the program: + = import, - = export."""

    point: Code
    net_wh: tuple[EnergyWh, ...]


def _read_schedules(value: object) -> tuple[PointSchedule, ...]:
    if not isinstance(value, Mapping):
        raise ValueError("expected an object of schedules by point")
    for point, net_wh in value.items():
        if not point or not isinstance(net_wh, list) or not all(type(item) is int for item in net_wh):
            raise ValueError("expected an array of whole numbers for each point")
    return tuple(PointSchedule(point=point, net_wh=tuple(net_wh)) for point, net_wh in sorted(value.items()))


def _write_schedules(schedules: tuple[PointSchedule, ...]) -> dict[str, list[int]]:
    return {item.point: list(item.net_wh) for item in schedules}


Schedules = Annotated[
    tuple[PointSchedule, ...],
    ReadBy(_read_schedules),
    PlainSerializer(_write_schedules),
    Says("object of net Wh per MTU by point"),
]


def check_int32(schedules: Schedules) -> None:
    """Energies of schedules are hashed as int32. Raises ValueError for one that does not fit."""
    if any(not -INT32 <= net_wh < INT32 for schedule in schedules for net_wh in schedule.net_wh):
        raise ValueError("a schedule exceeds what an int32 holds")


@dataclass(frozen=True, slots=True)
class EarlierPosition:
    """What markets with earlier gates left of a point and MTU: net Wh bought (+) or sold (-), and caps in force.

    Those trades stand, so no cap goes below them.
    """

    point: Code
    mtu: Mtu
    net_wh: EnergyWh
    import_cap_wh: EnergyWh | None
    export_cap_wh: EnergyWh | None


@dataclass(frozen=True, slots=True)
class ClearingRules:
    """Version of the rule by which an MTU was cleared."""

    ties: RuleVersion


@dataclass(frozen=True, slots=True)
class ProgramRules:
    """Versions of the rules by which a program was cleared (ties) and its missing schedules made (forecast)."""

    ties: RuleVersion
    forecast: RuleVersion


@fact
class ProgramValidated(Fact):
    """The program of a closed session, checked against the grid, as it is laid before the DSO until its deadline.

    `schedules` ascend by point; `earlier` by MTU and point, of points that have a position or a cap already.
    """

    KIND = "program.validated"
    market: Code
    session: Session
    first_mtu: Mtu
    count: Natural
    results: tuple[MtuResult, ...]
    envelopes: tuple[PointEnvelope, ...]
    report: Document
    report_hash: Hash
    grid_model_hash: Hash
    books_root: Hash
    results_root: Hash
    traded_mask: Mask
    emptied_mask: Mask
    deadline: Seconds
    schedules: Schedules
    earlier: tuple[EarlierPosition, ...]
    rounds: Natural
    rules: ProgramRules

    @property
    def journal_key(self) -> str:
        """A program is validated once."""
        return validated_key(market=self.market, session=self.session)


def validated_key(*, market: str, session: int) -> str:
    """The journal key of a program's validation."""
    return f"validated:{market}:{session}"


def verdict_key(*, market: str, session: int) -> str:
    """The journal key of the DSO's verdict on a program."""
    return f"verdict:{market}:{session}"


def setpoints_key(*, market: str, session: int) -> str:
    """The journal key of a program's set-points."""
    return f"setpoints:{market}:{session}"


def cleared_key(*, market: str, session: int, mtu: int) -> str:
    """The journal key of the clearing of one MTU in a session."""
    return f"cleared:{market}:{session}:{mtu}"


def done_key(*, market: str, session: int) -> str:
    """The journal key of a session's end."""
    return f"done:{market}:{session}"


def over_keys(*, market: str, session: int) -> tuple[str, str]:
    """The journal keys of the facts of which one says that a session is over: on chain, or because it never was."""
    return done_key(market=market, session=session), lapsed_key(market=market, session=session)


@fact
class ProgramSigned(Fact):
    """The DSO signed a validated program: its grid carries it."""

    KIND = "program.signed"
    market: Code
    session: Session
    dso: Address
    signature: Signature

    @property
    def journal_key(self) -> str:
        """One verdict per program: the first one recorded wins."""
        return verdict_key(market=self.market, session=self.session)


@fact
class ProgramRefused(Fact):
    """The DSO refused a validated program, and signed its reason: no trade in these MTUs."""

    KIND = "program.refused"
    market: Code
    session: Session
    dso: Address
    reason: str
    signature: Signature

    @property
    def journal_key(self) -> str:
        """One verdict per program: the first one recorded wins."""
        return verdict_key(market=self.market, session=self.session)


@fact
class SetpointsIssued(Fact):
    """The envelopes of a program that stands on chain, as the points must keep them."""

    KIND = "setpoints.issued"
    market: Code
    session: Session
    envelopes: tuple[PointEnvelope, ...]

    @property
    def journal_key(self) -> str:
        """Issued once per program."""
        return setpoints_key(market=self.market, session=self.session)


@fact
class MtuCleared(Fact):
    """The chain cleared an MTU of a session with this result: something was traded."""

    KIND = "mtu.cleared"
    market: Code
    session: Session
    mtu: Mtu
    price_neur_per_wh: PriceNeurPerWh | None
    result_hash: Hash
    words: tuple[Word, ...]
    tx_hash: Hash
    rules: ClearingRules

    @property
    def journal_key(self) -> str:
        """An MTU is cleared once in a session."""
        return cleared_key(market=self.market, session=self.session, mtu=self.mtu)


@fact
class SessionDone(Fact):
    """A session is over on chain: what was cleared by then stands, its other MTUs traded nothing."""

    KIND = "session.done"
    market: Code
    session: Session
    cleared_mask: Mask
    clearing_root: Hash

    @property
    def journal_key(self) -> str:
        """A session ends once."""
        return done_key(market=self.market, session=self.session)
