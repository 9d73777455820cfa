"""The meters of the golden day: messages, readings with substitutes, attestations, an MTU Unread, a correction."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from domain.attestations import SignedAttestation
from domain.eip712 import READING_RECEIPT
from domain.facts import Fact, MtuUnread, ReadingAttested, ReadingRules
from domain.hashing import ZERO_HASH, keccak, text_id, to_hex
from domain.merkle import merkle_proofs, merkle_root
from domain.messages import make_message, parse_message
from domain.mtu import MTU_END
from domain.readings import Attestation, Quality, Reading, chain_readings_root, in_leaf_order
from domain.registers import RegisterReading
from domain.signing import recover
from domain.terms import EndedTerm
from scripts.tools.golden_day.people import (
    ATTESTERS,
    COUNT,
    FIRST,
    HOUSEHOLDS,
    THRESHOLD,
    address,
    domain_of,
    key_of,
    meter_key,
    noise,
)
from scripts.tools.golden_day.registry import Registered
from settling.substitutes import SUBSTITUTE_RULE, leaves, like_mtus

DOMAIN = domain_of("Readings")
DAY_MTUS = 96
BEFORE = FIRST - DAY_MTUS
"""The first MTU's local time, the day before."""

Flow = tuple[int, int]
"""Import and export of an MTU, Wh."""

FLOWS_BEFORE: dict[str, tuple[Flow, ...]] = {
    "p1": ((0, 700), (0, 720), (0, 690), (0, 650), (0, 610), (3, 240), (5, 180)),
    "p2": ((180, 0), (900, 0), (210, 0), (350, 0), (80, 0), (260, 0), (90, 0)),
    "p3": ((90, 10), (800, 0), (60, 20), (70, 15), (55, 30), (20, 170), (65, 0)),
    "p4": ((50, 0), (600, 0), (110, 0), (85, 0), (900, 0), (70, 0), (105, 0)),
}
"""What flowed in the same MTUs of the day before."""

FLOWS: dict[str, tuple[Flow, ...]] = {
    # More than sold, more than the envelope, less than sold, as sold …
    "p1": ((0, 320), (0, 3_490), (0, 200), (0, 800), (0, 140), (4, 90), (0, 120)),
    # More than bought, less than bought; two readings are lost.
    "p2": ((200, 0), (1_480, 0), (200, 0), (311, 0), (95, 0), (290, 0), (101, 0)),
    # From the sixth on its readings come late.
    "p3": ((100, 0), (1_210, 0), (64, 12), (71, 9), (58, 0), (11, 150), (70, 0)),
    # Beyond the envelope.
    "p4": ((50, 0), (800, 0), (90, 0), (88, 0), (4_917, 0), (77, 0)),
}
"""What flows in the day's MTUs, until the meter ends."""

LOST = {("p2", 2), ("p2", 3)}
"""Readings that never come."""

LATE = {("p3", 5), ("p3", 6)}
"""Readings that come after the attestation."""

UNREAD = 6
"""The MTU, counted from the first, that is not attested in time."""

START_WH = {"p1": (12_000, 90_000), "p2": (250_000, 0), "p3": (98_765, 4_321), "p4": (1_000_001, 17)}
"""Registers at the meters' baseline, import and export."""


@dataclass(frozen=True)
class MeteredDay:
    """All that was metered. `messages` are those that came in time, `late` the others; events in the chain's order."""

    registry: Registered
    messages: tuple[str, ...]
    late: tuple[str, ...]
    first: tuple[SignedAttestation, ...]
    corrections: tuple[SignedAttestation, ...]

    @property
    def first_facts(self) -> tuple[Fact, ...]:
        """What is recorded before the first settlement."""
        return self._attested(self.first, self.messages), MtuUnread(*self._period, FIRST + UNREAD)

    @property
    def late_facts(self) -> tuple[Fact, ...]:
        """What is recorded after it."""
        return (self._attested(self.corrections, self.late),)

    @property
    def _period(self) -> tuple[str, int]:
        return self.registry.period.area, self.registry.period.number

    def _attested(self, made: Sequence[SignedAttestation], messages: Sequence[str]) -> ReadingAttested:
        return ReadingAttested(*self._period, tuple(made), tuple(sorted(messages)), ReadingRules(SUBSTITUTE_RULE))

    def happened(self, *, corrected: bool) -> Iterator[SignedAttestation | None]:
        """Attestations in the chain's order; None where the MTU is marked Unread."""
        yield from self.first
        yield None
        if corrected:
            yield from self.corrections

    def roots(self, *, corrected: bool) -> list[bytes]:
        """The running `readingsRoot` after each of them."""
        roots = [ZERO_HASH]
        for item in self.happened(corrected=corrected):
            roots.append(chain_readings_root(roots[-1], self.unread if item is None else item.of_area(self._period[0])))
        return roots[1:]

    @property
    def unread(self) -> Attestation:
        """What the chain chains of the MTU that is Unread."""
        return Attestation(text_id(self._period[0]), FIRST + UNREAD, 0, ZERO_HASH, 0, 0, 0)


