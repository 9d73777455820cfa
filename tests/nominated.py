"""A point's nominations for sessions that share some MTUs: what service and verifier must both make of them."""

from __future__ import annotations

EARLIER = ([-200, -100, 90, 60], [-150, 0])
"""Wh per MTU from the first one on, nominated for two earlier gates; for the last gate, over more, nothing is."""

FLOWS = {0: -150, 1: 0, 2: 90, 3: 60}
"""What flows for the last gate, Wh by MTU from its first on; what nobody nominated is forecast."""
