"""One attester at work: broker session, group commits, consensus, and other threads that ask the service."""

from __future__ import annotations

import logging
import queue
import sqlite3
import threading
import time
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from domain.errors import DominoesError
from domain.metering_area import MeteringArea
from domain.signing import SigningKey
from oracle.attester.asking import RETRY_S, ReadingsChain, ServiceThread
from oracle.attester.consensus.events import Connected, Event, Moment, Tick
from oracle.attester.consensus.machine import Consensus
from oracle.attester.consensus.planning import correctable_from
from oracle.attester.driver import ConsensusDriver
from oracle.attester.intake import MeterIntake, Outgoing
from oracle.attester.market_clock import PolledClock
from oracle.attester.service import AttestationService
from oracle.attester.settings import Timing
from oracle.attester.store import Store
from oracle.mqtt import BrokerAddress, Incoming, MqttSession
from oracle.topics import Topics

GROUP_MESSAGES_MAX = 500
"""Most meter messages in one commit: one fsync for all of them, and none waits longer than their verification takes."""

IDLE_S = 0.02
"""Longest wait for the first message of a group, so that proposals are not late."""

GAP_RETRY_S = 2.0
"""Wall seconds between requests for what is still missing."""

_log = logging.getLogger(__name__)


SettlementWork = Callable[[MeteringArea], int]
"""Witnesses terms, checks and signs what settlements wait for it; returns how many it signed. Has its own thread."""

Item = Incoming | Callable[[], None]
"""What the working thread deals with: a message, or something another thread hands over to it."""


@dataclass(frozen=True)
class _Parts:
    """What is in memory, made from the store at the start and after a fault of it."""

    intake: MeterIntake
    driver: ConsensusDriver


