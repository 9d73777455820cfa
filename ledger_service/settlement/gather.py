"""From the record to the package of a settlement (`package`): the facts that it follows from, none more."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from sqlalchemy import Connection

from domain.errors import DominoesError
from domain.facts import (
    AgreementSigned,
    KeyRegistered,
    MarketDefined,
    MeterRegistered,
    MtuCleared,
    OrderAccepted,
    ParticipantRegistered,
    ProgramOpened,
    ProgramSigned,
    ProgramValidated,
    ReadingAttested,
    TariffPublished,
)
from domain.hashing import ZERO_HASH, to_hex
from domain.mtu import MTU_END
from ledger_service.record.journal import walk_entries
from ledger_service.registry import queries as registry
from ledger_service.settlement.queries import (
    Resolution,
    latest_proposal,
    period_state,
    proposals,
    resolution,
    sources,
)
from ledger_service.settlement.views import CLEARED, UNREAD
from settling.package import WrongInput


class FactMissing(DominoesError):
    """The chain shows an effect whose fact the record does not hold yet."""

    status = 409
    code = "fact-missing"
    remedy = "Nothing was changed; ask again once the service has caught up with the chain."
    retryable = True

    def __init__(self, *, fact: str) -> None:
        self.fact = fact
        super().__init__(f"{fact} is on chain but not recorded yet; try again once the earlier stages have caught up")


Payload = dict[str, Any]

TERMS = {
    ParticipantRegistered.KIND: "parties",
    MeterRegistered.KIND: "meters",
    KeyRegistered.KIND: "keys",
    TariffPublished.KIND: "tariffs",
    AgreementSigned.KIND: "agreements",
    MarketDefined.KIND: "markets",
}
"""Kinds of registry facts on which money rests, and their members in a package."""

PROGRAM_MEMBERS = (
    "market",
    "program",
    "first_mtu",
    "count",
    "results_root",
    "grid_model_hash",
    "report_hash",
    "report",
    "deadline",
    "envelopes",
    "schedules",
)
"""What a package holds of a `program.validated`: what settles, and what the DSO's signature binds it to."""


def gather(connection: Connection, *, area: str, period: int, revision: int, through: int | None = None) -> Payload:
    """The package of a settlement without its proposal, from one committed state of the record.

    `through`: the last entry whose registry fact counts, that of the proposal where there is one.
    """
    state = period_state(connection, area=area, period=period)
    resolved = resolution(connection, area=area, period=period)
    end = state.first_mtu + state.count
    clearings = _clearings(connection, area, period, resolved)
    return {
        "area": area,
        "period": period,
        "revision": revision,
        "first_mtu": state.first_mtu,
        "count": state.count,
        **terms_of(connection, area=area, end_mtu=end, through=through),
        "grid_model": registry.area(connection, area).grid_model.value,
        "programs": _programs(connection, area, period, resolved),
        "clearings": clearings,
        "orders": _orders(connection, area, period, clearings),
        "attestations": _attestations(connection, area, period, resolved),
        "earlier": _earlier(connection, area, period, revision),
    }


def terms_of(
    connection: Connection, *, area: str, end_mtu: int = MTU_END, through: int | None = None
) -> dict[str, list[Payload]]:
    """Registry facts of an area on which money can rest for MTUs before `end_mtu`, in order of registration."""
    found: dict[str, list[Payload]] = {name: [] for name in TERMS.values()}
    for entry in walk_entries(connection, kinds=list(TERMS)):
        if through is not None and entry.sequence > through:
            break
        payload = entry.payload
        if payload is None or payload.get("valid_from_mtu", 0) >= end_mtu or payload.get("area", area) != area:
            continue
        found[TERMS[entry.kind]].append(payload)
    accounts = {item["account"] for item in found["parties"]}
    for name in ("keys", "agreements"):
        found[name] = [item for item in found[name] if item["account"] in accounts]
    return found


def _programs(connection: Connection, area: str, period: int, resolved: Resolution) -> list[Payload]:
    """The programs the chain recorded: what of each one is settled, and what the DSO signed it with."""
    verdicts, validated = {}, {}
    for entry in sources(connection, area=area, period=period, kind=ProgramSigned.KIND):
        payload = entry.content()
        verdicts[payload["market"], payload["program"]] = payload
    for entry in sources(connection, area=area, period=period, kind=ProgramValidated.KIND):
        payload = entry.content()
        validated[payload["market"], payload["program"], payload["results_root"], payload["report_hash"]] = payload
    found = []
    for market, program, results_root, report_hash in resolved.programs:
        shown = validated.get((market, program, results_root, report_hash))
        verdict = verdicts.get((market, program))
        if shown is None or verdict is None:
            raise FactMissing(fact=f"program {program} of {market}")
        item = {name: shown[name] for name in PROGRAM_MEMBERS}
        found.append({**item, "dso": verdict["dso"], "signature": verdict["signature"]})
    return found


