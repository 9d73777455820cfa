"""Order intake with group commit: many submitters, one writer, answers only after the commit.

Whatever waits when the writer comes round goes into one transaction, so that the cost of a durable commit is shared;
nobody waits for a timer.
"""

from __future__ import annotations

import contextlib
import queue
import threading
from collections.abc import Callable, Container, Sequence
from concurrent.futures import Future
from dataclasses import dataclass, replace
from functools import cache
from typing import Protocol

from domain.eip712 import Domain
from domain.errors import DominoesError
from domain.facts import MandateGranted, MandateRevoked
from ledger_service.clock import MarketClock
from ledger_service.record import Entry, Record, Transaction
from ledger_service.registry.views import fold as fold_registry
from ledger_service.trading.errors import IntakeBusy, IntakeClosed
from ledger_service.trading.receipts import ANSWERED, Receipt, ReceiptSigner
from ledger_service.trading.state import TradingState
from ledger_service.trading.submissions import (
    Backing,
    IntakeLimits,
    IntakeRules,
    RecoveredSigner,
    Submission,
    VerifiedSubmission,
)
from ledger_service.trading.views import fold

GROUP_ITEMS_MAX = 2_000
"""Most submissions of one transaction: bounds how long other writers wait (about half a second)."""

WAITING_ITEMS_MAX = 20_000
"""Submissions that may wait for the writer before more are refused: some seconds of work."""

MANDATE_FACTS = (MandateGranted, MandateRevoked)
"""Facts of intake that are views of the registry: who may be whose agent."""


class Funds(Protocol):
    """What intake must know about money; asked from the writer's thread."""

    def backings(self) -> Callable[[str], Backing]:
        """For one group: what stands behind an account's orders, as the chain has it; asked once per account."""
        ...

    def settled_before(self, area: str) -> int:
        """The first MTU of an area that is not in the balances yet."""
        ...


@dataclass(frozen=True, slots=True)
class Accepted:
    """A submission that is in the journal. Orders and cancels have a receipt; `repeated` if it was there before."""

    entry: Entry
    receipt: Receipt | None
    repeated: bool


Decision = Accepted | DominoesError
"""What becomes of one submission: accepted, or the reason why not."""


class _Request:
    __slots__ = ("future", "items")

    def __init__(self, items: Sequence[Submission]) -> None:
        self.items = items
        self.future: Future[list[Decision]] = Future()


