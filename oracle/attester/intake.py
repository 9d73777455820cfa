"""Meter messages in: verify, judge, commit in groups, and only then receipts, requests and acknowledgements."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field

import orjson

from domain.hashing import keccak
from domain.signing import SigningKey
from ledger_service.metering.checks import check_time
from ledger_service.metering.errors import FutureReading, MessageRefused, ReadingRefused, UnknownMeter, WrongTopic
from ledger_service.metering.messages import MeterMessage, RegisterReading, read_message
from ledger_service.metering.registry import Registry
from oracle.attester.book import MeterBook, Outcome
from oracle.attester.store import Store
from oracle.receipts import ReadingReceipt, write_receipts
from oracle.topics import Topics

DETAIL_CHARACTERS_MAX = 300
"""How much of a refusal's text is kept."""


@dataclass(frozen=True, slots=True)
class Outgoing:
    """A message to publish once the transaction that led to it is committed."""

    topic: str
    payload: bytes


@dataclass
class Batch:
    """What one group commit does and answers."""

    keep: list[tuple[MeterMessage, bytes, list[RegisterReading]]] = field(default_factory=list)
    refusals: list[tuple[int, str | None, str, str]] = field(default_factory=list)
    receipts: dict[str, list[ReadingReceipt]] = field(default_factory=dict)
    gaps: set[str] = field(default_factory=set)
    changed: dict[str, int] = field(default_factory=dict)
    """lowest MTU per meter about which something new is known"""


