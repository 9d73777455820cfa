"""The numbers of a settlement as columns (points x MTUs): energies per kind of line, amounts, VAT bases.

Whole numbers only. Columns are int64 where no product or sum can leave it, else Python integers in the same arrays.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, fields, replace

import numpy as np
from numpy.typing import NDArray

from domain import lines
from domain.lines import KINDS, POSITION_KINDS, Kind
from settling.positions import Ints, OwnPrices, TradeColumns

NO_CAP_WH = 2**53
"""Stands in a cap column for "no envelope": above any energy of a reading."""

NO_TERMS = -1
"""Stands in the terms column where no agreement is valid."""

BLOCK_POINTS = 512
"""Points worked on at a time: their columns of a day stay within a processor's second-level cache."""

INT64_HIGHEST = 2**63 - 1


@dataclass(frozen=True, slots=True)
class Columns:
    """Energies in Wh, not negative, one row per household and one column per MTU.

    `bought_wh` and `sold_wh` are positions: netted over all markets, one of them zero. `import_wh` and `export_wh` hold
    what is settled as metered (the position, where unread); caps are NO_CAP_WH where there is none; `balancing_wh` is
    positive where the household drew more before; `terms` is the row of the price tables, NO_TERMS where no agreement
    is valid.
    """

    bought_wh: Ints
    sold_wh: Ints
    import_wh: Ints
    export_wh: Ints
    import_cap_wh: Ints
    export_cap_wh: Ints
    scheduled_export_wh: Ints
    balancing_wh: Ints
    terms: Ints

    def rows(self, start: int, stop: int) -> Columns:
        """The same columns of some households."""
        return Columns(*(getattr(self, item.name)[start:stop] for item in fields(self)))


@dataclass(frozen=True, slots=True)
class Prices:
    """What an energy costs, nEUR/Wh: `tariff[field]` and `vat_bp` per row of terms, `own` where own trades bound it."""

    tariff: dict[str, Ints]
    vat_bp: Ints
    own: OwnPrices

    def of(self, kind: Kind, terms: Ints, *, start: int) -> Ints:
        """Prices of a kind for the households from row `start` on, to be multiplied with its energies.

        NO_TERMS picks any price: its energies are zero.
        """
        table = self.tariff[str(kind.price)]
        prices = table if len(table) == 1 else table[terms]
        for bounds, kind_bound, worse in (
            (self.own.lowest_bought, lines.IMBALANCE_SURPLUS, min),
            (self.own.highest_sold, lines.IMBALANCE_SHORTFALL, max),
        ):
            inside = {at: own for at, own in bounds.items() if start <= at[0] < start + len(terms)}
            if kind is not kind_bound or not inside:
                continue
            prices = np.broadcast_to(prices, terms.shape).copy()
            for (row, mtu), own in inside.items():
                prices[row - start, mtu] = worse(int(prices[row - start, mtu]), own)
        return prices

    def is_own(self, kind: Kind) -> bool:
        """Whether households under the same terms may pay different prices for this kind."""
        return bool(
            (kind is lines.IMBALANCE_SURPLUS and self.own.lowest_bought)
            or (kind is lines.IMBALANCE_SHORTFALL and self.own.highest_sold)
        )


@dataclass(frozen=True, slots=True)
class Sums:
    """What all households' lines add up to.

    `amount_neur` per household before VAT, + = credit; `vat_base_neur[vat_bp]` per household; `mirror_wh[kind]` energy
    at the tariff's price per (row of terms, MTU); `own_wh` energy at other prices by (kind, row of terms, MTU, price).
    """

    amount_neur: Ints
    vat_base_neur: dict[int, Ints]
    mirror_wh: dict[str, Ints]
    own_wh: dict[tuple[str, int, int, int], int]


def line_energies(columns: Columns) -> Iterator[tuple[Kind, Ints]]:
    """Energy per household and MTU of each kind of line of the position, in Wh, in the order of POSITION_KINDS."""
    bought, sold = columns.bought_wh, columns.sold_wh
    drawn, fed = columns.import_wh, columns.export_wh
    beyond_bought = np.maximum(drawn - bought, 0)
    yield lines.RESIDUAL_SUPPLY, beyond_bought
    yield lines.RESIDUAL_FEED_IN, np.maximum(np.minimum(fed, columns.export_cap_wh) - sold, 0)
    yield lines.IMBALANCE_SURPLUS, np.maximum(bought - drawn, 0)
    yield lines.IMBALANCE_SHORTFALL, np.maximum(sold - fed, 0)
    yield lines.EXCESS_EXPORT, np.maximum(fed - np.maximum(columns.export_cap_wh, sold), 0)
    yield lines.EXCESS_IMPORT, np.maximum(drawn - columns.import_cap_wh, 0)
    yield lines.GRID_FEE_LOCAL, np.minimum(bought, drawn)
    yield lines.GRID_FEE, beyond_bought
    yield lines.LEVY, drawn
    yield lines.COMPENSATION, np.maximum(columns.scheduled_export_wh - columns.export_cap_wh, 0)
    yield lines.BALANCING_SHORTFALL, np.maximum(columns.balancing_wh, 0)
    yield lines.BALANCING_SURPLUS, np.maximum(-columns.balancing_wh, 0)


