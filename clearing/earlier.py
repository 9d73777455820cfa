"""What markets with earlier gates left of an MTU: positions that stand, and envelopes that stay in force."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass

import numpy as np

from clearing.book import Ints
from domain.facts.programs import EarlierPosition
from domain.hashing import hash_json
from domain.mtu import MtuRange
from grid.envelope import Envelope


@dataclass(frozen=True, slots=True, eq=False)
class Earlier:
    """All points of a grid in one MTU: `net_wh` by point index (+ = bought, − = sold), envelopes of those with one."""

    net_wh: Ints
    envelopes: Mapping[int, Envelope]

    @classmethod
    def none(cls, points: int) -> Earlier:
        """Nothing was traded before, and nothing limits a point yet."""
        return cls(np.zeros(points, dtype=np.int64), {})

    def spared(self, point: int, envelope: Envelope) -> Envelope:
        """The envelope, but never below what the point has sold or bought already: those trades stand."""
        net_wh = int(self.net_wh[point])
        return Envelope(
            import_wh=None if envelope.import_wh is None else max(envelope.import_wh, net_wh),
            export_wh=None if envelope.export_wh is None else max(envelope.export_wh, -net_wh),
        )


def earlier_hash(found: Iterable[EarlierPosition]) -> bytes:
    """keccak of the canonical JSON list, in the order given: that of the fact is by MTU, then point (protocol.md
    section 3)."""
    return hash_json([asdict(position) for position in found])


def positions_of(earlier: Sequence[Earlier], *, points: Sequence[str], first_mtu: int) -> list[EarlierPosition]:
    """Points with a position or an envelope, by MTU and point; `points` are the codes of the grid in its order."""
    found = []
    for at, of_mtu in enumerate(earlier):
        for code, point in sorted((code, point) for point, code in enumerate(points)):
            envelope, net_wh = of_mtu.envelopes.get(point, Envelope()), int(of_mtu.net_wh[point])
            if net_wh or envelope != Envelope():
                caps = (envelope.import_wh, envelope.export_wh)
                found.append(EarlierPosition(code, first_mtu + at, net_wh, *caps))
    return found


def earlier_by_mtu(found: Iterable[EarlierPosition], *, points: Sequence[str], mtus: MtuRange) -> list[Earlier]:
    """One element per MTU of a program; `points` are the codes of the grid in its order. Raises LookupError."""
    index = {code: at for at, code in enumerate(points)}
    by_mtu: dict[int, list[EarlierPosition]] = {mtu: [] for mtu in mtus}
    for position in found:
        by_mtu[position.mtu].append(position)
    result = []
    for positions in by_mtu.values():
        net_wh = np.zeros(len(points), dtype=np.int64)
        envelopes = {}
        for position in positions:
            at, envelope = index[position.point], Envelope(position.import_cap_wh, position.export_cap_wh)
            net_wh[at] = position.net_wh
            if envelope != Envelope():
                envelopes[at] = envelope
        result.append(Earlier(net_wh, envelopes))
    return result
