"""What erasures hide of one settlement: read off its statements, held against what still binds it, and counted.

Sources: docs/evidence.md section 2 ("Erasure") and 5; the argument stands in `unknown`.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace

from verifier.billing import LINES, UNLIMITED_WH, Bounds, Flows, OwnPrices, line_energies, price_of
from verifier.evidence import Evidence
from verifier.form import Json, whole
from verifier.hashes import ident
from verifier.journal import Erasures, PeriodKey
from verifier.market import ERASED, Market, Trade
from verifier.participants import Participants, Party
from verifier.party_facts import TariffPublished
from verifier.readings import Energy, Readings, most_believed
from verifier.traded import Traded
from verifier.unknown import Position, Span, Stake, Stakes, bounds_told, flows_told, known_bounds, most_moved
from verifier.words import BID


@dataclass(frozen=True)
class Target:
    """Which settlement is recomputed: over which readings (revision by MTU, None: Unread), and what its statements
    say, for what can't be recomputed."""

    area: str
    period: PeriodKey
    revision: int
    mtus: range
    revisions: Mapping[int, int | None]
    told: Mapping[str, Json]


class Hidden:
    """What of a settlement's inputs is erased, and what its statements say of it."""

    def __init__(
        self,
        evidence: Evidence,
        erasures: Erasures,
        participants: Participants,
        market: Market,
        readings: Readings,
        target: Target,
    ) -> None:
        self._evidence = evidence
        self._report = evidence.report
        self._erasures = erasures
        self._participants = participants
        self._market = market
        self._readings = readings
        self._target = target
        self._unread: dict[int, Energy] = {}  # import and export on chain, by MTU whose readings are erased
        self._words: dict[int, list[Trade]] = {}  # traded words of erased orders, by MTU
        self._claimed = defaultdict[tuple[str, int], list[Trade]](list)  # by the account whose statement opens to them
        self._told = defaultdict[tuple[str, int], dict[str, int]](dict)  # Wh by kind of own line, by account and MTU
        self._opens: dict[tuple[str, int], Json] = {}  # what lines open to, by account and MTU
        self._flows: dict[tuple[str, int], Flows] = {}  # read off, by account and MTU
        self._scheduled: dict[tuple[str, int], int] = {}  # export read off, by account and MTU
        self.stakes = Stakes()
        area = target.period[0]
        self._blind = {mtu for market, _, mtu in market.blind if participants.area_of(market) == area}
        if erasures.kinds:
            self._read_told()
            for mtu in target.mtus:
                self._claim(mtu)

    def _read_told(self) -> None:
        """What the statements say of each MTU, read once."""
        for account, statement in self._target.told.items():
            for line in statement["lines"]:
                if "mtu" in line and "tariff" not in line and "session" not in line:
                    self._told[account, line["mtu"]][line["kind"]] = whole(line["energy_wh"])
            self._opens |= {(account, item["mtu"]): item for item in statement["opens"]}

    # ---- what is hidden

    def is_unread(self, mtu: int) -> bool:
        """Whether the readings of an MTU, which no entry shows, stood in an erased one; then all of its are hidden."""
        area, revision = self._target.period[0], self._target.revisions.get(mtu)
        event = self._evidence.seen.find("ReadingsAttested", {"area": area, "mtu": mtu, "revision": revision})
        if event is None or not self._readings.is_erased(event.tx, self._target.period):
            return False
        self._unread[mtu] = Energy(event.args["importWh"], event.args["exportWh"])
        return True

    def _claim(self, mtu: int) -> None:
        """Whose the erased words of an MTU are, as the statements say: each is opened to, once."""
        area, trades = self._target.period[0], self._market.trades.get((ERASED, mtu), ())
        words = {trade.tag: trade for trade in trades if self._participants.area_of(ident(trade.market)) == area}
        if not words:
            return
        opened = []
        for account in self._target.told:
            item = self._opens.get((account, mtu), {"bids": [], "asks": []})
            for side, tags in enumerate((item["bids"], item["asks"])):
                mine = [words[tag] for tag in tags if tag in words and words[tag].side == side]
                self._claimed[account, mtu] += mine
                opened += [trade.tag for trade in mine]
        for tag in words:
            self._erasures.excuse("order.accepted", tag, self._target.period)
        for account in {who for (who, at), mine in self._claimed.items() if at == mtu and mine}:
            party = self._participants.parties.get(account)
            known = self._market.trades.get((account, mtu), ())
            point = None if party is None else party.point
            self._market.check_claimed(point, [*known, *self._claimed[account, mtu]], mtu)
        source = "the words on chain are"
        self._report.same(f"erased words that statements open to in MTU {mtu}", sorted(opened), sorted(words), source)
        self._words[mtu], stakes = list(words.values()), self.stakes.of(mtu)
        stakes.words = [(abs(trade.energy_wh * trade.price_neur_per_wh), trade.side == BID) for trade in words.values()]
        stakes.owners = {account for (account, at), mine in self._claimed.items() if at == mtu and mine}

    # ---- what the statements say of it

    def claimed(self, account: str, mtu: int) -> Sequence[Trade]:
        """Trades of erased orders that are the account's."""
        return self._claimed.get((account, mtu), ())

    def flows(self, party: Party, mtu: int, bought: int, sold: int) -> Flows | None:
        """An account's energy, where its readings are erased."""
        if mtu not in self._unread or not self._participants.has_meter(party, mtu):
            return None
        flows = flows_told(bought, sold, self._told[party.account, mtu])
        if mtu != self._target.mtus[0]:  # no other MTU has a balancing entry
            flows = replace(flows, balancing=0)
        self._flows[party.account, mtu] = flows
        return flows

    def bounds(self, party: Party, mtu: int, flows: Flows) -> Bounds | None:
        """Caps and schedule of an account's point, where its program is erased."""
        if mtu not in self._blind or party.point is None:
            return None
        bounds = bounds_told(flows, self._told[party.account, mtu])
        self._scheduled[party.account, mtu] = bounds.scheduled_export
        return bounds

    def readings(self, account: str, mtu: int) -> Sequence[str] | None:
        """Hashes of the readings that the account's lines open to, where those are erased."""
        if mtu not in self._unread:
            return None
        hashes: Sequence[str] = self._opens.get((account, mtu), {}).get("readings", [])
        return hashes

    # ---- what binds it

    def check(self, parties: Iterable[Party]) -> None:
        """Energy adds up to what attesters signed, and is within what each connection can carry."""
        parties = list(parties)
        for mtu, signed in self._unread.items():
            mine = [self._flows[party.account, mtu] for party in parties if (party.account, mtu) in self._flows]
            given = Energy(sum(flows.imported for flows in mine), sum(flows.exported for flows in mine))
            settled = (party for party in parties if self._participants.agreement_at(party.account, mtu) is not None)
            points = {party.point for party in settled}
            if self._participants.points_with_meter(ident(self._target.area), mtu) <= points:
                self._report.same(f"energy of MTU {mtu}", given, signed, "the attestation on chain holds")
            elif given.import_wh > signed.import_wh or given.export_wh > signed.export_wh:
                self._report.fail(given, name=f"energy of MTU {mtu}", source="attested were at most", expected=signed)
        for party in parties:
            self._check_connection(party)
        for (account, mtu), scheduled_wh in self._scheduled.items():
            most = self._most(self._participants.parties[account], 1)
            if most is not None and scheduled_wh > most.export_wh:
                name = f"scheduled export of {account} in MTU {mtu}"
                self._report.fail(scheduled_wh, name=name, source="the connection carries", expected=most.export_wh)

    def _check_connection(self, party: Party) -> None:
        """From the last reading that is open, a point draws and feeds in no more than attesters believe."""
        imported = exported = 0
        since = self._target.mtus[0] - self._readings.mtus_back(party.point, self._target.mtus[0])
        for mtu in self._target.mtus:
            flows = self._flows.get((party.account, mtu))
            if flows is not None:
                imported, exported = imported + flows.imported, exported + flows.exported
                most = self._most(party, mtu - since)
                if most is not None and (imported > most.import_wh or exported > most.export_wh):
                    told = Energy(imported, exported)
                    name = f"energy of point {party.point} up to MTU {mtu}"
                    self._report.fail(told, name=name, source="the connection carries", expected=most)
            elif self._readings.mtus_back(party.point, mtu + 1) == 1:
                since, imported, exported = mtu, 0, 0

    def _most(self, party: Party, mtus: int) -> Energy | None:
        """Wh that attesters believe of a connection; None: its registration is erased."""
        if not (party.connection_import_w or party.connection_export_w):
            return None
        return Energy(*most_believed(party, mtus))

    # ---- how much hangs on it

    def weigh(
        self,
        party: Party,
        mtu: int,
        traded: Traded,
        flows: Flows,
        bounds: Bounds,
        tariff: TariffPublished,
        *,
        read: bool,
    ) -> None:
        """Note what of an account's lines in an MTU can be wrong; `read`: its readings are open."""
        words = self._words.get(mtu, [])
        if not (words or mtu in self._unread or mtu in self._blind):
            return
        energies, own = line_energies(flows, bounds), traded.own_prices
        prices = [price_of(kind, tariff, own) for kind in LINES]
        known = self._position(party, mtu, flows, bounds, read=read)
        any_words = replace(known, net=self._net(party.account, mtu, flows))
        lines, vat_bp, stakes = (energies, prices), tariff.vat_bp, self.stakes.of(mtu)
        stakes.by_account[party.account] = Stake(
            most_moved(*lines, known, [Span.at(price) for price in prices], vat_bp),
            most_moved(*lines, any_words, _prices(tariff, prices, traded, words), vat_bp),
        )
        stakes.vat_bp = max(stakes.vat_bp, vat_bp)
        self.stakes.rates.add((party.account, vat_bp))

    def _position(self, party: Party, mtu: int, flows: Flows, bounds: Bounds, *, read: bool) -> Position:
        """What an account's position can be, were the erased words whose the statements say."""
        imported = exported = None
        balancing = Span.at(flows.balancing)
        if (party.account, mtu) in self._flows:
            signed, most = self._unread[mtu], self._most(party, self._readings.mtus_back(party.point, mtu))
            most = most or signed
            imported = Span(0, min(signed.import_wh, most.import_wh))
            exported = Span(0, min(signed.export_wh, most.export_wh))
            balancing = Span(min(flows.balancing, 0), max(flows.balancing, 0))
        elif read:
            imported, exported = Span.at(flows.imported), Span.at(flows.exported)
        limits = known_bounds(bounds)
        if mtu in self._blind and party.point is not None:
            most_scheduled = self._most(party, 1)
            scheduled = most_scheduled.export_wh if most_scheduled else UNLIMITED_WH
            limits = (Span(0, UNLIMITED_WH), Span(0, UNLIMITED_WH), Span(0, scheduled))
        return Position(Span.at(flows.bought - flows.sold), imported, exported, *limits, balancing)

    def _net(self, account: str, mtu: int, flows: Flows) -> Span:
        """What an account can have bought (+) or sold, were any of the erased words its own."""
        known = flows.bought - flows.sold - sum(map(_signed, self._claimed.get((account, mtu), ())))
        may = [_signed(trade) for trade in self._words.get(mtu, ())]
        return Span(known + sum(min(wh, 0) for wh in may), known + sum(max(wh, 0) for wh in may))


def _signed(trade: Trade) -> int:
    """Wh bought (+) or sold."""
    return trade.energy_wh if trade.side == BID else -trade.energy_wh


def _prices(tariff: TariffPublished, prices: Sequence[int], traded: Traded, words: Sequence[Trade]) -> list[Span]:
    """What the prices of LINES can be, were any of the erased words the account's own: these bound what a deviation
    settles at, where there were trades in several sessions (protocol.md section 8)."""
    if not words:
        return [Span.at(price) for price in prices]
    lowest = min([trade.price_neur_per_wh for trade in words if trade.side == BID], default=None)
    highest = max([trade.price_neur_per_wh for trade in words if trade.side != BID], default=None)
    own = traded.prices
    may = []
    for kind, price in zip(LINES, prices, strict=True):
        ends = [price, price_of(kind, tariff, OwnPrices()), price_of(kind, tariff, own)]
        ends.append(price_of(kind, tariff, OwnPrices(lowest, highest)))
        may.append(Span(min(ends), max(ends)))
    return may
