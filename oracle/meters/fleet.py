"""Meters as clients: each signs its registers, keeps what it signed until m attesters have it, and answers requests.

One process may be many meters: a `MeterFleet` uses one connection for all of them where the broker allows it, or one
connection with its own certificate for each.
"""

from __future__ import annotations

import logging
import queue
import secrets
import threading
import time
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import orjson
from nacl.signing import SigningKey

from domain.eip712 import Domain
from domain.errors import DominoesError
from domain.hashing import keccak
from domain.messages import READINGS_MAX, make_message
from domain.metering_area import AttesterEntry
from domain.readings import NONCE_BYTES
from domain.registers import RegisterReading
from domain.strictness import whole
from oracle.meters.log import LoggedMessage, MeterLog, MeterPosition
from oracle.mqtt import BrokerAddress, Incoming, MqttSession
from oracle.reading_receipts import BadReceipt, read_receipt
from oracle.topics import Topics, check_code

REPUBLISH_S = 10.0
"""A message without m receipts is published again after this many seconds, and at every new connection."""

ANSWER_MESSAGES_MAX = 50
"""Most messages sent in answer to one request, below what an attester takes of one meter at once; it asks again for
the rest."""

_log = logging.getLogger(__name__)


class RegisterFell(DominoesError):
    """A meter was told registers or an MTU below what it has already signed."""

    code = "register-fell"

    def __init__(self, *, meter_code: str, mtu: int) -> None:
        self.meter_code, self.mtu = meter_code, mtu
        super().__init__(f"meter {meter_code!r} can't sign MTU {mtu}: time and registers only rise; give the next MTU")


@dataclass(frozen=True, slots=True)
class Measurement:
    """Cumulative registers in Wh of a meter at the end of an MTU."""

    meter_code: str
    mtu: int
    import_register_wh: int
    export_register_wh: int


@dataclass(frozen=True)
class ReceiptTrust:
    """Whose receipts count: `threshold` distinct organisations among the attesters, for this Readings contract."""

    attesters: tuple[AttesterEntry, ...]
    threshold: int
    domain: Domain


@dataclass
class _Meter:
    code: str
    key: SigningKey
    session: MqttSession | None = None
    positions: MeterPosition | None = None


