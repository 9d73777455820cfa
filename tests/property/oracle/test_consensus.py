"""Attesters that lose messages, hear them twice and late, and are killed: what is attested is what was metered."""

from __future__ import annotations

import random
import tempfile
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from domain.readings import Quality
from oracle.attester.consensus.effects import AskStates, LookUp
from oracle.attester.consensus.events import Question, Unanswered
from tests.effort import examples
from tests.unit.oracle.conftest import FIRST, Area, Attesting, area_in

pytestmark = pytest.mark.property

MTUS = 3
ROUGH_ROUNDS = 25
CALM_ROUNDS = 60


@dataclass
class RoughArea(Area):
    """An area whose network and service fail at random until they are `calm`."""

    chance: random.Random = field(default_factory=random.Random)
    calm: bool = False
    late: list[tuple[str, Any]] = field(default_factory=list)
    """(sender, message) that are still on their way"""

    def deliver(self) -> bool:
        """Lose, repeat, delay and shuffle what attesters say."""
        spoken = [(one.name, message) for one in self.attesters.values() for message in one.take_said()]
        on_their_way, self.late = self.late + spoken, []
        self.chance.shuffle(on_their_way)
        for sender, message in on_their_way:
            *_, topic, _, kind = message.topic.split("/")
            for name, other in list(self.attesters.items()):
                fate = 0.5 if self.calm else self.chance.random()
                if name == sender or topic != "attest" or fate < 0.25:
                    continue
                for _ in range(2 if fate > 0.9 else 1):
                    other.driver.hear(sender=sender, kind=kind, payload=message.payload)
            if not self.calm and self.chance.random() < 0.1:
                self.late.append((sender, message))
        return bool(spoken)

    def answer(self, one: Attesting) -> bool:
        """Let a third of the questions go without an answer."""
        if self.calm or self.chance.random() > 0.3:
            return super().answer(one)
        asked, one.asked.waiting[:] = list(one.asked.waiting), []
        for question in asked:
            kind = (
                Question.SERVICE_STATES
                if isinstance(question, AskStates)
                else Question.CHAIN_STATES
                if isinstance(question, LookUp)
                else Question.HAND_OVER
            )
            one.driver.happen(Unanswered(kind))
        return bool(asked)

    def kill(self, name: str) -> None:
        """An attester ends without a word, and starts again from its store."""
        self.attesters[name].store.close()
        self.attester(name)


def rough_area(folder: Path, seed: int) -> RoughArea:
    made = area_in(folder, meters=2, mtus=MTUS)
    return RoughArea(
        folder=made.folder,
        metering=made.metering,
        meter_keys=made.meter_keys,
        attester_keys=made.attester_keys,
        now=made.now,
        chance=random.Random(seed),
    )


@settings(max_examples=examples(12), deadline=None)
@given(seed=st.integers(0, 2**32))
def test_consensus__rough_network_and_kills__attests_what_was_metered(seed: int) -> None:
    with tempfile.TemporaryDirectory() as folder:
        area = rough_area(Path(folder), seed)
        chance = area.chance
        for name in area.attester_keys:
            area.attester(name)
        area.cut_off(FIRST + MTUS - 1)
        messages = area.day(FIRST - 1, FIRST + MTUS - 1)
        chance.shuffle(messages)

        for _ in range(ROUGH_ROUNDS):
            for message in messages[:2]:
                chance.choice(list(area.attesters.values())).hear(message)
            del messages[:2]
            area.settle_down(rounds=1, step_s=chance.choice([0.3, 1.0, 6.0]))
            if chance.random() < 0.15:
                area.kill(chance.choice(list(area.attesters)))
        area.calm = True
        area.settle_down(rounds=CALM_ROUNDS)

        assert sorted(area.recorded) == list(range(FIRST, FIRST + MTUS))
        for mtu in area.recorded:
            leaves = area.leaves(mtu)
            assert leaves is not None
            assert [(one.import_wh, one.export_wh, one.quality) for one in leaves.values()] == [
                (100, 10, Quality.MEASURED)
            ] * 2
            revisions = [item.revision for item in area.recorded[mtu]]
            assert revisions == list(range(len(revisions)))
        for one in area.attesters.values():
            one.store.close()
