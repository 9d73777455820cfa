"""Keys of meters: which signs what, from when until when."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace

from domain.parties import Meter, Participant
from domain.terms import EndedTerm, TermEnd, ends_of


@dataclass(frozen=True, slots=True)
class MeterKey:
    """One Ed25519 key of a meter. It signs registers at the end of MTUs from `valid_from_mtu` - 1 (the baseline) on,
    before `valid_until_mtu` (None while none replaced it, and the meter has no end). Connection powers in W.
    """

    meter_code: str
    point_code: str
    public_key: bytes
    valid_from_mtu: int
    valid_until_mtu: int | None
    connection_import_w: int
    connection_export_w: int

    def covers(self, mtu: int) -> bool:
        """Whether a register at the end of this MTU may be signed with the key."""
        return self.valid_from_mtu - 1 <= mtu and (self.valid_until_mtu is None or mtu < self.valid_until_mtu)


def meter_keys(
    meters: Iterable[Meter], parties: Iterable[Participant], ends: Iterable[TermEnd] = ()
) -> tuple[MeterKey, ...]:
    """The keys of meters with the connections of their points; a meter where nobody ever stood has none.

    A point's connection is the same for all who stand there one after the other.
    """
    ended = {name: end_mtu for (term, name), end_mtu in ends_of(ends).items() if term is EndedTerm.METER}
    standing = {party.point: party for party in parties if party.point is not None}
    return close_validity(
        MeterKey(
            meter_code=meter.meter,
            point_code=meter.point,
            public_key=meter.public_key,
            valid_from_mtu=meter.valid_from_mtu,
            valid_until_mtu=ended.get(meter.meter),
            connection_import_w=standing[meter.point].connection_import_w,
            connection_export_w=standing[meter.point].connection_export_w,
        )
        for meter in meters
        if meter.point in standing
    )


def close_validity(entries: Iterable[MeterKey]) -> tuple[MeterKey, ...]:
    """End each registration where a later key of the meter, or another meter at its point, begins, if not before."""
    begins: dict[tuple[str, str], int] = {}
    closed = []
    for entry in sorted(entries, key=lambda entry: entry.valid_from_mtu, reverse=True):
        keys = (("meter", entry.meter_code), ("point", entry.point_code))
        until = [begins[key] for key in keys if key in begins]
        until += [] if entry.valid_until_mtu is None else [entry.valid_until_mtu]
        closed.append(replace(entry, valid_until_mtu=min(until, default=None)))
        begins.update(dict.fromkeys(keys, entry.valid_from_mtu))
    return tuple(reversed(closed))
