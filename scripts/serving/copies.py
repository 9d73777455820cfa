"""Copies of databases as a backup keeps them: what each holds is counted where it is copied, and again in the copy."""

from __future__ import annotations

import os
import re
import shutil
import sqlite3
import subprocess
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path

from sqlalchemy import URL, func, inspect, make_url, select, table, text

from domain.errors import DominoesError
from domain.hashing import to_hex
from ledger_service.record import Record, sqlite_url
from oracle.transactions import open_read_only

JOURNAL = "journal_entry"
"""The table of the journal's headers, which tells a record from any other database."""

_POSTGRES_COPY = re.compile(r'^COPY (?:\w+|"[^"]+")\.(?P<table>\w+) \((?P<columns>[^)]*)\) FROM stdin;$')
_POSTGRES_END = "\\."
_POSTGRES_BYTES = "\\\\x"
"""How pg_restore writes bytes: a backslash, itself escaped, and hex digits."""


class NotABackup(DominoesError):
    """The file is no backup that can be gone on from."""

    code = "not-a-backup"

    def __init__(self, *, file: Path, reason: str) -> None:
        self.file, self.reason = file, reason
        super().__init__(f"{file} is no backup of a run: {reason}; give a file written by `dominoes backup`")


class CopyDiffers(DominoesError):
    """A copy does not hold what its original held when it was made."""

    code = "copy-differs"

    def __init__(self, *, name: str, what: str) -> None:
        self.name, self.what = name, what
        super().__init__(f"the copy of {name} is not what was copied: {what}; make another, and look at the disk")


class PostgresToolFailed(DominoesError):
    """PostgreSQL's own program for dumps is missing, or says no."""

    code = "postgres-tool-failed"

    def __init__(self, *, tool: str, reason: str) -> None:
        self.tool, self.reason = tool, reason
        super().__init__(f"{tool}: {reason}; install PostgreSQL's client programs of the server's version")


@dataclass(frozen=True)
class Contents:
    """What a database holds: rows by table and, of a record, the journal's last sequence and hash (0x hex)."""

    rows: Mapping[str, int]
    head: tuple[int, str] | None = None

    def as_json(self) -> dict[str, object]:
        """As a backup's list of contents has it."""
        return {"rows": dict(self.rows), "head": None if self.head is None else list(self.head)}


def compare(name: str, *, copied: Contents, opened: Contents) -> None:
    """That a copy holds what was copied. Raises CopyDiffers."""
    if copied.head != opened.head:
        raise CopyDiffers(name=name, what=f"the journal ends at {opened.head}, not at {copied.head}")
    for each in sorted({*copied.rows, *opened.rows}):
        if copied.rows.get(each) != opened.rows.get(each):
            raise CopyDiffers(name=name, what=f"{opened.rows.get(each)} rows in {each}, not {copied.rows.get(each)}")


def copy_sqlite(source: Path, target: Path) -> Contents:
    """Copy a database that others may be writing, and say what one and the same state of it held."""
    with closing(open_read_only(source)) as origin, closing(sqlite3.connect(target)) as copy:
        origin.execute("BEGIN")  # what is counted first is what the copy gets: both read the state of this transaction
        held = _held(origin)
        origin.backup(copy)
    return held


def open_sqlite(name: str, path: Path) -> Contents:
    """What a copied database holds, after its pages and, of a record, every hash of the journal were checked.

    Raises CopyDiffers or JournalBroken.
    """
    try:
        with closing(open_read_only(path)) as db:
            findings = [row[0] for row in db.execute("PRAGMA integrity_check(1)")]
            held = _held(db)
    except sqlite3.Error as error:
        raise CopyDiffers(name=name, what=str(error)) from error
    if findings != ["ok"]:
        raise CopyDiffers(name=name, what=findings[0])
    if held.head is not None:
        verify_record(sqlite_url(path))
    return held


def verify_record(url: str) -> None:
    """Recompute the journal of the record there. Raises JournalBroken."""
    record = Record(url)
    try:
        record.verify()
    finally:
        record.close()


def _held(db: sqlite3.Connection) -> Contents:
    names = [name for (name,) in db.execute("SELECT name FROM sqlite_schema WHERE type = 'table'")]
    rows = {
        name: int(db.execute(f'SELECT count(*) FROM "{name}"').fetchone()[0])
        for name in names
        if not name.startswith("sqlite_")
    }
    if JOURNAL not in rows:
        return Contents(rows)
    last = db.execute(f"SELECT sequence, hash FROM {JOURNAL} ORDER BY sequence DESC LIMIT 1").fetchone()
    return Contents(rows, _head(last))


