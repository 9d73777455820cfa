"""Metering of a small day: messages that meters sign, readings, attestations, an MTU that is Unread and corrected."""

from __future__ import annotations

import base64
from typing import NamedTuple

from nacl.signing import SigningKey as MeterKey

from domain.eip712 import Domain
from domain.hashing import ZERO_HASH, canonical_json, keccak, text_id, to_hex
from domain.merkle import merkle_proof
from domain.readings import Attestation, Quality, Reading, chain_readings_root
from tests.unit.verifier.fake_chain import (
    AREA,
    ATTEST_SECONDS,
    CHAIN_ID,
    CONTRACTS,
    FIRST,
    POINTS,
    address,
    key_of,
    noise,
)
from tests.unit.verifier.journal import Emits, Payload
from tests.unit.verifier.programs import Programs

FLOWS = {
    "p1": [(0, 310), (0, 380), (0, 40), (0, 0)],
    "p2": [(10, 180), (50, 0), (75, 0), (75, 0)],
    "p3": [(300, 0), (150, 0), (40, 0), (20, 0)],
}
"""Import and export in Wh of the MTUs that are read in time."""

LATE_FLOWS = {"p1": (0, 0), "p2": (12, 0), "p3": (9, 0)}
"""Those of the last MTU, which come late."""

UNREAD = 4
"""The last MTU, counted from the day's first."""

MISSING = ("p2", 2)
"""Point and MTU whose reading never came: a substitute stands there, half of what the MTU and the next one drew."""

READING_RULES = {"substitutes": 4}

MTU_SECONDS = 900


class Registers(NamedTuple):
    """Cumulative registers that a meter's message tells, in Wh."""

    mtu: int
    sequence: int
    import_wh: int
    export_wh: int
    nonce: bytes


def registers_of(leaf: Reading) -> Registers:
    """What a meter's message says of its reading."""
    return Registers(leaf.mtu, leaf.sequence, leaf.import_register_wh, leaf.export_register_wh, leaf.nonce)


def substitute_nonce(point: str, mtu: int, *, rests_on: int) -> bytes:
    """It rests on the meter's last reading before, of an MTU counted from the day's first."""
    nonce = noise(f"n{point}{rests_on}")
    return keccak(b"substitute" + text_id(f"meter-{point}") + (FIRST + mtu).to_bytes(32, "big") + nonce)


