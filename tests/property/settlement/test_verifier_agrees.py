"""The service, whose code attesters run too, and the verifier, which shares none of it, bill any day of one to four
sessions alike."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from domain.hashing import text_id, to_hex
from domain.members import noun_json
from domain.mtu import MTU_END
from domain.parties import ParticipantKind
from domain.terms import EndedTerm
from settling.inputs import Inputs
from settling.settlement import settle
from tests.effort import examples
from tests.property.settlement.test_settlement_properties import COUNT, FIRST, days
from verifier.cache import Cache
from verifier.evidence import Evidence
from verifier.facts import Reading
from verifier.hashes import terms_hash
from verifier.hidden import Target
from verifier.journal import Erasures
from verifier.market import Market, Trade
from verifier.orders import Orders
from verifier.participants import Participants, Party
from verifier.party_facts import AgreementSigned, MeterRegistered, TariffPublished, TermEnded
from verifier.policies import Policies
from verifier.readings import Leaf, Readings
from verifier.recompute import Recomputation
from verifier.transactions import Transactions

pytestmark = pytest.mark.property

AREA = "x"
AREA_ID = to_hex(text_id(AREA))
SESSIONS = (("x/DA", 1), ("x/ID", 2), ("x/ID", 3), ("x/ID2", 3))


class Verifier:
    """What the verifier would have read of a day from its evidence."""

    def __init__(self, inputs: Inputs) -> None:
        self.inputs = inputs
        self.evidence = Evidence({}, None, None, None, Cache())
        self.erasures = Erasures(self.evidence)
        self.participants = Participants(self.evidence, self.erasures)
        orders = Orders(self.evidence, self.erasures, self.participants)
        policies = Policies(self.evidence, self.participants)
        self.market = Market(self.evidence, self.erasures, self.participants, orders, policies)
        transactions = Transactions(self.evidence, self.erasures)
        self.readings = Readings(self.evidence, self.erasures, self.participants, transactions)
        self.take_parties()
        self.take_energy()

    def take_parties(self) -> None:
        """Accounts with their meters, and terms."""
        for party in self.inputs.parties:
            account = to_hex(party.account)
            place = (account, party.kind.value, AREA, party.point)
            self.participants.take_party(Party(*place, valid_from_mtu=party.first_mtu, participant=account))
            if party.end_mtu < MTU_END:
                self.take_end("participation", account, party.end_mtu)
            if party.point is not None:
                meter = MeterRegistered(f"m-{party.point}", party.point, "0x", AREA, 0, "0x")
                self.participants.take_meter(meter)
        for tariff in self.inputs.tariffs:
            self.participants.tariffs[tariff.tariff].append(TariffPublished(**noun_json(tariff)))
        for agreement in self.inputs.agreements:
            self.participants.agreements[agreement.account].append(AgreementSigned(**noun_json(agreement)))

        for (term, name), end_mtu in self.inputs.ends.items():
            self.take_end(term.value, name, end_mtu)

    def take_end(self, term: str, name: str, end_mtu: int) -> None:
        """A term ends."""
        self.participants.ends.keep(TermEnded(term, name, AREA, None, None, end_mtu, None, None, None))

    def take_energy(self) -> None:
        """Trades, readings, and what the DSO signed."""
        for trade in self.inputs.trades:
            place = (trade.market, trade.session)
            members = (*place, to_hex(trade.tag), int(trade.side), trade.energy_wh, trade.price_neur_per_wh)
            self.market.trades[to_hex(trade.account), trade.mtu].append(Trade(*members))
        for metered in self.inputs.metered:
            made_up = metered.balancing_wh
            registers = (0, 0, metered.import_wh, metered.export_wh, 1, 0, "0x", max(made_up, 0), max(-made_up, 0))
            leaf = Leaf(Reading(f"m-{metered.point}", metered.mtu, *registers), to_hex(metered.readings[0]))
            self.readings.attested.setdefault((AREA_ID, metered.mtu, 0), []).append(leaf)
        for limit in self.inputs.limits:
            place = (limit.mtu, limit.point)
            self.market.caps[place] = (limit.import_cap_wh, limit.export_cap_wh)
            self.market.scheduled_export_wh[place] = limit.scheduled_export_wh

    def recomputed(self) -> Recomputation:
        """All statements."""
        period = self.inputs.period
        mtus = range(period.first_mtu, period.end_mtu)
        revisions = {mtu: 0 if (AREA_ID, mtu, 0) in self.readings.attested else None for mtu in mtus}
        target = Target(AREA, (AREA_ID, period.number), self.inputs.revision, mtus, revisions, {})
        before = {(AREA_ID, period.number, to_hex(a)): neur for a, neur in self.inputs.settled_before_neur.items()}
        parts = (self.evidence, self.erasures, self.participants, self.market, self.readings)
        made = Recomputation(*parts, before, target)
        made.run(all_shown=True)
        return made


@st.composite
def days_of_some_sessions(draw: Any) -> Inputs:
    """A day of one to four sessions; every trade is of some energy, as every accepted word is."""
    inputs: Inputs = draw(days(sessions=SESSIONS[: draw(st.integers(1, 4))]))
    return inputs


@st.composite
def days_on_which_terms_end(draw: Any) -> Inputs:
    """Agreements and parts end at any MTU from one on before which alone trades are; some points have a next one."""
    inputs: Inputs = draw(days())
    since = draw(st.integers(FIRST, FIRST + COUNT))
    parties, agreements = list(inputs.parties), list(inputs.agreements)
    ends: dict[tuple[EndedTerm, str], int] = {}
    for at, party in enumerate(inputs.parties):
        what = draw(st.sampled_from(["nothing", "agreement", "part", "next one"]))
        if party.kind is not ParticipantKind.HOUSEHOLD or what == "nothing":
            continue
        end_mtu = draw(st.integers(since, FIRST + COUNT))
        if what == "agreement":
            ends[EndedTerm.AGREEMENT, f"g{at}"] = end_mtu
            continue
        parties[at] = replace(party, end_mtu=end_mtu)
        if what == "next one":
            first_mtu = draw(st.integers(end_mtu, FIRST + COUNT))
            newcomer = replace(party, account=bytes([0x20 + at]) * 20, first_mtu=first_mtu)
            parties.append(newcomer)
            agreed = next(item for item in agreements if item.agreement == f"g{at}")
            agreements.append(replace(agreed, agreement=f"n{at}", account=to_hex(newcomer.account)))
    trades = tuple(trade for trade in inputs.trades if trade.mtu < since)
    return replace(inputs, parties=tuple(parties), agreements=tuple(agreements), ends=ends, trades=trades)


@settings(max_examples=examples(60), deadline=None)
@given(inputs=days_of_some_sessions() | days_on_which_terms_end())
def test_recompute__any_day__gives_the_statements_that_the_service_makes(inputs: Inputs) -> None:
    settled, verifier = settle(inputs), Verifier(inputs)

    made = verifier.recomputed()

    assert verifier.evidence.report.findings == []
    assert {account: item.as_json() for account, item in made.statements.items()} == {
        to_hex(account): item.as_json() for account, item in settled.statements.items()
    }
    assert terms_hash(made.terms.values()) == to_hex(settled.tariff_hash)
