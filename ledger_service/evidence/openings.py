"""All that personal bundles open, read from the record once for all accounts."""

from __future__ import annotations

import base64
import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from sqlalchemy import Connection

from domain.facts import (
    AgreementSigned,
    AreaDefined,
    KeyRegistered,
    MarketDefined,
    MeterRegistered,
    MtuCleared,
    OrderAccepted,
    OrderCancelled,
    ParticipantRegistered,
    ProgramSigned,
    ProgramValidated,
    ReadingAttested,
    TariffPublished,
)
from domain.hashing import canonical_json, from_hex, hash_json, text_id, to_hex
from domain.merkle import merkle_proofs
from domain.orders import schedule_hash
from domain.readings import Reading
from domain.statements import statement_hash, statement_leaf
from domain.words import page_hashes, pages_of, unpack_settlement_word
from ledger_service.evidence.public import attestations as attested_lines
from ledger_service.evidence.public import signed_proposals
from ledger_service.evidence.recorded import chain_events, walk
from ledger_service.record import Entry

Payload = dict[str, Any]

_REGISTRY_KINDS = (
    ParticipantRegistered.KIND,
    MeterRegistered.KIND,
    KeyRegistered.KIND,
    AgreementSigned.KIND,
    TariffPublished.KIND,
)


@dataclass(frozen=True, slots=True)
class AttestedLeaves:
    """The readings under one attested root, in leaf order, each with its proof (lowest node first)."""

    header: Payload
    readings: Sequence[Payload]
    proofs: Sequence[Sequence[bytes]]


@dataclass(frozen=True, slots=True)
class ShownResult:
    """A cleared MTU as its canonical line, the same for everybody, and the accounts that have a word in it."""

    mtu: int
    market: str
    line: bytes
    accounts: frozenset[str]


@dataclass(frozen=True, slots=True)
class ProgramContent:
    """A signed program that stands on chain: what everybody is shown of it, and envelopes and schedules by point."""

    area: str
    shown: Payload
    envelopes: Mapping[str, list[Payload]]
    schedules: Mapping[str, list[int]]


@dataclass(frozen=True, slots=True)
class ShownSettlement:
    """A settlement that attesters signed: the members that everybody is shown, and salted statement, proof and page of
    the own word by account."""

    shown: Payload
    statements: Mapping[str, Payload]
    proofs: Mapping[str, list[str]]
    pages: Mapping[str, list[str]]


@dataclass(slots=True)
class Openings:
    """Payloads by what they are; `orders` holds entries of orders and cancels by account, ascending."""

    parties: dict[str, Payload] = field(default_factory=dict)
    meters: list[Payload] = field(default_factory=list)
    keys: dict[str, Payload] = field(default_factory=dict)
    terms: dict[tuple[str, str, int], Payload] = field(default_factory=dict)
    orders: dict[str, list[Entry]] = field(default_factory=dict)
    account_of: dict[str, str] = field(default_factory=dict)
    grid_models: dict[str, Payload] = field(default_factory=dict)
    lots_wh: dict[str, int] = field(default_factory=dict)
    programs: list[ProgramContent] = field(default_factory=list)
    results: list[ShownResult] = field(default_factory=list)
    attestations: list[AttestedLeaves] = field(default_factory=list)
    messages: list[tuple[str, str]] = field(default_factory=list)
    settlements: list[ShownSettlement] = field(default_factory=list)

    def key_of(self, order_key: str) -> Payload:
        """The registration of an order key: there is one, as a key serves one account."""
        return self.keys[order_key]

    def messages_of(self, meters: set[str]) -> Iterable[str]:
        """The compact JWS of these meters, in the order in which they were recorded."""
        return (jws for meter, jws in self.messages if meter in meters)

    def terms_of(self, account: str, statements: Iterable[Payload]) -> list[Payload]:
        """Agreement and tariff versions valid for the account in its statements' periods, sorted by id and version."""
        mine = [item for (kind, *_), item in self.terms.items() if kind == "agreement" and item["account"] == account]
        names = {item["tariff"] for item in mine}
        tariffs = {
            name: [item for (kind, tariff, _), item in self.terms.items() if (kind, tariff) == ("tariff", name)]
            for name in names
        }
        found: dict[tuple[str, int, int], Payload] = {}
        for statement in statements:
            for mtu in range(statement["first_mtu"], statement["first_mtu"] + statement["count"]):
                agreement = _newest(mine, mtu, "agreement")
                tariff = None if agreement is None else _newest(tariffs[agreement["tariff"]], mtu, "tariff")
                if agreement is not None and tariff is not None:
                    found[agreement["agreement"], agreement["version"], 1] = agreement
                    found[tariff["tariff"], tariff["version"], 0] = tariff
        return [found[key] for key in sorted(found)]


