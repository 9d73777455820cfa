"""From the record to the package of a settlement (`package`): the facts that it follows from, none more."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from sqlalchemy import Connection

from domain.hashing import ZERO_HASH, to_hex
from ledger_service.record.journal import walk_entries
from ledger_service.settlement.errors import FactMissing, WrongInput
from ledger_service.settlement.queries import (
    Resolution,
    latest_proposal,
    period_state,
    resolution,
    settled_before,
    sources,
)
from ledger_service.settlement.views import CLEARED, UNREAD

Payload = dict[str, Any]


def gather(connection: Connection, *, area: str, period: int, revision: int) -> Payload:
    """The package of a settlement without its proposal, from one committed state of the record."""
    state = period_state(connection, area=area, period=period)
    resolved = resolution(connection, area=area, period=period)
    end = state.first_mtu + state.count
    clearings = _clearings(connection, area, period, resolved)
    registry = _registry(connection, area=area, end_mtu=end)
    return {
        "area": area,
        "period": period,
        "revision": revision,
        "first_mtu": state.first_mtu,
        "count": state.count,
        **registry,
        "programs": _programs(connection, area, period),
        "clearings": clearings,
        "orders": _orders(connection, area, period, clearings),
        "attestations": _attestations(connection, area, period, resolved),
        "settled_before": {
            account: str(amount)
            for account, amount in settled_before(connection, area=area, period=period, revision=revision).items()
        },
    }


def _registry(connection: Connection, *, area: str, end_mtu: int) -> dict[str, list[Payload]]:
    """Registry facts that can matter for MTUs before `end_mtu`."""
    member = {
        "participant.registered": "parties",
        "meter.registered": "meters",
        "key.registered": "keys",
        "tariff.published": "tariffs",
        "agreement.signed": "agreements",
        "market.defined": "markets",
    }
    found: dict[str, list[Payload]] = {name: [] for name in member.values()}
    for entry in walk_entries(connection, kinds=list(member)):
        payload = entry.payload
        if payload is None or payload.get("valid_from_mtu", 0) >= end_mtu or payload.get("area", area) != area:
            continue
        found[member[entry.kind]].append(payload)
    accounts = {item["account"] for item in found["parties"]}
    for name in ("keys", "agreements"):
        found[name] = [item for item in found[name] if item["account"] in accounts]
    return found


def _programs(connection: Connection, area: str, period: int) -> list[Payload]:
    """Envelopes and schedules of the programs whose set-points were issued: those the chain recorded."""
    issued = {
        (entry.payload["market"], entry.payload["program"])
        for entry in sources(connection, area=area, period=period, kind="setpoints.issued")
        if entry.payload is not None
    }
    newest = {}
    for entry in sources(connection, area=area, period=period, kind="program.validated"):
        payload = entry.content()
        key = (payload["market"], payload["program"])
        if key in issued:
            names = ("market", "program", "first_mtu", "count", "envelopes", "schedules")
            newest[key] = {name: payload[name] for name in names}
    return [newest[key] for key in sorted(newest)]


def _clearings(connection: Connection, area: str, period: int, resolved: Resolution) -> list[Payload]:
    cleared = {}
    for entry in sources(connection, area=area, period=period, kind="mtu.cleared"):
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
    opened = sources(connection, area=area, period=period, kind="program.opened")
    first = opened[0].sequence if opened else 0
    found = {}
    for entry in walk_entries(connection, after=first, kinds=["order.accepted"]):
        if entry.payload is not None and entry.payload["tag"] in wanted:
            found[entry.payload["tag"]] = entry.payload
        if len(found) == len(wanted):
            break
    return [found[tag] for tag in sorted(found)]


def _attestations(connection: Connection, area: str, period: int, resolved: Resolution) -> list[Payload]:
    known = {}
    for entry in sources(connection, area=area, period=period, kind="reading.attested"):
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
    package = gather(connection, area=area, period=period, revision=proposal["revision"])
    return {**package, "proposal": proposal}
