"""Amounts, energies, prices and times as people type and read them, and as the ledger counts them."""

from __future__ import annotations

import re
from decimal import Decimal

import typer

from domain.mtu import isoformat_utc, mtu_from, mtu_start
from domain.units import NEUR_PER_EUR

CT_PER_KWH_NEUR = 10_000
"""nEUR/Wh in one ct/kWh."""

WH_PER_KWH = 1_000

DECIMAL = re.compile(r"-?[0-9]{1,15}(\.[0-9]{1,12})?")
"""A number as people type it: with few enough digits that nothing is rounded."""


def mtu_typed(text: str) -> int:
    """The MTU of this number, or the one that begins at this time. Raises BadParameter."""
    try:
        return mtu_from(text)
    except ValueError as error:
        example = "2016-06-15T12:15+02:00"
        raise typer.BadParameter(f"{text!r} is no MTU ({error}); give its number, or a time as {example}") from error


def mtu_in_words(mtu: int) -> str:
    """When an MTU begins, and its number."""
    return f"{isoformat_utc(mtu_start(mtu))}, MTU {mtu}"


def scaled(text: str, *, unit: int, what: str) -> int:
    """A decimal number of units as the whole number that the ledger counts in. Raises BadParameter."""
    if DECIMAL.fullmatch(text):
        value = Decimal(text) * unit
        if value == value.to_integral_value():
            return int(value)
    raise typer.BadParameter(f"{text!r} is no {what} in steps of {Decimal(1) / unit:f}")


def neur_from_eur(text: str) -> int:
    """An amount in EUR, above zero, in nEUR. Raises BadParameter."""
    found = scaled(text, unit=NEUR_PER_EUR, what="amount in EUR")
    if found <= 0:
        raise typer.BadParameter(f"{text!r} is no amount above zero")
    return found


def price_text(price_neur_per_wh: int) -> str:
    """A price in nEUR/Wh in ct/kWh."""
    return f"{Decimal(price_neur_per_wh) / CT_PER_KWH_NEUR:.4f}"


def kwh_text(energy_wh: int) -> str:
    """An energy in Wh in kWh."""
    return f"{Decimal(energy_wh) / WH_PER_KWH:.3f}"


def eur_text(amount_neur: int) -> str:
    """An amount in nEUR as people read it, in EUR and exact: two decimals and as many more as it needs."""
    sign = "-" if amount_neur < 0 else ""
    whole, rest = divmod(abs(amount_neur), NEUR_PER_EUR)
    return f"{sign}{whole}.{f'{rest:09d}'.rstrip('0').ljust(2, '0')}"
