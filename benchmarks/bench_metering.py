"""Meter intake against its bound: signed messages through mosquitto to an attester that commits before it acknowledges.

The bound is 1 / (1 / (receive + parse) + 1 / verify), all measured in this run (performance.md, table (d)). Messages
are queued for a session that is away and then drained, so that the publisher takes no time from the reader. One
message carries one reading; the row of batches carries 50 each.
"""

from __future__ import annotations

import json
import shutil
import socket
import subprocess
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import orjson
from nacl.signing import SigningKey as MeterKeyPair

from domain.hashing import text_id
from domain.jws import decode_part, signature_matches, split_compact
from domain.messages import make_message
from domain.metering_area import AttesterEntry, MeteringArea
from domain.mtu import mtu_end
from domain.registers import RegisterReading
from domain.signing import SigningKey
from ledger_service.chain.ports import free_port
from oracle.attester.intake import MeterIntake
from oracle.attester.process import GROUP_MESSAGES_MAX
from oracle.attester.store import Store
from oracle.mqtt import BrokerAddress, Incoming, MqttSession
from tests.attester_store import counts, refusals
from tests.metered import each_at_its_own

MESSAGES = 12_000
"""Messages per measurement."""

ROUNDS = 3
"""Each part is measured this often; the best counts."""

METERS = 100
BATCH = 50
FIRST_MTU = 1_900_000
ATTESTER = SigningKey(text_id("attester"))
KEYS = {f"M{number:03d}": MeterKeyPair(text_id(f"meter {number}")) for number in range(METERS)}
NOW = int(mtu_end(FIRST_MTU + MESSAGES * BATCH))
METERING = MeteringArea(
    code="BENCH",
    zone="Europe/Berlin",
    attesters=(AttesterEntry(name="A0", address=ATTESTER.address, organisation="one"),),
    threshold=1,
    attest_seconds=3_600,
    horizon_seconds=10**10,
    chain_id=1,
    readings_contract=b"\x11" * 20,
    settlement_contract=b"\x22" * 20,
    **each_at_its_own(
        {code: bytes(key.verify_key) for code, key in KEYS.items()},
        area="BENCH",
        valid_from_mtu=FIRST_MTU,
        power_w=10_000,
    ),
    periods=(),
)

Message = tuple[str, bytes]


@contextmanager
def mosquitto(folder: Path) -> Iterator[BrokerAddress]:
    """A plain mosquitto on loopback with unbounded queues."""
    binary = shutil.which("mosquitto", path="/usr/sbin:/usr/local/sbin:/usr/bin:/opt/homebrew/sbin")
    if binary is None:
        raise RuntimeError("install mosquitto to measure meter intake")
    port = free_port()
    settings = [f"listener {port} 127.0.0.1", "allow_anonymous true", "max_queued_messages 0"]
    config = folder / "mosquitto.conf"
    config.write_text("\n".join([*settings, "max_inflight_messages 1000", ""]))
    process = subprocess.Popen([binary, "-c", str(config)], stdout=-3, stderr=-3)
    try:
        for _ in range(200):
            with socket.socket() as probe:
                if probe.connect_ex(("127.0.0.1", port)) == 0:
                    break
            time.sleep(0.02)
        yield BrokerAddress(host="127.0.0.1", port=port)
    finally:
        process.terminate()
        process.wait()


INTAKE_TO_BOUND_MIN = 0.7
"""Least share of what receiving and verifying alone allow."""

BATCHED_TO_SINGLE_MIN = 20.0
"""Least gain, in readings per second, of sending a batch in one message."""


