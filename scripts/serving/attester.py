"""One attester as a process: from the settings to what it is given; the attester itself knows nothing of our files.

`dominoes attester --config FILE`, and `python -m scripts.serving.attester --config FILE`, which loads nothing else of
the command line: a demo runs three of them beside everything else.
"""

from __future__ import annotations

import argparse
import logging
import sys
from collections.abc import Sequence
from pathlib import Path

from domain.errors import DominoesError
from oracle.attester.chain import Contracts
from oracle.attester.run import run
from oracle.attester.settings import AttesterSettings, Timing
from oracle.mqtt import BrokerAddress
from scripts.serving.deployment_file import read_deployment_file
from scripts.serving.needs import given, given_path, require
from scripts.serving.private_files import keep_private
from scripts.serving.settings import Settings
from scripts.serving.sources import load
from scripts.serving.telemetry import set_up_logging

UNUSABLE = 2
"""Exit status for settings, keys or files that can't be used."""


def attester_settings(settings: Settings) -> AttesterSettings:
    """What one attester needs, from settings that passed `require`. Raises DeploymentFileUnusable."""
    section, mqtt = settings.attester, settings.mqtt
    addresses = read_deployment_file(given_path(settings.chain.deployment_file)).addresses
    return AttesterSettings(
        name=given(section.name),
        area=given(section.area),
        store=given_path(section.store),
        broker=BrokerAddress(
            host=given(mqtt.host), port=mqtt.port, ca=mqtt.ca, certificate=mqtt.certificate, key=mqtt.key
        ),
        service_url=given(section.service_url),
        keystore=given_path(section.keystore),
        password_file=given_path(section.password_file),
        rpc_url=given(settings.chain.rpc_url),
        contracts=Contracts(
            accounts=addresses["Accounts"],
            calendar=addresses["Calendar"],
            market=addresses["Market"],
            readings=addresses["Readings"],
            roles=addresses["Roles"],
            settlement=addresses["Settlement"],
        ),
        service_ca=section.service_ca,
        timing=Timing(
            cut_off_s=section.cut_off_seconds,
            proposer_timeout_s=section.proposer_timeout_seconds,
            poll_s=section.poll_seconds,
            registry_s=section.registry_seconds,
            settlement_s=section.settlement_seconds,
        ),
    )


def run_attester(config: Path, *, flags: Sequence[str] = ()) -> int:
    """Run one attester by its settings file until it is told to stop; the exit status of `oracle.attester.run`.

    Raises SettingsInvalid, DeploymentFileUnusable, or what `oracle.attester.run` raises.
    """
    keep_private()
    settings = load(config, flags=flags).settings
    require(settings, "attester")
    set_up_logging(logging.INFO)
    return run(attester_settings(settings))


def main() -> int:
    """Run one attester; exit status UNUSABLE where it can't start, with a line for each reason."""
    parser = argparse.ArgumentParser(prog="python -m scripts.serving.attester", description="one attester")
    parser.add_argument("--config", type=Path, required=True, help="settings file (TOML)")
    try:
        return run_attester(parser.parse_args().config)
    except DominoesError as error:
        print(f"{error.code}: {error}", file=sys.stderr)
        return UNUSABLE


if __name__ == "__main__":
    sys.exit(main())
