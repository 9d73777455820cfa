"""Which MTUs are due for an attestation, and with which leaves: the same answer wherever the same readings are held."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from domain.attestations import Leaves
from domain.metering_area import MeteringArea
from domain.mtu import MTU_END, MTU_SECONDS, mtu_end
from domain.periods import Period
from domain.readings import Quality, Reading, in_leaf_order
from oracle.attester.book import MeterBook
from oracle.attester.consensus.proposals import LeafDifference, LeafProposal, ProposedMtu
from oracle.attester.consensus.standing import MtuStanding
from settling.attestations import LEAVES_PER_PAGE
from settling.balancing import Closed
from settling.substitutes import leaves

HORIZON_LAG_S = 10.0
"""How many wall seconds a proposer's market time may lag behind: what was due here before that, a proposal must know.
An older horizon would leave out readings that came since, and so attest what they have already corrected."""


@dataclass
class Backlog:
    """What a plan follows from. `through_mtu`: every MTU up to it has been attested (or can't be any more).

    `books` and `mtus` are the readings and attestations held; others write them.
    """

    area: MeteringArea
    books: Mapping[str, MeterBook]
    mtus: Mapping[int, MtuStanding]
    through_mtu: int
    changed: dict[str, int] = field(default_factory=dict)
    """lowest MTU per meter about which something was learnt after it had been attested"""

    def leaves(self, mtu: int) -> Leaves | None:
        """The leaves last attested for an MTU."""
        stands = self.mtus.get(mtu)
        return None if stands is None else stands.leaves

    def closed(self, *, floor_mtu: int) -> Closed:
        """What stands before the first MTU that may be corrected."""
        return Closed(floor_mtu, self.leaves(floor_mtu - 1))

    def oldest_mtu(self) -> int:
        """The first MTU that may have to be attested."""
        return min([self.through_mtu + 1, *self.changed.values()])

    def note_changed(self, codes: Iterable[str], mtu: int) -> None:
        """Something new is known of these meters from an MTU on that may be attested already."""
        for code in set(codes) & self.books.keys():
            self.changed[code] = min(mtu, self.changed.get(code, mtu))

    def reopen(self, codes: Iterable[str], mtu: int) -> None:
        """Plan an MTU again for these meters: what was attested of it is lost."""
        self.note_changed(codes, mtu)
        self.through_mtu = min(self.through_mtu, mtu - 1)

    def move_on(self, *, floor_mtu: int) -> None:
        """Pass over what is attested, or can't be corrected any more."""
        through = max(self.through_mtu, floor_mtu - 1)
        while self.leaves(through + 1) is not None:
            through += 1
        self.through_mtu = through


class DueHistory:
    """What was due here in the last HORIZON_LAG_S seconds of wall time."""

    def __init__(self) -> None:
        self._due_at: deque[tuple[float, int]] = deque()

    def note(self, mtu: int, *, wall_s: float) -> None:
        """The newest due MTU is this one now."""
        self._due_at.append((wall_s, mtu))
        while len(self._due_at) > 1 and self._due_at[1][0] <= wall_s - HORIZON_LAG_S:
            self._due_at.popleft()

    def lowest_horizon(self, *, wall_s: float) -> int:
        """The horizon a proposal must have: what was due here HORIZON_LAG_S ago; -1 while that is not known."""
        if not self._due_at or self._due_at[0][0] > wall_s - HORIZON_LAG_S:
            return -1
        return self._due_at[0][1]


def newest_due(*, area: MeteringArea, market_time: int, cut_off_s: int) -> int:
    """The last MTU of a declared period whose cut-off has passed; -1 if there is none."""
    last_ended = (market_time - cut_off_s) // MTU_SECONDS - 1
    ends = [min(period.end_mtu - 1, last_ended) for period in area.periods]
    begun = [end for period, end in zip(area.periods, ends, strict=True) if end >= period.first_mtu]
    return max(begun, default=-1)


def correctable_from(*, area: MeteringArea, market_time: int) -> int:
    """The first MTU whose period still takes corrections."""
    open_periods = [
        period.first_mtu for period in area.periods if area.takes_corrections(period, market_time=market_time)
    ]
    return min(open_periods, default=0)


def _begin_of_change(backlog: Backlog, meter_code: str, *, floor_mtu: int, horizon_mtu: int) -> int:
    """First MTU of a meter whose leaf may differ from the attested one."""
    book, first_new = backlog.books[meter_code], backlog.through_mtu + 1
    begin = first_new
    if meter_code in backlog.changed:
        before = book.believed_before(backlog.changed[meter_code])
        begin = min(begin, floor_mtu if before is None else before.mtu + 1)
    leaf = (backlog.leaves(backlog.through_mtu) or {}).get(meter_code)
    before = book.believed_before(first_new)
    if leaf is not None and leaf.quality is Quality.SUBSTITUTE:
        goes_on = not book.believes_between(first_new, horizon_mtu)
    else:  # later readings may have outvoted those that were attested last
        goes_on = leaf is None or (before is not None and before.nonce == leaf.nonce)
    if not goes_on:
        begin = min(begin, floor_mtu if before is None else before.mtu + 1)
    return max(begin, floor_mtu)


def desired(
    *,
    area: MeteringArea,
    book: MeterBook,
    first_mtu: int,
    last_mtu: int,
    horizon_mtu: int,
    closed: Closed,
) -> dict[int, Reading]:
    """The leaves a meter should have, by MTU, for those MTUs of the range in which it is registered. `closed` is what
    can't be corrected any more: there the first of them may have a balancing entry.

    None for a meter that the area has no longer: what it sent stays in its book.
    """
    code = book.key.meter_code
    keys = area.keys_of(code)
    first = max(first_mtu, min((key.valid_from_mtu for key in keys), default=MTU_END))
    if first > last_mtu:
        return {}
    known = book.believed_around(first_mtu=first, last_mtu=horizon_mtu)
    derived = leaves(meter_code=code, readings=known, zone=area.zone_info, first_mtu=first, last_mtu=last_mtu)
    earliest = book.first_believed_before(closed.first_mtu)
    return {
        reading.mtu: closed.balanced(reading, first=earliest)
        for reading in derived
        if any(key.valid_from_mtu <= reading.mtu and key.covers(reading.mtu) for key in keys)
    }


def plan(backlog: Backlog, *, horizon_mtu: int, floor_mtu: int) -> LeafProposal | None:
    """The next proposal, None where nothing is due: MTUs not attested yet, and attested ones whose leaves changed.

    `floor_mtu` is the first MTU that may still be corrected.
    """
    area, first_new = backlog.area, backlog.through_mtu + 1
    wanted: dict[int, dict[str, Reading]] = {
        mtu: {} for mtu in range(max(first_new, floor_mtu), horizon_mtu + 1) if backlog.leaves(mtu) is None
    }
    closed = backlog.closed(floor_mtu=floor_mtu)
    for code, book in backlog.books.items():
        begin = _begin_of_change(backlog, code, floor_mtu=floor_mtu, horizon_mtu=horizon_mtu)
        found = desired(
            area=area, book=book, first_mtu=begin, last_mtu=horizon_mtu, horizon_mtu=horizon_mtu, closed=closed
        )
        for mtu, reading in found.items():
            attested = backlog.leaves(mtu)
            if attested is None or attested.get(code) != reading:
                wanted.setdefault(mtu, {})[code] = reading
    return _paged(backlog, wanted, horizon_mtu)


def _paged(backlog: Backlog, wanted: dict[int, dict[str, Reading]], horizon_mtu: int) -> LeafProposal | None:
    mtus: list[ProposedMtu] = []
    period: Period | None = None
    total = 0
    for mtu in sorted(wanted):
        belongs = backlog.area.period_of(mtu)
        if belongs is None:
            continue
        stands = backlog.mtus.get(mtu)
        due = {key.meter_code for key in backlog.area.meters_at(mtu)}
        merged = dict(backlog.leaves(mtu) or {})
        merged.update(wanted[mtu])
        readings = tuple(in_leaf_order([reading for code, reading in merged.items() if code in due]))
        total += len(readings)
        if period is not None and (belongs != period or total > LEAVES_PER_PAGE):
            break
        period = belongs
        revision = 0 if stands is None else stands.next_revision
        mtus.append(ProposedMtu(mtu=mtu, revision=revision, readings=readings))
    if period is None:
        return None
    return LeafProposal(period=period.number, horizon_mtu=horizon_mtu, mtus=tuple(mtus))


def differences(proposal: LeafProposal, *, backlog: Backlog, floor_mtu: int) -> list[LeafDifference]:
    """All leaves on which the proposal and one's own derivation differ; `floor_mtu` as for a plan."""
    area, closed = backlog.area, backlog.closed(floor_mtu=floor_mtu)
    proposed = {(reading.meter_code, entry.mtu): reading for entry in proposal.mtus for reading in entry.readings}
    own: dict[tuple[str, int], Reading] = {}
    for first, last in _runs(sorted({entry.mtu for entry in proposal.mtus})):
        for code, book in backlog.books.items():
            found = desired(
                area=area,
                book=book,
                first_mtu=first,
                last_mtu=last,
                horizon_mtu=proposal.horizon_mtu,
                closed=closed,
            )
            own.update({(code, mtu): reading for mtu, reading in found.items()})
    return [
        LeafDifference(meter_code=code, mtu=mtu, proposed=proposed.get((code, mtu)), own=own.get((code, mtu)))
        for code, mtu in sorted(proposed.keys() | own.keys())
        if proposed.get((code, mtu)) != own.get((code, mtu))
    ]


def _runs(mtus: list[int]) -> list[tuple[int, int]]:
    """Consecutive MTUs as (first, last)."""
    runs: list[tuple[int, int]] = []
    for mtu in mtus:
        if runs and mtu == runs[-1][1] + 1:
            runs[-1] = (runs[-1][0], mtu)
        else:
            runs.append((mtu, mtu))
    return runs


def has_ended(mtu: int, *, market_time: int, cut_off_s: int) -> bool:
    """Whether the cut-off of an MTU has passed."""
    return mtu_end(mtu) + cut_off_s <= market_time
