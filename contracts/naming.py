"""The interfaces' names in Python's spelling."""

from __future__ import annotations

import re
from functools import cache

KEYWORDS = frozenset({"from", "class", "def", "in", "is", "at_"})
"""Names that Python keeps for itself; a member of the interface with one of them ends in an underscore here."""


@cache
def snake(name: str) -> str:
    """`closeSession` as `close_session`."""
    parts = re.sub(r"(?<=[a-z0-9])(?=[A-Z])", "_", name).lower()
    return parts.strip("_") + ("_" if parts in KEYWORDS else "")
