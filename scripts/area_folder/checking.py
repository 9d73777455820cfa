"""Holding a folder against itself, the grid, and what is registered already, before anything is sent."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Callable, Hashable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from domain.errors import DominoesError
from domain.mtu import mtu_of
from domain.names import likeness
from domain.parties import Meter, Participant, ParticipantKind
from domain.terms import Agreement, Tariff
from grid.model import GridModel
from ledger_service.registry.checks import check_code, check_safe
from scripts.area_folder.reading import AreaFolder, AreaTerm, LineFault, Row

ALONE = (ParticipantKind.DSO, ParticipantKind.TAX)
"""Kinds of which an area has one account."""


@dataclass(frozen=True)
class AlreadyThere:
    """What the registry holds of the area already, as its lists answer it, and the market's time."""

    market_time: int
    participants: list[Mapping[str, Any]] = field(default_factory=list)
    tariffs: list[Mapping[str, Any]] = field(default_factory=list)
    agreements: list[Mapping[str, Any]] = field(default_factory=list)
    meters: list[Mapping[str, Any]] = field(default_factory=list)

    def has(self, term: AreaTerm) -> bool:
        """Whether a term of this name is there, in this version: whether it is the same the registry will say."""
        match term:
            case Participant():
                return any(each["participant"] == term.participant for each in self.participants)
            case Tariff():
                return any((each["tariff"], each["version"]) == (term.tariff, term.version) for each in self.tariffs)
            case Agreement():
                named = (term.agreement, term.version)
                return any((each["agreement"], each["version"]) == named for each in self.agreements)
            case Meter():
                named = (term.meter, term.valid_from_mtu)
                return any((each["meter"], each["valid_from_mtu"]) == named for each in self.meters)


def faults_of(folder: AreaFolder, *, grid: GridModel | None, registered: AlreadyThere) -> list[LineFault]:
    """Everything that is wrong with a folder, in the order of its files and lines.

    Without the grid model nothing is said of points. The registry itself has the last word on each term.
    """
    parties = _Parties.of(folder, registered)
    found = [
        *folder.faults,
        *_repeated(folder),
        *_alone(folder, registered),
        *_too_late(folder, registered),
        *_unlike_the_grid(folder, grid),
        *(fault for row in folder.rows for fault in _unsound(row)),
        *_metering(folder, parties),
        *_supplying(folder, parties, registered),
    ]
    order = {row.file: at for at, row in enumerate(folder.rows)}
    return sorted(set(found), key=lambda fault: (order.get(fault.file, -1), fault))


@dataclass(frozen=True)
class _Parties:
    """Who takes part, by the folder and the registry: kind by account, and points with a household."""

    kinds: Mapping[str, str]
    points: frozenset[str]

    @classmethod
    def of(cls, folder: AreaFolder, registered: AlreadyThere) -> _Parties:
        new = [row.term for row in folder.of(Participant)]
        kinds = {each["account"]: str(each["kind"]) for each in registered.participants}
        kinds |= {each.account: each.kind.value for each in new}
        points = {each["point"] for each in registered.participants} | {each.point for each in new}
        return cls(kinds, frozenset(point for point in points if point is not None))


def _names_of(term: AreaTerm) -> Iterator[tuple[str, Hashable]]:
    """What of a term no other term of its kind may have, each with what it is called."""
    match term:
        case Participant():
            yield "participant", likeness(term.participant)
            yield "account", term.account
            if term.point is not None:
                yield "point", term.point
        case Meter():
            yield "meter and first MTU", (likeness(term.meter), term.valid_from_mtu)
            yield "public_key", term.public_key
        case Tariff():
            yield "tariff and version", (likeness(term.tariff), term.version)
        case Agreement():
            yield "agreement and version", (likeness(term.agreement), term.version)
            yield "account and first MTU", (term.account, term.valid_from_mtu)


def _repeated(folder: AreaFolder) -> Iterator[LineFault]:
    first: dict[Hashable, Row[AreaTerm]] = {}
    for row in folder.rows:
        for what, name in _names_of(row.term):
            before = first.setdefault((type(row.term), what, name), row)
            if before is not row:
                yield row.fault(f"{what} is that of line {before.line}, too")


