"""What the verifier says hangs on erased data is never less than what a fraud behind it moves.

Days, frauds and both settlements are made here and by the service's rules; the verifier sees of a day what is left
after an erasure, and the statements of the fraud.
"""

from __future__ import annotations

import dataclasses
import random
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TypeVar

import pytest

from domain.hashing import from_hex, to_hex
from domain.parties import ParticipantKind
from domain.periods import Period
from domain.signed_terms import UNSIGNED
from domain.terms import Agreement, Tariff
from domain.words import Side
from settling.inputs import CapsInForce, Inputs, Metered, Party, Trade
from settling.settlement import settle
from tests.effort import examples
from tests.property.settlement.test_verifier_agrees import AREA, AREA_ID, Verifier
from verifier.chain import Event, Events
from verifier.evidence import Place
from verifier.hashes import ident
from verifier.hidden import Target
from verifier.market import ERASED
from verifier.participants import MarketRules
from verifier.recompute import Recomputation

pytestmark = pytest.mark.property

FRAUDS = 100
"""In a test run; a campaign takes twenty times as many."""

FIRST, HOUR_WH = 1_000, 5_000
SESSIONS = (("x/DA", 1), ("x/ID", 2), ("x/ID2", 3))
CONNECTION_W = 20_000
RETAILER, DSO, TAX = (bytes([200 + at]) * 20 for at in range(3))


@dataclass(frozen=True)
class Hidden:
    """What is erased: MTUs without readings, tags, and whether caps and schedules are."""

    mtus: frozenset[int]
    tags: frozenset[bytes]
    program: bool


@dataclass(frozen=True)
class Fraud:
    """A day as it was, as it is billed, and what is erased of it."""

    true: Inputs
    billed: Inputs
    hidden: Hidden

    @property
    def loss_neur(self) -> int:
        """What accounts get too much, all together."""
        was, told = settle(self.true).statements, settle(self.billed).statements
        return sum(max(told[account].amount_neur - was[account].amount_neur, 0) for account in told)


T = TypeVar("T")


