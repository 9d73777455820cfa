"""All statements of a settlement, recomputed from words, readings, signed envelopes and terms.

Source: docs/evidence.md section 5. Where an opening is erased, what it hid is read off the statements, and all lines
are computed from that (section 2, "Erasure"; `hidden`).
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from verifier.billing import (
    KINDS_BY_NAME,
    LINES,
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
from verifier.caps import UNLIMITED
from verifier.evidence import Evidence
from verifier.hashes import ZERO_HEX, terms_hash
from verifier.hidden import Hidden, Target
from verifier.journal import Erasures
from verifier.market import Market
from verifier.participants import Participants, Party
from verifier.party_facts import AgreementSigned, TariffPublished, Term
from verifier.readings import Leaf, Readings
from verifier.traded import Traded
from verifier.unknown import Stakes

HOUSEHOLD, RETAILER, TAX = "household", "retailer", "tax"

OWN_TRADES = -1
"""Place of a retailer's own trades among the lines of an MTU: before the first of LINES."""


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
        self._hidden = Hidden(evidence, erasures, participants, market, readings, target)
        self._mirrors = defaultdict[Mirror, int](int)  # Wh
        self._vat = defaultdict[int, list[int]](lambda: [0, 0])  # base and amount by rate
        self._parties: list[Party] = []
        self.statements: dict[str, Statement] = {}
        self.terms: dict[tuple[str, int, bool], Term] = {}

    def run(self, *, all_shown: bool) -> None:
        """Make all statements; `all_shown`: the bundle shows the readings of all meters (a personal one does not)."""
        self._gather(all_shown=all_shown)
        parties = self._participants.standing(self._target.period[0], self._target.mtus.stop)
        for party in parties:
            if party.kind == HOUSEHOLD:
                self._bill_household(party)
        for party in parties:
            if party.kind != HOUSEHOLD:
                self._bill_other(party)
        self._parties = parties

    # ---- what there is

    def check_hidden(self) -> None:
        """What statements say of what is erased is within what binds it."""
        self._hidden.check(party for party in self._parties if party.kind == HOUSEHOLD)

    @property
    def stakes(self) -> Stakes:
        """What can be wrong because it hangs on something erased."""
        return self._hidden.stakes

    def _gather(self, *, all_shown: bool) -> None:
        """Leaves by point."""
        target, area = self._target, self._target.period[0]
        for mtu in target.mtus:
            revision = target.revisions.get(mtu)
            leaves = self._readings.attested.get((area, mtu, revision))
            gone = leaves is None and self._hidden.is_unread(mtu)
            if all_shown and leaves is None and not gone and target.revisions.get(mtu, -1) is not None:
                self._report.none("MTUs without an end of readings", [mtu])
            for leaf in leaves or ():
                meter = self._participants.meter_at(leaf.reading.meter, mtu)
                if meter is None:
                    raise ValueError(f"meter {leaf.reading.meter} is not registered in MTU {mtu}")
                self._measured[meter.point, mtu].append(leaf)

    def _traded(self, account: str, mtu: int) -> Traded:
        """An account's trades of an MTU."""
        mine = self._participants.replacements.before(account)
        shown = (trade for one in mine for trade in self._market.trades.get((one, mtu), ()))
        return Traded.of([*shown, *self._hidden.claimed(account, mtu)])

    # ---- households

    def _bill_household(self, party: Party) -> None:
        """Lines of each MTU, what they open to, and VAT at the end."""
        lines: list[Line | VatLine] = []
        opens: list[Opening] = []
        terms: dict[tuple[str, int, bool], Term] = {}
        taxed: dict[int, int] = defaultdict(int)
        for mtu in self._target.mtus:
            traded, leaves = self._traded(party.account, mtu), self._measured.get((party.point, mtu), [])
            agreement = self._participants.agreement_at(party.account, mtu)
            tariff = self._participants.tariff_at(agreement.tariff, mtu) if agreement else None
            if agreement is None or tariff is None:  # what it drew and fed in is settled with nobody
                some = [energy for energy in traded.energy_wh.values() if energy]
                self._report.none(f"trades of {party.account} in MTU {mtu} without an agreement", some)
                continue
            flows = self._flows(party, mtu, traded, leaves)
            bounds = self._bounds(party, mtu, flows)
            energies = line_energies(flows, bounds)
            hashes = self._hidden.readings(party.account, mtu) or [leaf.hash for leaf in leaves]
            opening = Opening(mtu, *traded.tags, hashes)
            self._hidden.weigh(party, mtu, traded, flows, bounds, tariff, read=bool(leaves))
            trades = traded.lines(mtu)
            taxed[tariff.vat_bp] += sum(max(-line.amount_neur, 0) for line in trades if KINDS_BY_NAME[line.kind].taxed)
            lines += trades
            lines += self._household_lines(mtu, energies, traded.own_prices, tariff, agreement, taxed)
            if trades or any(energies):
                opens.append(_under(opening, tariff, agreement))
            fresh = [term for term in (tariff, agreement) if term.rank not in terms]
            for term in fresh:
                terms[term.rank] = term
                self._participants.check_used(term, mtu, party.area)
            if fresh:
                self._participants.check_notice(agreement, tariff)
        lines += vat_lines(taxed.items())
        for rate, base in taxed.items():
            if amount := half_even(base, rate):
                self._vat[rate] = [self._vat[rate][0] + base, self._vat[rate][1] + amount]
        if terms:
            self._add(party, terms_hash(terms.values()), lines, opens)
        self.terms |= terms

    def _flows(self, party: Party, mtu: int, traded: Traded, leaves: Sequence[Leaf]) -> Flows:
        """Energy of an account; a point without a reading settles as traded."""
        bought, sold = traded.position_wh
        if leaves:
            imported = sum(leaf.reading.import_wh for leaf in leaves)
            exported = sum(leaf.reading.export_wh for leaf in leaves)
            return Flows(bought, sold, imported, exported, self._balancing(party, mtu, leaves))
        return self._hidden.flows(party, mtu, bought, sold) or Flows(bought, sold, bought, sold)

    def _balancing(self, party: Party, mtu: int, leaves: Iterable[Leaf]) -> int:
        """Balancing entries of meters that hung at the point before this MTU, of whoever stood there then."""
        total = 0
        for item in (leaf.reading for leaf in leaves):
            before = self._participants.meter_at(item.meter, mtu - 1)
            if before is not None and before.point == party.point and party.valid_from_mtu < mtu:
                total += item.balancing_import_wh - item.balancing_export_wh
        return total

    def _bounds(self, party: Party, mtu: int, flows: Flows) -> Bounds:
        """Caps and schedule of an account's point."""
        place = (mtu, party.point or "")
        caps = self._market.caps.get(place, UNLIMITED)
        known = Bounds(*caps, self._market.scheduled_export_wh.get(place, 0))
        return self._hidden.bounds(party, mtu, flows) or known

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
            owner = self._retailer_of(agreement) if kind.other == RETAILER else kind.other
            mirror = Mirror(owner, mtu, at, tariff.tariff, tariff.version, line.price_neur_per_wh)
            self._mirrors[mirror] += energy_wh
            taxed[tariff.vat_bp] += max(-line.amount_neur, 0) if kind.taxed else 0
            yield line

    def _retailer_of(self, agreement: AgreementSigned) -> str:
        """Who has the place of the retailer that an agreement names, in this settlement."""
        return self._participants.replacements.holder(agreement.retailer, self._target.mtus.stop)

    # ---- retailer, DSO, tax

    def _bill_other(self, party: Party) -> None:
        """A retailer's own trades first in an MTU, then the mirror of customers' lines, summed; the tax account's VAT
        at the end."""
        rows: list[tuple[tuple[int | str, ...], Line]] = []
        opens: list[Opening] = []
        for mtu in self._target.mtus:
            traded = self._traded(party.account, mtu)
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


RECOMPUTATION_BY_LINES_RULE: Mapping[int, type[Recomputation]] = {2: Recomputation}
"""What recomputes a settlement, by the version of the rule for lines."""
