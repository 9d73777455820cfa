"""What each process needs of the settings, beyond what a single value can tell about itself."""

from __future__ import annotations

import ipaddress
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Literal

from contracts.keystore import is_exposed
from scripts.serving.settings import OrganisationSection, Settings
from scripts.serving.sources import SettingsInvalid

Process = Literal["service", "deploy", "attester", "signer", "desk", "roles", "broker", "anchors", "erasing", "backup"]
"""What is started with a settings file."""

AREA_ROLES = ("dso", "attester")
"""Roles whose keys count in one area."""

NEEDED: dict[Process, tuple[str, ...]] = {
    "service": (
        "database.url",
        "chain.rpc_url",
        "chain.deployment_file",
        "keys.operator",
        "keys.operator_password_file",
        "keys.tokens",
        "keys.auditor_seal",
    ),
    "deploy": ("chain.rpc_url", "chain.deployment_file", "deployment.key", "deployment.password_file"),
    "attester": (
        "attester.name",
        "attester.area",
        "attester.store",
        "attester.keystore",
        "attester.password_file",
        "attester.service_url",
        "chain.rpc_url",
        "chain.deployment_file",
        "mqtt.host",
    ),
    "signer": (
        "signer.role",
        "signer.keystore",
        "signer.password_file",
        "signer.service_url",
        "chain.rpc_url",
        "chain.deployment_file",
    ),
    "desk": (
        "desk.keystore",
        "desk.password_file",
        "desk.service_url",
        "desk.area",
        "desk.anchors",
        "desk.grid_model",
    ),
    "roles": ("signer.keystore", "signer.password_file", "chain.rpc_url", "chain.deployment_file"),
    "erasing": ("database.url",),
    "backup": ("database.url",),
    "broker": ("database.url", "mqtt.host", "mqtt.ca", "mqtt.certificate", "mqtt.key"),
    "anchors": ("chain.rpc_url", "chain.deployment_file"),
}
"""Settings without which the process can't do its work; `NEEDED_FILES` of them must be readable files."""

NEEDED_FILES: dict[Process, tuple[str, ...]] = {
    "service": (
        "chain.deployment_file",
        "keys.operator",
        "keys.operator_password_file",
        "api.certificate",
        "api.key",
    ),
    "deploy": ("deployment.key", "deployment.password_file"),
    "attester": (
        "attester.keystore",
        "attester.password_file",
        "attester.service_ca",
        "chain.deployment_file",
        "mqtt.ca",
        "mqtt.certificate",
        "mqtt.key",
    ),
    "signer": ("signer.keystore", "signer.password_file", "signer.service_ca", "chain.deployment_file"),
    "desk": ("desk.keystore", "desk.password_file", "desk.service_ca", "desk.anchors", "desk.grid_model"),
    "roles": ("signer.keystore", "signer.password_file", "chain.deployment_file"),
    "broker": (),
    "erasing": (),
    "backup": (),
    "anchors": ("chain.deployment_file",),
}

SECRETS: dict[Process, tuple[str, ...]] = {
    "service": ("keys.operator", "keys.operator_password_file"),
    "deploy": ("deployment.key", "deployment.password_file"),
    "attester": ("attester.keystore", "attester.password_file"),
    "signer": ("signer.keystore", "signer.password_file"),
    "desk": ("desk.keystore", "desk.password_file"),
    "roles": ("signer.keystore", "signer.password_file"),
    "erasing": ("keys.operator", "keys.operator_password_file"),
    "backup": ("keys.operator", "keys.operator_password_file"),
    "broker": ("keys.operator", "keys.operator_password_file"),
    "anchors": (),
}
"""Each party's keystore and its passphrase, by the process that reads them; no other one may be told of them."""


