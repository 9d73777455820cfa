"""Amounts as they are answered: nEUR as decimal text, and the same in EUR for people."""

from __future__ import annotations

from domain.units import NEUR_PER_EUR

_EUR_DECIMALS = 9


def eur_text(amount_neur: int) -> str:
    """An amount in euro for people, exact: all nine decimals."""
    sign = "-" if amount_neur < 0 else ""
    whole, rest = divmod(abs(amount_neur), NEUR_PER_EUR)
    return f"{sign}{whole}.{rest:0{_EUR_DECIMALS}d}"


def money(amount_neur: int) -> dict[str, str]:
    """An amount as decimal text in nEUR and, for people, in EUR."""
    return {"neur": str(amount_neur), "eur": eur_text(amount_neur)}
