"""`dominoes backup` and `dominoes restore`: everything a run needs, in one file, taken while it runs or not."""

from __future__ import annotations

import sqlite3
import tarfile
import tempfile
from pathlib import Path
from typing import Annotated

import typer

from domain.errors import DominoesError
from ledger_service.chain.embedded import PROCESS_FILE
from scripts.cli.common import DEFAULT_STATE, JsonOption, StateOption, guarded, show
from scripts.serving.embedded.owner import LOCK_SUFFIX
from scripts.serving.embedded.run_folder import CHAIN_FOLDER, CONFIG_FILE, LOGS_FOLDER, RECORD_FILE, read_config

SQLITE_SUFFIX = ".sqlite"
SENDERS_FIRST = ("community.sqlite", "meters.sqlite", "attesters", RECORD_FILE)
"""Order of copying: whoever forgets what another has acknowledged is copied before that other. So what is on its way
while the copy is made is in it twice at worst, and repeats change nothing."""

LEFT_OUT = (LOGS_FOLDER, str(Path(CHAIN_FOLDER) / PROCESS_FILE))
"""Logs, and the process id of the running node: a copy must not take the original's node for its own."""

TRANSIENT_SUFFIXES = ("-wal", "-shm", ".partial", ".part", ".new", LOCK_SUFFIX)
"""Left out: what belongs to a database's open files (the copy is whole without), and half-written files."""


class FolderTaken(DominoesError):
    """A restore goes into an empty folder only."""

    code = "folder-taken"

    def __init__(self, *, folder: Path) -> None:
        self.folder = folder
        super().__init__(f"{folder} is not empty; restore into another folder, or `dominoes reset` first")


class NotABackup(DominoesError):
    """The file is no backup of a run."""

    code = "not-a-backup"

    def __init__(self, *, file: Path, reason: str) -> None:
        self.file, self.reason = file, reason
        super().__init__(f"{file} is no backup of a run: {reason}; give a file written by `dominoes backup`")


@guarded
def backup(
    file: Annotated[Path, typer.Argument(help="File to write (.tar.gz).")],
    state: StateOption = DEFAULT_STATE,
    as_json: JsonOption = False,
) -> None:
    """Copy databases consistently (SQLite's own online backup), keys, settings and the chain's last state.

    Readable by its owner only: it holds the keys.

    What the chain has beyond its state file is replayed from the record at the next start.
    """
    read_config(state)
    names: list[str] = []
    partial = file.with_name(file.name + ".partial")
    partial.unlink(missing_ok=True)
    partial.touch(mode=0o600)
    with tempfile.TemporaryDirectory() as scratch, tarfile.open(partial, "w:gz") as archive:
        for path in _files(state):
            relative = path.relative_to(state)
            source = path
            if path.suffix == SQLITE_SUFFIX:
                source = Path(scratch) / f"{len(names)}{SQLITE_SUFFIX}"
                _copy_database(path, source)
            archive.add(source, arcname=str(relative))
            names.append(str(relative))
    partial.rename(file)
    show({"file": str(file), "bytes": file.stat().st_size, "files": len(names)}, as_json=as_json, title="backup")


def _files(state: Path) -> list[Path]:
    """The files of a run in the order of copying."""

    def place(path: Path) -> tuple[int, Path]:
        first = path.relative_to(state).parts[0]
        return (SENDERS_FIRST.index(first) if first in SENDERS_FIRST else len(SENDERS_FIRST), path)

    found = [path for path in state.rglob("*") if path.is_file() and not path.name.endswith(TRANSIENT_SUFFIXES)]
    kept = [path for path in found if not any(path.relative_to(state).is_relative_to(name) for name in LEFT_OUT)]
    return sorted(kept, key=place)


def _copy_database(source: Path, target: Path) -> None:
    with sqlite3.connect(f"file:{source}?mode=ro", uri=True) as origin, sqlite3.connect(target) as copy:
        origin.backup(copy)
    copy.close()
    origin.close()


@guarded
def restore(
    file: Annotated[Path, typer.Argument(help="File written by `dominoes backup`.")],
    state: StateOption = DEFAULT_STATE,
    as_json: JsonOption = False,
) -> None:
    """Unpack a backup into an empty state folder; the next `make run` goes on from there."""
    if state.exists() and any(state.iterdir()):
        raise FolderTaken(folder=state)
    try:
        with tarfile.open(file) as archive:
            if CONFIG_FILE not in archive.getnames():
                raise NotABackup(file=file, reason=f"no {CONFIG_FILE} in it")
            state.mkdir(parents=True, exist_ok=True)
            archive.extractall(state, filter="data")
    except (OSError, tarfile.TarError) as error:
        raise NotABackup(file=file, reason=str(error)) from error
    show({"state": str(state), "grid": read_config(state).grid}, as_json=as_json, title="restored")
