"""`make bench`: run every benchmark and write its figures to out/benchmarks.json; docs/benchmarks.md explains them.

`--check` ends with 1 where a figure misses its bound.
"""

from __future__ import annotations

import importlib
import json
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

NAMES = (
    "clearing",
    "validation",
    "settlement",
    "intake",
    "crowded_intake",
    "metering",
    "area_folder",
    "gas",
    "starving",
    "day",
)
"""Benchmarks in the order they run; each module has `run() -> dict`."""

OUT = Path("out") / "benchmarks.json"

CHECK = "--check"


def judged(figures: Any, path: str = "") -> Iterator[tuple[str, Mapping[str, Any], bool]]:
    """(name, figure, whether it keeps its bound) of every figure that has one: `value` with `at_most` or `at_least`."""
    if not isinstance(figures, Mapping):
        return
    if "value" in figures and ("at_most" in figures or "at_least" in figures):
        value = figures["value"]
        met = value <= figures.get("at_most", value) and value >= figures.get("at_least", value)
        yield path, figures, met
        return
    for name, inner in figures.items():
        yield from judged(inner, f"{path}: {name}" if path else str(name))


def _print_table(rows: list[tuple[str, Mapping[str, Any], bool]]) -> None:
    for name, figure, met in rows:
        bound = f"<= {figure['at_most']}" if "at_most" in figure else f">= {figure['at_least']}"
        print(f"{'met   ' if met else 'MISSED'}  {figure['value']!s:>12}  {bound:<14}  {name}")


def main() -> int:
    """Run those named on the command line, or all."""
    arguments = sys.argv[1:]
    wanted = [name for name in arguments if name != CHECK] or list(NAMES)
    unknown = sorted(set(wanted) - set(NAMES))
    if unknown:
        print(f"no benchmark named {', '.join(unknown)}; there are {', '.join(NAMES)}", file=sys.stderr)
        return 2
    figures = {}
    for name in wanted:
        print(f"== {name}", flush=True)
        figures[name] = importlib.import_module(f"benchmarks.bench_{name}").run()
        print(json.dumps(figures[name], indent=1, default=str), flush=True)
    OUT.parent.mkdir(parents=True, exist_ok=True)
    OUT.write_text(json.dumps(figures, indent=1, default=str))
    rows = list(judged(figures))
    _print_table(rows)
    print(f"written to {OUT}")
    return 1 if CHECK in arguments and not all(met for _, _, met in rows) else 0


if __name__ == "__main__":
    sys.exit(main())
