"""What a book believes is a function of the readings it holds: order, packing and repetition change nothing."""

from __future__ import annotations

import random
from dataclasses import replace
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from domain.hashing import text_id
from domain.meters import MeterKey
from domain.registers import ReadingRun, RegisterReading
from oracle.attester.book import FLOOR_READINGS, MeterBook, ReadingOutcome
from settling.substitutes import leaves
from tests.effort import examples

pytestmark = pytest.mark.property

FIRST = 1_900_000
KEY = MeterKey("M", "P", b"\x01" * 32, FIRST, None, 10_000, 10_000)

readings = st.lists(
    st.tuples(st.integers(1, 12), st.integers(0, 12), st.integers(0, 20), st.integers(0, 2)),
    min_size=1,
    max_size=25,
)


def reading_of(sequence: int, step: int, energy: int, salt: int) -> RegisterReading:
    return RegisterReading(
        mtu=FIRST + step,
        import_register_wh=400 * energy,
        export_register_wh=0,
        sequence=sequence,
        nonce=text_id(f"{sequence} {step} {energy} {salt}"),
    )


def slow_belief(held: list[RegisterReading]) -> list[RegisterReading]:
    """The rule, read from its sentence."""
    believed: list[RegisterReading] = []
    against: list[RegisterReading] = []

    def follows(before: RegisterReading, item: RegisterReading) -> bool:
        step = item.import_register_wh - before.import_register_wh
        return item.mtu > before.mtu and 0 <= step <= 3_750 * (item.mtu - before.mtu)

    for item in sorted(held, key=lambda one: one.sequence):
        others = [one for one in held if one != item]
        if any(one.sequence == item.sequence or one.mtu == item.mtu for one in others):
            continue
        if not believed or follows(believed[-1], item):
            believed, against = [*believed, item], []
            continue
        against = [*against, item] if against and follows(against[-1], item) else [item]
        if len(against) == 4:
            kept = (believed[: len(believed) - lost] for lost in (1, 2, 3) if lost <= len(believed))
            stands = next((part for part in kept if not part or follows(part[-1], against[0])), None)
            if stands is not None:
                believed, against = [*stands, *against], []
    return believed


@settings(max_examples=examples(300), deadline=None)
@given(found=readings, seed=st.integers(0, 2**32))
def test_believed__any_readings_in_any_order__is_what_the_rule_gives(
    found: list[tuple[int, int, int, int]], seed: int
) -> None:
    held = list({reading_of(*item) for item in found})
    chance = random.Random(seed)
    arrivals = held + chance.choices(held, k=5)
    chance.shuffle(arrivals)
    book = MeterBook((KEY,))

    for item in arrivals:
        book.take(ReadingRun.of([item]))
        if chance.random() < 0.3:
            book.believed()

    assert book.believed() == slow_belief(held)
    missing = [at for at in range(1, 14) if at not in {item.sequence for item in held}]
    assert book.next_sequence == missing[0]
    later = [item.sequence for item in held if item.sequence > missing[0]]
    assert book.gap() == ((missing[0], min(later) - 1) if later else None)


@settings(max_examples=examples(200), deadline=None)
@given(
    energies=st.lists(st.integers(0, 4_200), min_size=1, max_size=40),
    cuts=st.lists(st.integers(1, 12), min_size=1, max_size=10),
)
def test_believed__a_series_packed_in_any_way__is_what_the_rule_gives(energies: list[int], cuts: list[int]) -> None:
    series, register = [], 0
    for at, energy in enumerate(energies):
        register = max(0, register + energy - 100)
        series.append(RegisterReading(FIRST + at, register, 0, at + 1, text_id(str(at))))
    book, at, turn = MeterBook((KEY,)), 0, 0
    while at < len(series):
        size = cuts[turn % len(cuts)]
        book.take(ReadingRun.of(series[at : at + size]))
        at, turn = at + size, turn + 1

    assert book.believed() == slow_belief(series)
    assert book.next_sequence == len(series) + 1


def test_rekey__connection_that_carries_less__judges_all_again() -> None:
    series = [reading_of(1, 0, 0, 0), reading_of(2, 1, 7, 0), reading_of(3, 2, 7, 0)]
    book = MeterBook((KEY,))
    book.take(ReadingRun.of(series))
    before = book.believed()[:]

    book.rekey((replace(KEY, connection_import_w=4_000),))

    assert before == series
    assert book.believed() == [series[0], series[2]]


