"""The settings of one attester process: a TOML file, parsed once."""

from __future__ import annotations

import tomllib
from dataclasses import dataclass, fields
from pathlib import Path

from domain.hashing import from_hex
from oracle.attester.chain import Contracts
from oracle.attester.consensus.machine import CUT_OFF_S, PROPOSER_TIMEOUT_S
from oracle.mqtt import BrokerAddress

POLL_S = 0.25
"""Wall seconds between questions for market time: at an accelerated clock a quarter of an hour may pass in one."""

REGISTRY_S = 5.0
"""Wall seconds between questions for the registry and for the terms that are witnessed."""

SETTLEMENT_S = 1.0
"""Wall seconds between questions for settlements to sign."""


@dataclass(frozen=True)
class AttesterSettings:
    """Everything one attester needs; the node is one of its own choice.

    `service_ca` are the authorities trusted for an `https` service, None for the system's own. `keystore` is a keystore
    v3 file, `password_file` holds its passphrase. `cut_off_s` is market time after an MTU's end; all other `_s` are
    wall seconds.
    """

    name: str
    area: str
    store: Path
    broker: BrokerAddress
    service_url: str
    keystore: Path
    password_file: Path
    rpc_url: str
    contracts: Contracts
    service_ca: Path | None = None
    cut_off_s: int = CUT_OFF_S
    proposer_timeout_s: float = PROPOSER_TIMEOUT_S
    poll_s: float = POLL_S
    registry_s: float = REGISTRY_S
    settlement_s: float = SETTLEMENT_S


def read_settings(path: Path) -> AttesterSettings:
    """Parse the TOML file; paths in it are relative to it. Raises OSError, KeyError or tomllib.TOMLDecodeError."""
    data = tomllib.loads(path.read_text(encoding="utf-8"))
    base = path.parent

    def file_of(section: dict[str, object], name: str) -> Path | None:
        value = section.get(name)
        return None if value is None else base / str(value)

    broker = data["broker"]
    return AttesterSettings(
        name=data["name"],
        area=data["area"],
        store=base / data["store"],
        broker=BrokerAddress(
            host=broker["host"],
            port=int(broker["port"]),
            ca=file_of(broker, "ca"),
            certificate=file_of(broker, "certificate"),
            key=file_of(broker, "key"),
        ),
        service_url=data["service_url"],
        keystore=base / data["keystore"],
        password_file=base / data["password_file"],
        rpc_url=data["chain"]["rpc_url"],
        contracts=Contracts(**{item.name: from_hex(data["chain"][item.name]) for item in fields(Contracts)}),
        service_ca=file_of(data, "service_ca"),
        cut_off_s=int(data.get("cut_off_s", CUT_OFF_S)),
        proposer_timeout_s=float(data.get("proposer_timeout_s", PROPOSER_TIMEOUT_S)),
        poll_s=float(data.get("poll_s", POLL_S)),
        registry_s=float(data.get("registry_s", REGISTRY_S)),
        settlement_s=float(data.get("settlement_s", SETTLEMENT_S)),
    )
