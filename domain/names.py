"""Names as people read them: two that look alike are one name to a reader, whatever their letters are."""

from __future__ import annotations

import unicodedata

INVISIBLE = ("C", "Z")
"""First letters of the Unicode categories of what has no shape of its own: controls, joiners, spaces."""


def likeness(name: str) -> str:
    """What is left of a name where case, spaces, what can't be seen and ways to write a letter count for nothing."""
    plain = unicodedata.normalize("NFKC", unicodedata.normalize("NFKC", name).casefold())
    return "".join(letter for letter in plain if unicodedata.category(letter)[0] not in INVISIBLE)


def is_plain(name: str) -> bool:
    """Whether a name is written as it is read: something to see, single spaces within alone, each letter in the form
    that Unicode gives it (NFKC)."""
    return bool(name) and name.isprintable() and " ".join(name.split()) == unicodedata.normalize("NFKC", name) == name
