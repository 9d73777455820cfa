"""A small settled day: three households, a retailer, DSO and tax account, four MTUs, real signatures, no chain.

MTU 1000 trades between households, 1001 trades under an export cap with the retailer's help, 1002 is void, 1003 has no
readings in time. Facts are written as the stages write them; the chain's events are played with the contracts' roots.
"""

from __future__ import annotations

import json
import sys
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from clearing.auction import clear
from clearing.book import Book
from domain.eip712 import KEY_REGISTRATION, PROGRAM, Domain
from domain.facts import FACTS, ProgramValidated, SettlementProposed
from domain.facts.settlement import ProposedRevision, settlement_values
from domain.hashing import ZERO_HASH, from_hex, hash_json, keccak, text_id, to_hex
from domain.members import noun_json
from domain.merkle import places_root
from domain.orders import Order, envelopes_hash, schedule_hash, tag_of
from domain.parties import Meter, Participant, ParticipantKind
from domain.programs import program_values
from domain.readings import Attestation, Quality, Reading, chain_readings_root, in_leaf_order
from domain.roles import ChainRole
from domain.sessions import DoneSession, chain_clearing_root
from domain.signed_terms import UNSIGNED, signed_by
from domain.signing import SigningKey
from domain.words import Side, book_hash, mask_word, result_hash, words_hash
from ledger_service.record import Record, Transaction
from ledger_service.registry import views as registry_views
from ledger_service.settlement.gather import terms_of
from settling.package import Package
from settling.verification import verify_package
from tests.journal import append_fact, fact_of
from tests.terms import Makers, signed_agreement
from tests.unit.settlement.desk import Desk, FakeChain, FakeService

AREA, MARKET, PERIOD, FIRST, COUNT, LOT_WH = "test/1", "test/1/DA", 1, 1000, 4, 100
SESSION = 1_000 * 900 - 7_200
"""The session's gate, before the first MTU."""

TRADED, EMPTIED = 0b0011, 0b0100
"""The first two MTUs trade, the third is given up, the fourth has no orders."""

MARKET_DOMAIN = Domain(chain_id=31337, verifying_contract=b"\x11" * 20)
READINGS_DOMAIN = Domain(chain_id=31337, verifying_contract=b"\x22" * 20)
SETTLEMENT_DOMAIN = Domain(chain_id=31337, verifying_contract=b"\x33" * 20)
ENDED = (FIRST + COUNT) * 900
HORIZON_SECONDS = 86_400

TARIFF = {
    "tariff": "standard",
    "imbalance_surplus_neur_per_wh": 60_000,
    "excess_neur_per_wh": 500_000,
    "compensation_neur_per_wh": 40_000,
}
"""What of the tariff is not as in `tests.terms`."""


GRID_MODEL = {"name": "small grid", "points": [{"code": f"point{n}"} for n in (1, 2, 3)]}
SCHEDULES = {"point1": [0] * COUNT, "point2": [-600, -700, 0, 0], "point3": [0] * COUNT}
ENVELOPES = [{"point": "point2", "mtu": 1001, "import_cap_wh": None, "export_cap_wh": 300}]


def key(name: str) -> SigningKey:
    return SigningKey(keccak(name.encode()))


