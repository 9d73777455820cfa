"""What one attester is given: values; whoever starts it has read them from somewhere (`scripts.serving.settings`)."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from oracle.attester.chain import Contracts
from oracle.mqtt import BrokerAddress


@dataclass(frozen=True)
class Timing:
    """How often things are done: wall seconds, but for the cut-off, which is market time.

    `cut_off_s`: from an MTU's end until its readings are proposed. `proposer_timeout_s`: without progress, until the
    next attester in turn proposes. `poll_s`, `registry_s`, `settlement_s`: between questions for market time, for the
    registry and the terms that are witnessed, and for settlements to sign.
    """

    cut_off_s: int
    proposer_timeout_s: float
    poll_s: float
    registry_s: float
    settlement_s: float


@dataclass(frozen=True)
class AttesterSettings:
    """Everything one attester needs; the node is one of its own choice.

    `service_ca` are the authorities trusted for an `https` service, None for the public ones. `keystore` is a keystore
    v3 file, `password_file` holds its passphrase.
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
    service_ca: Path | None
    timing: Timing
