"""The lines of statements, computed: trades, positions against meters, their mirrors, and VAT (docs/protocol.md 8)."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence

import numpy as np

from domain.lines import (
    LOCAL_PURCHASE,
    LOCAL_SALE,
    POSITION_KINDS,
    Kind,
    MirrorLine,
    OtherSide,
    PositionLine,
    TradeLine,
    VatLine,
)
from domain.statements import Statement
from domain.units import percentage_half_even_neur
from domain.words import Side
from settling.columns import BLOCK_POINTS, Columns, Prices, Sums, line_energies
from settling.inputs import Party, Trade
from settling.terms import Terms

LINES_RULE = 2
"""Version of the rule that gives the lines of all statements (docs/protocol.md section 8); settlements name it."""


def trade_lines(trades: Sequence[Trade]) -> list[TradeLine]:
    """The money of trades: per MTU what was bought, then what was sold, a line per session, market, price ascending."""
    totals: dict[tuple[int, Side, int, str, int], int] = {}
    for trade in trades:
        key = (trade.mtu, trade.side, trade.session, trade.market, trade.price_neur_per_wh)
        totals[key] = totals.get(key, 0) + trade.energy_wh
    return [
        TradeLine(
            mtu=mtu,
            kind=LOCAL_PURCHASE if side == Side.BID else LOCAL_SALE,
            energy_wh=totals[mtu, side, session, market, price],
            price_neur_per_wh=price,
            market=market,
            session=session,
        )
        for mtu, side, session, market, price in sorted(totals)
    ]


def position_lines(columns: Columns, prices: Prices, *, first_mtu: int) -> Iterator[list[PositionLine]]:
    """The lines of each household's positions in order, VAT apart; lines without energy are left out."""
    points = columns.terms.shape[0]
    for start in range(0, points, BLOCK_POINTS):
        block = columns.rows(start, min(start + BLOCK_POINTS, points))
        energies = [energy for _, energy in line_energies(block)]
        charges = [
            np.broadcast_to(prices.of(kind, block.terms, start=start), block.terms.shape) for kind in POSITION_KINDS
        ]
        for row in range(block.terms.shape[0]):
            by_kind = np.stack([energy[row] for energy in energies])
            charged = np.stack([charge[row] for charge in charges])
            at_mtu, at_kind = np.nonzero(by_kind.T)
            yield [
                PositionLine(first_mtu + mtu, POSITION_KINDS[kind], int(by_kind[kind, mtu]), int(charged[kind, mtu]))
                for mtu, kind in zip(at_mtu.tolist(), at_kind.tolist(), strict=True)
            ]


def vat_lines(base_neur: Mapping[int, int]) -> list[VatLine]:
    """VAT of a statement, one line per rate ascending, half-even once each; rates without an amount are left out."""
    lines = []
    for rate in sorted(base_neur):
        vat = percentage_half_even_neur(base_neur=base_neur[rate], basis_points=rate)
        if vat != 0:
            lines.append(VatLine(vat_bp=rate, base_neur=base_neur[rate], amount_neur=-vat))
    return lines


def mirror_lines(terms: Terms, sums: Sums, party: Party, *, first_mtu: int) -> list[MirrorLine]:
    """The other side of the households' lines: per kind, tariff version, MTU and price, with the opposite sign.

    Rows of one tariff version under several retailers are one line for the DSO and the tax account.
    """
    lines = []
    for kind in POSITION_KINDS:
        if kind.other.value != party.kind.value:
            continue
        for (tariff, version, mtu, price), energy in sorted(_mirror_cells(terms, sums, party, kind).items()):
            lines.append(MirrorLine(first_mtu + mtu, kind, energy, price, tariff, version))
    return lines


def _mirror_cells(terms: Terms, sums: Sums, party: Party, kind: Kind) -> dict[tuple[str, int, int, int], int]:
    """Energy by (tariff, version, MTU counted from the first, price)."""
    cells: dict[tuple[str, int, int, int], int] = {}
    mirror = sums.mirror_wh[kind.name]
    for row, item in enumerate(terms.classes):
        if kind.other == OtherSide.RETAILER and item.retailer != party.account:
            continue
        name, version, price = item.tariff.tariff, item.tariff.version, int(getattr(item.tariff, str(kind.price)))
        found = [((name, version, mtu, price), int(mirror[row, mtu])) for mtu in np.flatnonzero(mirror[row]).tolist()]
        found += [
            ((name, version, mtu, own_price), energy)
            for (own_kind, own_row, mtu, own_price), energy in sums.own_wh.items()
            if (own_kind, own_row) == (kind.name, row)
        ]
        for key, energy in found:
            cells[key] = cells.get(key, 0) + energy
    return cells


def vat_mirror(households: Iterable[Statement]) -> list[VatLine]:
    """What the tax account receives as VAT: the sums of the households' VAT lines, one per rate ascending."""
    sums: dict[int, tuple[int, int]] = {}
    for statement in households:
        for line in statement.lines:
            if isinstance(line, VatLine):
                base, amount = sums.get(line.vat_bp, (0, 0))
                sums[line.vat_bp] = (base + line.base_neur, amount - line.amount_neur)
    return [VatLine(rate, base, amount) for rate, (base, amount) in sorted(sums.items())]
