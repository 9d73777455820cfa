"""Archives of a run or of a record: written, opened again and compared before anybody relies on them."""

from __future__ import annotations

import json
import os
import shutil
import tarfile
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from sqlalchemy import make_url

from domain.errors import DominoesError
from ledger_service.chain.embedded import PROCESS_FILE
from scripts.serving import copies
from scripts.serving.copies import Contents, NotABackup
from scripts.serving.embedded.owner import LOCK_SUFFIX, PRIVATE
from scripts.serving.embedded.run_folder import CHAIN_FOLDER, CONFIG_FILE, LOGS_FOLDER, RECORD_FILE

CONTENTS_FILE = "contents.json"
"""In an archive: what each of its databases holds. It is not unpacked."""

SQLITE_SUFFIX, DUMP_SUFFIX = ".sqlite", ".dump"

RECORD_DUMP = "record.dump"
"""A record that lay in PostgreSQL, in the archive of a record."""

SENDERS_FIRST = ("community.sqlite", "meters.sqlite", "attesters", RECORD_FILE)
"""Order of copying: whoever forgets what another has acknowledged is copied before that other. So what is on its way
while the copy is made is in it twice at worst, and repeats change nothing."""

LEFT_OUT = (LOGS_FOLDER, str(Path(CHAIN_FOLDER) / PROCESS_FILE))
"""Logs, and the process id of the running node: a copy must not take the original's node for its own."""

TRANSIENT_SUFFIXES = ("-wal", "-shm", ".partial", ".part", ".new", LOCK_SUFFIX)
"""Left out: what belongs to a database's open files (the copy is whole without), and half-written files."""


class TargetTaken(DominoesError):
    """A restore goes into an empty folder or database only."""

    code = "folder-taken"

    def __init__(self, *, place: str) -> None:
        self.place = place
        super().__init__(f"{place} is not empty; restore into another one, or empty it first (`dominoes reset`)")


@dataclass(frozen=True)
class Archived:
    """What was put into an archive: how many files, and what each database held."""

    files: int
    held: Mapping[str, Contents]


def write_run(state: Path, file: Path) -> Archived:
    """Archive a state folder, while it is used or not. Raises CopyDiffers, JournalBroken."""
    with tempfile.TemporaryDirectory() as scratch:
        held: dict[str, Contents] = {}
        sources: dict[str, Path] = {}
        for path in _files(state):
            name = str(path.relative_to(state))
            sources[name] = path
            if path.suffix == SQLITE_SUFFIX:
                sources[name] = Path(scratch) / f"{len(sources)}{SQLITE_SUFFIX}"
                held[name] = copies.copy_sqlite(path, sources[name])
        _write(file, sources, held)
    return Archived(len(sources), held)


def write_record(url: str, file: Path) -> Archived:
    """Archive a record alone, wherever it lies, while it is used or not.

    Raises CopyDiffers, JournalBroken, PostgresToolFailed.
    """
    with tempfile.TemporaryDirectory() as scratch:
        if copies.is_postgres(url):
            name, copy = RECORD_DUMP, Path(scratch) / RECORD_DUMP
            held = copies.dump_postgres(url, copy)
        else:
            name, copy = RECORD_FILE, Path(scratch) / RECORD_FILE
            held = copies.copy_sqlite(_path(url), copy)
        _write(file, {name: copy}, {name: held})
    return Archived(1, {name: held})


def _files(state: Path) -> list[Path]:
    """The files of a run in the order of copying."""

    def place(path: Path) -> tuple[int, Path]:
        first = path.relative_to(state).parts[0]
        return (SENDERS_FIRST.index(first) if first in SENDERS_FIRST else len(SENDERS_FIRST), path)

    found = [path for path in state.rglob("*") if path.is_file() and not path.name.endswith(TRANSIENT_SUFFIXES)]
    kept = [path for path in found if not any(path.relative_to(state).is_relative_to(name) for name in LEFT_OUT)]
    return sorted(kept, key=place)


