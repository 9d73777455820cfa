"""Versions of rules: a fact names those it was made by, and is held against the same (docs/evidence.md section 2)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TypeVar

from verifier.verdict import Report

T = TypeVar("T")


class UnknownRule(Exception):
    """A rule that this verifier does not know: nothing that rests on it can be said, and all that follows may."""


def rule_of(report: Report, rule: str, versions: Mapping[int, T], version: int) -> T:
    """The rule in this version. Where there is none, that is the last finding: raises UnknownRule."""
    if version not in versions:
        known = ", ".join(map(str, sorted(versions)))
        report.fail(version, name=f"version of the rule for {rule}", source="this verifier knows", expected=known)
        raise UnknownRule(rule)
    return versions[version]