def fits_int64(columns: Columns, trades: TradeColumns, prices: Prices) -> bool:
    """Whether no product or sum of this settlement can leave int64."""
    if columns.terms.size == 0:
        return True
    metered = (columns.import_wh, columns.export_wh, np.abs(columns.balancing_wh))
    energies = (columns.bought_wh, columns.sold_wh, *metered, columns.scheduled_export_wh)
    energy = max(int(np.max(column)) for column in (*energies, trades.energy_wh) if column.size)
    tables = (trades.price_neur_per_wh, *prices.tariff.values())
    price = max((int(np.max(np.abs(table))) for table in tables if table.size), default=0)
    points, mtus = columns.terms.shape
    terms_of_a_sum = max(mtus * len(KINDS), len(trades.energy_wh))
    return bool(max(energy * price * terms_of_a_sum, energy * points) <= INT64_HIGHEST)


def exact(columns: Columns, trades: TradeColumns, prices: Prices) -> tuple[Columns, TradeColumns, Prices]:
    """The same with Python integers where int64 could overflow: slower, never wrong."""
    if fits_int64(columns, trades, prices):
        return columns, trades, prices
    wide = {item.name: getattr(columns, item.name).astype(object) for item in fields(columns) if item.name != "terms"}
    tariff = {name: table.astype(object) for name, table in prices.tariff.items()}
    return Columns(**wide, terms=columns.terms), trades.wide(), replace(prices, tariff=tariff)


def sum_up(columns: Columns, trades: TradeColumns, prices: Prices) -> Sums:
    """Amounts, VAT bases and mirror sums of all households, a block of them at a time."""
    columns, trades, prices = exact(columns, trades, prices)
    points, mtus = columns.terms.shape
    dtype = columns.bought_wh.dtype
    rates = sorted({int(rate) for rate in prices.vat_bp})
    sums = Sums(
        amount_neur=np.zeros(points, dtype=dtype),
        vat_base_neur={rate: np.zeros(points, dtype=dtype) for rate in rates},
        mirror_wh={kind.name: np.zeros((len(prices.vat_bp), mtus), dtype=dtype) for kind in POSITION_KINDS},
        own_wh={},
    )
    _sum_trades(columns, trades, prices, sums)
    for start in range(0, points, BLOCK_POINTS):
        stop = min(start + BLOCK_POINTS, points)
        _sum_block(columns.rows(start, stop), prices, sums, start, stop)
    return sums


def _sum_trades(columns: Columns, trades: TradeColumns, prices: Prices, sums: Sums) -> None:
    """Each trade at its own price; what was bought at a price above zero is in the VAT base."""
    money = trades.money_neur()
    np.add.at(sums.amount_neur, trades.household, money)
    charged = np.where(trades.is_ask == 1, 0, np.maximum(-money, 0))
    if len(sums.vat_base_neur) == 1:
        for base in sums.vat_base_neur.values():
            np.add.at(base, trades.household, charged)
        return
    rate_of = prices.vat_bp[columns.terms[trades.household, trades.mtu]]
    for rate, base in sums.vat_base_neur.items():
        np.add.at(base, trades.household, np.where(rate_of == rate, charged, 0))


def _sum_block(block: Columns, prices: Prices, sums: Sums, start: int, stop: int) -> None:
    amount = sums.amount_neur[start:stop]
    debit: dict[int, Ints] = {rate: base[start:stop] for rate, base in sums.vat_base_neur.items()}
    rows_of_terms = [(row, _mask(block.terms, row, len(prices.vat_bp))) for row in range(len(prices.vat_bp))]
    for kind, energy in line_energies(block):
        if not energy.any():
            continue
        price = prices.of(kind, block.terms, start=start)
        # one price for all: sum first, then multiply
        money = energy.sum(axis=1, keepdims=True) * price if price.size == 1 else energy * price
        amount += kind.sign * money.sum(axis=1)
        if kind.taxed:
            _add_debits(debit, money, block.terms, prices)
        if prices.is_own(kind):
            energy = _take_own(kind, energy, price, block.terms, prices, sums)
        mirror = sums.mirror_wh[kind.name]
        for row, mask in rows_of_terms:
            mirror[row] += (energy if mask is None else np.where(mask, energy, 0)).sum(axis=0)


def _take_own(kind: Kind, energy: Ints, price: Ints, terms: Ints, prices: Prices, sums: Sums) -> Ints:
    """Count what is not charged at the tariff's price in `own_wh`; the energies without it."""
    own = (price != np.broadcast_to(prices.tariff[str(kind.price)][terms], terms.shape)) & (energy != 0)
    for row, mtu in zip(*np.nonzero(own), strict=True):
        key = (kind.name, int(terms[row, mtu]), int(mtu), int(price[row, mtu]))
        sums.own_wh[key] = sums.own_wh.get(key, 0) + int(energy[row, mtu])
    return np.where(own, 0, energy)


def _mask(terms: Ints, row: int, rows: int) -> NDArray[np.bool_] | None:
    """Where this row of terms applies; None where there is only one (no energy stands where none applies)."""
    return None if rows == 1 else terms == row


def _add_debits(debit: dict[int, Ints], money: Ints, terms: Ints, prices: Prices) -> None:
    """Add what taxed lines charge (their negative amounts) to the VAT base of the rate that applies to each."""
    charged = np.maximum(money, 0)  # energies are not negative, so a price below zero makes no debit
    if len(debit) == 1:
        for base in debit.values():
            base += charged.sum(axis=1)
        return
    rate_of = prices.vat_bp[terms]
    for rate, base in debit.items():
        base += np.where(rate_of == rate, charged, 0).sum(axis=1)
