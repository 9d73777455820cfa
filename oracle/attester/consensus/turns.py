"""Whose turn it is to propose: every attester that knows the same oldest due MTU gives the same answer."""

from __future__ import annotations

from dataclasses import dataclass, replace

from domain.metering_area import MeteringArea


@dataclass(frozen=True, slots=True)
class Turn:
    """The turns for an oldest due MTU, from `since_s` (wall clock) on: the first attester's, then the next one's.

    `checked`: the service was asked whether others have attested it already, so that one may take over.
    """

    oldest_mtu: int
    since_s: float
    checked: bool = False

    def waits_s(self, *, area: MeteringArea, name: str, timeout_s: float) -> float:
        """How many seconds after `since_s` the turn of this attester begins; 0 where it is the first."""
        names = [entry.name for entry in area.attesters]
        rank = (names.index(name) - self.oldest_mtu) % len(names) if name in names else len(names)
        return rank * timeout_s

    def check(self) -> Turn:
        """The same, once the service was asked."""
        return replace(self, checked=True)
