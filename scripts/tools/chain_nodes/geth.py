"""Getting geth: built from the Go module proxy into this project's own tools folder."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

from domain.errors import DominoesError

GETH_VERSION = "v1.13.15"
"""Last release line that seals Clique blocks."""

TOOLS_FOLDER = Path(__file__).parents[3] / ".tools"
"""Where programs of this project are built; not part of the sources."""

BUILD_TIMEOUT_S = 1_800
"""A cold build takes two to ten minutes."""

_STANDARD_GO = Path("/usr/local/go/bin/go")
"""Where Go's own installer puts it; not always on the path."""


class GoMissing(DominoesError):
    """There is no Go compiler to build geth with."""

    status = 500
    code = "go-missing"

    def __init__(self) -> None:
        super().__init__(
            "no Go compiler; `make test-full-only` brings one, or install Go 1.21 or later, and run this again"
        )


def go_binary() -> Path:
    """The Go compiler: on the path, where its installer puts it, or beside this Python. Raises GoMissing."""
    found = shutil.which("go")
    for candidate in (Path(found) if found else None, _STANDARD_GO, Path(sys.executable).with_name("go")):
        if candidate is not None and candidate.exists():
            return candidate
    raise GoMissing


def geth_binary() -> Path:
    """geth, built if it is not there yet (minutes). Raises GoMissing, or CalledProcessError where the build fails."""
    binary = TOOLS_FOLDER / "bin" / "geth"
    if binary.exists():
        return binary
    TOOLS_FOLDER.mkdir(exist_ok=True)
    module = f"github.com/ethereum/go-ethereum/cmd/geth@{GETH_VERSION}"
    # Newer Go refuses this release's use of runtime internals unless the linker is told not to check.
    command = [str(go_binary()), "install", "-ldflags=-checklinkname=0", module]
    folders = {"GOBIN": str(binary.parent), "GOPATH": str(TOOLS_FOLDER / "gopath"), "GOFLAGS": "-modcacherw"}
    subprocess.run(command, check=True, cwd=TOOLS_FOLDER, env={**os.environ, **folders}, timeout=BUILD_TIMEOUT_S)
    return binary


if __name__ == "__main__":
    sys.stdout.write(f"{geth_binary()}\n")
