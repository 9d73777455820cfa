"""What is public is used: nothing stays in the sources for the tests alone."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import pytest

pytestmark = pytest.mark.unit

ROOT = Path(__file__).parents[2]

FOLDERS = (
    "domain",
    "grid",
    "clearing",
    "settling",
    "contracts",
    "ledger_service",
    "edge",
    "oracle",
    "wallet_api",
    "scripts",
    "verifier",
)

GENERATED = ("contracts/bindings/", "ledger_service/migrations/")
"""Bindings mirror the contracts, whoever calls them; migrations are called by their runner."""

CALLED_FROM_OUTSIDE = {
    "rebuild_views": "a repair: views follow from the journal alone",
    "View.rebuild": "the same, of a view that is kept at commit",
    "export_public": "a whole bundle at once: what the growing one is held against",
    "Record.erase": "the controller's decision, which no stage takes",
    "ProblemProtocol.send_400_response": "the web server calls it",
    "deprecated": "routes that will go declare it; none does today",
    "Settings.settings_customise_sources": "pydantic-settings calls it",
}
"""What no source names, and who calls it."""


@cache
def _trees() -> dict[str, ast.Module]:
    paths = [path for folder in FOLDERS for path in sorted((ROOT / folder).rglob("*.py"))]
    named = {path.relative_to(ROOT).as_posix(): path for path in paths}
    return {name: ast.parse(path.read_text("utf-8")) for name, path in named.items()}


def _read_names() -> Iterator[str]:
    """Every name and attribute that the sources read."""
    for tree in _trees().values():
        for node in ast.walk(tree):
            if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Load):
                yield node.id
            elif isinstance(node, ast.Attribute) and isinstance(node.ctx, ast.Load):
                yield f".{node.attr}"


def _public() -> Iterator[tuple[str, str, str]]:
    """(place, name, what reading it looks like) of functions, classes and methods without a decorator that may call
    them."""
    for path, tree in _trees().items():
        for node in () if path.startswith(GENERATED) else tree.body:
            if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef) and not node.decorator_list:
                yield f"{path}:{node.lineno}", node.name, node.name
            if isinstance(node, ast.ClassDef):
                yield f"{path}:{node.lineno}", node.name, node.name
                for item in node.body:
                    if isinstance(item, ast.FunctionDef | ast.AsyncFunctionDef) and _is_plain(item):
                        yield f"{path}:{item.lineno}", f"{node.name}.{item.name}", f".{item.name}"


def _is_plain(method: ast.FunctionDef | ast.AsyncFunctionDef) -> bool:
    """Whether it is a method or property that only its readers call: decorators of pydantic call others."""
    names = {ast.unparse(item) for item in method.decorator_list}
    return names <= {"property", "cached_property", "classmethod", "staticmethod"} and not method.name.startswith("__")


def test_public__functions_classes_and_methods__are_used_by_the_sources() -> None:
    """What only a test calls is deleted, or moves into the tests."""
    read = set(_read_names())
    unused = [
        f"{place}: {name} is used by no source"
        for place, name, reading in _public()
        if name not in CALLED_FROM_OUTSIDE and not {reading, f".{reading}"} & read
    ]
    assert not unused, "\n".join(unused)


def test_called_from_outside__every_exception__is_still_there() -> None:
    names = {name for _, name, _ in _public()}

    assert set(CALLED_FROM_OUTSIDE) <= names
