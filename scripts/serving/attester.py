"""From the settings file to what an attester is given; the attester itself knows nothing of our files."""

from __future__ import annotations

from oracle.attester.chain import Contracts
from oracle.attester.settings import AttesterSettings
from oracle.mqtt import BrokerAddress
from scripts.serving.deployment_file import read_deployment_file
from scripts.serving.needs import given, given_path
from scripts.serving.settings import Settings


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
            calendar=addresses["Calendar"],
            market=addresses["Market"],
            readings=addresses["Readings"],
            roles=addresses["Roles"],
            settlement=addresses["Settlement"],
        ),
        service_ca=section.service_ca,
        cut_off_s=section.cut_off_seconds,
        proposer_timeout_s=section.proposer_timeout_seconds,
        poll_s=section.poll_seconds,
        registry_s=section.registry_seconds,
        settlement_s=section.settlement_seconds,
    )
