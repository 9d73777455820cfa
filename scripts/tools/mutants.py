"""Change the contracts in one place at a time and see whether forge's tests notice: `python -m scripts.tools.mutants`.

A mutant is a contract with one operator, condition, number or statement replaced. What no test notices is either no
fault, and stands in `contracts/survivors.json` with the reason, or says which test is missing. The sample is drawn by a
seed, so that a run can be repeated. Only the changed contract is compiled again: tests are linked to it when they run.
A run of 400 takes hours: each outcome is kept, and one that was stopped goes on where it was.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass
from pathlib import Path
from queue import SimpleQueue
from typing import Any, Literal

from contracts.compile import CONTRACTS_FOLDER, SOURCES_FOLDER, sources, syntax_trees
from domain.hashing import keccak

ROOT = CONTRACTS_FOLDER.parent
FORGE = ROOT / "node_modules" / ".bin" / "forge"

SURVIVORS_FILE = CONTRACTS_FOLDER / "survivors.json"
"""Mutants that no test notices and why that is right, by place, line before and line after."""

TESTS_FOLDER = CONTRACTS_FOLDER / "test"

LOG_FILE = ROOT / "out" / "mutants.jsonl"
"""Where outcomes are kept, if no other file is named."""

SLOW_TESTS = (
    "accounts/Backed.t.sol",
    "adversary/*",
    "clearing/ClearExhaustive.t.sol",
    "handovers/Conserve.t.sol",
    "scan/Exhaustive.t.sol",
)
"""Of TESTS_FOLDER, less invariants: what searches among many cases, and takes half the time of all. Few mutants are
noticed by them alone, so they come last."""

SHARED_FOLDERS = ("interfaces", "libraries")
"""Sources that are no contract's own; other folders hold the parts of the contract that they are named after."""

SCORE_LEAST = 0.9
"""Share of mutants that tests must notice."""

TEST_SECONDS_MOST = 1_800
"""A mutant whose tests take longer runs in a circle, which would be noticed; beside other work none does so early."""

OPERATORS = {
    "<": ("<=", ">="),
    "<=": ("<", ">"),
    ">": (">=", "<="),
    ">=": (">", "<"),
    "==": ("!=",),
    "!=": ("==",),
    "&&": ("||",),
    "||": ("&&",),
    "+": ("-",),
    "-": ("+",),
    "*": ("/",),
    "/": ("*",),
    "%": ("*",),
    "&": ("|",),
    "|": ("&",),
    "<<": (">>",),
    ">>": ("<<",),
    "+=": ("-=", "="),
    "-=": ("+=", "="),
    "|=": ("=",),
    "++": ("--",),
    "--": ("++",),
}
"""What takes an operator's place."""

NOTHING = "0"
"""A statement that does nothing, in the place of one left out."""

Outcome = Literal["noticed", "survived", "same code", "no contract"]
"""Of a mutant: some test fails; all pass; the optimizer makes the same code of it; it does not compile."""

Tree = dict[str, Any]
"""A node of the compiler's syntax tree, as it comes: its kind in `nodeType`, its place in bytes in `src`."""


@dataclass(frozen=True)
class Mutant:
    """A contract's source (path below `contracts/`) with the bytes from `start` to `end` replaced by `text`."""

    source: str
    function: str
    start: int
    end: int
    text: str

    def applied(self, source: bytes) -> bytes:
        """The source with the change made."""
        return source[: self.start] + self.text.encode() + source[self.end :]

    def lines(self, source: bytes) -> Change:
        """The change as a reader sees it, in the lines it touches."""
        first, last = source.rfind(b"\n", 0, self.start) + 1, source.find(b"\n", self.end)
        changed = source[first : self.start] + self.text.encode() + source[self.end : last]
        place = f"{Path(self.source).name}:{self.function}"
        return Change(place=place, before=_one_line(source[first:last]), after=_one_line(changed))


@dataclass(frozen=True, order=True)
class Change:
    """A mutant apart from line numbers: `File.sol:function`, its line before and after."""

    place: str
    before: str
    after: str


def _one_line(text: bytes) -> str:
    return " ".join(text.decode().split())


