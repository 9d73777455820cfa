"""Who is in it, and which keys of the day that gives them. The operator always is: it writes the journal."""

from __future__ import annotations

from enum import Enum

HOUSEHOLD = "LV1.101-Load-1"
"""The point of the one household that may be in it."""


class Coalition(Enum):
    """A named coalition, as the table of docs and README calls it."""

    OPERATOR = "operator alone"
    FEW_ATTESTERS = "+ m − 1 attesters"
    ATTESTERS = "+ m attesters"
    DSO = "+ DSO"
    RETAILER = "+ retailer"
    HOUSEHOLD = "+ a household"
    TREASURER = "+ treasurer"
    REGISTRAR = "+ registrar"
    AGENT = "+ an agent of a household"

    @property
    def keys(self) -> frozenset[str]:
        """The parties whose keys it holds."""
        return frozenset({"operator", "accomplice"}) | _BESIDE[self]


_BESIDE = {
    Coalition.OPERATOR: frozenset[str](),
    Coalition.FEW_ATTESTERS: frozenset({"attester-1"}),
    Coalition.ATTESTERS: frozenset({"attester-1", "attester-2"}),
    Coalition.DSO: frozenset({"dso", "dso-account"}),
    Coalition.RETAILER: frozenset({"retailer", "retailer-orders"}),
    Coalition.HOUSEHOLD: frozenset({f"account/{HOUSEHOLD}", f"device/{HOUSEHOLD}"}),
    Coalition.TREASURER: frozenset({"treasurer"}),
    Coalition.REGISTRAR: frozenset({"registrar"}),
    Coalition.AGENT: frozenset({"agent"}),
}