def require(settings: Settings, process: Process, *, files: bool = True) -> None:
    """Refuse settings with which the process can't work. Raises SettingsInvalid with everything that is wrong.

    `files` False leaves out whether files are there, as when the settings of another machine are looked at.
    """
    findings = [
        f"{name}: not set, and the {process} needs it" for name in NEEDED[process] if value(settings, name) is None
    ]
    if files:
        findings += _files(settings, process)
    findings += _keys_of_others(settings, process)
    if process == "service":
        findings += [*_exposure(settings), *_seal(settings)]
    if process in ("service", "deploy", "anchors"):
        findings += _organisations(settings)
    if process == "desk" and not settings.desk.markets:
        findings.append("desk.markets: not set, and the desk needs the rules of each market ([[desk.markets]])")
    if process == "attester" and (settings.mqtt.certificate is None) != (settings.mqtt.key is None):
        findings.append("mqtt.certificate: a client certificate needs both mqtt.certificate and mqtt.key")
    if findings:
        raise SettingsInvalid(findings=findings)


def value(settings: Settings, name: str) -> object:
    """The setting of this name, as `api.port`."""
    found: object = settings
    for part in name.split("."):
        found = getattr(found, part)
    return found


def given(text: str | None) -> str:
    """A value that `require` saw to. Raises ValueError where nobody asked it."""
    if text is None:
        raise ValueError("`require` lets no settings pass without this value")
    return text


def given_path(path: Path | None) -> Path:
    """A path that `require` saw to. Raises ValueError where nobody asked it."""
    if path is None:
        raise ValueError("`require` lets no settings pass without this path")
    return path


def is_loopback(host: str) -> bool:
    """Whether only this machine can reach what listens on this address."""
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def _files(settings: Settings, process: Process) -> Iterator[str]:
    for name in NEEDED_FILES[process]:
        path = value(settings, name)
        if isinstance(path, Path) and not (path.is_file() and os.access(path, os.R_OK)):
            yield f"{name}: {path} is no file that can be read"
        elif isinstance(path, Path) and name in SECRETS[process] and is_exposed(path):
            yield f"{name}: {path} can be read by everybody on this machine; make it its owner's alone (chmod 600)"


def _keys_of_others(settings: Settings, process: Process) -> Iterator[str]:
    """A process that is told where another party's key lies is on the wrong machine, or will be robbed of two at once.

    The broker's files are written by the operator, from the operator's file.
    """
    owners = {name: owner for owner, names in reversed(SECRETS.items()) for name in names}
    for name, owner in owners.items():
        if name not in SECRETS[process] and value(settings, name) is not None:
            yield f"{name}: another party's key has no place in the settings of the {process}; keep it with the {owner}"


def _exposure(settings: Settings) -> Iterator[str]:
    """Plain HTTP leaves this machine only towards a proxy that is named."""
    api = settings.api
    if (api.certificate is None) != (api.key is None):
        yield "api.certificate: TLS needs both api.certificate and api.key"
    elif api.certificate is None and not is_loopback(api.host) and not api.trusted_proxies:
        yield (
            f"api.host: {api.host} would speak plain HTTP beyond this machine; set api.certificate and api.key, "
            "listen on loopback, or name the proxy that ends TLS in api.trusted_proxies"
        )


def _seal(settings: Settings) -> Iterator[str]:
    text = settings.keys.auditor_seal
    if text is None:
        return
    try:
        good = len(bytes.fromhex(text.removeprefix("0x"))) == 32
    except ValueError:
        good = False
    if not good:
        yield "keys.auditor_seal: no X25519 public key: 64 hex digits"


def _organisations(settings: Settings) -> Iterator[str]:
    """Every role has its keys, no key two roles, and what counts in an area names it."""
    found = settings.organisations
    for role, least in (("operator", 1), ("treasurer", 1), ("registrar", 1), ("security_admin", 2), ("dso", 1)):
        count = sum(1 for item in found if item.role == role)
        if count < least:
            yield f"organisations: {count} of role {role}, at least {least} needed"
    attesters = sum(1 for item in found if item.role == "attester")
    if attesters < settings.deployment.attester_threshold:
        yield f"organisations: {attesters} attesters, deployment.attester_threshold asks for more"
    by_address: dict[str, OrganisationSection] = {}
    for item in found:
        if item.address in by_address:
            yield f"organisations: {item.name} and {by_address[item.address].name} have the same address"
        by_address[item.address] = item
        if (item.role in AREA_ROLES) != (item.area is not None):
            yield f"organisations: {item.name}: a {item.role} {'needs' if item.role in AREA_ROLES else 'has no'} area"
