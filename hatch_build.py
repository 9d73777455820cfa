"""What a wheel holds beside the packages: the runtime list's dependencies, Swagger UI, the verifier as one file.

An editable install (`make setup`) has none of it: there, all of it lies in the checkout.
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

from hatchling.builders.hooks.plugin.interface import BuildHookInterface
from hatchling.metadata.plugin.interface import MetadataHookInterface

ROOT = Path(__file__).resolve().parent
RUNTIME = "requirements/runtime.in"
SWAGGER_UI = "node_modules/swagger-ui-dist"
SWAGGER_UI_FILES = ("swagger-ui-bundle.js", "swagger-ui.css", "favicon-32x32.png", "LICENSE", "NOTICE")
INSTALLED_SWAGGER_UI = "edge/swagger_ui"
"""Where `edge.documentation` looks for them in an installed package."""


class Dependencies(MetadataHookInterface):
    """The dependencies of the wheel are those that the locks are compiled from."""

    def update(self, metadata: dict[str, Any]) -> None:
        """Read the runtime list."""
        lines = (ROOT / RUNTIME).read_text("utf-8").splitlines()
        metadata["dependencies"] = [line.strip() for line in lines if line.strip() and not line.startswith("#")]


class WheelFiles(BuildHookInterface):  # type: ignore[type-arg]
    """Files that no package folder of the checkout holds."""

    def initialize(self, version: str, build_data: dict[str, Any]) -> None:
        """Add them, unless the wheel is an editable one."""
        if version == "editable":
            return
        missing = [name for name in SWAGGER_UI_FILES if not (ROOT / SWAGGER_UI / name).exists()]
        if missing:
            raise FileNotFoundError(
                f"{SWAGGER_UI} lacks {', '.join(missing)}; run `make setup` before building a wheel"
            )
        included = {str(ROOT / SWAGGER_UI / name): f"{INSTALLED_SWAGGER_UI}/{name}" for name in SWAGGER_UI_FILES}
        build_data["force_include"].update(included)
        build_data["shared_scripts"][str(_verifier())] = "dominoes-verify.pyz"


def _verifier() -> Path:
    """The verifier built into one file."""
    sys.path.insert(0, str(ROOT))
    from scripts.tools import build_verifier

    build_verifier.main()
    return build_verifier.TARGET
