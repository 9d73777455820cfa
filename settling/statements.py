"""Statements as JSON: the lines of each account, and what they open to (docs/evidence.md section 5)."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from domain.hashing import ZERO_HASH, to_hex
from domain.units import percentage_half_even_neur
from domain.words import Side
from settling.columns import BLOCK_POINTS, Columns, Prices, exact, line_energies
from settling.inputs import Inputs, Party, Trade
from settling.kinds import KINDS, LOCAL_PURCHASE, LOCAL_SALE, VAT
from settling.terms import Terms

Line = dict[str, Any]

NO_TERMS_HASH = to_hex(ZERO_HASH)
"""`terms_hash` of accounts that have no agreement: retailers, the DSO and the tax account."""


@dataclass(frozen=True, slots=True)
class Openings:
    """What the lines of an account open to, by MTU: tags of bids and asks, reading hashes."""

    bids: Mapping[int, list[str]]
    asks: Mapping[int, list[str]]
    readings: Mapping[int, tuple[str, ...]]


def openings_of(trades: Sequence[Trade], readings: Mapping[int, tuple[str, ...]]) -> Openings:
    """Openings from an account's trades and its point's readings; tags ascend."""
    sides: dict[Side, dict[int, list[str]]] = {Side.BID: {}, Side.ASK: {}}
    for trade in sorted(trades, key=lambda item: item.tag):
        sides[trade.side].setdefault(trade.mtu, []).append(trade.tag)
    return Openings(bids=sides[Side.BID], asks=sides[Side.ASK], readings=readings)


def money_line(*, mtu: int, kind: str, energy_wh: int, price_neur_per_wh: int, sign: int) -> Line:
    """One line; its amount is exactly sign x energy x price."""
    return {
        "mtu": mtu,
        "kind": kind,
        "energy_wh": energy_wh,
        "price_neur_per_wh": price_neur_per_wh,
        "amount_neur": str(sign * energy_wh * price_neur_per_wh),
    }


def vat_line(*, vat_bp: int, base_neur: int, amount_neur: int) -> Line:
    """The line of one VAT rate; `amount_neur` has the account's sign."""
    return {"kind": VAT, "vat_bp": vat_bp, "base_neur": str(base_neur), "amount_neur": str(amount_neur)}


def household_lines(columns: Columns, prices: Prices, *, first_mtu: int) -> Iterator[list[Line]]:
    """The lines of each household in order, VAT apart; lines without energy are left out."""
    columns, prices = exact(columns, prices)
    points = columns.terms.shape[0]
    for start in range(0, points, BLOCK_POINTS):
        block = columns.rows(start, min(start + BLOCK_POINTS, points))
        energies = [energy for _, energy in line_energies(block)]
        charges = [np.broadcast_to(prices.of(kind, block.terms), block.terms.shape) for kind in KINDS]
        for row in range(block.terms.shape[0]):
            by_kind = np.stack([energy[row] for energy in energies])
            charged = np.stack([charge[row] for charge in charges])
            at_mtu, at_kind = np.nonzero(by_kind.T)
            yield [
                money_line(
                    mtu=first_mtu + mtu,
                    kind=KINDS[kind].name,
                    energy_wh=int(by_kind[kind, mtu]),
                    price_neur_per_wh=int(charged[kind, mtu]),
                    sign=KINDS[kind].sign,
                )
                for mtu, kind in zip(at_mtu.tolist(), at_kind.tolist(), strict=True)
            ]


def vat_lines(base_neur: Mapping[int, int]) -> list[Line]:
    """VAT of a statement, one line per rate ascending, half-even once each; rates without an amount are left out."""
    lines = []
    for rate in sorted(base_neur):
        vat = percentage_half_even_neur(base_neur=base_neur[rate], basis_points=rate)
        if vat != 0:
            lines.append(vat_line(vat_bp=rate, base_neur=base_neur[rate], amount_neur=-vat))
    return lines


def household_openings(terms: Terms, household: int, openings: Openings, mtus: Sequence[int], first_mtu: int) -> Any:
    """What the lines of a household open to, one element per MTU with a line."""
    spans = iter(terms.spans[household])
    span = next(spans, None)
    result = []
    for mtu in mtus:
        while span is not None and mtu - first_mtu >= span.stop:
            span = next(spans, None)
        if span is None:
            raise ValueError(f"MTU {mtu} has lines but no terms")  # excluded by the check for NoAgreement
        tariff = terms.classes[span.row].tariff
        result.append(
            {
                "mtu": mtu,
                "bids": openings.bids.get(mtu, []),
                "asks": openings.asks.get(mtu, []),
                "readings": list(openings.readings.get(mtu, ())),
                "agreement": span.agreement.agreement,
                "agreement_version": span.agreement.version,
                "tariff": tariff.tariff,
                "version": tariff.version,
            }
        )
    return result


def trade_lines(trades: Sequence[Trade], price_neur_per_wh: Mapping[int, int]) -> list[Line]:
    """A retailer's own trades at the transformer: per MTU what it bought, then what it sold, at the clearing price."""
    totals: dict[tuple[int, Side], int] = {}
    for trade in trades:
        totals[trade.mtu, trade.side] = totals.get((trade.mtu, trade.side), 0) + trade.energy_wh
    lines = []
    for mtu, side in sorted(totals):
        kind = LOCAL_PURCHASE if side == Side.BID else LOCAL_SALE
        lines.append(
            money_line(
                mtu=mtu,
                kind=kind.name,
                energy_wh=totals[mtu, side],
                price_neur_per_wh=price_neur_per_wh[mtu],
                sign=kind.sign,
            )
        )
    return lines


def trade_openings(openings: Openings) -> list[dict[str, Any]]:
    """What a retailer's own trades open to."""
    return [
        {"mtu": mtu, "bids": openings.bids.get(mtu, []), "asks": openings.asks.get(mtu, [])}
        for mtu in sorted({*openings.bids, *openings.asks})
    ]


def statement_json(inputs: Inputs, *, party: Party, terms_hash: str, lines: list[Line], opens: Any) -> dict[str, Any]:
    """The statement that is hashed under its salt; the amount due is that of the account's settlement word."""
    period, settled_before_neur = inputs.period, inputs.settled_before_neur.get(party.account, 0)
    amount = sum(int(line["amount_neur"]) for line in lines)
    return {
        "account": to_hex(party.account),
        "area": period.area,
        "period": period.number,
        "revision": inputs.revision,
        "first_mtu": period.first_mtu,
        "count": period.count,
        "kind": party.kind.value,
        "point": party.point,
        "terms_hash": terms_hash,
        "lines": lines,
        "opens": opens,
        "amount_neur": str(amount),
        "settled_before_neur": str(settled_before_neur),
        "due_neur": str(amount - settled_before_neur),
    }


def trades_by_account(inputs: Inputs) -> dict[bytes, list[Trade]]:
    """The trades of each account."""
    grouped: dict[bytes, list[Trade]] = {}
    for trade in inputs.trades:
        grouped.setdefault(trade.account, []).append(trade)
    return grouped
