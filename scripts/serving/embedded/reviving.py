"""Processes of an embedded run that died are started again, each as often as its own budget allows."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable

from domain.errors import DominoesError
from scripts.serving.embedded import system as systems

LOOK_SECONDS = 1.0
"""Wall seconds between looks for processes that died."""

LOOK_SECONDS_MAX = 30.0
"""Longest wall seconds between two tries to start a process again: each failed try doubles the wait."""

STARTS_MAX = 10
"""Starts in a row that one process may need: what dies again and again is not cured by one more."""

START_FORGIVEN_S = 60.0
"""Wall seconds after which one start counts no longer: a process that is killed now and then is started for ever."""

Say = Callable[[str], None]


class Budget:
    """How often one process was started again of late. `monotonic` gives seconds."""

    def __init__(self, *, monotonic: Callable[[], float] = time.monotonic) -> None:
        self._monotonic = monotonic
        self._starts, self._since_s = 0.0, monotonic()

    def take(self) -> bool:
        """Count one start, if there is one left."""
        now = self._monotonic()
        self._starts = max(0.0, self._starts - (now - self._since_s) / START_FORGIVEN_S)
        self._since_s = now
        if self._starts + 1 > STARTS_MAX:
            return False
        self._starts += 1
        return True


class Reviver:
    """Starts a process again that died though nobody stopped it (killed, out of memory); its work waits meanwhile.

    Without the service there is no market: `gave_up` is called once, with the reason, where it dies again and again.
    Without one attester there is: the others are enough, it is said, and tried again as its budget allows. It keeps
    their logs short besides.
    """

    def __init__(
        self, *, system: systems.System, say: Say, gave_up: Say, monotonic: Callable[[], float] = time.monotonic
    ) -> None:
        self._system, self._say, self._gave_up, self._monotonic = system, say, gave_up, monotonic
        self._budgets: dict[str, Budget] = {}
        self._missing: set[str] = set()
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._run, name="reviver", daemon=True)

    def __enter__(self) -> Reviver:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stopping.set()
        self._thread.join(timeout=150)

    def _run(self) -> None:
        wait = LOOK_SECONDS
        while not self._stopping.wait(wait):
            self._system.keep_logs_short()
            dead = self._system.dead()
            failed = [name for name in dead if not self._revived(name)]
            if self._system.service.name in self._missing:
                self._gave_up("the service dies again and again; see the logs in the state folder")
                return
            wait = min(2 * wait, LOOK_SECONDS_MAX) if failed else LOOK_SECONDS

    def _revived(self, name: str) -> bool:
        """Whether a dead process was started again."""
        if not self._budgets.setdefault(name, Budget(monotonic=self._monotonic)).take():
            if name not in self._missing:
                self._missing.add(name)
                self._say(f"ALARM: {name} dies again and again; the others go on without it, see its log")
            return False
        self._say(f"{name} died; starting it again, it goes on from what it had committed")
        try:
            self._system.revive(name)
        except (DominoesError, OSError) as error:
            self._say(f"{name} did not start: {error}; trying again")
            return False
        self._missing.discard(name)
        return True
