"""How often one principal may ask: a bucket of requests each, filled at a steady rate.

Clients that are not logged in are told apart by address, which behind a reverse proxy only the proxy sees: limiting
them is its task (docs/operations.md).
"""

from __future__ import annotations

import math
from collections import OrderedDict
from collections.abc import Callable

from domain.errors import DominoesError

REQUESTS_PER_SECOND = 100
"""Steady rate of one principal; a request may carry 500 orders."""

REQUESTS_AT_ONCE = 5_000
"""What a principal may save up: the registrar enters a community of a thousand points in one go."""

PRINCIPALS_COUNTED_MAX = 4_096
"""Buckets kept at once; whoever asked longest ago is forgotten, and its bucket was full again by then."""


class TooManyRequests(DominoesError):
    """The principal asks more often than it may."""

    status = 429
    code = "too-many-requests"
    remedy = "Wait as long as Retry-After says, and send lists instead of single submissions."
    retryable = True

    def __init__(self, *, per_second: int, seconds: int) -> None:
        self.per_second, self.retry_after_seconds = per_second, seconds
        super().__init__(f"more than {per_second} requests a second; ask again in {seconds} s, or send lists of orders")


class Limiter:
    """The buckets. Used on the event loop alone, so it needs no lock; `monotonic` gives seconds."""

    def __init__(
        self,
        *,
        monotonic: Callable[[], float],
        per_second: int = REQUESTS_PER_SECOND,
        at_once: int = REQUESTS_AT_ONCE,
    ) -> None:
        self._monotonic, self._per_second, self._at_once = monotonic, per_second, at_once
        self._buckets: OrderedDict[bytes, tuple[float, float]] = OrderedDict()

    def take(self, principal: bytes) -> None:
        """Count one request. Raises TooManyRequests; a refused request takes nothing."""
        now = self._monotonic()
        left, since = self._buckets.pop(principal, (float(self._at_once), now))
        left = min(left + (now - since) * self._per_second, self._at_once)
        self._buckets[principal] = (left - 1 if left >= 1 else left, now)
        while len(self._buckets) > PRINCIPALS_COUNTED_MAX:
            self._buckets.popitem(last=False)
        if left < 1:
            raise TooManyRequests(per_second=self._per_second, seconds=math.ceil((1 - left) / self._per_second))
