"""The journal on each database: chain, keys, cursors, erasure, and many writers at once."""

from __future__ import annotations

import contextlib
import importlib
import json
import pkgutil
import subprocess
import sys
import threading
import time
from pathlib import Path
from typing import Any

import pytest
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from sqlalchemy import delete, event, text, update
from sqlalchemy.exc import DBAPIError

import ledger_service
from domain.facts import ErasureDone
from domain.hashing import ZERO_HASH, NotCanonical, canonical_json, keccak
from ledger_service.access.queries import entries_with_key
from ledger_service.record import CursorMovedBack, JournalBroken, KeyReused, NestedTransaction, PayloadErased, Record
from ledger_service.record.errors import NotErasable
from ledger_service.record.tables import journal_entry, journal_payload, metadata
from tests.journal import Done, Followed, Secret, append_fact, content_of

pytestmark = pytest.mark.integration

WRITER = """
import sys
from ledger_service.record import Record
from tests.journal import append_fact
record = Record.open(sys.argv[1])
for number in range(int(sys.argv[3])):
    with record.begin() as tx:
        name = sys.argv[2]
        first = append_fact(tx, "test.done", {"writer": name, "number": number}, key=f"{name}:{number}")
        append_fact(tx, "test.followed", {"of": first.sequence})
    print(first.sequence, flush=True)
"""


def append(record: Record, *payloads: dict[str, Any], kind: str = "test.done") -> list[Any]:
    with record.begin() as tx:
        return [append_fact(tx, kind, payload) for payload in payloads]


def start_writer(url: str, name: str, count: int) -> subprocess.Popen[str]:
    command = [sys.executable, "-c", WRITER, url, name, str(count)]
    return subprocess.Popen(command, stdout=subprocess.PIPE, text=True)


def test_key_look_ups__sqlite__search_the_index_and_scan_no_table(tmp_path: Path) -> None:
    record = Record.open(f"sqlite:///{tmp_path}/record.db")
    asked: list[tuple[str, Any]] = []
    with record.begin() as tx:
        append_fact(tx, "test.done", {}, key="a:1")
        connection = tx.connection
        event.listen(connection, "before_cursor_execute", lambda *call: asked.append((call[2], call[3])))

        tx.find("a:2")
        entries_with_key(connection, prefix="a:", limit=10)

        queries = [one for one in asked if "journal_key" in one[0]]
        plans = [
            row[-1]
            for query in queries
            for row in connection.exec_driver_sql(f"EXPLAIN QUERY PLAN {query[0]}", query[1])
        ]

    assert len(queries) == 2
    assert sum("SEARCH journal_key USING INDEX" in step for step in plans) == 2
    assert not [step for step in plans if step.startswith("SCAN")]


def test_append__two_facts__hashes_as_the_protocol_says(record: Record) -> None:
    append(record, {"b": 1, "a": "é"}, {})

    first, second = record.entries()
    assert first.salt is not None and second.salt is not None
    assert (first.sequence, first.previous) == (1, ZERO_HASH)
    assert first.payload_hash == keccak(first.salt + b'{"a":"\xc3\xa9","b":1}')
    packed = (1).to_bytes(8, "big") + keccak(b"test.done") + first.payload_hash + ZERO_HASH
    assert first.hash == keccak(packed)
    assert second.previous == first.hash
    assert (record.head().sequence, record.head().hash) == (2, second.hash)
    assert len(first.salt) == 32 and first.salt != second.salt


def test_head__empty_journal__zero(record: Record) -> None:
    assert (record.head().sequence, record.head().hash) == (0, ZERO_HASH)
    assert record.entries() == []
    assert record.verify().erased == 0


def test_append__same_key_same_payload__first_entry(record: Record) -> None:
    with record.begin() as tx:
        first = append_fact(tx, "test.done", {"a": 1}, key="k")
        again = append_fact(tx, "test.done", {"a": 1}, key="k")
    with record.begin() as tx:
        later = append_fact(tx, "test.done", {"a": 1}, key="k")

    assert not first.repeated and again.repeated and later.repeated
    assert first.sequence == again.sequence == later.sequence == record.head().sequence


