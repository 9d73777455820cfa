"""The documentation names only what is there: every path in the maps of requirements and invariants exists."""

from __future__ import annotations

import re
import tomllib
from graphlib import TopologicalSorter
from pathlib import Path
from typing import Any

import pytest

from domain.facts import FACTS
from scripts.tools import facts_document

pytestmark = pytest.mark.unit

ROOT = Path(__file__).parents[2]
PATH = re.compile(r"`((?:[A-Za-z_.]+/)+[A-Za-z0-9_.-]*)`")
LINK = re.compile(r"^\[[^\]]+\]: \.\./(\S+)$", re.MULTILINE)
URL = re.compile(r"https?://\S{60,}")
LINE_CHARACTERS_MAX = 100
MADE_FOLDERS = ("node_modules", "out", "state")
"""Folders that commands make; hidden ones are left out besides."""

FOLDERS = [item for item in ROOT.iterdir() if item.is_dir() and item.name[0] != "." and item.name not in MADE_FOLDERS]
PAGES = sorted(
    page
    for page in (*ROOT.glob("*.md"), *(page for folder in FOLDERS for page in folder.rglob("*.md")))
    if page != facts_document.DOCUMENT and "node_modules" not in page.parts
)
"""Pages written by people, those beside golden cases and packages too."""

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


@pytest.mark.parametrize("page", [page for page in PAGES if page.parent.name == "docs"], ids=lambda page: page.name)
def test_docs__every_path_named__exists(page: Path) -> None:
    text = page.read_text(encoding="utf-8")
    named = {path for path in PATH.findall(text) if path.split("/")[0] in _TOP}
    named |= {target for target in LINK.findall(text) if "://" not in target}

    assert sorted(path for path in named if not (ROOT / path).exists()) == []


@pytest.mark.parametrize("name", ["requirements.md"])
def test_docs__every_link_by_name__is_defined(name: str) -> None:
    text = (ROOT / "docs" / name).read_text()
    used = set(re.findall(r"\[([\w./]+)\](?!\(|:)", text))

    assert used == set(re.findall(r"^\[([^\]]+)\]: ", text, re.MULTILINE))


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_docs__lines__of_100_characters_at_most(page: Path) -> None:
    lines = page.read_text(encoding="utf-8").splitlines()

    assert [
        f"{page.name}:{number}"
        for number, line in enumerate(lines, start=1)
        if len(line) > LINE_CHARACTERS_MAX and not URL.search(line) and not line.startswith("# ")
    ] == []


def test_decisions__every_one__has_a_number_of_its_own_and_says_it_first() -> None:
    pages = sorted((ROOT / "docs" / "adr").glob("*.md"))
    numbers = [int(page.name[:4]) for page in pages]

    assert len(numbers) == len(set(numbers)), "two decisions have one number"
    assert [page.name for page in pages if not page.read_text().startswith(f"# {int(page.name[:4])}. ")] == []


def test_requirements__every_id__has_one_line() -> None:
    lines = (ROOT / "docs" / "requirements.md").read_text().splitlines()
    found = [line.split("|")[1].strip() for line in lines if line.startswith("| ")][1:]

    assert sorted(found) == sorted(IDS)


def test_requirements__line_that_says_where__names_a_test() -> None:
    lines = (ROOT / "docs" / "requirements.md").read_text().splitlines()
    rows = [line.split("|") for line in lines if line.startswith("| ")][1:]

    assert [row[1] for row in rows if row[3].strip() != "not yet" and row[4].strip() == "–"] == []


_TOP = {
    "domain",
    "grid",
    "clearing",
    "settling",
    "contracts",
    "ledger_service",
    "edge",
    "oracle",
    "wallet_api",
    "verifier",
    "scripts",
    "tests",
    "benchmarks",
    "docs",
}
"""Folders of the project: what begins with another name is no path in it."""


def test_facts__document__is_what_the_classes_say() -> None:
    assert facts_document.DOCUMENT.read_text(encoding="utf-8") == facts_document.rendered(), "run `make facts`"


ARROW = re.compile(r"^ +(\w+) (?:-- \"([^\"]*)\" )?-->(?:\|[^|]*\|)? (\w+)$", re.MULTILINE)
PACKAGE = re.compile(r"^ *(?:from|import) (\w+)", re.MULTILINE)
UNDER_ALL_STAGES = {"record", "outbox", "stage", "clock"}
"""Modules of the ledger service that are no stages: what all of them use."""


def picture(heading: str) -> str:
    """The first picture below a heading of the architecture's page."""
    below = (ROOT / "docs" / "architecture.md").read_text().partition(f"## {heading}\n")[2]
    return below.partition("```mermaid\n")[2].partition("```")[0]


def import_contracts() -> list[dict[str, Any]]:
    """The import contracts, as they are checked."""
    found: list[dict[str, Any]] = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["importlinter"][
        "contracts"
    ]
    return found


def levels(layers: list[str]) -> dict[str, int]:
    """How high each member of a contract's layers stands."""
    return {name: -at for at, layer in enumerate(layers) for name in layer.split(" | ")}


def reached(arrows: set[tuple[str, str]]) -> set[tuple[str, str]]:
    """Every pair of which one leads to the other, through others too."""
    found = set(arrows)
    order = TopologicalSorter[str]()
    for begin, end in arrows:
        order.add(begin, end)
    for node in order.static_order():
        below = {end for begin, end in found if begin == node}
        found |= {(node, further) for begin, further in found if begin in below}
    return found


def test_architecture__picture_of_folders__is_what_is_imported_and_allowed() -> None:
    layers = next(item for item in import_contracts() if "containers" not in item and item["type"] == "layers")
    height = levels(layers["layers"])
    drawn = {(begin, end) for begin, _, end in ARROW.findall(picture("Folders"))}
    imported = {
        (folder, package)
        for folder in height
        for module in (ROOT / folder).rglob("*.py")
        for package in PACKAGE.findall(module.read_text())
        if package in height and package != folder
    }

    assert {name for arrow in drawn for name in arrow} == set(height)
    assert [arrow for arrow in drawn if height[arrow[0]] <= height[arrow[1]]] == []
    assert reached(drawn) == reached(imported)


def test_architecture__picture_of_stages__has_each_once_and_facts_flow_down() -> None:
    layers = next(item for item in import_contracts() if item.get("containers") == ["ledger_service"])
    height = levels(layers["layers"])
    drawn = ARROW.findall(picture("Facts flow one way"))

    assert {name for begin, _, end in drawn for name in (begin, end)} == set(height) - UNDER_ALL_STAGES
    assert [(begin, end) for begin, _, end in drawn if height[begin] >= height[end]] == []
    kinds = {kind for _, said, _ in drawn for kind in re.findall(r"[a-z]+\.[a-z]+", said)}
    assert kinds - FACTS.keys() == set() and all(said for _, said, _ in drawn)


def test_architecture__order_in_words__is_the_contracts() -> None:
    layers = next(item for item in import_contracts() if item.get("containers") == ["ledger_service"])["layers"]
    text = (ROOT / "docs" / "architecture.md").read_text()

    expected = [layer for layer in reversed(layers) if layer not in ("clock", "outbox | stage")]
    told = re.search(r"before it: ((?:`\w+`,?\s+)+`\w+`)\.", text)
    assert told is not None and re.findall(r"`(\w+)`", told[1]) == expected
