"""Statements: lines from energies, VAT, mirrors, sums.

Sources: docs/protocol.md section 8 (lines), docs/evidence.md section 5 (statements).
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any

from verifier.form import Json
from verifier.party_facts import TariffPublished

BASIS_POINTS = 10_000

UNLIMITED_WH = 1 << 62
"""Stands for the cap of a point without an envelope."""


@dataclass(frozen=True, slots=True)
class LineKind:
    """A kind of line: other side, the tariff's price (None: that of the trade), the account's sign, whether its debits
    bear VAT."""

    name: str
    other: str
    price: str | None
    sign: int
    taxed: bool


TRADE_LINES = (
    LineKind("local_purchase", "pool", None, -1, taxed=True),
    LineKind("local_sale", "pool", None, 1, taxed=False),
)
"""Kinds of lines of trades, by side; one line per session, market and price."""

SURPLUS, SHORTFALL = "imbalance_surplus", "imbalance_shortfall"

LINES = (
    LineKind("residual_supply", "retailer", "supply", -1, taxed=True),
    LineKind("residual_feed_in", "retailer", "feed_in", 1, taxed=False),
    LineKind(SURPLUS, "retailer", "imbalance_surplus", 1, taxed=False),
    LineKind(SHORTFALL, "retailer", "imbalance_shortfall", -1, taxed=True),
    LineKind("excess_export", "dso", "excess", -1, taxed=True),
    LineKind("excess_import", "dso", "excess", -1, taxed=True),
    LineKind("grid_fee_local", "dso", "grid_fee_local", -1, taxed=True),
    LineKind("grid_fee", "dso", "grid_fee", -1, taxed=True),
    LineKind("levy", "tax", "levy", -1, taxed=True),
    LineKind("curtailment_compensation", "dso", "compensation", 1, taxed=False),
    LineKind("balancing_shortfall", "dso", "imbalance_shortfall", -1, taxed=True),
    LineKind("balancing_surplus", "dso", "imbalance_surplus", 1, taxed=False),
)
"""Kinds of lines of the position against the meter, and of balancing entries, in their order (protocol.md section
8)."""

KINDS_BY_NAME = {kind.name: kind for kind in (*TRADE_LINES, *LINES)}


@dataclass(frozen=True, slots=True)
class Flows:
    """Energy of an account in an MTU, Wh: bought and sold netted over all markets, metered import and export, and what
    it drew (+) or fed in before, as a balancing entry says."""

    bought: int
    sold: int
    imported: int
    exported: int
    balancing: int = 0


@dataclass(frozen=True, slots=True)
class Bounds:
    """What bounds a point in an MTU, Wh: its caps (None: no envelope) and the export of its schedule."""

    import_cap: int | None = None
    export_cap: int | None = None
    scheduled_export: int = 0


def line_energies(flows: Flows, bounds: Bounds) -> list[int]:
    """Wh of each kind of LINES."""
    bought, sold, imported, exported = flows.bought, flows.sold, flows.imported, flows.exported
    most_imported = UNLIMITED_WH if bounds.import_cap is None else bounds.import_cap
    most_exported = UNLIMITED_WH if bounds.export_cap is None else bounds.export_cap
    return [
        max(imported - bought, 0),
        max(min(exported, most_exported) - sold, 0),
        max(bought - imported, 0),
        max(sold - exported, 0),
        max(exported - max(most_exported, sold), 0),
        max(imported - most_imported, 0),
        min(bought, imported),
        max(imported - bought, 0),
        imported,
        max(bounds.scheduled_export - most_exported, 0),
        max(flows.balancing, 0),
        max(-flows.balancing, 0),
    ]


@dataclass(frozen=True, slots=True)
class OwnPrices:
    """nEUR/Wh of an account's own trades of an MTU in several markets, which bound what a deviation settles at."""

    lowest_bought: int | None = None
    highest_sold: int | None = None


def price_of(kind: LineKind, tariff: TariffPublished, own: OwnPrices) -> int:
    """nEUR/Wh of a kind of line under a tariff, or of the own trades where that is worse (protocol.md section 8)."""
    price = int(getattr(tariff, f"{kind.price}_neur_per_wh"))
    if kind.name == SURPLUS and own.lowest_bought is not None:
        return min(price, own.lowest_bought)
    if kind.name == SHORTFALL and own.highest_sold is not None:
        return max(price, own.highest_sold)
    return price


