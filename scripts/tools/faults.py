"""Undo the mend of each known fault, one at a time, and see that its test fails: `python -m scripts.tools.faults`.

`contracts/faults.json` names the faults that an attack on the contracts found, each by the line that mends it, what
would stand there without, and the test that fails then. Shapes have changed since, so that the code of before cannot
be tested; this is what it would do today.
"""

from __future__ import annotations

import json
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path

from contracts.compile import CONTRACTS_FOLDER, sources
from scripts.tools.mutants import Workshop

FAULTS_FILE = CONTRACTS_FOLDER / "faults.json"


@dataclass(frozen=True)
class Fault:
    """A fault by the text that mends it (once in its source, a path below `contracts/`), and by the test of it.

    :param file: of the test, a path below `contracts/`
    """

    fault: str
    source: str
    before: str
    after: str
    file: str
    test: str

    def unmended(self, text: str) -> str:
        """The source without the mend. Raises ValueError where the mend is not there exactly once."""
        if text.count(self.before) != 1:
            raise ValueError(f"{self.source} holds {text.count(self.before)} times: {self.before}")
        return text.replace(self.before, self.after)


def known() -> list[Fault]:
    """All faults of `contracts/faults.json`."""
    return [Fault(**entry) for entry in json.loads(FAULTS_FILE.read_text("utf-8"))]


def notices(workshop: Workshop, fault: Fault, text: str) -> bool:
    """Whether the fault's test fails without the mend in its source's text."""
    unmended = fault.unmended(text)
    selected = ("--match-path", fault.file, "--match-test", f"^{fault.test}\\(")
    results = workshop.results(*selected, source=fault.source, text=unmended)
    return any(line.startswith("[FAIL") and f" {fault.test}(" in line for line in results.splitlines())


def passing(workshop: Workshop, faults: list[Fault]) -> set[str]:
    """Which of the faults' tests pass with all mends in place."""
    names = "|".join(sorted({fault.test for fault in faults}))
    results = workshop.results("--match-test", f"^({names})\\(")
    return {line.split()[1].split("(")[0] for line in results.splitlines() if line.startswith("[PASS]")}


def main() -> int:
    """Try every fault; prints what became of each; 1 where a test is missing, or passes without the mend."""
    faults, texts = known(), sources()
    unnoticed = 0
    with tempfile.TemporaryDirectory() as name:
        workshop = Workshop.laid_out(Path(name) / "0")
        pass_now = passing(workshop, faults)
        for fault in faults:
            noticed = fault.test in pass_now and notices(workshop, fault, texts[fault.source])
            unnoticed += not noticed
            print(f"{fault.fault}: {'noticed' if noticed else 'NOT NOTICED'} by {fault.test}", flush=True)
    print(f"{len(faults) - unnoticed} of {len(faults)} faults are noticed")
    return int(unnoticed > 0)


if __name__ == "__main__":
    sys.exit(main())
