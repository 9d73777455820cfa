"""Mosquitto with TLS, client certificates and the access list: who gets in, who may say what, what a crash loses."""

from __future__ import annotations

import datetime as dt
import ssl
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from paho.mqtt.client import Client
from paho.mqtt.enums import CallbackAPIVersion

from ledger_service.chain.ports import free_port
from oracle.brokers.mosquitto import Identity
from oracle.mqtt import Incoming, MqttSession
from tests.authority import Authority
from tests.mosquitto import Mosquitto

pytestmark = [pytest.mark.integration, pytest.mark.host]

NOW = dt.datetime.now(tz=dt.UTC)


class Listener:
    """A plain client: what it hears. It comes back by itself where the broker hangs up on it for a denied topic."""

    def __init__(
        self,
        broker: Mosquitto,
        identity: Identity | None,
        *subscriptions: str,
        ca: Path | None = None,
        client_id: str = "",
    ) -> None:
        self.connected = threading.Event()
        self.ready = threading.Event()
        self.heard: list[tuple[str, bytes]] = []
        self.client = Client(CallbackAPIVersion.VERSION2, client_id=client_id)
        context = ssl.create_default_context(cafile=str(ca or broker.authority.certificate))
        if identity is not None:
            context.load_cert_chain(certfile=str(identity.certificate), keyfile=str(identity.key))
        self.client.tls_set_context(context)

        def connected(client: Client, data: Any, flags: Any, reason: Any, props: Any) -> None:
            if not reason.is_failure:
                self.connected.set()
                if subscriptions:
                    client.subscribe([(topic, 1) for topic in subscriptions])

        self.client.on_connect = connected
        self.client.on_subscribe = lambda client, data, mid, reasons, props: self.ready.set()
        self.client.on_disconnect = lambda client, data, flags, reason, props: self.ready.clear()
        self.client.on_message = lambda client, data, message: self.heard.append((message.topic, message.payload))
        self.client.connect("127.0.0.1", broker.port)
        self.client.loop_start()

    def say(self, topic: str, payload: bytes) -> None:
        """Publish once, and wait for what the broker makes of it."""
        assert self.ready.wait(10)
        self.client.publish(topic, payload, qos=0)
        time.sleep(0.3)
        assert self.ready.wait(10)

    def stop(self) -> None:
        self.client.disconnect()
        self.client.loop_stop()


@pytest.fixture
def broker(tmp_path: Path, wait: Callable[..., None]) -> Iterator[Mosquitto]:
    started = Mosquitto(
        folder=tmp_path / "mosquitto",
        area="TEST/LV1",
        port=free_port(),
        meters=["M000", "M001"],
        attesters=["A0", "A1", "A2"],
    )
    started.start()
    started.wait_until_open()
    yield started
    started.kill()


def test_access__meter_on_foreign_topics__is_heard_by_nobody(broker: Mosquitto, wait: Callable[..., None]) -> None:
    base = "lem/v1/TEST.LV1"
    attester = Listener(broker, broker.authority.client("A0"), f"{base}/meter/+/reading", f"{base}/attest/+/+")
    meter = Listener(broker, broker.authority.client("M000"), "#", f"{base}/meter/M001/receipt/A0")
    assert attester.ready.wait(10) and meter.ready.wait(10)

    for topic in ("meter/M001/reading", "attest/A0/proposal", "meter/M000/receipt/A0", "meter/M000/reading"):
        meter.say(f"{base}/{topic}", b"x")
    for topic in ("meter/M001/reading", "meter/M000/receipt/A1", "attest/A1/proposal", "meter/M000/receipt/A0"):
        attester.say(f"{base}/{topic}", b"y")
    wait(lambda: len(attester.heard) >= 1 and len(meter.heard) >= 1, timeout_s=10)
    time.sleep(0.5)
    attester.stop()
    meter.stop()

    assert attester.heard == [("lem/v1/TEST.LV1/meter/M000/reading", b"x")]
    assert meter.heard == [("lem/v1/TEST.LV1/meter/M000/receipt/A0", b"y")]