def half_even(base_neur: int, rate_bp: int) -> int:
    """A percentage of an amount, rounded half-even once."""
    amount, rest = divmod(base_neur * rate_bp, BASIS_POINTS)
    up = rest * 2 > BASIS_POINTS or (rest * 2 == BASIS_POINTS and amount % 2 == 1)
    return amount + up


# ---- lines and statements


@dataclass(frozen=True, slots=True)
class Line:
    """A line of an MTU; that of a trade names market and session, one mirrored from customers the tariff's version."""

    mtu: int
    kind: str
    energy_wh: int
    price_neur_per_wh: int
    amount_neur: int
    tariff: str | None = None
    version: int | None = None
    market: str | None = None
    session: int | None = None

    def as_json(self) -> Json:
        """As a statement shows it."""
        told: dict[str, Json] = {
            "mtu": self.mtu,
            "kind": self.kind,
            "energy_wh": self.energy_wh,
            "price_neur_per_wh": self.price_neur_per_wh,
            "amount_neur": str(self.amount_neur),
        }
        if self.market is not None:
            told |= {"market": self.market, "session": self.session}
        return told if self.tariff is None else {**told, "tariff": self.tariff, "version": self.version}


def line_of(
    kind: LineKind,
    mtu: int,
    energy_wh: int,
    price_neur_per_wh: int,
    market: str | None = None,
    session: int | None = None,
) -> Line:
    """The account's own line; of a trade in this session of a market where there is one."""
    amount = kind.sign * energy_wh * price_neur_per_wh
    return Line(mtu, kind.name, energy_wh, price_neur_per_wh, amount, market=market, session=session)


@dataclass(frozen=True, slots=True)
class VatLine:
    """VAT of a statement at one rate: of the taxed debits of its lines."""

    vat_bp: int
    base_neur: int
    amount_neur: int

    def as_json(self) -> Json:
        """As a statement shows it."""
        told = {"kind": "vat", "vat_bp": self.vat_bp}
        return {**told, "base_neur": str(self.base_neur), "amount_neur": str(self.amount_neur)}


@dataclass(frozen=True, slots=True)
class Opening:
    """What the lines of an MTU open to: tags of its words, hashes of its readings, and (households) its terms."""

    mtu: int
    bids: Sequence[str]
    asks: Sequence[str]
    readings: Sequence[str] = ()
    agreement: str | None = None
    agreement_version: int | None = None
    tariff: str | None = None
    version: int | None = None

    def as_json(self) -> Json:
        """As a statement shows it; that of a retailer's own trades shows words only."""
        told: dict[str, Json] = {"mtu": self.mtu, "bids": list(self.bids), "asks": list(self.asks)}
        if self.agreement is None:
            return told
        told |= {"readings": list(self.readings), "tariff": self.tariff, "version": self.version}
        return {**told, "agreement": self.agreement, "agreement_version": self.agreement_version}


@dataclass(frozen=True, slots=True)
class Statement:
    """An account's bill of a period in one revision."""

    area: str
    period: int
    revision: int
    account: str
    kind: str
    point: str | None
    mtus: range
    terms_hash: str
    settled_before_neur: int
    lines: Sequence[Line | VatLine] = field(default=())
    opens: Sequence[Opening] = field(default=())

    @property
    def amount_neur(self) -> int:
        """Sum of the lines."""
        return sum(line.amount_neur for line in self.lines)

    @property
    def due_neur(self) -> int:
        """What this revision moves."""
        return self.amount_neur - self.settled_before_neur

    def as_json(self) -> dict[str, Any]:
        """As it is hashed."""
        return {
            "area": self.area,
            "period": self.period,
            "revision": self.revision,
            "account": self.account,
            "kind": self.kind,
            "point": self.point,
            "first_mtu": self.mtus[0],
            "count": len(self.mtus),
            "terms_hash": self.terms_hash,
            "lines": [line.as_json() for line in self.lines],
            "opens": [opening.as_json() for opening in self.opens],
            "amount_neur": str(self.amount_neur),
            "settled_before_neur": str(self.settled_before_neur),
            "due_neur": str(self.due_neur),
        }


def vat_lines(bases: Iterable[tuple[int, int]]) -> list[VatLine]:
    """A household's VAT of (rate, taxed debits), ascending by rate; none where it rounds to zero."""
    amounts = [(rate, base, half_even(base, rate)) for rate, base in sorted(bases)]
    return [VatLine(rate, base, -amount) for rate, base, amount in amounts if amount]
