"""Order intake while a set of attestations as large as one body may be (64 MiB) arrives, against its usual pace.

Single orders of SUBMITTERS submitters, as in `bench_intake`; the set is a day of readings of METERS meters with the
messages they came in. It is read, verified and recorded by the service's own path, less HTTP. The 99th percentile of
the orders' waits may not rise above CROWDED_TO_USUAL_MAX times what it is without the set. Neither process may take
more than PEAK_MB_MAX, nor the journal more than RECORDED_TO_SENT_MAX times what was sent.
"""

from __future__ import annotations

import asyncio
import itertools
import resource
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any

import orjson
from nacl.signing import SigningKey as MeterKeyPair
from sqlalchemy import func, select

from benchmarks.bench_intake import DOMAIN, NOW, SETTLEMENT, SUBMITTERS, Community
from domain.areas import Area, Attester
from domain.eip712 import Domain
from domain.facts import (
    AreaDefined,
    Fact,
    MeterRegistered,
    ParticipantRegistered,
    PeriodDeclared,
    ReadingAttested,
)
from domain.hashing import hash_json, text_id, to_hex
from domain.members import JsonDocument
from domain.messages import make_message
from domain.mtu import mtu_of
from domain.parties import Meter, Participant, ParticipantKind
from domain.readings import Attestation, Quality, Reading, in_leaf_order
from domain.registers import RegisterReading
from domain.signing import SigningKey
from ledger_service.metering.intake import AttestationIntake
from ledger_service.record import Record, Transaction
from ledger_service.record.tables import journal_entry, journal_payload
from ledger_service.registry.views import fold
from ledger_service.trading import Intake, SignedOrder
from wallet_api.routers.attester import ATTESTATIONS_BODY_BYTES_MAX, read_attestations

NOT_CHECKED = bytes(65)
"""A signature that nobody looks at here."""

METERS = 1_700
"""Meters of the area whose readings arrive."""

MTUS = 96
"""MTUs of the set: a local day."""

AREA = "M"

USUAL_SECONDS = 15.0
"""How long the usual pace is measured, before the set and after it."""

CROWDED_TO_USUAL_MAX = 2.0
"""Most that the 99th percentile may rise."""

PEAK_MB_MAX = 1_000
"""Most memory of the service (with the benchmark's own set and orders), and of the process that verifies."""

RECORDED_TO_SENT_MAX = 1.2
"""Most text of facts for each byte of the set: every message is recorded once."""

READINGS = Domain(chain_id=DOMAIN.chain_id, verifying_contract=b"\x33" * 20)
FIRST_MTU = mtu_of(NOW) - MTUS - 1
ATTESTERS = [SigningKey(text_id(f"attester {number}")) for number in range(2)]


def _meter_key(number: int) -> MeterKeyPair:
    return MeterKeyPair(text_id(f"meter {number}"))


def register_meters(tx: Transaction) -> None:
    """Register the area of the meters, its households and its period, as the registry's facts say it."""
    listed = tuple(Attester(f"a{number}", to_hex(key.address), f"o{number}") for number, key in enumerate(ATTESTERS))
    week = 7 * 86_400
    area = Area(AREA, "Europe/Berlin", week, week, week, JsonDocument({}), hash_json({}), listed, len(ATTESTERS))
    facts: list[Fact] = [AreaDefined(area)]
    for number in range(METERS):
        account, point = to_hex(text_id(f"household {number}")[:20]), f"M{number:04d}-P"
        household = Participant(
            f"m{number}", ParticipantKind.HOUSEHOLD, AREA, account, point, 10**6, 10**6, 0, NOT_CHECKED, None
        )
        public_key = bytes(_meter_key(number).verify_key)
        facts += [
            ParticipantRegistered(household),
            MeterRegistered(Meter(f"M{number:04d}", point, public_key, AREA, 0, NOT_CHECKED)),
        ]
    for fact in facts:
        entry = tx.append(fact)
        fold(tx.connection, entry)
    tx.append(PeriodDeclared(AREA, 1, FIRST_MTU, MTUS))


def body_of_a_day() -> bytes:
    """The request of an attester with a day of readings of all meters."""
    ends = range(FIRST_MTU - 1, FIRST_MTU + MTUS)
    messages = [
        make_message(
            meter_code=f"M{number:04d}", readings=[_register(number, mtu) for mtu in ends], key=_meter_key(number)
        ).decode()
        for number in range(METERS)
    ]
    # Written MTU by MTU: all of them as objects would take some GiB.
    attestations = [orjson.Fragment(orjson.dumps(_attested(mtu))) for mtu in ends[1:]]
    return orjson.dumps({"area": AREA, "period": 1, "attestations": attestations, "messages": messages})


def _register(number: int, mtu: int) -> RegisterReading:
    steps = mtu - FIRST_MTU + 1
    return RegisterReading(mtu, 1_000 + 25 * steps, 10 * steps, steps + 1, text_id(f"nonce {number} {mtu}"))