@dataclass
class Scene:
    """The record under construction, and what the chain would hold."""

    record: Record
    clearing_root: bytes = ZERO_HASH
    books_root: bytes = ZERO_HASH
    readings_root: bytes = ZERO_HASH
    block: int = 10
    attested: dict[int, int] = field(default_factory=dict)

    def append(self, tx: Transaction, kind: str, payload: dict[str, Any]) -> Any:
        entry = append_fact(tx, kind, payload)
        if FACTS[kind] in registry_views.REGISTRY_FACTS:
            registry_views.fold(tx.connection, entry)
        return entry

    def include(self, key: str, events: list[tuple[str, str, dict[str, Any]]]) -> None:
        self.block += 1
        listed = [{"contract": contract, "event": event, "args": args} for contract, event, args in events]
        payload = {"key": key, "block": self.block, "events": listed}
        with self.record.begin() as tx:
            append_fact(tx, "chain.included", payload)

    def recorded(self, validated: dict[str, Any]) -> None:
        program = {"resultsRoot": validated["results_root"], "gridModelHash": validated["grid_model_hash"]}
        program |= {"reportHash": validated["report_hash"], "deadline": validated["deadline"]}
        program |= {"tradedMask": TRADED, "emptiedMask": EMPTIED}
        args = {"market": to_hex(text_id(MARKET)), "session": SESSION, "program": program, **dso_signature(validated)}
        self.include("recordProgram:1", [("Market", "ProgramRecorded", args)])

    def opened(self) -> None:
        args = {"market": to_hex(text_id(MARKET)), "session": SESSION, "period": PERIOD}
        self.include("openSession:1", [("Market", "SessionOpened", {**args, "firstMtu": FIRST, "count": COUNT})])

    def closed(self, books_root: bytes) -> None:
        self.books_root = books_root
        args = {"market": to_hex(text_id(MARKET)), "session": SESSION, "booksRoot": to_hex(books_root)}
        self.include("closeSession:1", [("Market", "SessionClosed", args)])

    def done(self, results_root: bytes) -> None:
        ended = DoneSession(
            market_id=text_id(MARKET),
            session=SESSION,
            books_root=self.books_root,
            results_root=results_root,
            traded_mask=TRADED,
            emptied_mask=EMPTIED,
            cleared_mask=TRADED,
        )
        self.clearing_root = chain_clearing_root(self.clearing_root, ended)
        args = {"market": to_hex(text_id(MARKET)), "session": SESSION, "clearedMask": TRADED}
        self.include("clear:last", [("Market", "SessionDone", {**args, "clearingRoot": to_hex(self.clearing_root)})])

    def ended(self) -> None:
        """The chain takes back what it recorded and cleared, and ends the session without any of it."""
        for key in ("recordProgram:1", "clear:last"):
            with self.record.begin() as tx:
                append_fact(tx, "chain.failed", {"key": key, "reason": "reverted"})
        over = DoneSession(
            market_id=text_id(MARKET),
            session=SESSION,
            books_root=self.books_root,
            results_root=ZERO_HASH,
            traded_mask=0,
            emptied_mask=0,
            cleared_mask=0,
        )
        self.clearing_root = chain_clearing_root(ZERO_HASH, over)
        args = {"market": to_hex(text_id(MARKET)), "session": SESSION, "clearedMask": 0}
        self.include("endSession:1", [("Market", "SessionDone", {**args, "clearingRoot": to_hex(self.clearing_root)})])

    def unread(self, mtu: int) -> None:
        empty = Attestation(text_id(AREA), mtu, 0, ZERO_HASH, 0, 0, 0)
        self.readings_root = chain_readings_root(self.readings_root, empty)
        self.attested[mtu] = 1
        args = {"area": to_hex(text_id(AREA)), "mtu": mtu, "readingsRoot": to_hex(self.readings_root)}
        self.include(f"unread:{mtu}", [("Readings", "ReadingsUnread", args)])

    def attest(self, mtu: int, energies: dict[str, tuple[int, int]]) -> None:
        revision = self.attested.get(mtu, 0)
        self.attested[mtu] = revision + 1
        readings = in_leaf_order([reading(meter, mtu, *wh) for meter, wh in energies.items()])
        attestation = Attestation.of(area=text_id(AREA), mtu=mtu, revision=revision, readings=readings)
        digest = attestation.digest(READINGS_DOMAIN)
        signatures = [to_hex(key(f"attester{n}").sign(digest)) for n in (1, 2)]
        fact = {
            "mtu": mtu,
            "revision": revision,
            "root": to_hex(attestation.root),
            "count": attestation.count,
            "import_wh": attestation.import_wh,
            "export_wh": attestation.export_wh,
            "signatures": signatures,
            "readings": [item.as_json() for item in readings],
        }
        with self.record.begin() as tx:
            append_fact(tx, "reading.attested", {"area": AREA, "period": PERIOD, "attestations": [fact]})
        self.readings_root = chain_readings_root(self.readings_root, attestation)
        args = {
            "area": to_hex(text_id(AREA)),
            "mtu": mtu,
            "revision": revision,
            "root": to_hex(attestation.root),
            "count": attestation.count,
            "importWh": attestation.import_wh,
            "exportWh": attestation.export_wh,
            "readingsRoot": to_hex(self.readings_root),
            "signatures": signatures,
        }
        self.include(f"attest:{mtu}:{revision}", [("Readings", "ReadingsAttested", args)])

    def settled(self, proposal: ProposedRevision) -> None:
        values = settlement_values(proposal).items()
        args = {name: to_hex(value) if isinstance(value, bytes) else value for name, value in values}
        self.include(settle_key(proposal), [("Settlement", "PeriodSettled", args)])

    def anchor(self) -> None:
        head = self.record.head()
        args = {"sequence": head.sequence, "head": to_hex(head.hash), "previousHead": to_hex(ZERO_HASH)}
        self.include(f"anchor:{head.sequence}", [("Anchors", "HeadAnchored", args)])


