"""Readings: what meters signed, the leaves that follow from it, and the attestations over them.

Sources: docs/evidence.md section 3 (`reading.attested`), docs/protocol.md section 4.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeVar
from zoneinfo import ZoneInfo

from verifier.chain import GRACE_SECONDS, Event
from verifier.evidence import Evidence
from verifier.facts import Attestation, MtuUnread, Reading, ReadingAttested
from verifier.form import unhex
from verifier.hashes import ident, merkle_root, reading_hash, tohex
from verifier.journal import Erasures, PeriodKey
from verifier.participants import Participants, Party
from verifier.rules import rule_of
from verifier.signatures import Registers, jws_meter, open_jws
from verifier.substitutes import LIKE_MTUS_BACK, MeterReadings, Substitute, substitute_nonce
from verifier.transactions import Transactions
from verifier.verdict import Subject
from verifier.zones import zone_of

POWER_FLOOR_W = 1_000
"""A connection of less is believed to carry this."""

MEASURED, SUBSTITUTE = 0, 1
"""Qualities of a reading."""


REGISTERS_BACK_MTUS = 96
"""How far back a measured reading is looked for that bounds a hidden one."""


@dataclass(frozen=True, slots=True)
class Leaf:
    """A reading under an attested root, with its hash."""

    reading: Reading
    hash: str


@dataclass(frozen=True, slots=True)
class Energy:
    """Both channels, in Wh."""

    import_wh: int
    export_wh: int


@dataclass(frozen=True, slots=True)
class Begin:
    """Registers at which a leaf begins, and its balancing entry."""

    registers: Energy
    balancing: Energy


NO_ENERGY = Energy(0, 0)

Odd = TypeVar("Odd", Substitute, Begin)
"""What does not follow from the signed readings that were told."""


def difference(more: Energy, less: Energy) -> Energy:
    """The energy between two registers."""
    return Energy(more.import_wh - less.import_wh, more.export_wh - less.export_wh)


def registers_of(item: Reading | Registers) -> Energy:
    """Cumulative registers of a leaf or of a message."""
    if isinstance(item, Reading):
        return Energy(item.import_register_wh, item.export_register_wh)
    return Energy(item.import_wh, item.export_wh)


class Readings:
    """Messages, leaves and attestations of all meters."""

    def __init__(
        self, evidence: Evidence, erasures: Erasures, participants: Participants, transactions: Transactions
    ) -> None:
        self._evidence = evidence
        self._report = evidence.report
        self._erasures = erasures
        self._participants = participants
        self._transactions = transactions
        self._taken: set[tuple[str, Registers]] = set()  # by meter
        self._signed = defaultdict[tuple[str, int], list[Registers]](list)  # by meter and MTU
        self._sequences = defaultdict[tuple[str, int], list[Registers]](list)  # by meter and sequence
        self._leaves: dict[tuple[str, int], Reading] = {}  # the last by meter and MTU
        self._unneeded: dict[tuple[str, int], list[tuple[int, Subject]]] = defaultdict(list)
        self._odd: dict[tuple[str, int], list[tuple[int, Subject, Substitute, Substitute]]] = defaultdict(list)
        self._odd_begins: dict[tuple[str, int], list[tuple[int, Subject, Begin, Begin]]] = defaultdict(list)
        self._begun: dict[tuple[str, int], int] = {}  # the last revision that begins as the signed readings give
        self._resolved_in: dict[tuple[str, int], int | None] = {}  # block, by area and period
        self._told: dict[str, MeterReadings] = {}
        self._measured: dict[tuple[str, int], int] = {}  # the last revision on chain with a measured reading
        self._right: dict[tuple[str, int], int] = {}  # the last one with it, or with the substitute that follows
        self.attested: dict[tuple[str, int, int | None], list[Leaf]] = {}  # by area id, MTU, revision

    def reading_attested(self, fact: ReadingAttested) -> None:
        """Leaves follow from the meters' messages, attestations from the leaves; every registered meter has a leaf."""
        report = self._report
        report.ascending("mtu", [item.mtu for item in fact.attestations])
        report.ascending("messages", fact.messages)
        for at, jws in enumerate(fact.messages):
            with report.part(f"message {at}"):
                self.take_message(jws)
        fresh: dict[tuple[str, int], Reading] = {}
        for item in fact.attestations:
            with report.part(f"mtu {item.mtu} area {fact.area}"):
                self._check_attestation(fact, item, fresh)
        self._leaves |= fresh

    def _check_attestation(
        self, fact: ReadingAttested, item: Attestation, fresh: dict[tuple[str, int], Reading]
    ) -> None:
        """`fresh`: the leaves of this entry so far, which this attestation adds to."""
        area, mtu, report = ident(fact.area), item.mtu, self._report
        check = rule_of(report, "substitutes", CHECK_BY_SUBSTITUTE_RULE, fact.rules.substitutes)
        leaves = [Leaf(reading, tohex(reading_hash(reading))) for reading in item.readings]
        told = {"root": item.root, "count": item.count, "import_wh": item.import_wh, "export_wh": item.export_wh}
        due = {
            "root": merkle_root(unhex(leaf.hash) for leaf in leaves),
            "count": len(leaves),
            "import_wh": sum(reading.import_wh for reading in item.readings),
            "export_wh": sum(reading.export_wh for reading in item.readings),
        }
        report.same("attestation", told, due, "its readings give")
        report.same("period", fact.period, self._participants.period_of(area, mtu), "period.declared holds")
        registered = [
            now
            for meter in sorted(self._participants.meters, key=ident)
            if (now := self._participants.meter_at(meter, mtu)) and now.area == fact.area
        ]
        codes = [now.meter for now in registered]
        report.same("meters", [reading.meter for reading in item.readings], codes, "registered are")
        for now in registered:
            self._participants.check_read(now, mtu)
        keys = self._evidence.check_attestation(fact.area, item, self._participants.attesters(area))
        self._participants.wait_for("ReadingsAttested", keys)
        fresh |= {(reading.meter, mtu): reading for reading in item.readings}
        for reading in item.readings:
            before = fresh.get((reading.meter, mtu - 1)) or self._leaves.get((reading.meter, mtu - 1))
            with report.part(f"meter {reading.meter}"):
                check(self, reading, mtu, item.revision, [before] if before else [])
        self.attested[area, mtu, item.revision] = leaves
        report.counts["readings"] += len(leaves)
        if item.revision == 0:
            self.add_up(item.readings)
        self._participants.begin(area, mtu)

    def add_up(self, readings: Iterable[Reading]) -> None:
        """Count readings that were attested for the first time, and their energy."""
        totals = self._evidence.report.totals
        for reading in readings:
            totals.readings += 1
            totals.import_wh += reading.import_wh
            totals.export_wh += reading.export_wh

    def mtu_unread(self, fact: MtuUnread) -> None:
        """Unread on chain; its period is the one that holds it."""
        area = ident(fact.area)
        self._participants.on_chain_once(
            "mtu.unread", "ReadingsUnread", {"area": area, "mtu": fact.mtu}, {}, later=False
        )
        period = self._participants.period_of(area, fact.mtu)
        self._report.same("period", fact.period, period, "period.declared holds")
        self._participants.begin(area, fact.mtu)

    def is_erased(self, tx: str, period: PeriodKey | None = None) -> bool:
        """Whether a transaction was asked for by a `reading.attested` that is erased: only requests lie between."""
        asked = self._transactions.request_of(tx)
        source = self._erasures.last_before("reading.attested", asked)
        if source is None or not self._transactions.are_requests(range(source + 1, asked + 1)):
            return False
        return self._erasures.excuse("reading.attested", source, period)

    # ---- messages

    def take_message(self, jws: str) -> None:
        """Registers that a meter signed, under a key that is valid for each of them."""
        meter = jws_meter(jws)
        keys = tuple(item.public_key for item in self._participants.meters[meter])
        message, signer = self._evidence.cache.of(open_jws, jws, keys)  # a fact repeats messages of the one before
        for item in message.readings:
            held = [self._participants.meter_at(meter, mtu) for mtu in (item.mtu, item.mtu + 1)]
            if signer not in [now.public_key for now in held if now]:
                self._report.fail(f"the key that signed it is not valid for MTU {item.mtu}")
            if (meter, item) not in self._taken:
                self._taken.add((meter, item))
                self._readings_of(meter).take(item)
                self._signed[meter, item.mtu].append(item)
                self._sequences[meter, item.sequence].append(item)

    # ---- leaves

    def check_leaf(self, leaf: Reading, mtu: int, revision: int, before: Sequence[Reading]) -> None:
        """A measured reading is what its meter signed and nothing contradicts; interval energy is the difference of
        registers, or a balancing entry makes up for what can't be corrected before. Whether a substitute may stand, and
        a balancing entry, is seen in the end (`check_substitutes`).

        `before`: the meter's leaves of the MTU before.
        """
        report, signed = self._report, self._signed[leaf.meter, mtu]
        report.same("mtu", leaf.mtu, mtu, "the attestation is of")
        if leaf.quality == MEASURED:
            self._check_measured(leaf, mtu, signed)
            if self._evidence.chain is None or self._recorded(leaf.meter, mtu, revision) is not None:
                place = (leaf.meter, mtu)
                self._measured[place] = max(revision, self._measured.get(place, revision))
                self._right[place] = max(revision, self._right.get(place, revision))
        else:
            report.same("quality and sequence", (leaf.quality, leaf.sequence), (SUBSTITUTE, 0), "a substitute has")
            report.counts["substitutes"] += 1
            if not self._is_needed(leaf, mtu, signed):
                self._unneeded[leaf.meter, mtu].append((revision, report.subject))
            self._check_substitute(leaf, mtu, revision)
        self._check_begin(leaf, mtu, revision, before)
        falling = [name for name in ("import_wh", "export_wh") if getattr(leaf, name) < 0]
        report.none("registers that fall", falling)

    def _disputed(self, meter: str, signed: Sequence[Registers]) -> list[Registers]:
        """Signed readings of an MTU that another signed reading of this MTU or sequence contradicts."""
        told = {(item.mtu, registers_of(item)) for item in signed}
        if len(told) > 1:
            return list(signed)
        odd = {
            sequence
            for sequence in {item.sequence for item in signed}
            if any((other.mtu, registers_of(other)) not in told for other in self._sequences[meter, sequence])
        }
        return [item for item in signed if item.sequence in odd]

    def _check_measured(self, leaf: Reading, mtu: int, signed: Sequence[Registers]) -> None:
        """Registers, sequence and nonce are those of an undisputed message (evidence.md section 3,
        `reading.attested`)."""
        registers = registers_of(leaf)
        told = Registers(mtu, leaf.sequence, registers.import_wh, registers.export_wh, leaf.nonce)
        if told not in signed:
            expected: Any = signed[0] if signed else "nothing"
            self._report.fail(told, name="reading", source="the meter's signed message holds", expected=expected)
        disputed = self._disputed(leaf.meter, signed)
        self._report.none("signed readings that contradict each other", disputed)

    def _is_needed(self, leaf: Reading, mtu: int, signed: Sequence[Registers]) -> bool:
        """Whether no signed, undisputed reading had come that follows those before it, as attesters believe."""
        if len(signed) != 1 or self._disputed(leaf.meter, signed):
            return True
        return self._readings_of(leaf.meter).believed_at(mtu) is None

    def _readings_of(self, meter: str) -> MeterReadings:
        def most(mtu: int, mtus: int) -> tuple[int, int]:
            held = self._participants.meter_at(meter, mtu) or self._participants.meter_at(meter, mtu + 1)
            return most_believed(self._participants.party_at(held.point if held else None, mtu), mtus)

        return self._told.setdefault(meter, MeterReadings(meter, most))

    def _check_substitute(self, leaf: Reading, mtu: int, revision: int) -> None:
        """Registers and nonce follow from the readings told so far. Whoever is asked for one's own bundle alone is not
        told when which was known, nor the area's zone: there it stays open."""
        zone = self._zone_of(leaf.meter, mtu)
        if zone is None:
            return
        told = Substitute(leaf.import_register_wh, leaf.export_register_wh, leaf.nonce)
        due = list(self._readings_of(leaf.meter).substitutes(mtu, zone))
        place = (leaf.meter, mtu)
        if told not in due:
            self._odd[place].append((revision, self._report.subject, told, due[0]))
        elif self._evidence.chain is None or self._recorded(leaf.meter, mtu, revision) is not None:
            self._right[place] = max(revision, self._right.get(place, revision))

    def _zone_of(self, meter: str, mtu: int) -> ZoneInfo | None:
        now = self._participants.meter_at(meter, mtu)
        area = self._participants.areas.get(ident(now.area)) if now else None
        return None if area is None else zone_of(self._report, area.zone, "substitutes")

    def check_substitutes(self, end: int) -> None:
        """After all leaves: where a meter's signed reading had come, a later revision than the substitute's holds it;
        where a substitute, or a balancing entry, did not follow from what was told, a later one does.

        Attesters may sign a substitute just before the reading comes and show both; that the last word on chain is the
        meter's is what nobody may get around. `end`: the block up to which the bundle tells; a revision may be as late
        as a correction.
        """
        for (meter, mtu), unneeded in self._unneeded.items():
            for revision, subject in unneeded:
                if self._stands(meter, mtu, revision, self._measured, end):
                    with self._report.about(subject):
                        self._report.fail("a substitute stands where the meter's signed reading had come")
        for place, odd in self._odd.items():
            self._tell_odd("substitute", place, odd, self._right, end)
        for place, begins in self._odd_begins.items():
            self._tell_odd("begin", place, begins, self._begun, end)

    def _tell_odd(
        self,
        name: str,
        place: tuple[str, int],
        odd: Sequence[tuple[int, Subject, Odd, Odd]],
        right: Mapping[tuple[str, int], int],
        end: int,
    ) -> None:
        for revision, subject, told, due in odd:
            if not self._stands(*place, revision, right, end):
                continue
            if self._is_erased_before(*place):
                self._report.gap("substitutes that may rest on erased readings")
                continue
            with self._report.about(subject):
                self._report.fail(told, name=name, source="the signed readings give", expected=due)

    def _stands(self, meter: str, mtu: int, revision: int, mended: Mapping[tuple[str, int], int], end: int) -> bool:
        """Whether no later revision mended a leaf, and none is to be waited for."""
        if revision <= mended.get((meter, mtu), -1):
            return False
        recorded, chain = self._recorded(meter, mtu, revision), self._evidence.chain
        if chain and recorded and chain.seconds(recorded.block, end) <= GRACE_SECONDS:
            self._report.gap("substitutes that may still be corrected")
            return False
        return True

    def _is_erased_before(self, meter: str, mtu: int) -> bool:
        """Whether readings are erased that a substitute may rest on."""
        return any(self._is_erased_at(meter, at) for at in range(mtu - LIKE_MTUS_BACK, mtu + 1))

    def mtus_back(self, point: str | None, mtu: int) -> int:
        """How many MTUs before this one the last measured reading of a point lies that is open, as far as it is
        looked for."""
        codes = {item.meter for item in self._participants.meters_at.get(point or "", ())}
        found = (
            back
            for back in range(1, REGISTERS_BACK_MTUS)
            if any((code, mtu - back) in self._measured for code in codes)
        )
        return next(found, REGISTERS_BACK_MTUS)

    def _recorded(self, meter: str, mtu: int, revision: int) -> Event | None:
        """The event by which the chain recorded the attestation of a meter's reading."""
        now = self._participants.meter_at(meter, mtu)
        keys = {"area": ident(now.area if now else None), "mtu": mtu, "revision": revision}
        return self._evidence.seen.find("ReadingsAttested", keys)

    # ---- where leaves begin

    def _check_begin(self, leaf: Reading, mtu: int, revision: int, before: Sequence[Reading]) -> None:
        """A leaf begins at the registers of the leaf before it. Where that one takes no corrections any more, it begins
        at those that the signed readings give, and a balancing entry makes up for the difference."""
        registers = difference(registers_of(leaf), Energy(leaf.import_wh, leaf.export_wh))
        told = Begin(registers, Energy(leaf.balancing_import_wh, leaf.balancing_export_wh))
        bases = [Begin(registers_of(item), NO_ENERGY) for item in before]
        bases = bases or [Begin(registers_of(item), NO_ENERGY) for item in self._signed[leaf.meter, mtu - 1]]
        if not bases and self._moved_in(leaf.meter, mtu):
            self._report.gap("not verifiable here: energy of the first MTU at a point where another one stood before")
            return
        if self._report.kind == "personal" and told.balancing != NO_ENERGY:
            self._check_own_balancing(told, before)
            return
        may_be_closed, is_closed = self._closed_before(leaf.meter, mtu, revision)
        if told in (bases or [Begin(registers_of(leaf), NO_ENERGY)]) and not is_closed:
            return
        if not before and self._is_erased_at(leaf.meter, mtu - 1):
            return
        if before and not may_be_closed:
            self._report.fail(told, name="begin", source="the leaf before it gives", expected=bases[-1])
            return
        self._check_balancing(leaf, mtu, revision, told, before)

    def _check_balancing(self, leaf: Reading, mtu: int, revision: int, told: Begin, before: Sequence[Reading]) -> None:
        """Registers and balancing entry follow from the readings told so far."""
        zone = self._zone_of(leaf.meter, mtu)
        if zone is None:
            return
        due = [self._begin_due(leaf, mtu, Energy(*found), before) for found in self._registers_at(leaf, mtu, zone)]
        place = (leaf.meter, mtu)
        if told not in due:
            self._odd_begins[place].append((revision, self._report.subject, told, due[0]))
        elif self._evidence.chain is None or self._recorded(leaf.meter, mtu, revision) is not None:
            self._begun[place] = max(revision, self._begun.get(place, revision))

    def _check_own_balancing(self, told: Begin, before: Sequence[Reading]) -> None:
        """In a personal bundle, where neither periods nor the order in which readings came are told: the balancing
        entry makes up for a leaf before it. Whether that took no corrections any more stays open."""
        stands = [registers_of(item) for item in before if not self._is_unheard(item)]
        made_up = difference(told.registers, told.balancing)
        if stands and made_up not in stands:
            source = "the leaf before it and the balancing entry give"
            self._report.fail(told.registers, name="begin", source=source, expected=stands[-1])
            return
        self._report.gap("not verifiable here: that what balancing entries make up for took no corrections any more")

    def _registers_at(self, leaf: Reading, mtu: int, zone: ZoneInfo) -> Iterable[tuple[int, int]]:
        return self._readings_of(leaf.meter).registers_at(mtu - 1, zone)

    def _begin_due(self, leaf: Reading, mtu: int, registers: Energy, before: Sequence[Reading]) -> Begin:
        """Where a leaf begins and what its balancing entry is, if its meter stood at these registers before it."""
        if not before:
            return Begin(registers, NO_ENERGY)
        if not self._is_unheard(before[-1]):
            return Begin(registers, difference(registers, registers_of(before[-1])))
        first = self._readings_of(leaf.meter).first_before(mtu)  # nothing was known of the meter there
        return Begin(registers, difference(registers, registers_of(first)) if first else NO_ENERGY)

    def _is_unheard(self, leaf: Reading) -> bool:
        """Whether nothing was known of the meter when its leaf was attested."""
        return (leaf.quality, leaf.nonce) == (SUBSTITUTE, substitute_nonce(leaf.meter, leaf.mtu, None))

    def _closed_before(self, meter: str, mtu: int, revision: int) -> tuple[bool, bool]:
        """Whether the MTU before took no corrections any more when a leaf came on chain: whether it may be, and whether
        it is so for sure. An hour is left for what comes on chain later than it is recorded."""
        now, chain = self._participants.meter_at(meter, mtu), self._evidence.chain
        area = ident(now.area if now else None)
        number, defined = self._participants.period_of(area, mtu - 1), self._participants.areas.get(area)
        if number is None or number == self._participants.period_of(area, mtu):
            return False, False
        recorded = self._recorded(meter, mtu, revision)
        if chain is None or recorded is None or defined is None:
            return True, False
        resolved = self._resolved_at(area, number)
        if resolved is None:
            return False, False
        over = chain.seconds(resolved, recorded.block) - defined.horizon_seconds
        return over > -GRACE_SECONDS, over > GRACE_SECONDS

    def _resolved_at(self, area: str, period: int) -> int | None:
        """The block in which the last MTU of a period was attested first, or marked Unread; None before."""
        if (area, period) not in self._resolved_in:
            blocks = [self._resolved(area, mtu) for mtu in self._participants.mtus_of_period(area, period)]
            known = [block for block in blocks if block is not None]
            self._resolved_in[area, period] = max(known) if len(known) == len(blocks) else None
        return self._resolved_in[area, period]

    def _resolved(self, area: str, mtu: int) -> int | None:
        """The block in which an MTU was attested first, or marked Unread."""
        keys = {"area": area, "mtu": mtu}
        found = (
            self._evidence.seen.find("ReadingsAttested", {**keys, "revision": 0}),
            self._evidence.seen.find("ReadingsUnread", keys),
        )
        return next((event.block for event in found if event is not None), None)

    def _moved_in(self, meter: str, mtu: int) -> bool:
        """Whether the holder of a personal bundle came to a meter's point with this MTU: readings before are another
        one's, and not shown."""
        now = self._participants.meter_at(meter, mtu)
        party = self._participants.party_at(now.point, mtu) if now else None
        return self._report.kind == "personal" and party is not None and party.valid_from_mtu == mtu

    def _is_erased_at(self, code: str, mtu: int) -> bool:
        """Whether the attestation of an MTU is erased. The MTU before a meter's first one counts with it."""
        if not self._erasures.kinds:
            return False
        meter = self._participants.meter_at(code, mtu) or self._participants.meter_at(code, mtu + 1)
        keys = {"area": ident(meter.area if meter else None), "mtu": mtu, "revision": 0}
        event = self._evidence.seen.find("ReadingsAttested", keys)
        return event is not None and self.is_erased(event.tx)


CHECK_BY_SUBSTITUTE_RULE: Mapping[int, Callable[[Readings, Reading, int, int, Sequence[Reading]], None]] = {
    4: Readings.check_leaf
}
"""What checks a leaf, by the version of the rule for substitutes."""


def most_believed(party: Party | None, mtus: int) -> tuple[int, int]:
    """Wh drawn and fed in over some MTUs at 1.5 times the connection's power, at least 1 kW, rounded up."""
    if party is None:
        return 0, 0
    powers = (party.connection_import_w, party.connection_export_w)
    imported, exported = (max(watts, POWER_FLOOR_W) * 3 * mtus for watts in powers)
    return -(-imported // 8), -(-exported // 8)
