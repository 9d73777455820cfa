"""Meters as clients: what others send them, and what they do while the broker is away."""

from __future__ import annotations

import sqlite3
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import orjson
import pytest
from nacl.signing import SigningKey as MeterKeyPair

from domain.eip712 import Domain
from domain.hashing import text_id
from domain.metering_area import AttesterEntry
from domain.signing import SigningKey
from oracle.meters.fleet import Measurement, MeterFleet, ReceiptTrust
from oracle.meters.log import LoggedMessage, MeterLog, MeterPosition
from oracle.mqtt import BrokerAddress, Incoming
from oracle.reading_receipts import write_receipts

pytestmark = pytest.mark.unit

DOMAIN = Domain(chain_id=1, verifying_contract=b"\x11" * 20)
ATTESTERS = {name: SigningKey(text_id(name)) for name in ("A0", "A1")}


class FakeSession:
    """Stands for a broker session: remembers what was published and acknowledged."""

    def __init__(self) -> None:
        self.is_there = True
        self.published: list[bytes] = []
        self.acknowledged: list[Incoming] = []

    def publish(self, topic: str, payload: bytes) -> bool:
        if self.is_there:
            self.published.append(payload)
        return self.is_there

    def acknowledge(self, message: Incoming) -> None:
        self.acknowledged.append(message)

    def start(self, *, timeout_s: float | None = None) -> None: ...

    def stop(self) -> None: ...


class Meters:
    """A fleet of meters over a fake session."""

    def __init__(self, folder: Path, *, meters: int = 1) -> None:
        self.log = MeterLog(folder / "meters.sqlite")
        trust = ReceiptTrust(
            attesters=tuple(
                AttesterEntry(name=name, address=key.address, organisation=name) for name, key in ATTESTERS.items()
            ),
            threshold=2,
            domain=DOMAIN,
        )
        self.session = FakeSession()
        self.fleet = MeterFleet(
            area="T",
            log=self.log,
            trust=trust,
            shared=BrokerAddress("127.0.0.1", 1),
            readings_per_message=1,
            republish_s=0.02,
        )
        self.fleet._shared = self.session  # type: ignore[assignment]
        self.fleet._sessions = [self.session]  # type: ignore[list-item]
        for number in range(meters):
            self.fleet.add(meter_code=f"M{number}", key=MeterKeyPair(text_id(str(number))))

    def send(self, topic: str, payload: bytes) -> None:
        """Let a message come in and wait until it is acknowledged."""
        message = Incoming(topic=f"lem/v1/T/meter/{topic}", payload=payload, mid=1, generation=1)
        before = len(self.session.acknowledged)
        self.fleet._queue.put((self.session, message))  # type: ignore[arg-type]
        end = time.monotonic() + 5
        while len(self.session.acknowledged) == before and time.monotonic() < end:
            time.sleep(0.005)
        assert len(self.session.acknowledged) == before + 1


@pytest.fixture
def meters(tmp_path: Path) -> Iterator[Meters]:
    """One meter, serving."""
    made = Meters(tmp_path)
    made.fleet.start()
    yield made
    made.fleet.stop()


@pytest.mark.parametrize(
    "payload",
    [
        b'{"from_sequence":18446744073709551615,"to_sequence":1}',
        b'{"from_sequence":-1,"to_sequence":1}',
        b'{"from_sequence":1e999,"to_sequence":1}',
        b"[" * 100_000,
        b"\xff",
    ],
)
@pytest.mark.parametrize("kind", ["request", "receipt"])
def test_fleet__unusable_message__is_acknowledged_and_the_next_one_served(
    meters: Meters, payload: bytes, kind: str
) -> None:
    meters.fleet.record([Measurement("M0", 1, 1, 0)])
    meters.send(f"M0/{kind}/A0", payload)
    before = len(meters.session.published)

    meters.send("M0/request/A0", b'{"from_sequence":1,"to_sequence":4294967295}')

    assert len(meters.session.published) > before


def test_fleet__receipts_of_two_organisations__forget_exactly_what_they_name(meters: Meters) -> None:
    meters.fleet.record([Measurement("M0", mtu, mtu, 0) for mtu in (1, 2, 3)])
    kept = {message.first_sequence: message.message_hash for message in meters.log.kept()}
    other = text_id("a message of another meter")

    for name, key in ATTESTERS.items():
        receipts = write_receipts([("M0", kept[1]), ("M9", other), ("M0", kept[3])], key=key, domain=DOMAIN)
        meters.send(f"M0/receipt/{name}", receipts["M0"])

    assert [message.first_sequence for message in meters.log.kept()] == [2]
    assert meters.fleet.receipts_refused == 0


def test_fleet__receipt_signed_by_another_or_for_another_root__forgets_nothing(meters: Meters) -> None:
    meters.fleet.record([Measurement("M0", 1, 1, 0)])
    digest = meters.log.kept()[0].message_hash
    forged = write_receipts([("M0", digest)], key=SigningKey(text_id("stranger")), domain=DOMAIN)["M0"]
    elsewhere = orjson.loads(
        write_receipts([("M0", text_id("x")), ("M0", text_id("y"))], key=ATTESTERS["A1"], domain=DOMAIN)["M0"]
    )
    elsewhere["messages"] = {"0x" + digest.hex(): next(iter(elsewhere["messages"].values()))}

    meters.send("M0/receipt/A0", forged)
    meters.send("M0/receipt/A1", orjson.dumps(elsewhere))

    assert meters.fleet.waiting() == 1
    assert meters.fleet.receipts_refused == 2


def test_fleet__broker_away__publishes_nothing_and_all_once_it_is_back(meters: Meters) -> None:
    meters.session.is_there = False
    meters.fleet.record([Measurement("M0", mtu, mtu, 0) for mtu in range(1, 11)])
    time.sleep(0.2)
    while_away = len(meters.session.published)

    meters.session.is_there = True
    meters.fleet._queue.put("connected")
    end = time.monotonic() + 5
    while len(set(meters.session.published)) < 10 and time.monotonic() < end:
        time.sleep(0.01)

    assert while_away == 0
    assert len(set(meters.session.published)) == 10


def test_fleet__recording_while_it_republishes__both_go_on(tmp_path: Path) -> None:
    meters = Meters(tmp_path, meters=40)
    meters.fleet.start()
    failed: list[BaseException] = []
    threading.excepthook, before = (lambda hook: failed.append(hook.exc_value or Exception())), threading.excepthook
    try:
        for mtu in range(1, 30):
            meters.fleet.record([Measurement(f"M{number}", mtu, mtu, 0) for number in range(40)])
    finally:
        threading.excepthook = before
        meters.fleet.stop()

    assert failed == []
    assert meters.fleet.waiting() == 29 * 40


def test_log__fault_within_a_transaction__is_undone_and_the_next_one_works(tmp_path: Path) -> None:
    log = MeterLog(tmp_path / "meters.sqlite")
    log.add([LoggedMessage("M", 1, 1, b"h", b"j")], {"M": MeterPosition(1, 1, 1, 1)})

    with pytest.raises(sqlite3.Error):
        log.note_receipts([(b"h", object())], threshold=2)  # type: ignore[list-item]

    assert log.note_receipts([(b"h", "one"), (b"h", "two")], threshold=2) == 1
    assert log.kept_count() == 0
    log.close()
