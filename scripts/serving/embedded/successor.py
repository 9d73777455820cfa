"""A run that takes over from another: its folder, its contracts on the other's chain, and settings for who signs."""

from __future__ import annotations

import json
import shutil
import sqlite3
from contextlib import closing
from dataclasses import replace
from datetime import date
from pathlib import Path

from ledger_service.chain.ports import free_port
from oracle.transactions import open_read_only
from scripts.community.run_config import ATTESTER_NAMES, RunConfig
from scripts.serving.embedded.keys import keystore_of, make_keys, password_file_of, read_addresses
from scripts.serving.embedded.organisations import ROLES
from scripts.serving.embedded.run_folder import (
    ACCOUNT_KEYS,
    COMMUNITY_FILE,
    CONFIG_FILE,
    DEPLOYMENT_FILE,
    HOUSEHOLD_KEYS,
    KEYS_FOLDER,
    ORGANISATION_KEYS,
    node_url,
    read_config,
    write_config,
)
from scripts.serving.embedded.service import DEPLOYER, settings_of
from scripts.serving.production.deploying import deploy
from scripts.serving.settings import Settings

SETTINGS_FOLDER = "handover"
"""Settings files, below the state, of those who sign the handover and of who takes the accounts over."""

SHARED_KEYS = ("dso", *ATTESTER_NAMES, *ACCOUNT_KEYS, *HOUSEHOLD_KEYS)
"""Keys that sign for both runs. All others send transactions, and two services would take each other's nonces."""

SIGNERS = ("operator", "dso", *ATTESTER_NAMES, "registrar")
"""Who agrees that the area leaves, each with its key of the run before."""

TAKE_OVER_FILE = "take-over.toml"

PROFILE = "qbft"
"""Of the chains outside, the one like the embedded: gas is free, a block is final at once."""


def prepare(*, before: Path, state: Path, first_day: date, last_day: date | None = None) -> None:
    """Make the folder of a run that takes over from the one in `before`, which must be running, and deploy its
    contracts; what is there already stays. Market design and people are those of the run before.

    Raises StateMissing, or what keeps the contracts from being deployed.
    """
    before, state = before.resolve(), state.resolve()
    config = replace(
        read_config(before),
        predecessor=str(before),
        first_day=first_day.isoformat(),
        last_day=None if last_day is None else last_day.isoformat(),
        http_port=free_port(),
        mqtt_port=free_port(),
    )
    for name in SHARED_KEYS:
        shutil.copytree(before / KEYS_FOLDER / name, state / KEYS_FOLDER / name, dirs_exist_ok=True)
    make_keys(state / KEYS_FOLDER, ORGANISATION_KEYS)
    _copy_community(before / COMMUNITY_FILE, state / COMMUNITY_FILE)
    if not (state / CONFIG_FILE).exists():
        write_config(state, config)
    if not (state / DEPLOYMENT_FILE).exists():
        deploy(_deployer(state, read_config(state)))
    _write_settings(before, state)


def _copy_community(source: Path, target: Path) -> None:
    """The devices' keys, while the run before uses its file."""
    if target.exists():
        return
    with closing(open_read_only(source)) as old, closing(sqlite3.connect(target)) as new:
        old.backup(new)


def _deployer(state: Path, config: RunConfig) -> Settings:
    """What `dominoes deploy` needs; market time is that of the run before."""
    keys = state / KEYS_FOLDER
    settings = settings_of(state, config, read_addresses(keys, ROLES))
    own = {"key": keystore_of(keys, DEPLOYER), "password_file": password_file_of(keys, DEPLOYER)}
    return settings.model_copy(
        update={
            "chain": settings.chain.model_copy(update={"rpc_url": node_url(state), "profile": PROFILE}),
            "deployment": settings.deployment.model_copy(update=own),
        }
    )


def _write_settings(before: Path, state: Path) -> None:
    folder = state / SETTINGS_FOLDER
    folder.mkdir(exist_ok=True)
    for name in SIGNERS:
        (folder / f"{name}.toml").write_text(_desk(before, name))
    (folder / TAKE_OVER_FILE).write_text(_desk(state, "operator"))


def _desk(state: Path, name: str) -> str:
    """Settings as for `dominoes roles`: a key, the node, and the deployment to work on."""
    keys = state / KEYS_FOLDER
    lines = [
        "[signer]",
        f"keystore = {json.dumps(str(keystore_of(keys, name)))}",
        f"password_file = {json.dumps(str(password_file_of(keys, name)))}",
        "[chain]",
        f"rpc_url = {json.dumps(node_url(state))}",
        f"profile = {json.dumps(PROFILE)}",
        f"deployment_file = {json.dumps(str(state / DEPLOYMENT_FILE))}",
    ]
    return "\n".join(lines) + "\n"