def _newest(versions: Iterable[Payload], mtu: int, name: str) -> Payload | None:
    valid = [item for item in versions if item["valid_from_mtu"] <= mtu]
    return max(valid, key=lambda item: (item["valid_from_mtu"], item["version"], item[name]), default=None)


def read_openings(connection: Connection, *, through: int) -> Openings:
    """Read everything up to an entry; erased payloads are left out."""
    found = Openings()
    for entry in walk(connection, through=through, kinds=_REGISTRY_KINDS):
        _add_registry(found, entry.kind, entry.content())
    for entry in walk(connection, through=through, kinds=[OrderAccepted, OrderCancelled]):
        _add_order(found, entry)
    _add_markets(found, connection, through)
    for entry in walk(connection, through=through, kinds=[MtuCleared]):
        found.results.append(_shown_result(found, entry.content()))
    found.results.sort(key=lambda result: (result.mtu, result.market))
    _add_readings(found, connection, through)
    found.settlements = [_shown_settlement(*pair) for pair in signed_proposals(connection, through)]
    return found


def _add_registry(found: Openings, kind: str, payload: Payload) -> None:
    if kind == ParticipantRegistered.KIND:
        found.parties[payload["account"]] = payload
    elif kind == MeterRegistered.KIND:
        found.meters.append(payload)
    elif kind == KeyRegistered.KIND:
        found.keys[payload["order_key"]] = payload
    else:
        name = "agreement" if kind == AgreementSigned.KIND else "tariff"
        found.terms[name, payload[name], payload["version"]] = payload


def _add_order(found: Openings, entry: Entry) -> None:
    payload = entry.content()
    if entry.kind == OrderAccepted.KIND:
        found.account_of[payload["tag"]] = payload["order"]["account"]
    account = found.account_of.get(payload["tag"])
    if account is not None:
        found.orders.setdefault(account, []).append(entry)


def _add_markets(found: Openings, connection: Connection, through: int) -> None:
    areas: dict[str, str] = {}
    for entry in walk(connection, through=through, kinds=[AreaDefined, MarketDefined]):
        payload = entry.content()
        if entry.kind == AreaDefined.KIND:
            found.grid_models[payload["area"]] = payload["grid_model"]
        else:
            areas[payload["market"]] = payload["area"]
            found.lots_wh[payload["market"]] = payload["lot_wh"]
    events = chain_events(connection, through=through, wanted={("Market", "ProgramRecorded")})
    recorded = {(event.args["market"], int(event.args["program"])) for event in events}
    validated: dict[tuple[str, int], Payload] = {}
    for entry in walk(connection, through=through, kinds=[ProgramValidated, ProgramSigned]):
        payload = entry.content()
        key = (payload["market"], payload["program"])
        if entry.kind == ProgramValidated.KIND:
            validated[key] = payload
        elif key in validated and (to_hex(text_id(key[0])), key[1]) in recorded:
            area = areas[key[0]]
            points = [str(point["code"]) for point in found.grid_models[area]["points"]]
            found.programs.append(_recorded_program(area, points, validated[key], payload))


