"""The envelope of a connection point: what it may draw and feed in during one MTU."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Envelope:
    """Most energy a point may draw and feed in one MTU, in Wh, both not negative; None where nothing limits it."""

    import_wh: int | None = None
    export_wh: int | None = None

    def within(self, other: Envelope) -> Envelope:
        """The tighter of both in each direction."""
        return Envelope(
            import_wh=_least(self.import_wh, other.import_wh), export_wh=_least(self.export_wh, other.export_wh)
        )


def _least(first: int | None, second: int | None) -> int | None:
    if first is None or second is None:
        return second if first is None else first
    return min(first, second)