def contract_of(source: str) -> str:
    """The contract that a source is of: the one it holds, or the one that a folder of parts is named after."""
    path = Path(source)
    return path.stem if path.parent.name == SOURCES_FOLDER.name else path.parent.name.capitalize()


def mutants_of(source: str, text: bytes, tree: Tree) -> list[Mutant]:
    """Every mutant of one source file, in the order of its text."""
    found = (
        Mutant(source=source, function=function, start=start, end=end, text=other)
        for function, node in _nodes(tree, function="")
        for start, end, other in _changes(node, text)
    )
    return sorted(set(found), key=lambda mutant: (mutant.start, mutant.end, mutant.text))


def _nodes(node: Tree, *, function: str) -> Iterator[tuple[str, Tree]]:
    """Nodes inside functions and modifiers, each with the name of where it is."""
    if node.get("nodeType") in ("FunctionDefinition", "ModifierDefinition"):
        function = node["name"] or node["kind"]
    if function:
        yield function, node
    for value in node.values():
        for inner in value if isinstance(value, list) else [value]:
            if isinstance(inner, dict):
                yield from _nodes(inner, function=function)


def _changes(node: Tree, text: bytes) -> Iterator[tuple[int, int, str]]:
    """What one node's replacements are: bytes from, to, and what stands there instead."""
    kind = node.get("nodeType")
    start, end = _span(node) if kind else (0, 0)
    if kind == "BinaryOperation":
        yield from _other_operators(node, text, _span(node["leftExpression"])[1], _span(node["rightExpression"])[0])
    elif kind == "Assignment":
        yield from _other_operators(node, text, _span(node["leftHandSide"])[1], _span(node["rightHandSide"])[0])
    elif kind == "UnaryOperation":
        inner = _span(node["subExpression"])
        outside = (start, inner[0]) if node["prefix"] else (inner[1], end)
        yield from _other_operators(node, text, *outside)
        if node["operator"] == "!":
            yield (*outside, "")
    elif kind == "IfStatement":
        for constant in ("true", "false"):
            yield (*_span(node["condition"]), constant)
    elif kind == "Conditional":
        (first, second), (third, fourth) = _span(node["trueExpression"]), _span(node["falseExpression"])
        swapped = text[third:fourth] + text[second:third] + text[first:second]
        yield first, fourth, swapped.decode()
    elif kind in ("ExpressionStatement", "EmitStatement"):
        yield start, end, NOTHING
    elif kind == "ModifierInvocation" and node.get("kind") == "modifierInvocation":
        yield start, end, ""
    elif kind == "Literal" and node["kind"] == "number" and node["value"].isdigit():
        yield start, end, str(int(node["value"]) + 1)


def _other_operators(node: Tree, text: bytes, start: int, end: int) -> Iterator[tuple[int, int, str]]:
    """Replacements of an operator that stands somewhere between two places."""
    operator = node["operator"]
    at = text.find(operator.encode(), start, end)
    for other in OPERATORS.get(operator, ()):
        yield at, at + len(operator), other


def _span(node: Tree) -> tuple[int, int]:
    start, length, _ = map(int, node["src"].split(":"))
    return start, start + length


