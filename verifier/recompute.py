"""All statements of a settlement, recomputed from words, readings, signed envelopes and terms.

Source: docs/evidence.md section 5. Where an opening is erased, the energies of the lines touched are those told;
prices, amounts, VAT, mirrors and sums are recomputed, and totals must be those on chain (section 2, "Erasure").
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from verifier.billing import (
    KINDS_BY_NAME,
    LINES,
    TRADE_LINES,
    Bounds,
    Flows,
    Line,
    Opening,
    OwnPrices,
    Statement,
    VatLine,
    half_even,
    line_energies,
    line_of,
    price_of,
    vat_lines,
)
from verifier.evidence import Evidence
from verifier.facts import AgreementSigned, TariffPublished, Term
from verifier.form import Json, whole
from verifier.hashes import ZERO_HEX, ident, terms_hash
from verifier.journal import Erasures, PeriodKey
from verifier.market import ERASED, UNLIMITED, Market, Trade
from verifier.participants import Participants, Party
from verifier.readings import Leaf, Readings
from verifier.words import ASK, BID

HOUSEHOLD, RETAILER, TAX = "household", "retailer", "tax"

SIDES = (BID, ASK)

OWN_TRADES = -1
"""Place of a retailer's own trades among the lines of an MTU: before the first of LINES."""


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


@dataclass(frozen=True)
class Traded:
    """An account's trades of an MTU over all markets: tags by side, and Wh by side, session, market and price."""

    tags: tuple[Sequence[str], Sequence[str]]
    energy_wh: Mapping[tuple[int, int, str, int], int]

    @classmethod
    def of(cls, trades: Sequence[Trade]) -> Traded:
        """From the trades as the words give them."""
        energy_wh: dict[tuple[int, int, str, int], int] = defaultdict(int)
        for trade in trades:
            energy_wh[trade.side, trade.session, trade.market, trade.price_neur_per_wh] += trade.energy_wh
        bids, asks = (sorted(trade.tag for trade in trades if trade.side == side) for side in SIDES)
        return cls((bids, asks), energy_wh)

    @property
    def position_wh(self) -> tuple[int, int]:
        """(bought, sold), netted over all markets."""
        net_wh = sum(wh if side == BID else -wh for (side, _, _, _), wh in self.energy_wh.items())
        return max(net_wh, 0), max(-net_wh, 0)

    @property
    def own_prices(self) -> OwnPrices:
        """What bounds a deviation, where there were trades in several sessions."""
        if len({(session, market) for _, session, market, _ in self.energy_wh}) < 2:
            return OwnPrices()
        bought, sold = ([price for at, _, _, price in self.energy_wh if at == side] for side in SIDES)
        return OwnPrices(min(bought, default=None), max(sold, default=None))

    def lines(self, mtu: int) -> list[Line]:
        """One line per side, session, market and price."""
        return [
            line_of(TRADE_LINES[side], mtu, wh, price, market, session)
            for (side, session, market, price), wh in sorted(self.energy_wh.items())
        ]


@dataclass(frozen=True)
class Told:
    """What a statement says of an MTU: what it opens to, its trades, and the Wh of each kind of LINES."""

    traded: Traded
    readings: Sequence[str]
    energies: Sequence[int]


@dataclass(frozen=True)
class Mirror:
    """A line of customers as the other side sees it: whose it is, and at which terms."""

    owner: str
    mtu: int
    kind: int
    tariff: str
    version: int
    price_neur_per_wh: int


