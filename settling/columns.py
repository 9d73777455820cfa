"""The numbers of a settlement as columns (points x MTUs): energies per kind of line, amounts, VAT bases.

Whole numbers only. Columns are int64 where no product or sum can leave it, else Python integers in the same arrays.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, fields

import numpy as np
from numpy.typing import NDArray

from settling import kinds
from settling.kinds import KINDS, Kind

Ints = NDArray[np.int64]

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

    `import_wh` and `export_wh` hold what is settled as metered (what was traded, where unread); caps are NO_CAP_WH
    where there is none; `terms` is the row of the price tables, NO_TERMS where no agreement is valid.
    """

    bought_wh: Ints
    sold_wh: Ints
    import_wh: Ints
    export_wh: Ints
    import_cap_wh: Ints
    export_cap_wh: Ints
    scheduled_export_wh: Ints
    terms: Ints

    def rows(self, start: int, stop: int) -> Columns:
        """The same columns of some households."""
        return Columns(*(getattr(self, item.name)[start:stop] for item in fields(self)))


@dataclass(frozen=True, slots=True)
class Prices:
    """What an energy costs: `clearing` per MTU, `tariff[field]` and `vat_bp` per row of terms, all nEUR/Wh."""

    clearing: Ints
    tariff: dict[str, Ints]
    vat_bp: Ints

    def of(self, kind: Kind, terms: Ints) -> Ints:
        """Prices of a kind, to be multiplied with its energies (NO_TERMS picks any: its energies are zero)."""
        if kind.price is None:
            return self.clearing
        table = self.tariff[kind.price]
        return table if len(table) == 1 else table[terms]


@dataclass(frozen=True, slots=True)
class Sums:
    """`amount_neur` per household before VAT; `vat_base_neur[vat_bp]` per household; `mirror_wh[kind]` energy per
    (row of terms, MTU)."""

    amount_neur: Ints
    vat_base_neur: dict[int, Ints]
    mirror_wh: dict[str, Ints]


def line_energies(columns: Columns) -> Iterator[tuple[Kind, Ints]]:
    """Energy per household and MTU of each kind of line, in Wh, in the order of KINDS."""
    bought, sold = columns.bought_wh, columns.sold_wh
    drawn, fed = columns.import_wh, columns.export_wh
    beyond_bought = np.maximum(drawn - bought, 0)
    yield kinds.LOCAL_PURCHASE, bought
    yield kinds.LOCAL_SALE, sold
    yield kinds.RESIDUAL_SUPPLY, beyond_bought
    yield kinds.RESIDUAL_FEED_IN, np.maximum(np.minimum(fed, columns.export_cap_wh) - sold, 0)
    yield kinds.IMBALANCE_SURPLUS, np.maximum(bought - drawn, 0)
    yield kinds.IMBALANCE_SHORTFALL, np.maximum(sold - fed, 0)
    yield kinds.EXCESS_EXPORT, np.maximum(fed - np.maximum(columns.export_cap_wh, sold), 0)
    yield kinds.EXCESS_IMPORT, np.maximum(drawn - columns.import_cap_wh, 0)
    yield kinds.GRID_FEE_LOCAL, np.minimum(bought, drawn)
    yield kinds.GRID_FEE, beyond_bought
    yield kinds.LEVY, drawn
    yield kinds.COMPENSATION, np.maximum(columns.scheduled_export_wh - columns.export_cap_wh, 0)


def fits_int64(columns: Columns, prices: Prices) -> bool:
    """Whether no product or sum of this settlement can leave int64."""
    energies = (columns.bought_wh, columns.sold_wh, columns.import_wh, columns.export_wh, columns.scheduled_export_wh)
    if columns.terms.size == 0:
        return True
    energy = max(int(np.max(column)) for column in energies)
    price = max((int(np.max(np.abs(table))) for table in (prices.clearing, *prices.tariff.values())), default=0)
    points, mtus = columns.terms.shape
    return bool(max(energy * price * mtus * len(KINDS), energy * points) <= INT64_HIGHEST)


def exact(columns: Columns, prices: Prices) -> tuple[Columns, Prices]:
    """The same with Python integers where int64 could overflow: slower, never wrong."""
    if fits_int64(columns, prices):
        return columns, prices
    wide = {item.name: getattr(columns, item.name).astype(object) for item in fields(columns) if item.name != "terms"}
    tariff = {name: table.astype(object) for name, table in prices.tariff.items()}
    return (
        Columns(**wide, terms=columns.terms),
        Prices(clearing=prices.clearing.astype(object), tariff=tariff, vat_bp=prices.vat_bp),
    )


def sum_up(columns: Columns, prices: Prices) -> Sums:
    """Amounts, VAT bases and mirror sums of all households, a block of them at a time."""
    columns, prices = exact(columns, prices)
    points, mtus = columns.terms.shape
    dtype = columns.bought_wh.dtype
    rates = sorted({int(rate) for rate in prices.vat_bp})
    sums = Sums(
        amount_neur=np.zeros(points, dtype=dtype),
        vat_base_neur={rate: np.zeros(points, dtype=dtype) for rate in rates},
        mirror_wh={kind.name: np.zeros((len(prices.vat_bp), mtus), dtype=dtype) for kind in KINDS},
    )
    for start in range(0, points, BLOCK_POINTS):
        stop = min(start + BLOCK_POINTS, points)
        _sum_block(columns.rows(start, stop), prices, sums, start, stop)
    return sums


def _sum_block(block: Columns, prices: Prices, sums: Sums, start: int, stop: int) -> None:
    amount = sums.amount_neur[start:stop]
    debit: dict[int, Ints] = {rate: base[start:stop] for rate, base in sums.vat_base_neur.items()}
    rows_of_terms = [(row, _mask(block.terms, row, len(prices.vat_bp))) for row in range(len(prices.vat_bp))]
    for kind, energy in line_energies(block):
        if not energy.any():
            continue
        price = prices.of(kind, block.terms)
        # one price for all: sum first, then multiply
        money = energy.sum(axis=1, keepdims=True) * price if price.size == 1 else energy * price
        amount += kind.sign * money.sum(axis=1)
        if kind.taxed:
            _add_debits(debit, money, block.terms, prices)
        if kind.price is not None:
            mirror = sums.mirror_wh[kind.name]
            for row, mask in rows_of_terms:
                mirror[row] += (energy if mask is None else np.where(mask, energy, 0)).sum(axis=0)


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
