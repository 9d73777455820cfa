"""Build the verifier into one file, `dominoes-verify.pyz`: the same bytes from the same sources.

It runs wherever Python does, with coincurve, PyNaCl and safe-pysha3 (or pycryptodome) installed.
"""

from __future__ import annotations

import io
import zipapp
import zipfile
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
TARGET = ROOT / "out" / "dominoes-verify.pyz"
INTERPRETER = "/usr/bin/env python3"

SAME_TIME = (1980, 1, 1, 0, 0, 0)
"""Time of every file in the archive: the earliest that a zip can hold."""


def archive() -> bytes:
    """The archive: the package, and its start beside it. Stored, for compression differs between machines."""
    sources = sorted((ROOT / "verifier").glob("*.py"))
    files = {f"verifier/{path.name}": path.read_bytes() for path in sources}
    files["__main__.py"] = files["verifier/__main__.py"]
    packed, runnable = io.BytesIO(), io.BytesIO()
    with zipfile.ZipFile(packed, "w", zipfile.ZIP_STORED) as target:
        for name, data in files.items():
            target.writestr(zipfile.ZipInfo(name, SAME_TIME), data)
    packed.seek(0)
    zipapp.create_archive(packed, runnable, interpreter=INTERPRETER)
    return runnable.getvalue()


def main() -> None:
    """Write the file and make it runnable."""
    TARGET.parent.mkdir(exist_ok=True)
    TARGET.write_bytes(archive())
    TARGET.chmod(0o755)
    print(f"wrote {TARGET}")


if __name__ == "__main__":
    main()