class Recomputation:
    """One settlement, statement by statement."""

    def __init__(
        self,
        evidence: Evidence,
        erasures: Erasures,
        participants: Participants,
        market: Market,
        readings: Readings,
        settled_before: Mapping[tuple[str, int, str], int],
        target: Target,
    ) -> None:
        self._evidence = evidence
        self._report = evidence.report
        self._erasures = erasures
        self._participants = participants
        self._market = market
        self._readings = readings
        self._settled_before = settled_before
        self._target = target
        self._measured = defaultdict[tuple[str | None, int], list[Leaf]](list)  # by point and MTU
        self._hidden: set[int] = set()  # MTUs of which all energies are as told
        self._sums: dict[tuple[int, str], int] = {}  # Wh on chain, by MTU and kind of line
        self._mirrors = defaultdict[Mirror, int](int)  # Wh
        self._vat = defaultdict[int, list[int]](lambda: [0, 0])  # base and amount by rate
        self.statements: dict[str, Statement] = {}
        self.terms: dict[tuple[str, int, bool], Term] = {}

    def run(self, *, all_shown: bool) -> None:
        """Make all statements; `all_shown`: the bundle shows the readings of all meters (a personal one does not)."""
        self._gather(all_shown=all_shown)
        parties = [p for _, p in sorted(self._participants.parties.items()) if ident(p.area) == self._target.period[0]]
        for party in parties:
            if party.kind == HOUSEHOLD:
                self._bill_household(party)
        for party in parties:
            if party.kind != HOUSEHOLD:
                self._bill_other(party)
        self._check_sums()

    # ---- what there is

    def _gather(self, *, all_shown: bool) -> None:
        """Leaves by point, and what is hidden by an erasure."""
        target, area = self._target, self._target.period[0]
        blind = self._market.blind
        self._hidden = {mtu for market, _, mtu in blind if self._participants.area_of(market) == area}
        for mtu in target.mtus:
            revision = target.revisions.get(mtu)
            leaves = self._readings.attested.get((area, mtu, revision))
            keys = {"area": area, "mtu": mtu, "revision": revision}
            event = None if leaves is not None else self._evidence.seen.find("ReadingsAttested", keys)
            if event is not None and self._readings.is_erased(event.tx, target.period):
                self._hidden.add(mtu)
                self._sums[mtu, "levy"] = event.args["importWh"]
            elif all_shown and leaves is None and target.revisions.get(mtu, -1) is not None:
                self._report.none("MTUs without an end of readings", [mtu])
            for leaf in leaves or ():
                meter = self._participants.meter_at(leaf.reading.meter, mtu)
                if meter is None:
                    raise ValueError(f"meter {leaf.reading.meter} is not registered in MTU {mtu}")
                self._measured[meter.point, mtu].append(leaf)
            if (ERASED, mtu) in self._market.trades:
                for side in SIDES:
                    self._sums[mtu, TRADE_LINES[side].name] = self._traded_by_all(mtu, side)

    def _traded_by_all(self, mtu: int, side: int) -> int:
        """Wh that all accounts together bought (side 0) or sold (1), as the words on chain say."""
        trades = (trade for (_, at), items in self._market.trades.items() if at == mtu for trade in items)
        return sum(trade.energy_wh for trade in trades if trade.side == side)

    def _traded(self, account: str, mtu: int) -> Traded:
        """An account's trades of an MTU."""
        return Traded.of(self._market.trades.get((account, mtu), []))

    def _told(self, account: str, mtu: int) -> Told | None:
        """What the account's statement says of an MTU, where an erasure keeps it from being recomputed."""
        if mtu not in self._hidden and (ERASED, mtu) not in self._market.trades:
            return None
        statement = self._target.told.get(account, {"lines": [], "opens": []})
        opening: Json = next((item for item in statement["opens"] if item["mtu"] == mtu), {})
        bids, asks = opening.get("bids", []), opening.get("asks", [])
        unknown = [tag for tag in (*bids, *asks) if tag not in self._market.opened]
        period = self._target.period
        lost = [tag for tag in unknown if self._erasures.excuse("order.accepted", tag, period)]
        if mtu not in self._hidden and not lost:
            return None
        own = [item for item in statement["lines"] if item.get("mtu") == mtu and "tariff" not in item]
        wh = {item["kind"]: whole(item["energy_wh"]) for item in own}
        sides = {kind.name: side for side, kind in enumerate(TRADE_LINES)}
        traded = {
            (sides[item["kind"]], item["session"], item["market"], whole(item["price_neur_per_wh"])): whole(
                item["energy_wh"]
            )
            for item in own
            if item["kind"] in sides
        }
        energies = [wh.get(kind.name, 0) for kind in LINES]
        return Told(Traded((bids, asks), traded), opening.get("readings", []), energies)

    # ---- households

    def _bill_household(self, party: Party) -> None:
        """Lines of each MTU, what they open to, and VAT at the end."""
        lines: list[Line | VatLine] = []
        opens: list[Opening] = []
        terms: dict[tuple[str, int, bool], Term] = {}
        taxed: dict[int, int] = defaultdict(int)
        for mtu in self._target.mtus:
            traded, leaves = self._traded(party.account, mtu), self._measured.get((party.point, mtu), [])
            energies = self._energies(party, mtu, traded, leaves)
            opening = Opening(mtu, *traded.tags, [leaf.hash for leaf in leaves])
            if told := self._told(party.account, mtu):
                traded, energies = told.traded, list(told.energies)
                opening = Opening(mtu, *traded.tags, told.readings)
            agreement = self._participants.agreement_at(party.account, mtu)
            tariff = self._participants.tariff_at(agreement.tariff, mtu) if agreement else None
            if agreement is None or tariff is None:
                some = [energy for energy in (*traded.energy_wh.values(), *energies) if energy]
                self._report.none(f"energies of {party.account} in MTU {mtu} without an agreement", some)
                continue
            trades = traded.lines(mtu)
            taxed[tariff.vat_bp] += sum(max(-line.amount_neur, 0) for line in trades if KINDS_BY_NAME[line.kind].taxed)
            lines += trades
            lines += self._household_lines(mtu, energies, traded.own_prices, tariff, agreement, taxed)
            if trades or any(energies):
                opens.append(_under(opening, tariff, agreement))
            for term in (tariff, agreement):
                if term.rank not in terms:
                    terms[term.rank] = term
                    self._participants.check_used(term, mtu, party.area)
        lines += vat_lines(taxed.items())
        for rate, base in taxed.items():
            if amount := half_even(base, rate):
                self._vat[rate] = [self._vat[rate][0] + base, self._vat[rate][1] + amount]
        if terms:
            self._add(party, terms_hash(terms.values()), lines, opens)
        self.terms |= terms

    def _energies(self, party: Party, mtu: int, traded: Traded, leaves: Sequence[Leaf]) -> list[int]:
        """Wh of each kind of LINES; a point without a reading settles as traded."""
        bought, sold = traded.position_wh
        flows = Flows(bought, sold, bought, sold)
        if leaves:
            imported = sum(leaf.reading.import_wh for leaf in leaves)
            flows = Flows(bought, sold, imported, sum(leaf.reading.export_wh for leaf in leaves))
        place = (mtu, party.point or "")
        caps = self._market.caps.get(place, UNLIMITED)
        return line_energies(flows, Bounds(*caps, self._market.scheduled_export_wh.get(place, 0)))

    def _household_lines(
        self,
        mtu: int,
        energies: Sequence[int],
        own: OwnPrices,
        tariff: TariffPublished,
        agreement: AgreementSigned,
        taxed: dict[int, int],
    ) -> Iterable[Line]:
        """Lines of an MTU's position; notes their mirrors, and adds their debits to what is `taxed` by rate."""
        for at, (kind, energy_wh) in enumerate(zip(LINES, energies, strict=True)):
            if not energy_wh:
                continue
            line = line_of(kind, mtu, energy_wh, price_of(kind, tariff, own))
            owner = agreement.retailer if kind.other == RETAILER else kind.other
            mirror = Mirror(owner, mtu, at, tariff.tariff, tariff.version, line.price_neur_per_wh)
            self._mirrors[mirror] += energy_wh
            taxed[tariff.vat_bp] += max(-line.amount_neur, 0) if kind.taxed else 0
            yield line

    # ---- retailer, DSO, tax

    def _bill_other(self, party: Party) -> None:
        """A retailer's own trades first in an MTU, then the mirror of customers' lines, summed; the tax account's VAT
        at the end."""
        rows: list[tuple[tuple[int | str, ...], Line]] = []
        opens: list[Opening] = []
        for mtu in self._target.mtus:
            traded = self._traded(party.account, mtu)
            if told := self._told(party.account, mtu):
                traded = told.traded
            rows += [((mtu, OWN_TRADES, at), line) for at, line in enumerate(traded.lines(mtu))]
            if any(traded.tags):
                opens.append(Opening(mtu, *traded.tags))
        owner = party.account if party.kind == RETAILER else party.kind
        mine = ((mirror, wh) for mirror, wh in self._mirrors.items() if mirror.owner == owner)
        rows += [((m.mtu, m.kind, m.tariff, m.version, m.price_neur_per_wh), _mirrored(m, wh)) for m, wh in mine]
        lines: list[Line | VatLine] = [line for _, line in sorted(rows, key=lambda row: row[0])]
        if party.kind == TAX:
            lines += [VatLine(rate, base, amount) for rate, (base, amount) in sorted(self._vat.items())]
        self._add(party, ZERO_HEX, lines, opens)

    # ---- all

    def _add(self, party: Party, terms: str, lines: Sequence[Line | VatLine], opens: Sequence[Opening]) -> None:
        self.statements[party.account] = self.statement_of(party, terms, lines, opens)

    def statement_of(
        self, party: Party, terms: str, lines: Sequence[Line | VatLine], opens: Sequence[Opening]
    ) -> Statement:
        """A party's statement of these lines."""
        target = self._target
        area, period = target.period
        return Statement(
            area=target.area,
            period=period,
            revision=target.revision,
            account=party.account,
            kind=party.kind,
            point=party.point,
            mtus=target.mtus,
            terms_hash=terms,
            settled_before_neur=self._settled_before.get((area, period, party.account), 0),
            lines=lines,
            opens=opens,
        )

    def _check_sums(self) -> None:
        """Energies as told sum up to what words and attestation on chain say."""
        found: dict[tuple[int, str], int] = defaultdict(int)
        for statement in self.statements.values() if self._sums else ():
            for line in statement.lines:
                if isinstance(line, Line) and line.tariff is None:
                    found[line.mtu, line.kind] += line.energy_wh
        for (mtu, kind), wh in self._sums.items():
            source = "words and attestation on chain give"
            self._report.same(f"sum of {kind} in MTU {mtu}", found[mtu, kind], wh, source)


def _under(opening: Opening, tariff: TariffPublished, agreement: AgreementSigned) -> Opening:
    """What the lines of an MTU open to, with their terms."""
    return Opening(
        mtu=opening.mtu,
        bids=opening.bids,
        asks=opening.asks,
        readings=opening.readings,
        agreement=agreement.agreement,
        agreement_version=agreement.version,
        tariff=tariff.tariff,
        version=tariff.version,
    )


def _mirrored(mirror: Mirror, energy_wh: int) -> Line:
    """A line of customers with the opposite sign."""
    kind, price = LINES[mirror.kind], mirror.price_neur_per_wh
    amount = -kind.sign * energy_wh * price
    return Line(mirror.mtu, kind.name, energy_wh, price, amount, mirror.tariff, mirror.version)


RECOMPUTATION_BY_LINES_RULE: Mapping[int, type[Recomputation]] = {1: Recomputation}
"""What recomputes a settlement, by the version of the rule for lines."""
