"""Signing what other attesters propose: only what one derives oneself, and only where something justifies it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from zoneinfo import ZoneInfo

from domain.readings import Quality, Reading
from oracle.attester.book import MeterBook
from oracle.attester.consensus.effects import Effect, Fetch, ShowMessages, Sign, Warn
from oracle.attester.consensus.events import Moment
from oracle.attester.consensus.planning import Backlog, DueHistory, correctable_from, differences, has_ended
from oracle.attester.consensus.proposals import LeafDifference, LeafProposal
from settling.attestations import LEAVES_PER_PAGE, changes_nothing, leads_to

FETCH_MAX = 2_000
"""Most readings asked for, or sent, in one message between attesters."""


DOUBT_PAUSE_S = 2.0
"""Wall seconds between two doubts about one attester's proposals: as often as an honest one sends them again. To learn
gives up the proposal in hand, so one that lies without pause must not make others learn without pause."""


@dataclass(frozen=True, slots=True)
class Endorsement:
    """What comes of a proposal; `in_doubt`: it takes other revisions than are known here, so the service knows more."""

    effects: tuple[Effect, ...] = ()
    in_doubt: bool = False


class Endorser:
    """Remembers the last proposal of each other attester, since what is missing for it may come later."""

    def __init__(self, *, backlog: Backlog, due: DueHistory, cut_off_s: int) -> None:
        self._backlog, self._due, self._cut_off_s = backlog, due, cut_off_s
        self._heard: dict[str, LeafProposal] = {}
        self._deferred: set[str] = set()
        """whose proposals came before market time, or the service's record, was known here"""
        self._doubted_s: dict[str, float] = {}
        """wall time at which an attester's proposal was last a reason to ask the service"""

    def hear(self, sender: str, proposal: LeafProposal, at: Moment) -> Endorsement:
        """An attester proposes."""
        self._heard[sender] = proposal
        return self._consider(sender, proposal, at)

    def forget(self, sender: str) -> None:
        """What an attester proposed is attested."""
        self._heard.pop(sender, None)

    def learnt_from(self, sender: str, at: Moment) -> Endorsement:
        """An attester has shown readings: perhaps its proposal can be derived now."""
        proposal = self._heard.get(sender)
        return Endorsement() if proposal is None else self._consider(sender, proposal, at)

    def look_again(self, at: Moment) -> Endorsement:
        """Consider what was heard too early, so that nobody waits for it to be sent again."""
        effects: list[Effect] = []
        in_doubt = False
        for sender in sorted(self._deferred):
            proposal = self._heard.get(sender)
            if proposal is None:
                self._deferred.discard(sender)
            elif self._has_ended(proposal, at):
                self._deferred.discard(sender)
                found = self._consider(sender, proposal, at)
                if found.in_doubt:
                    self._deferred.discard(sender)  # once is enough: the proposer sends it again
                effects += found.effects
                in_doubt = in_doubt or found.in_doubt
        return Endorsement(tuple(effects), in_doubt)

    def _has_ended(self, proposal: LeafProposal, at: Moment) -> bool:
        return has_ended(proposal.horizon_mtu, market_time=at.market_s, cut_off_s=self._cut_off_s)

    def _consider(self, sender: str, proposal: LeafProposal, at: Moment) -> Endorsement:
        """Sign a proposal that equals one's own derivation; else fetch what is missing and show what it leaves out."""
        area, mtus = self._backlog.area, [entry.mtu for entry in proposal.mtus]
        period = next((item for item in area.periods if item.number == proposal.period), None)
        if period is None or not self._has_ended(proposal, at):
            self._deferred.add(sender)
            return Endorsement()
        if not mtus or mtus != sorted({mtu for mtu in mtus if mtu in period}):
            return _refused(sender, f"its MTUs do not ascend within period {period.number}")
        floor_mtu = correctable_from(area=area, market_time=at.market_s)
        if mtus[0] < floor_mtu:
            return _refused(sender, f"MTU {mtus[0]} can't be corrected any more")
        if any(entry.revision != self._next_revision(entry.mtu) for entry in proposal.mtus):
            self._deferred.add(sender)
            return Endorsement(in_doubt=self._may_doubt(sender, at))
        found = differences(proposal, backlog=self._backlog, floor_mtu=floor_mtu)
        if found:
            return Endorsement(answers_to(sender, found, self._backlog.books, zone=self._backlog.area.zone_info))
        lowest_horizon_mtu = self._due.lowest_horizon(wall_s=at.wall_s)
        reason = objection(proposal, backlog=self._backlog, lowest_horizon_mtu=lowest_horizon_mtu)
        if reason is not None:
            return _refused(sender, reason)
        return Endorsement((Sign(sender, tuple(entry.attestation(area.area_id) for entry in proposal.mtus)),))

    def _may_doubt(self, sender: str, at: Moment) -> bool:
        """Whether what an attester proposes is a reason to ask the service, so soon after the last time."""
        if at.wall_s - self._doubted_s.get(sender, -DOUBT_PAUSE_S) < DOUBT_PAUSE_S:
            return False
        self._doubted_s[sender] = at.wall_s
        return True

    def _next_revision(self, mtu: int) -> int:
        stands = self._backlog.mtus.get(mtu)
        return 0 if stands is None else stands.next_revision


