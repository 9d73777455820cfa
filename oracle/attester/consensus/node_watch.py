"""When an attester looks up on its own node what became of attestations."""

from __future__ import annotations

from oracle.attester.consensus.standing import Standing

LOOK_UP_S = 1.0
"""Wall seconds between looking up on the node what is not seen there yet."""

LOOK_UP_ALL_S = 600.0
"""Wall seconds between looking up on the node all that can still be corrected: a block may be taken back."""


class NodeWatch:
    """One question at a time: what is not seen yet each second, now and then all that can still be corrected."""

    def __init__(self) -> None:
        self._asking = False
        self._next_at_s = 0.0
        self._all_at_s: float | None = None

    def to_look_up(self, standing: Standing, *, floor_mtu: int, wall_s: float) -> tuple[int, ...]:
        """The MTUs to ask the node about now; none while an answer is awaited. `wall_s` is any clock in seconds."""
        if self._asking or wall_s < self._next_at_s:
            return ()
        self._next_at_s = wall_s + LOOK_UP_S
        everything = self._all_at_s is None or wall_s - self._all_at_s > LOOK_UP_ALL_S
        if everything:
            self._all_at_s = wall_s
        mtus = standing.to_look_up(floor_mtu=floor_mtu, everything=everything)
        self._asking = bool(mtus)
        return mtus

    def answered(self) -> None:
        """The node has shown what it was asked for."""
        self._asking = False

    def unanswered(self) -> None:
        """It has not: ask for everything next time."""
        self._asking = False
        self.everything_again()

    def everything_again(self) -> None:
        """Begin the next look-up with all that can still be corrected: after a new connection."""
        self._all_at_s = None