class Days:
    """Days and frauds of one seed."""

    def __init__(self, seed: int) -> None:
        self._chance = random.Random(seed)
        self._points = [f"p{at}" for at in range(self._chance.randint(2, 5))]
        self._accounts = [bytes([at + 1]) * 20 for at in range(len(self._points))]
        self._mtus = range(FIRST, FIRST + self._chance.randint(1, 3))

    # ---- a day as it was

    def day(self) -> Inputs:
        """With trades in up to three sessions, caps, and prices of either sign where they may have one."""
        parties = [Party(*pair, point) for pair, point in self._households()]
        others = ((RETAILER, ParticipantKind.RETAILER), (DSO, ParticipantKind.DSO), (TAX, ParticipantKind.TAX))
        return Inputs(
            period=Period(AREA, 1, FIRST, len(self._mtus)),
            revision=0,
            parties=(*parties, *(Party(account, kind, None) for account, kind in others)),
            tariffs=tuple(self._tariff(name) for name in ("a", "b")),
            agreements=tuple(self._agreement(account) for account in self._accounts),
            trades=tuple(trade for mtu in self._mtus for trade in self._trades(mtu)),
            metered=tuple(self._metered(point, mtu) for point in self._points for mtu in self._mtus),
            limits=tuple(self._limit(point, mtu) for point in self._points for mtu in self._mtus),
        )

    def _households(self) -> Sequence[tuple[tuple[bytes, ParticipantKind], str]]:
        pairs = zip(self._accounts, self._points, strict=True)
        return [((account, ParticipantKind.HOUSEHOLD), point) for account, point in pairs]

    def _tariff(self, name: str) -> Tariff:
        price = self._chance.randint
        return Tariff(
            tariff=name,
            version=1,
            area=AREA,
            retailer=to_hex(RETAILER),
            valid_from_mtu=0,
            supply_neur_per_wh=price(0, 400_000),
            feed_in_neur_per_wh=price(0, 90_000),
            imbalance_surplus_neur_per_wh=price(-50_000, 50_000),
            imbalance_shortfall_neur_per_wh=price(100_000, 500_000),
            excess_neur_per_wh=price(0, 500_000),
            grid_fee_neur_per_wh=price(0, 100_000),
            grid_fee_local_neur_per_wh=price(0, 50_000),
            levy_neur_per_wh=price(0, 30_000),
            compensation_neur_per_wh=price(0, 100_000),
            vat_bp=self._chance.choice((0, 700, 1_900, 2_500)),
            retailer_signature=UNSIGNED,
            dso_signature=UNSIGNED,
            registrar_signature=UNSIGNED,
        )

    def _agreement(self, account: bytes) -> Agreement:
        tariff = self._chance.choice(("a", "b"))
        return Agreement(
            agreement=f"agr-{account[0]}",
            version=1,
            account=to_hex(account),
            retailer=to_hex(RETAILER),
            tariff=tariff,
            valid_from_mtu=0,
            account_signature=UNSIGNED,
            retailer_signature=UNSIGNED,
        )

    def _trades(self, mtu: int) -> list[Trade]:
        made = []
        for market, session in self._chance.sample(SESSIONS, self._chance.randint(0, 3)):
            energy, price = self._chance.randint(1, HOUR_WH), self._chance.randint(-100_000, 400_000)
            for side in Side:
                account = self._chance.choice([*self._accounts, RETAILER])
                tag = self._chance.randbytes(16)
                made.append(Trade(account, market, session, mtu, side, energy, price, tag))
        return made

    def _energy(self) -> int:
        return self._chance.choice((0, self._chance.randint(0, HOUR_WH)))

    def _metered(self, point: str, mtu: int) -> Metered:
        return Metered(point, mtu, self._energy(), self._energy(), (self._chance.randbytes(32),))

    def _limit(self, point: str, mtu: int) -> CapsInForce:
        imported, exported = (self._chance.choice((None, self._energy())) for _ in range(2))
        return CapsInForce(point, mtu, imported, exported, self._energy())

    # ---- a fraud behind an erasure

    def fraud(self) -> Fraud:
        """Something is erased, and billed as it was not."""
        true = self.day()
        what = self._chance.choice(("readings", "orders", "program", "all"))
        hidden = Hidden(
            mtus=frozenset(self._some(self._mtus)) if what in ("readings", "all") else frozenset(),
            tags=frozenset(self._some([t.tag for t in true.trades])) if what in ("orders", "all") else frozenset(),
            program=what in ("program", "all"),
        )
        billed = dataclasses.replace(
            true,
            metered=self._shifted(true.metered, hidden),
            trades=tuple(self._passed_on(trade, hidden) for trade in true.trades),
            limits=tuple(self._limit(item.point, item.mtu) if hidden.program else item for item in true.limits),
        )
        return Fraud(true, billed, hidden)

    def _some(self, items: Sequence[T]) -> list[T]:
        return self._chance.sample(list(items), self._chance.randint(min(1, len(items)), len(items)))

    def _shifted(self, metered: Sequence[Metered], hidden: Hidden) -> tuple[Metered, ...]:
        """Energy of hidden MTUs passes between points, so that the sums stay."""
        rows = list(metered)
        for mtu in sorted(hidden.mtus):
            for name in ("import_wh", "export_wh"):
                giver, taker = (at for at in self._chance.sample([i for i, m in enumerate(rows) if m.mtu == mtu], 2))
                most = min(getattr(rows[giver], name), CONNECTION_W * 3 // 8 - getattr(rows[taker], name))
                wh = self._chance.randint(0, max(most, 0))
                rows[giver] = dataclasses.replace(rows[giver], **{name: getattr(rows[giver], name) - wh})
                rows[taker] = dataclasses.replace(rows[taker], **{name: getattr(rows[taker], name) + wh})
        return tuple(rows)

    def _passed_on(self, trade: Trade, hidden: Hidden) -> Trade:
        """An erased order is billed to anybody."""
        if trade.tag not in hidden.tags:
            return trade
        return dataclasses.replace(trade, account=self._chance.choice([*self._accounts, RETAILER]))


class AfterErasure(Verifier):
    """What the verifier has of a day after the erasure."""

    def __init__(self, fraud: Fraud) -> None:
        super().__init__(fraud.true)
        self._fraud, hidden = fraud, fraud.hidden
        for account, party in self.participants.parties.items():
            self.participants.parties[account] = dataclasses.replace(
                party, connection_import_w=CONNECTION_W, connection_export_w=CONNECTION_W
            )
        for market, _ in SESSIONS:
            self.participants.markets[ident(market)] = MarketRules(AREA_ID, 1, 1, -(10**6), 10**6, 1)
        self.evidence.at = Place(1_000, "")
        kinds = dict(enumerate(["order.accepted"] * len(hidden.tags), 1))
        self.erasures.kinds = kinds | {999: "reading.attested"}
        self._hide_readings(hidden)
        self._hide_orders(hidden)
        if hidden.program:
            self.market.blind = {(ident("x/DA"), 1, item.mtu) for item in fraud.true.limits}
            self.market.caps.clear()
            self.market.scheduled_export_wh.clear()

    def _hide_readings(self, hidden: Hidden) -> None:
        """Only their sums stand on chain."""
        events = []
        for mtu in hidden.mtus:
            rows = [item for item in self.inputs.metered if item.mtu == mtu]
            sums = {"importWh": sum(m.import_wh for m in rows), "exportWh": sum(m.export_wh for m in rows)}
            key = {"area": AREA_ID, "mtu": mtu, "revision": 0}
            events.append(Event("ReadingsAttested", key | sums, 1, "0x", "Readings"))
            del self.readings.attested[AREA_ID, mtu, 0]
        self.evidence.seen = Events(events)
        self.readings.is_erased = lambda tx, period=None: True  # type: ignore[method-assign]

    def _hide_orders(self, hidden: Hidden) -> None:
        """Only their words stand on chain."""
        for (account, mtu), trades in list(self.market.trades.items()):
            gone = [trade for trade in trades if from_hex(trade.tag) in hidden.tags]
            self.market.trades[account, mtu] = [trade for trade in trades if trade not in gone]
            if gone:
                self.market.trades[ERASED, mtu] += gone

    def settled(self) -> Recomputation:
        """The settlement that is billed, held against what there is."""
        billed = settle(self._fraud.billed).statements
        told = {to_hex(account): statement.as_json() for account, statement in billed.items()}
        mtus = range(FIRST, self.inputs.period.end_mtu)
        target = Target(AREA, (AREA_ID, 1), 0, mtus, dict.fromkeys(mtus, 0), told)
        parts = (self.evidence, self.erasures, self.participants, self.market, self.readings)
        made = Recomputation(*parts, {}, target)
        made.run(all_shown=True)
        made.check_hidden()
        for account, statement in made.statements.items():
            self.evidence.report.same("statement", told[account], statement.as_json(), "computed is")
        return made


def test_stakes__frauds_behind_erasures__are_never_more_than_is_said() -> None:
    passed, moved, beyond = 0, 0, []
    for seed in range(examples(FRAUDS)):
        fraud = Days(seed).fraud()
        verifier = AfterErasure(fraud)
        made = verifier.settled()
        if verifier.evidence.report.findings_total:
            continue
        passed += 1
        moved += fraud.loss_neur > 0
        if made.stakes.most_neur < fraud.loss_neur:
            beyond.append((seed, made.stakes.most_neur, fraud.loss_neur))

    assert beyond == []
    assert passed > examples(FRAUDS) * 9 // 10  # what is consistent can't be found: it must be bounded
    assert moved > examples(FRAUDS) // 2
