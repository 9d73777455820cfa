"""Versions of the rules that decide money or belief; facts name those they were made by.

A rule that changes gets the next number; what recomputes a fact looks the rule up by the number that the fact names.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TypeVar

from domain.errors import DominoesError

T = TypeVar("T")


class UnknownRule(DominoesError):
    """A fact was made by a version of a rule that is not known here."""

    code = "unknown-rule"

    def __init__(self, *, rule: str, version: int, known: tuple[int, ...]) -> None:
        self.rule, self.version, self.known = rule, version, known
        super().__init__(
            f"version {version} of the rule for {rule} is not known here, only {', '.join(map(str, known))}; "
            "recompute with software that knows it"
        )


def rule_of(rule: str, versions: Mapping[int, T], version: int) -> T:
    """The rule as it is in this version. Raises UnknownRule."""
    if version not in versions:
        raise UnknownRule(rule=rule, version=version, known=tuple(sorted(versions)))
    return versions[version]