def _earlier(connection: Connection, area: str, period: int, revision: int) -> list[Payload]:
    """The words of the revisions before this one, as they took effect."""
    found = proposals(connection, area=area, period=period)
    missing = [number for number in range(revision) if number not in found]
    if missing:
        raise FactMissing(fact=f"settlement {missing[0]} of period {period} of {area}")
    return [{"revision": number, "words": found[number]["words"]} for number in range(revision)]


def _clearings(connection: Connection, area: str, period: int, resolved: Resolution) -> list[Payload]:
    cleared = {}
    for entry in sources(connection, area=area, period=period, kind=MtuCleared.KIND):
        payload = entry.content()
        cleared[payload["market"], payload["mtu"]] = payload
    result = []
    for what, market, mtu, data in resolved.clearings:
        item = {"market": market, "mtu": mtu, "result_hash": to_hex(ZERO_HASH), "price_neur_per_wh": None, "words": []}
        if what == CLEARED:
            fact = cleared.get((market, mtu))
            if fact is None:
                raise FactMissing(fact=f"the clearing of MTU {mtu} of {market}")
            if fact["result_hash"] != data["resultHash"]:
                raise WrongInput(record=f"MTU {mtu} of {market}", reason="the chain cleared another result")
            item |= {name: fact[name] for name in ("result_hash", "price_neur_per_wh", "words")}
        result.append(item)
    return result


def _orders(connection: Connection, area: str, period: int, clearings: Iterable[Payload]) -> list[Payload]:
    """The orders that open the words of these clearings: accepted between a program's opening and its gate."""
    wanted = {"0x" + word[2:].rjust(64, "0")[:32] for item in clearings for word in item["words"]}
    if not wanted:
        return []
    opened = sources(connection, area=area, period=period, kind=ProgramOpened.KIND)
    first = opened[0].sequence if opened else 0
    found = {}
    for entry in walk_entries(connection, after=first, kinds=[OrderAccepted]):
        if entry.payload is not None and entry.payload["tag"] in wanted:
            found[entry.payload["tag"]] = entry.payload
        if len(found) == len(wanted):
            break
    return [found[tag] for tag in sorted(found)]


def _attestations(connection: Connection, area: str, period: int, resolved: Resolution) -> list[Payload]:
    known = {}
    for entry in sources(connection, area=area, period=period, kind=ReadingAttested.KIND):
        for item in entry.content()["attestations"]:
            known[item["mtu"], item["revision"], item["root"]] = item
    last = {mtu: at for at, (what, _, mtu, _) in enumerate(resolved.readings) if what != UNREAD}
    result = []
    for at, (what, _, mtu, data) in enumerate(resolved.readings):
        if what == UNREAD:
            result.append(_attestation(mtu, {}, unread=True, readings=None))
            continue
        fact = known.get((mtu, data["revision"], data["root"]))
        if fact is None:
            raise FactMissing(fact=f"the attestation of MTU {mtu}, revision {data['revision']}")
        readings = fact["readings"] if last[mtu] == at else None
        result.append(_attestation(mtu, data, unread=False, readings=readings))
    return result


def _attestation(mtu: int, data: Payload, *, unread: bool, readings: list[Payload] | None) -> Payload:
    return {
        "mtu": mtu,
        "revision": data.get("revision", 0),
        "unread": unread,
        "root": data.get("root", to_hex(ZERO_HASH)),
        "count": data.get("count", 0),
        "import_wh": data.get("importWh", 0),
        "export_wh": data.get("exportWh", 0),
        "readings": readings,
    }


def proposal_package(connection: Connection, *, area: str, period: int) -> Payload:
    """The package of the newest proposed settlement of a period, for attesters. Raises NothingProposed."""
    proposal = latest_proposal(connection, area=area, period=period)
    through = period_state(connection, area=area, period=period).proposal_sequence
    package = gather(connection, area=area, period=period, revision=proposal["revision"], through=through)
    return {**package, "proposal": proposal}
