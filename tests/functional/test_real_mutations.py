"""Change one field at a time in the bundles of a real day, seal them again, and see that the verifier finds each
change; and tell the whole day again with one fact changed, on the real contracts."""

from __future__ import annotations

import json
import random
import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from domain.errors import DominoesError
from scripts.serving.embedded.left_chain import chain_state_of, start_node
from tests.collusion.bundle import jsonl
from tests.collusion.coalitions import Coalition
from tests.collusion.day import RealDay
from tests.collusion.playing import play
from tests.collusion.plot import Plot
from tests.functional import test_mutations as mutations
from verifier.cache import Cache
from verifier.node import http_rpc
from verifier.verdict import WRONG

pytestmark = pytest.mark.functional

DRAWN = pytest.mark.parametrize("drawn", [150, pytest.param(600, marks=pytest.mark.campaign)])
"""Single fields changed in the bundles of a real day, over all of these tests: 600 in a campaign."""

PERCENT = {"auditor": 60, "public": 16}
"""How many of them in the auditor's and in the public bundle; those of four accounts share the rest."""

OWN_PERCENT = 6
KINDS = ("household", "retailer", "dso", "tax")

RETOLD = 60
"""Facts changed one at a time by an operator who tells the whole day again with it."""


@pytest.fixture(scope="module")
def ask(small_grid_day: Path) -> Iterator[Any]:
    """The node that the day left."""
    node = start_node(chain_state_of(small_grid_day / "bundles" / "auditor"))
    yield http_rpc(node.rpc.url)
    node.stop()


@pytest.fixture(scope="module")
def missed(small_grid_day: Path, ask: Any) -> Callable[..., list[str]]:
    """Which changes in a bundle of the day are taken for clean."""
    anchors = json.loads((small_grid_day / "anchors.json").read_text())

    def find(bundle: Path, *, count: int, named: bool) -> list[str]:
        return mutations.undetected(bundle, anchors=anchors, rpc=ask, count=count, seed=7, named=named)

    return find


@DRAWN
@pytest.mark.parametrize("kind", PERCENT)
def test_verify__one_field_of_a_real_day_changed__is_found_every_time(
    small_grid_day: Path, missed: Callable[..., list[str]], kind: str, drawn: int
) -> None:
    bundle = small_grid_day / "bundles" / kind

    assert missed(bundle, count=drawn * PERCENT[kind] // 100, named=kind == "auditor") == []


@DRAWN
@pytest.mark.parametrize("kind", KINDS)
def test_verify__one_field_of_somebodys_own_bundle_changed__is_found_every_time(
    small_grid_day: Path, missed: Callable[..., list[str]], kind: str, drawn: int
) -> None:
    folders = sorted((small_grid_day / "bundles" / "personal").iterdir())
    bundle = next(path for path in folders if _kind_of(path) == kind)

    assert missed(bundle, count=drawn * OWN_PERCENT // 100, named=False) == []


def _kind_of(bundle: Path) -> str:
    return str(json.loads((bundle / "account.json").read_text())["participant"]["kind"])


TOLD_BY_THE_CHAIN = ("chain.", "block.mined")
"""Kinds of facts that come out of the contracts whenever a day is told again."""


@pytest.mark.campaign
def test_retelling__one_fact_changed_by_the_operator__is_found_but_in_its_own_word(small_grid_day: Path) -> None:
    day, cache, chance = RealDay.of(small_grid_day), Cache(), random.Random(9)
    told, found_clean = 0, []
    lines = {"journal.jsonl": jsonl({"kind": e["kind"], "payload": e["payload"]} for e in day.entries)}
    for _, at, kind, path in mutations.drawn_fields(lines, 1_000, seed=9):
        own_word = mutations.OPERATORS_WORD.get(kind, "(?!)")
        if path[0] != "payload" or kind.startswith(TOLD_BY_THE_CHAIN) or told == RETOLD:
            continue
        if re.fullmatch(own_word, ".".join(map(str, path[1:]))) and kind != "deposit.booked":
            continue
        plot = Plot(day, Coalition.OPERATOR)
        plot.steps[at].payload = mutations.with_change(plot.steps[at].payload, path[1:], chance)
        try:
            played = play(day, plot, cache)
        except (ValueError, TypeError, KeyError, DominoesError):
            continue  # the operator itself could not sign a receipt over it
        told += 1
        if played.report.exit_code != WRONG:
            found_clean.append(f"entry {at + 1} {kind} {'.'.join(map(str, path[1:]))}")

    assert told == RETOLD
    assert found_clean == []
