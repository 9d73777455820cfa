"""What an erasure leaves unknown of an account in an MTU, what still binds it, and how much money may hang on it.

Source: docs/evidence.md section 2 ("Erasure"). Four quantities decide an account's lines in an MTU: bought B, sold S,
import I, export E; besides them the caps and the schedule of its point. An erased reading hides I and E, an erased
order whose word it was (and so B and S of two accounts), an erased program caps and schedule. Nothing else is hidden.

**Read off, then recomputed.** Each hidden quantity follows from one line of the statement: I is the energy of the levy;
E is S less the shortfall, or S with what was fed in and in excess; an order's word stands in the book, and the
statement opens to its tag. All lines are computed from these, so that a line that does not follow from *some* B, S, I
and E is found, and so are sums that are not those of the words and of the attestation on chain.

A balancing entry of erased readings is the energy of its line; all of it may be wrong.

**How much.** The lines' energies rise or fall with each quantity, so that within a span of quantities they are extreme
at its corners: `reach`. A wrong energy or price moves money between the account and the other side of that one line.
Summed over lines, VAT and accounts this is at least what any of them gets too much (`most_moved`).
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import product

from verifier.billing import BASIS_POINTS, LINES, UNLIMITED_WH, Bounds, Flows, line_energies


@dataclass(frozen=True, slots=True)
class Span:
    """Whole numbers from the least to the most that something can be."""

    low: int
    high: int

    @classmethod
    def at(cls, value: int) -> Span:
        """Known."""
        return cls(value, value)

    @property
    def ends(self) -> tuple[int, int]:
        """Its corners."""
        return self.low, self.high


@dataclass(frozen=True, slots=True)
class Position:
    """What an account's position in an MTU can be, Wh: net bought (+) or sold over all markets, metered import and
    export (None: it settles as traded), caps and the export of its schedule, and its balancing entry."""

    net: Span
    imported: Span | None
    exported: Span | None
    import_cap: Span
    export_cap: Span
    scheduled_export: Span
    balancing: Span = Span(0, 0)


def flows_told(bought: int, sold: int, told: Mapping[str, int]) -> Flows:
    """Import and export of an account whose readings are erased, as its lines' Wh by kind say."""
    beyond = told.get("residual_feed_in", 0) + told.get("excess_export", 0)
    exported = sold - told.get("imbalance_shortfall", 0) + beyond
    balancing = told.get("balancing_shortfall", 0) - told.get("balancing_surplus", 0)
    return Flows(bought, sold, told.get("levy", 0), max(exported, 0), balancing)


def bounds_told(flows: Flows, told: Mapping[str, int]) -> Bounds:
    """Caps and schedule of a point whose program is erased, as its lines' Wh by kind say."""
    excess_import, compensated = told.get("excess_import", 0), told.get("curtailment_compensation", 0)
    import_cap = max(flows.imported - excess_import, 0) if excess_import else None
    if not (compensated or told.get("excess_export", 0)):
        return Bounds(import_cap)
    export_cap = flows.sold + told.get("residual_feed_in", 0)
    return Bounds(import_cap, export_cap, export_cap + compensated)


def known_bounds(bounds: Bounds) -> tuple[Span, Span, Span]:
    """Caps and schedule that are known, as spans."""
    caps = (UNLIMITED_WH if cap is None else cap for cap in (bounds.import_cap, bounds.export_cap))
    imported, exported = map(Span.at, caps)
    return imported, exported, Span.at(bounds.scheduled_export)


def reach(may: Position) -> list[Span]:
    """Least and most Wh of each kind of LINES."""
    metered = may.imported is not None and may.exported is not None
    imports = may.imported.ends if may.imported else (0,)
    exports = may.exported.ends if may.exported else (0,)
    bounds = (may.import_cap.ends, may.export_cap.ends, may.scheduled_export.ends)
    corners = []
    for net, imported, exported, balancing, *caps in product(
        may.net.ends, imports, exports, may.balancing.ends, *bounds
    ):
        bought, sold = max(net, 0), max(-net, 0)
        drawn, fed = (imported, exported) if metered else (bought, sold)
        flows = Flows(bought, sold, drawn, fed, balancing)
        corners.append(line_energies(flows, Bounds(*caps)))
    return [Span(min(wh), max(wh)) for wh in zip(*corners, strict=True)]


def taxed(amount_neur: int, vat_bp: int) -> int:
    """An amount with its VAT, rounded up."""
    return amount_neur - (-amount_neur * vat_bp // BASIS_POINTS)


def most_moved(energies: Sequence[int], prices: Sequence[int], may: Position, at: Sequence[Span], vat_bp: int) -> int:
    """nEUR by which the lines of LINES, told with these Wh and nEUR/Wh, can be wrong together; `at`: what their prices
    can be."""
    total = 0
    for kind, wh, price, span, priced in zip(LINES, energies, prices, reach(may), at, strict=True):
        amounts = [energy * each for energy in span.ends for each in priced.ends]
        wrong = max(abs(wh * price - amount) for amount in amounts)
        total += taxed(wrong, vat_bp) if kind.taxed else wrong
    return total


@dataclass(frozen=True, slots=True)
class Stake:
    """What of an account and MTU can be wrong, nEUR: with its own words known, and where each erased one can be its."""

    known_words_neur: int
    any_words_neur: int


@dataclass
class MtuStakes:
    """What of an MTU can be wrong: by account, and the erased words, each with its nEUR and whether it is a bid;
    `owners` say that words are their own."""

    by_account: dict[str, Stake] = field(default_factory=dict)
    words: list[tuple[int, bool]] = field(default_factory=list)
    owners: set[str] = field(default_factory=set)
    vat_bp: int = 0
    """The highest rate of any account."""

    @property
    def most_neur(self) -> int:
        """Each erased word can be another one's: its money passes from that one, its VAT is wrong with both, and so
        are the other lines of both. Who that is, is open: those at which it does most."""
        more = {who: max(item.any_words_neur - item.known_words_neur, 0) for who, item in self.by_account.items()}
        owners = sum(wrong for who, wrong in more.items() if who in self.owners)
        others = sorted((wrong for who, wrong in more.items() if who not in self.owners), reverse=True)
        known = sum(item.known_words_neur for item in self.by_account.values())
        passed = sum(neur + 2 * (taxed(neur, self.vat_bp) - neur) * is_bid for neur, is_bid in self.words)
        return known + owners + sum(others[: len(self.words)]) + passed


class Stakes:
    """What of a settlement can be wrong because something is erased."""

    def __init__(self) -> None:
        self._by_mtu: dict[int, MtuStakes] = defaultdict(MtuStakes)
        self.rates: set[tuple[str, int]] = set()  # accounts with the rates of VAT of what can be wrong

    @property
    def mtus(self) -> Collection[int]:
        """MTUs in which something is unknown."""
        return self._by_mtu.keys()

    def of(self, mtu: int) -> MtuStakes:
        """Those of an MTU."""
        return self._by_mtu[mtu]

    @property
    def most_neur(self) -> int:
        """Over all MTUs and accounts; VAT is rounded once for each rate of a statement, 1 nEUR more at most."""
        return sum(item.most_neur for item in self._by_mtu.values()) + len(self.rates)
