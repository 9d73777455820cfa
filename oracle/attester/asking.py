"""The thread that asks the service and the node, so that neither keeps meters waiting."""

from __future__ import annotations

import logging
import queue
import threading
import time
from collections.abc import Callable, Iterable, Mapping
from typing import Protocol

from domain.attestations import AttestationSet
from domain.errors import DominoesError
from domain.metering_area import MeteringArea
from domain.roles import ChainRole
from oracle.attester.consensus.effects import AskStates, HandOver, LookUp
from oracle.attester.consensus.events import (
    ChainShown,
    Event,
    HandedOver,
    HandOverRefused,
    OnChain,
    Question,
    StatesTold,
    Unanswered,
)
from oracle.attester.market_clock import PolledClock
from oracle.attester.service import AttestationService, ServiceAway, ServiceRefused
from oracle.attester.signed import SignedTerms

RETRY_S = 1.0
"""Wall seconds before the service is asked again after it failed to answer."""

_log = logging.getLogger(__name__)


class ReadingsChain(Protocol):
    """What an attester reads of the Readings contract, from a node of its own choice."""

    def reading_states(self, *, area: str, mtus: Iterable[int]) -> Mapping[int, OnChain]:
        """Where MTUs stand: revisions taken, and the last root. Raises DominoesError."""
        ...

    def area_objections(self, area: MeteringArea) -> list[str]:
        """Where the chain does not bear out what the service says of the area. Raises DominoesError."""
        ...

    def held_role(self, address: str, role: ChainRole, area: str | None) -> bool:
        """Whether an address (0x hex) has, or had, a role for an area. Raises DominoesError."""
        ...


class AreaRefused(DominoesError):
    """What the service says of the area is not what the chain says; the last one that held stays in use."""

    code = "metering-area-refused"
    retryable = True

    def __init__(self, *, area: str, reasons: list[str]) -> None:
        self.area, self.reasons = area, reasons
        super().__init__(f"meters and attesters of {area} are not taken over: {'; '.join(reasons)}; ask the operator")


class ServiceThread:
    """Asks one question after the other; answers go to `tell`, a new area to `use_area`, both called on its thread."""

    def __init__(
        self,
        *,
        area: str,
        service: AttestationService,
        chain: ReadingsChain,
        clock: PolledClock,
        tell: Callable[[Event], None],
        use_area: Callable[[MeteringArea], None],
        stopping: threading.Event,
        time_s: float,
        area_s: float,
    ) -> None:
        self._area, self._service, self._chain, self._clock = area, service, chain, clock
        self._terms = SignedTerms(chain.held_role)
        self._tell, self._use_area = tell, use_area
        self._stopping = stopping
        self._time_s, self._area_s = time_s, area_s
        self._asks: queue.SimpleQueue[Callable[[], None] | None] = queue.SimpleQueue()

    def stop(self) -> None:
        """End `run` after the question in hand."""
        self._asks.put(None)

    def run(self) -> None:
        """Ask until stopped: what is wanted at once, market time and the area from time to time."""
        due = {self._clock.refresh: 0.0, self._poll_area: 0.0}
        every = {self._clock.refresh: self._time_s, self._poll_area: self._area_s}
        while not self._stopping.is_set():
            try:
                ask = self._asks.get(timeout=max(0.005, min(due.values()) - time.monotonic()))
                if ask is None:
                    return
                self.guarded(ask)
            except queue.Empty:
                pass
            for work, at in due.items():
                if time.monotonic() >= at:
                    self.guarded(work)
                    due[work] = time.monotonic() + every[work]

    def guarded(self, work: Callable[[], object]) -> None:
        """Let one bad answer, or none, end no thread."""
        try:
            work()
        except ServiceAway as error:
            _log.info("attester of %s: %s", self._area, error)
            self._stopping.wait(min(RETRY_S, self._time_s))
        except DominoesError as error:
            _log.warning("attester of %s: %s", self._area, error)
        except Exception:  # one bad answer must not end the thread
            _log.exception("an attester of %s could not use an answer", self._area)

    # ---- the area

    def metering_area(self) -> MeteringArea:
        """The area as the service tells it, where the chain bears it out, with the meters and connections that are
        signed. Raises AreaRefused and what these raise."""
        found = self._service.metering_area(self._area)
        reasons = self._chain.area_objections(found)
        if reasons:
            raise AreaRefused(area=self._area, reasons=reasons)
        return self._terms.of_area(found)

    def _poll_area(self) -> None:
        self._use_area(self.metering_area())

    # ---- questions of the consensus

    def _ask(self, question: Question, ask: Callable[[], Event]) -> None:
        def run() -> None:
            answer: Event = Unanswered(question)
            try:
                answer = ask()
            finally:
                self._tell(answer)

        self._asks.put(run)

    def ask_states(self, question: AskStates) -> None:
        """Ask the service where MTUs stand."""

        def ask() -> Event:
            found = self._service.attestation_states(self._area, question.first_mtu, question.count)
            return StatesTold(tuple(found))

        self._ask(Question.SERVICE_STATES, ask)

    def hand_over(self, what: HandOver, handed_in: AttestationSet) -> None:
        """Hand attestations to the service."""

        def ask() -> Event:
            try:
                self._service.submit_attestations(handed_in)
            except ServiceRefused as error:
                return HandOverRefused(what.attestations, str(error))
            return HandedOver(what.attestations)

        self._ask(Question.HAND_OVER, ask)

    def look_up(self, question: LookUp) -> None:
        """Ask the node where MTUs stand."""
        self._ask(
            Question.CHAIN_STATES,
            lambda: ChainShown(self._chain.reading_states(area=self._area, mtus=question.mtus)),
        )
