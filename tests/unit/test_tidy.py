"""Rules that keep the sources readable and the arithmetic exact, checked on the text and the syntax trees."""

from __future__ import annotations

import ast
import os
import re
import subprocess
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import pytest

from domain.facts import FACTS

pytestmark = pytest.mark.unit

ROOT = Path(__file__).parents[2]

SKIPPED_FOLDERS = {"node_modules", "__pycache__", "build", "reports", "state"}
"""Made or fetched, not written: no rule applies. Folders whose names begin with a dot are skipped too."""

SKIPPED_PATHS = {"out", "contracts/out", "contracts/cache", "contracts/broadcast"}
"""The same, by path from the root."""

FILE_LINES = 600
"""A Python file longer than this has more than one job."""

FILE_LINES_OF = {
    "tests/integration/ledger/test_intake.py": 700,
}
"""Exceptions: the tests of order intake share one town."""

FUNCTION_LINES = 70
"""A function longer than this does not fit a screen."""

KINDS = {"unit", "property", "golden", "integration", "functional"}

INTEGER_FOLDERS = (
    "domain/",
    "clearing/",
    "settling/",
    "ledger_service/",
    "wallet_api/routers/",
    "wallet_api/schemas/",
    "verifier/",
)
"""Where energy, prices and money are: no binary fraction may touch them."""

TIMELESS_FOLDERS = (
    "domain/",
    "grid/",
    "clearing/",
    "settling/",
    "contracts/",
    "ledger_service/",
    "oracle/attester/consensus/",
    "verifier/",
)
"""Below the edges time is an argument, so that a repeat gives the same facts."""

CLOCK_CALLS = {"time.time", "time.time_ns", "datetime.now", "datetime.utcnow", "datetime.today", "date.today"}

# Put together so that this file does not find itself.
LEFTOVERS = re.compile("|".join(rf"\b{word}\b" for word in ("TO" + "DO", "FIX" + "ME", "XX" + "X")))
LOCAL_PATHS = re.compile(r"(?<![\w.])/(?:wo" + r"rk|ro" + r"ot|ho" + r"me)/")
REGISTRY_HOSTS = re.compile(
    "|".join(re.escape(head + tail) for head, tail in (("pypi", ".org"), ("pythonhosted", ".org"), ("npmjs", ".org")))
    + r"|artifact"
    + r"ory|\bnexus\b",
    re.IGNORECASE,
)


def _walk() -> Iterator[Path]:
    for folder, folders, files in os.walk(ROOT):
        here = Path(folder).relative_to(ROOT)
        folders[:] = [
            name
            for name in folders
            if name not in SKIPPED_FOLDERS
            and (not name.startswith(".") or name == ".ci")
            and (here / name).as_posix() not in SKIPPED_PATHS
        ]
        yield from (Path(folder) / name for name in sorted(files))


@cache
def _python() -> dict[str, str]:
    """All Python sources by path from the root."""
    found = {path.relative_to(ROOT).as_posix(): path for path in _walk() if path.suffix == ".py"}
    return {name: path.read_text(encoding="utf-8") for name, path in sorted(found.items())}


@cache
def _trees() -> dict[str, ast.Module]:
    return {name: ast.parse(text, filename=name) for name, text in _python().items()}


@cache
def _texts() -> dict[str, str]:
    """All text files that belong to the project: what git tracks where there is git, else what the walk finds."""
    listed = subprocess.run(["git", "ls-files", "-z"], cwd=ROOT, capture_output=True, check=False)
    names = listed.stdout.decode().split("\0") if listed.returncode == 0 else []
    paths = [ROOT / name for name in names if name] or list(_walk())
    texts: dict[str, str] = {}
    for path in paths:
        if path.is_file():
            data = path.read_bytes()
            if b"\0" not in data:
                texts[path.relative_to(ROOT).as_posix()] = data.decode("utf-8", "replace")
    return texts


def _lines_with(pattern: re.Pattern[str], texts: dict[str, str]) -> list[str]:
    return [
        f"{name}:{number}: {line.strip()[:100]}"
        for name, text in texts.items()
        for number, line in enumerate(text.splitlines(), start=1)
        if pattern.search(line)
    ]


def _dotted(node: ast.expr) -> str:
    if isinstance(node, ast.Attribute):
        return f"{_dotted(node.value)}.{node.attr}"
    return node.id if isinstance(node, ast.Name) else ""


def _calls(folders: tuple[str, ...]) -> Iterator[tuple[str, int, str]]:
    for name, tree in _trees().items():
        if name.startswith(folders):
            for node in ast.walk(tree):
                if isinstance(node, ast.Call):
                    yield name, node.lineno, _dotted(node.func)


