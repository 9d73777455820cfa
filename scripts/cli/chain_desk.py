"""What commands share that send calls to the contracts with a key, over a node, of one's own."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import typer

from contracts.bindings import Call
from contracts.deploy import Deployment
from contracts.keystore import read_key
from contracts.rpc import Rpc
from domain.signing import Signer
from scripts.cli.common import show
from scripts.serving.deployment_file import checked_deployment
from scripts.serving.needs import given, given_path, require
from scripts.serving.production.profiles import PROFILES
from scripts.serving.production.roles import RolesDesk
from scripts.serving.sources import load

ConfigOption = Annotated[Path, typer.Option("--config", help="Settings file (TOML) with your own key and node.")]


@dataclass(frozen=True)
class ChainDesk:
    """One key, one node, and the deployment that the settings name."""

    key: Signer
    rpc: Rpc
    deployment: Deployment
    sender: RolesDesk

    def send(self, call: Call, *, as_json: bool) -> None:
        """Send a call and say under which hash."""
        tx_hash = self.sender.send(call)
        show({"function": f"{call.contract}.{call.function}", "tx_hash": tx_hash}, as_json=as_json, title="done")


@contextmanager
def open_desk(config: Path, flags: list[str] | None) -> Iterator[ChainDesk]:
    """The desk that the settings describe; its node is left at the end."""
    settings = load(config, flags=flags or ()).settings
    require(settings, "roles")
    section = settings.signer
    key = read_key(keystore=given_path(section.keystore), password_file=given_path(section.password_file))
    rpc = Rpc(given(settings.chain.rpc_url))
    try:
        deployment = checked_deployment(given_path(settings.chain.deployment_file), rpc=rpc)
        sender = RolesDesk(key=key, rpc=rpc, deployment=deployment, profile=PROFILES[settings.chain.profile])
        yield ChainDesk(key=key, rpc=rpc, deployment=deployment, sender=sender)
    finally:
        rpc.close()


def send_call(config: Path, flags: list[str] | None, call: Call, *, as_json: bool) -> None:
    """Send one call from the desk that the settings describe."""
    with open_desk(config, flags) as desk:
        desk.send(call, as_json=as_json)