def _refused(sender: str, reason: str) -> Endorsement:
    return Endorsement((Warn(f"proposal of {sender}: {reason}"),))


def objection(proposal: LeafProposal, *, backlog: Backlog, lowest_horizon_mtu: int) -> str | None:
    """Why a proposal is not signed although its leaves can be derived; None where nothing speaks against it.

    The leaves follow from the horizon, so an old one would undo corrections; and of two leaves that share a register,
    one alone would make energy appear or vanish.
    """
    if proposal.horizon_mtu < max(lowest_horizon_mtu, proposal.mtus[-1].mtu):
        return f"its horizon {proposal.horizon_mtu} leaves out readings that are due"
    leaves = {entry.mtu: entry.leaves for entry in proposal.mtus}
    total = sum(len(readings) for readings in leaves.values())
    for mtu, readings in leaves.items():
        if changes_nothing(readings, backlog.leaves(mtu)):
            return f"it changes nothing of MTU {mtu}"
        after = backlog.leaves(mtu + 1)
        own_page = mtu + 1 in leaves or backlog.area.period_of(mtu + 1) != backlog.area.period_of(mtu)
        if own_page or after is None or total + len(after) > LEAVES_PER_PAGE:
            continue
        code = leads_to(readings, after)
        if code is not None:
            return f"what is attested of meter {code!r} after MTU {mtu} does not go on from it"
    return None


def answers_to(
    sender: str, found: list[LeafDifference], books: Mapping[str, MeterBook], *, zone: ZoneInfo
) -> tuple[Effect, ...]:
    """Ask for readings only the proposer holds; show those on which one's own leaves rest."""
    want: set[tuple[str, int]] = set()
    give: dict[tuple[str, int], None] = {}
    for item in found[:FETCH_MAX]:
        book = books.get(item.meter_code)
        if item.proposed is not None and item.proposed.quality is Quality.MEASURED:
            want |= {(item.meter_code, sequence) for sequence in _missing(item.proposed, book)}
        if book is None:
            continue
        around = [book.believed_before(item.mtu), book.believed_before(item.mtu + 1)]
        held = [*book.held_at(item.mtu - 1), *book.held_at(item.mtu)]
        before = (book.first_believed_before(item.mtu), *book.behind(item.mtu - 1, zone=zone))
        for reading in (*around, *held, *book.behind(item.mtu, zone=zone), *before):
            if reading is not None:
                give[item.meter_code, reading.sequence] = None
    effects: list[Effect] = []
    if want:
        effects.append(Fetch(sender, tuple(sorted(want)[:FETCH_MAX])))
    if give:
        effects.append(ShowMessages(sender, tuple(give)))
    return tuple(effects)


def _missing(leaf: Reading, book: MeterBook | None) -> Iterator[int]:
    """The sequences that are not held of the readings a measured leaf rests on: its own, and the one before, which may
    be the meter's baseline that no leaf shows."""
    held = [] if book is None else book.held_at(leaf.mtu)
    if all((reading.sequence, reading.nonce) != (leaf.sequence, leaf.nonce) for reading in held):
        yield leaf.sequence
    if leaf.sequence > 1 and (book is None or not book.held_at(leaf.mtu - 1)):
        yield leaf.sequence - 1