@pytest.mark.parametrize(("kind", "payload"), [("test.done", {"a": 2}), ("test.secret", {"a": 1})])
def test_append__same_key_other_content__refused(record: Record, kind: str, payload: dict[str, Any]) -> None:
    with record.begin() as tx:
        append_fact(tx, "test.done", {"a": 1}, key="k")

    with pytest.raises(KeyReused) as refusal, record.begin() as tx:
        append_fact(tx, "test.followed", {})
        append_fact(tx, kind, payload, key="k")

    assert (refusal.value.status, refusal.value.key, refusal.value.sequence) == (422, "k", 1)
    assert record.head().sequence == 1


@pytest.mark.parametrize("value", [0.5, float("nan"), 2**53, b"x", {1: 2}])
def test_append__not_canonical__nothing_is_written(record: Record, value: object) -> None:
    with pytest.raises(NotCanonical), record.begin() as tx:
        append_fact(tx, "test.done", {"value": value})

    assert record.head().sequence == 0


def test_find__known_and_unknown_key__entry_and_none(record: Record) -> None:
    with record.begin() as tx:
        append_fact(tx, "test.done", {"a": 1}, key="k")
    with record.begin() as tx:
        tx.preload(["k", "missing"])
        found = tx.find("k")

        assert found is not None and content_of(found) == {"a": 1}
        assert tx.find("missing") is None


def test_begin__block_raises__all_is_undone(record: Record) -> None:
    with pytest.raises(RuntimeError, match="stop"), record.begin() as tx:
        append_fact(tx, "test.done", {}, key="k")
        tx.advance("reader", 1)
        raise RuntimeError("stop")

    with record.begin() as tx:
        assert tx.find("k") is None
        assert tx.cursor("reader") == 0
    assert record.head().sequence == 0


def test_begin__within_begin__refused(record: Record) -> None:
    with record.begin(), pytest.raises(NestedTransaction), record.begin():
        pass


def test_cursor__advance__only_forward(record: Record) -> None:
    append(record, {}, {}, {})
    with record.begin() as tx:
        tx.advance("reader", 2)
        tx.advance("reader", 2)
        with pytest.raises(CursorMovedBack):
            tx.advance("reader", 1)

    with record.begin() as tx:
        assert tx.cursor("reader") == 2


def test_entries__after_kinds_limit__filtered_in_order(record: Record) -> None:
    for number in range(6):
        append(record, {"n": number}, kind=("test.done", "test.followed")[number % 2])

    assert [entry.sequence for entry in record.entries(after=2, limit=2)] == [3, 4]
    assert [entry.sequence for entry in record.entries(kinds=[Followed], after=2)] == [4, 6]
    assert record.entries(kinds=[]) == []


def test_read__while_others_write__one_state(record: Record) -> None:
    append(record, {})
    with record.read() as connection:
        before = record.entries(connection=connection)
        append(record, {})
        assert record.entries(connection=connection) == before
    assert record.head().sequence == 2


def test_read__written_through__undone_or_refused(record: Record) -> None:
    append(record, {})
    with contextlib.suppress(DBAPIError), record.read() as connection:
        connection.execute(delete(journal_payload))

    assert record.verify().head.sequence == 1
    assert content_of(record.entries()[0]) == {}


def test_begin__many_threads__gapless_and_readers_see_prefixes(record: Record) -> None:
    seen_gaps: list[list[int]] = []
    stop = threading.Event()

    def read() -> None:
        while not stop.is_set():
            sequences = [entry.sequence for entry in record.entries(limit=10_000)]
            if sequences != list(range(1, len(sequences) + 1)):
                seen_gaps.append(sequences)

    def write(name: int) -> None:
        for number in range(20):
            append(record, {"writer": name, "number": number}, {"more": number})

    reader = threading.Thread(target=read)
    writers = [threading.Thread(target=write, args=(name,)) for name in range(6)]
    for thread in (reader, *writers):
        thread.start()
    for thread in writers:
        thread.join()
    stop.set()
    reader.join()

    assert seen_gaps == []
    assert record.verify().head.sequence == 240