class Metering(Programs):
    """Reads meters and attests."""

    def __init__(self) -> None:
        super().__init__()
        self.readings_root = ZERO_HASH
        self.registers = dict.fromkeys(POINTS, (1_000, 500))  # import and export by point
        self.chosen: dict[int, list[Reading]] = {}  # the last attested readings by MTU
        self.messages: dict[str, list[str]] = {point: [] for point in POINTS}
        self.personal_readings: list[Payload] = []

    # ---- meters

    def read(
        self, point: str, mtu: int, import_wh: int, export_wh: int, *, quality: Quality = Quality.MEASURED
    ) -> Reading:
        """The next leaf of a point's meter."""
        before, measured = self.registers[point], quality == Quality.MEASURED
        self.registers[point] = (before[0] + import_wh, before[1] + export_wh)
        return Reading(
            f"meter-{point}",
            FIRST + mtu,
            *self.registers[point],
            import_wh,
            export_wh,
            mtu + 2 if measured else 0,
            quality,
            noise(f"n{point}{mtu}") if measured else substitute_nonce(point, mtu, rests_on=mtu - 1),
        )

    def message(self, point: str, readings: list[Registers]) -> str:
        """A message that a point's meter signed."""
        code = f"meter-{point}"
        items = [{**item._asdict(), "nonce": to_hex(item.nonce)} for item in readings]
        header = {"alg": "EdDSA", "kid": code, "typ": "meter+jws"}
        parts = [canonical_json(header), canonical_json({"meter": code, "readings": items})]
        text = ".".join(_base64(part) for part in parts)
        jws = f"{text}.{_base64(MeterKey(noise(code)).sign(text.encode()).signature)}"
        self.messages[point].append(jws)
        return jws

    # ---- attesters

    def attest(self, mtu: int, revision: int, readings: list[Reading]) -> Payload:
        """Two of three attesters sign the readings of an MTU."""
        made = Attestation.of(area=text_id(AREA), mtu=FIRST + mtu, revision=revision, readings=readings)
        digest = made.digest(Domain(CHAIN_ID, bytes.fromhex(CONTRACTS["Readings"][2:])))
        signed: Payload = {
            "revision": revision,
            "root": to_hex(made.root),
            "count": made.count,
            "import_wh": made.import_wh,
            "export_wh": made.export_wh,
            "signatures": [to_hex(key_of(name).sign(digest)) for name in sorted(("a1", "a3"), key=address)],
        }
        self.chosen[mtu] = ordered = sorted(readings, key=lambda reading: reading.meter_id)
        hashes = [reading.hash() for reading in ordered]
        for at, reading in enumerate(ordered):
            proof = [to_hex(node) for node in merkle_proof(hashes, at)]
            own = {"area": AREA, "reading": reading.as_json(), "proof": proof, "rules": READING_RULES}
            self.personal_readings.append({**own, **signed})
        return {"mtu": made.mtu, **signed, "readings": [reading.as_json() for reading in ordered]}

    def tell_attested(self, items: list[Payload], messages: list[str]) -> None:
        """Attestations of the day's period, with the messages behind them."""
        told = {"area": AREA, "period": 1, "attestations": items, "messages": sorted(messages)}
        told["rules"] = READING_RULES
        self.fact("reading.attested", told)

    def ask_to_attest(self, items: list[Payload]) -> Payload:
        """Ask the chain to record attestations."""
        names = ("mtu", "revision", "root", "count", "import_wh", "export_wh")
        rows = [[to_hex(text_id(AREA)), *(item[name] for name in names)] for item in items]
        return self.ask("operator", "Readings", "attestMany", [1, rows, [item["signatures"] for item in items]])

    def attested(self, item: Payload) -> Emits:
        """The event of an attestation that comes on chain."""
        numbers = [item[name] for name in ("count", "import_wh", "export_wh")]
        root = bytes.fromhex(item["root"][2:])
        made = Attestation(text_id(AREA), item["mtu"], item["revision"], root, *numbers)
        self.readings_root = chain_readings_root(self.readings_root, made)
        signatures = [bytes.fromhex(text[2:]) for text in item["signatures"]]
        values = [made.area, made.mtu, made.revision, root, *numbers, self.readings_root, signatures]
        types = "bytes32*,uint32*,uint32*,bytes32,uint32,uint64,uint64,bytes32,bytes[]"
        return Emits("ReadingsAttested", types, values)

    # ---- the day

    def meter(self) -> None:
        """Readings of four MTUs in time, one of them a substitute; the chain has an order of its own."""
        leaves: list[list[Reading]] = [[] for _ in range(UNREAD)]
        messages = []
        for point in POINTS:
            sent = [Registers(FIRST - 1, 1, *self.registers[point], noise(f"base{point}"))]
            for mtu, (drawn, fed) in enumerate(FLOWS[point]):
                missing = (point, mtu) == MISSING
                leaf = self.read(point, mtu, drawn, fed, quality=Quality.SUBSTITUTE if missing else Quality.MEASURED)
                leaves[mtu].append(leaf)
                sent += [] if missing else [registers_of(leaf)]
            messages.append(self.message(point, sent))
        self.chain.now = (FIRST + UNREAD) * MTU_SECONDS + 120
        made = [self.attest(mtu, 0, leaves[mtu]) for mtu in range(UNREAD)]
        asked = []
        for part in (made[:2], made[2:3], made[3:]):
            self.tell_attested(part, messages)
            asked.append((part, self.ask_to_attest(part)))
        for at in (0, 2, 1):
            part, request = asked[at]
            self.carry_out(request, *[self.attested(item) for item in part])

    def unread(self) -> None:
        """The last MTU has no readings in time."""
        area, mtu = text_id(AREA), FIRST + UNREAD
        nothing = Attestation(area, mtu, 0, ZERO_HASH, 0, 0, 0)
        self.readings_root = chain_readings_root(self.readings_root, nothing)
        self.chain.now = (mtu + 1) * MTU_SECONDS + ATTEST_SECONDS
        event = Emits("ReadingsUnread", "bytes32*,uint32*,bytes32", [area, mtu, self.readings_root])
        self.send("operator", "Readings", "markUnread", [to_hex(area), 1, mtu, 1], event)
        self.fact("mtu.unread", {"area": AREA, "period": 1, "mtu": mtu})

    def late(self) -> None:
        """Readings of the last MTU come late."""
        leaves = [self.read(point, UNREAD, *LATE_FLOWS[point]) for point in POINTS]
        messages = [self.message(point, [registers_of(leaf)]) for point, leaf in zip(POINTS, leaves, strict=True)]
        made = self.attest(UNREAD, 1, leaves)
        self.tell_attested([made], messages)
        self.chain.now += 600
        self.carry_out(self.ask_to_attest([made]), self.attested(made))


def _base64(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()
