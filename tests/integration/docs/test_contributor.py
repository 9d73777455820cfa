"""The contributor's page names files that exist, and its worked example works in a copy of these sources."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

pytestmark = pytest.mark.integration

ROOT = Path(__file__).parents[3]
START = ROOT / "docs" / "start"
PAGE = (START / "contributor.md").read_text(encoding="utf-8")
BEFORE_EXAMPLE, _, EXAMPLE = PAGE.partition("## Worked example")
NAMED = re.compile(r"`((?:[a-z_]+/)+[A-Za-z0-9_]+\.[a-z0-9]+)`")
LISTED = re.compile(r"^\| (\+ )?`([^`]+)` \|", re.MULTILINE)
MADE = ("scripts.tools.facts_document", "scripts.tools.openapi", "scripts.tools.golden_vectors")
"""What the page has one run after the patch."""

RENEW = "docs/start/example.patch no longer fits: see the last section of docs/start/contributor.md"


def run(tree: Path, *command: str) -> str:
    """Output of a command in a tree, which must succeed; what it imports comes from there."""
    found = {**os.environ, "PYTHONPATH": str(tree)}
    done = subprocess.run(command, cwd=tree, env=found, capture_output=True, text=True)
    assert done.returncode == 0, f"{RENEW}\n{' '.join(command)}\n{done.stdout}\n{done.stderr}"
    return done.stdout


@pytest.fixture(scope="module")
def tree(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The sources that git tracks, as they are now, with the example in them."""
    made = tmp_path_factory.mktemp("example") / "tree"
    for name in run(ROOT, "git", "ls-files", "-z", "--cached", "--others", "--exclude-standard").split("\0"):
        if name and (ROOT / name).is_file():
            (made / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(ROOT / name, made / name)
    run(made, "git", "init", "--quiet")  # so that the patch is taken from here, whatever folder is around
    run(made, "git", "apply", "--whitespace=error-all", str(START / "example.patch"))
    return made


@pytest.fixture(scope="module")
def touched() -> dict[str, bool]:
    """The files of the patch, and whether each is new."""
    patch = (START / "example.patch").read_text(encoding="utf-8")
    parts = re.split(r"^diff --git a/\S+ b/", patch, flags=re.MULTILINE)[1:]
    return {part.split("\n", 1)[0]: "\nnew file mode" in part for part in parts}


def test_page__every_file_named__exists() -> None:
    named = set(NAMED.findall(BEFORE_EXAMPLE))

    assert sorted(name for name in named if not (ROOT / name).exists()) == []
    assert len(named) > 40


def test_example__touches__the_files_that_the_page_promises(touched: dict[str, bool]) -> None:
    assert {path: bool(new) for new, path in LISTED.findall(EXAMPLE)} == touched


def test_example__touches__no_stage_contract_or_composition(tree: Path, touched: dict[str, bool]) -> None:
    stages = {path for path in touched if re.search(r"^class \w+Stage\b", (tree / path).read_text(), re.MULTILINE)}
    others = {path for path in touched if path.startswith(("contracts/", "edge/", "ledger_service/record/"))}

    assert stages | others == set() and "scripts/serving/composition.py" not in touched


def test_page__code_shown__is_the_examples(tree: Path, touched: dict[str, bool]) -> None:
    written = {line.strip() for path in touched for line in (tree / path).read_text().splitlines()}
    shown = [
        line.strip() for block in re.findall(r"```python\n(.*?)```", EXAMPLE, re.DOTALL) for line in block.splitlines()
    ]

    assert [line for line in shown if line not in written] == []


def test_example__in_these_sources__passes_lint_imports_and_its_tests(tree: Path, touched: dict[str, bool]) -> None:
    tools = Path(sys.executable).parent
    python = sorted(path for path in touched if path.endswith(".py"))

    run(tree, str(tools / "ruff"), "check", *python)
    run(tree, str(tools / "ruff"), "format", "--check", *python)
    run(tree, str(tools / "lint-imports"))
    new = [path for path, is_new in touched.items() if is_new and path.startswith("tests/")]
    told = run(tree, sys.executable, "-m", "pytest", "-q", *new)
    assert re.search(r"^[1-9][0-9]* passed", told, re.MULTILINE), told


def test_example__generators_run__write_what_the_page_says(tree: Path) -> None:
    made = re.search(r"Made by the commands above: (.*)\.\n", EXAMPLE)
    assert made is not None
    for module in MADE:
        run(tree, sys.executable, "-m", module)

    for name in re.findall(r"`([^`]+)`", made[1]):
        assert (tree / name).read_text() != (ROOT / name).read_text(), f"{name} is the same with the example"
        assert "bsence" in (tree / name).read_text()
