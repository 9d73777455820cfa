"""A small area with meters, a service that records what holds, and attesters around an embedded broker."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from nacl.signing import SigningKey as MeterKeyPair

from contracts.bindings.readings import ReadingState
from domain.attestations import AttestationSet, SignedAttestation
from domain.hashing import text_id, to_hex
from domain.metering_area import AttesterEntry, MeteringArea
from domain.mtu import MTU_SECONDS, mtu_end
from domain.periods import Period
from domain.readings import Reading
from domain.roles import ChainRole
from domain.signing import SigningKey
from ledger_service.chain.ports import free_port
from oracle.attester.consensus.attestations import RecordedMtu
from oracle.attester.process import AttesterProcess, Timing
from oracle.attester.service import ServiceAway, ServiceRefused
from oracle.brokers.embedded import EmbeddedBroker
from oracle.meters.fleet import Measurement, MeterFleet, ReceiptTrust
from oracle.meters.log import MeterLog
from oracle.mqtt import BrokerAddress
from settling.attestations import AttestationRefused, verify_set
from tests.metered import DSO, each_at_its_own

FIRST_MTU = 1_900_000
AREA = "TEST/LV1"


def wait_until(condition: Callable[[], bool], *, timeout_s: float = 60.0) -> None:
    """Wait for something that other threads bring about."""
    end = time.monotonic() + timeout_s
    while not condition():
        if time.monotonic() > end:
            raise AssertionError("it did not come about in time")
        time.sleep(0.02)


@dataclass
class RecordingService:
    """Stands for the ledger service: verifies what attesters hand in and remembers it."""

    metering: MeteringArea
    now: int
    away: bool = False
    recorded: dict[int, list[SignedAttestation]] = field(default_factory=dict)
    refused: list[str] = field(default_factory=list)
    lock: threading.Lock = field(default_factory=threading.Lock)

    def _answer(self) -> None:
        if self.away:
            raise ServiceAway(reason="stopped by the test")

    def market_time(self) -> int:
        self._answer()
        return self.now

    def metering_area(self, area: str) -> MeteringArea:
        self._answer()
        return self.metering

    def leaves(self, mtu: int) -> dict[str, Reading] | None:
        held = self.recorded.get(mtu)
        return {reading.meter_code: reading for reading in held[-1].readings} if held else None

    def submit_attestations(self, handed_in: AttestationSet) -> None:
        self._answer()
        with self.lock:
            try:
                verify_set(
                    handed_in,
                    area=self.metering,
                    now=self.now,
                    next_revision=lambda mtu: len(self.recorded.get(mtu, [])),
                    leaves_at=self.leaves,
                )
            except AttestationRefused as error:
                self.refused.append(str(error))
                raise ServiceRefused(http_status=error.status, problem=str(error)) from error
            for item in handed_in.attestations:
                self.recorded.setdefault(item.mtu, []).append(item)

    def attestation_states(self, area: str, first_mtu: int, count: int) -> list[RecordedMtu]:
        self._answer()
        with self.lock:
            held = [(mtu, self.recorded.get(mtu, [])) for mtu in range(first_mtu, first_mtu + count)]
            return [RecordedMtu(mtu, len(items), items[-1] if items else None) for mtu, items in held]

    def area_objections(self, area: MeteringArea) -> list[str]:
        return []

    def held_role(self, address: str, role: ChainRole, area: str | None) -> bool:
        return (address, role) == (to_hex(DSO.address), ChainRole.DSO)

    def reading_states(self, *, area: str, mtus: Iterable[int]) -> dict[int, ReadingState]:
        """What a node shows: everything recorded is on the chain at once."""
        with self.lock:
            found = {mtu: list(self.recorded.get(mtu, [])) for mtu in mtus}
        return {
            mtu: ReadingState(
                revisions=len(held),
                unread=False,
                count=0,
                import_wh=0,
                export_wh=0,
                root=held[-1].root if held else b"\x00" * 32,
            )
            for mtu, held in found.items()
        }


class Community:
    """Meters, attesters, service and broker of one area."""

    def __init__(self, *, folder: Path, meters: int, mtus: int) -> None:
        self.folder = folder
        self.mtus = range(FIRST_MTU, FIRST_MTU + mtus)
        self.codes = [f"M{number:03d}" for number in range(meters)]
        self.meter_keys = {code: MeterKeyPair(text_id(code)) for code in self.codes}
        self.attester_keys = {f"A{number}": SigningKey(text_id(f"attester {number}")) for number in range(3)}
        entries = tuple(
            AttesterEntry(name=name, address=key.address, organisation=f"organisation {name}")
            for name, key in self.attester_keys.items()
        )
        keys = {code: bytes(key.verify_key) for code, key in self.meter_keys.items()}
        self.metering = MeteringArea(
            code=AREA,
            zone="Europe/Berlin",
            attesters=entries,
            threshold=2,
            attest_seconds=86_400,
            horizon_seconds=30 * 86_400,
            chain_id=31_337,
            readings_contract=b"\x11" * 20,
            settlement_contract=b"\x22" * 20,
            **each_at_its_own(keys, area=AREA, valid_from_mtu=FIRST_MTU, power_w=20_000),
            periods=(Period(area=AREA, number=0, first_mtu=FIRST_MTU, count=mtus),),
        )
        self.service = RecordingService(metering=self.metering, now=mtu_end(FIRST_MTU - 1))
        self.port = free_port()
        self.broker = EmbeddedBroker(port=self.port)
        self.address = BrokerAddress(host="127.0.0.1", port=self.port)
        self.embedded = True
        self.address_of: Callable[[str], BrokerAddress] = lambda name: self.address
        self.attesters: dict[str, AttesterProcess] = {}
        # The first cut-off passes after the last MTU's end: meters may publish all MTUs at once before any is due.
        self.cut_off_s = mtus * MTU_SECONDS
        self.timing = Timing(
            cut_off_s=self.cut_off_s, proposer_timeout_s=1.0, poll_s=0.05, registry_s=1.0, settlement_s=1.0
        )
        self.fleet: MeterFleet | None = None

    def start(self, *, attesters: int = 3) -> None:
        self.broker.start()
        for name in list(self.attester_keys)[:attesters]:
            self.start_attester(name)
        self.fleet = self.new_fleet()

    def start_with(self, address_of: Callable[[str], BrokerAddress]) -> None:
        """Start at another broker, every client with an address (and certificate) of its own."""
        self.embedded = False
        self.address_of = address_of
        for name in self.attester_keys:
            self.start_attester(name)
        self.fleet = self.new_fleet()

    def new_fleet(self) -> MeterFleet:
        trust = ReceiptTrust(attesters=self.metering.attesters, threshold=2, domain=self.metering.readings_domain)
        fleet = MeterFleet(
            area=AREA,
            log=MeterLog(self.folder / "meters.sqlite"),
            trust=trust,
            shared=self.address if self.embedded else None,
            republish_s=2.0,
        )
        for code, key in self.meter_keys.items():
            fleet.add(meter_code=code, key=key, address=None if self.embedded else self.address_of(code))
        fleet.start()
        return fleet

    def start_attester(self, name: str) -> AttesterProcess:
        attester = AttesterProcess(
            name=name,
            area=AREA,
            key=self.attester_keys[name],
            store_path=self.folder / f"{name}.sqlite",
            broker=self.address_of(name),
            service=self.service,
            chain=self.service,
            timing=self.timing,
        )
        attester.start()
        self.attesters[name] = attester
        return attester

    def registers(self, code: str, mtu: int) -> Measurement:
        """Registers that rise by 100 + n Wh of import and n Wh of export per MTU."""
        number, steps = self.codes.index(code), mtu - FIRST_MTU + 1
        return Measurement(
            meter_code=code,
            mtu=mtu,
            import_register_wh=1_000 * number + (100 + number) * steps,
            export_register_wh=number * steps,
        )

    def measure(self, first: int, last: int, *, without: tuple[str, ...] = ()) -> None:
        assert self.fleet is not None
        self.fleet.record(
            self.registers(code, mtu) for code in self.codes if code not in without for mtu in range(first, last + 1)
        )

    def measured_at(self) -> int:
        """Market time at which all MTUs have ended and none is due."""
        return mtu_end(self.mtus[-1]) + 10

    def due_at(self) -> int:
        """Market time at which all MTUs are due."""
        return mtu_end(self.mtus[-1]) + self.cut_off_s + 10

    def stop(self) -> None:
        if self.fleet is not None:
            self.fleet.stop()
            self.fleet = None
        for attester in self.attesters.values():
            attester.stop()
        self.attesters.clear()
        if self.embedded:
            self.broker.stop()


@pytest.fixture
def make_community(tmp_path: Path) -> Iterator[Callable[..., Community]]:
    """Make a community and stop everything of it in the end."""
    made: list[Community] = []

    def make(*, meters: int, mtus: int) -> Community:
        community = Community(folder=tmp_path, meters=meters, mtus=mtus)
        made.append(community)
        return community

    yield make
    for community in made:
        community.stop()


@pytest.fixture
def wait() -> Callable[..., None]:
    """The waiting helper."""
    return wait_until