def settle_key(proposal: ProposedRevision) -> str:
    """Key of a transaction of somebody else that settled a proposal."""
    return f"settle:{AREA}:{PERIOD}:{proposal.revision}:{proposal.statements_root[:8].hex()}:0"


def reading(meter: str, mtu: int, import_wh: int, export_wh: int) -> Reading:
    return Reading(
        meter_code=meter,
        mtu=mtu,
        import_register_wh=10_000 + import_wh,
        export_register_wh=20_000 + export_wh,
        import_wh=import_wh,
        export_wh=export_wh,
        sequence=mtu - FIRST + 2,
        quality=Quality.MEASURED,
        nonce=keccak(f"{meter}{mtu}".encode()),
    )


def _register(scene: Scene) -> None:
    attesters = [
        {"name": f"attester{n}", "address": to_hex(key(f"attester{n}").address), "organisation": f"org{n}"}
        for n in (1, 2, 3)
    ]
    with scene.record.begin() as tx:
        area = {"area": AREA, "zone": "Europe/Berlin", "attest_seconds": 3600, "horizon_seconds": HORIZON_SECONDS}
        area |= {"challenge_seconds": 600, "grid_model": GRID_MODEL, "grid_model_hash": to_hex(hash_json(GRID_MODEL))}
        scene.append(tx, "area.defined", {**area, "attesters": attesters, "threshold": 2})
        market = {"market": MARKET, "area": AREA, "lot_wh": LOT_WH, "tick_neur_per_wh": 1000}
        market |= {"min_limit_neur_per_wh": -500_000, "max_limit_neur_per_wh": 500_000, "grace_seconds": 60}
        scene.append(
            tx,
            "market.defined",
            {**market, "sign_seconds": 600, "clear_seconds": 900, "gate_local": "12:00", "kind": "auction"},
        )
        scene.append(tx, "tariff.published", priced())
        for name, kind in (("retailer", "retailer"), ("dso", "dso"), ("tax", "tax")):
            scene.append(tx, "participant.registered", _participant(name, kind, None))
        for n in (1, 2, 3):
            name, point = f"house{n}", f"point{n}"
            scene.append(tx, "participant.registered", _participant(name, "household", point))
            scene.append(tx, "agreement.signed", agreed(name, f"agreement{n}"))
            meter = {"meter": f"meter{n}", "point": point, "public_key": "0x" + "00" * 32, "area": AREA}
            scene.append(tx, "meter.registered", signed_meter({**meter, "valid_from_mtu": 0}))
            scene.append(tx, "key.registered", _registration(name, point))
        scene.append(tx, "key.registered", _registration("retailer", None))
        append_fact(tx, "period.declared", {"area": AREA, "period": PERIOD, "first_mtu": FIRST, "count": COUNT})
        opened = {"market": MARKET, "area": AREA, "session": SESSION, "period": PERIOD}
        append_fact(tx, "session.opened", {**opened, "first_mtu": FIRST, "count": COUNT})
    scene.opened()


def held_role(address: str, role: ChainRole, area: str | None) -> bool:
    """Whether a key is that of an organisation, as the chain says."""
    return address == to_hex(key(role.value).address)


def verify(package: Package) -> bytes:
    """What an attester checks of a package by itself."""
    return verify_package(package, market=MARKET_DOMAIN, settlement=SETTLEMENT_DOMAIN, holds_role=held_role)


def priced(**members: Any) -> dict[str, Any]:
    """The retailer's tariff, signed by those who make it."""
    makers = Makers(key("retailer"), key("dso"), key("registrar"))
    return noun_json(makers.tariff(domain=SETTLEMENT_DOMAIN, **{"area": AREA, **TARIFF} | members))


def agreed(name: str, agreement: str, **members: Any) -> dict[str, Any]:
    """A household's agreement with the retailer, signed by both."""
    members = {"agreement": agreement, "tariff": "standard"} | members
    return noun_json(signed_agreement(key(name), key("retailer"), domain=SETTLEMENT_DOMAIN, **members))


