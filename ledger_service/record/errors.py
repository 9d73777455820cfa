"""What can go wrong with the journal, one class per cause."""

from __future__ import annotations

from domain.errors import DominoesError


class KeyReused(DominoesError):
    """An idempotency key was used before, with another kind or payload."""

    status = 422
    code = "key-reused"

    def __init__(self, *, key: str, sequence: int) -> None:
        self.key, self.sequence = key, sequence
        super().__init__(
            "this id or reference already names another fact; use a new one, or send the first content again"
        )


class CursorMovedBack(DominoesError):
    """A cursor only moves forward; going back would do work twice."""

    status = 500
    code = "cursor-moved-back"

    def __init__(self, *, name: str, at: int, to: int) -> None:
        self.name, self.at, self.to = name, at, to
        super().__init__(f"cursor {name} stands at {at} and can't move back to {to}; rebuild the views instead")


class NestedTransaction(DominoesError):
    """A thread asked for a write transaction while it already holds one."""

    status = 500
    code = "nested-transaction"

    def __init__(self) -> None:
        super().__init__("this thread already holds the write transaction; pass `tx` down instead of beginning another")


class StorageUnavailable(DominoesError):
    """The database can't be written or read now: disk full, locked by another process, or server away."""

    status = 503
    code = "storage-unavailable"
    remedy = "Nothing was changed; send the same request again after Retry-After, and tell the operator if it stays."
    retryable = True

    def __init__(self, *, reason: str) -> None:
        self.reason = reason
        super().__init__(f"the record can't be reached ({reason}); try again when it is back, nothing is done twice")


class UnknownDatabase(DominoesError):
    """The URL names no database this record runs on."""

    status = 500
    code = "unknown-database"

    def __init__(self, *, url: str) -> None:
        self.url = url
        super().__init__(f"no record can be kept in {url}; give sqlite:///path/file.db or postgresql://user@host/name")


class JournalBroken(DominoesError):
    """The journal does not verify: an entry was changed, lost, added or emptied outside the write path."""

    status = 500
    code = "journal-broken"

    def __init__(self, *, sequence: int, check: str) -> None:
        self.sequence, self.check = sequence, check
        super().__init__(f"entry {sequence} fails the check '{check}'; stop the service and restore the last backup")


class NotErasable(DominoesError):
    """An erasure's own record is what the journal's gaps are accounted for by: it stays."""

    status = 422
    code = "not-erasable"

    def __init__(self, *, sequence: int, kind: str) -> None:
        self.sequence, self.kind = sequence, kind
        super().__init__(f"entry {sequence} is a {kind} fact, which names nobody and can't be erased; leave it out")


class ErasureUnfinished(DominoesError):
    """The entries are empty, but their old bytes still stand in the database's log because somebody reads it."""

    status = 503
    code = "erasure-unfinished"
    remedy = "Ask for the same erasure again once long reads of the record, such as exports, have ended."
    retryable = True

    def __init__(self, *, sequences: list[int]) -> None:
        self.sequences = sequences
        super().__init__(
            f"entries {sequences} are erased, but readers keep the write-ahead log that still holds their bytes; "
            "erase them again when long reads have ended"
        )


class PayloadErased(DominoesError):
    """The payload of this entry has been erased; only its hash remains."""

    status = 410
    code = "payload-erased"
    remedy = "Nothing can be done: it was erased for good. Its hash still proves that it was there."

    def __init__(self, *, sequence: int) -> None:
        self.sequence = sequence
        super().__init__(f"the content of entry {sequence} was erased; its erasure record says when and why")
