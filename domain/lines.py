"""The lines of a statement and their kinds (docs/protocol.md section 8), in the order in which it lists them.

Amounts have the account's sign: + = it receives. A line's amount follows from its other members, VAT apart.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from domain.hashing import MAX_SAFE_INTEGER
from domain.strictness import decimal, text, whole
from domain.units import BASIS_POINTS, NO_PRICE


class OtherSide(StrEnum):
    """Who stands on the other side of a line."""

    POOL = "pool"
    RETAILER = "retailer"
    DSO = "dso"
    TAX = "tax"


@dataclass(frozen=True, slots=True)
class Kind:
    """One kind of line.

    `sign` is that of the account's amount at a positive price, `price` the tariff field it is charged at (None: the
    price of the trade), `taxed` whether its debits are in the VAT base.
    """

    name: str
    sign: int
    price: str | None
    other: OtherSide
    taxed: bool


LOCAL_PURCHASE = Kind("local_purchase", -1, None, OtherSide.POOL, True)
LOCAL_SALE = Kind("local_sale", 1, None, OtherSide.POOL, False)
RESIDUAL_SUPPLY = Kind("residual_supply", -1, "supply_neur_per_wh", OtherSide.RETAILER, True)
RESIDUAL_FEED_IN = Kind("residual_feed_in", 1, "feed_in_neur_per_wh", OtherSide.RETAILER, False)
IMBALANCE_SURPLUS = Kind("imbalance_surplus", 1, "imbalance_surplus_neur_per_wh", OtherSide.RETAILER, False)
IMBALANCE_SHORTFALL = Kind("imbalance_shortfall", -1, "imbalance_shortfall_neur_per_wh", OtherSide.RETAILER, True)
EXCESS_EXPORT = Kind("excess_export", -1, "excess_neur_per_wh", OtherSide.DSO, True)
EXCESS_IMPORT = Kind("excess_import", -1, "excess_neur_per_wh", OtherSide.DSO, True)
GRID_FEE_LOCAL = Kind("grid_fee_local", -1, "grid_fee_local_neur_per_wh", OtherSide.DSO, True)
GRID_FEE = Kind("grid_fee", -1, "grid_fee_neur_per_wh", OtherSide.DSO, True)
LEVY = Kind("levy", -1, "levy_neur_per_wh", OtherSide.TAX, True)
COMPENSATION = Kind("curtailment_compensation", 1, "compensation_neur_per_wh", OtherSide.DSO, False)
BALANCING_SHORTFALL = Kind("balancing_shortfall", -1, "imbalance_shortfall_neur_per_wh", OtherSide.DSO, True)
BALANCING_SURPLUS = Kind("balancing_surplus", 1, "imbalance_surplus_neur_per_wh", OtherSide.DSO, False)

TRADE_KINDS = (LOCAL_PURCHASE, LOCAL_SALE)
"""One line per market, session, MTU and price: what was bought, then what was sold."""

POSITION_KINDS = (
    RESIDUAL_SUPPLY,
    RESIDUAL_FEED_IN,
    IMBALANCE_SURPLUS,
    IMBALANCE_SHORTFALL,
    EXCESS_EXPORT,
    EXCESS_IMPORT,
    GRID_FEE_LOCAL,
    GRID_FEE,
    LEVY,
    COMPENSATION,
    BALANCING_SHORTFALL,
    BALANCING_SURPLUS,
)
"""One line per MTU, of the net position over all energy markets against what was metered; the last two, of what was
metered before and can't be corrected any more."""

KINDS = (*TRADE_KINDS, *POSITION_KINDS)
"""Every kind that has energy and a price, in the order of the protocol's table."""

VAT = "vat"
"""The one kind without a MTU: a percentage over a statement's taxed debits."""

KIND_OF = {kind.name: kind for kind in KINDS}
"""Each kind by its name."""


@dataclass(frozen=True, slots=True)
class _EnergyLine:
    """An energy of one MTU at a price."""

    mtu: int
    kind: Kind
    energy_wh: int
    price_neur_per_wh: int

    @property
    def amount_neur(self) -> int:
        """Exactly sign x energy x price."""
        return self.kind.sign * self.energy_wh * self.price_neur_per_wh

    def as_json(self) -> dict[str, Any]:
        """JSON form, as it is hashed."""
        return {
            "mtu": self.mtu,
            "kind": self.kind.name,
            "energy_wh": self.energy_wh,
            "price_neur_per_wh": self.price_neur_per_wh,
            "amount_neur": str(self.amount_neur),
        }


@dataclass(frozen=True, slots=True)
class TradeLine(_EnergyLine):
    """What an account bought or sold in one session of a market and MTU, at the price of these trades."""

    market: str
    session: int

    def as_json(self) -> dict[str, Any]:
        """JSON form, as it is hashed."""
        return _EnergyLine.as_json(self) | {"market": self.market, "session": self.session}


@dataclass(frozen=True, slots=True)
class PositionLine(_EnergyLine):
    """What follows from a household's position and its meter in one MTU."""


@dataclass(frozen=True, slots=True)
class MirrorLine(_EnergyLine):
    """The other side of households' lines of one kind, MTU, tariff version and price."""

    tariff: str
    version: int

    @property
    def amount_neur(self) -> int:
        """The negative of what the households' lines say."""
        return -self.kind.sign * self.energy_wh * self.price_neur_per_wh

    def as_json(self) -> dict[str, Any]:
        """JSON form, as it is hashed."""
        return _EnergyLine.as_json(self) | {"tariff": self.tariff, "version": self.version}


@dataclass(frozen=True, slots=True)
class VatLine:
    """VAT of one rate over a statement's taxed debits (for the tax account: over all statements)."""

    vat_bp: int
    base_neur: int
    amount_neur: int

    def as_json(self) -> dict[str, Any]:
        """JSON form, as it is hashed."""
        return {
            "kind": VAT,
            "vat_bp": self.vat_bp,
            "base_neur": str(self.base_neur),
            "amount_neur": str(self.amount_neur),
        }


MtuLine = TradeLine | PositionLine | MirrorLine
"""A line of one MTU."""

Line = MtuLine | VatLine


def line_of(data: Mapping[str, Any]) -> Line:
    """Read a line's JSON form, strictly. Raises KeyError, TypeError or ValueError where it is none."""
    if data["kind"] == VAT:
        line: Line = VatLine(
            vat_bp=whole(data["vat_bp"], highest=BASIS_POINTS),
            base_neur=decimal(data["base_neur"]),
            amount_neur=decimal(data["amount_neur"]),
        )
    else:
        line = _mtu_line_of(data)
    if line.as_json() != data:
        raise ValueError(f"a line of {data['kind']} has other members, or its amount does not follow from them")
    return line


def _mtu_line_of(data: Mapping[str, Any]) -> MtuLine:
    kind, mtu = KIND_OF[data["kind"]], whole(data["mtu"])
    energy_wh = whole(data["energy_wh"], highest=MAX_SAFE_INTEGER)
    price = whole(data["price_neur_per_wh"], lowest=NO_PRICE, highest=-NO_PRICE - 1)
    if kind in POSITION_KINDS and "tariff" in data:
        return MirrorLine(mtu, kind, energy_wh, price, tariff=text(data["tariff"]), version=whole(data["version"]))
    if kind in TRADE_KINDS:
        session = whole(data["session"], highest=MAX_SAFE_INTEGER)
        return TradeLine(mtu, kind, energy_wh, price, market=text(data["market"]), session=session)
    return PositionLine(mtu, kind, energy_wh, price)
