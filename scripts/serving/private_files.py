"""State, databases and logs are their owner's alone: they hold keys, orders and what people's meters said."""

from __future__ import annotations

import os

OTHERS = 0o077
"""What group and everybody else may do with a file: nothing."""


def keep_private() -> None:
    """From now on, nobody but its owner may read or write what this process and its children make."""
    os.umask(OTHERS)