def meter(registry: Registered) -> MeteredDay:
    """Meter the day."""
    messages, late = _messages()
    known = _registers(messages)
    first = _leaves(registry, known)
    corrected = _leaves(registry, _registers([*messages, *late]))
    in_time = [mtu for mtu in first if mtu != FIRST + UNREAD]
    later = [mtu for mtu in first if mtu == FIRST + UNREAD or first[mtu] != corrected[mtu]]
    return MeteredDay(
        registry=registry,
        messages=tuple(messages),
        late=tuple(late),
        first=tuple(_attest(registry, mtu, 0, first[mtu]) for mtu in in_time),
        corrections=tuple(_attest(registry, mtu, 1, corrected[mtu]) for mtu in later),
    )


def metered_before_wh() -> dict[str, dict[int, int]]:
    """Net energy of the day before, by point and MTU, + = import."""
    return {
        point: {BEFORE + at: drawn - fed for at, (drawn, fed) in enumerate(flows)}
        for point, flows in FLOWS_BEFORE.items()
    }


def _readings(point: str) -> list[RegisterReading]:
    """All that a meter reads: baseline, the MTUs of the day before, the register the day begins with, the day."""
    between = (1_234, 567)
    flows = [(0, 0), *FLOWS_BEFORE[point], between, *FLOWS[point]]
    mtus = [BEFORE - 1, *range(BEFORE, BEFORE + COUNT), FIRST - 1, *range(FIRST, FIRST + len(FLOWS[point]))]
    imported, exported = START_WH[point]
    readings = []
    for sequence, (mtu, (drawn, fed)) in enumerate(zip(mtus, flows, strict=True), 1):
        imported, exported = imported + drawn, exported + fed
        readings.append(RegisterReading(mtu, imported, exported, sequence, noise(f"nonce {point} {mtu}")))
    return readings


def _messages() -> tuple[list[str], list[str]]:
    """The meters' messages, in time and late: one for each run of readings without a gap."""
    in_time: list[str] = []
    late: list[str] = []
    for point in HOUSEHOLDS.values():
        runs: list[tuple[bool, list[RegisterReading]]] = []
        for reading in _readings(point):
            at = (point, reading.mtu - FIRST)
            if at in LOST:
                continue
            follows = runs and runs[-1][0] == (at in LATE) and runs[-1][1][-1].sequence == reading.sequence - 1
            if not follows or reading.mtu == FIRST - 1:
                runs.append((at in LATE, []))
            runs[-1][1].append(reading)
        code = f"meter-{point}"
        for is_late, readings in runs:
            text = make_message(meter_code=code, readings=readings, key=meter_key(code)).decode("ascii")
            (late if is_late else in_time).append(text)
    return in_time, late


def _registers(messages: Iterable[str]) -> dict[str, list[RegisterReading]]:
    """What is known of each meter, ascending."""
    known: dict[str, list[RegisterReading]] = {}
    for text in messages:
        code, run = parse_message(text.encode("ascii"))
        known.setdefault(code, []).extend(run.readings())
    return {code: sorted(readings, key=lambda reading: reading.sequence) for code, readings in known.items()}


