"""The town's meters: registers that rise with what flowed, signed and published by the meter client."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path

from nacl.signing import SigningKey as MeterKey

from domain.metering_area import AttesterEntry
from domain.signing import SigningKey
from oracle.meters.fleet import Measurement, MeterFleet, ReceiptTrust
from oracle.meters.log import MeterLog
from oracle.mqtt import BrokerAddress
from scripts.community.households import metered_wh
from scripts.community.run_config import ATTESTER_NAMES, ATTESTER_THRESHOLD
from scripts.community.town import Town

METER_LOG_FILE = "meters.sqlite"

Envelopes = Mapping[tuple[str, int], tuple[int | None, int | None]]
"""(point code, MTU) -> (import cap, export cap) in Wh, None where there is none: the set-points controllers got."""


class TownMeters:
    """All meters of the town; each keeps its registers in the meters' own log."""

    def __init__(
        self,
        *,
        town: Town,
        state: Path,
        readings_per_message: int,
        broker_of: Callable[[str], BrokerAddress] | None = None,
    ) -> None:
        """`broker_of` gives a meter, by its code, a connection with its own certificate; else all share one."""
        self._town = town
        keys: Mapping[str, SigningKey] = town.organisations
        attesters = tuple(
            AttesterEntry(name=name, address=keys[name].address, organisation=name) for name in ATTESTER_NAMES
        )
        self._log = MeterLog(state / METER_LOG_FILE)
        self._fleet = MeterFleet(
            area=town.config.area,
            log=self._log,
            trust=ReceiptTrust(attesters=attesters, threshold=ATTESTER_THRESHOLD, domain=town.domain("Readings")),
            shared=None if broker_of else BrokerAddress(host="127.0.0.1", port=town.config.mqtt_port),
            readings_per_message=readings_per_message,
        )
        for house in town.households:
            address = None if broker_of is None else broker_of(house.meter_code)
            self._fleet.add(meter_code=house.meter_code, key=MeterKey(house.meter_secret), address=address)
        self._fleet.start(timeout_s=None)

    def stop(self) -> None:
        """Disconnect; what has no receipts yet is sent at the next start."""
        self._fleet.stop()
        self._log.close()

    def waiting(self) -> int:
        """Messages that have not got receipts from enough attesters."""
        return self._fleet.waiting()

    def baseline(self, mtu: int) -> None:
        """Publish where the registers of new meters stand at the end of this MTU: zero."""
        fresh = [house for house in self._town.households if self._fleet.position(house.meter_code) is None]
        self._fleet.record(Measurement(house.meter_code, mtu, 0, 0) for house in fresh)

    def measure(self, *, net_wh: Mapping[int, list[int]], envelopes: Envelopes) -> None:
        """Publish what flowed; `net_wh[mtu][household]`, + = import. What a meter has signed already is passed over."""
        readings = []
        for house in self._town.households:
            position = self._fleet.position(house.meter_code)
            last, drawn, fed = (-1, 0, 0)
            if position is not None:
                last, drawn, fed = position.last_mtu, position.import_register_wh, position.export_register_wh
            for mtu in sorted(net_wh):
                if mtu <= last:
                    continue
                cap_import, cap_export = envelopes.get((house.point.code, mtu), (None, None))
                flowed = metered_wh(
                    actual_net_wh=net_wh[mtu][house.at],
                    import_cap_wh=cap_import,
                    export_cap_wh=cap_export,
                    at=house.at,
                )
                drawn, fed = drawn + flowed[0], fed + flowed[1]
                readings.append(Measurement(house.meter_code, mtu, drawn, fed))
        self._fleet.record(readings)