def _participant(name: str, kind: str, point: str | None) -> dict[str, Any]:
    account, power_w = to_hex(key(name).address), 20_000
    place = (AREA, account, point, power_w, power_w, 0)
    unsigned = Participant(name, ParticipantKind(kind), *place, UNSIGNED, UNSIGNED)
    keys = {"account": key(name), "dso": key("dso")}
    return noun_json(signed_by(unsigned, keys, domain=SETTLEMENT_DOMAIN))


def signed_meter(payload: dict[str, Any]) -> dict[str, Any]:
    """A meter's registration with the DSO's signature."""
    changed = {"public_key": from_hex(payload["public_key"]), "dso_signature": UNSIGNED}
    unsigned = Meter(**payload | changed)
    return noun_json(signed_by(unsigned, {"dso": key("dso")}, domain=SETTLEMENT_DOMAIN))


def _registration(name: str, point: str | None) -> dict[str, Any]:
    holder, device = key(name), key(f"{name} device")
    values = {
        "account": holder.address,
        "orderKey": device.address,
        "point": ZERO_HASH if point is None else text_id(point),
        "validFromMtu": 0,
    }
    return {
        "account": to_hex(holder.address),
        "order_key": to_hex(device.address),
        "point": point,
        "valid_from_mtu": 0,
        "signature": to_hex(holder.sign(SETTLEMENT_DOMAIN.digest(KEY_REGISTRATION, values))),
    }


def order_fact(name: str, mtu: int, side: Side, limit: int, lots: int, point: str | None) -> dict[str, Any]:
    """An `order.accepted` payload with its real signature."""
    order = Order(
        market=text_id(MARKET),
        session=SESSION,
        mtu=mtu,
        side=side,
        limit_neur_per_wh=limit,
        quantity_lots=lots,
        account=key(name).address,
        order_id=keccak(f"{name}{mtu}{side}".encode())[:16],
        revision=0,
        salt=keccak(f"salt {name}{mtu}{side}".encode()),
    )
    device = key(f"{name} device")
    digest = order.digest(MARKET_DOMAIN)
    return {
        "order": order.as_json(),
        "signature": to_hex(device.sign(digest)),
        "order_key": to_hex(device.address),
        "tag": to_hex(tag_of(digest)),
        "point": point,
        "market_time": FIRST * 900 - 9000,
    }


ORDERS = (
    ("house1", 1000, Side.BID, 200_000, 5, "point1"),
    ("house2", 1000, Side.ASK, 100_000, 5, "point2"),
    ("house1", 1001, Side.BID, 320_000, 6, "point1"),
    ("house2", 1001, Side.ASK, 90_000, 8, "point2"),
    ("retailer", 1001, Side.ASK, 300_000, 50, None),
    ("house3", 1002, Side.BID, 310_000, 2, "point3"),
)
EXPORT_CAP_LOTS = 3


def _trade(scene: Scene) -> None:
    facts = [order_fact(*order) for order in ORDERS]
    by_mtu: dict[int, list[dict[str, Any]]] = {}
    for fact in facts:
        by_mtu.setdefault(fact["order"]["mtu"], []).append(fact)
    results, books = [], []
    for mtu in range(FIRST, FIRST + COUNT):
        results.append(_result(mtu, [] if mtu == 1002 else by_mtu.get(mtu, [])))
        orders = [Order.from_json(fact["order"]) for fact in by_mtu.get(mtu, [])]
        words = sorted(mask_word(order.word(tag=tag_of(order.digest(MARKET_DOMAIN))).pack()) for order in orders)
        tags = sorted(fact["tag"] for fact in by_mtu.get(mtu, []))
        hashed = book_hash(market=text_id(MARKET), session=SESSION, mtu=mtu, words=words)
        books.append({"mtu": mtu, "tags": tags, "chain": to_hex(words_hash(words)), "book_hash": to_hex(hashed)})
    place = {"market": MARKET, "session": SESSION, "first_mtu": FIRST, "count": COUNT}
    books_root = places_root([from_hex(book["book_hash"]) for book in books])
    validated = validated_program({**place, "books_root": to_hex(books_root)}, results)
    with scene.record.begin() as tx:
        for fact in facts:
            append_fact(tx, "order.accepted", fact)
        append_fact(tx, "book.closed", {**place, "books": books})
        append_fact(tx, "program.validated", validated)
        append_fact(tx, "program.signed", {"market": MARKET, "session": SESSION, **dso_signature(validated)})
    scene.closed(books_root)
    scene.recorded(validated)
    for at, result in enumerate(results):
        if TRADED >> at & 1:
            _clear(scene, result)
    scene.done(from_hex(validated["results_root"]))


