"""Time zones by their names in the IANA table, never one of the machine's own."""

from __future__ import annotations

from zoneinfo import ZoneInfo

from verifier.verdict import Report


def zone_of(report: Report, name: str, needed_for: str) -> ZoneInfo | None:
    """The zone of this name; None where there is none: a finding, or a gap of `needed_for` on a machine without the
    table."""
    try:
        if "/" not in name and name != "UTC":
            raise ValueError(f"zone {name!r} is not one that is the same everywhere")
        return ZoneInfo(name)
    except (KeyError, ValueError, OSError) as error:
        if zone_table():
            report.fail(f"{name} is no zone: {error}")
        else:
            report.gap(f"{needed_for} on a machine without the table of zones")
        return None


def zone_table() -> bool:
    """Whether this machine knows any zone."""
    try:
        return ZoneInfo("Europe/Berlin") is not None
    except (KeyError, OSError):
        return False
