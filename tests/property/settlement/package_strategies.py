"""Packages of settlements as hypothesis makes them, and every way of altering one member of their JSON."""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterator
from dataclasses import fields, replace
from typing import Any, get_type_hints

from hypothesis import strategies as st

from domain.facts import OrderAccepted, SettlementProposed
from domain.facts.programs import PointEnvelope, PointSchedule
from domain.sessions import mask_of
from settling.package import (
    Basis,
    Package,
    PackagedAttestation,
    PackagedClearing,
    PackagedProgram,
    PackagedProposal,
    PackagedSession,
)
from tests.property.domain.fact_strategies import TEXT, facts_of, members_of, of_type

FIRST_MTU, COUNT = 1_000, 4
MTUS = st.integers(FIRST_MTU, FIRST_MTU + COUNT - 1)
WH = st.integers(0, 2**53 - 1)

SIGNED = ("price", "limit", "Price", "_neur_per_wh", "NeurPerWh", "_cap_wh", "balancing_")
"""Parts of the names of numbers that may be below zero."""

Json = Any
Path = tuple[str | int, ...]

OPEN = ("grid_model", "report")
"""Members whose form is told elsewhere: documents that hashes bind."""

OPTIONAL = ("kind", "later_gates_local", "mandate")
"""Members that may be left out: a market is an auction of one gate a day, an order no agent's, unless it says so."""

ORDERED = ("orders", "statements", "opens", "clearings")
"""Lists that ascend, each element once."""

NUMBERS_AS_TEXT = ("amount_neur", "due_neur", "settled_before_neur", "base_neur")
"""Money, as decimal text."""


