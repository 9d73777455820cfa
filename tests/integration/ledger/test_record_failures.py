"""What happens when the database is the wrong one, is full, or goes away."""

from __future__ import annotations

import signal
import subprocess
import sys
from pathlib import Path

import pytest
from sqlalchemy import Connection, event

from ledger_service.record import Record, StorageUnavailable, UnknownDatabase
from ledger_service.record.errors import ErasureUnfinished
from tests.integration.ledger.town import Town
from tests.journal import append_fact, content_of
from tests.postgres import Postgres

pytestmark = pytest.mark.integration


@pytest.mark.parametrize("url", ["", "nonsense", "sqlite://", "sqlite:///:memory:", "mysql://u@h/d"])
def test_open__url_of_no_record__refused(url: str) -> None:
    with pytest.raises(UnknownDatabase):
        Record.open(url)


def test_open__folder_missing__unavailable(tmp_path: Path) -> None:
    with pytest.raises(StorageUnavailable):
        Record.open(f"sqlite:///{tmp_path}/missing/record.db")


def test_erase__sqlite__bytes_are_gone_from_the_files(tmp_path: Path) -> None:
    record = Record.open(f"sqlite:///{tmp_path}/record.db")
    with record.begin() as tx:
        append_fact(tx, "test.secret", {"name": "canary-4711"})
    record.erase([1], "request")
    record.close()

    left = b"".join(path.read_bytes() for path in tmp_path.iterdir())
    assert b"test.secret" in left
    assert b"canary-4711" not in left


def test_erase__reader_keeps_the_log__says_so_until_the_bytes_are_gone(tmp_path: Path) -> None:
    record = Record.open(f"sqlite:///{tmp_path}/record.db")
    with record.begin() as tx:
        append_fact(tx, "test.secret", {"name": "canary-4711"})

    with record.read() as reader:
        record.entries(connection=reader)
        with pytest.raises(ErasureUnfinished) as refusal:
            record.erase([1], "request")
    record.erase(refusal.value.sequences, "request")

    left = b"".join(path.read_bytes() for path in tmp_path.iterdir())
    assert b"canary-4711" not in left
    record.close()


KILLED_BETWEEN = """
import os, signal, sys
from ledger_service.record import Record

def die(tx):
    assert tx.connection is not None
    os.kill(os.getpid(), signal.SIGKILL)

Record.open(sys.argv[1]).erase([1], "request", copies=die)
"""


def test_erase__killed_between_payload_and_commit__all_is_there_and_it_is_erased_later(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path}/record.db"
    record = Record.open(url)
    with record.begin() as tx:
        append_fact(tx, "test.secret", {"name": "canary-4711"})

    killed = subprocess.run([sys.executable, "-c", KILLED_BETWEEN, url], check=False)

    assert killed.returncode == -signal.SIGKILL
    assert content_of(record.entries()[0]) == {"name": "canary-4711"}
    assert (record.head().sequence, record.verify().erased) == (1, 0)
    record.erase([1], "request")
    assert (record.head().sequence, record.verify().erased) == (2, 1)
    record.close()


@pytest.mark.host
def test_erase__postgresql__bytes_are_gone_from_the_tables(postgres: Postgres) -> None:
    record = Record.open(postgres.create("erased"))
    with record.begin() as tx:
        append_fact(tx, "test.secret", {"name": "canary-4711"}, key="canary-4712")
    record.erase([1], "request")
    with record.engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
        connection.exec_driver_sql("CHECKPOINT")
    record.close()

    tables = b"".join(path.read_bytes() for path in (postgres.folder / "data" / "base").rglob("*") if path.is_file())
    assert b"test.secret" in tables
    assert b"canary-471" not in tables


class FullDisk:
    """A database that may not grow: what SQLite answers on a full disk."""

    def __init__(self, record: Record) -> None:
        self.is_full = False
        event.listen(record.engine, "begin", self._limit)

    def _limit(self, connection: Connection) -> None:
        pages = connection.exec_driver_sql("PRAGMA page_count").scalar()
        limit = pages if self.is_full else 2**30
        connection.exec_driver_sql(f"PRAGMA max_page_count = {limit}")


def test_intake__disk_full__nothing_is_acknowledged_and_it_goes_on_when_there_is_room(tmp_path: Path) -> None:
    record = Record.open(f"sqlite:///{tmp_path}/record.db")
    town = Town(record, households=2)
    program = town.open_session()
    disk = FullDisk(record)
    orders = [town.residents[n % 2].order(mtu=program.first_mtu + n % 96) for n in range(150)]
    disk.is_full = True
    head = record.head()

    with pytest.raises(StorageUnavailable) as refusal:
        town.send(*orders)
    assert (refusal.value.status, refusal.value.retryable) == (503, True)
    assert record.head() == head

    disk.is_full = False
    outcomes = town.send(*orders)
    assert [outcome.repeated for outcome in outcomes] == [False] * 150
    assert record.verify().head.sequence == head.sequence + 150
    record.close()


@pytest.mark.host
def test_begin__server_stopped_and_started__waits_outside_and_goes_on(tmp_path_factory: pytest.TempPathFactory) -> None:
    server = Postgres(tmp_path_factory.mktemp("pg"))
    record = Record.open(server.create("away"))
    with record.begin() as tx:
        append_fact(tx, "test.done", {"n": 1})

    server.stop()
    with pytest.raises(StorageUnavailable), record.begin() as tx:
        append_fact(tx, "test.done", {"n": 2})
    server.restart()
    with record.begin() as tx:
        append_fact(tx, "test.done", {"n": 3})

    assert [content_of(entry)["n"] for entry in record.entries()] == [1, 3]
    record.close()
    server.stop()
