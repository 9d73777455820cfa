"""Caps: what envelopes leave for the words of a point, at one gate and after those before it.

Sources: docs/protocol.md section 3 ("Caps", "Earlier gates"), docs/evidence.md section 2 ("Erasure").
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass

from verifier.facts import EarlierPosition, Envelope
from verifier.verdict import Report
from verifier.words import ASK, NO_CAP, Word

Caps = tuple[int | None, int | None]
"""Import and export cap of a point in Wh; None: none."""

Place = tuple[int, str]
"""An MTU and a point."""

UNLIMITED: Caps = (None, None)
"""Import and export cap of a point without an envelope."""


def caps_of(envelopes: Sequence[Envelope]) -> dict[Place, Caps]:
    """(import cap, export cap) in Wh by MTU and point."""
    return {(item.mtu, item.point): (item.import_cap_wh, item.export_cap_wh) for item in envelopes}


def tighter(one: Caps, other: Caps) -> Caps:
    """The lower cap of each direction: what an earlier gate left in force is never widened."""
    lows = [min((cap for cap in pair if cap is not None), default=None) for pair in zip(one, other, strict=True)]
    return lows[0], lows[1]


def left_lots(caps: Caps, side: int, before_wh: int, lot_wh: int) -> int | None:
    """Lots that an envelope leaves a side of a point that bought (+) or sold so much at gates before; None: no cap."""
    cap = caps[side]
    return None if cap is None else max(cap + (before_wh if side == ASK else -before_wh), 0) // lot_wh


def check_caps(
    report: Report,
    words: Sequence[Word],
    points: Mapping[str, str | None],
    left: Mapping[tuple[str, int], int | None],
) -> None:
    """The cap of each word is what is left for its point and side beside the better ones: best limit first, then
    ascending tag. `points` by tag of the words whose order is open, `left`: lots by point and side.

    Where erased orders of a side are capped, the others can have less by no more than these have together.
    """
    groups = defaultdict[tuple[str, int], list[tuple[int, str, int]]](list)
    hidden, short = Counter[int](), Counter[int]()
    for at, word in enumerate(words):
        if word.tag in points:
            rank = (word.limit if word.side == ASK else -word.limit, word.tag, at)
            groups[points[word.tag] or "", word.side].append(rank)
        elif word.cap != NO_CAP:
            hidden[word.side] += word.cap
    for (point, side), members in groups.items():
        most = rest = left.get((point, side))
        source = f"the envelope of point {point}, {most} lots, leaves"
        for _, _, at in sorted(members):
            cap = words[at].cap
            expected = NO_CAP if rest is None else min(words[at].quantity, rest)
            if rest is None or cap > expected or not hidden[side]:
                report.same(f"word {at} cap", cap, expected, source)
            short[side] += max(expected - cap, 0)
            rest = None if rest is None else max(rest - cap, 0)
    for side, lots in short.items():
        if hidden[side] and lots > hidden[side]:
            name = f"lots that words of side {side} have less than is left"
            report.fail(lots, name=name, source="those that are erased have", expected=hidden[side])


@dataclass(frozen=True, slots=True)
class HiddenTrades:
    """Wh bought and sold at earlier gates by orders that are erased, of one MTU: at which points, nobody can say."""

    bought_wh: int
    sold_wh: int


def check_left(
    report: Report,
    told: Sequence[EarlierPosition],
    due: Mapping[Place, tuple[int, Caps]],
    hidden: Mapping[int, HiddenTrades],
    blind: Collection[int],
) -> None:
    """What earlier gates left of each point is what their words and envelopes give (net Wh and caps by MTU and point).

    Of an MTU with erased orders the points differ by no more than these bought and sold; of one whose program is erased
    (blind) its caps stay open.
    """
    report.ascending("order of earlier", [(item.mtu, item.point) for item in told])
    shown = {(item.mtu, item.point): (item.net_wh, (item.import_cap_wh, item.export_cap_wh)) for item in told}
    beyond = defaultdict[int, list[int]](list)
    for place in sorted(shown.keys() | due.keys()):
        (net_wh, caps), (due_wh, due_caps) = shown.get(place, (0, UNLIMITED)), due.get(place, (0, UNLIMITED))
        name = f"of point {place[1]} in MTU {place[0]}"
        if place[0] not in blind:
            report.same(f"earlier caps {name}", caps, due_caps, "envelopes of earlier gates give")
        if place[0] in hidden:
            beyond[place[0]].append(net_wh - due_wh)
        else:
            report.same(f"earlier net_wh {name}", net_wh, due_wh, "words of earlier gates give")
    for mtu, wrong in beyond.items():
        found = HiddenTrades(sum(max(wh, 0) for wh in wrong), sum(max(-wh, 0) for wh in wrong))
        most = hidden[mtu]
        if found.bought_wh > most.bought_wh or found.sold_wh > most.sold_wh:
            report.fail(found, name=f"earlier net_wh of MTU {mtu}", source="erased orders are at most", expected=most)
