"""Handing a folder's terms in: kind after kind, a few at a time; what is registered already stays as it is."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field

from domain.members import noun_json
from domain.parties import Meter, Participant
from domain.terms import Agreement, Tariff
from scripts.area_folder.checking import AlreadyThere
from scripts.area_folder.reading import FILES, AreaTerm, LineFault, Row
from scripts.serving.api_client import ApiClient, ApiRefused

PATHS: dict[type[AreaTerm], str] = {
    Tariff: "/v1/tariffs",
    Participant: "/v1/participants",
    Agreement: "/v1/agreements",
    Meter: "/v1/meters",
}
"""Where the API takes terms of each kind."""

AT_ONCE = 4
"""Terms on their way at the same time: the service takes so many of one caller's requests at once."""


@dataclass
class Outcome:
    """How many terms are new, how many were there, and what the registry refused, by line."""

    new: int = 0
    repeated: int = 0
    refused: list[LineFault] = field(default_factory=list)


def registered_in(client: ApiClient, area: str) -> AlreadyThere:
    """What the registry holds of an area."""
    return AlreadyThere(
        market_time=client.get("/v1/clock")["market_time"],
        participants=client.items("/v1/participants", area=area),
        tariffs=[each for each in client.items("/v1/tariffs") if each["area"] == area],
        agreements=client.items("/v1/agreements"),
        meters=client.items("/v1/meters", area=area),
    )


def register(client: ApiClient, rows: Sequence[Row[AreaTerm]], *, tick: Callable[[int, int], None]) -> Outcome:
    """Hand all terms in; what is refused stops nothing else. `tick(done, of)` tells how far it is."""
    outcome, done = Outcome(), 0
    with ThreadPoolExecutor(max_workers=AT_ONCE) as threads:
        for kind in FILES.values():
            own = [row for row in rows if isinstance(row.term, kind)]
            for told in threads.map(lambda row: _hand_in(client, row), own):
                _count(outcome, told)
                done += 1
                tick(done, len(rows))
    return outcome


def _hand_in(client: ApiClient, row: Row[AreaTerm]) -> bool | LineFault:
    """Whether the term was there already, or why it was refused."""
    try:
        return client.hand_in(PATHS[type(row.term)], noun_json(row.term)).repeated
    except ApiRefused as refused:
        return row.fault(refused.detail)


def _count(outcome: Outcome, told: bool | LineFault) -> None:
    if isinstance(told, LineFault):
        outcome.refused.append(told)
    elif told:
        outcome.repeated += 1
    else:
        outcome.new += 1
