"""Market time as an attester knows it: heard from the service, never going back."""

from __future__ import annotations

import threading

from domain.errors import DominoesError
from oracle.attester.service import AreaSource


class PolledClock:
    """Safe from any thread. Between questions it stands still: late is safe, early is not."""

    def __init__(self, service: AreaSource) -> None:
        self._service = service
        self._market_s = 0
        self._lock = threading.Lock()

    def now(self) -> int:
        """Market time as last heard, unix seconds."""
        with self._lock:
            return self._market_s

    def hear(self, market_s: int) -> int:
        """Move on to a time heard, if it is later; returns market time."""
        with self._lock:
            self._market_s = max(self._market_s, market_s)
            return self._market_s

    def refresh(self) -> int:
        """Ask the service; returns market time, the one known where it does not answer."""
        try:
            return self.hear(self._service.market_time())
        except DominoesError:
            return self.now()
