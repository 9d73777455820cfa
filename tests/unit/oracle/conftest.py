"""An area in memory: meters that sign, attesters without a broker that hear each other at once."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import pytest
from nacl.signing import SigningKey as MeterKeyPair

from contracts.bindings.readings import ReadingState
from domain.hashing import text_id
from domain.messages import RegisterReading, make_message
from domain.meters import AttesterEntry, MeterKey, Registry
from domain.mtu import mtu_end
from domain.periods import Period
from domain.readings import Reading
from domain.signing import SigningKey
from oracle.attester.agreement import Agreement
from oracle.attester.intake import Intake, Outgoing
from oracle.attester.store import Store
from settling.attestations import VerifiedAttestation, verify_payload

FIRST = 1_900_000
CUT_OFF_S = 120


@dataclass
class Attesting:
    """One attester: store, intake and agreement, without broker and threads."""

    name: str
    store: Store
    intake: Intake
    agreement: Agreement

    def hear(self, *messages: bytes, topic: str | None = None) -> list[Outgoing]:
        """Take meter messages as they come from the broker, all in one group."""
        topics = [topic or self.intake.topics.reading(self.meter_of(message)) for message in messages]
        outgoing, lowest = self.intake.take(zip(topics, messages, strict=True))
        self.agreement.changed(lowest)
        return outgoing

    def meter_of(self, message: bytes) -> str:
        import base64
        import json

        header = message.split(b".")[0]
        return str(json.loads(base64.urlsafe_b64decode(header + b"=="))["kid"])

    def codes(self) -> list[str]:
        """Codes of everything refused so far."""
        return [code for _, _, code, _ in self.store.refusals()]


@dataclass
class Area:
    """Meters M0, M1, …; attesters A0, A1, A2 of whom two must sign; a service that records what verifies."""

    folder: Path
    registry: Registry
    meter_keys: dict[str, MeterKeyPair]
    attester_keys: dict[str, SigningKey]
    now: int
    wall: float = 0.0
    attesters: dict[str, Attesting] = field(default_factory=dict)
    recorded: dict[int, list[VerifiedAttestation]] = field(default_factory=dict)
    handed_in: list[dict[str, Any]] = field(default_factory=list)
    """payloads the service took"""
    unread: set[int] = field(default_factory=set)
    excluded: set[int] = field(default_factory=set)
    """MTUs of which the chain shows nothing"""

    def reading(self, code: str, mtu: int, **changes: Any) -> RegisterReading:
        """The honest register of a meter: 100 Wh import and 10 Wh export per MTU since the baseline."""
        steps = mtu - FIRST + 1
        honest = RegisterReading(
            mtu=mtu,
            import_register_wh=1_000 + 100 * steps,
            export_register_wh=10 * steps,
            sequence=steps + 1,
            nonce=text_id(f"{code} {mtu}"),
        )
        return replace(honest, **changes)

    def message(self, code: str, *readings: RegisterReading, key: MeterKeyPair | None = None) -> bytes:
        """A signed message of a meter."""
        return make_message(meter_code=code, readings=readings, key=key or self.meter_keys[code])

    def day(self, first: int, last: int, *, codes: Iterable[str] | None = None) -> list[bytes]:
        """One honest message per meter and MTU."""
        return [
            self.message(code, self.reading(code, mtu))
            for mtu in range(first, last + 1)
            for code in (codes or self.meter_keys)
        ]

    def attester(self, name: str) -> Attesting:
        """Start an attester, or start it again from its store."""
        store = Store(self.folder / f"{name}.sqlite")
        intake = Intake(
            name=name,
            key=self.attester_keys[name],
            store=store,
            registry=self.registry,
            market_now=lambda: self.now,
            refresh=lambda: self.now,
        )
        agreement = Agreement(
            name=name,
            key=self.attester_keys[name],
            store=store,
            intake=intake,
            market_now=lambda: self.now,
            cut_off_s=CUT_OFF_S,
            timeout_s=5.0,
        )
        self.attesters[name] = Attesting(name=name, store=store, intake=intake, agreement=agreement)
        return self.attesters[name]

    def cut_off(self, mtu: int) -> None:
        """Let the cut-off of an MTU pass."""
        self.now = mtu_end(mtu) + CUT_OFF_S

    def next_revision(self, mtu: int) -> int:
        return len(self.recorded.get(mtu, [])) + (mtu in self.unread)

    def leaves(self, mtu: int) -> dict[str, Reading] | None:
        held = self.recorded.get(mtu)
        return {reading.meter_code: reading for reading in held[-1].readings} if held else None

    def on_chain(self, mtu: int) -> ReadingState:
        """What a node shows of an MTU."""
        revisions = 0 if mtu in self.excluded else self.next_revision(mtu)
        held = [] if mtu in self.excluded else self.recorded.get(mtu, [])
        return ReadingState(
            revisions=revisions,
            unread=mtu in self.unread,
            count=0,
            import_wh=0,
            export_wh=0,
            root=held[-1].attestation.root if held else b"\x00" * 32,
        )

    def states(self, first: int, count: int) -> list[dict[str, Any]]:
        return [
            {
                "mtu": mtu,
                "next_revision": self.next_revision(mtu),
                "attestation": self.recorded[mtu][-1].as_json() if mtu in self.recorded else None,
            }
            for mtu in range(first, first + count)
        ]

    def settle_down(self, *, rounds: int = 60, step_s: float = 1.0) -> None:
        """Let attesters talk, and wall time pass, until nothing happens for a while."""
        for _ in range(rounds):
            self.wall += step_s
            for one in list(self.attesters.values()):
                one.agreement.shown({mtu: self.on_chain(mtu) for mtu in one.agreement.look_up(wall=self.wall)})
                if one.agreement.wants_sync:
                    one.agreement.synced(self.states(*one.agreement.sync_range()))
                self.spread(one, one.agreement.tick(wall=self.wall))
                self.hand_over(one)

    def spread(self, sender: Attesting, outgoing: list[Outgoing]) -> None:
        """Deliver what an attester publishes to the others, and their answers."""
        for message in outgoing:
            parts = message.topic.split("/")
            if parts[-3] != "attest":
                continue
            for other in list(self.attesters.values()):
                if other is not sender:
                    answers = other.agreement.receive(sender=parts[-2], kind=parts[-1], payload=message.payload)
                    self.spread(other, answers)

    def hand_over(self, one: Attesting) -> None:
        """Give a complete attestation to the service, as the process does."""
        payload = one.agreement.submission
        if payload is None:
            return
        try:
            items = verify_payload(
                payload, registry=self.registry, next_revision=self.next_revision, leaves_at=self.leaves
            )
        except Exception as error:
            one.agreement.rejected(payload, str(error))
            return
        for item in items:
            self.recorded.setdefault(item.attestation.mtu, []).append(item)
        self.handed_in.append(payload)
        self.spread(one, one.agreement.submitted(payload))

    def roots(self) -> dict[int, bytes]:
        """The latest root of each attested MTU."""
        return {mtu: held[-1].attestation.root for mtu, held in sorted(self.recorded.items())}


def area_in(folder: Path, *, meters: int = 2, mtus: int = 4) -> Area:
    """An area whose first period has this many MTUs."""
    meter_keys = {f"M{number}": MeterKeyPair(text_id(f"meter {number}")) for number in range(meters)}
    attester_keys = {f"A{number}": SigningKey(text_id(f"attester {number}")) for number in range(3)}
    registry = Registry(
        area="TEST/LV1",
        attesters=tuple(
            AttesterEntry(name=name, address=key.address, organisation=f"organisation {name}")
            for name, key in attester_keys.items()
        ),
        threshold=2,
        attest_seconds=3_600,
        horizon_seconds=10 * 86_400,
        chain_id=31_337,
        readings_contract=b"\x11" * 20,
        settlement_contract=b"\x22" * 20,
        meters=tuple(
            MeterKey(
                meter_code=code,
                point_code=f"P-{code}",
                public_key=bytes(key.verify_key),
                valid_from_mtu=FIRST,
                valid_until_mtu=None,
                connection_import_w=10_000,
                connection_export_w=10_000,
            )
            for code, key in meter_keys.items()
        ),
        periods=(Period(area="TEST/LV1", number=0, first_mtu=FIRST, count=mtus),),
    )
    return Area(
        folder=folder,
        registry=registry,
        meter_keys=meter_keys,
        attester_keys=attester_keys,
        now=mtu_end(FIRST + mtus - 1),
    )


@pytest.fixture
def make_area(tmp_path: Path) -> Callable[..., Area]:
    """Make an area in a folder of its own."""

    def make(**changes: Any) -> Area:
        return area_in(tmp_path, **changes)

    return make