def validated_program(place: dict[str, Any], results: list[dict[str, Any]]) -> dict[str, Any]:
    """A `program.validated` payload whose hashes hold."""
    rows = b"".join(schedule_hash(SCHEDULES[point["code"]]) for point in GRID_MODEL["points"])
    caps = envelopes_hash([point["code"] for point in GRID_MODEL["points"]], ENVELOPES)
    report = {"envelopes_hash": to_hex(caps), "schedules_hash": to_hex(keccak(rows)), "mtus": []}
    report["earlier_hash"] = to_hex(hash_json([]))
    return {
        **place,
        "results": results,
        "envelopes": ENVELOPES,
        "report": report,
        "report_hash": to_hex(hash_json(report)),
        "grid_model_hash": to_hex(hash_json(GRID_MODEL)),
        "results_root": to_hex(places_root([from_hex(result["result_hash"]) for result in results])),
        "traded_mask": f"0x{TRADED:032x}",
        "emptied_mask": f"0x{EMPTIED:032x}",
        "deadline": FIRST * 900 - 3600,
        "schedules": SCHEDULES,
        "earlier": [],
        "rounds": 2,
    }


def dso_signature(validated: dict[str, Any]) -> dict[str, str]:
    """Who signs a program, and the signature."""
    program = fact_of(ProgramValidated, validated)
    assert isinstance(program, ProgramValidated)
    digest = MARKET_DOMAIN.digest(PROGRAM, program_values(program))
    return {"dso": to_hex(key("grid operator").address), "signature": to_hex(key("grid operator").sign(digest))}


def _result(mtu: int, facts: list[dict[str, Any]]) -> dict[str, Any]:
    orders = [Order.from_json(fact["order"]) for fact in facts]
    book = Book.from_words([order.word(tag=tag_of(order.digest(MARKET_DOMAIN))) for order in orders])
    if mtu == 1001:
        mine = [fact["tag"] for fact in facts if fact["point"] == "point2"]
        caps = [EXPORT_CAP_LOTS if f"0x{book.tag(at):032x}" in mine else 2**24 - 1 for at in range(len(book))]
        book = book.with_caps(np.array(caps, dtype=np.int64))
    cleared = clear(book)
    words = [word.pack() for word in book.words(cleared.accepted_lots)]
    price = cleared.price_neur_per_wh
    place = {"market": text_id(MARKET), "session": SESSION, "mtu": mtu}
    digest = result_hash(**place, price_neur_per_wh=price, words=words)
    return {
        "mtu": mtu,
        "price_neur_per_wh": price,
        "words": [f"0x{word:064x}" for word in words],
        "result_hash": to_hex(digest),
        "given_up": mtu == 1002,
    }


def _clear(scene: Scene, result: dict[str, Any]) -> None:
    fact = {name: result[name] for name in ("mtu", "price_neur_per_wh", "result_hash", "words")}
    with scene.record.begin() as tx:
        append_fact(tx, "mtu.cleared", {**fact, "market": MARKET, "session": SESSION})


METERED = {
    1000: {"meter1": (700, 0), "meter2": (0, 400), "meter3": (150, 0)},
    1001: {"meter1": (500, 0), "meter2": (0, 650), "meter3": (90, 0)},
    1002: {"meter1": (120, 0), "meter2": (0, 210), "meter3": (250, 0)},
}


def attester_signature(proposal: SettlementProposed, n: int) -> bytes:
    """Attester n's signature over a proposal."""
    return key(f"attester{n}").sign(proposal.digest(SETTLEMENT_DOMAIN))


@pytest.fixture
def scene(record_url: str) -> Any:
    """The whole day, resolved on chain and ready to settle."""
    record = Record.open(record_url)
    made = Scene(record)
    _register(made)
    _trade(made)
    for mtu, energies in METERED.items():
        made.attest(mtu, energies)
    made.unread(1003)
    yield made
    record.close()


@pytest.fixture
def tools() -> Any:
    """This module's helpers, for tests that build more facts."""
    return sys.modules[__name__]


@pytest.fixture
def desk(scene: Any, tools: Any, tmp_path: Path) -> Any:
    """An attester that saw the terms a day before and all readings."""
    with scene.record.read() as connection:
        shown = json.loads(terms_of(connection, area=tools.AREA).write())
    made = Desk(scene, tools, FakeService(scene, tools, shown), FakeChain(scene, tools), tmp_path)
    made.attested()
    return made