def _recorded_program(area: str, points: Sequence[str], program: Payload, signed: Payload) -> ProgramContent:
    """`points` in the order of the area's grid model."""
    envelopes: dict[str, list[Payload]] = {point: [] for point in points}
    for envelope in program["envelopes"]:
        envelopes[envelope["point"]].append(envelope)
    names = ("market", "program", "first_mtu", "count", "results_root", "deadline", "report")
    shown = {
        **{name: program[name] for name in names},
        "dso": signed["dso"],
        "signature": signed["signature"],
        "schedule_hashes": [to_hex(schedule_hash(program["schedules"][point])) for point in points],
        "envelope_hashes": [to_hex(hash_json(envelopes[point])) for point in points],
    }
    return ProgramContent(area=area, shown=shown, envelopes=envelopes, schedules=program["schedules"])


def _shown_result(found: Openings, payload: Payload) -> ShownResult:
    row = {name: payload[name] for name in ("market", "mtu", "price_neur_per_wh", "words", "rules")}
    tags = ("0x" + word[2:34] for word in payload["words"])
    return ShownResult(
        payload["mtu"],
        payload["market"],
        line=canonical_json({**row, "lot_wh": found.lots_wh[payload["market"]]}),
        accounts=frozenset(found.account_of[tag] for tag in tags if tag in found.account_of),
    )


def _shown_settlement(proposal: Payload, signed: Payload) -> ShownSettlement:
    items = sorted(proposal["statements"], key=lambda item: str(item["account"]))
    leaves = [
        statement_leaf(
            account=from_hex(item["account"]),
            period=proposal["period"],
            revision=proposal["revision"],
            hashed=statement_hash(salt=from_hex(item["salt"]), statement=item["statement"]),
        )
        for item in items
    ]
    proofs = merkle_proofs(leaves, range(len(leaves)))
    words = [int(word, 16) for word in proposal["words"]]
    pages: dict[str, list[str]] = {}
    for page in pages_of(words):
        texts = [f"0x{word:064x}" for word in page]
        pages |= {to_hex(unpack_settlement_word(word)[0]): texts for word in page}
    names = ("words_hash", "clearing_root", "readings_root", "statements_root", "tariff_hash", "rules")
    return ShownSettlement(
        shown={
            **{name: proposal[name] for name in names},
            "signatures": [item["signature"] for item in signed["signatures"]],
            "page_hashes": [to_hex(item) for item in page_hashes(words)],
        },
        statements={item["account"]: item for item in items},
        proofs={item["account"]: list(map(to_hex, proof)) for item, proof in zip(items, proofs, strict=True)},
        pages=pages,
    )


def _add_readings(found: Openings, connection: Connection, through: int) -> None:
    known: dict[tuple[str, int, int, str], tuple[list[Payload], Payload]] = {}
    for entry in walk(connection, through=through, kinds=[ReadingAttested]):
        payload = entry.content()
        for item in payload["attestations"]:
            known[payload["area"], item["mtu"], item["revision"], item["root"]] = item["readings"], payload["rules"]
        found.messages += [(_meter_of(jws), jws) for jws in payload["messages"]]
    for line in attested_lines(connection, through):
        attested = known.get((line["area"], line["mtu"], line.get("revision", 0), line.get("root", "")))
        if attested is None:
            continue  # unread, or erased
        readings, rules = attested
        leaves = [Reading.from_json(reading).hash() for reading in readings]
        header = {name: item for name, item in line.items() if name != "mtu"} | {"rules": rules}
        proofs = merkle_proofs(leaves, range(len(leaves)))
        found.attestations.append(AttestedLeaves(header=header, readings=readings, proofs=proofs))


def _meter_of(jws: str) -> str:
    """The meter code in a message's payload; it was verified before it was recorded."""
    part = jws.split(".")[1]
    return str(json.loads(base64.urlsafe_b64decode(part + "=" * (-len(part) % 4)))["meter"])