def test_access__certificate_of_a_meter_under_the_name_of_an_attester__evicts_nobody(
    broker: Mosquitto, wait: Callable[..., None]
) -> None:
    readings = "lem/v1/TEST.LV1/meter/+/reading"
    heard: list[Incoming] = []
    attester = MqttSession(
        address=broker.address("A0"), client_id="A0", subscriptions=[readings], on_message=heard.append
    )
    attester.start()
    meter = Listener(broker, broker.authority.client("M000"), "lem/v1/TEST.LV1/meter/M000/receipt/+")

    thief = Listener(broker, broker.authority.client("M001"), readings, client_id="A0")
    assert thief.ready.wait(10)
    meter.say("lem/v1/TEST.LV1/meter/M000/reading", b"x")
    wait(lambda: len(heard) == 1, timeout_s=10)

    assert attester.generation == 1
    assert thief.heard == []
    for client in (attester, meter, thief):
        client.stop()


@pytest.mark.parametrize("size", [70_000, 2_000_000])
def test_broker__huge_or_retained_reading__reaches_nobody_later_and_the_next_one_arrives(
    broker: Mosquitto, wait: Callable[..., None], size: int
) -> None:
    topic = "lem/v1/TEST.LV1/meter/M000/reading"
    meter = Listener(broker, broker.authority.client("M000"), "lem/v1/TEST.LV1/meter/M000/receipt/+")
    assert meter.ready.wait(10)
    meter.client.publish(topic, b"r" * size, qos=1, retain=True)
    time.sleep(0.5)
    heard: list[Incoming] = []
    attester = MqttSession(address=broker.address("A0"), client_id="A0", subscriptions=[topic], on_message=heard.append)
    attester.start()

    meter.stop()
    meter = Listener(broker, broker.authority.client("M000"), "lem/v1/TEST.LV1/meter/M000/receipt/+")
    assert meter.ready.wait(10)
    meter.client.publish(topic, b"small", qos=1)
    wait(lambda: any(message.payload == b"small" for message in heard), timeout_s=10)

    assert [len(message.payload) for message in heard] == [5]
    attester.stop()
    meter.stop()


def test_access__no_certificate_or_one_of_another_authority__is_not_let_in(broker: Mosquitto, tmp_path: Path) -> None:
    stranger = Authority(folder=tmp_path / "stranger", name="Other CA", now=NOW).client("M000")
    expired = Authority(folder=tmp_path / "expired", name="Test CA", now=NOW - dt.timedelta(days=2_000)).client("M000")

    for identity in (None, stranger, expired):
        try:
            listener = Listener(broker, identity)
        except (ssl.SSLError, ConnectionError):
            continue
        assert not listener.connected.wait(1.5)
        listener.stop()


def test_access__tls_older_than_1_2__is_not_spoken(broker: Mosquitto) -> None:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.load_verify_locations(str(broker.authority.certificate))
    context.minimum_version = ssl.TLSVersion.TLSv1
    context.maximum_version = ssl.TLSVersion.TLSv1_1
    client = Client(CallbackAPIVersion.VERSION2, client_id="")
    client.tls_set_context(context)

    with pytest.raises((ssl.SSLError, ConnectionError)):
        client.connect("127.0.0.1", broker.port)


def test_attesting__broker_killed_with_readings_on_their_way__all_are_sent_again_and_attested(
    make_community: Callable[..., Any], tmp_path: Path, wait: Callable[..., None]
) -> None:
    community = make_community(meters=3, mtus=4)
    broker = Mosquitto(
        folder=tmp_path / "mosquitto",
        area=community.metering.code,
        port=community.port,
        meters=community.codes,
        attesters=list(community.attester_keys),
    )
    broker.start()
    broker.wait_until_open()
    try:
        community.start_with(broker.address)
        first, last = community.mtus[0], community.mtus[-1]
        community.service.now = community.measured_at()
        community.measure(first - 1, first)
        broker.kill()
        community.measure(first + 1, last)
        broker.start()
        wait(lambda: community.fleet.waiting() == 0, timeout_s=60)
        community.service.now = community.due_at()
        wait(lambda: len(community.service.recorded) == 4, timeout_s=60)
    finally:
        community.stop()
        broker.kill()

    for mtu in community.mtus:
        latest = community.service.recorded[mtu][-1]
        assert [reading.quality.name for reading in latest.readings] == ["MEASURED"] * 3