def _several(values: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    return st.lists(values, max_size=2).map(tuple)


def _ascending(values: st.SearchStrategy[Any], key: Callable[[Any], Any]) -> st.SearchStrategy[Any]:
    return st.lists(values, max_size=3, unique_by=key).map(lambda found: tuple(sorted(found, key=key)))


SCHEDULES = st.dictionaries(TEXT, st.lists(st.integers(-(2**31), 2**31 - 1), max_size=4).map(tuple), max_size=2).map(
    lambda found: tuple(PointSchedule(point, net_wh) for point, net_wh in sorted(found.items()))
)


@st.composite
def programs(draw: Any) -> PackagedProgram:
    """A program of the period."""
    envelopes = _several(members_of(PointEnvelope).flatmap(lambda one: MTUS.map(lambda mtu: replace(one, mtu=mtu))))
    hints = of_members(PackagedProgram, leave_out=("first_mtu", "count", "envelopes", "schedules"))
    bound = {"first_mtu": FIRST_MTU, "count": COUNT, "envelopes": draw(envelopes), "schedules": draw(SCHEDULES)}
    return PackagedProgram(**{name: draw(values) for name, values in hints.items()}, **bound)


@st.composite
def sessions(draw: Any) -> PackagedSession:
    """A session over the period's MTUs, some of them cleared."""
    cleared = sorted(draw(st.sets(MTUS, max_size=2)))
    members = of_members(PackagedClearing, leave_out=("mtu",))
    clearings = tuple(draw(st.builds(PackagedClearing, mtu=st.just(mtu), **members)) for mtu in cleared)
    hints = of_members(PackagedSession, leave_out=("first_mtu", "count", "cleared_mask", "clearings"))
    bound = {"first_mtu": FIRST_MTU, "count": COUNT, "cleared_mask": mask_of(cleared, first_mtu=FIRST_MTU)}
    return PackagedSession(**{name: draw(values) for name, values in hints.items()}, **bound, clearings=clearings)


def of_members(cls: Any, *, leave_out: tuple[str, ...]) -> dict[str, st.SearchStrategy[Any]]:
    """Values of the members of a frozen class."""
    hints = get_type_hints(cls, include_extras=True)
    return {item.name: of_type(hints[item.name]) for item in fields(cls) if item.name not in leave_out}


@st.composite
def packages(draw: Any) -> Package:
    """A package whose members have their form and order; what they say need not agree."""
    attestations = st.builds(
        PackagedAttestation,
        mtu=MTUS,
        import_wh=WH,
        export_wh=WH,
        **of_members(PackagedAttestation, leave_out=("mtu", "import_wh", "export_wh")),
    )
    bound = {
        "first_mtu": st.just(FIRST_MTU),
        "count": st.just(COUNT),
        "programs": _several(programs()),
        "sessions": _several(sessions()),
        "attestations": _several(attestations),
        "orders": _ascending(facts_of(OrderAccepted), lambda fact: fact.tag),
    }
    members = of_members(Basis, leave_out=tuple(bound)) | bound
    proposal = draw(facts_of(SettlementProposed))
    statements = {item.account: item for item in proposal.statements}
    proposal = replace(proposal, statements=tuple(statements[account] for account in sorted(statements)))
    basis = Basis(**{name: draw(values) for name, values in members.items()})
    return Package.of(basis, PackagedProposal.of(proposal))


def places(value: Json, path: Path = ()) -> Iterator[tuple[Path, Json]]:
    """Every value of a JSON tree and where it stands; what is in documents apart."""
    yield path, value
    if path and path[-1] in OPEN:
        return
    if isinstance(value, dict):
        for name, item in value.items():
            yield from places(item, (*path, name))
    elif isinstance(value, list):
        for at, item in enumerate(value):
            yield from places(item, (*path, at))


LEFT_OUT = object()
"""Stands for a member that is left out."""

Change = tuple[Path, Json]
"""What an alteration puts where: another value, or LEFT_OUT."""


def altered(tree: Json, change: Change) -> Json:
    """A copy of a tree with one change."""
    path, value = change
    if not path:
        return value
    changed = copy.deepcopy(tree)
    parent = changed
    for step in path[:-1]:
        parent = parent[step]
    if value is LEFT_OUT:
        del parent[path[-1]]
    else:
        parent[path[-1]] = value
    return changed


def _surplus(path: Path, value: Json) -> Iterator[Change]:
    """A member that nobody knows, in every object but documents and maps by point."""
    if isinstance(value, dict) and not (path and path[-1] in (*OPEN, "schedules")):
        yield path, value | {"surplus": 1}


def _missing(path: Path, value: Json) -> Iterator[Change]:
    """A member left out."""
    if path and isinstance(path[-1], str) and path[-1] not in OPTIONAL and "schedules" not in path[:-1]:
        yield path, LEFT_OUT


def _another_type(path: Path, value: Json) -> Iterator[Change]:
    """A value of a type that stands nowhere in a package (a fraction), or truth and numbers for each other."""
    yield path, 1.5
    if isinstance(value, bool):
        yield path, int(value)
    elif isinstance(value, int):
        yield path, bool(value)
        yield path, float(value)


def _negative(path: Path, value: Json) -> Iterator[Change]:
    """A number below zero where none can be: energies of readings and lines, MTUs, counts, versions, times."""
    name = path[-1] if path else None
    if type(value) is int and isinstance(name, str) and not any(part in name for part in SIGNED):
        yield path, -1


def _another_spelling(path: Path, value: Json) -> Iterator[Change]:
    """Hex in capitals, one byte short, or without its prefix; decimal text with a zero or a sign in front."""
    if not isinstance(value, str) or not path:
        return
    if path[-1] in NUMBERS_AS_TEXT:
        yield path, "0" + value
        yield path, "+" + value
    elif value.startswith("0x") and len(value) >= 2 + 2 * 16:
        yield path, value[:-2]
        yield path, value[2:]
        if value[2:] != value[2:].upper():
            yield path, "0x" + value[2:].upper()


def _disordered(path: Path, value: Json) -> Iterator[Change]:
    """A list that ascends turned round, or with an element twice."""
    if path and path[-1] in ORDERED and value:
        yield path, [*value, value[-1]]
        if len(value) > 1:
            yield path, value[::-1]


def _beyond_the_period(path: Path, value: Json) -> Iterator[Change]:
    """An MTU that the period, the program or the statement does not have."""
    bound = {"clearings", "attestations", "envelopes", "lines", "opens"} & set(path)
    if path and path[-1] == "mtu" and bound and "readings" not in path:
        yield path, FIRST_MTU + COUNT
        yield path, FIRST_MTU - 1


ALTERATIONS: dict[str, Callable[[Path, Json], Iterator[Change]]] = {
    "unknown member": _surplus,
    "missing member": _missing,
    "another type": _another_type,
    "negative": _negative,
    "another spelling": _another_spelling,
    "wrong order": _disordered,
    "another MTU": _beyond_the_period,
}
"""Kinds of alterations: each makes of a package something that is none."""
