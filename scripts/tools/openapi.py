"""Write the document of the API to docs/openapi.json, from which clients are generated without a running service."""

from __future__ import annotations

import json
from pathlib import Path

from wallet_api.app import routed_api

DOCUMENT = Path(__file__).resolve().parents[2] / "docs" / "openapi.json"
"""The document as it is kept with the sources."""


def rendered() -> str:
    """The document as text, the same for the same sources."""
    return json.dumps(routed_api().openapi(), indent=1, ensure_ascii=False) + "\n"


def main() -> None:
    """Rewrite the kept document."""
    DOCUMENT.write_text(rendered(), encoding="utf-8")
    print(f"wrote {DOCUMENT}")


if __name__ == "__main__":
    main()
