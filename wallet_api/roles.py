"""Which roles go together at this edge."""

from __future__ import annotations

from ledger_service.access.roles import Role

TRADERS = (Role.PROSUMER, Role.RETAILER)
"""Who places orders and holds a balance."""

SIGNERS_OF_ORDERS = (*TRADERS, Role.AGENT)
"""Who places orders: traders, and agents within their mandates."""

EVERYBODY = tuple(Role)
"""Any principal that is logged in."""