class MeterFleet:
    """Meters of one area with a common log: `record` signs and publishes, receipts and requests are served besides."""

    def __init__(
        self,
        *,
        area: str,
        log: MeterLog,
        trust: ReceiptTrust,
        shared: BrokerAddress | None = None,
        client_id: str = "meters",
        readings_per_message: int = READINGS_MAX,
        republish_s: float = REPUBLISH_S,
    ) -> None:
        self.topics = Topics(area)
        self._log = log
        self._trust = trust
        self._by_name = {entry.name: entry for entry in trust.attesters}
        self._meters: dict[str, _Meter] = {}
        self._per_message = readings_per_message
        self._republish_s = republish_s
        self._queue: queue.SimpleQueue[tuple[MqttSession | None, Incoming] | str | None] = queue.SimpleQueue()
        self._sessions: list[MqttSession] = []
        self._shared: MqttSession | None = None
        self._sent_at: dict[bytes, float] = {}
        self._sent_lock = threading.Lock()  # `record` and the serving thread both publish
        self._worker: threading.Thread | None = None
        self.receipts_refused = 0
        if shared is not None:
            self._shared = self._open(shared, client_id, "+")

    def _open(self, address: BrokerAddress, client_id: str, meter: str) -> MqttSession:
        session: MqttSession

        def take(message: Incoming) -> None:
            self._queue.put((session, message))

        session = MqttSession(
            address=address,
            client_id=client_id,
            subscriptions=[self.topics.receipt(meter, "+"), self.topics.request(meter, "+")],
            on_message=take,
            on_connected=lambda: self._queue.put("connected"),
        )
        self._sessions.append(session)
        return session

    def add(self, *, meter_code: str, key: SigningKey, address: BrokerAddress | None = None) -> None:
        """Add a meter before `start`; with an `address` it gets a connection of its own, named as the meter."""
        check_code(meter_code)
        session = self._shared if address is None else self._open(address, meter_code, meter_code)
        if session is None:
            raise ValueError("a fleet without a shared connection needs the broker address of each meter")
        self._meters[meter_code] = _Meter(
            code=meter_code, key=key, session=session, positions=self._log.position(meter_code)
        )

    def start(self, *, timeout_s: float | None = 10.0) -> None:
        """Connect and serve. Raises BrokerAway unless `timeout_s` is None (then connecting goes on by itself)."""
        self._worker = threading.Thread(target=self._serve, name="meters", daemon=True)
        self._worker.start()
        for session in self._sessions:
            session.start(timeout_s=timeout_s)

    def stop(self) -> None:
        """Disconnect; what has no receipts stays in the log for the next start."""
        for session in self._sessions:
            session.stop()
        if self._worker is not None:
            self._queue.put(None)
            self._worker.join(timeout=10)

    def position(self, meter_code: str) -> MeterPosition | None:
        """The last reading the meter signed."""
        return self._meters[meter_code].positions

    def waiting(self) -> int:
        """How many messages have not got enough receipts yet."""
        return self._log.kept_count()

    def record(self, measurements: Iterable[Measurement]) -> None:
        """Sign, log and publish measurements, ascending in MTU per meter. Raises RegisterFell (then none)."""
        by_meter: dict[str, list[Measurement]] = {}
        for item in measurements:
            by_meter.setdefault(item.meter_code, []).append(item)
        messages: list[LoggedMessage] = []
        positions: dict[str, MeterPosition] = {}
        for code, items in by_meter.items():
            messages.extend(self._sign(self._meters[code], items, positions))
        self._log.add(messages, positions)
        for code, at in positions.items():
            self._meters[code].positions = at
        self._publish(messages)

    def _sign(
        self, meter: _Meter, items: Sequence[Measurement], positions: dict[str, MeterPosition]
    ) -> list[LoggedMessage]:
        at = meter.positions or MeterPosition(0, -1, 0, 0)
        readings = []
        for item in items:
            fell = item.import_register_wh < at.import_register_wh or item.export_register_wh < at.export_register_wh
            if item.mtu <= at.last_mtu or fell:
                raise RegisterFell(meter_code=meter.code, mtu=item.mtu)
            at = MeterPosition(at.last_sequence + 1, item.mtu, item.import_register_wh, item.export_register_wh)
            readings.append(
                RegisterReading(
                    mtu=item.mtu,
                    import_register_wh=item.import_register_wh,
                    export_register_wh=item.export_register_wh,
                    sequence=at.last_sequence,
                    nonce=secrets.token_bytes(NONCE_BYTES),
                )
            )
        positions[meter.code] = at
        batches = [readings[start : start + self._per_message] for start in range(0, len(readings), self._per_message)]
        signed = []
        for batch in batches:
            jws = make_message(meter_code=meter.code, readings=batch, key=meter.key)
            signed.append(LoggedMessage(meter.code, batch[0].sequence, batch[-1].sequence, keccak(jws), jws))
        return signed

    def _publish(self, messages: Sequence[LoggedMessage]) -> int:
        """Send messages whose meter is connected; the others wait in the log for the next connect."""
        sent: dict[bytes, float] = {}
        for message in messages:
            meter = self._meters.get(message.meter_code)
            topic = self.topics.reading(message.meter_code)
            if meter is not None and meter.session is not None and meter.session.publish(topic, message.jws):
                sent[message.message_hash] = time.monotonic()
        with self._sent_lock:
            self._sent_at.update(sent)
        return len(sent)

    def republish(self, *, older_than_s: float = 0.0) -> int:
        """Publish again what has not got enough receipts and was last sent this long ago. Returns how many."""
        limit = time.monotonic() - older_than_s
        kept = self._log.kept()
        hashes = {message.message_hash for message in kept}
        with self._sent_lock:
            self._sent_at = {item: at for item, at in self._sent_at.items() if item in hashes}
            due = [message for message in kept if self._sent_at.get(message.message_hash, -1e18) <= limit]
        return self._publish(due)

    def _serve(self) -> None:
        next_check = time.monotonic() + self._republish_s
        while True:
            try:
                event = self._queue.get(timeout=max(0.01, next_check - time.monotonic()))
            except queue.Empty:
                event = "time"
            if event is None:
                return
            try:
                self._deal_with(event)
                if time.monotonic() >= next_check:
                    next_check = time.monotonic() + self._republish_s
                    self.republish(older_than_s=self._republish_s)
            except Exception:  # one bad message, or a log that takes no commit just now, must not end the thread
                _log.exception("meters could not serve a message; what has no receipts is sent again")
                next_check = time.monotonic() + self._republish_s

    def _deal_with(self, event: tuple[MqttSession | None, Incoming] | str) -> None:
        if isinstance(event, str):
            self.republish(older_than_s=0.5 if event == "connected" else self._republish_s)
        else:
            self._take(*event)

    def _take(self, session: MqttSession | None, message: Incoming) -> None:
        """Serve one receipt or request, then acknowledge it: what it led to is committed, or comes again anyway."""
        parts = message.topic.split("/")
        try:
            if len(parts) >= 4 and parts[-3] in self._meters:
                if parts[-2] == "receipt":
                    self._receipts(parts[-1], message.payload)
                elif parts[-2] == "request":
                    self._answer(parts[-3], message.payload)
        finally:
            if session is not None:
                session.acknowledge(message)

    def _receipts(self, attester: str, payload: bytes) -> None:
        entry = self._by_name.get(attester)
        try:
            receipt = read_receipt(payload)
        except BadReceipt:
            self.receipts_refused += 1
            return
        if entry is None or not receipt.signed_by(address=entry.address, domain=self._trust.domain):
            self.receipts_refused += 1
            return
        held = receipt.held()
        self.receipts_refused += len(receipt.paths) - len(held)
        self._log.note_receipts([(digest, entry.organisation) for digest in held], threshold=self._trust.threshold)

    def _answer(self, meter_code: str, payload: bytes) -> None:
        try:
            wanted = orjson.loads(payload)
            first, last = whole(wanted["from_sequence"]), whole(wanted["to_sequence"])
        except (orjson.JSONDecodeError, KeyError, TypeError, ValueError):
            return
        self._publish(self._log.kept(meter_code=meter_code, first=first, last=last, limit=ANSWER_MESSAGES_MAX))
