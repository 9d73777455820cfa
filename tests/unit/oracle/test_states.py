"""The states of a consensus: the picture in the documentation shows every move there is, and every move happens."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from oracle.attester.consensus.events import Connected, HandedOver, HandOverRefused, Question, Tick, Unanswered
from oracle.attester.consensus.machine import Consensus
from oracle.attester.consensus.states import MOVES, Cause, Collecting, HandingOver, Learning, Resting, State, Waiting
from oracle.attester.dialogue import Attested, write_message

pytestmark = pytest.mark.unit

FIRST = 1_900_000
ROOT = Path(__file__).parents[3]
ARROW = re.compile(r"^\s*(\S+) --> (\S+?)(?:: (.+))?$", re.MULTILINE)


def test_picture__of_the_states__shows_just_the_moves_of_the_code() -> None:
    text = (ROOT / "docs" / "metering.md").read_text(encoding="utf-8")
    (picture,) = re.findall(r"```mermaid\nstateDiagram-v2\n(.*?)```", text, re.DOTALL)
    shown = set(ARROW.findall(picture))

    moves = {(before.__name__, after.__name__, cause.value) for (before, cause), after in MOVES.items()}

    assert shown == moves | {("[*]", "Learning", "")}


Move = tuple[type[State], Cause]


@pytest.fixture
def moves(monkeypatch: pytest.MonkeyPatch) -> set[Move]:
    """The moves that consensuses make in a test."""
    real, made = Consensus._move, set[Move]()

    def move(self: Consensus, cause: Cause, state: State) -> None:
        made.add((type(self.state), cause))
        real(self, cause, state)

    monkeypatch.setattr(Consensus, "_move", move)
    return made


def due_area(make_area: Callable[..., Any], *names: str) -> Any:
    """An area with one due MTU, of which these attesters (or all) hold the readings."""
    area = make_area(meters=1)
    for name in names or area.attester_keys:
        area.attester(name).hear(*area.day(FIRST - 1, FIRST + 3))
    area.cut_off(FIRST)
    return area


def in_turn(mtu: int) -> str:
    """Who proposes first where this is the oldest due MTU."""
    return f"A{mtu % 3}"


def let_time_pass(area: Any, one: Any, *, times: int = 1) -> None:
    """Time passes for one attester alone, and it is told where MTUs stand if it asks; nobody hears it."""
    for _ in range(times):
        area.wall += 1
        one.driver.happen(Tick())
        area.answer(one)


def announcement(area: Any) -> bytes:
    """What attesters say to each other of all that is recorded."""
    return write_message(Attested(tuple(item for held in area.recorded.values() for item in held)))


def all_agree(make_area: Callable[..., Any]) -> None:
    area = due_area(make_area)

    area.settle_down(rounds=4)

    assert list(area.recorded) == [FIRST]
    assert all(isinstance(one.state, Resting) for one in area.attesters.values())


def first_in_turn_is_silent(make_area: Callable[..., Any]) -> None:
    area = due_area(make_area, in_turn(FIRST + 1), in_turn(FIRST + 2))

    area.settle_down(rounds=20)

    assert list(area.recorded) == [FIRST]


def nobody_else_signs(make_area: Callable[..., Any]) -> None:
    area = due_area(make_area, in_turn(FIRST))

    area.settle_down(rounds=20)

    assert area.recorded == {}


def others_attest_meanwhile(make_area: Callable[..., Any]) -> None:
    area = due_area(make_area)
    one = area.attesters.pop(in_turn(FIRST))
    let_time_pass(area, one, times=2)
    assert isinstance(one.state, Collecting)

    area.settle_down(rounds=20)
    one.hear_attester(in_turn(FIRST + 1), "attested", announcement(area))
    let_time_pass(area, one)

    assert isinstance(one.state, Resting)


def turn_comes_with_the_next_mtu(make_area: Callable[..., Any]) -> None:
    area = due_area(make_area)
    one = area.attesters.pop(in_turn(FIRST + 1))
    let_time_pass(area, one, times=2)
    assert isinstance(one.state, Waiting)

    area.settle_down(rounds=4)
    area.cut_off(FIRST + 1)
    one.hear_attester(in_turn(FIRST), "attested", announcement(area))
    let_time_pass(area, one)

    assert isinstance(one.state, Collecting)


def service_refuses(make_area: Callable[..., Any]) -> None:
    area = due_area(make_area)
    area.record = lambda one, what, body: one.driver.happen(HandOverRefused(what.attestations, "not today"))

    area.settle_down(rounds=4)

    assert area.recorded == {}


def connection_is_new_while_handing_over(make_area: Callable[..., Any]) -> None:
    area = due_area(make_area)
    area.record = lambda one, what, body: None  # the service takes its time
    area.settle_down(rounds=4)
    one = area.attesters[in_turn(FIRST)]
    state = one.state
    assert isinstance(state, HandingOver)

    one.driver.happen(Connected())
    one.driver.happen(HandedOver(state.hand_over.attestations))

    assert isinstance(one.state, Learning)


def connection_is_new_while_waiting(make_area: Callable[..., Any]) -> None:
    area = due_area(make_area)
    one = area.attesters[in_turn(FIRST + 1)]
    let_time_pass(area, one, times=2)

    one.driver.happen(Connected())

    assert isinstance(one.state, Learning)


def service_forgets(make_area: Callable[..., Any]) -> None:
    area = due_area(make_area)
    area.excluded = {FIRST}  # the chain has not taken it yet
    area.settle_down(rounds=4)
    area.recorded.pop(FIRST)

    area.settle_down(rounds=40)

    assert list(area.recorded) == [FIRST]


SCENARIOS: dict[Callable[[Callable[..., Any]], None], set[Move]] = {
    all_agree: {
        (Learning, Cause.TOLD),
        (Resting, Cause.OTHERS_TURN),
        (Waiting, Cause.NOTHING_DUE),
        (Resting, Cause.OWN_TURN),
        (Collecting, Cause.SIGNED),
        (HandingOver, Cause.RECORDED),
    },
    first_in_turn_is_silent: {(Waiting, Cause.DOUBT), (Resting, Cause.OWN_TURN)},
    nobody_else_signs: {(Collecting, Cause.DOUBT)},
    others_attest_meanwhile: {(Collecting, Cause.NOTHING_DUE)},
    turn_comes_with_the_next_mtu: {(Waiting, Cause.OWN_TURN)},
    service_refuses: {(HandingOver, Cause.REFUSED)},
    connection_is_new_while_handing_over: {(HandingOver, Cause.RECORDED), (Resting, Cause.DOUBT)},
    connection_is_new_while_waiting: {(Waiting, Cause.DOUBT)},
    service_forgets: {(Learning, Cause.TOLD_LESS)},
}


@pytest.mark.parametrize("scenario", SCENARIOS, ids=lambda scenario: scenario.__name__)
def test_moves__in_a_scenario__happen(
    scenario: Callable[..., None], make_area: Callable[..., Any], moves: set[Move]
) -> None:
    scenario(make_area)

    assert moves >= SCENARIOS[scenario]


def test_moves__of_all_scenarios__are_all_there_are() -> None:
    assert set().union(*SCENARIOS.values()) == set(MOVES)


def test_question__not_answered__is_asked_again(make_area: Callable[..., Any]) -> None:
    area = make_area(meters=1)
    one = area.attester("A0")
    area.wall += 1
    one.driver.happen(Tick())
    (asked,) = one.asked.waiting
    one.asked.waiting.clear()

    one.driver.happen(Unanswered(Question.SERVICE_STATES))
    area.wall += 1
    one.driver.happen(Tick())

    assert one.asked.waiting == [asked]
