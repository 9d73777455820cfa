"""Meter messages in: verify, judge, commit in groups, and only then receipts, requests and acknowledgements."""

from __future__ import annotations

from collections import Counter, OrderedDict
from collections.abc import Callable, Collection, Iterable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import TypeVar, TypeVarTuple

import orjson

from domain.authenticity import MeterMessage, UnknownMeter, UnverifiedMessage, open_message
from domain.errors import DominoesError
from domain.hashing import keccak
from domain.jws import MalformedMessage, MessageRefused
from domain.messages import MESSAGE_BYTES_MAX
from domain.metering_area import MeteringArea
from domain.meters import MeterKey
from domain.mtu import mtu_end
from domain.signing import SigningKey
from domain.strictness import UINT32_MAX
from oracle.attester.book import MeterBook, ReadingOutcome, Taken
from oracle.attester.store import Store
from oracle.reading_receipts import write_receipts
from oracle.topics import Topics
from settling.registers import FutureReading, StaleReading, check_time

Arguments = TypeVarTuple("Arguments")
Result = TypeVar("Result")

METER_MESSAGES_PER_GROUP = 64
"""Most messages of one meter that one group deals with: a flood from one meter does not keep the others waiting. What
is over is dropped without a receipt, so an honest meter sends it again."""

VERIFY_THREADS = 2
"""Threads that check signatures of one group."""

VERIFY_ALONE_MAX = 32
"""Groups smaller than this are checked without the threads: handing over would take longer."""

HASHES_REMEMBERED = 50_000
"""Messages recognised by their hash alone, so that one that comes again costs no signature check (5 MB)."""

DETAIL_CHARACTERS_MAX = 300
"""How much of a refusal's text is kept."""


class WrongTopic(MessageRefused):
    """The message of one meter came on the topic of another."""

    code = "meter-wrong-topic"

    def __init__(self, *, meter_code: str, topic: str) -> None:
        self.meter_code, self.topic = meter_code, topic
        super().__init__(f"meter {meter_code!r} published on {topic!r}; a meter publishes on its own topic only")


class OverQuota(MessageRefused):
    """A meter sent more messages at once than one group deals with."""

    code = "meter-over-quota"

    def __init__(self, *, meter_code: str) -> None:
        self.meter_code = meter_code
        super().__init__(
            f"meter {meter_code!r} sends more than {METER_MESSAGES_PER_GROUP} messages at once; send slower"
        )


@dataclass(frozen=True, slots=True)
class Outgoing:
    """A message to publish once the transaction that led to it is committed."""

    topic: str
    payload: bytes


@dataclass
class MessageBatch:
    """What one group commit does and answers."""

    keep: list[tuple[MeterMessage, bytes]] = field(default_factory=list)
    refusals: dict[tuple[str | None, str], tuple[int, str | None, str, str]] = field(default_factory=dict)
    """one per meter and code: a flood of bad messages leaves no flood of rows"""
    receipts: dict[bytes, str] = field(default_factory=dict)
    """message hash -> meter"""
    gaps: set[str] = field(default_factory=set)
    changed: dict[str, int] = field(default_factory=dict)
    """lowest MTU per meter about which something new is known"""
    seen: dict[str, int] = field(default_factory=dict)
    """messages per meter in this group"""
    opened: set[bytes] = field(default_factory=set)
    """hashes of this group's messages: each is dealt with once"""
    asked_time: bool = False


_verifiers = ThreadPoolExecutor(max_workers=VERIFY_THREADS, thread_name_prefix="verify")