def _attested(mtu: int) -> dict[str, Any]:
    registers = {number: _register(number, mtu) for number in range(METERS)}
    readings = in_leaf_order(
        [
            Reading(
                f"M{number:04d}",
                mtu,
                item.import_register_wh,
                item.export_register_wh,
                25,
                10,
                item.sequence,
                Quality.MEASURED,
                item.nonce,
            )
            for number, item in registers.items()
        ]
    )
    made = Attestation.of(area=text_id(AREA), mtu=mtu, revision=0, readings=readings)
    digest = made.digest(READINGS)
    signers = sorted(ATTESTERS, key=lambda key: key.address)
    return {
        "mtu": mtu,
        "revision": 0,
        "root": to_hex(made.root),
        "count": made.count,
        "import_wh": made.import_wh,
        "export_wh": made.export_wh,
        "signatures": [to_hex(key.sign(digest)) for key in signers],
        "readings": [reading.as_json() for reading in readings],
    }


async def _waits(intake: Intake, orders: Iterator[SignedOrder], goes_on: Callable[[], bool]) -> list[float]:
    """Seconds that each single order waited, from submitters that go on as long as they are told."""
    waits: list[float] = []

    async def submitter() -> None:
        while goes_on():
            order = next(orders)
            begin = time.perf_counter()
            (outcome,) = await asyncio.wrap_future(intake.submit([order]))
            waits.append(time.perf_counter() - begin)
            if isinstance(outcome, Exception):
                raise outcome

    await asyncio.gather(*(submitter() for _ in range(SUBMITTERS)))
    return waits


def _peak_mb(whose: int) -> int:
    return round(resource.getrusage(whose).ru_maxrss / 1024)


def _p99(waits: list[float]) -> float:
    return sorted(waits)[len(waits) * 99 // 100]


def _usual(intake: Intake, orders: Iterator[SignedOrder]) -> list[float]:
    end = time.perf_counter() + USUAL_SECONDS
    return asyncio.run(_waits(intake, orders, lambda: time.perf_counter() < end))


def _crowded(intake: Intake, orders: Iterator[SignedOrder], accept: Callable[[], object]) -> tuple[list[float], float]:
    """The waits while the set is taken in, and the seconds that took."""
    begin = time.perf_counter()
    failures: list[BaseException] = []

    def take() -> None:
        try:
            accept()
        except BaseException as error:
            failures.append(error)

    taking = threading.Thread(target=take)
    taking.start()
    waits = asyncio.run(_waits(intake, orders, taking.is_alive))
    taking.join()
    if failures:
        raise failures[0]
    return waits, time.perf_counter() - begin


def _recorded_bytes(record: Record) -> int:
    """Text of all facts that hold readings."""
    texts = select(func.sum(func.length(journal_payload.c.payload))).join(
        journal_entry, journal_entry.c.sequence == journal_payload.c.sequence
    )
    with record.read() as connection:
        return int(connection.execute(texts.where(journal_entry.c.kind == ReadingAttested.KIND)).scalar_one())


def run() -> dict[str, Any]:
    """The waits of orders with and without the set, and their ratio with its bound."""
    body = body_of_a_day()
    if not 0.9 * ATTESTATIONS_BODY_BYTES_MAX < len(body) <= ATTESTATIONS_BODY_BYTES_MAX:
        raise RuntimeError(f"the set has {len(body)} bytes; change METERS so that it is as large as a body may be")
    with tempfile.TemporaryDirectory() as folder:
        community = Community(Path(folder))
        with community.record.begin() as tx:
            register_meters(tx)
        attestations = AttestationIntake(community.record, readings=READINGS, settlement=SETTLEMENT)
        community.intake.start()
        intake, orders = community.intake, map(community.order, itertools.count())
        before = _usual(intake, orders)
        read = partial(read_attestations, area=AREA)
        crowded, seconds = _crowded(intake, orders, lambda: attestations.accept(body, read=read, now=NOW))
        after = _usual(intake, orders)
        intake.close()
        attestations.close()
        community.record.verify()
        recorded = _recorded_bytes(community.record)
        community.record.close()
    usual_s, crowded_s = _p99(before + after), _p99(crowded)
    return {
        "name": "crowded_intake",
        "seconds": {
            "p99 of an order, usual": round(usual_s, 4),
            "p99 of an order, while 64 MiB of attestations arrive": round(crowded_s, 4),
            "64 MiB of attestations, beside orders": round(seconds, 1),
        },
        "ratios": {
            "p99 crowded / p99 usual": {"value": round(crowded_s / usual_s, 2), "at_most": CROWDED_TO_USUAL_MAX},
            "peak MB of the service": {"value": _peak_mb(resource.RUSAGE_SELF), "at_most": PEAK_MB_MAX},
            "peak MB of the verifying process": {"value": _peak_mb(resource.RUSAGE_CHILDREN), "at_most": PEAK_MB_MAX},
            "bytes recorded / bytes sent": {
                "value": round(recorded / len(body), 2),
                "at_most": RECORDED_TO_SENT_MAX,
            },
        },
    }


if __name__ == "__main__":
    import json

    print(json.dumps(run(), indent=2))