class AttesterProcess:
    """Runs from `start` to `stop`; everything it must not lose is in its store."""

    def __init__(
        self,
        *,
        name: str,
        area: str,
        key: SigningKey,
        store_path: Path,
        broker: BrokerAddress,
        service: AttestationService,
        chain: ReadingsChain,
        timing: Timing,
        settlement: SettlementWork | None = None,
    ) -> None:
        self.name, self.area, self.key = name, area, key
        self.timing = timing
        self.store = Store(store_path)
        self.clock = PolledClock(service)
        self._settlement = settlement
        self._inbox: queue.SimpleQueue[Item | None] = queue.SimpleQueue()
        self._hand: deque[Item] = deque()  # taken out of the inbox and not dealt with: kept over a failed commit
        self._threads: list[threading.Thread] = []
        self._stopping = threading.Event()
        self._next_gaps = 0.0
        self._made: _Parts | None = None
        self._asking = ServiceThread(
            area=area,
            service=service,
            chain=chain,
            clock=self.clock,
            tell=lambda event: self._inbox.put(lambda: self._happen(event)),
            use_area=lambda found: self._inbox.put(lambda: self._use_area(found)),
            stopping=self._stopping,
            time_s=self.timing.poll_s,
            area_s=self.timing.registry_s,
        )
        topics = Topics(area)
        self._reading_prefix = f"{topics.base}/meter/"
        self._session = MqttSession(
            address=broker,
            client_id=name,
            subscriptions=[topics.reading("+"), topics.attest("+", "+")],
            on_message=self._inbox.put,
            on_connected=lambda: self._inbox.put(self._on_connected),
        )

    # ---- life

    def start(self, *, timeout_s: float | None = 10.0) -> None:
        """Load the area (from the service, else the last one known), connect, and begin."""
        self._begin(self._first_area())
        targets = [self._work, self._asking.run]
        if self._settlement is not None:
            targets.append(self._settle)
        for target in targets:
            thread = threading.Thread(target=target, name=f"attester-{self.name}", daemon=True)
            thread.start()
            self._threads.append(thread)
        self._session.start(timeout_s=timeout_s)

    def _first_area(self) -> MeteringArea:
        while True:
            try:
                area = self._asking.metering_area()
                self.clock.refresh()
                return area
            except DominoesError as error:
                known = self.store.setting("area")
                if known is not None:
                    self.clock.hear(int(self.store.setting("market_time") or 0))
                    return MeteringArea.from_json(known)
                _log.warning("attester %s waits for the service: %s", self.name, error)
                if self._stopping.wait(RETRY_S):
                    raise

    def _begin(self, area: MeteringArea) -> None:
        """Make from the store what is in memory."""
        self._remember(area)
        intake = MeterIntake(
            name=self.name,
            key=self.key,
            store=self.store,
            area=area,
            market_now=self.clock.now,
            refresh=self.clock.refresh,
        )
        now = self._moment()
        first_open = correctable_from(area=area, market_time=now.market_s)
        first_held = max(first_open - 1, 0)  # leaves go on from the last ones that are final
        consensus = Consensus(
            name=self.name,
            area=area,
            books=intake.books,
            held=self.store.attestations(first_mtu=first_held),
            at=now,
            cut_off_s=self.timing.cut_off_s,
            timeout_s=self.timing.proposer_timeout_s,
        )
        driver = ConsensusDriver(
            consensus=consensus,
            key=self.key,
            store=self.store,
            intake=intake,
            publish=self._publish,
            questions=self._asking,
            now=self._moment,
        )
        self._made = _Parts(intake, driver)

    def _moment(self) -> Moment:
        return Moment(market_s=self.clock.now(), wall_s=time.monotonic())

    def _remember(self, area: MeteringArea) -> None:
        with self.store.commit():
            self.store.remember("area", area.as_json())
            self.store.remember("market_time", self.clock.now())

    @property
    def parts(self) -> _Parts:
        """What is in memory. Raises RuntimeError before `start`."""
        if self._made is None:
            raise RuntimeError("start the attester before it works")
        return self._made

    def is_alive(self) -> bool:
        """Whether every thread still runs: one that ended leaves an attester that is connected and deaf."""
        return all(thread.is_alive() for thread in self._threads)

    def interrupt(self) -> None:
        """Make `start` give up waiting for the service, and the threads end soon; `stop` is still to be called."""
        self._stopping.set()

    def stop(self) -> None:
        """Finish the group in hand, disconnect and close the store."""
        self._stopping.set()
        self._inbox.put(None)
        self._asking.stop()
        for thread in self._threads:
            thread.join(timeout=15)
        self._session.stop()
        self.store.close()

    # ---- the working thread: everything that touches store, intake and consensus

    def _work(self) -> None:
        failed = False
        while not self._stopping.is_set():
            try:
                if failed:
                    self._begin(self.parts.intake.area)  # memory may be ahead of the store
                    failed = False
                self._turn()
            except Exception:  # a full disk, say: nothing of the group in hand was acknowledged, and it is tried again
                _log.exception("attester %s starts again from its store", self.name)
                failed = True
                self._stopping.wait(RETRY_S)

    def _turn(self) -> None:
        self._take_group()
        readings = self._sort_hand()
        if readings:
            self.parts.driver.take_readings((item.topic, item.payload) for item in readings)
            for item in readings:
                self._session.acknowledge(item)
            self._hand = deque(item for item in self._hand if not self._is_reading(item))
        self._hear_others()
        self._look_around()

    def _take_group(self) -> None:
        """Fill the hand from the inbox; nothing while what is in hand waits for the store."""
        if self._hand:
            return
        try:
            item = self._inbox.get(timeout=IDLE_S)
            while item is not None:
                self._hand.append(item)
                if len(self._hand) >= GROUP_MESSAGES_MAX:
                    break
                item = self._inbox.get_nowait()
        except queue.Empty:
            pass

    def _sort_hand(self) -> list[Incoming]:
        """Run what other threads handed over, and return the meters' messages in hand (they stay there).

        An answer that can't be used is lost, and the consensus may be half changed: what this raises begins anew.
        """
        messages: deque[Item] = deque()
        while self._hand:
            item = self._hand.popleft()
            if callable(item):
                try:
                    item()
                except BaseException:
                    self._hand.extendleft(reversed(messages))
                    raise
            else:
                messages.append(item)
        self._hand = messages
        return [item for item in messages if isinstance(item, Incoming) and self._is_reading(item)]

    def _is_reading(self, item: Item) -> bool:
        return isinstance(item, Incoming) and item.topic.startswith(self._reading_prefix)

    def _guarded(self, work: Callable[[], None]) -> None:
        """Let one bad message end neither the thread nor the rest of its group; the store's faults go on."""
        try:
            work()
        except (sqlite3.Error, OSError):
            raise
        except Exception:
            _log.exception("attester %s could not use a message", self.name)

    def _hear_others(self) -> None:
        """Deal with what other attesters say, one after the other: each is acknowledged once dealt with."""
        while self._hand:
            item = self._hand[0]
            if isinstance(item, Incoming):
                self._guarded(lambda item=item: self._hear(item))  # type: ignore[misc]
                self._session.acknowledge(item)
            self._hand.popleft()

    def _hear(self, item: Incoming) -> None:
        *_, sender, kind = item.topic.split("/")
        self.parts.driver.hear(sender=sender, kind=kind, payload=item.payload)

    def _look_around(self) -> None:
        """What time brings: gaps to ask for, and whatever is due."""
        wall_s = time.monotonic()
        if wall_s >= self._next_gaps:
            self._next_gaps = wall_s + GAP_RETRY_S
            self._publish_all(self.parts.intake.ask_gaps())
        self._happen(Tick())

    def _happen(self, event: Event) -> None:
        self.parts.driver.happen(event)

    def _publish(self, message: Outgoing) -> None:
        self._session.publish(message.topic, message.payload)

    def _publish_all(self, messages: list[Outgoing]) -> None:
        for message in messages:
            self._publish(message)

    def _on_connected(self) -> None:
        self._publish_all(self.parts.intake.ask_everything())
        self._happen(Connected())

    def _use_area(self, area: MeteringArea) -> None:
        intake = self.parts.intake
        if area == intake.area:
            return
        self._remember(area)
        known = set(intake.books)
        self.parts.driver.use_area(area)
        self._publish_all(intake.ask_everything(of=set(intake.books) - known))

    # ---- the settlement thread

    def _settle(self) -> None:
        self._asking.guarded(self._poll_settlements)  # terms are witnessed from the start on
        while not self._stopping.wait(self.timing.settlement_s):
            self._asking.guarded(self._poll_settlements)

    def _poll_settlements(self) -> None:
        if self._settlement is not None and self._made is not None:
            self._settlement(self._made.intake.area)