class Workshop:
    """A copy of the contracts with their tests, where one mutant after another is built and tested."""

    def __init__(self, folder: Path) -> None:
        self._root = folder / "contracts"
        self._codes: dict[str, str] = {}

    @classmethod
    def create(cls, folder: Path) -> Workshop:
        """Copy what forge needs and test it unchanged. Raises SystemExit where that fails."""
        workshop = cls.laid_out(folder)
        ran = workshop._forge("--fail-fast", "--no-match-path", "test/invariant/*", seconds=None)
        if ran is None or ran.returncode:
            raise SystemExit(f"the contracts fail their tests as they are: {ran.stdout[-2_000:] if ran else ''}")
        return workshop

    @classmethod
    def laid_out(cls, folder: Path) -> Workshop:
        """Copy what forge needs."""
        (folder / "tests").mkdir(parents=True)
        (folder / "node_modules").symlink_to(ROOT / "node_modules")
        (folder / "tests" / "golden").symlink_to(ROOT / "tests" / "golden")
        built = shutil.ignore_patterns("out", "cache", "__pycache__")
        shutil.copytree(CONTRACTS_FOLDER, folder / "contracts", ignore=built)
        return cls(folder)

    def copied(self, folder: Path) -> Workshop:
        """The same once more, with what is compiled already."""
        shutil.copytree(self._root.parent, folder, symlinks=True)
        return Workshop(folder)

    def results(self, *selected: str, source: str = "", text: str = "") -> str:
        """What forge says of some tests, with another text in the place of a source's, if one is given."""
        file = self._root / source
        original = file.read_bytes() if source else b""
        if source:
            file.write_text(text, "utf-8")
        try:
            ran = self._forge(*selected, seconds=None)
        finally:
            if source:
                file.write_bytes(original)
        return ran.stdout + ran.stderr if ran else ""

    def test(self, mutant: Mutant) -> Outcome:
        """Build one mutant, run the tests, and put the source back."""
        file = self._root / mutant.source
        original = file.read_bytes()
        unchanged = self._codes.setdefault(mutant.source, self._code(mutant.source))
        file.write_bytes(mutant.applied(original))
        try:
            return self._outcome(mutant, unchanged)
        finally:
            file.write_bytes(original)

    def _outcome(self, mutant: Mutant, unchanged: str) -> Outcome:
        own = contract_of(mutant.source).lower()  # its own tests notice most mutants, and take a tenth of the time
        slow = ",".join(SLOW_TESTS)
        ran = self._forge("--fail-fast", "--match-path", f"test/{own}/*", "--no-match-path", f"test/{{{slow}}}")
        if ran is not None and "Compiler run failed" in ran.stdout + ran.stderr:
            return "no contract"
        if ran is not None and self._code(mutant.source) == unchanged:
            return "same code"
        rest = (
            ("--no-match-path", f"test/{{{own}/*,invariant/*,{slow}}}"),
            ("--match-path", f"test/{{{slow}}}"),
            ("--match-path", "test/invariant/*"),
        )
        for others in rest:
            if ran is None or ran.returncode:
                return "noticed"
            ran = self._forge("--fail-fast", *others)
        return "noticed" if ran is None or ran.returncode else "survived"

    def _code(self, source: str) -> str:
        """Bytecode that forge last made of a source's contract."""
        name = contract_of(source)
        artifact = json.loads((self._root / "out" / f"{name}.sol" / f"{name}.json").read_text("utf-8"))
        return str(artifact["bytecode"]["object"])

    def _forge(
        self, *selected: str, seconds: float | None = TEST_SECONDS_MOST
    ) -> subprocess.CompletedProcess[str] | None:
        """The run of some tests; None where they don't end in time."""
        command = [str(FORGE), "test", "--offline", "--threads", "1", *selected]
        environment = {**os.environ, "FOUNDRY_PROFILE": "mutants", "FOUNDRY_DISABLE_NIGHTLY_WARNING": "1"}
        try:
            return subprocess.run(
                command,
                cwd=self._root,
                env=environment,
                capture_output=True,
                text=True,
                check=False,
                timeout=seconds,
            )
        except subprocess.TimeoutExpired:
            return None


def drawn(seed: int) -> list[Mutant]:
    """All mutants of the contracts (not of libraries and interfaces) in an order that the seed gives.

    A mutant keeps its place in the order while other lines change, so that one sample can be compared with a later one.
    """
    trees = syntax_trees()
    texts = {source: text.encode() for source, text in sources().items()}
    found = [
        mutant
        for source, text in texts.items()
        if Path(source).parent.name not in SHARED_FOLDERS
        for mutant in mutants_of(source, text, trees[source])
    ]
    return sorted(found, key=lambda mutant: keccak(f"{seed} {mutant.lines(texts[mutant.source])}".encode()))