def _alone(folder: AreaFolder, registered: AlreadyThere) -> Iterator[LineFault]:
    """Of a DSO's and a tax account an area has one; the same one again is no other."""
    there = {each["kind"]: each["account"] for each in registered.participants}
    seen: Counter[ParticipantKind] = Counter()
    for row in folder.of(Participant):
        party = row.term
        if party.kind in ALONE:
            seen[party.kind] += 1
            other = there.get(party.kind.value, party.account)
            if seen[party.kind] > 1 or other != party.account:
                yield row.fault(f"the area has a {party.kind.value} account already, and no more than one")


def _too_late(folder: AreaFolder, registered: AlreadyThere) -> Iterator[LineFault]:
    """Nothing counts before it was registered; what is there already is no new thing."""
    now = mtu_of(registered.market_time)
    for row in folder.rows:
        if row.term.valid_from_mtu <= now and not registered.has(row.term):
            yield row.fault(f"valid_from_mtu is {row.term.valid_from_mtu}, but MTU {now} is running: name a later one")


def _unlike_the_grid(folder: AreaFolder, grid: GridModel | None) -> Iterator[LineFault]:
    points = {} if grid is None else {point.code: point for point in grid.points}
    for row in folder.of(Participant):
        party = row.term
        if grid is None or party.point is None:
            continue
        point = points.get(party.point)
        if point is None:
            yield row.fault(f"point {party.point} is none of the grid model's")
            continue
        given = {"connection_import_w": party.connection_import_w, "connection_export_w": party.connection_export_w}
        agreed = {"connection_import_w": point.import_w, "connection_export_w": point.export_w}
        for name, power_w in given.items():
            if power_w > agreed[name]:
                yield row.fault(f"{name} is {power_w}, but the grid model allows {agreed[name]} W at {party.point}")


def _unsound(row: Row[AreaTerm]) -> Iterator[LineFault]:
    """What is wrong with a term by itself."""
    term = row.term
    checks: list[Callable[[], None]] = []
    match term:
        case Participant():
            checks.append(lambda: check_code(field="participant", value=term.participant))
            if (term.kind is ParticipantKind.HOUSEHOLD) != (term.point is not None):
                yield row.fault("a household stands at a point, and nobody else does")
            if term.point is None and (term.connection_import_w or term.connection_export_w):
                yield row.fault("connection powers belong to a point; without one they are 0")
        case Meter():
            checks.append(lambda: check_code(field="meter", value=term.meter))
        case Tariff():
            checks.append(lambda: check_code(field="tariff", value=term.tariff))
            checks.append(lambda: check_safe(term))
        case Agreement():
            checks.append(lambda: check_code(field="agreement", value=term.agreement))
    for check in checks:
        try:
            check()
        except DominoesError as error:
            yield row.fault(str(error))


def _metering(folder: AreaFolder, parties: _Parties) -> Iterator[LineFault]:
    for row in folder.of(Meter):
        if row.term.point not in parties.points:
            yield row.fault(f"no household stands at point {row.term.point}")


def _supplying(folder: AreaFolder, parties: _Parties, registered: AlreadyThere) -> Iterator[LineFault]:
    tariffs: dict[str, set[tuple[str, int]]] = defaultdict(set)
    for each in registered.tariffs:
        tariffs[each["tariff"]].add((each["retailer"], each["valid_from_mtu"]))
    for row in folder.of(Tariff):
        tariffs[row.term.tariff].add((row.term.retailer, row.term.valid_from_mtu))
        if parties.kinds.get(row.term.retailer) != ParticipantKind.RETAILER:
            yield row.fault(f"{row.term.retailer} is no retailer of the area")
    for signed in folder.of(Agreement):
        agreement = signed.term
        for account, kind in (
            (agreement.account, ParticipantKind.HOUSEHOLD),
            (agreement.retailer, ParticipantKind.RETAILER),
        ):
            if parties.kinds.get(account) != kind:
                yield signed.fault(f"{account} is no {kind.value} of the area")
        begun = [first for retailer, first in tariffs[agreement.tariff] if retailer == agreement.retailer]
        if not begun:
            yield signed.fault(f"{agreement.retailer} has no tariff {agreement.tariff}")
        elif min(begun) > agreement.valid_from_mtu:
            yield signed.fault(f"tariff {agreement.tariff} begins at MTU {min(begun)}, after the agreement")
