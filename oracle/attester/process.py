"""One attester at work: broker session, group commits, agreement, and other threads that ask the service."""

from __future__ import annotations

import logging
import queue
import sqlite3
import threading
import time
from collections import deque
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

from domain.errors import DominoesError
from domain.meters import Registry
from domain.signing import SigningKey
from oracle.attester.agreement import CUT_OFF_S, PROPOSER_TIMEOUT_S, Agreement
from oracle.attester.intake import Intake, Outgoing
from oracle.attester.service import ServiceAway, ServiceClient, ServiceRefused
from oracle.attester.settings import POLL_S, REGISTRY_S, SETTLEMENT_S
from oracle.attester.standing import OnChain
from oracle.attester.store import Store
from oracle.mqtt import BrokerAddress, Incoming, MqttSession
from oracle.topics import Topics

GROUP_MESSAGES_MAX = 500
"""Most meter messages in one commit: one fsync for all of them, and none waits longer than their verification takes."""

IDLE_S = 0.02
"""Longest wait for the first message of a group, so that proposals are not late."""

GAP_RETRY_S = 2.0
"""Wall seconds between requests for what is still missing."""

RETRY_S = 1.0
"""Wall seconds before the service is asked again after it failed to answer."""

LOOK_UP_S = 1.0
"""Wall seconds between looking up on the node what is not seen there yet."""

_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Timing:
    """How often things are done: wall seconds, but for the cut-off, which is market time after an MTU's end."""

    cut_off_s: int = CUT_OFF_S
    proposer_timeout_s: float = PROPOSER_TIMEOUT_S
    poll_s: float = POLL_S
    registry_s: float = REGISTRY_S
    settlement_s: float = SETTLEMENT_S


SettlementWork = Callable[[Registry], int]
"""Witnesses terms, checks and signs what settlements wait for it; returns how many it signed. Has its own thread."""


class ReadingsChain(Protocol):
    """What an attester reads of the Readings contract, from a node of its own choice."""

    def reading_states(self, *, area: str, mtus: Iterable[int]) -> Mapping[int, OnChain]:
        """Where MTUs stand: revisions taken, and the last root. Raises DominoesError."""
        ...

    def registry_objections(self, registry: Registry) -> list[str]:
        """Where the chain does not bear out what the service says of the area. Raises DominoesError."""
        ...


class RegistryRefused(DominoesError):
    """What the service says of the area is not what the chain says; the last registry that held stays in use."""

    code = "registry-refused"
    retryable = True

    def __init__(self, *, area: str, reasons: list[str]) -> None:
        self.area, self.reasons = area, reasons
        super().__init__(f"the registry of {area} is not taken over: {'; '.join(reasons)}; ask the operator why")


Item = Incoming | Callable[[], None]
"""What the working thread deals with: a message, or something another thread hands over to it."""


