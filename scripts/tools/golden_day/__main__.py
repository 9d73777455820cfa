"""Rewrite the files of the golden day."""

from __future__ import annotations

import sys

from scripts.tools.golden_day import FOLDER, documents, golden_day, text_of


def main() -> int:
    """Rewrite them all."""
    FOLDER.mkdir(parents=True, exist_ok=True)
    for name, document in documents(golden_day()).items():
        path = FOLDER / name
        path.write_text(text_of(document), "utf-8")
        sys.stdout.write(f"{name}: {path.stat().st_size} bytes\n")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