def _head(last: tuple[int, bytes] | None) -> tuple[int, str]:
    return (0, to_hex(bytes(32))) if last is None else (int(last[0]), to_hex(bytes(last[1])))


def dump_postgres(url: str, target: Path) -> Contents:
    """Dump a record by PostgreSQL's own program while it is written, and say what that very state held."""
    record = Record(url)
    try:
        with record.read() as connection:  # one committed state throughout
            snapshot = str(connection.execute(text("SELECT pg_export_snapshot()")).scalar())
            names = inspect(connection).get_table_names()
            rows = {
                name: int(connection.execute(select(func.count()).select_from(table(name))).scalar() or 0)
                for name in names
            }
            if JOURNAL not in rows:
                raise NotABackup(file=target, reason="the database holds no record")
            query = text(f"SELECT sequence, hash FROM {JOURNAL} ORDER BY sequence DESC LIMIT 1")
            last = connection.execute(query).first()
            options = ["--format=custom", "--no-owner", "--no-privileges", f"--snapshot={snapshot}"]
            with _postgres("pg_dump", url, *options, f"--file={target}"):
                pass
    finally:
        record.close()
    return Contents(rows, _head(None if last is None else (last[0], last[1])))


def open_postgres(dump: Path) -> Contents:
    """What a dump holds, read from the dump alone: rows by table, and the journal's last entry."""
    rows: dict[str, int] = {}
    last: tuple[int, bytes] | None = None
    now = ""
    columns: list[str] = []
    with _run(["pg_restore", "--data-only", "--file=-", str(dump)], {}) as lines:
        for line in lines:
            if not now:
                if begun := _POSTGRES_COPY.match(line.rstrip("\n")):
                    now, columns = begun["table"], begun["columns"].split(", ")
                    rows[now] = 0
            elif line.rstrip("\n") == _POSTGRES_END:
                now = ""
            else:
                rows[now] += 1
                if now == JOURNAL:
                    cells = dict(zip(columns, line.rstrip("\n").split("\t"), strict=True))
                    entry = int(cells["sequence"]), bytes.fromhex(cells["hash"].removeprefix(_POSTGRES_BYTES))
                    last = entry if last is None else max(last, entry)
    return Contents(rows, _head(last))


def restore_postgres(url: str, dump: Path) -> None:
    """Bring a dump back into an empty database, whole or not at all."""
    options = ["--single-transaction", "--exit-on-error", "--no-owner", "--no-privileges"]
    with _postgres("pg_restore", url, *options, str(dump)):
        pass


def count_tables(url: str) -> int:
    """How many tables a database has."""
    record = Record(url)
    try:
        with record.read() as connection:
            return len(inspect(connection).get_table_names())
    finally:
        record.close()


def is_postgres(url: str) -> bool:
    """Whether a record lies in PostgreSQL, and not in a file."""
    return make_url(url).get_backend_name() in ("postgresql", "postgres")


@contextmanager
def _postgres(tool: str, url: str, *options: str) -> Iterator[Iterator[str]]:
    place = make_url(url)
    secret = {} if place.password is None else {"PGPASSWORD": str(place.password)}  # others can read command lines
    place = URL.create(
        "postgresql",
        username=place.username,
        host=place.host,
        port=place.port,
        database=place.database,
        query=place.query,
    )
    with _run([tool, f"--dbname={place.render_as_string(hide_password=False)}", *options], secret) as lines:
        yield lines


@contextmanager
def _run(command: list[str], more: dict[str, str]) -> Iterator[Iterator[str]]:
    """The lines that a program of PostgreSQL writes. Raises PostgresToolFailed where it is missing or fails."""
    tool = command[0]
    if shutil.which(tool) is None:
        raise PostgresToolFailed(tool=tool, reason="there is no such program")
    with tempfile.TemporaryFile("w+") as errors:
        process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=errors, text=True, env=os.environ | more)
        with process:
            yield process.stdout or iter(())
            process.communicate()
        errors.seek(0)
        said = errors.read().strip()
    if process.returncode != 0:
        raise PostgresToolFailed(tool=tool, reason=said.split("\n")[0] or f"ended with {process.returncode}")
