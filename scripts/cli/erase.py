"""`dominoes erase`: the data protection desk of the operator empties what an account traded, once nothing needs it."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from domain.hashing import to_hex
from ledger_service.erasure.operations import erase_account
from ledger_service.record import Record, sqlite_url
from scripts.cli.common import JsonOption, SetOption, address_of, guarded, show
from scripts.serving.embedded.run_folder import RECORD_FILE, read_config
from scripts.serving.needs import given, require
from scripts.serving.sources import load


def _record(state: Path | None, config: Path | None, flags: list[str] | None) -> Record:
    """The record of a run in a state folder, or the one that settings name."""
    if (state is None) == (config is None):
        raise typer.BadParameter("give either --state or --config", param_hint="--state")
    if state is not None:
        read_config(state)
        return Record.open(sqlite_url(state / RECORD_FILE))
    settings = load(config, flags=flags or ()).settings
    require(settings, "erasing")
    return Record.open(given(settings.database.url))


@guarded
def erase(
    account: Annotated[str, typer.Argument(help="Settlement account, 0x hex.")],
    before_mtu: Annotated[int, typer.Option("--before-mtu", min=1, help="Erase what is about MTUs before this one.")],
    reason: Annotated[str, typer.Option(help="Stands in public; must name nobody.")],
    state: Annotated[Path | None, typer.Option("--state", help="State folder of a run.")] = None,
    config: Annotated[Path | None, typer.Option("--config", help="Settings file (TOML) that names the record.")] = None,
    flags: SetOption = None,
    as_json: JsonOption = False,
) -> None:
    """Erase an account's orders, cancels and schedules for good, of periods that are Final and audited.

    The service may run meanwhile. Again: what is left by then; nothing where a first time came to its end. Bundles
    and backups made before hold what they hold: see docs/operations.md.
    """
    record = _record(state, config, flags)
    entries = orders = 0
    try:
        more, sequence = True, None
        while more:
            made = erase_account(record, account=to_hex(address_of(account)), before_mtu=before_mtu, reason=reason)
            entries, orders = entries + made.entries, orders + made.orders
            more, sequence = made.more, made.sequence or sequence
    finally:
        record.close()
    told = {"erased_entries": entries, "erased_orders": orders, "erasure_sequence": sequence}
    show(told, as_json=as_json, title="erased")
