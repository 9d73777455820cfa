"""One MQTT session: QoS 1 both ways, acknowledged only when the caller says so, connecting again by itself."""

from __future__ import annotations

import ssl
import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from time import monotonic
from typing import Any

import structlog
from paho.mqtt.client import Client, MQTTMessage
from paho.mqtt.enums import CallbackAPIVersion

from domain.errors import DominoesError

KEEPALIVE_S = 30
"""Seconds between pings; the broker drops a silent client after one and a half times this."""

RECONNECT_S_MAX = 5
"""Longest pause between attempts to connect again."""

STEADY_S = 15
"""A connection that lasts as long stands: the next one that ends is tried again at once."""

CONTESTED_ENDS = 3
"""So many connections in a row that the broker ended at once: another process has this client id, and each takes the
session from the other. Once a second of both would keep either from ever working."""

CONTESTED_S_MAX = 300
"""Longest pause of one that gives way: whoever holds the id works meanwhile, and a mended set-up is found soon."""

QOS = 1
"""At least once, both ways: duplicates are recognised, losses would need asking again."""

_log = structlog.get_logger(__name__)


class BrokerAway(DominoesError):
    """The broker did not accept a connection in time."""

    code = "broker-away"
    status = 503
    retryable = True

    def __init__(self, *, host: str, port: int) -> None:
        self.host, self.port = host, port
        super().__init__(f"no MQTT broker answers at {host}:{port}; start it or correct the address")


@dataclass(frozen=True, slots=True)
class BrokerAddress:
    """Where the broker is. With `ca`, TLS 1.2 or later; with `certificate` and `key`, a client certificate."""

    host: str
    port: int
    ca: Path | None = None
    certificate: Path | None = None
    key: Path | None = None


@dataclass(frozen=True, slots=True)
class Incoming:
    """A message that came in and is not acknowledged yet. `generation` tells the connection it came over."""

    topic: str
    payload: bytes
    mid: int
    generation: int


class MqttSession:
    """A named, persistent session. `on_message` runs on the network thread and must be quick."""

    def __init__(
        self,
        *,
        address: BrokerAddress,
        client_id: str,
        subscriptions: Sequence[str],
        on_message: Callable[[Incoming], None],
        on_connected: Callable[[], None] | None = None,
    ) -> None:
        self.address, self.client_id = address, client_id
        self.connected = threading.Event()
        self.generation = 0
        self.short_ends = 0
        """connections in a row that ended as soon as they stood"""
        self._stands_since: float | None = None
        self._subscriptions = tuple(subscriptions)
        self._on_message = on_message
        self._on_connected = on_connected
        client = Client(
            CallbackAPIVersion.VERSION2, client_id=client_id, clean_session=False, manual_ack=True, userdata=None
        )
        client.max_queued_messages_set(0)
        client.max_inflight_messages_set(1000)
        client.reconnect_delay_set(min_delay=1, max_delay=RECONNECT_S_MAX)
        client.on_connect = self._connected
        client.on_disconnect = self._disconnected
        client.on_subscribe = self._subscribed
        client.on_message = self._received
        if address.ca is not None:
            context = ssl.create_default_context(cafile=str(address.ca))
            context.minimum_version = ssl.TLSVersion.TLSv1_2
            if address.certificate is not None and address.key is not None:
                context.load_cert_chain(certfile=str(address.certificate), keyfile=str(address.key))
            client.tls_set_context(context)
        self._client = client

    def start(self, *, timeout_s: float | None = 10.0) -> None:
        """Connect in the background; wait until subscribed unless `timeout_s` is None. Raises BrokerAway."""
        self._client.connect_async(self.address.host, self.address.port, keepalive=KEEPALIVE_S)
        self._client.loop_start()
        if timeout_s is not None and not self.connected.wait(timeout_s):
            self.stop()
            raise BrokerAway(host=self.address.host, port=self.address.port)

    def stop(self) -> None:
        """Disconnect; the session stays at the broker."""
        self._client.disconnect()
        self._client.loop_stop()
        self.connected.clear()

    def publish(self, topic: str, payload: bytes) -> bool:
        """Send a message; False, and nothing is queued, while there is no connection.

        Who publishes keeps what must not be lost and sends it again after the next connect: a queue here would only
        grow with every repeat while the broker is away.
        """
        if not self.connected.is_set():
            return False
        self._client.publish(topic, payload, qos=QOS)
        return True

    def acknowledge(self, message: Incoming) -> None:
        """Tell the broker to forget a message; nothing where the connection it came over is gone."""
        if message.generation == self.generation and message.mid:
            self._client.ack(message.mid, QOS)

    def _connected(self, client: Client, userdata: Any, flags: Any, reason: Any, properties: Any) -> None:
        if reason.is_failure:
            return
        self.generation += 1
        self._stands_since = monotonic()
        if self._subscriptions:
            client.subscribe([(topic, QOS) for topic in self._subscriptions])
        else:
            self._ready()

    def _subscribed(self, client: Client, userdata: Any, mid: int, reasons: Any, properties: Any) -> None:
        self._ready()

    def _ready(self) -> None:
        self.connected.set()
        if self._on_connected is not None:
            self._on_connected()

    @property
    def contested(self) -> bool:
        """Whether another process seems to use this client id."""
        return self.short_ends >= CONTESTED_ENDS

    def _disconnected(self, client: Client, userdata: Any, flags: Any, reason: Any, properties: Any) -> None:
        self.connected.clear()
        since, self._stands_since = self._stands_since, None
        if since is None or not reason.is_failure:  # never stood, or ended by us
            return
        if monotonic() - since >= STEADY_S:
            self.short_ends = 0
            client.reconnect_delay_set(min_delay=1, max_delay=RECONNECT_S_MAX)
            return
        self.short_ends += 1
        if self.contested:
            pause_s = min(2**self.short_ends, CONTESTED_S_MAX)
            client.reconnect_delay_set(min_delay=pause_s, max_delay=CONTESTED_S_MAX)
            _log.error("mqtt.client_id_taken", client_id=self.client_id, ends=self.short_ends, pause_s=pause_s)

    def _received(self, client: Client, userdata: Any, message: MQTTMessage) -> None:
        mid = message.mid if message.qos else 0
        self._on_message(
            Incoming(topic=message.topic, payload=bytes(message.payload), mid=mid, generation=self.generation)
        )
