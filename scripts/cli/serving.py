"""`dominoes serve`, `attester`, `deploy`, `signer`, `config`: the processes of production, a settings file each."""

from __future__ import annotations

import logging
import signal
import threading
from dataclasses import asdict
from pathlib import Path
from typing import Annotated

import typer

from contracts.keystore import make_key, read_key
from contracts.rpc import Rpc
from domain.hashing import to_hex
from scripts.cli.common import JsonOption, SetOption, console, guarded, show, show_rows
from scripts.serving.api_client import ApiClient
from scripts.serving.attester import run_attester
from scripts.serving.deployment_file import checked_deployment
from scripts.serving.needs import NEEDED, Process, given, given_path, require
from scripts.serving.private_files import keep_private
from scripts.serving.production.deploying import deploy as deploy_contracts
from scripts.serving.production.http import open_service
from scripts.serving.production.profiles import PROFILES
from scripts.serving.production.signer import OrganisationSigner
from scripts.serving.settings import Settings
from scripts.serving.sources import load
from scripts.serving.telemetry import set_up_logging

ConfigOption = Annotated[Path, typer.Option("--config", help="Settings file (TOML).")]

config_app = typer.Typer(help="Settings: what holds, where it came from, whether it will do.", no_args_is_help=True)
signer_app = typer.Typer(help="An organisation's own signer of its transactions.", no_args_is_help=True)


def _settings(config: Path, flags: list[str] | None, process: Process) -> Settings:
    settings = load(config, flags=flags or ()).settings
    require(settings, process)
    return settings


@guarded
def serve(config: ConfigOption, flags: SetOption = None) -> None:
    """Run the service: PostgreSQL, a chain node, the API over TLS; ends on SIGTERM and goes on where it was."""
    from scripts.serving.production.service import ProductionService  # the other processes need no web service

    keep_private()
    settings = _settings(config, flags, "service")
    set_up_logging(logging.INFO)
    ProductionService(settings).run()


@guarded
def attester(config: ConfigOption, flags: SetOption = None) -> None:
    """Run one attester with its own key, store and node."""
    raise typer.Exit(run_attester(config, flags=flags or ()))


@guarded
def deploy(config: ConfigOption, flags: SetOption = None, as_json: JsonOption = False) -> None:
    """Put the contracts on the chain, once, and write the deployment file that everybody works with."""
    settings = _settings(config, flags, "deploy")
    deployment = deploy_contracts(settings)
    shown = {"file": str(settings.chain.deployment_file), **deployment.as_json()}
    show(shown, as_json=as_json, title="deployed")


@guarded
def broker(
    config: ConfigOption,
    out: Annotated[Path, typer.Option(help="Folder for mosquitto.conf and its access list.")],
    flags: SetOption = None,
) -> None:
    """Write mosquitto's configuration and access list for all that is registered; send mosquitto SIGHUP afterwards."""
    from scripts.serving.production.broker import write_broker  # it opens the record, as the service does

    path = write_broker(_settings(config, flags, "broker"), out)
    console.print(f"wrote {path}", markup=False, highlight=False)


@guarded
def key(
    keystore: Annotated[Path, typer.Argument(help="Keystore file to make.")],
    password_file: Annotated[Path, typer.Option(help="File with the passphrase; made where there is none.")],
    as_json: JsonOption = False,
) -> None:
    """Make a key of one's own and print its address, the only thing that others need."""
    address = make_key(keystore=keystore, password_file=password_file)
    show({"address": to_hex(address), "keystore": str(keystore)}, as_json=as_json, title="made")


def _signer(config: Path, flags: list[str] | None) -> tuple[OrganisationSigner, Settings]:
    settings = _settings(config, flags, "signer")
    section = settings.signer
    key = read_key(keystore=given_path(section.keystore), password_file=given_path(section.password_file))
    rpc = Rpc(given(settings.chain.rpc_url))
    deployment = checked_deployment(given_path(settings.chain.deployment_file), rpc=rpc)
    rpc.close()
    signer = OrganisationSigner(
        role=given(section.role),
        key=key,
        api=ApiClient(http=open_service(given(section.service_url), ca=section.service_ca), key=key),
        deployment=deployment,
        profile=PROFILES[settings.chain.profile],
        approve=frozenset(section.approve),
    )
    return signer, settings


@signer_app.command("run")
@guarded
def signer_run(config: ConfigOption, flags: SetOption = None) -> None:
    """Sign what `signer.approve` names as it comes, until SIGTERM."""
    keep_private()
    signer, settings = _signer(config, flags)
    set_up_logging(logging.INFO)
    stopping = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: stopping.set())
    signer.run(stopping=stopping, every_seconds=settings.signer.follow_seconds)


@signer_app.command("list")
@guarded
def signer_list(config: ConfigOption, flags: SetOption = None, as_json: JsonOption = False) -> None:
    """The calls that wait for this organisation's signature."""
    signer, _ = _signer(config, flags)
    rows = [{"call": item.number, "function": item.name, "args": item.call.args} for item in signer.waiting()]
    show_rows(rows, as_json=as_json, title="calls to sign")


@signer_app.command("sign")
@guarded
def signer_sign(
    call: Annotated[int, typer.Argument(help="Number of the call, from the list.")],
    config: ConfigOption,
    flags: SetOption = None,
    as_json: JsonOption = False,
) -> None:
    """Sign one call by its number and hand it back."""
    signer, _ = _signer(config, flags)
    show({"call": call, "tx_hash": signer.sign(call)}, as_json=as_json, title="signed")


@config_app.command("show")
@guarded
def config_show(
    config: Annotated[Path | None, typer.Option("--config", help="Settings file (TOML); else defaults.")] = None,
    flags: SetOption = None,
    as_json: JsonOption = False,
) -> None:
    """Print every setting and where it came from; passwords within addresses are masked."""
    rows = [asdict(item) for item in load(config, flags=flags or ()).shown()]
    show_rows(rows, as_json=as_json, title="settings")


@config_app.command("check")
@guarded
def config_check(
    config: ConfigOption,
    process: Annotated[
        str, typer.Option("--for", help="service, deploy, attester, signer, desk, roles, broker or anchors.")
    ],
    files: Annotated[bool, typer.Option(help="Also look whether the files named are there.")] = True,
    flags: SetOption = None,
) -> None:
    """Say everything that is wrong with the settings, one line each; exit 2 where something is."""
    known: dict[str, Process] = {name: name for name in NEEDED}
    if process not in known:
        raise typer.BadParameter(f"{process!r} is none of {', '.join(NEEDED)}", param_hint="--for")
    require(load(config, flags=flags or ()).settings, known[process], files=files)
    console.print(f"{config}: good for the {process}", markup=False, highlight=False)