def messages_of(*, readings: int) -> list[Message]:
    """MESSAGES / readings messages (at least one per meter), in order of time."""
    per_meter = max(1, MESSAGES // METERS // (1 if readings == 1 else 4))
    made = []
    for turn in range(per_meter):
        for code, key in KEYS.items():
            items = []
            for at in range(turn * readings, (turn + 1) * readings):
                nonce = at.to_bytes(32, "big")
                items.append(RegisterReading(FIRST_MTU - 1 + at, 10 * at, at, at + 1, nonce))
            made.append((f"lem/v1/BENCH/meter/{code}/reading", make_message(meter_code=code, readings=items, key=key)))
    return made


def _drain(
    address: BrokerAddress, messages: list[Message], take: Callable[[MqttSession, list[Incoming]], None]
) -> float:
    """Seconds from connecting until `take` has dealt with all messages, queued for the session before."""
    arrived: list[Incoming] = []
    ready = threading.Condition()

    def on_message(message: Incoming) -> None:
        with ready:
            arrived.append(message)
            ready.notify()

    def session() -> MqttSession:
        return MqttSession(
            address=address,
            client_id="bench",
            subscriptions=["lem/v1/BENCH/meter/+/reading"],
            on_message=on_message,
        )

    first = session()
    first.start()
    first.stop()
    _fill(address, messages)
    reader, done = session(), 0
    begin = time.perf_counter()
    reader.start()
    while done < len(messages):
        with ready:
            ready.wait_for(lambda: bool(arrived), timeout=30)
            group = arrived[:GROUP_MESSAGES_MAX]
            del arrived[:GROUP_MESSAGES_MAX]
        take(reader, group)
        done += len(group)
    elapsed = time.perf_counter() - begin
    time.sleep(0.2)
    reader.stop()
    return elapsed


def _fill(address: BrokerAddress, messages: list[Message]) -> None:
    publisher = MqttSession(address=address, client_id="meters", subscriptions=[], on_message=lambda message: None)
    publisher.start()
    for topic, payload in messages:
        publisher.publish(topic, payload)
    publisher._client.publish("done", b"", qos=1).wait_for_publish(60)
    publisher.stop()


def _receive_and_parse(session: MqttSession, group: list[Incoming]) -> None:
    for message in group:
        orjson.loads(decode_part(split_compact(message.payload)[1]))
        session.acknowledge(message)


def _verify_rate(messages: list[Message]) -> float:
    cases = []
    for topic, jws in messages[:4_000]:
        signed, signature = jws.rsplit(b".", 1)
        key = bytes(KEYS[topic.split("/")[-2]].verify_key)
        cases.append((signed, decode_part(signature), key))
    begin = time.perf_counter()
    for signed, signature, key in cases:
        if not signature_matches(signed=signed, signature=signature, public_key=key):
            raise RuntimeError("a genuine signature was refused")
    return len(cases) / (time.perf_counter() - begin)


def _intake_seconds(address: BrokerAddress, messages: list[Message], folder: Path) -> float:
    """The best of ROUNDS, as for the parts of the bound: what else the machine does is nobody's cost."""
    return min(_intake_once(address, messages, folder / f"{len(messages)}-{at}.sqlite") for at in range(ROUNDS))


def _intake_once(address: BrokerAddress, messages: list[Message], path: Path) -> float:
    store = Store(path)
    intake = MeterIntake(
        name="A0", key=ATTESTER, store=store, area=METERING, market_now=lambda: NOW, refresh=lambda: NOW
    )

    def take(session: MqttSession, group: list[Incoming]) -> None:
        answers, _ = intake.take((message.topic, message.payload) for message in group)
        for message in group:
            session.acknowledge(message)
        for answer in answers:
            session.publish(answer.topic, answer.payload)

    elapsed = _drain(address, messages, take)
    if counts(store)["message"] != len(messages) or refusals(store):
        raise RuntimeError("the attester did not store every message")
    store.close()
    return elapsed


def run() -> dict[str, Any]:
    """Messages per second of the bound's parts and of the attester, and their ratio."""
    single, batched = messages_of(readings=1), messages_of(readings=BATCH)
    with tempfile.TemporaryDirectory() as name, mosquitto(Path(name)) as address:
        folder = Path(name)
        receive_s = min(_drain(address, single, _receive_and_parse) for _ in range(ROUNDS))
        verify_per_s = max(_verify_rate(single) for _ in range(ROUNDS))
        intake_s = _intake_seconds(address, single, folder)
        batched_s = _intake_seconds(address, batched, folder)
    receive_per_s = len(single) / receive_s
    bound_per_s = 1 / (1 / receive_per_s + 1 / verify_per_s)
    intake_per_s = len(single) / intake_s
    batched_per_s = len(batched) * BATCH / batched_s
    return {
        "messages": len(single),
        "receive_and_parse_per_s": round(receive_per_s),
        "verify_per_s": round(verify_per_s),
        "bound_per_s": round(bound_per_s),
        "intake_per_s": round(intake_per_s),
        "batched_readings_per_s": round(batched_per_s),
        "ratios": {
            "intake / bound": {"value": round(intake_per_s / bound_per_s, 3), "at_least": INTAKE_TO_BOUND_MIN},
            "readings in batches / single": {
                "value": round(batched_per_s / intake_per_s, 2),
                "at_least": BATCHED_TO_SINGLE_MIN,
            },
        },
    }


if __name__ == "__main__":
    print(json.dumps(run(), indent=2))