ZONE = ZoneInfo("Europe/Berlin")
LENGTH = FLOOR_READINGS + 40
OPEN = FIRST + LENGTH - 20
"""The first MTU that can still be corrected, and the registers of a meter up to 20 MTUs after it."""

honest = [RegisterReading(FIRST + at, 100 * at, 0, at + 1, text_id(f"honest {at}")) for at in range(LENGTH)]

strays = st.lists(
    st.tuples(st.integers(0, LENGTH - 1), st.integers(-3, 3), st.integers(-LENGTH, 25), st.integers(-250, 250)),
    max_size=12,
)
"""Readings beside the honest ones: (near which one, sequence, MTU and register beside it)."""


def packed(items: list[RegisterReading]) -> list[list[RegisterReading]]:
    """What one message can hold: readings whose sequences follow each other and whose MTUs rise."""
    found: list[list[RegisterReading]] = []
    for item in items:
        last = found[-1][-1] if found else None
        if last is not None and item.sequence == last.sequence + 1 and item.mtu > last.mtu:
            found[-1].append(item)
        else:
            found.append([item])
    return found


def stray_of(near: int, sequence: int, step: int, energy_wh: int) -> RegisterReading:
    at = honest[near]
    return RegisterReading(
        mtu=max(0, at.mtu + step),
        import_register_wh=max(0, at.import_register_wh + energy_wh),
        export_register_wh=0,
        sequence=max(1, at.sequence + sequence),
        nonce=text_id(f"stray {near} {sequence} {step} {energy_wh}"),
    )


@settings(max_examples=examples(60), deadline=None)
@given(before=strays, after=strays, missing=st.sets(st.integers(0, LENGTH - 1), max_size=3), seed=st.integers(0, 2**32))
def test_forget_before__whatever_came_before_or_comes_later__leaves_that_count_stay_the_same(
    before: list[tuple[int, int, int, int]], after: list[tuple[int, int, int, int]], missing: set[int], seed: int
) -> None:
    chance = random.Random(seed)
    early = [honest[at] for at in range(LENGTH) if at not in missing] + [stray_of(*item) for item in before]
    late = [honest[at] for at in missing] + [stray_of(*item) for item in after]
    chance.shuffle(late)
    whole, pruned = MeterBook((KEY,)), MeterBook((KEY,))
    for items in packed(early):
        whole.take(ReadingRun.of(items))
        pruned.take(ReadingRun.of(items))

    floor = pruned.floor_before(OPEN)
    if floor is not None:
        pruned.forget_before(floor)
        again = MeterBook((KEY,), floor=floor)  # as after a restart
        for items in packed(early):
            again.take(ReadingRun.of(items))
        assert again.believed() == pruned.believed()
    for item in late:
        whole.take(ReadingRun.of([item]))
        pruned.take(ReadingRun.of([item]))

    span = {"first_mtu": OPEN, "last_mtu": OPEN + 20}
    expected = leaves(meter_code="M", readings=whole.believed_around(**span), zone=ZONE, **span)
    assert leaves(meter_code="M", readings=pruned.believed_around(**span), zone=ZONE, **span) == expected


def test_floor_before__honest_series__forgets_all_but_what_leaves_may_rest_on() -> None:
    book = MeterBook((KEY,))
    book.take(ReadingRun.of(honest[:100]))
    book.take(ReadingRun.of(honest[100:]))

    floor = book.floor_before(OPEN)
    assert floor is not None
    book.forget_before(floor)

    assert len(book.believed()) == FLOOR_READINGS + 20
    assert book.take(ReadingRun.of(honest[:5])).outcomes == {ReadingOutcome.FINAL: 5}
    assert not book.take(ReadingRun.of(honest[:5])).is_news


def test_take__meter_that_contradicts_itself_without_end__keeps_two_and_believes_none() -> None:
    first, after = reading_of(1, 0, 0, 0), reading_of(3, 2, 1, 0)
    book = MeterBook((KEY,))
    book.take(ReadingRun.of([first]))
    for salt in range(2_000):
        outcomes = book.take(ReadingRun.of([reading_of(2, 1, 1, salt)])).outcomes
    book.take(ReadingRun.of([after]))

    assert outcomes == {ReadingOutcome.CONTRADICTION: 1}
    assert len(book.held_at(FIRST + 1)) == 2
    assert book.believed() == [first, after]
