"""`python -m oracle.attester --config FILE`: one attester until it is told to stop."""

from __future__ import annotations

import argparse
import logging
import sys
from pathlib import Path

from oracle.attester.run import run
from oracle.attester.settings import read_settings


def main() -> int:
    """Read the settings and run; returns the exit status."""
    parser = argparse.ArgumentParser(prog="python -m oracle.attester", description=__doc__)
    parser.add_argument("--config", type=Path, required=True, help="TOML file with the attester's settings")
    arguments = parser.parse_args()
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(levelname)s %(name)s %(message)s")
    logging.getLogger("httpx").setLevel(logging.WARNING)
    return run(read_settings(arguments.config))


if __name__ == "__main__":
    sys.exit(main())
