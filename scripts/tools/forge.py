"""Run forge on the contracts with the pinned compiler: `python -m scripts.tools.forge test [arguments]`."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
CONTRACTS = ROOT / "contracts"
FORGE = ROOT / "node_modules" / ".bin" / "forge"


def main() -> int:
    """Pass the arguments to forge, in the contracts folder and without a network; returns its exit status."""
    if not FORGE.exists():
        print("forge is not installed; run `make setup`", file=sys.stderr)
        return 2
    command = [str(FORGE), *sys.argv[1:], "--offline"]
    return subprocess.run(
        command, cwd=CONTRACTS, env={**os.environ, "FOUNDRY_DISABLE_NIGHTLY_WARNING": "1"}, check=False
    ).returncode


if __name__ == "__main__":
    sys.exit(main())
