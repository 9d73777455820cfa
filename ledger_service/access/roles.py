"""The roles of people and machines, denied by default, and how they map to IEC 62351-8."""

from __future__ import annotations

from enum import StrEnum

from domain.errors import DominoesError


class Role(StrEnum):
    """One principal has one role; the roles of organisations are exclusive, on chain and here."""

    PROSUMER = "prosumer"
    """A household: own orders, readings, bills. IEC 62351-8: VIEWER of own data, OPERATOR of own orders."""
    RETAILER = "retailer"
    """Supplies customers, guarantees them, trades at the transformer. IEC 62351-8: OPERATOR for its own customers."""
    AGENT = "agent"
    """A key that trades for accounts within their mandates. IEC 62351-8: OPERATOR of the orders it signed itself."""
    DSO = "dso"
    """Signs or refuses programs of its area. IEC 62351-8: ENGINEER / OPERATOR of the distribution zone."""
    ATTESTER = "attester"
    """Machine: verifies readings, recomputes settlements. IEC 62351-8: VIEWER, with attestation as its one write."""
    AUDITOR = "auditor"
    """Reads everything, each access is a fact; signs audits and writes nothing else. IEC 62351-8: SECAUD."""
    OPERATOR = "operator"
    """Runs the market software. IEC 62351-8: INSTALLER / OPERATOR of the service, no data of persons."""
    TREASURER = "treasurer"
    """Books deposits. IEC 62351-8: a market role without electrical rights."""
    REGISTRAR = "registrar"
    """Registers participants, meters, agreements, tariffs, areas, markets. IEC 62351-8: RBACMNT for accounts."""
    SECURITY_ADMIN = "security_admin"
    """Grants and removes organisations' roles. IEC 62351-8: SECADM."""


class NotAllowed(DominoesError):
    """The principal is known, but its role may not do this."""

    status = 403
    code = "not-allowed"
    remedy = "Log in with an account whose role is among those that the operation names."

    def __init__(self, *, role: str, allowed: tuple[str, ...]) -> None:
        self.role, self.allowed = role, allowed
        super().__init__(f"role {role} may not do this; log in with a key that has one of: {', '.join(allowed)}")


class NotYours(DominoesError):
    """The thing exists or not: whoever doesn't own it is told the same either way."""

    status = 404
    code = "not-found"
    remedy = "List what there is, and take the name or address from there."

    def __init__(self, *, what: str) -> None:
        self.what = what
        super().__init__(f"there is no {what} of yours with this name; list your own to see what there is")
