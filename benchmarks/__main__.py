"""`make bench`: run every benchmark and write its figures to out/benchmarks.json; docs/benchmarks.md explains them."""

from __future__ import annotations

import importlib
import json
import sys
from pathlib import Path

NAMES = ("clearing", "validation", "settlement", "intake", "metering", "gas", "day")
"""Benchmarks in the order they run; each module has `run() -> dict`."""

OUT = Path("out") / "benchmarks.json"


def main() -> int:
    """Run those named on the command line, or all."""
    wanted = sys.argv[1:] or list(NAMES)
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
    print(f"written to {OUT}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