class Attester:
    """Runs from `start` to `stop`; everything it must not lose is in its store."""

    def __init__(
        self,
        *,
        name: str,
        area: str,
        key: SigningKey,
        store_path: Path,
        broker: BrokerAddress,
        service: ServiceClient,
        chain: ReadingsChain,
        timing: Timing | None = None,
        settlement: SettlementWork | None = None,
    ) -> None:
        self.name, self.area, self.key = name, area, key
        self.timing = timing or Timing()
        self.store = Store(store_path)
        self._service = service
        self._chain = chain
        self._settlement = settlement
        self._market_time = 0
        self._time_lock = threading.Lock()
        self._inbox: queue.SimpleQueue[Item | None] = queue.SimpleQueue()
        self._hand: deque[Item] = deque()  # taken out of the inbox and not dealt with: kept over a failed commit
        self._asks: queue.SimpleQueue[Callable[[], None] | None] = queue.SimpleQueue()
        self._asked: set[str] = set()
        self._threads: list[threading.Thread] = []
        self._stopping = threading.Event()
        self._next_gaps = 0.0
        self._next_look_up = 0.0
        self.intake: Intake | None = None
        self.agreement: Agreement | None = None
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
        """Load the registry (from the service, else the last one known), connect, and begin."""
        self._begin(self._first_registry())
        targets = [self._work, self._ask_service]
        if self._settlement is not None:
            targets.append(self._settle)
        for target in targets:
            thread = threading.Thread(target=target, name=f"attester-{self.name}", daemon=True)
            thread.start()
            self._threads.append(thread)
        self._session.start(timeout_s=timeout_s)

    def _first_registry(self) -> Registry:
        while True:
            try:
                registry = self._ask_registry()
                self._refresh_time()
                return registry
            except DominoesError as error:
                known = self.store.setting("registry")
                if known is not None:
                    self._market_time = int(self.store.setting("market_time") or 0)
                    return Registry.from_json(known)
                _log.warning("attester %s waits for the service: %s", self.name, error)
                if self._stopping.wait(RETRY_S):
                    raise

    def _begin(self, registry: Registry) -> None:
        self._remember(registry)
        self.intake = Intake(
            name=self.name,
            key=self.key,
            store=self.store,
            registry=registry,
            market_now=self.market_now,
            refresh=self._refresh_time,
        )
        self.agreement = Agreement(
            name=self.name,
            key=self.key,
            store=self.store,
            intake=self.intake,
            market_now=self.market_now,
            cut_off_s=self.timing.cut_off_s,
            timeout_s=self.timing.proposer_timeout_s,
        )

    def _remember(self, registry: Registry) -> None:
        with self.store.commit():
            self.store.remember("registry", registry.as_json())
            self.store.remember("market_time", self.market_now())

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
        self._asks.put(None)
        for thread in self._threads:
            thread.join(timeout=15)
        self._session.stop()
        self.store.close()

    # ---- time

    def market_now(self) -> int:
        """Market time as last heard; it never goes back."""
        with self._time_lock:
            return self._market_time

    def _refresh_time(self) -> int:
        try:
            heard = self._service.market_time()
        except DominoesError:
            return self.market_now()
        with self._time_lock:
            self._market_time = max(self._market_time, heard)
            return self._market_time

    # ---- the working thread: everything that touches store, intake and agreement

    def _work(self) -> None:
        failed = False
        while not self._stopping.is_set():
            try:
                if failed:
                    self._begin_again()
                    failed = False
                self._turn()
            except Exception:  # a full disk, say: nothing of the group in hand was acknowledged, and it is tried again
                _log.exception("attester %s starts again from its store", self.name)
                failed = True
                self._stopping.wait(RETRY_S)

    def _begin_again(self) -> None:
        """What is in memory may be ahead of the store: build it anew from what is committed."""
        self._begin(self._parts()[0].registry)
        self._asked.clear()

    def _turn(self) -> None:
        self._take_group()
        readings = self._sort_hand()
        if readings:
            intake, agreement = self._parts()
            outgoing, lowest = intake.take((item.topic, item.payload) for item in readings)
            agreement.changed(lowest)
            self._publish(outgoing)
            for item in readings:
                self._session.acknowledge(item)
            self._hand = deque(item for item in self._hand if not self._is_reading(item))
        self._hear_others()
        self._look_around()

    def _sort_hand(self) -> list[Incoming]:
        """Run what other threads handed over, and return the meters' messages in hand (they stay there)."""
        messages: deque[Item] = deque()
        while self._hand:
            item = self._hand.popleft()
            if callable(item):
                try:
                    self._guarded_turn(item)
                except BaseException:
                    self._hand.extendleft(reversed(messages))
                    raise
            else:
                messages.append(item)
        self._hand = messages
        return [item for item in messages if isinstance(item, Incoming) and self._is_reading(item)]

    def _is_reading(self, item: Item) -> bool:
        return isinstance(item, Incoming) and item.topic.startswith(self._reading_prefix)

    def _guarded_turn(self, work: Callable[[], None]) -> None:
        """Let one bad message or answer end neither the thread nor the rest of its group; the store's faults go on."""
        try:
            work()
        except (sqlite3.Error, OSError):
            raise
        except Exception:
            _log.exception("attester %s could not use a message or an answer", self.name)

    def _hear_others(self) -> None:
        """Deal with what other attesters say, one after the other: each is acknowledged once dealt with."""
        while self._hand:
            item = self._hand[0]
            if isinstance(item, Incoming):
                self._guarded_turn(lambda item=item: self._hear(item))  # type: ignore[misc]
                self._session.acknowledge(item)
            self._hand.popleft()

    def _hear(self, item: Incoming) -> None:
        parts = item.topic.split("/")
        self._publish(self._parts()[1].receive(sender=parts[-2], kind=parts[-1], payload=item.payload))

    def _look_around(self) -> None:
        """What time brings: gaps to ask for, proposals, what is to be handed over, asked or looked up."""
        intake, agreement = self._parts()
        wall = time.monotonic()
        if wall >= self._next_gaps:
            self._next_gaps = wall + GAP_RETRY_S
            self._publish(intake.ask_gaps())
        self._publish(agreement.tick(wall=wall))
        payload = agreement.submission
        if payload is not None:
            self._ask_once("submit", lambda: self._submit(payload))
        elif agreement.wants_sync and "sync" not in self._asked:
            first, count = agreement.sync_range()
            self._ask_once("sync", lambda: self._sync(first, count))
        if wall >= self._next_look_up and "look up" not in self._asked:
            self._next_look_up = wall + LOOK_UP_S
            mtus = agreement.look_up(wall=wall)
            if mtus:
                self._ask_once("look up", lambda: self._look_up(mtus))

    def _parts(self) -> tuple[Intake, Agreement]:
        if self.intake is None or self.agreement is None:
            raise RuntimeError("start the attester before it works")
        return self.intake, self.agreement

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

    def _publish(self, outgoing: list[Outgoing]) -> None:
        for message in outgoing:
            self._session.publish(message.topic, message.payload)

    def _on_connected(self) -> None:
        intake, agreement = self._parts()
        self._publish(intake.ask_everything())
        agreement.wants_sync = True
        agreement.look_up_everything()

    # ---- the service thread

    def _ask_once(self, name: str, ask: Callable[[], None]) -> None:
        """Hand a question to the service thread unless it is being asked already."""
        if name in self._asked:
            return
        self._asked.add(name)

        def run() -> None:
            try:
                ask()
            finally:
                self._inbox.put(lambda: self._asked.discard(name))

        self._asks.put(run)

    def _ask_service(self) -> None:
        due = {"time": 0.0, "registry": 0.0}
        every = {"time": self.timing.poll_s, "registry": self.timing.registry_s}
        work = {"time": self._poll_time, "registry": self._poll_registry}
        while not self._stopping.is_set():
            try:
                ask = self._asks.get(timeout=max(0.005, min(due.values()) - time.monotonic()))
                if ask is None:
                    return
                self._guarded(ask)
            except queue.Empty:
                pass
            for name, at in due.items():
                if time.monotonic() >= at:
                    self._guarded(work[name])
                    due[name] = time.monotonic() + every[name]

    def _guarded(self, ask: Callable[[], None]) -> None:
        try:
            ask()
        except ServiceAway as error:
            _log.info("attester %s: %s", self.name, error)
            self._stopping.wait(min(RETRY_S, self.timing.poll_s))
        except DominoesError as error:
            _log.warning("attester %s: %s", self.name, error)
        except Exception:  # one bad answer must not end the thread
            _log.exception("attester %s could not use an answer of the service", self.name)

    def _poll_time(self) -> None:
        self._refresh_time()

    def _ask_registry(self) -> Registry:
        """The registry as the service tells it, where the chain bears it out. Raises RegistryRefused."""
        registry = self._service.registry(self.area)
        reasons = self._chain.registry_objections(registry)
        if reasons:
            raise RegistryRefused(area=self.area, reasons=reasons)
        return registry

    def _poll_registry(self) -> None:
        registry = self._ask_registry()
        if self.intake is not None and registry != self.intake.registry:
            self._inbox.put(lambda: self._use_registry(registry))

    def _use_registry(self, registry: Registry) -> None:
        intake, agreement = self._parts()
        self._remember(registry)
        known = set(intake.books)
        intake.use_registry(registry)
        agreement.use_registry(registry)
        fresh = set(intake.books) - known
        self._publish([item for item in intake.ask_everything() if item.topic.split("/")[-3] in fresh])

    def _settle(self) -> None:
        self._guarded(self._poll_settlements)  # terms are witnessed from the start on
        while not self._stopping.wait(self.timing.settlement_s):
            self._guarded(self._poll_settlements)

    def _poll_settlements(self) -> None:
        if self._settlement is not None and self.intake is not None:
            self._settlement(self.intake.registry)

    def _submit(self, payload: dict[str, Any]) -> None:
        try:
            self._service.submit_attestations(payload)
        except ServiceRefused as error:
            reason = str(error)
            self._inbox.put(lambda: self._parts()[1].rejected(payload, reason))
            return
        self._inbox.put(lambda: self._publish(self._parts()[1].submitted(payload)))

    def _sync(self, first: int, count: int) -> None:
        states: list[dict[str, Any]] = []
        if count:
            states = self._service.attestation_states(self.area, first, count)
        self._inbox.put(lambda: self._parts()[1].synced(states))

    def _look_up(self, mtus: list[int]) -> None:
        try:
            states = self._chain.reading_states(area=self.area, mtus=mtus)
        except DominoesError:
            self._inbox.put(lambda: self._parts()[1].look_up_everything())
            raise
        self._inbox.put(lambda: self._parts()[1].shown(states))
