"""How one attester reaches m of n with the others: a state machine without any I/O.

One attester proposes the leaves of due MTUs, the others sign only what they derive themselves. Messages between
attesters need no trust: a proposal is recomputed, a fetched reading carries its meter's signature, and a signature is
recovered. Who proposes rotates with the oldest due MTU; after a time-out the next one takes over.

`handle` takes what happens and returns what is to be done, in that order. Should an effect fail, the machine may be
ahead of the store: make a new one from what is on disk; it begins by learning where MTUs stand.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import replace
from typing import assert_never

from domain.attestations import SignedAttestation
from domain.metering_area import MeteringArea
from oracle.attester.book import MeterBook
from oracle.attester.consensus import effects, events
from oracle.attester.consensus.attestations import RecordedMtu
from oracle.attester.consensus.effects import Effect, HandOver
from oracle.attester.consensus.endorsing import FETCH_MAX, Endorsement, Endorser
from oracle.attester.consensus.events import Event, Moment, Question
from oracle.attester.consensus.knowledge import Knowledge
from oracle.attester.consensus.node_watch import NodeWatch
from oracle.attester.consensus.planning import DueHistory, newest_due, plan
from oracle.attester.consensus.proposals import LeafProposal
from oracle.attester.consensus.states import MOVES, Cause, Collecting, HandingOver, Learning, Resting, State, Waiting
from oracle.attester.consensus.turns import Turn

RESEND_S = 2.0
"""Wall seconds after which an unanswered proposal is published again."""

ASK_PAUSE_S = 0.1
"""Wall seconds between two questions to the service about where MTUs stand, however doubtful they are."""


class Consensus:
    """The consensus of the attester `name` of an area. `books` are the readings held, kept up to date by others;
    `held` the attestations in the store, by MTU and revision, and whether one's own node has shown each."""

    def __init__(
        self,
        *,
        name: str,
        area: MeteringArea,
        books: Mapping[str, MeterBook],
        held: Iterable[tuple[SignedAttestation, bool]],
        at: Moment,
        cut_off_s: int,
        timeout_s: float,
    ) -> None:
        self.name = name
        self.state: State = Learning()
        self._effects: list[Effect] = []
        self._cut_off_s, self._timeout_s = cut_off_s, timeout_s
        self.known = Knowledge(area=area, books=books, held=held, emit=self._effects.append, at=at)
        self._due = DueHistory()
        self._endorser = Endorser(backlog=self.known.backlog, due=self._due, cut_off_s=cut_off_s)
        self._watch = NodeWatch()
        self._turn: Turn | None = None
        self._ask_at_s = 0.0
        self._news = False  # something came that may change the proposal in hand

    @property
    def area(self) -> MeteringArea:
        """The area as known now."""
        return self.known.area

    def handle(self, event: Event, at: Moment) -> list[Effect]:
        """Take in what happened; returns what is to be done, in order. A message of a stranger changes nothing."""
        self._effects.clear()
        if self._is_for_others(event):
            return []
        match event:
            case events.Tick():
                self._tick(at)
            case events.Connected():
                self._watch.everything_again()
                self._doubt()
            case events.AreaChanged(area):
                self.known.use_area(area, at)
            case events.ReadingsCame():
                self._take_news(event, at)
            case events.ProposalHeard(sender, proposal):
                self._take(self._endorser.hear(sender, proposal, at))
            case events.SignaturesHeard(sender, signatures):
                self._collect(sender, signatures)
            case events.AttestedHeard(sender, attestations):
                self.known.hear_attested(attestations, at)
                self._endorser.forget(sender)
            case events.ReadingsWanted(sender, readings):
                self._emit(effects.ShowMessages(sender, readings[:FETCH_MAX]))
            case events.StatesTold(states):
                self._be_told(states, at)
            case events.HandedOver(attestations):
                self._have_recorded(attestations, at)
            case events.HandOverRefused():
                self._be_refused(event)
            case events.ChainShown():
                self._see_chain(event, at)
            case events.Unanswered(question):
                self._ask_again(question)
            case _:
                assert_never(event)
        return list(self._effects)

    def _is_for_others(self, event: Event) -> bool:
        """Whether a message comes from oneself (but for signatures), or from nobody of the area."""
        match event:
            case events.ProposalHeard(sender) | events.AttestedHeard(sender) | events.ReadingsWanted(sender):
                return sender == self.name or self.area.attester_named(sender) is None
            case events.SignaturesHeard(sender):
                return self.area.attester_named(sender) is None
            case _:
                return False

    def _emit(self, effect: Effect) -> None:
        self._effects.append(effect)

    def _move(self, cause: Cause, state: State) -> None:
        """Enter another state. Raises KeyError or ValueError where the table has no such move: a programming error."""
        if MOVES[type(self.state), cause] is not type(state):
            raise ValueError(f"{cause} does not lead from {self.state} to {state}")
        self.state = state

    def _doubt(self, *, to_take_over: bool = False) -> None:
        """Others may know, or have done, what is not known here: learn it before proposing anything."""
        match self.state:
            case Learning():
                pass
            case HandingOver():
                self.state = replace(self.state, in_doubt=True)
            case _:
                self._move(Cause.DOUBT, Learning(to_take_over=to_take_over))

    # ---- what time brings

    def _tick(self, at: Moment) -> None:
        horizon = newest_due(area=self.area, market_time=at.market_s, cut_off_s=self._cut_off_s)
        self._due.note(horizon, wall_s=at.wall_s)
        mtus = self._watch.to_look_up(self.known.standing, floor_mtu=self.known.floor_mtu(at), wall_s=at.wall_s)
        if mtus:
            self._emit(effects.LookUp(mtus))
        final = self.known.drop_final(at)
        if final is not None:
            self._emit(final)
        match self.state:
            case Learning(asked=False) if at.wall_s >= self._ask_at_s:
                self._ask_at_s = at.wall_s + ASK_PAUSE_S
                self.state = replace(self.state, asked=True)
                self._emit(self.known.question(at))
            case HandingOver(hand_over, asked=False):
                self.state = replace(self.state, asked=True)
                self._emit(hand_over)
            case Resting() | Waiting() | Collecting() if self.area.periods:
                self._take(self._endorser.look_again(at))
                if not isinstance(self.state, Learning):
                    self._take_turn(horizon, at)
            case _:
                pass

    def _take_turn(self, horizon: int, at: Moment) -> None:
        """Propose what is due if it is this attester's turn, or send an unanswered proposal again."""
        self._drop_unchanged(horizon, at)
        if horizon <= self.known.backlog.through_mtu and not self.known.backlog.changed:
            self._rest()
            return
        oldest = self.known.backlog.oldest_mtu()
        if self._turn is None or self._turn.oldest_mtu != oldest:
            self._turn = Turn(oldest_mtu=oldest, since_s=at.wall_s)
        waits_s = self._turn.waits_s(area=self.area, name=self.name, timeout_s=self._timeout_s)
        if at.wall_s - self._turn.since_s < waits_s:
            if isinstance(self.state, Resting):
                self._move(Cause.OTHERS_TURN, Waiting())
        elif waits_s > 0 and not self._turn.checked:
            self._doubt(to_take_over=True)  # others should have proposed: perhaps they did, and it is recorded
        else:
            self._propose(horizon, at)

    def _rest(self) -> None:
        self._turn = None
        if not isinstance(self.state, Resting):
            self._move(Cause.NOTHING_DUE, Resting())

    def _drop_unchanged(self, horizon: int, at: Moment) -> None:
        """Forget what looked changed but gives the attested leaves again: whose turn it is must follow from the oldest
        MTU that really is due, or attesters would disagree on it and wait for each other."""
        if isinstance(self.state, Collecting) or not self.known.backlog.changed:
            return
        due = self._plan(horizon, at)
        if due is None or due.mtus[0].mtu > self.known.backlog.through_mtu:
            self.known.backlog.changed.clear()

    def _plan(self, horizon: int, at: Moment) -> LeafProposal | None:
        return plan(self.known.backlog, horizon_mtu=horizon, floor_mtu=self.known.floor_mtu(at))

    # ---- proposing

    def _propose(self, horizon: int, at: Moment) -> None:
        state = self.state
        if isinstance(state, Collecting) and not self._news and at.wall_s - state.sent_at_s < RESEND_S:
            return
        self._news = False
        proposal = self._plan(horizon, at)
        if proposal is None:
            self.known.backlog.changed.clear()
            self._rest()
            return
        if proposal.mtus[0].mtu > self.known.backlog.through_mtu:
            self.known.backlog.changed.clear()  # MTUs ascend, so nothing that was attested before has changed
        if any(entry.revision == 0 and at.market_s > self.area.attest_until(entry.mtu) for entry in proposal.mtus):
            self._doubt()  # revision 0 can't be recorded any more: learn whether the MTU is marked Unread
        elif not isinstance(state, Collecting) or state.proposal.mtus != proposal.mtus:
            self._begin(proposal, at)
        elif at.wall_s - state.sent_at_s < RESEND_S:
            pass
        elif at.wall_s - state.begun_at_s > self._timeout_s:
            self._doubt()  # nobody signs: perhaps another proposal is recorded already
        else:
            self.state = replace(state, proposal=proposal, sent_at_s=at.wall_s)  # seen from a later horizon
            self._emit(effects.Propose(proposal))

    def _begin(self, proposal: LeafProposal, at: Moment) -> None:
        attestations = tuple(entry.attestation(self.area.area_id) for entry in proposal.mtus)
        collecting = Collecting(proposal, attestations, begun_at_s=at.wall_s, sent_at_s=at.wall_s)
        if isinstance(self.state, Collecting):
            self.state = collecting
        else:
            self._move(Cause.OWN_TURN, collecting)
        self._emit(effects.Sign(self.name, attestations))
        self._emit(effects.Propose(proposal))

    def _collect(self, name: str, signatures: tuple[bytes, ...]) -> None:
        """Count an attester's signatures over the proposal in hand; with those of m it is handed over."""
        state, entry = self.state, self.area.attester_named(name)
        if not isinstance(state, Collecting) or entry is None:
            return
        self.state = state = state.signed_by(entry, signatures, domain=self.area.readings_domain)
        complete = state.complete(threshold=self.area.threshold)
        if complete is not None:
            self._hand_over(Cause.SIGNED, complete)

    # ---- the service

    def _hand_over(self, cause: Cause, what: HandOver) -> None:
        self._move(cause, HandingOver(what))
        self._emit(what)

    def _have_recorded(self, attestations: tuple[SignedAttestation, ...], at: Moment) -> None:
        self.known.keep(attestations, at)
        self._emit(effects.Announce(attestations))
        if isinstance(self.state, HandingOver):
            in_doubt = self.state.in_doubt
            self._move(Cause.RECORDED, Resting())
            if in_doubt:
                self._doubt()

    def _be_refused(self, event: events.HandOverRefused) -> None:
        """Learn what is recorded before proposing again."""
        self._emit(effects.Warn(event.reason))
        self.known.take_back(event.attestations)
        if isinstance(self.state, HandingOver):
            self._move(Cause.REFUSED, Learning())
        else:
            self._doubt()

    def _be_told(self, states: tuple[RecordedMtu, ...], at: Moment) -> None:
        """An answer to a question of an earlier life, before a fault, changes nothing."""
        state = self.state
        if not isinstance(state, Learning):
            return
        lacking = self.known.be_told(states, at)
        if state.to_take_over and self._turn is not None:
            self._turn = self._turn.check()
        if lacking is None:
            self._move(Cause.TOLD, Resting())
        else:
            self._hand_over(Cause.TOLD_LESS, lacking)

    def _ask_again(self, question: Question) -> None:
        match question, self.state:
            case Question.SERVICE_STATES, Learning():
                self.state = replace(self.state, asked=False)
            case Question.HAND_OVER, HandingOver():
                self.state = replace(self.state, asked=False)
            case Question.CHAIN_STATES, _:
                self._watch.unanswered()
            case _:
                pass

    # ---- what is new

    def _see_chain(self, event: events.ChainShown, at: Moment) -> None:
        self._watch.answered()
        if self.known.see_chain(event.states, at):
            self._doubt()

    def _take_news(self, event: events.ReadingsCame, at: Moment) -> None:
        backlog = self.known.backlog
        self._news = self._news or bool(event.lowest_mtus)
        for code, mtu in event.lowest_mtus.items():
            if mtu <= backlog.through_mtu:
                backlog.note_changed([code], mtu)
        if event.shown_by is not None and event.lowest_mtus:
            self._take(self._endorser.learnt_from(event.shown_by, at))

    def _take(self, found: Endorsement) -> None:
        self._effects += found.effects
        if found.in_doubt:
            self._doubt()