class Intake:
    """Verifies and commits meter messages for one area. `market_now` gives market time, `refresh` asks for it anew."""

    def __init__(
        self,
        *,
        name: str,
        key: SigningKey,
        store: Store,
        registry: Registry,
        market_now: Callable[[], int],
        refresh: Callable[[], int],
    ) -> None:
        self.name = name
        self.registry = registry
        self.topics = Topics(registry.area)
        self.books: dict[str, MeterBook] = {}
        self._key = key
        self._store = store
        self._now = market_now
        self._refresh = refresh
        self._early: set[str] = set()
        self.counts: dict[str, int] = {}
        self.use_registry(registry)
        self._restore()

    def _restore(self) -> None:
        by_meter: dict[str, list[RegisterReading]] = {}
        for meter_code, reading in self._store.readings():
            by_meter.setdefault(meter_code, []).append(reading)
        for meter_code, readings in by_meter.items():
            if meter_code in self.books:
                self.books[meter_code].load(readings)

    def use_registry(self, registry: Registry) -> None:
        """Take over a newer registry."""
        self.registry = registry
        for entry in registry.meters:
            newest = registry.keys_of(entry.meter_code)[0]
            book = self.books.get(entry.meter_code)
            if book is None:
                self.books[entry.meter_code] = MeterBook(newest)
            else:
                book.rekey(newest)

    def take(self, messages: Iterable[tuple[str | None, bytes]]) -> tuple[list[Outgoing], dict[str, int]]:
        """Deal with messages as (topic or None if from another attester, payload) in one transaction.

        Returns what to publish, and the lowest MTU per meter about which something new is known; the caller
        acknowledges the messages after this has returned. Raises nothing for a bad message: it is refused and noted.
        """
        batch = Batch()
        for topic, payload in messages:
            try:
                self._one(topic, payload, batch)
            except MessageRefused as error:
                self._refuse(batch, error)
        if batch.keep or batch.refusals:
            with self._store.commit():
                if batch.keep:
                    self._store.add_messages(batch.keep, received_at=self._now())
                if batch.refusals:
                    self._store.add_refusals(batch.refusals)
        return self._answers(batch), batch.changed

    def _refuse(self, batch: Batch, error: MessageRefused) -> None:
        meter = getattr(error, "meter_code", None)
        batch.refusals.append((self._now(), meter, error.code, str(error)[:DETAIL_CHARACTERS_MAX]))
        self.counts[error.code] = self.counts.get(error.code, 0) + 1

    def _meter_of(self, topic: str) -> str:
        prefix, suffix = f"{self.topics.base}/meter/", "/reading"
        if not topic.startswith(prefix) or not topic.endswith(suffix):
            raise WrongTopic(meter_code="", topic=topic[:DETAIL_CHARACTERS_MAX])
        meter_code = topic[len(prefix) : -len(suffix)]
        if meter_code not in self.books:
            raise UnknownMeter(meter_code=meter_code[:DETAIL_CHARACTERS_MAX])
        return meter_code

    def _one(self, topic: str | None, payload: bytes, batch: Batch) -> None:
        expected = None if topic is None else self._meter_of(topic)
        message = read_message(payload, registry=self.registry, meter_code=expected)
        book = self.books[message.meter_code]
        digest = keccak(message.jws)
        fresh, held = [], True
        for reading in message.readings:
            try:
                self._in_time(message.meter_code, reading)
                outcome = book.add(reading)
            except ReadingRefused as error:
                held = False
                self._refuse(batch, error)
                continue
            self.counts[outcome.value] = self.counts.get(outcome.value, 0) + 1
            if outcome is not Outcome.DUPLICATE:
                fresh.append(reading)
                batch.changed[message.meter_code] = min(reading.mtu, batch.changed.get(message.meter_code, reading.mtu))
            if outcome is Outcome.PENDING:
                batch.gaps.add(message.meter_code)
        if fresh:
            batch.keep.append((message, digest, fresh))
        if held:
            receipt = ReadingReceipt(
                meter_code=message.meter_code,
                first_sequence=message.readings[0].sequence,
                count=len(message.readings),
                message_hash=digest,
            )
            batch.receipts.setdefault(message.meter_code, []).append(receipt)

    def _in_time(self, meter_code: str, reading: RegisterReading) -> None:
        horizon = self.registry.horizon_seconds
        try:
            check_time(meter_code=meter_code, reading=reading, market_time=self._now(), horizon_seconds=horizon)
        except FutureReading:
            # An accelerated clock may have moved since it was last asked: ask once more before refusing.
            try:
                check_time(meter_code=meter_code, reading=reading, market_time=self._refresh(), horizon_seconds=horizon)
            except FutureReading:
                self._early.add(meter_code)
                raise

    def _answers(self, batch: Batch) -> list[Outgoing]:
        domain = self.registry.readings_domain
        answers = [
            Outgoing(
                topic=self.topics.receipt(meter_code, self.name),
                payload=write_receipts(receipts, key=self._key, domain=domain),
            )
            for meter_code, receipts in batch.receipts.items()
        ]
        for meter_code in sorted(batch.gaps):
            gap = self.books[meter_code].gap()
            if gap is not None:
                answers.append(self._request(meter_code, *gap))
        return answers

    def _request(self, meter_code: str, first: int, last: int) -> Outgoing:
        return Outgoing(
            topic=self.topics.request(meter_code, self.name),
            payload=orjson.dumps({"from_sequence": first, "to_sequence": last}),
        )

    def ask_everything(self) -> list[Outgoing]:
        """Requests for all that meters still hold beyond what is known here: after a start or a new connection."""
        return [self._request(code, book.next_sequence, 2**32 - 1) for code, book in sorted(self.books.items())]

    def ask_gaps(self) -> list[Outgoing]:
        """Requests for missing sequences, and for readings that came before their time."""
        requests = []
        for meter_code in sorted(self._early):
            requests.append(self._request(meter_code, self.books[meter_code].next_sequence, 2**32 - 1))
        self._early.clear()
        for meter_code, book in sorted(self.books.items()):
            gap = book.gap()
            if gap is not None:
                requests.append(self._request(meter_code, *gap))
        return requests

    def messages_between(self, meter_code: str, *, first_mtu: int, last_mtu: int) -> list[bytes]:
        """The messages held about registers of a meter at the end of these MTUs."""
        wanted: Sequence[tuple[str, int]] = [
            (meter_code, reading.sequence)
            for _, reading in self._store.readings(meter_code=meter_code)
            if first_mtu <= reading.mtu <= last_mtu
        ]
        return self._store.messages_of(wanted)
