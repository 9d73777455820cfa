"""Whose readings and whose signatures count in an area: its meters, attesters, periods and deadlines.

Facts of the journal, handed to attesters by the service as one JSON object.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any
from zoneinfo import ZoneInfo

from domain.eip712 import Domain
from domain.hashing import from_hex, text_id, to_hex
from domain.members import noun_json, noun_read
from domain.meters import MeterKey, meter_keys
from domain.mtu import mtu_end
from domain.parties import Meter, Participant
from domain.periods import Period
from domain.terms import TermEnd

INCLUSION_MARGIN_S = 300
"""Market seconds before its deadline from which revision 0 is given up: time for the chain to include it."""


@dataclass(frozen=True, slots=True)
class AttesterEntry:
    """An attester of the area: its name in topics, its signing address, the organisation it acts for."""

    name: str
    address: bytes
    organisation: str


@dataclass(frozen=True)
class MeteringArea:
    """Everything an attester needs to know of the area of this code: whose readings and whose signatures count.

    `zone`: in which its local days are meant. `readings_domain`: where receipts and attestations count;
    `settlement_domain`: where the signatures under `meters`, `parties` and `ends` do, which are not looked at here.
    """

    code: str
    zone: str
    attesters: tuple[AttesterEntry, ...]
    threshold: int
    attest_seconds: int
    horizon_seconds: int
    chain_id: int
    readings_contract: bytes
    settlement_contract: bytes
    meters: tuple[Meter, ...]
    parties: tuple[Participant, ...]
    periods: tuple[Period, ...]
    ends: tuple[TermEnd, ...] = ()
    _keys: dict[str, tuple[MeterKey, ...]] = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        keys: dict[str, tuple[MeterKey, ...]] = {}
        for entry in sorted(meter_keys(self.meters, self.parties, self.ends), key=lambda entry: -entry.valid_from_mtu):
            keys[entry.meter_code] = (*keys.get(entry.meter_code, ()), entry)
        object.__setattr__(self, "_keys", keys)

    @property
    def area_id(self) -> bytes:
        """keccak of the area code."""
        return text_id(self.code)

    @property
    def zone_info(self) -> ZoneInfo:
        """The zone in which local days are meant."""
        return ZoneInfo(self.zone)

    @property
    def readings_domain(self) -> Domain:
        """EIP-712 domain of the Readings contract."""
        return Domain(chain_id=self.chain_id, verifying_contract=self.readings_contract)

    @property
    def settlement_domain(self) -> Domain:
        """EIP-712 domain of the Settlement contract."""
        return Domain(chain_id=self.chain_id, verifying_contract=self.settlement_contract)

    def attest_until(self, mtu: int) -> int:
        """Last market second at which revision 0 of an MTU is handed in; after it the MTU waits to be marked Unread."""
        margin_s = min(INCLUSION_MARGIN_S, self.attest_seconds // 4)
        period = self.period_of(mtu)
        begins = mtu_end(mtu) if period is None else period.time_from(mtu + 1)
        return begins + self.attest_seconds - margin_s

    def takes_corrections(self, period: Period, *, market_time: int) -> bool:
        """Whether readings of a period are still corrected: until the horizon after all its MTUs were resolved."""
        return period.resolved_at is None or market_time <= period.resolved_at + self.horizon_seconds

    def is_final(self, mtu: int, *, market_time: int) -> bool:
        """Whether readings of an MTU of a declared period are not corrected any more."""
        period = self.period_of(mtu)
        return period is not None and not self.takes_corrections(period, market_time=market_time)

    @property
    def meter_codes(self) -> tuple[str, ...]:
        """The meters at whose points somebody stands."""
        return tuple(self._keys)

    def keys_of(self, meter_code: str) -> tuple[MeterKey, ...]:
        """The keys ever registered for a meter, newest first; empty for an unknown meter."""
        return self._keys.get(meter_code, ())

    def meters_at(self, mtu: int) -> list[MeterKey]:
        """The meters of which one reading is due for this MTU, with the key that is valid then, by meter id."""
        due = []
        for keys in self._keys.values():
            entry = next((key for key in keys if key.valid_from_mtu <= mtu and key.covers(mtu)), None)
            if entry is not None:
                due.append(entry)
        return sorted(due, key=lambda entry: text_id(entry.meter_code))

    def period_of(self, mtu: int) -> Period | None:
        """The declared period that contains the MTU."""
        return next((period for period in self.periods if mtu in period), None)

    def attester_named(self, name: str) -> AttesterEntry | None:
        """The attester of this name."""
        return next((entry for entry in self.attesters if entry.name == name), None)

    def attester_at(self, address: bytes) -> AttesterEntry | None:
        """The attester who signs with this address."""
        return next((entry for entry in self.attesters if entry.address == address), None)

    def as_json(self) -> dict[str, Any]:
        """JSON form, as the service serves it."""
        return {
            "area": self.code,
            "zone": self.zone,
            "attesters": [
                {"name": entry.name, "address": to_hex(entry.address), "organisation": entry.organisation}
                for entry in self.attesters
            ],
            "threshold": self.threshold,
            "attest_seconds": self.attest_seconds,
            "horizon_seconds": self.horizon_seconds,
            "chain_id": self.chain_id,
            "readings_contract": to_hex(self.readings_contract),
            "settlement_contract": to_hex(self.settlement_contract),
            "meters": [noun_json(meter) for meter in self.meters],
            "parties": [noun_json(party) for party in self.parties],
            "ends": [noun_json(end) for end in self.ends],
            "periods": [
                {
                    "period": period.number,
                    "first_mtu": period.first_mtu,
                    "count": period.count,
                    "declared_at": period.declared_at,
                    "resolved_at": period.resolved_at,
                }
                for period in self.periods
            ],
        }

    @classmethod
    def from_json(cls, data: dict[str, Any]) -> MeteringArea:
        """Read the JSON form. Raises KeyError or ValueError."""
        return cls(
            code=data["area"],
            zone=data["zone"],
            attesters=tuple(
                AttesterEntry(
                    name=entry["name"], address=from_hex(entry["address"]), organisation=entry["organisation"]
                )
                for entry in data["attesters"]
            ),
            threshold=data["threshold"],
            attest_seconds=data["attest_seconds"],
            horizon_seconds=data["horizon_seconds"],
            chain_id=data["chain_id"],
            readings_contract=from_hex(data["readings_contract"]),
            settlement_contract=from_hex(data["settlement_contract"]),
            meters=tuple(noun_read(Meter, entry) for entry in data["meters"]),
            parties=tuple(noun_read(Participant, entry) for entry in data["parties"]),
            ends=tuple(noun_read(TermEnd, entry) for entry in data["ends"]),
            periods=tuple(
                Period(
                    area=data["area"],
                    number=entry["period"],
                    first_mtu=entry["first_mtu"],
                    count=entry["count"],
                    declared_at=entry["declared_at"],
                    resolved_at=entry["resolved_at"],
                )
                for entry in data["periods"]
            ),
        )