def test_entries__payloads__are_read_as_facts_alone() -> None:
    """Whoever takes a payload apart by its members' names misses what `domain.facts` would refuse."""
    taken_apart = re.compile(r"loads\([^)]*\b(?:entry|item|found)\.text\b|\bread_fact\(")
    own = ("tests/", "domain/facts/", "ledger_service/record/")
    sources = {name: text for name, text in _python().items() if not name.startswith(own)}

    assert _lines_with(taken_apart, sources) == []


def test_files__every_python_source__has_one_job() -> None:
    """Longer files are several files."""
    long = []
    for name, text in _python().items():
        limit = FILE_LINES_OF.get(name, FILE_LINES)
        if len(text.splitlines()) > limit:
            long.append(f"{name}: {len(text.splitlines())} lines, at most {limit}")
    assert not long, "\n".join(long)


def test_functions__every_python_function__fits_a_screen() -> None:
    """Counted from the `def` line to the last line of the body."""
    long = [
        f"{name}:{node.lineno}: {node.name} has {length} lines"
        for name, tree in _trees().items()
        for node in ast.walk(tree)
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
        and (length := (node.end_lineno or node.lineno) - node.lineno + 1) > FUNCTION_LINES
    ]
    assert not long, "\n".join(long)


def test_sources__searched_for_leftovers__none() -> None:
    """What is not done is said in docs/requirements.md, not in a note beside the code."""
    ours = {name: text for name, text in _texts().items() if not name.endswith((".lock", "package-lock.json"))}
    assert not (found := _lines_with(LEFTOVERS, ours)), "\n".join(found)


def test_tracked_files__searched_for_local_places__none() -> None:
    """A checkout works anywhere: no absolute path of somebody's machine, no host of a package registry."""
    found = [*_lines_with(LOCAL_PATHS, _texts()), *_lines_with(REGISTRY_HOSTS, _texts())]
    assert not found, "\n".join(found)


def test_money__searched_for_binary_fractions__none() -> None:
    """No `float(…)` where energy, prices and money are handled."""
    found = [f"{name}:{line}: float(…)" for name, line, call in _calls(INTEGER_FOLDERS) if call == "float"]
    assert not found, "\n".join(found)


def test_stages__searched_for_clocks__none() -> None:
    """Only the edges read a clock."""
    found = [
        f"{name}:{line}: {call}"
        for name, line, call in _calls(TIMELESS_FOLDERS)
        if any(call == clock or call.endswith("." + clock) for clock in CLOCK_CALLS)
    ]
    assert not found, "\n".join(found)


def _marks(tree: ast.Module) -> list[str]:
    """Kinds named in the module's `pytestmark`."""
    return [
        node.attr
        for statement in tree.body
        if isinstance(statement, ast.Assign)
        and any(isinstance(target, ast.Name) and target.id == "pytestmark" for target in statement.targets)
        for node in ast.walk(statement.value)
        if isinstance(node, ast.Attribute) and node.attr in KINDS
    ]


def test_tests__every_module__is_of_exactly_one_kind() -> None:
    """`make test` and `make unit` choose by kind; a module without one would run nowhere or everywhere."""
    wrong = [
        f"{name}: {_marks(tree) or 'no kind'}"
        for name, tree in _trees().items()
        if name.startswith("tests/")
        and not name.startswith("tests/brownie/")
        and Path(name).name.startswith("test_")
        and len(_marks(tree)) != 1
    ]
    assert not wrong, "\n".join(wrong)


KINDLESS_FOLDERS = (
    "grid/",
    "clearing/",
    "settling/",
    "contracts/",
    "ledger_service/",
    "oracle/",
    "edge/",
    "wallet_api/",
    "scripts/",
)
"""Here a kind of fact is a class of `domain.facts`, never a text: a typing mistake would be one more kind."""


def test_kinds__are_never_written_as_text_outside_domain() -> None:
    found = [
        f"{name}:{node.lineno}: {node.value}"
        for name, tree in _trees().items()
        if name.startswith(KINDLESS_FOLDERS)
        for node in ast.walk(tree)
        if isinstance(node, ast.Constant) and node.value in FACTS
    ]

    assert found == []


MIRRORS = ("contracts/bindings/", "wallet_api/schemas/")
"""Folders that name things after what they mirror: the contracts' words, and the JSON forms of the same nouns."""

NOUN_FOLDERS = ("domain/", *KINDLESS_FOLDERS)


def test_classes__of_the_product__have_one_name_each() -> None:
    where: dict[str, list[str]] = {}
    for name, tree in _trees().items():
        if name.startswith(NOUN_FOLDERS) and not name.startswith(MIRRORS):
            for node in tree.body:
                if isinstance(node, ast.ClassDef):
                    where.setdefault(node.name, []).append(name)

    assert {noun: places for noun, places in where.items() if len(places) > 1} == {}
