"""The settings of one attester process: a TOML file, parsed once."""

from __future__ import annotations

import tomllib
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, ValidationError

from domain.errors import DominoesError
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


class SettingsUnusable(DominoesError):
    """A settings file is no TOML, or a setting in it is missing or of the wrong form."""

    code = "attester-settings-unusable"

    def __init__(self, *, path: Path, reason: str) -> None:
        self.path, self.reason = path, reason
        super().__init__(f"{path} can't be used: {reason}; correct it (docs/operations.md)")


def read_settings(path: Path) -> AttesterSettings:
    """Parse the TOML file; paths in it are relative to it. Raises OSError or SettingsUnusable."""
    try:
        found = _File.model_validate(tomllib.loads(path.read_text(encoding="utf-8")))
    except tomllib.TOMLDecodeError as error:
        raise SettingsUnusable(path=path, reason=str(error)) from error
    except ValidationError as error:
        first = error.errors(include_url=False, include_context=False, include_input=False)[0]
        name = ".".join(str(part) for part in first["loc"])
        raise SettingsUnusable(path=path, reason=f"{name}: {first['msg']}") from error
    return found.settings(path.parent)


def _address(value: str) -> bytes:
    address = from_hex(value)
    if len(address) != 20:
        raise ValueError("an address has 20 bytes")
    return address


_Address = Annotated[bytes, BeforeValidator(_address)]
_Seconds = Annotated[float, Field(gt=0, strict=True)]


class _Section(BaseModel):
    """A part of the file: a name that is not known, or a value of another type, is refused."""

    model_config = ConfigDict(extra="forbid")


class _Broker(_Section):
    host: str
    port: int = Field(ge=1, le=65_535, strict=True)
    ca: Path | None = None
    certificate: Path | None = None
    key: Path | None = None


class _Chain(_Section):
    rpc_url: str
    calendar: _Address
    market: _Address
    readings: _Address
    roles: _Address
    settlement: _Address


class _File(_Section):
    name: str
    area: str
    store: Path
    broker: _Broker
    service_url: str
    keystore: Path
    password_file: Path
    chain: _Chain
    service_ca: Path | None = None
    cut_off_s: int = Field(CUT_OFF_S, ge=0, strict=True)
    proposer_timeout_s: _Seconds = PROPOSER_TIMEOUT_S
    poll_s: _Seconds = POLL_S
    registry_s: _Seconds = REGISTRY_S
    settlement_s: _Seconds = SETTLEMENT_S

    def settings(self, base: Path) -> AttesterSettings:
        """The settings, with paths relative to a folder."""

        def beside(path: Path | None) -> Path | None:
            return None if path is None else base / path

        broker = self.broker
        return AttesterSettings(
            name=self.name,
            area=self.area,
            store=base / self.store,
            broker=BrokerAddress(
                host=broker.host,
                port=broker.port,
                ca=beside(broker.ca),
                certificate=beside(broker.certificate),
                key=beside(broker.key),
            ),
            service_url=self.service_url,
            keystore=base / self.keystore,
            password_file=base / self.password_file,
            rpc_url=self.chain.rpc_url,
            contracts=Contracts(**self.chain.model_dump(exclude={"rpc_url"})),
            service_ca=beside(self.service_ca),
            cut_off_s=self.cut_off_s,
            proposer_timeout_s=self.proposer_timeout_s,
            poll_s=self.poll_s,
            registry_s=self.registry_s,
            settlement_s=self.settlement_s,
        )
