"""What a book believes is a function of the readings it holds: order, packing and repetition change nothing."""

from __future__ import annotations

import random
from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from domain.hashing import text_id
from domain.messages import ReadingRun, RegisterReading
from domain.meters import MeterKey
from oracle.attester.book import MeterBook
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
    for item in sorted(held, key=lambda one: one.sequence):
        others = [one for one in held if one != item]
        if any(one.sequence == item.sequence or one.mtu == item.mtu for one in others):
            continue
        if believed:
            before = believed[-1]
            step = item.import_register_wh - before.import_register_wh
            if item.mtu <= before.mtu or not 0 <= step <= 3_750 * (item.mtu - before.mtu):
                continue
        believed.append(item)
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