def _signers(messages: list[UnverifiedMessage]) -> list[MeterKey | None]:
    """Who signed each; large groups are shared among threads, since the signature check leaves the interpreter."""
    if len(messages) < VERIFY_ALONE_MAX:
        return [message.signer() for message in messages]
    size = -(-len(messages) // VERIFY_THREADS)
    parts = [messages[at : at + size] for at in range(0, len(messages), size)]
    return [signer for part in _verifiers.map(_signers_of, parts) for signer in part]


def _signers_of(messages: list[UnverifiedMessage]) -> list[MeterKey | None]:
    return [message.signer() for message in messages]


class MeterIntake:
    """Verifies and commits meter messages for one area. `market_now` gives market time, `refresh` asks for it anew."""

    def __init__(
        self,
        *,
        name: str,
        key: SigningKey,
        store: Store,
        area: MeteringArea,
        market_now: Callable[[], int],
        refresh: Callable[[], int],
    ) -> None:
        self.name = name
        self.area = area
        self.topics = Topics(area.code)
        self._prefix, self._suffix = f"{self.topics.base}/meter/", "/reading"
        self.books: dict[str, MeterBook] = {}
        self._key = key
        self._store = store
        self._now = market_now
        self._refresh = refresh
        self._early: set[str] = set()
        self._known: OrderedDict[bytes, str] = OrderedDict()  # hash -> meter of messages committed lately
        self.counts: Counter[str] = Counter()
        self._floors = store.floors()
        self.use_area(area)
        for meter_code, run in self._store.runs():
            if meter_code in self.books:
                self.books[meter_code].take(run)

    def use_area(self, area: MeteringArea) -> None:
        """Take over newer meters, attesters or deadlines."""
        self.area = area
        for meter_code in area.meter_codes:
            keys = area.keys_of(meter_code)
            book = self.books.get(meter_code)
            if book is None:
                self.books[meter_code] = MeterBook(keys, floor=self._floors.get(meter_code))
            else:
                book.rekey(keys)

    def take(self, messages: Iterable[tuple[str | None, bytes]]) -> tuple[list[Outgoing], dict[str, int]]:
        """Deal with messages as (topic or None if from another attester, payload) in one transaction.

        Returns what to publish, and the lowest MTU per meter about which something new is known; the caller
        acknowledges the messages after this has returned. Raises nothing for a bad message: it is refused and noted.
        """
        batch = MessageBatch()
        opened: list[tuple[UnverifiedMessage, bytes]] = []
        for topic, payload in messages:
            found = self._guarded(batch, self._open, topic, payload, batch)
            if found is not None:
                opened.append(found)
        signers = _signers([message for message, _ in opened])
        for (message, digest), signer in zip(opened, signers, strict=True):
            self._guarded(batch, self._judge, message, signer, digest, batch)
        if batch.keep or batch.refusals:
            with self._store.commit():
                if batch.keep:
                    self._store.add_messages(batch.keep, received_at=self._now())
                if batch.refusals:
                    self._store.add_refusals(batch.refusals.values())
        self._remember(batch)
        return self._answers(batch), batch.changed

    def forget_before(self, mtu: int, *, but_of: Collection[str] = ()) -> None:
        """Forget, in memory and on disk, the readings on which no leaf from this MTU on can depend, but of some
        meters."""
        books = [(code, book) for code, book in self.books.items() if code not in but_of]
        floors = {code: floor for code, book in books if (floor := book.floor_before(mtu)) is not None}
        with self._store.commit():
            self._store.forget_before(floors.items())
        for code, floor in floors.items():
            self.books[code].forget_before(floor)

    def _remember(self, batch: MessageBatch) -> None:
        self._known.update(batch.receipts)
        while len(self._known) > HASHES_REMEMBERED:
            self._known.popitem(last=False)

    def _refuse(self, batch: MessageBatch, error: DominoesError) -> None:
        meter = getattr(error, "meter_code", None)
        batch.refusals.setdefault(
            (meter, error.code), (self._now(), meter, error.code, str(error)[:DETAIL_CHARACTERS_MAX])
        )
        self.counts[error.code] += 1

    def _meter_of(self, topic: str) -> str:
        if not topic.startswith(self._prefix) or not topic.endswith(self._suffix):
            raise WrongTopic(meter_code="", topic=topic[:DETAIL_CHARACTERS_MAX])
        meter_code = topic[len(self._prefix) : -len(self._suffix)]
        if meter_code not in self.books:
            raise UnknownMeter(meter_code=meter_code[:DETAIL_CHARACTERS_MAX])
        return meter_code

    def _guarded(
        self, batch: MessageBatch, work: Callable[[*Arguments], Result], *arguments: *Arguments
    ) -> Result | None:
        """Refuse a message for whatever it brings about: it is about that message alone."""
        try:
            return work(*arguments)
        except MessageRefused as error:
            self._refuse(batch, error)
        except Exception as error:
            self._refuse(batch, MalformedMessage(reason=f"it can't be used ({type(error).__name__}: {error})"))
        return None

    def _open(self, topic: str | None, payload: bytes, batch: MessageBatch) -> tuple[UnverifiedMessage, bytes] | None:
        """A message taken apart, and its hash; None for one that is known, which only gets its receipt again."""
        expected = None if topic is None else self._meter_of(topic)
        if len(payload) > MESSAGE_BYTES_MAX:
            raise MalformedMessage(reason=f"{len(payload)} bytes are more than {MESSAGE_BYTES_MAX}")
        digest = keccak(payload)
        if digest in batch.opened:
            return None
        known = self._known.get(digest)
        if known is not None and expected in (None, known):
            batch.receipts[digest] = known
            self.counts[ReadingOutcome.DUPLICATE.value] += 1
            return None
        if expected is not None:
            seen = batch.seen[expected] = batch.seen.get(expected, 0) + 1
            if seen > METER_MESSAGES_PER_GROUP:
                raise OverQuota(meter_code=expected)
        message = open_message(payload, area=self.area, meter_code=expected)
        batch.opened.add(digest)
        return message, digest

    def _judge(self, opened: UnverifiedMessage, signer: MeterKey | None, digest: bytes, batch: MessageBatch) -> None:
        message = opened.message(signer)
        if not 0 <= self._now() - mtu_end(message.run.mtus[-1]) <= self.area.horizon_seconds:
            self._check_time(message, batch)
        taken = self.books[message.meter_code].take(message.run)
        self._note(message.meter_code, taken, batch)
        if taken.is_news:
            batch.keep.append((message, digest))
        batch.receipts[digest] = message.meter_code

    def _note(self, meter_code: str, taken: Taken, batch: MessageBatch) -> None:
        for outcome, number in taken.outcomes.items():
            self.counts[outcome.value] += number
        if taken.lowest_mtu is not None:
            batch.changed[meter_code] = min(taken.lowest_mtu, batch.changed.get(meter_code, taken.lowest_mtu))
        if ReadingOutcome.PENDING in taken.outcomes:
            batch.gaps.add(meter_code)
        for objection in taken.objections:
            self._refuse(batch, objection)

    def _check_time(self, message: MeterMessage, batch: MessageBatch) -> None:
        """Refuse a message about an MTU that has not ended: it comes again. One that is too old to count is kept and
        noted: a meter that gets no receipt for it would send it for ever."""
        now, last, horizon = self._now(), message.run.mtus[-1], self.area.horizon_seconds
        sequence = message.run.first_sequence + len(message.run.mtus) - 1

        def check(market_time: int) -> None:
            check_time(
                meter_code=message.meter_code,
                sequence=sequence,
                mtu=last,
                market_time=market_time,
                horizon_seconds=horizon,
            )

        try:
            check(now)
        except StaleReading as error:
            self._refuse(batch, error)
        except FutureReading:
            # An accelerated clock may have moved since it was last asked: ask once more before refusing.
            now = now if batch.asked_time else self._refresh()
            batch.asked_time = True
            try:
                check(now)
            except FutureReading:
                self._early.add(message.meter_code)
                raise

    def _answers(self, batch: MessageBatch) -> list[Outgoing]:
        receipts = write_receipts(
            [(meter_code, digest) for digest, meter_code in batch.receipts.items()],
            key=self._key,
            domain=self.area.readings_domain,
        )
        answers = [
            Outgoing(topic=self.topics.receipt(meter_code, self.name), payload=payload)
            for meter_code, payload in receipts.items()
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

    def ask_everything(self, *, of: Collection[str] | None = None) -> list[Outgoing]:
        """Requests for all that meters (these, or all) still hold beyond what is known here."""
        codes = sorted(self.books if of is None else of)
        return [self._request(code, self.books[code].next_sequence, UINT32_MAX) for code in codes]

    def ask_gaps(self) -> list[Outgoing]:
        """Requests for missing sequences, and for readings that came before their time."""
        requests = []
        for meter_code in sorted(self._early):
            requests.append(self._request(meter_code, self.books[meter_code].next_sequence, UINT32_MAX))
        self._early.clear()
        for meter_code, book in sorted(self.books.items()):
            gap = book.gap()
            if gap is not None:
                requests.append(self._request(meter_code, *gap))
        return requests
