"""Taking attestations in while everybody else goes on: large ones are read and verified in a process of their own.

A body may hold a hundred thousand readings. Reading and verifying them in a thread would make every other thread wait
for the interpreter again and again; another process has an interpreter of its own.
"""

from __future__ import annotations

import multiprocessing
import os
import threading
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from dataclasses import dataclass
from functools import lru_cache, partial
from multiprocessing import connection

from domain.attestations import AttestationSet
from domain.eip712 import Domain
from domain.errors import DominoesError
from ledger_service.metering.operations import RecordedAttestation, record_attestations
from ledger_service.metering.verification import VerifiedAttestations, verify_attestations
from ledger_service.record import Record

IN_PLACE_BYTES_MAX = 1_048_576
"""Bodies up to this size are verified in the caller's thread: some tenths of a second, less than a process's start."""

NICENESS = 10
"""How far the other process gives way: whoever waits for an answer of the service goes first."""

ReadBody = Callable[[bytes], AttestationSet]
"""Reads the set of attestations in a body, or raises a DominoesError; a function of a module, so that another
process can call it."""


@dataclass(frozen=True, slots=True)
class _Job:
    """What a verification needs; the record is opened anew where it runs."""

    url: str
    raw: bytes
    read: ReadBody
    now: int
    readings: Domain
    settlement: Domain

    def run(self, record: Record) -> VerifiedAttestations:
        """Read and verify."""
        given = self.read(self.raw)
        with record.read() as connection:
            return verify_attestations(
                connection, given, now=self.now, readings=self.readings, settlement=self.settlement
            )


class VerificationLost(DominoesError):
    """The process that verified a body ended before it was done: out of memory, or killed."""

    status = 503
    code = "verification-lost"
    retryable = True

    def __init__(self) -> None:
        super().__init__("the attestations were not verified and nothing of them is recorded; hand them in again")


class AttestationIntake:
    """Verifies and records bodies of attestations. Safe to use from several threads; one large body at a time."""

    def __init__(self, record: Record, *, readings: Domain, settlement: Domain) -> None:
        self._record, self._readings, self._settlement = record, readings, settlement
        self._starting = threading.Lock()
        self._large = threading.Lock()
        self._pool: ProcessPoolExecutor | None = None

    def accept(self, raw: bytes, *, read: ReadBody, now: int) -> RecordedAttestation:
        """Record what a body holds, at market time `now`.

        Raises what `read` and `accept_attestations` raise, and VerificationLost.
        """
        job = _Job(
            url=self._record.engine.url.render_as_string(hide_password=False),
            raw=raw,
            read=read,
            now=now,
            readings=self._readings,
            settlement=self._settlement,
        )
        if len(raw) <= IN_PLACE_BYTES_MAX:
            return record_attestations(self._record, partial(job.run, self._record))
        with self._large:  # of two attesters with the same set, the second finds it recorded
            return record_attestations(self._record, partial(self._elsewhere, job))

    def close(self) -> None:
        """End the process; a body that is being verified is lost to its sender, who hands it in again."""
        with self._starting:
            pool, self._pool = self._pool, None
        if pool is not None:
            pool.shutdown(cancel_futures=True)

    def _elsewhere(self, job: _Job) -> VerifiedAttestations:
        with self._starting:
            if self._pool is None:
                # Not forked: a child of a process with threads may inherit locks that nobody gives back.
                self._pool = ProcessPoolExecutor(
                    max_workers=1, mp_context=multiprocessing.get_context("spawn"), initializer=_set_up
                )
            pool = self._pool
        try:
            return pool.submit(_verify, job).result()
        except BrokenProcessPool as error:
            with self._starting:
                if self._pool is pool:
                    self._pool = None
            raise VerificationLost from error


def _set_up() -> None:
    """Runs first in the other process: it gives way to the service, and one that is killed leaves nothing behind."""
    os.nice(NICENESS)
    parent = multiprocessing.parent_process()
    if parent is None:
        return

    def watch(sentinel: int) -> None:
        connection.wait([sentinel])
        os._exit(1)

    threading.Thread(target=watch, args=(parent.sentinel,), daemon=True).start()


@lru_cache(maxsize=1)
def _opened(url: str) -> Record:
    return Record(url)


def _verify(job: _Job) -> VerifiedAttestations:
    """Runs in the other process."""
    return job.run(_opened(job.url))
