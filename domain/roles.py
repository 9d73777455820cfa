"""The roles of organisations that the contracts know."""

from __future__ import annotations

from enum import StrEnum


class ChainRole(StrEnum):
    """One key holds one of them, for its organisation; in the order in which the contracts number them, from 1.

    What each may do on chain is told in `contracts/src/interfaces/IRoles.sol`.
    """

    OPERATOR = "operator"
    DSO = "dso"
    ATTESTER = "attester"
    TREASURER = "treasurer"
    REGISTRAR = "registrar"
    SECURITY_ADMIN = "security_admin"