def _write(file: Path, sources: Mapping[str, Path], held: Mapping[str, Contents]) -> None:
    """The archive under its name once it was opened again and found whole; nothing under that name before."""
    partial = file.with_name(file.name + ".partial")
    partial.unlink(missing_ok=True)
    partial.touch(mode=0o600)
    try:
        with tempfile.TemporaryDirectory() as scratch:
            contents = Path(scratch) / CONTENTS_FILE
            contents.write_text(json.dumps({name: each.as_json() for name, each in held.items()}, sort_keys=True))
            with tarfile.open(partial, "w:gz") as archive:
                archive.add(contents, arcname=CONTENTS_FILE)
                for name, source in sources.items():
                    archive.add(source, arcname=name)
            _extract(partial, Path(scratch) / "opened")
        with partial.open("rb") as written:
            os.fsync(written.fileno())
        partial.rename(file)
    finally:
        partial.unlink(missing_ok=True)


def _extract(file: Path, folder: Path) -> None:
    """Unpack an archive and check that each database holds what was copied. Raises NotABackup, CopyDiffers."""
    try:
        with tarfile.open(file) as archive:
            folder.mkdir(mode=PRIVATE)
            archive.extractall(folder, filter="data")
        listed = json.loads((folder / CONTENTS_FILE).read_text()) if (folder / CONTENTS_FILE).exists() else {}
    except (OSError, EOFError, tarfile.TarError, ValueError) as error:
        raise NotABackup(file=file, reason=str(error)) from error
    (folder / CONTENTS_FILE).unlink(missing_ok=True)
    for name in listed:
        if not (folder / name).is_file():
            raise NotABackup(file=file, reason=f"{name} is not in it")
    for path in sorted(folder.rglob("*")):
        name = str(path.relative_to(folder))
        if path.suffix not in (SQLITE_SUFFIX, DUMP_SUFFIX):
            continue
        opened = copies.open_sqlite(name, path) if path.suffix == SQLITE_SUFFIX else copies.open_postgres(path)
        if name in listed:  # archives of before the list are as good as their databases
            copies.compare(name, copied=_read(listed[name]), opened=opened)


def _read(listed: Mapping[str, object]) -> Contents:
    head = listed["head"]
    return Contents(rows=listed["rows"], head=None if head is None else (head[0], head[1]))  # type: ignore[arg-type,index]


def restore_run(file: Path, state: Path) -> None:
    """Unpack a run into an empty folder: it is there once all of it was checked. Raises TargetTaken, NotABackup,
    CopyDiffers, JournalBroken."""
    if state.exists() and any(state.iterdir()):
        raise TargetTaken(place=str(state))
    state.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=state.parent, prefix=f"{state.name}.") as beside:
        opened = Path(beside) / "opened"
        _extract(file, opened)
        if not (opened / CONFIG_FILE).is_file():
            raise NotABackup(file=file, reason=f"no {CONFIG_FILE} in it")
        if state.exists():
            state.rmdir()
        opened.rename(state)


def restore_record(file: Path, url: str) -> None:
    """Bring a record back into an empty database of the kind it came from, and check what is there then.

    Raises TargetTaken, NotABackup, CopyDiffers, JournalBroken, PostgresToolFailed.
    """
    with tempfile.TemporaryDirectory() as scratch:
        opened = Path(scratch) / "opened"
        _extract(file, opened)
        postgres = copies.is_postgres(url)
        copy = opened / (RECORD_DUMP if postgres else RECORD_FILE)
        if not copy.is_file():
            raise NotABackup(file=file, reason=f"no {copy.name} in it, as this kind of database needs")
        if postgres:
            if copies.count_tables(url):
                raise TargetTaken(place="the database")
            copies.restore_postgres(url, copy)
        else:
            path = _path(url)
            if path.exists():
                raise TargetTaken(place=str(path))
            partial = path.with_name(path.name + ".partial")
            shutil.copyfile(copy, partial)
            partial.rename(path)
    copies.verify_record(url)


def _path(url: str) -> Path:
    return Path(make_url(url).database or "")
