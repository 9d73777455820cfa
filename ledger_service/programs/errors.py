"""What must not happen to a program: facts that contradict each other, or the chain."""

from __future__ import annotations


class RecordContradicts(LookupError):
    """A program or MTU of which the chain, or an earlier fact, says what the rest of this record does not bear out.

    Nothing is guessed. What it is about waits, and nothing else does.
    """

    def __init__(self, *, what: str, reason: str) -> None:
        self.what, self.reason = what, reason
        super().__init__(f"{what} {reason}; rebuild the views, or restore the record from a backup, and report this")