def _leaves(registry: Registered, known: Mapping[str, Sequence[RegisterReading]]) -> dict[int, list[Reading]]:
    """The leaves of each MTU in leaf order."""
    zone, last = registry.area.zone_info, FIRST + COUNT - 1
    found = [
        leaves(meter_code=code, readings=readings, zone=zone, first_mtu=FIRST, last_mtu=last)
        for code, readings in known.items()
    ]
    ended = {end.name: end.end_mtu for end in registry.ends if end.term is EndedTerm.METER}
    return {
        mtu: in_leaf_order([of[mtu - FIRST] for of in found if mtu < ended.get(of[0].meter_code, MTU_END)])
        for mtu in range(FIRST, last + 1)
    }


def _attest(registry: Registered, mtu: int, revision: int, readings: Sequence[Reading]) -> SignedAttestation:
    made = Attestation.of(area=registry.area.area_id, mtu=mtu, revision=revision, readings=readings)
    signers = sorted(ATTESTERS[:THRESHOLD], key=address)
    signatures = [key_of(name).sign(made.digest(DOMAIN)) for name in signers]
    return SignedAttestation.of(made, readings=readings, signatures=signatures)


# ---- documents


def metering_input(metered: MeteredDay) -> dict[str, Any]:
    """What meters and attesters signed, and what the chain recorded in which order."""
    return {
        "in_time": list(metered.messages),
        "late": list(metered.late),
        "attested": [_attested_input(item) for item in metered.first],
        "unread": [FIRST + UNREAD],
        "corrected": [_attested_input(item) for item in metered.corrections],
    }


def _attested_input(item: SignedAttestation) -> dict[str, Any]:
    signatures = [to_hex(signature) for signature in item.signatures]
    return {"mtu": item.mtu, "revision": item.revision, "signatures": signatures}


def readings_values(metered: MeteredDay) -> dict[str, Any]:
    """From messages to the running root."""
    roots = [to_hex(root) for root in metered.roots(corrected=True)]
    happened = list(metered.happened(corrected=True))
    rows = [
        {"mtu": FIRST + UNREAD, "unread": True} if item is None else _attested_values(metered, item)
        for item in happened
    ]
    return {
        "messages": [_message_values(text) for text in (*metered.messages, *metered.late)],
        "receipt": _receipt_values(metered.messages),
        "attestations": [row | {"readings_root": root} for row, root in zip(rows, roots, strict=True)],
    }


def _message_values(text: str) -> dict[str, Any]:
    code, run = parse_message(text.encode("ascii"))
    readings = [reading.as_json() for reading in run.readings()]
    return {"message_hash": to_hex(keccak(text.encode("ascii"))), "meter": code, "readings": readings}


def _receipt_values(messages: Sequence[str]) -> dict[str, Any]:
    """An attester's receipt for all that came in time, had it come in one commit."""
    hashes = [keccak(text.encode("ascii")) for text in messages]
    root = merkle_root(hashes)
    return {
        "root": to_hex(root),
        "digest": to_hex(DOMAIN.digest(READING_RECEIPT, {"messagesRoot": root})),
        "proofs": [[to_hex(node) for node in proof] for proof in merkle_proofs(hashes, range(len(hashes)))],
    }


def _attested_values(metered: MeteredDay, item: SignedAttestation) -> dict[str, Any]:
    digest = item.of_area(metered.registry.area.area).digest(DOMAIN)
    hashes = [reading.hash() for reading in item.readings]
    proofs = merkle_proofs(hashes, range(len(hashes)))
    return {
        "mtu": item.mtu,
        "revision": item.revision,
        "readings": [
            {"reading": reading.as_json(), "reading_hash": to_hex(hashed), "proof": [to_hex(node) for node in proof]}
            for reading, hashed, proof in zip(item.readings, hashes, proofs, strict=True)
        ],
        "like_mtus": _like_values(metered, item),
        "root": to_hex(item.root),
        "count": item.count,
        "import_wh": item.import_wh,
        "export_wh": item.export_wh,
        "digest": to_hex(digest),
        "signers": [to_hex(recover(digest, signature)) for signature in item.signatures],
    }


def _like_values(metered: MeteredDay, item: SignedAttestation) -> list[int]:
    """Where there is a substitute: the MTUs at the same local time of the days before, best first."""
    if all(reading.quality is Quality.MEASURED for reading in item.readings):
        return []
    return list(like_mtus(item.mtu, metered.registry.area.zone_info))
