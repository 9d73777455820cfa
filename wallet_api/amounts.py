"""Amounts for people: in EUR, exact."""

from __future__ import annotations

from domain.units import NEUR_PER_EUR

_EUR_DECIMALS = 9


def eur_text(amount_neur: int) -> str:
    """An amount in euro for people, exact: all nine decimals."""
    sign = "-" if amount_neur < 0 else ""
    whole, rest = divmod(abs(amount_neur), NEUR_PER_EUR)
    return f"{sign}{whole}.{rest:0{_EUR_DECIMALS}d}"
