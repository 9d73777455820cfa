"""The documentation names only what is there: every path in the maps of requirements and invariants exists."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from scripts.tools import facts_document

pytestmark = pytest.mark.unit

ROOT = Path(__file__).parents[2]
PATH = re.compile(r"`((?:[A-Za-z_.]+/)+[A-Za-z0-9_.-]*)`")
IDS = [
    *(f"P{n}" for n in range(1, 12)),
    *(f"M{n}" for n in range(21)),
    *(f"B{n}" for n in range(1, 7)),
    *(f"L{n}" for n in range(1, 8)),
    *(f"W{n}" for n in range(1, 9)),
    *(f"S{n}" for n in range(6)),
    *("A1", "A2", "R1", "R2", "T6", "USER"),
    *(f"U{n}" for n in range(1, 13)),
    *("UC1a", "UC1b", "UC2a", "UC2b", "UC2c", "UC3a", "UC3b", "UC3c", "UC4a", "UC4b", "UC5a", "UC5b", "UC5c"),
    *(f"G{n}" for n in range(1, 23)),
    *(f"C{n}" for n in range(1, 13)),
    *(f"K{n}" for n in range(1, 5)),
    *(f"X{n}" for n in range(1, 21)),
]
"""Ids of the reference architecture's requirements; X are those beyond it."""


@pytest.mark.parametrize(
    "name", ["requirements.md", "invariants.md", "architecture.md", "operations.md", "benchmarks.md", "glossary.md"]
)
def test_docs__every_path_named__exists(name: str) -> None:
    named = {path for path in PATH.findall((ROOT / "docs" / name).read_text()) if path.split("/")[0] in _TOP}

    assert sorted(path for path in named if not (ROOT / path).exists()) == []


def test_requirements__every_id__has_one_line() -> None:
    lines = (ROOT / "docs" / "requirements.md").read_text().splitlines()
    found = [line.split("|")[1].strip() for line in lines if line.startswith("| ")][1:]

    assert sorted(found) == sorted(IDS)


def test_requirements__line_that_says_where__names_a_test() -> None:
    lines = (ROOT / "docs" / "requirements.md").read_text().splitlines()
    rows = [line.split("|") for line in lines if line.startswith("| ")][1:]

    assert [row[1] for row in rows if row[3].strip() != "not yet" and row[4].strip() == "–"] == []


_TOP = {"domain", "contracts", "clearing", "ledger_service", "oracle", "wallet_api", "scripts", "tests", "benchmarks"}


def test_facts__document__is_what_the_classes_say() -> None:
    assert facts_document.DOCUMENT.read_text(encoding="utf-8") == facts_document.rendered(), "run `make facts`"
