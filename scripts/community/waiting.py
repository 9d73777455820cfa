"""Waiting for what the service, the chain and other organisations do."""

from __future__ import annotations

import time
from collections.abc import Callable

from domain.errors import DominoesError

POLL_SECONDS = 0.05
"""Wall seconds between looks at what the service and the attesters have done."""

WAIT_SECONDS_MAX = 300.0
"""Wall seconds after which a step that should have come about is reported as missing."""


class StepMissing(DominoesError):
    """Something that was waited for did not come about."""

    code = "step-missing"

    def __init__(self, *, what: str) -> None:
        self.what = what
        super().__init__(f"waited {WAIT_SECONDS_MAX:.0f} s for {what}; look into the log folder of the state")


def wait_for(what: str, ready: Callable[[], bool]) -> None:
    """Return once `ready()`. Raises StepMissing after WAIT_SECONDS_MAX."""
    end = time.monotonic() + WAIT_SECONDS_MAX
    while not ready():
        if time.monotonic() > end:
            raise StepMissing(what=what)
        time.sleep(POLL_SECONDS)
