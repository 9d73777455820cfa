"""A backup is what a restore brings back: whatever the folder is called, while it is written, from either database."""

from __future__ import annotations

import json
import os
import sqlite3
import tarfile
import threading
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import text
from typer.testing import CliRunner

from ledger_service.record import Record, sqlite_url
from oracle.transactions import open_read_only
from scripts.cli.main import app
from scripts.community.run_config import RunConfig
from scripts.serving.embedded.run_folder import COMMUNITY_FILE, RECORD_FILE, write_config
from tests.journal import append_fact
from tests.postgres import Postgres

pytestmark = pytest.mark.integration

NAMES = ("a#b", "a?b", "a%20b", "a b", "ä[1]", "a&mode=memory", "file:a")
"""Folders whose names mean something else within a URL."""

FACTS = 30

CONFIG = RunConfig(
    grid="1-LV-semiurb4--2-sw",
    area="A",
    pv_permille=1000,
    genesis=0,
    first_day="2016-06-15",
    last_day=None,
    http_port=1,
    mqtt_port=2,
)


def run_folder(folder: Path) -> Path:
    """A state folder as a run leaves it, as far as databases and settings go."""
    write_config(folder, CONFIG)
    fill(sqlite_url(folder / RECORD_FILE))
    for name in (COMMUNITY_FILE, "attesters/attester-1/store.sqlite"):
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        with closing(sqlite3.connect(folder / name)) as db, db:
            db.execute("CREATE TABLE kept (number INTEGER)")
            db.executemany("INSERT INTO kept VALUES (?)", [(number,) for number in range(7)])
    return folder


def fill(url: str) -> None:
    with closing(Record.open(url)) as record, record.begin() as tx:
        for number in range(FACTS):
            append_fact(tx, "test.done", {"number": number})


def dominoes(*arguments: object, code: int = 0) -> Any:
    done = CliRunner().invoke(app, [str(each) for each in arguments], catch_exceptions=False)
    assert done.exit_code == code, done.output
    return json.loads(done.stdout) if code == 0 else done.output


@pytest.mark.parametrize("name", NAMES)
def test_restore__folder_of_any_name__has_what_was_there(name: str, tmp_path: Path) -> None:
    state, elsewhere = run_folder(tmp_path / name / "state"), tmp_path / name / "else where"
    file = tmp_path / name / "run.tar.gz"
    with closing(Record(sqlite_url(state / RECORD_FILE))) as record:
        head = record.head()

    told = dominoes("backup", file, "--state", state, "--json")
    dominoes("restore", file, "--state", elsewhere, "--json")

    assert told["journal_sequence"] == FACTS and told["databases"] == 3
    with closing(Record.open(sqlite_url(elsewhere / RECORD_FILE))) as record:
        assert record.verify().head == head
    with closing(open_read_only(elsewhere / "attesters/attester-1/store.sqlite")) as db:
        assert db.execute("SELECT count(*) FROM kept").fetchone() == (7,)
    assert sorted(path.name for path in elsewhere.iterdir()) == sorted(
        path.name for path in state.iterdir() if not path.name.endswith(("-wal", "-shm"))
    )
    assert file.stat().st_mode & 0o077 == elsewhere.stat().st_mode & 0o077 == 0


def test_backup__while_it_is_written__one_state_of_it(tmp_path: Path) -> None:
    state = run_folder(tmp_path / "state")
    stop = threading.Event()

    def write() -> None:
        with closing(Record.open(sqlite_url(state / RECORD_FILE))) as record:
            while not stop.is_set():
                with record.begin() as tx:
                    append_fact(tx, "test.done", {"number": tx.head.sequence})

    writer = threading.Thread(target=write)
    writer.start()
    try:
        told = [dominoes("backup", tmp_path / f"{at}.tar.gz", "--state", state, "--json") for at in range(3)]
    finally:
        stop.set()
        writer.join()

    for at, each in enumerate(told):
        dominoes("restore", tmp_path / f"{at}.tar.gz", "--state", tmp_path / str(at), "--json")
        with closing(Record.open(sqlite_url(tmp_path / str(at) / RECORD_FILE))) as record:
            assert record.verify().head.sequence == each["journal_sequence"] >= FACTS


