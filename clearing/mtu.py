"""One MTU of a program while it is validated: its book under the caps so far, and what then flows."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from clearing.book import Book, Clearing, Ints
from clearing.caps import NO_POINT, apply_caps
from clearing.clearer import Clearer
from clearing.earlier import Earlier
from clearing.program import MtuBook, ValidatedMtu
from grid.envelope import Envelope
from grid.envelopes import EnvelopePlan, MtuFlows, TradedEnergy
from grid.limits import LimitValue

EARLIER_SURPLUS_NEUR_PER_WH = 10**9
"""Stands for the surplus of what was traded in markets with earlier gates: shed after anything else."""


def _capped(orders: MtuBook, envelopes: Mapping[int, Envelope], earlier: Earlier, *, lot_wh: int) -> Book:
    return apply_caps(orders.book, points=orders.points, envelopes=envelopes, lot_wh=lot_wh, earlier_wh=earlier.net_wh)


@dataclass(slots=True)
class MtuInValidation:
    """The MTU after its last clearing: `book` carries the caps of `envelopes`, `clearing` is that of `book`.

    `findings`: limits broken by the first clearing; `binding`: limits at which the envelopes of any round stood.
    """

    mtu: int
    orders: MtuBook
    scheduled_wh: Ints
    lot_wh: int
    book: Book
    clearing: Clearing
    earlier: Earlier
    envelopes: dict[int, Envelope] = field(default_factory=dict)
    findings: list[LimitValue] = field(default_factory=list)
    binding: list[LimitValue] = field(default_factory=list)
    rounds: int = 1
    given_up: bool = False

    @classmethod
    def begin(
        cls, mtu: int, orders: MtuBook, scheduled_wh: Ints, clearer: Clearer, *, lot_wh: int, earlier: Earlier
    ) -> MtuInValidation:
        """Cleared without caps, but those that markets with earlier gates left in force."""
        book = _capped(orders, earlier.envelopes, earlier, lot_wh=lot_wh)
        clearing = clearer.clear(mtu, book)
        return cls(mtu, orders, scheduled_wh.astype(np.int64), lot_wh, book, clearing, earlier, dict(earlier.envelopes))

    def net_wh(self) -> Ints:
        """What flows at each point: its schedule, at least what it sold and had not bought, within its envelope."""
        net_wh, sold_wh = self.scheduled_wh.copy(), -self.earlier.net_wh
        if not self.given_up:
            sold = self.book.is_ask & self._served()
            np.add.at(sold_wh, self.orders.points[sold], self.clearing.accepted_lots[sold] * self.lot_wh)
        net_wh = np.where(sold_wh > 0, np.minimum(net_wh, -sold_wh), net_wh)
        for point, envelope in self.envelopes.items():
            if envelope.import_wh is not None:
                net_wh[point] = min(net_wh[point], envelope.import_wh)
            if envelope.export_wh is not None:
                net_wh[point] = max(net_wh[point], -envelope.export_wh)
        return net_wh

    def _served(self) -> NDArray[np.bool_]:
        """Orders of points of the grid that trade."""
        served: NDArray[np.bool_] = (self.clearing.accepted_lots > 0) & (self.orders.points != NO_POINT)
        return served

    def flows(self) -> MtuFlows:
        """What flows, with what each point sold and bought of it."""
        sold: dict[int, list[TradedEnergy]] = {}
        bought: dict[int, list[TradedEnergy]] = {}
        price = self.clearing.price_neur_per_wh or 0
        for position in np.flatnonzero(self._served()).tolist():
            limit = int(self.book.limit_neur_per_wh[position])
            is_ask = bool(self.book.is_ask[position])
            traded = TradedEnergy(
                energy_wh=int(self.clearing.accepted_lots[position]) * self.lot_wh,
                surplus_neur_per_wh=price - limit if is_ask else limit - price,
            )
            (sold if is_ask else bought).setdefault(int(self.orders.points[position]), []).append(traded)
        for point in np.flatnonzero(self.earlier.net_wh).tolist():
            net_wh = int(self.earlier.net_wh[point])
            stands = TradedEnergy(abs(net_wh), EARLIER_SURPLUS_NEUR_PER_WH)
            (bought if net_wh > 0 else sold).setdefault(point, []).append(stands)
        return MtuFlows(self.net_wh(), sold, bought)

    def take(self, plan: EnvelopePlan | None, clearer: Clearer) -> None:
        """Take a plan's envelopes and clear again, or give the MTU up where there is none. Caps only ever fall."""
        if plan is not None:
            known = {bound.limit for bound in self.binding}
            self.binding += [bound for bound in plan.binding if bound.limit not in known]
        if plan is None or plan.envelopes is None:
            self.given_up = True
            self.envelopes = dict(self.earlier.envelopes)
            return
        for point, envelope in plan.envelopes.items():
            tightest = envelope.within(self.envelopes.get(point, Envelope()))
            self.envelopes[point] = self.earlier.spared(point, tightest)
        self.book = _capped(self.orders, self.envelopes, self.earlier, lot_wh=self.lot_wh)
        self.clearing = clearer.clear(self.mtu, self.book)
        self.rounds += 1

    def result(self) -> ValidatedMtu:
        """What the program records of the MTU."""
        if self.given_up:
            return ValidatedMtu(self.mtu, (), None, 0, True, self.rounds, dict(self.envelopes))
        return ValidatedMtu(
            mtu=self.mtu,
            words=self.book.words(self.clearing.accepted_lots),
            price_neur_per_wh=self.clearing.price_neur_per_wh,
            traded_lots=self.clearing.traded_lots,
            given_up=False,
            rounds=self.rounds,
            envelopes=dict(self.envelopes),
        )
