"""Which roles go together at this edge."""

from __future__ import annotations

from ledger_service.access.roles import Role

TRADERS = (Role.PROSUMER, Role.RETAILER)
"""Who places orders and holds a balance."""

EVERYBODY = tuple(Role)
"""Any principal that is logged in."""