def tested(mutants: list[Mutant], workshops: list[Workshop]) -> Iterator[tuple[Mutant, Outcome]]:
    """The outcome of each mutant, as they come; as many at once as there are workshops."""
    free: SimpleQueue[Workshop] = SimpleQueue()
    for workshop in workshops:
        free.put(workshop)

    def test(mutant: Mutant) -> Outcome:
        workshop = free.get()
        try:
            return workshop.test(mutant)
        finally:
            free.put(workshop)

    with ThreadPoolExecutor(max_workers=len(workshops)) as threads:
        yield from zip(mutants, threads.map(test, mutants), strict=True)


class Log:
    """Outcomes in a file, one a line. They count for the contracts and tests that they were found with alone."""

    def __init__(self, file: Path) -> None:
        self._file = file
        texts = [
            path.read_bytes() for folder in (SOURCES_FOLDER, TESTS_FOLDER) for path in sorted(folder.rglob("*.sol"))
        ]
        self._of = keccak(b"".join(map(keccak, texts))).hex()

    def outcomes(self) -> dict[Mutant, Outcome]:
        """What was found before; a line that a kill cut short is dropped."""
        if not self._file.exists():
            return {}
        whole = "".join(self._file.read_text("utf-8").rpartition("\n")[:2])
        self._file.write_text(whole, "utf-8")
        entries = [json.loads(line) for line in whole.splitlines()]
        return {Mutant(**entry["mutant"]): entry["outcome"] for entry in entries if entry["of"] == self._of}

    def add(self, mutant: Mutant, outcome: Outcome) -> None:
        """Keep an outcome."""
        self._file.parent.mkdir(parents=True, exist_ok=True)
        with self._file.open("a", encoding="utf-8") as file:
            file.write(json.dumps({"of": self._of, "mutant": asdict(mutant), "outcome": outcome}) + "\n")


def found(sample: list[Mutant], log: Log, *, at_once: int) -> Iterator[tuple[Mutant, Outcome]]:
    """The outcome of each mutant: first those that the log has, then the others, which come into it."""
    before = log.outcomes()
    yield from ((mutant, before[mutant]) for mutant in sample if mutant in before)
    left = [mutant for mutant in sample if mutant not in before]
    if not left:
        return
    with tempfile.TemporaryDirectory() as name:
        first = Workshop.create(Path(name) / "0")
        workshops = [first, *(first.copied(Path(name) / str(i)) for i in range(1, at_once))]
        for mutant, outcome in tested(left, workshops):
            log.add(mutant, outcome)
            yield mutant, outcome


def explained() -> dict[Change, str]:
    """Why a mutant that no test notices is no fault."""
    entries = json.loads(SURVIVORS_FILE.read_text("utf-8"))
    return {
        Change(place=entry["place"], before=entry["before"], after=entry["after"]): entry["why"] for entry in entries
    }


def main(arguments: list[str]) -> int:
    """Test a sample; prints each survivor and the score; 1 where tests notice too few or a survivor has no reason."""
    parser = argparse.ArgumentParser(prog="python -m scripts.tools.mutants", description=__doc__)
    parser.add_argument("--count", type=int, default=400, help="mutants drawn (400)")
    parser.add_argument("--seed", type=int, default=1, help="of the draw (1)")
    parser.add_argument("--log", type=Path, default=LOG_FILE, help="keeps outcomes; deleted, all are found anew")
    parser.add_argument("--at-once", type=int, default=os.cpu_count() or 1, help="mutants tested at the same time")
    given = parser.parse_args(arguments)
    texts = {source: text.encode() for source, text in sources().items()}
    known = explained()
    counts: dict[Outcome, int] = dict.fromkeys(("noticed", "survived", "same code", "no contract"), 0)
    unexplained = 0
    for mutant, outcome in found(drawn(given.seed)[: given.count], Log(given.log), at_once=given.at_once):
        counts[outcome] += 1
        change = mutant.lines(texts[mutant.source])
        print(f"{sum(counts.values())}: {change.place}: {outcome}", flush=True)
        if outcome == "survived":
            unexplained += change not in known
            print(f"  {change.before}\n  {change.after}\n  {known.get(change, 'no reason given')}")
    score = counts["noticed"] / max(1, counts["noticed"] + counts["survived"])
    print(f"seed {given.seed}: {counts}; noticed {score:.1%} of those that are contracts of their own")
    return int(score < SCORE_LEAST or unexplained > 0)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
