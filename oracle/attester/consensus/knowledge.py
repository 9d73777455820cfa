"""What one attester knows of an area's attestations: where each MTU stands, and which are still to be made."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping

from domain.attestations import SignedAttestation
from domain.metering_area import MeteringArea
from oracle.attester.book import MeterBook
from oracle.attester.consensus.attestations import RecordedMtu, signed_by_enough
from oracle.attester.consensus.effects import AskStates, DropFinal, Effect, HandOver
from oracle.attester.consensus.events import Moment, OnChain
from oracle.attester.consensus.planning import Backlog, correctable_from, newest_due
from oracle.attester.consensus.standing import Standing
from settling.attestations import LEAVES_PER_PAGE

STATES_MAX = 1_000
"""Most MTUs the service is asked about at once: ten days."""


class Knowledge:
    """Keeps `standing` (what is attested) and `backlog` (what is not, or not rightly) true to each other."""

    def __init__(
        self,
        *,
        area: MeteringArea,
        books: Mapping[str, MeterBook],
        held: Iterable[tuple[SignedAttestation, bool]],
        emit: Callable[[Effect], None],
        at: Moment,
    ) -> None:
        self._dropped = (0, 0)
        self.standing = Standing(held=held, emit=emit)
        first = _first_mtu(area)
        self.backlog = Backlog(area=area, books=books, mtus=self.standing.mtus, through_mtu=first - 1)
        self.move_on(at)
        self.backlog.changed.update(dict.fromkeys(books, first))  # readings may have come since these were attested

    @property
    def area(self) -> MeteringArea:
        """The area as known now."""
        return self.backlog.area

    def use_area(self, area: MeteringArea, at: Moment) -> None:
        """Take over newer meters, attesters, periods or deadlines."""
        had_periods = bool(self.area.periods)
        self.backlog.area = area
        if not had_periods and area.periods:
            self.backlog.through_mtu = _first_mtu(area) - 1
        self.move_on(at)

    def floor_mtu(self, at: Moment) -> int:
        """The first MTU that may still be corrected."""
        return correctable_from(area=self.area, market_time=at.market_s)

    def move_on(self, at: Moment) -> None:
        """Pass over what is attested, or can't be corrected any more."""
        self.backlog.move_on(floor_mtu=self.floor_mtu(at))

    def drop_final(self, at: Moment) -> DropFinal | None:
        """Forget what no correction can need; returns what the store is to forget, None where nothing became final.

        The store keeps attestations for one more horizon: settlements of their period may still wait for a signature.
        """
        first_open = self.floor_mtu(at)
        first_kept = correctable_from(area=self.area, market_time=at.market_s - self.area.horizon_seconds)
        if (first_kept, first_open) == self._dropped or first_open <= 0:
            return None
        self._dropped = first_kept, first_open
        self.standing.drop_before(first_open - 1)  # the next leaves go on from the last ones that are final
        return DropFinal(first_kept, first_open, self.backlog.closed(floor_mtu=first_open).unheard)

    # ---- attestations

    def keep(self, items: Iterable[SignedAttestation], at: Moment) -> None:
        """Take over attestations that m attesters signed, oneself among them."""
        self.standing.keep(items, wall_s=at.wall_s)
        self.move_on(at)

    def accept(self, item: SignedAttestation, at: Moment) -> None:
        """Take over an attestation made by others if m attesters of distinct organisations signed it."""
        signed = signed_by_enough(item, self.area)
        if signed is not None:
            self.keep([signed], at)
            self.backlog.note_changed(signed.leaves, signed.mtu)

    def hear_attested(self, items: Iterable[SignedAttestation], at: Moment) -> None:
        """Take over what an attester says is recorded, where it is new and not final."""
        floor = self.floor_mtu(at)
        for item in items:
            if item.mtu >= floor and item.revision >= self.standing.next_revision(item.mtu):
                self.accept(item, at)

    def take_back(self, items: Iterable[SignedAttestation]) -> None:
        """The service does not record these: forget those that one's own node does not show."""
        for item in items:
            stands = self.standing.mtus.get(item.mtu)
            if stands is not None and stands.next_revision == item.revision + 1 and not stands.included:
                self._drop(item.mtu, next_revision=item.revision)

    def _drop(self, mtu: int, *, next_revision: int) -> None:
        self.backlog.reopen(self.standing.forget(mtu, next_revision=next_revision), mtu)

    # ---- the service

    def question(self, at: Moment) -> AskStates:
        """What the service is to be asked now: about MTUs from the first doubtful one on."""
        self.standing.asking()
        ended = newest_due(area=self.area, market_time=at.market_s, cut_off_s=0)
        floor = self.floor_mtu(at)
        first = max(floor, min([self.backlog.oldest_mtu(), *self.standing.doubted]))
        if self.area.period_of(floor - 1) is not None and self.standing.leaves(floor - 1) is None:
            first = floor - 1  # final, and what the first leaves after it go on from
        return AskStates(first, max(0, min(ended - first + 1, STATES_MAX)))

    def be_told(self, states: Iterable[RecordedMtu], at: Moment) -> HandOver | None:
        """Take over what the service has recorded; drop what it does not hold and one's own node does not show.

        Returns what m attesters signed and the service lacks, though it could still record it.
        """
        missing = [item for item in (self._take_state(told, at) for told in states) if item is not None]
        self.standing.doubted.clear()
        self.move_on(at)
        return self._first_page(missing)

    def _take_state(self, told: RecordedMtu, at: Moment) -> SignedAttestation | None:
        mtu, recorded = told.mtu, told.attestation
        if self.standing.contradicted(told):
            held = self.standing.held(mtu)
            if held is not None and held.revision == told.next_revision:
                return held
            self._drop(mtu, next_revision=told.next_revision)
        next_revision = self.standing.next_revision(mtu)
        if recorded is not None:
            unknown = self.standing.leaves(mtu) is None and recorded.revision + 1 == next_revision
            if unknown or recorded.revision >= next_revision:
                self.accept(recorded, at)
        elif told.next_revision > next_revision:
            self._drop(mtu, next_revision=told.next_revision)
        return None

    def _first_page(self, items: list[SignedAttestation]) -> HandOver | None:
        """What is handed over of these at once: of the first one's period, up to the leaves of a page."""
        period = self.area.period_of(items[0].mtu) if items else None
        if period is None:
            return None
        page: list[SignedAttestation] = []
        total = 0
        for item in items:
            total += len(item.readings)
            if item.mtu not in period or (page and total > LEAVES_PER_PAGE):
                break
            page.append(item)
        return HandOver(period.number, tuple(page))

    # ---- one's own node

    def see_chain(self, states: Mapping[int, OnChain], at: Moment) -> bool:
        """Take in what one's own node shows; returns whether the service has to be asked about any of it."""
        for mtu, shown in sorted(states.items()):
            lost = self.standing.compare(mtu, shown, wall_s=at.wall_s)
            if lost:
                self.backlog.reopen(lost, mtu)
        return bool(self.standing.doubted)


def _first_mtu(area: MeteringArea) -> int:
    """The first MTU of the area's periods; 0 without any."""
    return min((period.first_mtu for period in area.periods), default=0)
