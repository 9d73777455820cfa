"""The README's table of who must collude for what is made from the frauds as they are declared, and they are enough."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from scripts.tools import collusion_table
from tests.collusion.coalitions import Coalition
from tests.collusion.declared import FRAUDS
from tests.collusion.frauds import Ends, Kind

pytestmark = pytest.mark.unit

NAMED = (
    Coalition.OPERATOR,
    Coalition.FEW_ATTESTERS,
    Coalition.ATTESTERS,
    Coalition.DSO,
    Coalition.RETAILER,
)
"""Coalitions that try something of most kinds."""

LEAST = 60
IMPORT = re.compile(r"^(?:from|import) (\w+)", re.MULTILINE)


def test_table__in_the_readme__is_what_the_declarations_say() -> None:
    text = collusion_table.DOCUMENT.read_text(encoding="utf-8")

    assert text == collusion_table.page(text), "run `make collusion`"


def test_frauds__each_has_a_name_of_its_own_and_there_are_enough() -> None:
    ids = [fraud.id for fraud in FRAUDS]

    assert len(ids) == len(set(ids)) >= LEAST
    assert {fraud.kind for fraud in FRAUDS} == set(Kind)
    assert {fraud.by for fraud in FRAUDS} == set(Coalition)
    assert all(len({fraud.kind for fraud in FRAUDS if fraud.by is by}) >= 8 for by in NAMED)


def test_frauds__whoever_makes_them__shares_nothing_with_the_verifier() -> None:
    folder = Path(collusion_table.__file__).parents[2] / "tests" / "collusion"
    sharing = {path.name for path in folder.rglob("*.py") if "verifier" in IMPORT.findall(path.read_text())}

    assert sharing == {"playing.py"}  # which asks it


def test_frauds__operator_alone_or_with_too_few_attesters__is_never_just_possible() -> None:
    few = (Coalition.OPERATOR, Coalition.FEW_ATTESTERS)

    assert [fraud.id for fraud in FRAUDS if fraud.by in few and fraud.end.ends is Ends.POSSIBLE] == []