def test_backup__journal_that_does_not_verify__no_file(tmp_path: Path) -> None:
    state, file = run_folder(tmp_path / "state"), tmp_path / "run.tar.gz"
    with closing(sqlite3.connect(state / RECORD_FILE)) as db, db:
        db.execute("UPDATE journal_payload SET payload = '{}' WHERE sequence = 5")

    said = dominoes("backup", file, "--state", state, code=2)

    assert "journal-broken" in said and os.listdir(tmp_path) == ["state"]


def repacked(file: Path, folder: Path, change: Any) -> Path:
    """The archive with one thing changed."""
    with tarfile.open(file) as archive:
        archive.extractall(folder, filter="data")
    change(folder)
    changed = file.with_name("changed.tar.gz")
    with tarfile.open(changed, "w:gz") as archive:
        for path in folder.iterdir():
            archive.add(path, arcname=path.name)
    return changed


def emptied(folder: Path) -> None:
    (folder / RECORD_FILE).unlink()
    with closing(Record.open(sqlite_url(folder / RECORD_FILE))):
        pass


def shortened(folder: Path) -> None:
    with closing(sqlite3.connect(folder / COMMUNITY_FILE)) as db, db:
        db.execute("DELETE FROM kept WHERE number = 3")


def cut(folder: Path) -> None:
    with (folder / COMMUNITY_FILE).open("r+b") as file:
        file.truncate(5_000)


def taken_out(folder: Path) -> None:
    (folder / COMMUNITY_FILE).unlink()


@pytest.mark.parametrize(
    ("change", "code"),
    [(emptied, "copy-differs"), (shortened, "copy-differs"), (cut, "copy-differs"), (taken_out, "not-a-backup")],
)
def test_restore__archive_without_something__nothing_is_restored(change: Any, code: str, tmp_path: Path) -> None:
    state, elsewhere = run_folder(tmp_path / "state"), tmp_path / "elsewhere"
    dominoes("backup", tmp_path / "run.tar.gz", "--state", state, "--json")
    changed = repacked(tmp_path / "run.tar.gz", tmp_path / "opened", change)

    said = dominoes("restore", changed, "--state", elsewhere, code=2)

    assert code in said and not elsewhere.exists()


def test_restore__archive_cut_short__nothing_is_restored(tmp_path: Path) -> None:
    state, file = run_folder(tmp_path / "state"), tmp_path / "run.tar.gz"
    dominoes("backup", file, "--state", state, "--json")
    file.write_bytes(file.read_bytes()[:-200])

    said = dominoes("restore", file, "--state", tmp_path / "elsewhere", code=2)

    assert "not-a-backup" in said and sorted(os.listdir(tmp_path)) == ["run.tar.gz", "state"]


@pytest.fixture(params=["sqlite", pytest.param("postgresql", marks=pytest.mark.host)])
def places(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[tuple[str, str]]:
    """A record's database, and an empty one of the same kind."""
    if request.param == "sqlite":
        yield sqlite_url(tmp_path / "a#b.sqlite"), sqlite_url(tmp_path / "a?b.sqlite")
        return
    server: Postgres = request.getfixturevalue("postgres")
    yield server.create("backed_up"), server.create("restored_into")


def test_restore__record_of_settings__has_what_was_there(
    places: tuple[str, str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    origin, other = places
    fill(origin)
    file = tmp_path / "record.tar.gz"
    settings = tmp_path / "service.toml"
    settings.write_text(f"[database]\nurl = {json.dumps(origin)}\n")
    with closing(Record(origin)) as record:
        head = record.head()

    told = dominoes("backup", file, "--config", settings, "--json")
    settings.write_text(f"[database]\nurl = {json.dumps(other)}\n")
    dominoes("restore", file, "--config", settings, "--json")

    assert told["journal_head"] == "0x" + head.hash.hex()
    with closing(Record.open(other)) as record:
        assert record.verify().head == head
        with record.read() as connection:
            assert connection.execute(text("SELECT count(*) FROM journal_payload")).scalar() == FACTS
    assert "folder-taken" in dominoes("restore", file, "--config", settings, code=2)