class Intake:
    """Takes signed submissions in, one writer thread over all of them.

    Safety: a decision is given only after its transaction was committed; a refusal changes nothing; what is checked
    (credit, schedule, gate) holds when it is committed, because no other writer runs in between.
    Liveness: assumes that the record can be written; while it can't, submissions fail with StorageUnavailable.
    """

    def __init__(
        self,
        *,
        record: Record,
        domain: Domain,
        clock: MarketClock,
        funds: Funds,
        signer: ReceiptSigner,
        limits: IntakeLimits | None = None,
        organisations: Container[str] = frozenset(),
    ) -> None:
        self._record, self._clock, self._funds, self._signer = record, clock, funds, signer
        self._domain = domain
        self._rules = IntakeRules(limits=limits or IntakeLimits(), backing=self._backing, organisations=organisations)
        self._backings = cache(funds.backings())
        self._state: TradingState | None = None
        self._deciding = threading.Lock()
        self._requests: queue.SimpleQueue[_Request | None] = queue.SimpleQueue()
        self._waiting = 0
        self._counting = threading.Lock()
        self._thread: threading.Thread | None = None

    def start(self) -> None:
        """Start the writer thread."""
        self._thread = threading.Thread(target=self._write_groups, name="intake", daemon=True)
        self._thread.start()

    def close(self) -> None:
        """Finish what waits and stop; later submissions fail with IntakeClosed."""
        with self._counting:
            thread, self._thread = self._thread, None
            if thread is None:
                return
            self._requests.put(None)
        thread.join()

    def submit(self, items: Sequence[Submission]) -> Future[list[Decision]]:
        """Hand submissions over; the future gives one decision per item, in order, once they are committed.

        Raises IntakeBusy or IntakeClosed. The future raises StorageUnavailable where nothing could be written.
        In a coroutine: `await asyncio.wrap_future(intake.submit(items))`.
        """
        request = _Request(items)
        with self._counting:
            if self._thread is None:
                raise IntakeClosed
            if self._waiting + len(items) > WAITING_ITEMS_MAX:
                raise IntakeBusy(waiting=self._waiting)
            self._waiting += len(items)
            self._requests.put(request)
        return request.future

    def process(self, items: Sequence[Submission]) -> list[Decision]:
        """Decide and commit these submissions in one transaction, in the caller's thread."""
        with self._deciding:
            try:
                return self._commit(items)
            except BaseException:
                self._state = None  # it may hold what was not committed: load it afresh
                raise

    def receipt_of(self, entry: Entry) -> Receipt:
        """The receipt of an entry that has one, the same bytes as when it was first given. Raises PayloadErased."""
        return self._signer.receipt(entry)

    def _write_groups(self) -> None:
        open_ended = True
        while open_ended:
            first = self._requests.get()
            if first is None:
                return
            group, size = [first], len(first.items)
            with contextlib.suppress(queue.Empty):
                while size < GROUP_ITEMS_MAX:
                    request = self._requests.get_nowait()
                    if request is None:
                        open_ended = False
                        break
                    group.append(request)
                    size += len(request.items)
            self._answer(group)
            with self._counting:
                self._waiting -= size

    def _answer(self, group: list[_Request]) -> None:
        running = [request for request in group if request.future.set_running_or_notify_cancel()]
        try:
            outcomes = iter(self.process([item for request in running for item in request.items]))
        except BaseException as error:  # the submitters must hear of it, whatever it is
            for request in running:
                request.future.set_exception(error)
            return
        for request in running:
            request.future.set_result([next(outcomes) for _ in request.items])

    def _commit(self, items: Sequence[Submission]) -> list[Decision]:
        signers = [self._signer_of(item) for item in items]
        with self._record.begin() as tx:
            state = self._current_state(tx)
            now = self._clock.now()
            verified = [_verified(state, item, signer) for item, signer in zip(items, signers, strict=True)]
            tx.preload(found.key for found in verified if isinstance(found, VerifiedSubmission))
            appended: list[Entry] = []
            entries: list[Entry | DominoesError] = []
            for item, found in zip(items, verified, strict=True):
                entry = found if isinstance(found, DominoesError) else self._enter(tx, state, item, found, now)
                if isinstance(entry, Entry) and not entry.repeated:
                    appended.append(entry)
                entries.append(entry)
            fold(tx.connection, appended)
            for entry in appended:
                if isinstance(entry.fact, MANDATE_FACTS):
                    fold_registry(tx.connection, entry)
            state.sequence = tx.head.sequence
        return [self._decision(entry) for entry in entries]

    def _current_state(self, tx: Transaction) -> TradingState:
        if self._state is None:
            self._state = TradingState.load(tx.connection, settled_before=self._funds.settled_before)
        self._state.catch_up(tx)
        self._backings = cache(self._funds.backings())
        settled = {book.market.area: 0 for book in self._state.markets.values()}
        for area in settled:
            settled[area] = self._funds.settled_before(area)
        self._state.drop_settled(settled)
        return self._state

    def _backing(self, account: str) -> Backing:
        return self._backings(account)

    def _signer_of(self, item: Submission) -> RecoveredSigner | DominoesError:
        try:
            return item.signer(self._domain)
        except DominoesError as refusal:
            return refusal

    def _enter(
        self, tx: Transaction, state: TradingState, item: Submission, found: VerifiedSubmission, now: int
    ) -> Entry | DominoesError:
        """Append a submission's fact, find that it was appended before, or say why it is refused."""
        try:
            first = tx.find(found.key)
            if first is not None:
                item.check_repeat(first, found)
                return replace(first, repeated=True)
            fact = item.decide(state, self._rules, found, now)
        except DominoesError as refusal:
            return refusal
        entry = tx.append(fact)
        state.apply(entry)
        return entry

    def _decision(self, entry: Entry | DominoesError) -> Decision:
        if isinstance(entry, DominoesError):
            return entry
        receipt = self._signer.receipt(entry) if isinstance(entry.fact, ANSWERED) else None
        return Accepted(entry=entry, receipt=receipt, repeated=entry.repeated)


def _verified(
    state: TradingState, item: Submission, signer: RecoveredSigner | DominoesError
) -> VerifiedSubmission | DominoesError:
    if isinstance(signer, DominoesError):
        return signer
    try:
        return item.verify(state, signer)
    except DominoesError as refusal:
        return refusal
