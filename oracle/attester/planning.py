"""Which MTUs are due for an attestation, and with which leaves: the same answer wherever the same readings are held."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from domain.hashing import MAX_SAFE_INTEGER, from_hex, to_hex
from domain.meters import Registry
from domain.mtu import MTU_SECONDS, mtu_end, mtu_start
from domain.periods import Period
from domain.readings import Attestation, Quality, Reading, in_leaf_order
from oracle.attester.book import MeterBook
from oracle.bounds import whole
from settling.attestations import ATTESTATIONS_MAX, LEAVES_PER_PAGE
from settling.substitutes import leaves


@dataclass(frozen=True)
class AttestedMtu:
    """Where an MTU stands: the next revision, the leaves last attested by meter and their root (None if none).

    `included`: one's own node shows this revision with this root; until then the attestation may yet be lost.
    """

    next_revision: int
    leaves: Mapping[str, Reading] | None
    root: bytes | None = None
    included: bool = False


@dataclass(frozen=True)
class Entry:
    """One MTU of a proposal. `readings` are in leaf order."""

    mtu: int
    revision: int
    readings: tuple[Reading, ...]

    def attestation(self, area_id: bytes) -> Attestation:
        """What is signed for it."""
        return Attestation.of(area=area_id, mtu=self.mtu, revision=self.revision, readings=self.readings)


@dataclass(frozen=True)
class Proposal:
    """Entries of one period, derived from registers up to the end of `horizon_mtu`."""

    period: int
    horizon_mtu: int
    entries: tuple[Entry, ...]

    def as_json(self) -> dict[str, Any]:
        """JSON form; readings as rows."""
        return {
            "period": self.period,
            "horizon": self.horizon_mtu,
            "entries": [
                {
                    "mtu": entry.mtu,
                    "revision": entry.revision,
                    "readings": [_row(reading) for reading in entry.readings],
                }
                for entry in self.entries
            ],
        }

    @classmethod
    def from_json(cls, data: dict[str, Any]) -> Proposal:
        """Read the JSON form. Raises KeyError, ValueError, TypeError or OutOfRange."""
        entries = []
        for entry in data["entries"]:
            mtu = whole(entry["mtu"])
            readings = tuple(_unrow(mtu, row) for row in entry["readings"])
            entries.append(Entry(mtu=mtu, revision=whole(entry["revision"]), readings=readings))
        if len(entries) > ATTESTATIONS_MAX:
            raise ValueError(f"more than {ATTESTATIONS_MAX} MTUs")
        return cls(period=whole(data["period"]), horizon_mtu=whole(data["horizon"]), entries=tuple(entries))


def _row(reading: Reading) -> list[Any]:
    return [
        reading.meter_code,
        reading.import_register_wh,
        reading.export_register_wh,
        reading.import_wh,
        reading.export_wh,
        reading.sequence,
        int(reading.quality),
        to_hex(reading.nonce),
    ]


def _unrow(mtu: int, row: list[Any]) -> Reading:
    meter, import_register, export_register, import_wh, export_wh, sequence, quality, nonce = row
    nonce_bytes = from_hex(nonce)
    if len(nonce_bytes) != 32 or not isinstance(meter, str):
        raise ValueError("a row is no reading: its meter is no code, or its nonce has not 32 bytes")
    for number in (import_register, export_register, import_wh, export_wh, sequence, quality):
        whole(number, highest=MAX_SAFE_INTEGER)
    return Reading(
        meter_code=meter,
        mtu=mtu,
        import_register_wh=import_register,
        export_register_wh=export_register,
        import_wh=import_wh,
        export_wh=export_wh,
        sequence=sequence,
        quality=Quality(quality),
        nonce=nonce_bytes,
    )


@dataclass
class Situation:
    """What a plan follows from. `through_mtu`: every MTU up to it has been attested (or can't be any more)."""

    registry: Registry
    books: Mapping[str, MeterBook]
    attested: dict[int, AttestedMtu]
    through_mtu: int
    dirty: dict[str, int] = field(default_factory=dict)
    """lowest MTU per meter about which something was learnt after it had been attested"""


def newest_due(*, registry: Registry, market_time: int, cut_off_s: int) -> int:
    """The last MTU of a declared period whose cut-off has passed; -1 if there is none."""
    last_ended = (market_time - cut_off_s) // MTU_SECONDS - 1
    ends = [min(period.end_mtu - 1, last_ended) for period in registry.periods]
    begun = [end for period, end in zip(registry.periods, ends, strict=True) if end >= period.first_mtu]
    return max(begun, default=-1)


def correctable_from(*, registry: Registry, market_time: int) -> int:
    """The first MTU whose period still takes corrections."""
    open_periods = [
        period.first_mtu
        for period in registry.periods
        if mtu_start(period.end_mtu) + registry.horizon_seconds > market_time
    ]
    return min(open_periods, default=0)


def _begin_of_change(situation: Situation, meter_code: str, *, floor_mtu: int, horizon_mtu: int) -> int:
    """First MTU of a meter whose leaf may differ from the attested one."""
    book, first_new = situation.books[meter_code], situation.through_mtu + 1
    begin = first_new
    if meter_code in situation.dirty:
        before = book.believed_before(situation.dirty[meter_code])
        begin = min(begin, floor_mtu if before is None else before.mtu + 1)
    last = situation.attested.get(situation.through_mtu)
    leaf = last.leaves.get(meter_code) if last is not None and last.leaves is not None else None
    if leaf is not None and leaf.quality is Quality.SUBSTITUTE and book.believes_between(first_new, horizon_mtu):
        before = book.believed_before(first_new)
        begin = min(begin, floor_mtu if before is None else before.mtu + 1)
    return max(begin, floor_mtu)


def desired(
    *,
    registry: Registry,
    book: MeterBook,
    first_mtu: int,
    last_mtu: int,
    horizon_mtu: int,
) -> dict[int, Reading]:
    """The leaves a meter should have, by MTU, for those MTUs of the range in which it is registered."""
    code = book.key.meter_code
    keys = registry.keys_of(code)
    first = max(first_mtu, min(key.valid_from_mtu for key in keys))
    if first > last_mtu:
        return {}
    known = book.believed_around(first_mtu=first, last_mtu=horizon_mtu)
    derived = leaves(meter_code=code, known=known, first_mtu=first, last_mtu=last_mtu)
    return {
        reading.mtu: reading
        for reading in derived
        if any(key.valid_from_mtu <= reading.mtu and key.covers(reading.mtu) for key in keys)
    }


def plan(situation: Situation, *, horizon_mtu: int, floor_mtu: int) -> Proposal | None:
    """The next proposal, None where nothing is due: MTUs not attested yet, and attested ones whose leaves changed.

    `floor_mtu` is the first MTU that may still be corrected.
    """
    registry, first_new = situation.registry, situation.through_mtu + 1
    wanted: dict[int, dict[str, Reading]] = {
        mtu: {} for mtu in range(max(first_new, floor_mtu), horizon_mtu + 1) if _leaves_of(situation, mtu) is None
    }
    for code, book in situation.books.items():
        begin = _begin_of_change(situation, code, floor_mtu=floor_mtu, horizon_mtu=horizon_mtu)
        found = desired(registry=registry, book=book, first_mtu=begin, last_mtu=horizon_mtu, horizon_mtu=horizon_mtu)
        for mtu, reading in found.items():
            attested = _leaves_of(situation, mtu)
            if attested is None or attested.get(code) != reading:
                wanted.setdefault(mtu, {})[code] = reading
    return _paged(situation, wanted, horizon_mtu)


def _leaves_of(situation: Situation, mtu: int) -> Mapping[str, Reading] | None:
    stands = situation.attested.get(mtu)
    return None if stands is None else stands.leaves


def _paged(situation: Situation, wanted: dict[int, dict[str, Reading]], horizon_mtu: int) -> Proposal | None:
    entries: list[Entry] = []
    period: Period | None = None
    total = 0
    for mtu in sorted(wanted):
        belongs = situation.registry.period_of(mtu)
        if belongs is None:
            continue
        stands = situation.attested.get(mtu)
        due = {key.meter_code for key in situation.registry.meters_at(mtu)}
        merged = dict(_leaves_of(situation, mtu) or {})
        merged.update(wanted[mtu])
        readings = tuple(in_leaf_order([reading for code, reading in merged.items() if code in due]))
        total += len(readings)
        if period is not None and (belongs != period or total > LEAVES_PER_PAGE):
            break
        period = belongs
        revision = 0 if stands is None else stands.next_revision
        entries.append(Entry(mtu=mtu, revision=revision, readings=readings))
    if period is None:
        return None
    return Proposal(period=period.number, horizon_mtu=horizon_mtu, entries=tuple(entries))


@dataclass(frozen=True)
class Difference:
    """Where a proposal and one's own derivation part: (meter, MTU), the proposed leaf and one's own (None = none)."""

    meter_code: str
    mtu: int
    proposed: Reading | None
    own: Reading | None


def differences(proposal: Proposal, *, registry: Registry, books: Mapping[str, MeterBook]) -> list[Difference]:
    """All leaves on which the proposal and one's own derivation differ."""
    proposed = {(reading.meter_code, entry.mtu): reading for entry in proposal.entries for reading in entry.readings}
    own: dict[tuple[str, int], Reading] = {}
    for first, last in _runs(sorted({entry.mtu for entry in proposal.entries})):
        for code, book in books.items():
            found = desired(
                registry=registry, book=book, first_mtu=first, last_mtu=last, horizon_mtu=proposal.horizon_mtu
            )
            own.update({(code, mtu): reading for mtu, reading in found.items()})
    return [
        Difference(meter_code=code, mtu=mtu, proposed=proposed.get((code, mtu)), own=own.get((code, mtu)))
        for code, mtu in sorted(proposed.keys() | own.keys())
        if proposed.get((code, mtu)) != own.get((code, mtu))
    ]


def _runs(mtus: list[int]) -> list[tuple[int, int]]:
    """Consecutive MTUs as (first, last)."""
    runs: list[tuple[int, int]] = []
    for mtu in mtus:
        if runs and mtu == runs[-1][1] + 1:
            runs[-1] = (runs[-1][0], mtu)
        else:
            runs.append((mtu, mtu))
    return runs


def has_ended(mtu: int, *, market_time: int, cut_off_s: int) -> bool:
    """Whether the cut-off of an MTU has passed."""
    return mtu_end(mtu) + cut_off_s <= market_time
