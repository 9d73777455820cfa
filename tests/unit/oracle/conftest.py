"""An area in memory: meters that sign, attesters without a broker that hear each other at once."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import pytest
from nacl.signing import SigningKey as MeterKeyPair

from contracts.bindings.readings import ReadingState
from domain.attestations import AttestationSet, SignedAttestation
from domain.hashing import text_id
from domain.messages import make_message
from domain.metering_area import AttesterEntry, MeteringArea
from domain.mtu import mtu_end
from domain.periods import Period
from domain.readings import Reading
from domain.registers import RegisterReading
from domain.signing import SigningKey
from oracle.attester.consensus.attestations import RecordedMtu
from oracle.attester.consensus.effects import AskStates, HandOver, LookUp
from oracle.attester.consensus.events import ChainShown, HandedOver, HandOverRefused, Moment, StatesTold, Tick
from oracle.attester.consensus.machine import Consensus
from oracle.attester.consensus.planning import correctable_from
from oracle.attester.consensus.standing import Standing
from oracle.attester.consensus.states import State
from oracle.attester.driver import ConsensusDriver
from oracle.attester.intake import MeterIntake, Outgoing
from oracle.attester.store import Store
from settling.attestations import AttestationRefused, verify_set
from tests.attester_store import refusals
from tests.metered import each_at_its_own

FIRST = 1_900_000
CUT_OFF_S = 120


@dataclass
class Asked:
    """The questions of an attester, until the area answers them."""

    waiting: list[AskStates | LookUp | tuple[HandOver, AttestationSet]] = field(default_factory=list)

    def ask_states(self, question: AskStates) -> None:
        self.waiting.append(question)

    def hand_over(self, what: HandOver, handed_in: AttestationSet) -> None:
        self.waiting.append((what, handed_in))

    def look_up(self, question: LookUp) -> None:
        self.waiting.append(question)


@dataclass
class Attesting:
    """One attester: store, intake and consensus, without broker and threads."""

    name: str
    store: Store
    intake: MeterIntake
    driver: ConsensusDriver
    asked: Asked
    said: list[Outgoing]
    """what it published and nobody has heard yet"""

    @property
    def state(self) -> State:
        return self.driver.consensus.state

    @property
    def standing(self) -> Standing:
        return self.driver.consensus.known.standing

    def hear(self, *messages: bytes, topic: str | None = None) -> list[Outgoing]:
        """Take meter messages as they come from the broker, all in one group; what it answers the meters."""
        topics = [topic or self.intake.topics.reading(self.meter_of(message)) for message in messages]
        self.driver.take_readings(zip(topics, messages, strict=True))
        return self.take_said()

    def hear_attester(self, sender: str, kind: str, payload: bytes) -> list[Outgoing]:
        """Take a message of another attester; what it answers."""
        self.driver.hear(sender=sender, kind=kind, payload=payload)
        return self.take_said()

    def take_said(self) -> list[Outgoing]:
        said, self.said[:] = list(self.said), []
        return said

    def meter_of(self, message: bytes) -> str:
        import base64
        import json

        header = message.split(b".")[0]
        return str(json.loads(base64.urlsafe_b64decode(header + b"=="))["kid"])

    def codes(self) -> list[str]:
        """Codes of everything refused so far."""
        return [code for _, _, code, _ in refusals(self.store)]


@dataclass
class Area:
    """Meters M0, M1, …; attesters A0, A1, A2 of whom two must sign; a service that records what verifies."""

    folder: Path
    metering: MeteringArea
    meter_keys: dict[str, MeterKeyPair]
    attester_keys: dict[str, SigningKey]
    now: int
    wall: float = 0.0
    attesters: dict[str, Attesting] = field(default_factory=dict)
    recorded: dict[int, list[SignedAttestation]] = field(default_factory=dict)
    handed_in: list[AttestationSet] = field(default_factory=list)
    """payloads the service took"""
    unread: set[int] = field(default_factory=set)
    excluded: set[int] = field(default_factory=set)
    """MTUs of which the chain shows nothing"""

    def reading(self, code: str, mtu: int, **changes: Any) -> RegisterReading:
        """The honest register of a meter: 100 Wh import and 10 Wh export per MTU since the baseline."""
        steps = mtu - FIRST + 1
        honest = RegisterReading(
            mtu=mtu,
            import_register_wh=1_000 + 100 * steps,
            export_register_wh=10 * steps,
            sequence=steps + 1,
            nonce=text_id(f"{code} {mtu}"),
        )
        return replace(honest, **changes)

    def message(self, code: str, *readings: RegisterReading, key: MeterKeyPair | None = None) -> bytes:
        """A signed message of a meter."""
        return make_message(meter_code=code, readings=readings, key=key or self.meter_keys[code])

    def day(self, first: int, last: int, *, codes: Iterable[str] | None = None) -> list[bytes]:
        """One honest message per meter and MTU."""
        return [
            self.message(code, self.reading(code, mtu))
            for mtu in range(first, last + 1)
            for code in (codes or self.meter_keys)
        ]

    def attester(self, name: str) -> Attesting:
        """Start an attester, or start it again from its store."""
        store = Store(self.folder / f"{name}.sqlite")
        intake = MeterIntake(
            name=name,
            key=self.attester_keys[name],
            store=store,
            area=self.metering,
            market_now=lambda: self.now,
            refresh=lambda: self.now,
        )
        consensus = Consensus(
            name=name,
            area=self.metering,
            books=intake.books,
            held=store.attestations(first_mtu=correctable_from(area=self.metering, market_time=self.now) - 1),
            at=self.moment(),
            cut_off_s=CUT_OFF_S,
            timeout_s=5.0,
        )
        asked, said = Asked(), list[Outgoing]()
        driver = ConsensusDriver(
            consensus=consensus,
            key=self.attester_keys[name],
            store=store,
            intake=intake,
            publish=said.append,
            questions=asked,
            now=self.moment,
        )
        self.attesters[name] = Attesting(name, store, intake, driver, asked, said)
        return self.attesters[name]

    def moment(self) -> Moment:
        return Moment(market_s=self.now, wall_s=self.wall)

    def cut_off(self, mtu: int) -> None:
        """Let the cut-off of an MTU pass."""
        self.now = mtu_end(mtu) + CUT_OFF_S

    def next_revision(self, mtu: int) -> int:
        return len(self.recorded.get(mtu, [])) + (mtu in self.unread)

    def leaves(self, mtu: int) -> dict[str, Reading] | None:
        held = self.recorded.get(mtu)
        return {reading.meter_code: reading for reading in held[-1].readings} if held else None

    def on_chain(self, mtu: int) -> ReadingState:
        """What a node shows of an MTU."""
        revisions = 0 if mtu in self.excluded else self.next_revision(mtu)
        held = [] if mtu in self.excluded else self.recorded.get(mtu, [])
        return ReadingState(
            revisions=revisions,
            unread=mtu in self.unread,
            count=0,
            import_wh=0,
            export_wh=0,
            root=held[-1].root if held else b"\x00" * 32,
        )

    def states(self, first: int, count: int) -> tuple[RecordedMtu, ...]:
        """What the service tells of MTUs."""
        return tuple(
            RecordedMtu(mtu, self.next_revision(mtu), self.recorded[mtu][-1] if mtu in self.recorded else None)
            for mtu in range(first, first + count)
        )

    def settle_down(self, *, rounds: int = 60, step_s: float = 1.0) -> None:
        """Let attesters talk, and wall time pass, until nothing happens for a while."""
        for _ in range(rounds):
            self.wall += step_s
            for one in list(self.attesters.values()):
                self.let_tick(one)

    def let_tick(self, one: Attesting) -> None:
        """Let time pass for one attester, and answer what it asks and says."""
        one.driver.happen(Tick())
        busy = True
        while busy:
            busy = self.deliver()
            for other in list(self.attesters.values()):
                busy = self.answer(other) or busy

    def deliver(self) -> bool:
        """Let the others hear what attesters have said to each other; whether anybody said anything."""
        spoken = [(one, message) for one in self.attesters.values() for message in one.take_said()]
        for sender, message in spoken:
            *_, topic, name, kind = message.topic.split("/")
            for other in list(self.attesters.values()):
                if other is not sender and topic == "attest":
                    other.driver.hear(sender=name, kind=kind, payload=message.payload)
        return bool(spoken)

    def answer(self, one: Attesting) -> bool:
        """Answer what an attester has asked the service and its node; whether it had asked."""
        asked, one.asked.waiting[:] = list(one.asked.waiting), []
        for question in asked:
            match question:
                case AskStates(first, count):
                    one.driver.happen(StatesTold(self.states(first, count)))
                case LookUp(mtus):
                    one.driver.happen(ChainShown({mtu: self.on_chain(mtu) for mtu in mtus}))
                case (what, handed_in):
                    self.record(one, what, handed_in)
        return bool(asked)

    def record(self, one: Attesting, what: HandOver, handed_in: AttestationSet) -> None:
        """The service records what an attester hands over, if it holds."""
        try:
            verify_set(
                handed_in,
                area=self.metering,
                now=self.now,
                next_revision=self.next_revision,
                leaves_at=self.leaves,
            )
        except AttestationRefused as error:
            one.driver.happen(HandOverRefused(what.attestations, str(error)))
            return
        for item in handed_in.attestations:
            self.recorded.setdefault(item.mtu, []).append(item)
        self.handed_in.append(handed_in)
        one.driver.happen(HandedOver(what.attestations))

    def roots(self) -> dict[int, bytes]:
        """The latest root of each attested MTU."""
        return {mtu: held[-1].root for mtu, held in sorted(self.recorded.items())}


def area_in(folder: Path, *, meters: int = 2, mtus: int = 4) -> Area:
    """An area whose first period has this many MTUs."""
    meter_keys = {f"M{number}": MeterKeyPair(text_id(f"meter {number}")) for number in range(meters)}
    attester_keys = {f"A{number}": SigningKey(text_id(f"attester {number}")) for number in range(3)}
    metering = MeteringArea(
        code="TEST/LV1",
        zone="Europe/Berlin",
        attesters=tuple(
            AttesterEntry(name=name, address=key.address, organisation=f"organisation {name}")
            for name, key in attester_keys.items()
        ),
        threshold=2,
        attest_seconds=3_600,
        horizon_seconds=10 * 86_400,
        chain_id=31_337,
        readings_contract=b"\x11" * 20,
        settlement_contract=b"\x22" * 20,
        **each_at_its_own(
            {code: bytes(key.verify_key) for code, key in meter_keys.items()},
            area="TEST/LV1",
            valid_from_mtu=FIRST,
            power_w=10_000,
        ),
        periods=(Period(area="TEST/LV1", number=0, first_mtu=FIRST, count=mtus),),
    )
    return Area(
        folder=folder,
        metering=metering,
        meter_keys=meter_keys,
        attester_keys=attester_keys,
        now=mtu_end(FIRST + mtus - 1),
    )


@pytest.fixture
def make_area(tmp_path: Path) -> Callable[..., Area]:
    """Make an area in a folder of its own."""

    def make(**changes: Any) -> Area:
        return area_in(tmp_path, **changes)

    return make
