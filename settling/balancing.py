"""Balancing entries: what a meter metered where nothing can be corrected any more, beyond what was attested there.

Rule (a pure function of what the meter signed and of what was attested): the leaf of the first MTU that takes
corrections begins at the registers that the readings give, whatever was attested for the MTU before. The difference
between the two is the leaf's balancing entry, each channel for itself, + = more was metered than was attested. So a
meter that says something new about the time before stops nobody, and over any time the energy of its leaves and its
balancing entries add up to what its registers rose by.

Where an MTU was attested before anything was known of its meter, its registers of 0 say nothing; then the meter's first
reading stands in their place, so that what it had counted before it was installed is nobody's energy.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

from domain.attestations import Leaves
from domain.readings import Quality, Reading
from domain.registers import RegisterReading
from settling.substitutes import unheard_nonce


@dataclass(frozen=True, slots=True)
class Closed:
    """Where corrections end: `first_mtu` is the first MTU that takes them, `leaves` what stands for the one before it
    (None: nothing was attested there)."""

    first_mtu: int
    leaves: Leaves | None

    def balanced(self, reading: Reading, *, first: RegisterReading | None) -> Reading:
        """The leaf with its balancing entry, if it has one. `first`: the meter's first reading before its MTU."""
        attested = (self.leaves or {}).get(reading.meter_code)
        if reading.mtu != self.first_mtu or attested is None:
            return reading
        begins = reading.begins_wh
        if not was_unheard(attested):
            stands = attested.import_register_wh, attested.export_register_wh
        elif first is not None:
            stands = first.import_register_wh, first.export_register_wh
        else:
            stands = begins
        return replace(reading, balancing_import_wh=begins[0] - stands[0], balancing_export_wh=begins[1] - stands[1])

    @property
    def unheard(self) -> frozenset[str]:
        """The meters of which nothing was known there."""
        return frozenset(code for code, leaf in (self.leaves or {}).items() if was_unheard(leaf))


def was_unheard(leaf: Reading) -> bool:
    """Whether nothing at all was known of the meter when its leaf was attested."""
    return leaf.quality is Quality.SUBSTITUTE and leaf.nonce == unheard_nonce(meter_id=leaf.meter_id, mtu=leaf.mtu)


def goes_on(reading: Reading, before: Mapping[str, Reading] | None, *, is_closed: bool) -> bool:
    """Whether a leaf goes on from the leaves `before`, those of the MTU before it, or has a balancing entry instead.

    `is_closed`: those take no corrections any more. Where none of its meter stands there, nothing is to be compared:
    where the meter began follows from its readings alone.
    """
    earlier = (before or {}).get(reading.meter_code)
    begins, balancing = reading.begins_wh, reading.balancing_wh
    if earlier is None or not is_closed:
        stands = begins if earlier is None else (earlier.import_register_wh, earlier.export_register_wh)
        return begins == stands and not any(balancing)
    if was_unheard(earlier):
        return all(0 <= energy <= register for energy, register in zip(balancing, begins, strict=True))
    return begins == (
        earlier.import_register_wh + balancing[0],
        earlier.export_register_wh + balancing[1],
    )
