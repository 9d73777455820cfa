"""Statements: the lines of each account, and what they open to (docs/evidence.md section 5)."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from domain.hashing import ZERO_HASH, from_hex, to_hex
from domain.units import percentage_half_even_neur
from domain.words import Side
from settling.columns import BLOCK_POINTS, Columns, Prices, line_energies
from settling.inputs import Inputs, Party, PartyKind, Trade
from settling.lines import LOCAL_PURCHASE, LOCAL_SALE, POSITION_KINDS, Line, PositionLine, TradeLine, VatLine, line_of
from settling.terms import Terms

NO_TERMS_HASH = to_hex(ZERO_HASH)
"""`terms_hash` of accounts that have no agreement: retailers, the DSO and the tax account."""


@dataclass(frozen=True, slots=True)
class TermsUsed:
    """The versions under which an MTU of a household was settled."""

    agreement: str
    agreement_version: int
    tariff: str
    version: int


@dataclass(frozen=True, slots=True)
class Opening:
    """What the lines of one MTU open to: tags of bids and asks ascending over all markets, reading hashes, terms.

    An account without a point has no readings and no `terms`.
    """

    mtu: int
    bids: tuple[str, ...]
    asks: tuple[str, ...]
    readings: tuple[str, ...] = ()
    terms: TermsUsed | None = None

    def as_json(self) -> dict[str, Any]:
        """JSON form, as it is hashed."""
        head = {"mtu": self.mtu, "bids": list(self.bids), "asks": list(self.asks)}
        if self.terms is None:
            return head
        return {
            **head,
            "readings": list(self.readings),
            "agreement": self.terms.agreement,
            "agreement_version": self.terms.agreement_version,
            "tariff": self.terms.tariff,
            "version": self.terms.version,
        }

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> Opening:
        """Read the JSON form. Raises KeyError, TypeError or ValueError."""
        terms = None
        if "agreement" in data:
            names = ("agreement", "agreement_version", "tariff", "version")
            terms = TermsUsed(**{name: data[name] for name in names})
        return cls(data["mtu"], tuple(data["bids"]), tuple(data["asks"]), tuple(data.get("readings", ())), terms)


@dataclass(frozen=True, slots=True)
class Statement:
    """What one account is told of a period's settlement, whole: earlier revisions are deducted from the amount due.

    `area` and `point` are codes; amounts in nEUR, + = the account receives.
    """

    account: bytes
    area: str
    period: int
    revision: int
    first_mtu: int
    count: int
    kind: PartyKind
    point: str | None
    terms_hash: str
    lines: tuple[Line, ...]
    opens: tuple[Opening, ...]
    settled_before_neur: int

    @property
    def amount_neur(self) -> int:
        """Sum of all lines."""
        return sum(line.amount_neur for line in self.lines)

    @property
    def due_neur(self) -> int:
        """The amount of the account's settlement word: what this revision moves."""
        return self.amount_neur - self.settled_before_neur

    def as_json(self) -> dict[str, Any]:
        """JSON form, as it is hashed under its salt."""
        amount = self.amount_neur
        return {
            "account": to_hex(self.account),
            "area": self.area,
            "period": self.period,
            "revision": self.revision,
            "first_mtu": self.first_mtu,
            "count": self.count,
            "kind": self.kind.value,
            "point": self.point,
            "terms_hash": self.terms_hash,
            "lines": [line.as_json() for line in self.lines],
            "opens": [opening.as_json() for opening in self.opens],
            "amount_neur": str(amount),
            "settled_before_neur": str(self.settled_before_neur),
            "due_neur": str(amount - self.settled_before_neur),
        }

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> Statement:
        """Read the JSON form. Raises KeyError, TypeError or ValueError where it is no statement."""
        names = ("area", "period", "revision", "first_mtu", "count", "point", "terms_hash")
        statement = cls(
            account=from_hex(data["account"]),
            kind=PartyKind(data["kind"]),
            lines=tuple(line_of(line) for line in data["lines"]),
            opens=tuple(Opening.from_json(item) for item in data["opens"]),
            settled_before_neur=int(data["settled_before_neur"]),
            **{name: data[name] for name in names},
        )
        if statement.as_json() != data:
            raise ValueError(f"the statement of {data['account']} does not add up, or has members of another form")
        return statement


def statement_of(
    inputs: Inputs, *, party: Party, terms_hash: str, lines: Sequence[Line], opens: Sequence[Opening]
) -> Statement:
    """The statement of a party in the settlement of these inputs."""
    return Statement(
        account=party.account,
        area=inputs.period.area,
        period=inputs.period.number,
        revision=inputs.revision,
        first_mtu=inputs.period.first_mtu,
        count=inputs.period.count,
        kind=party.kind,
        point=party.point,
        terms_hash=terms_hash,
        lines=tuple(lines),
        opens=tuple(opens),
        settled_before_neur=inputs.settled_before_neur.get(party.account, 0),
    )


def trade_lines(trades: Sequence[Trade]) -> list[TradeLine]:
    """The money of trades: per MTU what was bought, then what was sold, a line per market and price ascending."""
    totals: dict[tuple[int, Side, str, int], int] = {}
    for trade in trades:
        key = (trade.mtu, trade.side, trade.market, trade.price_neur_per_wh)
        totals[key] = totals.get(key, 0) + trade.energy_wh
    return [
        TradeLine(
            mtu, LOCAL_PURCHASE if side == Side.BID else LOCAL_SALE, market, totals[mtu, side, market, price], price
        )
        for mtu, side, market, price in sorted(totals)
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


def trade_openings(trades: Sequence[Trade]) -> list[Opening]:
    """What an account's trades open to, one element per MTU."""
    tags: dict[int, tuple[list[str], list[str]]] = {}
    for trade in sorted(trades, key=lambda item: item.tag):
        tags.setdefault(trade.mtu, ([], []))[trade.side].append(trade.tag)
    return [Opening(mtu, tuple(bids), tuple(asks)) for mtu, (bids, asks) in sorted(tags.items())]


def household_openings(
    terms: Terms,
    household: int,
    trades: Sequence[Trade],
    readings: Mapping[int, tuple[str, ...]],
    mtus: Sequence[int],
    first_mtu: int,
) -> list[Opening]:
    """What the lines of a household open to, one element per MTU with a line."""
    traded = {opening.mtu: opening for opening in trade_openings(trades)}
    spans = iter(terms.spans[household])
    span = next(spans, None)
    result = []
    for mtu in mtus:
        while span is not None and mtu - first_mtu >= span.stop:
            span = next(spans, None)
        if span is None:
            raise ValueError(f"MTU {mtu} has lines but no terms")  # excluded by the check for NoAgreement
        tariff = terms.classes[span.row].tariff
        used = TermsUsed(span.agreement.agreement, span.agreement.version, tariff.tariff, tariff.version)
        tags = traded.get(mtu, Opening(mtu, (), ()))
        result.append(Opening(mtu, tags.bids, tags.asks, tuple(readings.get(mtu, ())), used))
    return result


def trades_by_account(trades: Sequence[Trade]) -> dict[bytes, list[Trade]]:
    """The trades of each account."""
    grouped: dict[bytes, list[Trade]] = {}
    for trade in trades:
        grouped.setdefault(trade.account, []).append(trade)
    return grouped