def test_open__processes_at_once_on_an_empty_database__all_write_gapless(empty_url: str) -> None:
    writers = [start_writer(empty_url, name, 25) for name in ("a", "b", "c")]
    outputs = [writer.communicate(timeout=120)[0] for writer in writers]

    record = Record.open(empty_url)
    assert [writer.returncode for writer in writers] == [0, 0, 0]
    assert record.verify().head.sequence == 150
    for name, output in zip("abc", outputs, strict=True):
        acknowledged = [int(line) for line in output.split()]
        mine = [entry for entry in record.entries(kinds=[Done]) if content_of(entry)["writer"] == name]
        assert [entry.sequence for entry in mine] == acknowledged
        assert [content_of(entry)["number"] for entry in mine] == list(range(25))
    record.close()


def test_begin__writer_killed__acknowledged_is_there_and_nothing_half(record_url: str) -> None:
    writer = start_writer(record_url, "killed", 1_000_000)
    assert writer.stdout is not None
    acknowledged = [int(writer.stdout.readline()) for _ in range(40)]
    writer.kill()
    acknowledged += [int(line) for line in writer.stdout.read().split("\n")[:-1]]
    writer.wait()
    writer.stdout.close()

    record = Record.open(record_url)
    append(record, {"after": "the crash"}, kind="test.secret")
    head = record.verify().head.sequence
    counted = [entry.sequence for entry in record.entries(kinds=[Done], limit=10**6)]
    followed = [content_of(entry)["of"] for entry in record.entries(kinds=[Followed], limit=10**6)]
    assert set(acknowledged) <= set(counted)
    assert counted == followed
    assert head == 2 * len(counted) + 1
    record.close()


def test_erase__one_payload__gone_but_the_chain_holds(record: Record) -> None:
    with record.begin() as tx:
        append_fact(tx, "test.secret", {"name": "canary"}, key="secret")
        append_fact(tx, "test.done", {})
    entry = record.erase([1], "end of retention", tags=[b"\xaa" * 16])

    erased, _, fact = record.entries()
    assert (erased.text, erased.salt) == (None, None)
    assert fact == entry
    assert fact.fact == ErasureDone(sequences=(1,), reason="end of retention", tags=(b"\xaa" * 16,))
    assert record.verify().erased == 1
    with pytest.raises(PayloadErased):
        erased.as_a(Secret)
    assert erased.key is not None and "secret" not in erased.key


def test_erase__key_of_an_erased_entry__still_known(record: Record) -> None:
    with record.begin() as tx:
        append_fact(tx, "test.secret", {"name": "canary"}, key="secret")
    record.erase([1], "request")

    with record.begin() as tx:
        repeated = append_fact(tx, "test.secret", {"name": "another"}, key="secret")
    assert repeated.repeated and repeated.sequence == 1


def test_erase__an_erasures_own_fact__refused_and_the_journal_still_verifies(record: Record) -> None:
    append(record, {"name": "canary"})
    record.erase([1], "request")

    with pytest.raises(NotErasable) as refusal:
        record.erase([1, 2], "oops")

    assert refusal.value.sequence == 2
    assert record.verify().erased == 1


@pytest.mark.parametrize("sequences", [[], [0], [2]])
def test_erase__no_such_entry__refused(record: Record, sequences: list[int]) -> None:
    append(record, {})

    with pytest.raises(JournalBroken):
        record.erase(sequences, "request")
    assert record.head().sequence == 1


