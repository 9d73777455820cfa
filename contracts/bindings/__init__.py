"""One Python class per contract of the ledger; made by `python -m scripts.tools.make_bindings`."""

from contracts.bindings.anchors import Anchors
from contracts.bindings.calendar import Calendar
from contracts.bindings.market import Market
from contracts.bindings.readings import Readings
from contracts.bindings.registry import Registry
from contracts.bindings.roles import Roles
from contracts.bindings.settlement import Settlement

__all__ = [
    "Anchors",
    "Calendar",
    "Market",
    "Readings",
    "Registry",
    "Roles",
    "Settlement",
]
