"""Between the consensus and the world: reads and writes messages, store and questions, so that it need not."""

from __future__ import annotations

import logging
from collections import deque
from collections.abc import Callable, Iterable
from typing import Protocol

from domain.attestations import AttestationSet
from domain.metering_area import MeteringArea
from domain.readings import Attestation
from domain.signing import SigningKey
from domain.strictness import Unreadable
from oracle.attester.consensus import effects, events
from oracle.attester.consensus.effects import AskStates, Effect, HandOver, LookUp
from oracle.attester.consensus.events import Event, Moment
from oracle.attester.consensus.machine import Consensus
from oracle.attester.consensus.proposals import LeafProposal
from oracle.attester.dialogue import (
    MESSAGES_PER_PAYLOAD,
    Attested,
    Message,
    MeterMessages,
    ReadingsRequest,
    Signatures,
    kind_of,
    read_message,
    write_message,
)
from oracle.attester.evidence import attestation_set
from oracle.attester.intake import MeterIntake, Outgoing
from oracle.attester.store import Store

_log = logging.getLogger(__name__)


class Questions(Protocol):
    """Where questions go; each is answered later by an event, be it Unanswered."""

    def ask_states(self, question: AskStates) -> None:
        """Ask the service: StatesTold."""
        ...

    def hand_over(self, what: HandOver, handed_in: AttestationSet) -> None:
        """Hand attestations to the service: HandedOver or HandOverRefused."""
        ...

    def look_up(self, question: LookUp) -> None:
        """Ask one's own node: ChainShown."""
        ...


class ConsensusDriver:
    """Lets things happen to one consensus and carries out what it wants, on one thread.

    Whatever its store raises goes through: the consensus may then be ahead of the store, and both are made anew.
    """

    def __init__(
        self,
        *,
        consensus: Consensus,
        key: SigningKey,
        store: Store,
        intake: MeterIntake,
        publish: Callable[[Outgoing], object],
        questions: Questions,
        now: Callable[[], Moment],
    ) -> None:
        self.consensus = consensus
        self._key = key
        self._store = store
        self._intake = intake
        self._publish = publish
        self._questions = questions
        self._now = now

    def happen(self, event: Event) -> None:
        """Let something happen, carry out what follows, and let happen what follows from that."""
        waiting = deque([event])
        while waiting:
            for effect in self.consensus.handle(waiting.popleft(), self._now()):
                follows = self._carry_out(effect)
                if follows is not None:
                    waiting.append(follows)

    def take_readings(self, messages: Iterable[tuple[str | None, bytes]], *, shown_by: str | None = None) -> None:
        """Take in messages of meters, as (topic or None, payload): from the meters, or shown by another attester."""
        outgoing, lowest_mtus = self._intake.take(messages)
        for message in outgoing:
            self._publish(message)
        if lowest_mtus or shown_by is not None:
            self.happen(events.ReadingsCame(lowest_mtus, shown_by))

    def use_area(self, area: MeteringArea) -> None:
        """Take over newer meters, attesters, periods or deadlines."""
        self._intake.use_area(area)
        self.happen(events.AreaChanged(area))

    def hear(self, *, sender: str, kind: str, payload: bytes) -> None:
        """Take in a message of another attester. What can't be read, or is not for this one, changes nothing."""
        area, own = self.consensus.area, self.consensus.name
        if sender == own or area.attester_named(sender) is None:
            return
        try:
            message = read_message(kind, payload)
        except Unreadable as error:
            _log.warning("attester %s can't use what %s says: %s", own, sender, error)
            return
        match message:
            case LeafProposal():
                self.happen(events.ProposalHeard(sender, message))
            case Attested(attestations):
                self.happen(events.AttestedHeard(sender, attestations))
            case Signatures(to, signatures) if to == own:
                self.happen(events.SignaturesHeard(sender, signatures))
            case ReadingsRequest(to, readings) if to == own:
                self.happen(events.ReadingsWanted(sender, readings))
            case MeterMessages(to, messages) if to == own:
                self.take_readings([(None, item) for item in messages], shown_by=sender)
            case _:
                pass

    def _carry_out(self, effect: Effect) -> Event | None:
        match effect:
            case effects.Keep() | effects.Forget() | effects.NoteIncluded():
                self._write(effect)
            case effects.DropFinal(first_kept_mtu, first_open_mtu, unheard):
                with self._store.commit():
                    self._store.drop_attestations(before_mtu=first_kept_mtu)
                self._intake.forget_before(first_open_mtu, but_of=unheard)
            case effects.Propose(proposal):
                self._say(proposal)
            case effects.Sign(to, attestations):
                return self._sign(to, attestations)
            case effects.Fetch(to, wanted):
                self._say(ReadingsRequest(to, wanted))
            case effects.ShowMessages(to, wanted):
                self._show(to, self._store.messages_of(wanted))
            case effects.Announce(attestations):
                self._say(Attested(attestations))
            case AskStates(count=0):
                return events.StatesTold(())
            case AskStates():
                self._questions.ask_states(effect)
            case HandOver():
                area = self.consensus.area
                handed_in = attestation_set(effect, area=area, books=self._intake.books, store=self._store)
                self._questions.hand_over(effect, handed_in)
                self._tell_balancing(effect)
            case LookUp():
                self._questions.look_up(effect)
            case effects.Warn(reason):
                _log.warning("attester %s: %s", self.consensus.name, reason)
        return None

    def _tell_balancing(self, handed_over: HandOver) -> None:
        """Say which meters had metered something else where nothing can be corrected any more."""
        for item in handed_over.attestations:
            for leaf in item.readings:
                if any(leaf.balancing_wh):
                    made_good = f"{leaf.balancing_import_wh} Wh of import and {leaf.balancing_export_wh} Wh of export"
                    _log.warning("meter %s: MTU %d makes good %s before it", leaf.meter_code, leaf.mtu, made_good)

    def _write(self, effect: effects.Keep | effects.Forget | effects.NoteIncluded) -> None:
        with self._store.commit():
            match effect:
                case effects.Keep(attestations):
                    self._store.add_attestations(attestations)
                case effects.Forget(mtu, from_revision):
                    self._store.forget_attestations(mtu=mtu, from_revision=from_revision)
                case effects.NoteIncluded(mtu, revision):
                    self._store.note_included(mtu=mtu, revision=revision)

    def _sign(self, to: str, attestations: tuple[Attestation, ...]) -> Event | None:
        """Sign, once it is on disk what is signed."""
        digests = [item.digest(self.consensus.area.readings_domain) for item in attestations]
        at = self._now().market_s
        with self._store.commit():
            for item, digest in zip(attestations, digests, strict=True):
                self._store.note_signed(kind="attestation", key=f"{item.mtu}:{item.revision}", digest=digest, at=at)
        signatures = tuple(self._key.sign(digest) for digest in digests)
        if to == self.consensus.name:
            return events.SignaturesHeard(to, signatures)
        self._say(Signatures(to, signatures))
        return None

    def _show(self, to: str, messages: list[bytes]) -> None:
        for at in range(0, len(messages), MESSAGES_PER_PAYLOAD):
            self._say(MeterMessages(to, tuple(messages[at : at + MESSAGES_PER_PAYLOAD])))

    def _say(self, message: Message) -> None:
        topic = self._intake.topics.attest(self.consensus.name, kind_of(message))
        self._publish(Outgoing(topic, write_message(message)))
