"""Repeated requests: an Idempotency-Key is answered once, and from then on with the first answer."""

from __future__ import annotations

import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from threading import Lock

from sqlalchemy import Connection, delete, func, insert, select

from domain.errors import DominoesError
from ledger_service.access.tables import IDEMPOTENCY_KEY_MAX, request_answer
from ledger_service.record import Record

ANSWER_KEPT_SECONDS = 7 * 86_400
"""How long answers are kept. A repeat after that meets the natural key of the fact itself, so it does no harm."""


ANSWERS_KEPT_MAX = 2_000
"""Answers kept for one principal; beyond, the oldest half goes."""


class IdempotencyKeyReused(DominoesError):
    """The key came before with another request."""

    status = 422
    code = "idempotency-key-reused"
    remedy = "Take a new key for the new request; the old key belongs to the one it came with first."

    def __init__(self, *, key: str) -> None:
        self.key = key
        super().__init__("this Idempotency-Key was used for another request; use a new key for a new request")


class RequestInFlight(DominoesError):
    """The same key is being worked on at this moment."""

    status = 409
    code = "request-in-flight"
    remedy = "Wait for the answer to the first request, or repeat this one after Retry-After."
    retryable = True

    def __init__(self, *, key: str) -> None:
        self.key = key
        super().__init__("a request with this Idempotency-Key is being worked on; ask again in a moment")


class BadIdempotencyKey(DominoesError):
    """The key is empty, too long or not plain text."""

    status = 400
    code = "bad-idempotency-key"
    remedy = "Send a key of 1 to 64 visible characters, or none."

    def __init__(self) -> None:
        super().__init__(f"Idempotency-Key must be 1 to {IDEMPOTENCY_KEY_MAX} visible ASCII characters")


@dataclass(frozen=True, slots=True)
class KeptAnswer:
    """What was answered: HTTP status and body."""

    status: int
    body: bytes


def check_key(key: str) -> str:
    """The key, if it may be one. Raises BadIdempotencyKey."""
    if not 1 <= len(key) <= IDEMPOTENCY_KEY_MAX or not all("!" <= character <= "~" for character in key):
        raise BadIdempotencyKey
    return key


class AnswerBook:
    """Answers by principal and key. Keys of different principals never meet.

    Two requests with one key at the same time: the first works, the second is told to wait. A crash between effect
    and stored answer is harmless because every fact has a natural key of its own; so is an answer dropped for room.
    Bodies are kept compressed: the answer to a list repeats itself, and may be many times as long as the list.
    """

    def __init__(self, *, record: Record) -> None:
        self._record = record
        self._in_flight: set[tuple[bytes, str]] = set()
        self._lock = Lock()
        self._kept: dict[bytes, int] = {}  # answers of a principal as last counted, and those since

    @contextmanager
    def hold(self, *, principal: bytes, key: str) -> Iterator[None]:
        """Keep the key to this request while it is worked on. Raises RequestInFlight."""
        with self._lock:
            if (principal, key) in self._in_flight:
                raise RequestInFlight(key=key)
            self._in_flight.add((principal, key))
        try:
            yield
        finally:
            with self._lock:
                self._in_flight.discard((principal, key))

    def first_answer(self, *, principal: bytes, key: str, input_hash: bytes) -> KeptAnswer | None:
        """What was answered before to this key, if anything. Raises IdempotencyKeyReused for another input."""
        query = select(request_answer).where(request_answer.c.principal == principal, request_answer.c.key == key)
        with self._record.read() as connection:
            row = connection.execute(query).first()
        if row is None:
            return None
        if row.input_hash != input_hash:
            raise IdempotencyKeyReused(key=key)
        return KeptAnswer(status=row.status, body=zlib.decompress(row.body))

    def store(self, *, principal: bytes, key: str, input_hash: bytes, answer: KeptAnswer, now: int) -> None:
        """Remember an answer; on the way those older than ANSWER_KEPT_SECONDS go, and what is too many for one."""
        values = {
            "principal": principal,
            "key": key,
            "input_hash": input_hash,
            "status": answer.status,
            "body": zlib.compress(answer.body),
            "answered_at": now,
        }
        with self._record.begin() as tx:
            tx.connection.execute(
                delete(request_answer).where(request_answer.c.answered_at < now - ANSWER_KEPT_SECONDS)
            )
            tx.connection.execute(insert(request_answer).values(**values))
            self._make_room(tx.connection, principal)

    def _make_room(self, connection: Connection, principal: bytes) -> None:
        """Drop the older half of a principal's answers where there are too many; counted anew only now and then."""
        kept = self._kept.get(principal, ANSWERS_KEPT_MAX) + 1
        mine, at = request_answer.c.principal == principal, request_answer.c.answered_at
        if kept > ANSWERS_KEPT_MAX:
            kept = connection.execute(select(func.count()).where(mine)).scalar_one()
        if kept > ANSWERS_KEPT_MAX:
            half = select(at).where(mine).order_by(at.desc()).offset(ANSWERS_KEPT_MAX // 2).limit(1)
            connection.execute(delete(request_answer).where(mine, at < connection.execute(half).scalar_one()))
            kept = ANSWERS_KEPT_MAX  # counted with the next one
        self._kept[principal] = kept
