"""What attesters signed of meter readings, and what nobody attested in time."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated, Any

from pydantic import PlainSerializer, PlainValidator

from domain.errors import DominoesError
from domain.facts.base import Fact
from domain.members import (
    Code,
    EnergyWh,
    Hash,
    Mtu,
    Natural,
    Number,
    RuleVersion,
    Says,
    Signature,
    is_written_as,
)
from domain.readings import Reading


def _read_reading(value: object) -> Reading:
    if not isinstance(value, Mapping):
        raise ValueError("expected a reading")
    try:
        reading = Reading.from_json(dict[str, Any](value))
    except (KeyError, TypeError, DominoesError) as error:
        raise ValueError(f"not a reading: {error}") from error
    if not is_written_as(value, reading.as_json()) or not isinstance(reading.meter_code, str):
        raise ValueError("a reading has other members, or writes them differently")
    return reading


MeterReading = Annotated[
    Reading, PlainValidator(_read_reading), PlainSerializer(Reading.as_json), Says("members of a Reading")
]


@dataclass(frozen=True, slots=True)
class AttestedMtu:
    """The readings of one MTU under their root, in the order of its leaves, with the attesters' signatures.

    `count`, `import_wh` and `export_wh` (>= 0) are sums over all readings.
    """

    mtu: Mtu
    revision: Natural
    root: Hash
    count: Natural
    import_wh: EnergyWh
    export_wh: EnergyWh
    signatures: tuple[Signature, ...]
    readings: tuple[MeterReading, ...]


@dataclass(frozen=True, slots=True)
class ReadingRules:
    """Versions of the rules by which readings were believed."""

    substitutes: RuleVersion


@dataclass(frozen=True)
class ReadingAttested(Fact):
    """Readings of an area that m attesters signed, with the meters' messages (compact JWS) behind them, ascending.

    A message may stand in an earlier fact of the area instead, which may hold messages alone.
    """

    KIND = "reading.attested"
    area: Code
    period: Number
    attestations: tuple[AttestedMtu, ...]
    messages: tuple[str, ...]
    rules: ReadingRules


@dataclass(frozen=True)
class MtuUnread(Fact):
    """Nobody attested this MTU by its deadline, and the chain says so: it settles as traded until corrected."""

    KIND = "mtu.unread"
    area: Code
    period: Number
    mtu: Mtu

    @property
    def journal_key(self) -> str:
        """An MTU is marked once."""
        return f"{self.KIND}:{self.area}:{self.mtu}"
