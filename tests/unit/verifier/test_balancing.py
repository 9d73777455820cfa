"""Balancing entries as the verifier sees them: honest ones are clean, invented and forced ones are wrong."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from domain.attestations import AttestationSet, SignedAttestation
from domain.members import noun_json
from domain.readings import Attestation as Attested
from domain.readings import Reading
from settling.substitutes import SUBSTITUTE_RULE
from tests.faulty_meters import FAULTS, FIRST, HORIZON_S, OPEN, Sends, area_of_periods, honest, live
from verifier.cache import Cache
from verifier.chain import Event, Events
from verifier.evidence import Evidence
from verifier.facts import PeriodDeclared, ReadingAttested
from verifier.form import record
from verifier.hashes import ident
from verifier.journal import Erasures
from verifier.participants import Participants, Party
from verifier.party_facts import AreaDefined, MeterRegistered
from verifier.readings import Readings
from verifier.transactions import Transactions

pytestmark = pytest.mark.unit

HandedIn = list[tuple[int, AttestationSet]]
"""What attesters handed in, and when: market time, unix seconds."""


class Told:
    """A chain whose blocks are numbered by market time."""

    def __init__(self, events: Iterable[Event]) -> None:
        self.events = Events(events)

    def find(self, name: str, keys: dict[str, Any]) -> Event | None:
        return self.events.find(name, keys)

    def seconds(self, earlier: int, later: int) -> int:
        return later - earlier


class Witnessed(Evidence):
    """Evidence whose signatures are not looked at: what they are over is."""

    def check_attestation(self, area: str, item: Any, attesters: Any) -> dict[str, Any]:
        return {"area": ident(area), "mtu": item.mtu, "revision": item.revision}

    def anchored_before(self, mtu: int) -> int:
        return 0


def findings(area: Any, handed_in: HandedIn) -> list[str]:
    """What the verifier finds in the readings of a life."""
    metering = area.metering
    evidence = Witnessed({}, None, None, None, Cache())
    evidence.report.kind = "auditor"
    erasures = Erasures(evidence)
    participants = Participants(evidence, erasures)
    readings = Readings(evidence, erasures, participants, Transactions(evidence, erasures))
    code = ident(metering.code)
    participants.areas[code] = AreaDefined(metering.code, metering.zone, 0, HORIZON_S, 0, {}, "", (), 2)
    for item in metering.periods:
        participants.period_declared(PeriodDeclared(metering.code, item.number, item.first_mtu, item.count))
    for party in metering.parties:
        place = (party.account, "household", metering.code, party.point)
        participants.take_party(Party(*place, *party.connection))
    for meter in metering.meters:
        participants.take_meter(record(MeterRegistered, noun_json(meter)))
    evidence.report.findings.clear()
    events = [
        Event("ReadingsAttested", {"area": code, "mtu": item.mtu, "revision": item.revision}, at, "", "Readings")
        for at, given in handed_in
        for item in given.attestations
    ]
    evidence.seen, evidence.chain = Events(events), Told(events)  # type: ignore[assignment]
    for _, given in handed_in:
        told = {**noun_json(given), "rules": {"substitutes": SUBSTITUTE_RULE}}
        told["messages"].sort()
        readings.reading_attested(record(ReadingAttested, told))
    readings.check_substitutes(max(at for at, _ in handed_in) + 100 * HORIZON_S)
    return [str(item) for item in evidence.report.findings]


def lived(folder: Path, sends: Sends) -> tuple[Any, HandedIn]:
    area = area_of_periods(folder)
    return area, live(area, sends)


def told_otherwise(handed_in: HandedIn, mtu: int, change: Callable[[Reading], Reading]) -> HandedIn:
    """The same, but in the last attestation of an MTU the leaf of M0 is another one."""
    last = max(item.revision for _, given in handed_in for item in given.attestations if item.mtu == mtu)
    return [(at, replace(given, attestations=tuple(_changed(given, mtu, last, change)))) for at, given in handed_in]


def _changed(
    given: AttestationSet, mtu: int, revision: int, change: Callable[[Reading], Reading]
) -> Iterable[SignedAttestation]:
    for item in given.attestations:
        if (item.mtu, item.revision) != (mtu, revision):
            yield item
            continue
        readings = [change(leaf) if leaf.meter_code == "M0" else leaf for leaf in item.readings]
        made = Attested.of(area=b"", mtu=mtu, revision=revision, readings=readings)
        yield SignedAttestation.of(made, readings=readings, signatures=item.signatures)


@pytest.mark.parametrize("fault", FAULTS.values(), ids=FAULTS)
def test_verify__one_meter_at_fault_for_longer_than_the_horizon__is_clean(tmp_path: Path, fault: Sends) -> None:
    assert findings(*lived(tmp_path, fault)) == []


def moved(leaf: Reading) -> Reading:
    """20 Wh of the leaf are said to be of the time before."""
    return replace(leaf, import_wh=leaf.import_wh - 20, balancing_import_wh=leaf.balancing_import_wh + 20)


def invented(leaf: Reading) -> Reading:
    """1 kWh more is made good."""
    return replace(leaf, balancing_import_wh=leaf.balancing_import_wh + 1_000)


def left_out(leaf: Reading) -> Reading:
    """Nothing is made good."""
    return replace(leaf, balancing_import_wh=0, balancing_export_wh=0)


def drawn_at_once(leaf: Reading) -> Reading:
    """What is to be made good is said to be of this MTU."""
    return replace(
        left_out(leaf),
        import_wh=leaf.import_wh + leaf.balancing_import_wh,
        export_wh=leaf.export_wh + leaf.balancing_export_wh,
    )


@pytest.mark.parametrize("lie", [moved, invented, left_out, drawn_at_once])
def test_verify__balancing_entry_that_no_signed_reading_gives__is_wrong(
    tmp_path: Path, lie: Callable[[Reading], Reading]
) -> None:
    area, handed_in = lived(tmp_path, FAULTS["offline but logging"])

    found = findings(area, told_otherwise(handed_in, OPEN, lie))

    assert any("the signed readings give" in item and "Begin(" in item for item in found)


@pytest.mark.parametrize("mtu", [FIRST + 24, FIRST + 30], ids=["first of its period", "within its period"])
def test_verify__balancing_entry_where_the_mtu_before_can_still_be_corrected__is_wrong(
    tmp_path: Path, mtu: int
) -> None:
    area, handed_in = lived(tmp_path, honest)

    found = findings(area, told_otherwise(handed_in, mtu, moved))

    assert any("the leaf before it gives" in item for item in found)
