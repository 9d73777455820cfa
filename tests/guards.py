"""Nothing slow runs while a write transaction is open: no signature check, no solver, no hash of much.

The service holds one write transaction at a time, so whatever is slow in one makes every order wait. While code of the
product has one open, each call of the functions listed here fails the test; transactions of the tests' own are free.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from types import CodeType, FrameType
from typing import Any

import pytest

from clearing.model_of_record import solve_levels
from clearing.validation import validate_program
from domain.hashing import keccak
from domain.jws import signature_matches
from domain.merkle import merkle_proof, merkle_proofs, merkle_root
from domain.signing import recover
from domain.words import book_hash, page_hashes, settlement_page_hashes, settlement_words_hash, words_hash
from ledger_service.record import Record, Transaction
from settling.attestations import verify_set
from settling.settlement import commit, settle

_FUNCTIONS: tuple[Callable[..., Any], ...] = (
    recover,
    signature_matches,
    merkle_root,
    merkle_proof,
    merkle_proofs,
    page_hashes,
    settlement_page_hashes,
    words_hash,
    settlement_words_hash,
    book_hash,
    solve_levels,
    validate_program,
    verify_set,
    settle,
    commit,
)
SLOW: dict[CodeType, str] = {function.__code__: function.__name__ for function in _FUNCTIONS}
"""What may not run in a write transaction, by its code."""

HASHED_BYTES_MAX = 262_144
"""Longest text that is hashed in a transaction: above the largest call of a contract (64 KiB of calldata, as hex), far
below a grid, a program or a day's statements, which are written and hashed before (`record.prepare`)."""

HASHES_PER_FACT_MAX = 12
"""Hashes that a fact may cost in its transaction: its payload, its place in the chain, its key, a few ids."""

HASHES_MAX = 100
"""Hashes that a transaction may make beside those of its facts."""


FREE_FOLDERS = (Path(__file__).parent, Path(__file__).parents[1] / "benchmarks")
"""Whose transactions nobody waits for."""


class SlowInTransaction(AssertionError):
    """Code of the product did something slow with a write transaction open."""


class Watch:
    """Counts hashes and facts appended, repeats too, in one transaction, and refuses what is slow."""

    def __init__(self) -> None:
        self.hashes = self.facts = 0

    def __call__(self, frame: FrameType, event: str, argument: Any) -> None:
        """As `sys.setprofile` calls it."""
        if event != "call":
            return
        if frame.f_code is keccak.__code__:
            self.hashes += 1
            if len(frame.f_locals["data"]) > HASHED_BYTES_MAX:
                raise SlowInTransaction("a large text was hashed while a write transaction was open; do it before")
        elif frame.f_code is Transaction.append.__code__:
            self.facts += 1
        name = SLOW.get(frame.f_code)
        if name is not None:
            raise SlowInTransaction(f"{name} was called while a write transaction was open; do it before")


def guard_transactions(monkeypatch: pytest.MonkeyPatch) -> None:
    """Watch every write transaction that code of the product begins."""
    begin: Callable[[Record], AbstractContextManager[Transaction]] = Record.begin

    @contextmanager
    def watched(record: Record) -> Iterator[Transaction]:
        watch, before = Watch(), sys.getprofile()
        with begin(record) as tx:
            sys.setprofile(watch)
            try:
                yield tx
            finally:
                sys.setprofile(before)
            if watch.hashes > HASHES_MAX + HASHES_PER_FACT_MAX * watch.facts:
                raise SlowInTransaction(f"{watch.hashes} hashes for {watch.facts} facts; hash many items before")

    def guarded(record: Record) -> AbstractContextManager[Transaction]:
        caller = Path(sys._getframe(1).f_code.co_filename)
        return begin(record) if any(map(caller.is_relative_to, FREE_FOLDERS)) else watched(record)

    monkeypatch.setattr(Record, "begin", guarded)
