"""`dominoes backup` and `dominoes restore`: everything a run needs, or a record alone, in one file that was opened."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from scripts.cli.common import DEFAULT_STATE, JsonOption, MaybeConfigOption, SetOption, StateOption, guarded, show
from scripts.serving import archive
from scripts.serving.embedded.run_folder import RECORD_FILE, read_config
from scripts.serving.needs import given, require
from scripts.serving.sources import load


def _record_url(config: Path, flags: list[str] | None) -> str:
    settings = load(config, flags=flags or ()).settings
    require(settings, "backup")
    return given(settings.database.url)


@guarded
def backup(
    file: Annotated[Path, typer.Argument(help="File to write (.tar.gz).")],
    state: StateOption = DEFAULT_STATE,
    config: MaybeConfigOption = None,
    flags: SetOption = None,
    as_json: JsonOption = False,
) -> None:
    """Copy databases consistently (SQLite's own online backup), keys, settings and the chain's last state; with
    `--config`, the record alone that those settings name (PostgreSQL's own dump where it lies there).

    Readable by its owner only: it holds the keys. Taken while the run goes on or not. The archive is opened again
    before it gets its name: the journal is recomputed, its head and the rows of each table are those that were copied.

    What the chain has beyond its state file is replayed from the record at the next start.
    """
    if config is None:
        read_config(state)
        archived = archive.write_run(state, file)
    else:
        archived = archive.write_record(_record_url(config, flags), file)
    held = archived.held
    record = held.get(RECORD_FILE) or held.get(archive.RECORD_DUMP)
    head = (0, None) if record is None or record.head is None else record.head
    told = {
        "file": str(file),
        "bytes": file.stat().st_size,
        "files": archived.files,
        "databases": len(held),
        "rows": sum(sum(each.rows.values()) for each in held.values()),
        "journal_sequence": head[0],
        "journal_head": head[1],
    }
    show(told, as_json=as_json, title="backup")


@guarded
def restore(
    file: Annotated[Path, typer.Argument(help="File written by `dominoes backup`.")],
    state: StateOption = DEFAULT_STATE,
    config: MaybeConfigOption = None,
    flags: SetOption = None,
    as_json: JsonOption = False,
) -> None:
    """Unpack a backup into an empty state folder, from which the next `make run` goes on; with `--config`, a record
    into the empty database that those settings name. It is checked as `dominoes backup` checks it."""
    if config is None:
        archive.restore_run(file, state)
        show({"state": str(state), "grid": read_config(state).grid}, as_json=as_json, title="restored")
    else:
        archive.restore_record(file, _record_url(config, flags))
        show({"record": "restored"}, as_json=as_json, title="restored")