TAMPERINGS = {
    "kind": (update(journal_entry).where(journal_entry.c.sequence == 3).values(kind="test.forged"), 3),
    "payload hash": (update(journal_entry).where(journal_entry.c.sequence == 3).values(payload_hash=b"\x01" * 32), 3),
    "previous": (update(journal_entry).where(journal_entry.c.sequence == 3).values(previous=b"\x01" * 32), 3),
    "hash": (update(journal_entry).where(journal_entry.c.sequence == 3).values(hash=b"\x01" * 32), 3),
    "payload": (update(journal_payload).where(journal_payload.c.sequence == 3).values(payload='{"n":9}'), 3),
    "salt": (update(journal_payload).where(journal_payload.c.sequence == 3).values(salt=b"\x01" * 32), 3),
    "emptied": (update(journal_payload).where(journal_payload.c.sequence == 3).values(payload=None, salt=None), 3),
    "payload lost": (delete(journal_payload).where(journal_payload.c.sequence == 3), 3),
}


@pytest.mark.parametrize("name", TAMPERINGS)
def test_verify__one_field_changed__entry_is_named(record: Record, name: str) -> None:
    append(record, *({"n": number} for number in range(5)))
    statement, sequence = TAMPERINGS[name]
    with record.begin() as tx:
        tx.connection.execute(statement)

    with pytest.raises(JournalBroken) as broken:
        record.verify()
    assert broken.value.sequence == sequence


def test_verify__entry_cut_out__gap_is_named(record: Record) -> None:
    append(record, *({"n": number} for number in range(5)))
    with record.begin() as tx:
        tx.connection.execute(delete(journal_payload).where(journal_payload.c.sequence == 3))
        tx.connection.execute(delete(journal_entry).where(journal_entry.c.sequence == 3))

    with pytest.raises(JournalBroken) as broken:
        record.verify()
    assert (broken.value.sequence, broken.value.check) == (3, "sequence has no gap")


def test_verify__cursor_beyond_the_journal__found(record: Record) -> None:
    with record.begin() as tx:
        tx.connection.execute(text("INSERT INTO journal_cursor (name, sequence) VALUES ('reader', 7)"))

    with pytest.raises(JournalBroken, match="cursor"):
        record.verify()


def test_entries__large_payload__comes_back_as_it_was(record: Record) -> None:
    payload = {"words": ["0x" + "ab" * 32] * 2_000, "text": "ü\u2028€\U0001f600", "none": None, "yes": True}
    append(record, payload)

    assert content_of(record.entries()[0]) == payload
    assert (
        canonical_json(payload)
        == json.dumps(payload, sort_keys=True, separators=(",", ":"), ensure_ascii=False).encode()
    )


def test_migrations__empty_database__give_exactly_the_metadata(record: Record) -> None:
    for package in pkgutil.iter_modules(ledger_service.__path__, "ledger_service."):
        if package.ispkg:
            try:
                importlib.import_module(f"{package.name}.tables")
            except ModuleNotFoundError as error:
                assert error.name == f"{package.name}.tables"

    with record.engine.connect() as connection:
        context = MigrationContext.configure(connection, opts={"compare_type": True})
        assert compare_metadata(context, metadata) == []


def test_open__second_time__keeps_what_is_there(record: Record, record_url: str) -> None:
    append(record, {})
    second = Record.open(record_url)

    assert second.head() == record.head()
    append(second, {})
    assert record.head().sequence == 2
    second.close()


def test_begin__another_process_writes__waits_for_it(record: Record, record_url: str) -> None:
    other = Record.open(record_url)
    order: list[str] = []

    def write_later() -> None:
        append(other, {})
        order.append("other")

    with record.begin() as tx:
        append_fact(tx, "test.done", {})
        thread = threading.Thread(target=write_later)
        thread.start()
        time.sleep(0.2)
        order.append("first")
    thread.join()

    assert order == ["first", "other"]
    assert record.verify().head.sequence == 2
    other.close()
